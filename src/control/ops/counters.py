"""How often each reason was noted, and other things that are counted by name."""

from __future__ import annotations

from collections import Counter
from typing import Final

from mobileip.control.reasons import Reason


class Counters:
    """Counts since the start of the daemon; they only grow."""

    __slots__ = ("_named", "_reasons")

    def __init__(self) -> None:
        self._reasons: Final = dict.fromkeys((reason.label for reason in Reason), 0)  # text hashes at once
        self._named: Final[Counter[str]] = Counter()

    def note(self, reason: Reason) -> None:
        """One more of ``reason``."""
        self._reasons[reason.label] += 1

    def add(self, name: str, amount: int = 1) -> None:
        """``amount`` more of what has no reason, such as ``control-requests``."""
        self._named[name] += amount

    def __getitem__(self, reason: Reason) -> int:
        return self._reasons[reason.label]

    def snapshot(self) -> dict[str, dict[str, int]]:
        """``{"reasons": {label: n}, "control_plane": {name: n}}``; every reason, also those at zero."""
        return {
            "reasons": dict(self._reasons),
            "control_plane": dict(sorted(self._named.items())),
        }
