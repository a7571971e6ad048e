"""docs/security.md names a test for every attack, and every test of tests/attacks is named there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "security.md").read_text()
ELSEWHERE = {"test_what_is_opened_later_still_opens"}  # shows that a defence does no harm


def defined(room: str) -> set[str]:
    return {
        name
        for path in (TESTS / room).rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }


def test_every_attack_has_its_test_and_every_test_its_place() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named - defined("attacks") - defined("netns") == set()
    assert defined("attacks") - named - ELSEWHERE == set()
