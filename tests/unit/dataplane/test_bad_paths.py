"""A path that loses, repeats, reorders and corrupts: what comes out is what was sent, all else is counted."""

from __future__ import annotations

import random
import socket

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import encapsulate
from tests.unit.dataplane.link import Link
from tests.unit.dataplane.packets import CORRESPONDENT, HOME, IP, UDP, care_of_end, home_end, inner

pytestmark = pytest.mark.netns

OUTER, HEADER = 20, 20
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
COUNT = 600


def test_nothing_corrupt_is_blessed_and_nothing_is_miscounted(cable: Link, rng: random.Random) -> None:
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.start()
    receiver = cable.socket(cable.home, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    receiver.bind((str(CORRESPONDENT), 4000))
    packets = [inner(HOME, CORRESPONDENT, 200 + i, id=i) for i in range(COUNT)]
    path, wanted, beyond_headers = [], [], 0
    refused = 0
    for number, packet in enumerate(packets):
        datagram = bytearray(encapsulate(bytes(packet), care_of_end(), number + 1))
        fate = rng.choice(["lost", "twice", "late", "corrupt", "corrupt", "well", "well", "well"])
        if fate == "corrupt":
            bit = rng.randrange(8 * OUTER, 8 * len(datagram))
            datagram[bit // 8] ^= 1 << bit % 8
            if bit < 8 * (OUTER + HEADER):
                refused += 1
            else:
                beyond_headers += 1
        payload = None if fate == "corrupt" else bytes(packet[UDP].payload)
        at = max(0, len(path) - 3) if fate == "late" else len(path)
        for _ in range({"lost": 0, "twice": 2}.get(fate, 1)):
            path.insert(at, IP(bytes(datagram)))
            wanted.insert(at, payload)
    for at in range(0, len(path), 50):  # no quicker than the sockets' buffers take it
        cable.send(cable.away, path[at : at + 50])
        seen = min(at + 50, len(path))
        eventually(
            lambda: engine.counters()["received-packets"], lambda now, seen=seen: now == seen, what="all"
        )
    arriving = [payload for payload in wanted if payload is not None]
    assert [receiver.recv(2000) for _ in arriving] == arriving
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(2000)
    # Threads count after they have written.
    eventually(
        lambda: (engine.counters()["decapsulated-packets"], sum(one.into.packets for one in engine.drops())),
        lambda now: now == (len(arriving) + beyond_headers, refused),
        what="each packet to be counted once",
    )
    assert refused > 0 and beyond_headers > 0
