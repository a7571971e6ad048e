"""The two clocks of an :class:`~mobileip.control.types.Instant`, read together."""

from __future__ import annotations

import time

from mobileip.control.types import Instant


def now() -> Instant:
    return Instant(time.monotonic_ns(), time.time_ns())
