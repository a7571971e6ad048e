"""What a process costs: CPU seconds and resident memory, from /proc."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SCHEDULED: Final = 2  # CPUCLOCK_SCHED of linux/posix-timers.h


@dataclass(frozen=True, slots=True)
class Usage:
    """``cpu`` seconds (user and system, all threads, nanosecond resolution), ``rss`` in bytes."""

    cpu: float
    rss: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """:raises OSError: no such process."""
        # What clock_getcpuclockid(3) makes of a process id; /proc/PID/stat has 10 ms ticks only.
        cpu = time.clock_gettime(~pid << 3 | _SCHEDULED)
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        return cls(cpu, resident)
