"""`mobileip clear`, `debug`, `reload` and `explain`: what they send, and what they make of the answer."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mobileip.control.cli.main import mobileip
from mobileip.control.ops.control_socket import ControlError
from mobileip.control.reasons import Reason
from mobileip.control.wire import parse, pretty
from tests.unit.cli.serving import serving
from tests.unit.core import factory

BINDING = {"home_address": "10.1.0.5", "care_of_address": "198.51.100.1", "reverse_tunnel": True}
RELOADED: dict[str, Any] = {
    "changed": [{"key": "home_agent.max_lifetime", "text": "600 -> 300"}],
    "needs_restart": [{"key": "daemon.tunnel_device", "text": "mip0 -> mip7"}],
    "warnings": ["home_agent.nodes[0].key: warning: this key can be guessed"],
}
ENVELOPE = {
    "interface": "eth1",
    "source": "10.1.0.5:434",
    "destination": "198.51.100.1:434",
    "ttl": 255,
    "link_address": "02:00:00:00:00:01",
}
RECORDS: list[dict[str, Any]] = [
    {"time": "T1", "event": "following"},
    {"time": "T2", "event": "received", **ENVELOPE, "message": pretty.fields(parse(factory.request()))},
    {
        "time": "T3",
        "event": "received",
        **ENVELOPE,
        "ttl": None,
        "interface": None,
        "link_address": None,
        "error": {"reason": "truncated", "text": "cut short", "data": "0102"},
    },
    {
        "time": "T4",
        "event": "noted",
        "reason": "registered",
        "text": "registration accepted",
        "fields": {"home_address": "10.1.0.5", "nai": "a\x1b[31mb"},
    },
    {"time": "T5", "event": "lost", "count": 9},
]


class Daemon:
    """What was asked, and what to answer."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, object]] = []
        self.cleared: list[dict[str, Any]] = [BINDING]
        self.reloaded = RELOADED

    def clear(self, arguments: Mapping[str, object]) -> object:
        self.asked.append(arguments)
        return self.cleared

    def reload(self, arguments: Mapping[str, object]) -> object:
        self.asked.append(arguments)
        return self.reloaded

    def debug(self, arguments: Mapping[str, object]) -> AsyncGenerator[object, None]:
        self.asked.append(arguments)
        if arguments["node"] == "nobody":
            raise ControlError("say which node")
        return self._records()

    async def _records(self) -> AsyncGenerator[object, None]:
        for record in RECORDS:
            yield record


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def path(tmp_path: Path, daemon: Daemon) -> Iterator[Path]:
    handlers = {"clear": daemon.clear, "reload": daemon.reload, "debug": daemon.debug}
    with serving(tmp_path / "home.sock", handlers) as path:
        yield path


def invoke(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(mobileip, [*arguments, "--socket", str(path)], prog_name="mobileip")


def words(result: Result) -> list[list[str]]:
    return [line.split() for line in result.stdout.splitlines()]


# ---- clear


def test_clear_prints_what_was_cleared(path: Path, daemon: Daemon) -> None:
    result = invoke(path, "clear", "binding", "10.1.0.5", "--care-of", "198.51.100.1")
    assert result.exit_code == 0, result.output
    assert words(result)[-1] == ["10.1.0.5", "198.51.100.1", "yes"]
    assert daemon.asked == [
        {"what": "binding", "home_address": "10.1.0.5", "care_of_address": "198.51.100.1"}
    ]
    assert json.loads(invoke(path, "clear", "visitor", "10.1.0.5", "--json").stdout) == [BINDING]


def test_clear_of_nothing_is_no_success(path: Path, daemon: Daemon) -> None:
    daemon.cleared = []
    result = invoke(path, "clear", "visitor", "10.1.0.5")
    assert (result.exit_code, result.stderr) == (1, "there is no visitor of 10.1.0.5\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("binding",),
        ("binding", "10.1.0"),
        ("bindings", "10.1.0.5"),
        ("binding", "10.1.0.5", "--care-of", "x"),
        ("visitor", "10.1.0.5", "--care-of", "198.51.100.1"),
    ],
)
def test_clear_refuses_before_it_asks(path: Path, daemon: Daemon, arguments: tuple[str, ...]) -> None:
    assert invoke(path, "clear", *arguments).exit_code == 2
    assert daemon.asked == []


# ---- reload


def test_reload_says_what_changed_and_what_did_not(path: Path) -> None:
    result = invoke(path, "reload")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "changed: home_agent.max_lifetime: 600 -> 300",
        "needs restart: daemon.tunnel_device: mip0 -> mip7",
    ]
    assert "can be guessed" in result.stderr
    assert json.loads(invoke(path, "reload", "--json").stdout) == RELOADED


def test_reload_of_the_same_file(path: Path, daemon: Daemon) -> None:
    daemon.reloaded = {"changed": [], "needs_restart": [], "warnings": []}
    assert invoke(path, "reload").output == "nothing has changed\n"


# ---- debug


def test_debug_prints_records_for_people(path: Path, daemon: Daemon) -> None:
    result = invoke(path, "debug", "10.1.0.5")
    lines = result.stdout.splitlines()
    assert daemon.asked == [{"node": "10.1.0.5"}]
    assert lines[:3] == [
        "T1 following",
        "T2 received 10.1.0.5:434 -> 198.51.100.1:434 on eth1 link 02:00:00:00:00:01 ttl 255",
        "  registration request",
    ]
    assert f"    home address: {factory.HOME}" in lines
    assert lines[-5:] == [
        "T3 received 10.1.0.5:434 -> 198.51.100.1:434",
        "  not decoded: cut short (truncated)",
        "  0102",
        "T4 noted    registered: registration accepted home_address=10.1.0.5 nai=a?[31mb",
        "T5 9 left out",
    ]
    assert (result.exit_code, result.stderr) == (1, "Error: the daemon has ended\n")


def test_debug_prints_json_lines(path: Path) -> None:
    lines = invoke(path, "debug", "10.1.0.5", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == json.loads(json.dumps(RECORDS))


def test_debug_is_refused_or_finds_nobody(path: Path, daemon: Daemon) -> None:
    result = invoke(path, "debug", "nobody")
    assert (result.exit_code, result.stderr) == (1, "Error: say which node\n")
    assert invoke(path, "debug").exit_code == 1
    assert daemon.asked[-1] == {"node": None}
    assert "no daemon runs at" in invoke(path.with_name("none"), "debug", "10.1.0.5").stderr


# ---- explain


def explain(what: str) -> Result:
    return CliRunner().invoke(mobileip, ["explain", what], prog_name="mobileip")


def test_explain_by_name_and_by_code() -> None:
    by_name, by_code = explain("identification-mismatch"), explain("133")
    assert by_name.output == by_code.output
    assert "  RFC    5944 s5.7.1\n" in by_name.output
    assert "  cause  " in by_name.output and "  cure   " in by_name.output


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained(reason: Reason) -> None:
    result = explain(reason.label)
    assert result.exit_code == 0
    assert result.output.startswith(f"{reason.label}: {reason.info.text}\n")


def test_explain_what_there_is_not() -> None:
    result = explain("identification-mismach")
    assert (result.exit_code, "is it identification-mismatch" in result.stderr) == (1, True)
    assert explain("999").exit_code == 1
