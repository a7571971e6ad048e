"""TCP through a tunnel sees the path as it is: clean without retransmissions, bad with every byte in order."""

from __future__ import annotations

import hashlib
import random
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mobileip.control.lab.namespaces import Namespace, Namespaces
from tests.unit.dataplane.link import Link
from tests.unit.dataplane.packets import AGENT, CARE_OF, OTHER_AGENT
from tests.unit.dataplane.transfer import ends, transfer

pytestmark = pytest.mark.netns

RATE = 20_000_000  # bytes a second: less than any machine carries, so that nothing is lost in queues
PACKET_IGNORE_OUTGOING = 23  # linux/if_packet.h
TUNNELLED = b"\x08\x00\x45"  # Ethernet type of IPv4, and no options
PROTOCOL = 23  # of the IP header, in the frame


class Forwarder:
    """The path between two interfaces, which treats every tunnelled datagram as ``fate`` says."""

    def __init__(self, space: Namespace, fates: list[str], rng: random.Random) -> None:
        self._sockets = [self._open(space, name) for name in ("tohome", "toaway")]
        self._fates, self._rng = fates, rng
        self._stop, self._stopped = socket.socketpair()
        self.seen = dict.fromkeys(fates, 0)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @staticmethod
    def _open(space: Namespace, interface: str) -> socket.socket:
        made = space.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)  # SOL_PACKET
        made.bind((interface, 3))  # ETH_P_ALL
        return made

    def _run(self) -> None:
        one, other = self._sockets
        onward, late = {one: other, other: one}, {one: b"", other: b""}
        while True:
            readable, _, _ = select.select([*self._sockets, self._stopped], [], [])
            if self._stopped in readable:
                return
            for source in readable:
                frame = source.recv(65536)
                if frame[12:15] != TUNNELLED or frame[PROTOCOL] != socket.IPPROTO_IPIP:
                    onward[source].send(frame)
                    continue
                fate = self._rng.choice(self._fates)
                self.seen[fate] += 1
                before, late[source] = late[source], frame if fate == "late" else b""
                for _ in range({"lost": 0, "late": 0, "twice": 2}.get(fate, 1)):
                    onward[source].send(frame)
                if before:
                    onward[source].send(before)

    def close(self) -> None:
        self._stop.close()
        self._thread.join()
        for one in (*self._sockets, self._stopped):
            one.close()


@contextmanager
def path(cable: Link, fates: list[str], rng: random.Random) -> Iterator[Forwarder]:
    """The cable, with a forwarder in its middle."""
    with Namespaces() as spaces:
        (middle,) = spaces.add("dppath")
        cable.home.ip("link del wire")
        for space, end, address in ((cable.home, "tohome", AGENT), (cable.away, "toaway", CARE_OF)):
            space.ip(f"link add wire type veth peer name {end} netns {middle.name}")
            space.ip(f"addr add {address}/24 dev wire", "link set wire up")
            middle.ip(f"link set {end} up")
        cable.home.ip(f"addr add {OTHER_AGENT}/24 dev wire")
        forwarder = Forwarder(middle, fates, rng)
        try:
            yield forwarder
        finally:
            forwarder.close()


def test_a_clean_path_needs_no_retransmissions(cable: Link, rng: random.Random) -> None:
    ends(cable)
    sent = rng.randbytes(8 << 20)
    result = transfer(cable, sent, RATE)
    assert result.digest == hashlib.sha256(sent).digest()
    assert result.retransmitted == 0


def test_a_slow_clean_path_needs_none_either(cable: Link, rng: random.Random) -> None:
    with path(cable, ["well"], rng) as forwarder:
        ends(cable)
        sent = rng.randbytes(2 << 20)
        result = transfer(cable, sent, RATE // 4)
        assert result.digest == hashlib.sha256(sent).digest()
        assert forwarder.seen["well"] > len(sent) // 1480
        assert result.retransmitted == 0


def test_a_bad_path_delivers_every_byte(cable: Link, rng: random.Random) -> None:
    with path(cable, [*["well"] * 97, "lost", "twice", "late"], rng) as forwarder:
        ends(cable)
        sent = rng.randbytes(2 << 20)
        result = transfer(cable, sent, RATE // 4)
        assert result.digest == hashlib.sha256(sent).digest()
        assert all(forwarder.seen.values())
        assert result.retransmitted > 0
