"""What a source told, kept for a test."""

from __future__ import annotations

from collections.abc import Mapping

from mobileip.control.reasons import Reason


class Told:
    """What was noted, by reason."""

    def __init__(self) -> None:
        self.all: list[tuple[Reason, Mapping[str, object]]] = []

    def __call__(self, reason: Reason, fields: Mapping[str, object]) -> None:
        self.all.append((reason, fields))

    def __getitem__(self, reason: Reason) -> list[Mapping[str, object]]:
        return [fields for one, fields in self.all if one is reason]
