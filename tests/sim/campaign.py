"""Many histories, on every core: what happened in them altogether, and which failed."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.sim.faults import HONEST, Fault
from tests.sim.history import History, Script
from tests.sim.invariants import Violation

_CHUNK = 100  # histories that a worker runs between two answers


@dataclass(slots=True)
class Outcome:
    """``failed``: seeds, and for each what broke."""

    histories: int = 0
    tally: Counter[str] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        self.histories += other.histories
        self.tally.update(other.tally)
        self.failed |= other.failed

    def __str__(self) -> str:
        """Kinds of counts, a line each."""
        kinds: dict[str, list[str]] = {}
        for name, number in sorted(self.tally.items()):
            kind, _, rest = name.rpartition(": ")
            kinds.setdefault(kind, []).append(f"{rest} {number}")
        lines = [f"{kind}: {', '.join(counts)}" for kind, counts in kinds.items()]
        return "\n".join([f"{self.histories} histories, {len(self.failed)} failed", *lines])


def cores() -> int:
    return len(os.sched_getaffinity(0))


def run(seeds: Iterable[int], fault: Fault = HONEST) -> Outcome:
    """One after the other, in this process."""
    outcome = Outcome()
    for seed in seeds:
        outcome.histories += 1
        try:
            outcome.tally.update(History(Script(seed), fault=fault).run())
        except Violation as violation:
            outcome.failed[seed] = f"{violation.invariant.name}: {violation.what}"
    return outcome


def run_everywhere(first: int, number: int, workers: int) -> Iterator[Outcome]:
    """Seeds from ``first`` on, over ``workers`` processes; the outcome so far after each chunk."""
    seeds = range(first, first + number)
    chunks = [seeds[start : start + _CHUNK] for start in range(0, number, _CHUNK)]
    outcome = Outcome()
    with _pool(workers) as pool:
        for chunk in pool.map(run, chunks):
            outcome.add(chunk)
            yield outcome


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh interpreters: nothing of the process that starts them can leak into a history."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """A history leaves few cycles, and to look for them all the time costs a tenth."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
