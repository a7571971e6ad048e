"""The tour of the demonstration: home, two foreign agents, a network without agent, home again, under
traffic.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mobileip.control.lab.capture import Capture
from mobileip.control.lab.handover import Handover, measure
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import SITES
from mobileip.control.lab.traffic import Probes, Transfer, Verdict

TOUR: Final = ("foreign1", "foreign2", "foreign3", "home")

PROBE_INTERVAL: Final = 2000  # us, each way
_CHUNK: Final = 8192  # bytes of the transfer, each way,
_CHUNK_INTERVAL: Final = 10_000  # us: about 0.8 MB/s
_FIRST_REGISTRATION: Final = 15.0  # s


@dataclass(frozen=True, slots=True)
class Result:
    """What the tour showed."""

    handovers: tuple[Handover, ...]
    tcp: Verdict

    @property
    def good(self) -> bool:
        """Every handover registered, and the connection survived with every byte in order."""
        registered = all(handover.registered_ms is not None for handover in self.handovers)
        return registered and self.tcp.survived and self.tcp.checksum_ok

    def to_json(self) -> dict[str, Any]:
        tcp = self.tcp
        return {
            "handovers": [handover.to_json() for handover in self.handovers],
            "tcp": {"survived": tcp.survived, "bytes": tcp.bytes, "checksum_ok": tcp.checksum_ok},
        }


class Tour:
    """Runs in the caller's thread. What it has reached so far may be read from other threads.

    ``say`` gets one line for each stage. While ``measuring`` is set nobody should ask the daemons anything.
    """

    def __init__(self, lab: Lab, say: Callable[[str], None], *, seconds: float, pcap: Path | None) -> None:
        self.lab = lab
        self.handovers: list[Handover] = []
        self.probes: Probes | None = None
        self.transfer: Transfer | None = None
        self.measuring = threading.Event()
        self.destination: str | None = None
        self._say = say
        self._seconds = seconds
        self._pcap = pcap

    def run(self) -> Result:
        """Start the daemons, roam, come home; NeverHappened or LabError if it does not even begin."""
        lab = self.lab
        capture = None
        if self._pcap is not None:
            capture = Capture(lab.processes, lab.topology, self._pcap)
        self._say("starting the daemons: home agent, two foreign agents, mobile node")
        lab.start()
        lab.wait_registered(_FIRST_REGISTRATION)
        self._say("the mobile node is at home; opening a TCP connection to it, and sending probes both ways")
        self.probes = probes = Probes(lab.processes, lab.topology)
        self.transfer = transfer = Transfer(lab.processes, lab.topology)
        probes.send(down_us=PROBE_INTERVAL, up_us=PROBE_INTERVAL)
        transfer.send(down=_CHUNK, up=_CHUNK, every_us=_CHUNK_INTERVAL)
        for site in TOUR:
            time.sleep(self._seconds)
            lab.require_running()
            self._move(site, probes)
        time.sleep(self._seconds)
        lab.require_running()
        verdict = transfer.finish()
        probes.send(down_us=0, up_us=0)
        if capture is not None:
            capture.stop()
        return Result(tuple(self.handovers), verdict)

    def _move(self, site: str, probes: Probes) -> None:
        self.destination = site
        self._say(f"moving to {SITES[site].title}")
        self.measuring.set()
        try:
            handover = measure(self.lab, site, probes)
        finally:
            self.measuring.clear()
            self.destination = None
        self.handovers.append(handover)
        self._say(describe(handover))


def describe(handover: Handover) -> str:
    """One line."""
    way = f"{SITES[handover.origin].title} → {SITES[handover.destination].title}"
    if handover.registered_ms is None:
        return f"{way}: NOT registered"
    return (
        f"{way}: registered {handover.registered_ms:.1f} ms after link-up, first packet down"
        f" {milliseconds(handover.gap_down_ms)}, up {milliseconds(handover.gap_up_ms)};"
        f" lost {handover.lost_down} down, {handover.lost_up} up"
    )


def milliseconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} ms"
