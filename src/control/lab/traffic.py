"""The traffic that must survive: a TCP transfer and numbered probes between the correspondent and the home
address.

"Down" is from the correspondent to the mobile node, "up" from the node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final

from mobileip.control.lab.helpers import Helper
from mobileip.control.lab.namespaces import LabError
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.topology import CORRESPONDENT, HOME_ADDRESS, Topology
from mobileip.control.lab.waiting import eventually

_PROBE_PORT: Final = 4340
_TCP_PORT: Final = 4341


@dataclass(slots=True)
class Flow:
    """Probes of one direction: (number, time sent) and (number, time sent, time received), times in ns."""

    sent: list[tuple[int, int]] = field(default_factory=list)
    received: list[tuple[int, int, int]] = field(default_factory=list)

    def lost(self, since: int, until: int) -> int:
        """How many of those sent in that time never came."""
        came = {number for number, _, _ in self.received}
        return sum(since <= at < until and number not in came for number, at in self.sent)

    def first_received(self, sent_since: int) -> int | None:
        """When the first one came that had been sent after ``sent_since``."""
        return min((at for _, sent, at in self.received if sent >= sent_since), default=None)


class Probes:
    """Both ends of the probe stream; silent until :meth:`send`."""

    def __init__(self, processes: Processes, topology: Topology) -> None:
        home, correspondent, port = str(HOME_ADDRESS.ip), str(CORRESPONDENT), str(_PROBE_PORT)
        self._node = Helper(processes, "probes-node", topology.node, "probes", home, correspondent, port)
        self._correspondent = Helper(
            processes, "probes-correspondent", topology.correspondent, "probes", correspondent, home, port
        )
        for end in (self._node, self._correspondent):
            end.ask("progress")  # it answers when its port is open: no probe is sent to a closed one

    def send(self, *, down_us: int, up_us: int) -> None:
        """Send one probe every so many microseconds in each direction; 0: none."""
        self._correspondent.ask("send", interval_us=down_us)
        self._node.ask("send", interval_us=up_us)

    def newest(self) -> tuple[int, int]:
        """Down and up: when the latest probe that has been received was sent (ns; 0: none yet)."""
        return self._node.ask("progress")["newest"], self._correspondent.ask("progress")["newest"]

    def counts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Down and up: probes sent and received in all."""
        node, correspondent = self._node.ask("progress"), self._correspondent.ask("progress")
        return (correspondent["sent"], node["received"]), (node["sent"], correspondent["received"])

    def take(self) -> tuple[Flow, Flow]:
        """Down and up: everything since the last ``take``. What was on its way at that time will count as
        lost.
        """
        node, correspondent = self._node.ask("take"), self._correspondent.ask("take")
        return (
            Flow([*map(tuple, correspondent["sent"])], [*map(tuple, node["received"])]),
            Flow([*map(tuple, node["sent"])], [*map(tuple, correspondent["received"])]),
        )

    def stop(self) -> None:
        self._node.stop()
        self._correspondent.stop()


@dataclass(frozen=True, slots=True)
class Verdict:
    """``survived``: both directions of the one connection were closed in order. ``bytes``: verified, both
    directions.

    ``checksum_ok``: every byte that was sent came, in order and unchanged. ``reason`` says what is wrong, if
    anything.
    """

    survived: bool
    bytes: int
    checksum_ok: bool
    reason: str = ""


class Transfer:
    """One TCP connection, opened by the correspondent to the home address; silent until :meth:`send`."""

    def __init__(
        self,
        processes: Processes,
        topology: Topology,
        *,
        seed: int = 434,
        node_seed: int | None = None,  # another than seed: to see that wrong bytes are noticed
        within: float = 15.0,
    ) -> None:
        home, correspondent, port = str(HOME_ADDRESS.ip), str(CORRESPONDENT), str(_TCP_PORT)
        to_node = ("listen", home, correspondent, port, str(node_seed or seed))
        to_correspondent = ("connect", correspondent, home, port, str(seed))
        self.node = Helper(processes, "tcp-node", topology.node, "stream", *to_node)
        self.correspondent = Helper(
            processes, "tcp-correspondent", topology.correspondent, "stream", *to_correspondent
        )
        try:
            for end in (self.correspondent, self.node):
                end.ask("ready", within=within)
        except LabError:
            self.stop()
            raise

    def stop(self) -> None:
        """Break the connection off."""
        self.node.stop()
        self.correspondent.stop()

    def send(self, *, down: int, up: int, every_us: int) -> None:
        """Send so many bytes every ``every_us`` microseconds in each direction; 0: none."""
        self.correspondent.ask("send", chunk=down, interval_us=every_us)
        self.node.ask("send", chunk=up, interval_us=every_us)

    def received(self) -> tuple[int, int]:
        """Bytes received by the node and by the correspondent."""
        return self.node.ask("status")["received"], self.correspondent.ask("status")["received"]

    def arrivals(self) -> list[int]:
        """When the node's application got bytes since the last call (CLOCK_MONOTONIC, ns)."""
        return list(self.node.ask("take"))

    def finish(self, within: float = 10.0) -> Verdict:
        """Close both directions, wait until everything has come, and compare."""
        ends = {"node": self.node, "correspondent": self.correspondent}
        try:
            for end in ends.values():
                end.ask("finish")
            for name, end in ends.items():
                eventually(
                    partial(end.ask, "status"),
                    lambda s: s["ended"] or s["error"],
                    within=within,
                    what=f"the end of the stream at the {name}",
                )
        except (LabError, AssertionError) as failure:
            return self._verdict(str(failure))
        return self._verdict("")

    def _verdict(self, reason: str) -> Verdict:
        try:
            node, correspondent = self.node.ask("status"), self.correspondent.ask("status")
        except LabError as failure:
            return Verdict(survived=False, bytes=0, checksum_ok=False, reason=str(failure))
        errors = [
            f"{name}: {end['error']}"
            for name, end in (("node", node), ("correspondent", correspondent))
            if end["error"]
        ]
        survived = not reason and not errors and node["ended"] and correspondent["ended"]
        for name, sender, receiver in (("down", correspondent, node), ("up", node, correspondent)):
            if receiver["wrong_at"] is not None:
                errors.append(f"{name}: byte {receiver['wrong_at']} and the following are wrong")
            elif (sender["sent"], sender["sent_crc"]) != (receiver["received"], receiver["received_crc"]):
                errors.append(f"{name}: {receiver['received']} of {sender['sent']} bytes came")
        total = node["received"] + correspondent["received"]
        reason = "; ".join(filter(None, (reason, *errors)))
        return Verdict(survived=survived, bytes=total, checksum_ok=total > 0 and not reason, reason=reason)
