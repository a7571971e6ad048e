"""What the daemons say while they run: their log lines, followed as they come."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

_LONG: Final = {"time", "level", "event", "text", "rfc", "cure", "security"}


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line of a daemon's log. ``at`` is the wall clock's time in seconds; ``level`` is as in the log."""

    at: float
    daemon: str
    level: str
    name: str
    fields: dict[str, Any]

    @property
    def details(self) -> str:
        """The fields as ``name=value`` words."""
        return " ".join(f"{name}={_word(value)}" for name, value in self.fields.items() if value is not None)


class Follower:
    """Reads what has been added to each log (``name`` to file) since the last look."""

    def __init__(self, logs: dict[str, Path]) -> None:
        self._logs = logs
        self._read = dict.fromkeys(logs, 0)

    def look(self) -> list[LogEvent]:
        """New events of all daemons in the order of their times."""
        return sorted(self._new(), key=lambda event: event.at)

    def _new(self) -> Iterable[LogEvent]:
        for daemon, path in self._logs.items():
            if not path.exists():
                continue
            with path.open("rb") as log:
                log.seek(self._read[daemon])
                # A line that is still being written is left for the next look.
                whole, _, _ = log.read().rpartition(b"\n")
            if whole:
                self._read[daemon] += len(whole) + 1
                yield from (e for line in whole.splitlines() if (e := _event(daemon, line)) is not None)


def _event(daemon: str, line: bytes) -> LogEvent | None:
    try:
        said = json.loads(line)
        at = datetime.fromisoformat(said["time"]).timestamp()
        fields = {name: value for name, value in said.items() if name not in _LONG}
        return LogEvent(at, daemon, said["level"], said["event"], fields)
    except (ValueError, KeyError, TypeError):
        return None  # a traceback, which the daemon's exit status and log tell of


def _word(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(_word, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
