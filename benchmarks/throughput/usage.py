"""CPU time of the whole machine, over all cores: whoever does a tunnel's work, it is counted."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")  # s
_IDLE, _IOWAIT, _STEAL = 3, 4, 7  # places in the first line of /proc/stat


@dataclass(frozen=True, slots=True)
class Moment:
    """When, and for how many core seconds nothing had been done until then."""

    at: float
    idle: float

    @classmethod
    def now(cls, stat: str | None = None, at: float | None = None) -> Moment:
        text = Path("/proc/stat").read_text() if stat is None else stat
        at = time.monotonic() if at is None else at
        return cls(at, idle_seconds(text))

    def busy_since(self, before: Moment) -> float:
        """Core seconds of work between the two: what was not idle, which the kernel counts exactly."""
        cores = os.cpu_count() or 1
        return max(0.0, (self.at - before.at) * cores - (self.idle - before.idle))


def idle_seconds(stat: str) -> float:
    """Of the text of /proc/stat: seconds idle, waiting for disks, or taken by other guests of the host."""
    fields = [int(value) for value in stat.split("\n", 1)[0].split()[1:]]
    return sum(fields[place] for place in (_IDLE, _IOWAIT, _STEAL)) * _TICK
