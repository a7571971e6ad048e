"""One session: every contender's line is built and stays; then rounds, in which each is measured in turn."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import build
from benchmarks.throughput.contenders import Contender, Kind, Unavailable
from benchmarks.throughput.line import Line
from benchmarks.throughput.measures import Meter
from benchmarks.throughput.results import SERIES, VETH, WIRE, Results
from mobileip.control.lab.namespaces import LabError, Namespaces, terminable
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.waiting import NeverHappened

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """``seconds``: length of one measurement. ``short``: those that are measured only where rows need them."""

    rounds: int
    seconds: float
    series: Sequence[str] = tuple(SERIES)
    short: frozenset[str] = frozenset()
    seed: int = 4


@dataclass(slots=True)
class Session:
    """The lines that could be built, and what was measured on them."""

    plan: Plan
    results: Results = field(default_factory=Results)
    meters: dict[str, Meter] = field(default_factory=dict)
    contenders: list[Contender] = field(default_factory=list)

    def run(self, say: Say) -> None:
        """All rounds; a measurement that fails is noted, and the others go on."""
        order = random.Random(self.plan.seed)
        for number in range(self.plan.rounds):
            for series in self.plan.series:
                names = list(self.meters)
                order.shuffle(names)  # no contender always follows the same other one
                for name in names:
                    say(f"round {number + 1} of {self.plan.rounds}, {series}: {self.results.titles[name]}")
                    self._measure(series, name)
        for contender in self.contenders:
            self.results.facts |= contender.finish()

    def _measure(self, series: str, name: str) -> None:
        meter = self.meters[name]
        short = name in self.plan.short
        if short and series != VETH:
            return
        meter.line.offload(series != WIRE)
        steps: list[Callable[[], dict[str, float]]] = [lambda: meter.tcp(1, up=False), lambda: meter.udp(64)]
        if not short:
            steps += [
                lambda: meter.tcp(4, up=False),
                lambda: meter.tcp(1, up=True),
                lambda: meter.tcp(4, up=True),
                lambda: meter.udp(1400),
                meter.round_trips,
                lambda: meter.cpu(self.results.median(series, name, "udp64") or 0.0),
            ]
        for step in steps:
            try:
                self.results.add(series, name, step())
            except (LabError, ValueError) as failure:
                self.results.failures.append(f"{self.results.titles[name]}, {series}: {failure}")


@contextmanager
def opened(contenders: Sequence[Contender], plan: Plan, say: Say) -> Iterator[Session]:
    """A session with every contender's tunnel up, gone at the end. Those that cannot be built are left out."""
    session = Session(plan)
    packets = build.packets()
    with (
        tempfile.TemporaryDirectory(prefix="mip-throughput-") as directory,
        terminable(),
        Namespaces() as spaces,
        Processes(Path(directory)) as processes,
    ):
        for contender in contenders:
            say(f"building {contender.title}")
            line = _built(contender, spaces, processes, session.results)
            if line is not None:
                session.contenders.append(contender)
                session.results.titles[contender.name] = contender.title
                session.results.kinds[contender.name] = contender.kind
                session.meters[contender.name] = Meter(line, processes, packets, plan.seconds)
        yield session


def _built(contender: Contender, spaces: Namespaces, processes: Processes, results: Results) -> Line | None:
    try:
        return contender.build(spaces, processes)
    except (Unavailable, LabError, NeverHappened) as reason:
        if contender.kind is Kind.PEER or isinstance(reason, Unavailable):
            results.left_out[contender.title] = str(reason)
            return None
        raise
