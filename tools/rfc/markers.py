"""Which test is evidence for what: the ``rfc`` markers, read from the source.

Reading is enough and takes a fraction of a second; collecting with pytest would import everything under test, and
could not be done without the extension. What this reader cannot be sure of is a fault: a marker that is computed, that
is on no test, or that is on a test which is always skipped.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Key = tuple[str, str, int]  # document, section, item
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Evidence:
    """``tests`` by requirement, as ``path/of/module::test``; ``faults`` are sentences."""

    tests: defaultdict[Key, list[str]] = field(default_factory=lambda: defaultdict(list))
    faults: list[str] = field(default_factory=list)


def collect(tests: Path) -> Evidence:
    """Every marker below ``tests``."""
    evidence = Evidence()
    for path in sorted(tests.rglob("*.py")):
        source = path.read_text()
        if "mark.rfc" in source:
            _Module(path, tests, evidence).read(ast.parse(source))
    for names in evidence.tests.values():
        names[:] = sorted(set(names))
    return evidence


class _Module:
    def __init__(self, path: Path, tests: Path, evidence: Evidence) -> None:
        self._where = path.relative_to(tests.parent).as_posix()
        self._short = path.relative_to(tests).with_suffix("").as_posix()
        self._is_test_module = path.name.startswith("test_")
        self._evidence = evidence
        self._seen: set[ast.Call] = set()

    def read(self, module: ast.Module) -> None:
        self._scope(module.body, "", list(_assigned(module.body)))
        for call in _markers(module):
            if call not in self._seen:
                self._fault(call, "is on nothing that pytest would run")

    def _scope(self, body: list[ast.stmt], prefix: str, inherited: list[ast.expr]) -> None:
        """Functions and classes of a module or class; ``inherited`` are the marks of what is around them."""
        for node in body:
            if isinstance(node, ast.ClassDef):
                marks = [*inherited, *node.decorator_list, *_assigned(node.body)]
                self._scope(node.body, f"{prefix}{node.name}::", marks)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._function(node, prefix, [*inherited, *node.decorator_list])

    def _function(self, node: Function, prefix: str, marks: list[ast.expr]) -> None:
        if not self._is_test_module or not node.name.startswith("test_"):
            return
        skipped = any(_is_mark(part, "skip") for mark in marks for part in ast.walk(mark))
        for call in (call for mark in marks for call in _markers(mark)):
            self._seen.add(call)
            keys = _keys(call)
            if keys is None:
                self._fault(call, 'is not written as rfc("document", "section", item, ...)')
            elif skipped:
                self._fault(call, f"is on {node.name}, which is always skipped")
            else:
                for key in keys:
                    self._evidence.tests[key].append(f"{self._short}::{prefix}{node.name}")

    def _fault(self, call: ast.Call, what: str) -> None:
        self._evidence.faults.append(f"{self._where}:{call.lineno}: the rfc marker {what}")


def _assigned(body: list[ast.stmt]) -> Iterator[ast.expr]:
    """The value of ``pytestmark``."""
    for node in body:
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if "pytestmark" in names:
                yield node.value


def _markers(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_mark(node.func, "rfc"):
            yield node


def _is_mark(node: ast.AST, name: str) -> bool:
    """Is this ``….mark.name``?"""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "mark"
    )


def _keys(call: ast.Call) -> list[Key] | None:
    values = [argument.value if isinstance(argument, ast.Constant) else None for argument in call.args]
    if call.keywords or len(values) < 3:
        return None
    document, section, *items = values
    if not isinstance(document, str) or not isinstance(section, str):
        return None
    if not all(type(item) is int for item in items):
        return None
    return [(document, section, item) for item in items if isinstance(item, int)]
