"""Mutation testing: breaks one thing at a time in a module and sees whether its tests notice.

    .venv/bin/python tools/mutate.py src/control/wire/cursor.py     one module with the tests of its layer
    .venv/bin/python tools/mutate.py src/control/security --sample 50 --seed 1

Nothing is written: a mutant is compiled in a child process, in the place of the module that it is of. Survivors are
printed with their line; some are no fault of the tests, as they change nothing that anybody could see.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).resolve().parent.parent
TESTS = {  # by the first that fits; groups of patterns, the quick ones first: the next is run on what survived
    "src/control/wire/pretty": (("tests/unit/wire/test_pretty*.py",),),
    "src/control/wire/plain": (("tests/unit/core/test_shortcuts.py",),),
    "src/control/wire": (
        ("tests/unit/wire/test_[!op]*.py", "tests/unit/wire/test_pretty*.py"),
        ("tests/property/wire",),
    ),
    "src/control/security": (("tests/unit/security",), ("tests/unit/core/test_home*.py",)),
    "src/control/core/foreign": (("tests/unit/core/test_f*.py",), ("tests/unit/core",)),
    "src/control/core/admission": (("tests/unit/core/test_f*.py",), ("tests/unit/core",)),
    "src/control/core/home": (("tests/unit/core/test_home*.py",), ("tests/unit/core",)),
    "src/control/core/path_probes": (("tests/unit/core/test_path_probes.py",),),
    "src/control/core": (("tests/unit/core",),),
    "src/control/cli/capture_files": (("tests/unit/cli/test_decode.py",),),
    "src/control/net/ipv4": (("tests/unit/net/test_ipv4.py",),),
}
_OPPOSITE: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_UNSEEN = (
    ast.JoinedStr,
    ast.arg,
    ast.ImportFrom,
    ast.Import,
    ast.TypeAlias if hasattr(ast, "TypeAlias") else ast.arg,
)

Change = Callable[
    [ast.AST], ast.AST
]  # of a node in a copy of the tree; what it returns takes the node's place


@dataclass(frozen=True)
class Mutant:
    """``path`` leads from the module's tree to the node: field names and indices in turn."""

    file: Path
    line: int
    what: str
    path: tuple[str | int, ...]
    change: Change

    def tree(self, original: ast.Module) -> ast.Module:
        tree = copy.deepcopy(original)
        node: object = tree
        for step in self.path[:-1]:
            node = (
                node[step] if isinstance(node, list) and isinstance(step, int) else getattr(node, str(step))
            )
        last = self.path[-1]
        if isinstance(node, list) and isinstance(last, int):
            node[last] = self.change(node[last])
        else:
            setattr(node, str(last), self.change(getattr(node, str(last))))
        return ast.fix_missing_locations(tree)


def mutants(file: Path, tree: ast.Module) -> Iterator[Mutant]:
    for path, node, line in _nodes(tree, (), 1):
        for what, change in _changes(node, path):
            yield Mutant(file, line, what, path, change)


def _nodes(
    node: ast.AST, path: tuple[str | int, ...], line: int
) -> Iterator[tuple[tuple[str | int, ...], ast.AST, int]]:
    """Every node that matters when the program runs, but for the sentences it says."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases", "msg"):
            continue
        elements = value if isinstance(value, list) else [value]
        for index, element in enumerate(elements):
            if not isinstance(element, ast.AST) or isinstance(element, _UNSEEN) or _is_declaration(element):
                continue
            there = (*path, name, index) if isinstance(value, list) else (*path, name)
            at = getattr(element, "lineno", line)
            yield there, element, at
            yield from _nodes(element, there, at)


def _is_declaration(node: ast.AST) -> bool:
    """Docstrings, ``__slots__``, ``__all__``, type variables and aliases."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if not isinstance(node, ast.Assign):
        return False
    (target, *_), value = node.targets, node.value
    name = target.id if isinstance(target, ast.Name) else ""
    called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    alias = name[:1].isupper() and name != name.upper() and isinstance(value, ast.BinOp | ast.Subscript)
    return name in ("__slots__", "__all__") or called == "TypeVar" or alias


def _changes(node: ast.AST, path: Sequence[str | int]) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                yield _swapped(
                    operator, lambda copied, i=index: copied.ops.__setitem__(i, _opposite(copied.ops[i]))
                )
        case ast.BoolOp() | ast.BinOp() if type(node.op) in _OPPOSITE and not _is_text(node):
            yield _swapped(node.op, lambda copied: setattr(copied, "op", _opposite(copied.op)))
        case ast.AugAssign() if type(node.op) in _OPPOSITE:
            yield _swapped(node.op, lambda copied: setattr(copied, "op", _opposite(copied.op)))
            yield "statement removed", lambda _: ast.Pass()
        case ast.UnaryOp(op=ast.Not()):
            yield "not removed", lambda copied: copied.operand  # type: ignore[attr-defined]
        case ast.Constant(value=bool()):
            yield f"{node.value} turned round", lambda copied: ast.Constant(not copied.value)  # type: ignore[attr-defined]
        case ast.Constant(value=int()):
            for step in (1, -1):
                yield f"{node.value} {step:+}", lambda copied, s=step: ast.Constant(copied.value + s)
        case ast.Return(value=ast.expr()) if not _is_none(node.value):
            yield "returns None", lambda _: ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Delete() | ast.Expr():
            yield "statement removed", lambda _: ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "statement removed", lambda _: ast.Pass()
        case ast.Continue():
            yield "continue removed", lambda _: ast.Pass()
    if path[-1] == "test" and isinstance(node, ast.expr) and not isinstance(node, ast.UnaryOp | ast.Constant):
        yield "condition negated", lambda copied: ast.UnaryOp(ast.Not(), copied)  # type: ignore[arg-type]


