"""One measured move of the mobile node."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from mobileip.control.lab.lab import Lab, Move, registered_at
from mobileip.control.lab.namespaces import LabError
from mobileip.control.lab.traffic import Probes
from mobileip.control.lab.waiting import NeverHappened, eventually

STRAGGLERS: Final = 0.1  # s that a probe may take from one end of this internet to the other
_PATIENCE: Final = 10.0  # s for probes to come through
_REGISTRATION: Final = 2.0  # s after that for the registration, which should be there before them


@dataclass(frozen=True, slots=True)
class Handover:
    """What one move cost. Every time is from the same clock (CLOCK_MONOTONIC) on one machine.

    Link-up is the moment at which the node's kernel tells that the new link is usable: carrier on a link with
    an agent (home included), the care-of address on a link without one. Milliseconds, None if it never
    happened:

    ``outage_ms``: loss of carrier on the old link to link-up; the laboratory's doing, in which nothing can
    get through. ``registered_ms``: link-up to the accepting registration reply's arrival at the node (at
    home: to its deregistration). ``gap_down_ms``: link-up to the arrival at the node of the first probe that
    the correspondent sent after the old link was lost; ``gap_up_ms``: the same in the other direction,
    arrival at the correspondent. Such a probe can only have come over the new path. None too in a direction
    in which no probes are sent.

    ``lost_down``, ``lost_up``: probes sent from 50 ms before the old link was lost until the handover was
    over which never came; those of the outage are among them.
    """

    origin: str
    destination: str
    outage_ms: float
    registered_ms: float | None
    gap_down_ms: float | None
    gap_up_ms: float | None
    lost_down: int
    lost_up: int

    @property
    def gap_ms(self) -> float | None:
        """The longer of both gaps, of the directions in which probes are sent."""
        gaps = [gap for gap in (self.gap_down_ms, self.gap_up_ms) if gap is not None]
        return max(gaps, default=None)

    def to_json(self) -> dict[str, Any]:
        return {
            "from": self.origin,
            "to": self.destination,
            "registered_ms": self.registered_ms,
            "gap_ms": self.gap_ms,
            "gap_down_ms": self.gap_down_ms,
            "gap_up_ms": self.gap_up_ms,
            "lost_down": self.lost_down,
            "lost_up": self.lost_up,
            "outage_ms": self.outage_ms,
        }


def measure(
    lab: Lab, name: str, probes: Probes, *, down: bool = True, up: bool = True, pause: float = 0.0
) -> Handover:
    """Move the node to the site ``name`` while ``probes`` run, and measure until registration and first
    probes are through.

    ``down`` and ``up`` say in which directions probes are sent; ``pause`` seconds are waited afterwards, in
    which losses still count.
    """
    if lab.site is None:
        raise LabError("a handover begins on a link")
    probes.take()  # what came before is not of this handover
    time.sleep(0.05)
    begun = time.monotonic_ns() - 50_000_000
    move = lab.move_to(name)
    _wait_for_probes(probes, move, down=down, up=up)
    registered = _registered(lab, move)
    time.sleep(pause)
    over = time.monotonic_ns()
    time.sleep(STRAGGLERS)
    flow_down, flow_up = probes.take()

    def since_up(at: int | None) -> float | None:
        return None if at is None else round((at - move.up_at) / 1e6, 3)

    assert move.origin is not None
    return Handover(
        origin=move.origin.name,
        destination=name,
        outage_ms=round((move.up_at - move.down_at) / 1e6, 3),
        registered_ms=since_up(registered),
        gap_down_ms=since_up(flow_down.first_received(move.down_at)),
        gap_up_ms=since_up(flow_up.first_received(move.down_at)),
        lost_down=flow_down.lost(begun, over),
        lost_up=flow_up.lost(begun, over),
    )


def _wait_for_probes(probes: Probes, move: Move, *, down: bool, up: bool) -> None:
    def through(newest: Sequence[int]) -> bool:
        return all(at > move.down_at for at, wanted in zip(newest, (down, up), strict=True) if wanted)

    # If it fails the handover says so by its missing gap.
    with suppress(NeverHappened):
        eventually(probes.newest, through, within=_PATIENCE)


def _registered(lab: Lab, move: Move) -> int | None:
    """Asked only when probes are through, or have no hope: a question would take the daemon's time from
    the handover.
    """
    try:
        shown = lab.wait_registered(_REGISTRATION, since=move.down_at)
    except NeverHappened:
        return None
    return registered_at(shown, move.destination)
