"""A home agent whose wall clock is wrong by as much as a file says, at any time.

The daemon is the real one, started by this file with another ``time.time_ns``; CLOCK_MONOTONIC is as it is, as when
somebody sets a clock.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobileip.control.lab.lab import Lab


class SkewedDaemon:
    """Starts ``lab.home`` so."""

    def __init__(self, lab: Lab) -> None:
        assert lab.directory is not None
        self._lab = lab
        self._file = lab.directory / "seconds-ahead"

    def set(self, ahead: float) -> None:
        """Seconds by which the clock is ahead from now on."""
        self._file.write_text(str(ahead))

    def start(self, ahead: float) -> None:
        self.set(ahead)
        self._lab.home.launch((sys.executable, str(Path(__file__)), str(self._file)))
        self._lab.home.wait_ready()


def _run(file: Path, arguments: list[str]) -> None:
    right = time.time_ns
    time.time_ns = lambda: right() + round(float(file.read_text() or 0) * 1e9)
    from mobileip.control.cli.main import mobileip  # which takes its clock from there

    mobileip(arguments, prog_name="mobileip")


if __name__ == "__main__":
    _run(Path(sys.argv[1]), sys.argv[2:])
