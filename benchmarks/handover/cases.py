"""The measuring: rounds of moves under one kind of traffic."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from mobileip.control.lab.handover import measure
from mobileip.control.lab.lab import Lab, registered_at
from mobileip.control.lab.traffic import Probes, Transfer
from mobileip.control.lab.waiting import NeverHappened, eventually

ROUND: Final = ("foreign1", "foreign2", "foreign3", "home")
LONG_ROUND: Final = ("foreign1", "foreign2", "foreign3", "foreign1", "home", "foreign3", "home")
CASES: Final = ("both", "down", "download")

_PROBE_INTERVAL: Final = 1000  # us
_CHUNK, _CHUNK_INTERVAL = 4096, 2000  # bytes, us: 2 MB/s
_PATIENCE: Final = 30.0  # s


@dataclass(frozen=True, slots=True)
class Sample:
    """One move; milliseconds after link-up, None if it did not happen or was not measured."""

    case: str
    kind: str
    registered: float | None
    down: float | None
    up: float | None
    outage: float
    lost_down: int = 0
    lost_up: int = 0


def kind(origin: str, destination: str) -> str:
    """The kind of a move, by the care-of address: none (home), an agent's, or a co-located one."""
    return f"{_attachment(origin)} → {_attachment(destination)}"


def _attachment(site: str) -> str:
    return {"home": "home", "foreign3": "co-located"}.get(site, "agent")


def run(lab: Lab, case: str, way: Sequence[str], rounds: int, stay: float) -> Iterator[Sample]:
    """``rounds`` times along ``way``, ``stay`` seconds on each link; AssertionError if a download breaks."""
    with _moves(lab, case) as move:
        for _ in range(rounds):
            for site in way:
                time.sleep(stay)
                yield move(site)


class _ProbeMoves:
    def __init__(self, lab: Lab, case: str) -> None:
        self._lab, self._case, self._both = lab, case, case == "both"
        self._probes = Probes(lab.processes, lab.topology)
        self._probes.send(down_us=_PROBE_INTERVAL, up_us=_PROBE_INTERVAL if self._both else 0)
        eventually(self._probes.newest, lambda newest: newest[0] > 0, what="the first probe")

    def __call__(self, site: str) -> Sample:
        handover = measure(self._lab, site, self._probes, up=self._both)
        return Sample(
            case=self._case,
            kind=kind(handover.origin, site),
            registered=handover.registered_ms,
            down=handover.gap_down_ms,
            up=handover.gap_up_ms,
            outage=handover.outage_ms,
            lost_down=handover.lost_down,
            lost_up=handover.lost_up,
        )

    def close(self) -> None:
        self._probes.stop()


class _DownloadMoves:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._transfer = Transfer(lab.processes, lab.topology)
        self._transfer.send(down=_CHUNK, up=0, every_us=_CHUNK_INTERVAL)
        eventually(self._transfer.received, lambda received: received[0] > 0, what="the first bytes")

    def __call__(self, site: str) -> Sample:
        lab = self._lab
        self._transfer.arrivals()
        move = lab.move_to(site)
        arrivals: list[int] = []

        def after_link_up() -> int | None:
            arrivals.extend(self._transfer.arrivals())
            return next((at for at in arrivals if at > move.up_at), None)

        try:
            first = eventually(after_link_up, within=_PATIENCE)
        except NeverHappened:
            first = None
        shown = lab.wait_registered(_PATIENCE, since=move.down_at)
        assert move.origin is not None
        return Sample(
            case="download",
            kind=kind(move.origin.name, site),
            registered=(registered_at(shown, move.destination) - move.up_at) / 1e6,
            down=None if first is None else (first - move.up_at) / 1e6,
            up=None,
            outage=(move.up_at - move.down_at) / 1e6,
        )

    def close(self) -> None:
        verdict = self._transfer.finish()
        self._transfer.stop()
        assert verdict.survived and verdict.checksum_ok, f"the download broke: {verdict.reason}"


@contextmanager
def _moves(lab: Lab, case: str) -> Iterator[_ProbeMoves | _DownloadMoves]:
    moves = _DownloadMoves(lab) if case == "download" else _ProbeMoves(lab, case)
    yield moves
    moves.close()  # not after an error, which is the more interesting one; the laboratory ends everything
