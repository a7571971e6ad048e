"""Token buckets: how often something may be done, on the caller's clock."""

from __future__ import annotations

from mobileip.control.types import NANOSECONDS


class TokenBucket:
    """``rate`` per second on average, ``burst`` at once."""

    __slots__ = ("_burst", "_interval", "_next")

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = round(NANOSECONDS / rate)
        self._burst = burst * self._interval
        self._next = 0  # virtual time at which the bucket would be full again (a leaky bucket as a meter)

    def take(self, mono: int) -> bool:
        """True and one token less, or False when there is none."""
        start = max(self._next, mono)
        if start + self._interval > mono + self._burst:
            return False
        self._next = start + self._interval
        return True
