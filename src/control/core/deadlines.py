"""The only timer code: a heap of deadlines with lazy cancellation.

A machine keeps one :class:`Deadlines` and the runner arms one timer for its earliest entry, so a hundred thousand
bindings cost O(log n) each and no timer handle.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """At most one deadline (monotonic ns) per key."""

    __slots__ = ("_heap", "_order", "_when")

    def __init__(self) -> None:
        self._when: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._order = count()  # ties fire in the order they were set; keys need not be comparable

    def set(self, key: K, mono: int) -> None:
        """Give ``key`` a deadline, replacing the one it had."""
        before = self._when.get(key)
        self._when[key] = mono
        if before is not None and before <= mono:
            return  # put off: its entry is moved when it comes up, so that a renewal costs no heap operation
        heappush(self._heap, (mono, next(self._order), key))
        if len(self._heap) > 64 + 2 * len(self._when):
            self._compact()

    def cancel(self, key: K) -> None:
        """Forget the deadline of ``key``, if any."""
        self._when.pop(key, None)

    def get(self, key: K) -> int | None:
        return self._when.get(key)

    def next(self) -> int | None:
        """The earliest deadline, or ``None``."""
        while self._heap:
            mono, _, key = self._heap[0]
            when = self._when.get(key)
            if when == mono:
                return mono
            if when is None or when < mono:  # cancelled, or brought forward
                heappop(self._heap)
            else:
                heapreplace(self._heap, (when, next(self._order), key))
        return None

    def due(self, mono: int) -> Iterator[K]:
        """Remove and yield, in order, every key whose deadline is reached at ``mono``.

        A key set again while iterating with a deadline that is also due is yielded again.
        """
        while (first := self.next()) is not None and first <= mono:
            key = heappop(self._heap)[2]
            del self._when[key]
            yield key

    def __len__(self) -> int:
        return len(self._when)

    def __contains__(self, key: object) -> bool:
        return key in self._when

    def _compact(self) -> None:
        """Drop cancelled entries, so that the heap stays within a constant factor of what is live."""
        self._heap = [(mono, next(self._order), key) for key, mono in self._when.items()]
        heapify(self._heap)