def _swapped(operator: ast.AST, edit: Callable[[ast.AST], object]) -> tuple[str, Change]:
    def change(node: ast.AST) -> ast.AST:
        edit(node)
        return node

    return f"{type(operator).__name__} to {type(_opposite(operator)).__name__}", change


def _opposite(operator: ast.AST) -> ast.AST:
    return _OPPOSITE[type(operator)]()


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_text(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in ast.iter_child_nodes(node)
    )


# ---- running


class _Loader(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Gives the mutant's code where the module would be loaded."""

    def __init__(self, name: str, code: CodeType, file: Path) -> None:
        importlib.machinery.SourceFileLoader.__init__(self, name, str(file))
        self._code = code

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        is_package = self.path.endswith("__init__.py")
        return importlib.util.spec_from_file_location(
            name,
            self.path,
            loader=self,
            submodule_search_locations=[os.path.dirname(self.path)] if is_package else None,
        )

    def get_code(self, fullname: str) -> CodeType:
        return self._code


def survives(code: CodeType, file: Path, tests: Sequence[str], patience: int, *, loud: bool = False) -> bool:
    """Whether all ``tests`` pass with ``code`` in the place of ``file``; in a child, so nothing is left behind."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(patience)  # an endless loop is noticed too
            os.setpgid(0, 0)
            silence = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, *(() if loud else (1, 2))):
                os.dup2(silence, descriptor)
            name = ".".join(("mobileip", *file.relative_to(ROOT / "src").with_suffix("").parts))
            sys.meta_path.insert(0, _Loader(name.removesuffix(".__init__"), code, file))
            status = _pytest(tests)
        except BaseException:
            status = 1
        os._exit(status)
    _, ended = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return ended == 0


def _pytest(tests: Sequence[str]) -> int:
    import pytest

    options = [
        "-x",
        "-q",
        "--assert=plain",
        "--disable-warnings",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:benchmark",
        "-p",
        "no:randomly",
        "--seed=1",
    ]
    return int(pytest.main([*options, "-o", "timeout=0", *tests]))


def tests_of(file: Path) -> list[list[str]]:
    """The tests of its layer, in groups."""
    place = str(file.relative_to(ROOT))
    groups = next((tests for prefix, tests in TESTS.items() if place.startswith(prefix)), (("tests/unit",),))
    return [[str(test) for pattern in group for test in sorted(ROOT.glob(pattern))] for group in groups]


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/mutate.py", description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", type=Path, help="modules, or directories of them")
    parser.add_argument("--tests", action="append", help="instead of the tests of the module's layer")
    parser.add_argument("--sample", type=int, help="only so many mutants of each module, drawn by chance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=int, default=60, help="seconds for the tests of one mutant")
    parser.add_argument("--lines", help="only of these lines: FIRST-LAST")
    asked = parser.parse_args()
    os.nice(19)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for name in ("hypothesis", "pydantic", "pytest", "_pytest.python", "structlog"):
        importlib.import_module(name)  # once, here, and not by every child

    survivors = total = 0
    for source in asked.sources:
        path = source.resolve()
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            lived, tried = _try(file, asked)
            survivors, total = survivors + lived, total + tried
    print(f"{total} mutants, {survivors} survived")
    return min(survivors, 1)


def _try(file: Path, asked: argparse.Namespace) -> tuple[int, int]:
    groups = [asked.tests] if asked.tests else tests_of(file)
    tree = ast.parse(file.read_text())
    chosen = list(mutants(file, tree))
    if asked.lines:
        first, last = map(int, asked.lines.split("-"))
        chosen = [mutant for mutant in chosen if first <= mutant.line <= last]
    if asked.sample and len(chosen) > asked.sample:
        chosen = random.Random(asked.seed).sample(chosen, asked.sample)
        chosen.sort(key=lambda mutant: mutant.line)
    place = file.relative_to(ROOT)
    start = time.monotonic()
    code = compile(tree, str(file), "exec")
    if not all(survives(code, file, tests, 10 * asked.patience, loud=True) for tests in groups):
        print(f"{place}: its tests fail without any mutant", flush=True)
        return 0, 0
    lived = 0
    for mutant in chosen:
        code = compile(mutant.tree(tree), str(file), "exec")
        if all(survives(code, file, tests, asked.patience) for tests in groups):
            lived += 1
            print(f"{place}:{mutant.line}: {mutant.what}", flush=True)
    took = time.monotonic() - start
    print(f"{place}: {len(chosen)} mutants, {lived} survived ({took:.0f} s)", flush=True)
    return lived, len(chosen)


if __name__ == "__main__":
    sys.exit(main())
