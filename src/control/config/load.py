"""Reading a configuration file: TOML, key files, models, checks. Every problem at once, by key path."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mobileip.control.config.checks import Parts, check
from mobileip.control.config.model import (
    Config,
    DaemonConfig,
    ForeignAgentConfig,
    HomeAgentConfig,
    HomeNetworkConfig,
    MobileNodeConfig,
    NodeConfig,
    VisitedInterfaceConfig,
)
from mobileip.control.config.problem import ConfigError, Problem, Severity
from mobileip.control.config.values import parse_key, parse_secret

_ROLES: Final = ("home_agent", "foreign_agent", "mobile_node")
_KEYED: Final = (
    ("home_agent", "nodes"),
    ("home_agent", "foreign_agents"),
    ("foreign_agent", "nodes"),
    ("foreign_agent", "home_agents"),
    ("mobile_node", "foreign_agents"),
)  # lists of tables with a key
_WITH_SERVERS: Final = (
    ("home_agent", "keys", "radius"),
    ("home_agent", "keys", "tacacs"),
    ("home_agent", "accounting"),
    ("home_agent", "aaa"),
    ("foreign_agent", "aaa"),
)
_CONTENTS: Final = {
    "key": lambda content: parse_key(content.decode("ascii")),
    "secret": lambda content: parse_secret(content.decode().rstrip("\r\n")),
}
_WANTED: Final = {"key": "8 to 64 bytes as hexadecimal digits", "secret": "a text of 1 to 128 characters"}
_HIDDEN: Final = ("key", "secret", "password")  # whose values are shown nowhere
_LARGEST_KEY_FILE: Final = 4096  # bytes
_GROUP_AND_OTHERS: Final = 0o077

Table = dict[str, Any]
Location = tuple[int | str, ...]
Model = TypeVar("Model", bound=BaseModel)


def load(path: Path) -> Config:
    """The configuration in ``path``; :class:`ConfigError` with every problem if one of them is an error."""
    config, problems = examine(path)
    if config is None:
        raise ConfigError(path, problems)
    return config


def examine(path: Path) -> tuple[Config | None, tuple[Problem, ...]]:
    """The configuration and what is to be said of it; ``None`` when one of the problems is an error."""
    try:
        data = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        return None, (Problem("", f"cannot be read: {error.strerror}"),)
    except UnicodeDecodeError as error:
        return None, (
            Problem("", f"is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start}"),
        )
    except tomllib.TOMLDecodeError as error:
        # Its message ends in "(at line 3, column 7)".
        return None, (Problem("", f"is not TOML: {error}"),)
    except ValueError:  # of int(), which takes no more digits than sys.get_int_max_str_digits()
        return None, (Problem("", "is not TOML: a number in it has more than 64 bits"),)
    except RecursionError:
        return None, (Problem("", "is nested too deeply to be a configuration"),)
    return examine_data(data, path.parent)


def examine_data(data: Table, directory: Path) -> tuple[Config | None, tuple[Problem, ...]]:
    """As :func:`examine`, of what TOML gave; key files are sought from ``directory``. ``data`` is changed."""
    problems = list(_read_key_files(data, directory))
    problems += _roles(data)
    config = None
    try:
        config = Config.model_validate(data)
        parts = Parts.of(config)
    except ValidationError as failure:
        # A key file that could not be used leaves no key behind; one problem is enough for that.
        known = {problem.key for problem in problems if problem.severity is Severity.ERROR}
        problems += [
            problem
            for problem in map(_translate, _own(failure.errors(include_url=False)))
            if problem.key not in known and f"{problem.key}_file" not in known
        ]
        parts = _valid_parts(data)
    problems += check(parts)
    if any(problem.severity is Severity.ERROR for problem in problems):
        config = None
    return config, tuple(problems)


def _roles(data: Table) -> Iterator[Problem]:
    present = [role for role in _ROLES if role in data]
    if not present:
        yield Problem("", "has no role: add a [home_agent], [foreign_agent] or [mobile_node] table")
    elif "mobile_node" in present and len(present) > 1:
        yield Problem(
            "mobile_node",
            f"cannot stand beside {present[0]}: a mobile node routes its packets as no router does;"
            " run it in a process and network namespace of its own",
        )


def _read_key_files(data: Table, directory: Path) -> Iterator[Problem]:
    """Puts each ``key`` where a ``key_file`` was, and each ``secret`` where a ``secret_file``."""
    for where, table in _tables_with_key(data):
        yield from _read_file(where, table, "key", directory)
    for where, table in _tables_with_secret(data):
        yield from _read_file(where, table, "secret", directory)


def _read_file(where: str, table: Table, key: str, directory: Path) -> Iterator[Problem]:
    name = table.pop(f"{key}_file", None)
    if name is None:
        return
    place = f"{where}.{key}_file"
    if key in table:
        yield Problem(place, f"{key} and {key}_file exclude each other: keep one")
        return
    if not isinstance(name, str) or not name or "\x00" in name:
        yield Problem(place, f"{_shown(name)}: must be the path of a file, in quotes")
        return
    path = directory / name  # an absolute name stays as it is
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_KEY_FILE + 1)
            mode = path.stat().st_mode
        table[key] = _CONTENTS[key](content if len(content) <= _LARGEST_KEY_FILE else b"")
    except OSError as error:
        yield Problem(place, f"{path} cannot be read: {error.strerror}")
    except ValueError:
        yield Problem(place, f"{path} must hold {_WANTED[key]}, and nothing else")
    else:
        if mode & _GROUP_AND_OTHERS:
            yield Problem(
                place,
                f"{path} is open to other users (mode {mode & 0o777:04o}): chmod 600 {path}",
                Severity.WARNING,
            )


def _tables_with_secret(data: Table) -> Iterator[tuple[str, Table]]:
    for place in _WITH_SERVERS:
        found: Any = data
        for name in place:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, dict):
            for index, element in enumerate(_elements({"": found}, "", "servers")):
                if isinstance(element, dict):
                    yield f"{'.'.join(place)}.servers[{index}]", element
    node = data.get("mobile_node")
    if isinstance(node, dict) and isinstance(aaa := node.get("aaa"), dict):
        yield "mobile_node.aaa", aaa


def _tables_with_key(data: Table) -> Iterator[tuple[str, Table]]:
    for role, name in _KEYED:
        for index, element in enumerate(_elements(data, role, name)):
            if isinstance(element, dict):
                yield f"{role}.{name}[{index}]", element
    if isinstance(node := data.get("mobile_node"), dict):
        yield "mobile_node", node


def _elements(data: Table, table: str, key: str) -> list[Any]:
    found = data.get(table)
    elements = found.get(key) if isinstance(found, dict) else None
    return elements if isinstance(elements, list) else []


def _valid_parts(data: Table) -> Parts:
    """What is valid in a file that is not valid as a whole."""
    networks = _elements(data, "home_agent", "networks")
    valid_networks = _valid_elements(HomeNetworkConfig, networks)
    return Parts(
        _valid(DaemonConfig, data.get("daemon", {})),
        _valid(HomeAgentConfig, data.get("home_agent")),
        _valid(ForeignAgentConfig, data.get("foreign_agent")),
        _valid(MobileNodeConfig, data.get("mobile_node")),
        valid_networks,
        _valid_elements(NodeConfig, _elements(data, "home_agent", "nodes")),
        _valid_elements(VisitedInterfaceConfig, _elements(data, "foreign_agent", "interfaces")),
        len(valid_networks) == len(networks),
    )


def _own(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """A list whose elements are all wrong is called too short as well: that is no error of its own."""
    for error in errors:
        place = error["loc"]
        beneath = any(other["loc"] != place and other["loc"][: len(place)] == place for other in errors)
        if error["type"] != "too_short" or not beneath:
            yield error


def _valid(model: type[Model], data: object) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _valid_elements(model: type[Model], elements: list[Any]) -> Mapping[int, Model]:
    valid = {index: _valid(model, element) for index, element in enumerate(elements)}
    return {index: element for index, element in valid.items() if element is not None}


def _translate(error: ErrorDetails) -> Problem:
    """One of pydantic's errors in our words. A value is shown only where it cannot be a key."""
    location, kind, given = error["loc"], error["type"], error["input"]
    path = _key_path(location)
    match kind:
        case "missing":
            return Problem(path, f"is missing: {_description(location)}")
        case "extra_forbidden":
            return Problem(path, _unknown_key(location))
        case "value_error":
            sentence = str(error["ctx"]["error"])
            return Problem(path, sentence if location[-1] in _HIDDEN else f"{_shown(given)} {sentence}")
        case "model_type":
            return Problem(path, f"{_shown(given)} must be a table: {_header(location)}")
        case "tuple_type":
            return Problem(path, f"{_shown(given)} must be a list")
        case "too_short":
            return Problem(path, f"is empty: {_description(location)}")
        case _:
            return Problem(path, error["msg"])


