"""How often a signed denial is sent: what anybody can ask for must not cost without limit.

A denial costs a signature and a datagram, ten times the check that led to it. Legitimate nodes ask once a second
(RFC 5944 s3.6.3), so what these numbers hold back is not theirs.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from mobileip.control.core.limits import TokenBucket
from mobileip.control.types import NANOSECONDS

K = TypeVar("K", bound=Hashable)

RATE: Final = 10  # denials a second to one source (131), or about one home address (133), on average
BURST: Final = 20  # at once
TOTAL_RATE: Final = 1000  # denials 131 a second altogether: sources can be invented
_REMEMBERED: Final = 4096  # sources, or home addresses


class DenialLimits:
    """131 is limited by source, since its sender is unknown; 133 by home address, which an authenticator proved."""

    def __init__(self) -> None:
        self._sources: Buckets[int] = Buckets(RATE, BURST)
        self._nodes: Buckets[int] = Buckets(RATE, BURST)
        self._total = TokenBucket(TOTAL_RATE, TOTAL_RATE)

    def allows_unauthenticated(self, source: int, mono: int) -> bool:
        return self._sources.take(source, mono) and self._total.take(mono)

    def allows_authenticated(self, home_address: int, mono: int) -> bool:
        return self._nodes.take(home_address, mono)


class Buckets(Generic[K]):
    """A token bucket for each key. The key that was asked for longest ago is forgotten when there are too many."""

    def __init__(self, rate: int, burst: int) -> None:
        self._interval = NANOSECONDS // rate
        self._burst = burst * self._interval
        self._full_at: dict[K, int] = {}  # mono ns at which the bucket is full again

    def take(self, key: K, mono: int) -> bool:
        full_at = max(self._full_at.pop(key, mono), mono)
        allowed = full_at + self._interval <= mono + self._burst
        self._full_at[key] = full_at + self._interval if allowed else full_at
        if len(self._full_at) > _REMEMBERED:
            del self._full_at[next(iter(self._full_at))]
        return allowed
