"""What the machines' targets share: authenticators by code of our own, and actions done as the runner does them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from mobileip.control.core.actions import INDEPENDENT, Action, RemoveTunnel, RemoveVisitorRoute
from mobileip.control.core.events import ActionFailed
from mobileip.control.types import Instant
from tests.fuzz.target import Choices
from tests.unit.core.factory import at

REQUEST, REPLY = 1, 3
SECOND = 10**9


def is_signed(payload: bytes, kind: int, keys: Iterable[bytes]) -> bool:
    """Whether somewhere in ``payload`` an extension of ``kind`` has an authenticator (HMAC-MD5) by one of ``keys``.

    Wherever it stands: this looks for what only a holder of the key can have made, and parses nothing.
    """
    start = payload.find(bytes((kind, 20)), 20)
    while start >= 0:
        covered, given = payload[: start + 6], payload[start + 6 : start + 22]
        if any(hmac.new(key, covered, hashlib.md5).digest() == given for key in keys):
            return True
        start = payload.find(bytes((kind, 20)), start + 1)
    return False


class Clock:
    """Time that the fuzzer moves forward; the wall clock may be set, too."""

    def __init__(self) -> None:
        self.passed = 0  # ns
        self.set_by = 0

    @property
    def now(self) -> Instant:
        start = at(0)
        return Instant(start.mono + self.passed, start.wall + self.passed + self.set_by)

    def step(self, choices: Choices) -> None:
        """Milliseconds, seconds, or hours."""
        unit = choices.pick((1_000_000, SECOND // 4, SECOND, 3600 * SECOND))
        self.passed += (choices.number() + 1) * unit


def performed(actions: list[Action], choices: Choices) -> tuple[list[Action], ActionFailed | None]:
    """What a kernel does of ``actions`` that refuses at most one of them, and the event that says so.

    A removal that it refuses counts as done: reconciliation makes up for it.
    """
    at = choices.number() if actions else 0
    if not 1 <= at <= len(actions):
        return actions, None
    failed = actions[at - 1]
    rest = actions[at:] if isinstance(failed, INDEPENDENT) else []
    removed = [failed] if isinstance(failed, RemoveTunnel | RemoveVisitorRoute) else []
    return [*actions[: at - 1], *removed, *rest], ActionFailed(failed, "the fuzzer refuses it")