def _key_path(location: Location) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _header(location: Location) -> str:
    """How TOML begins the table at ``location``."""
    if isinstance(location[-1], int):
        return f"[[{_key_path(location[:-1])}]]"
    return f"[{_key_path(location)}]"


def _model_at(location: Location) -> type[BaseModel]:
    """The model whose field the last part of ``location`` is."""
    model: type[BaseModel] = Config
    for part in location[:-1]:
        if isinstance(part, str):
            model = next(_models_in(model.model_fields[part].annotation))
    return model


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _description(location: Location) -> str:
    name = str(location[-1])
    return _model_at(location).model_fields[name].description or name


def _unknown_key(location: Location) -> str:
    name = str(location[-1])
    known = [*_model_at(location).model_fields]
    known += [f"{key}_file" for key in ("key", "secret") if key in known]
    near = get_close_matches(name, known, n=1)
    meant = f"is it {near[0]}? " if near else ""
    return f"is unknown here: {meant}known are {', '.join(known)}"


def _shown(value: object) -> str:
    """A value as it stands in TOML, cut short."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            text = '"' + value.encode("unicode_escape").decode() + '"'
        case dict():
            return "a table"
        case list():
            return "a list"
        case int() if value.bit_length() >= 64:  # which hexadecimal digits can say, and str() may refuse
            return "a number of more than 64 bits"
        case _:
            text = str(value)
    return text if len(text) <= 60 else text[:56] + '..."'
