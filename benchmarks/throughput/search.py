"""The highest rate that passes without loss, by trials at chosen rates (after RFC 2544 s26.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

TOLERATED: Final = 0.005  # share of the packets
UNLIMITED: Final = 0.0  # packets a second, as a wish: all that the sender can
_PRECISION: Final = 1.06  # a rate that passed and one that did not are at most so far apart
_STEP_DOWN: Final = 0.8  # from a rate that did not pass, while none has
_LEAST: Final = 500.0  # packets a second; below that nothing passes


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: packets sent and received, and the seconds that each of these took."""

    sent: int
    sending: float
    received: int
    receiving: float

    @property
    def lossless(self) -> bool:
        return self.sent > 0 and self.received >= self.sent * (1 - TOLERATED)

    @property
    def offered_rate(self) -> float:
        """Packets a second that the sender managed, which may be less than was asked of it."""
        return self.sent / self.sending if self.sending else 0.0

    @property
    def delivered_rate(self) -> float:
        """Packets a second over the longer of both times: a queue that empties afterwards adds nothing."""
        seconds = max(self.sending, self.receiving)
        return self.received / seconds if seconds else 0.0


def lossless_rate(trial: Callable[[float], Trial]) -> float:
    """The highest delivered rate of a trial without loss; ``trial`` gets the packets a second to offer.

    A rate counts as too high when two trials in succession lose: one may have been somebody else's fault.
    0 if even the lowest rate loses.
    """
    flood = trial(UNLIMITED)
    if flood.lossless:
        return flood.delivered_rate
    best, low, high = 0.0, 0.0, flood.offered_rate
    rate = min(max(flood.delivered_rate, _LEAST), high)
    while rate >= _LEAST:
        seen = trial(rate)
        if not seen.lossless:
            seen = trial(rate)
        if seen.lossless:
            best, low = max(best, seen.delivered_rate), rate
        else:
            high = rate
        if low and high <= low * _PRECISION:
            break
        rate = math.sqrt(low * high) if low else high * _STEP_DOWN
    return best
