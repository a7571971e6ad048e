"""Requests that wait for what an AAA server or a file says, and what strangers can make of that.

Whoever can make us ask is a stranger until the answer is there. So questions under way and their rate are bounded, in
all and for each sender: one has a quarter of both, and strangers leave a quarter to whom we knew before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from mobileip.control.core.denials import Buckets
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.limits import TokenBucket
from mobileip.control.types import Instant
from mobileip.control.wire import RegistrationRequest

LONGEST_WAITING: Final = 2048  # bytes; a request with every extension has a quarter of it
_SHARE: Final = 4

K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for an answer since ``arrived``."""

    request: RegistrationRequest
    datagram: DatagramReceived
    arrived: Instant

    def then(self, now: Instant) -> Instant:
        """``now``, with the wall clock of the arrival: a timestamp is as old as it was then (s5.7.1)."""
        return Instant(now.mono, now.wall - (now.mono - self.arrived.mono))


@dataclass(slots=True)
class _Question(Generic[S]):
    waiting: Waiting
    sender: S  # who made us ask


class Questions(Generic[K, S]):
    """By what is asked: ``most`` at a time, of which ``rate`` begin in a second."""

    def __init__(self, most: int, rate: int) -> None:
        self._asked: dict[K, _Question[S]] = {}
        self._by_sender: Counter[S] = Counter()
        self.limit(most, rate)

    def limit(self, most: int, rate: int) -> None:
        """Other bounds from now on; what is under way stays."""
        share = max(1, rate // _SHARE)
        self._most = most
        self._rate = TokenBucket(rate, rate)
        self._senders: Buckets[S] = Buckets(share, share)

    def __contains__(self, key: K) -> bool:
        return key in self._asked

    def of(self, sender: S) -> int:
        """How many are under way for ``sender``."""
        return self._by_sender[sender]

    def has_place(self, sender: S, *, known: bool = False) -> bool:
        """Whether one more may be under way, for a stranger or for one whom we knew before."""
        if known:
            return len(self._asked) < self._most
        strangers = self._most - self._most // _SHARE
        return len(self._asked) < strangers and self.of(sender) < -(-self._most // _SHARE)

    def in_time(self, sender: S, mono: int) -> bool:
        """Whether ``sender`` and all together have not asked too often; this is one more."""
        return self._senders.take(sender, mono) and self._rate.take(mono)

    def begin(self, key: K, sender: S, waiting: Waiting) -> None:
        self._asked[key] = _Question(waiting, sender)
        self._by_sender[sender] += 1

    def replace(self, key: K, waiting: Waiting) -> None:
        """Another request waits for the same answer; the one before waits no more."""
        self._asked[key].waiting = waiting

    def end(self, key: K) -> Waiting | None:
        """The answer is there: what waited for it, if anything did."""
        question = self._asked.pop(key, None)
        if question is None:
            return None
        self._by_sender[question.sender] -= 1
        if not self._by_sender[question.sender]:
            del self._by_sender[question.sender]
        return question.waiting
