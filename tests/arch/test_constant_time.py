"""Nothing that proves a key is compared byte by byte: how long it takes would tell how many bytes are right."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CONTROL = Path(__file__).resolve().parents[2] / "src" / "control"
PROOF = re.compile(r"authenticator|digest|signature|(^|_)hmac|(^|_)mac$")
ALLOWED = {"compare_digest", "AUTHENTICATOR_LENGTH", "algorithm"}


def compared_at_leisure(source: str) -> Iterator[str]:
    """Comparisons by ``==``, ``!=`` or ``in`` with a name, attribute or call that has to do with a proof."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops):
            continue
        for side in (node.left, *node.comparators):
            if _proof(side):
                yield f"line {node.lineno}: {ast.unparse(node)}"


def _proof(side: ast.expr) -> bool:
    match side:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return PROOF.search(name) is not None and name not in ALLOWED
        case ast.Call(func=function):
            length = isinstance(function, ast.Name) and function.id == "len"
            return not length and _proof(function)
        case ast.Subscript(value=value):
            return _proof(value)
        case _:
            return False


@pytest.mark.parametrize("room", ["security", "wire", "core", "aaa", "agent"])
def test_proofs_are_compared_in_constant_time(room: str) -> None:
    found = {
        path.name: lines
        for path in sorted((CONTROL / room).rglob("*.py"))
        if (lines := list(compared_at_leisure(path.read_text())))
    }
    assert found == {}


def test_the_search_would_find_one() -> None:
    for bad in ("a.authenticator == b", "digest(x) != y", "given in authenticators", "mac[:4] == x"):
        assert list(compared_at_leisure(bad)), bad
    for good in ("compare_digest(a, b)", "len(authenticator) == 16", "spi == other"):
        assert not list(compared_at_leisure(good)), good


def test_every_authenticator_goes_through_one_comparison() -> None:
    """Of registration messages: :func:`is_authentic`, which is ``hmac.compare_digest`` of the whole."""
    text = (CONTROL / "security" / "authenticator.py").read_text()
    assert text.count("hmac.compare_digest(digest(association, covered), authenticator)") == 1
    assert "compare_digest" not in "".join(path.read_text() for path in (CONTROL / "core").rglob("*.py"))
