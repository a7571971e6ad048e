"""Every byte in order whatever the underlay does to packets: merge, cut, leave checksums open, carry jumbo ones."""

from __future__ import annotations

import array
import fcntl
import hashlib
import os
import socket
import struct
from itertools import product

import pytest

from mobileip.control.lab.namespaces import Namespace
from tests.unit.dataplane.link import Link, counted
from tests.unit.dataplane.packets import IP, inner
from tests.unit.dataplane.transfer import ends, transfer

pytestmark = pytest.mark.netns

SIOCETHTOOL = 0x8946
SWITCHES = {
    "receive checksum": 0x15,
    "send checksum": 0x17,
    "segmentation": 0x1F,
    "merging": 0x2C,
}  # ethtool.h


def switch(space: Namespace, name: str, on: bool) -> None:
    """As ``ethtool -K wire`` does."""
    value = array.array("I", [SWITCHES[name], on])
    request = struct.pack("16sP", b"wire", value.buffer_info()[0])
    with space.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)


@pytest.mark.parametrize(
    ("merging", "offloads"), list(product([False, True], repeat=2)), ids=lambda on: "on" if on else "off"
)
def test_every_byte_arrives(cable: Link, merging: bool, offloads: bool) -> None:
    for space in (cable.home, cable.away):
        switch(space, "merging", merging)
        for name in ("segmentation", "send checksum", "receive checksum"):
            switch(space, name, offloads)
    home, away = ends(cable)
    sent = os.urandom(8 << 20)
    assert transfer(cable, sent).digest == hashlib.sha256(sent).digest()
    for engine in (home, away):
        damaged = [
            one for one in engine.drops() if "checksum" in one.reason.label or "offload" in one.reason.label
        ]
        assert all(one.out.packets == one.into.packets == 0 for one in damaged)


def test_jumbo_frames(cable: Link) -> None:
    """9000 bytes below carry 8980 inside, whole; and TCP uses them."""
    for space in (cable.home, cable.away):
        space.ip("link set wire mtu 9000")
    home, away = ends(cable, 8980)
    device = cable.tap(cable.away, "mip0")
    packet = inner(size=8980, flags="DF")
    cable.send(cable.home, [packet])
    assert device.take(1) == [bytes(packet)]
    counted(away, "decapsulated-packets", 1)
    assert home.counters()["fragments"] == away.counters()["fragments"] == 0
    sent = os.urandom(8 << 20)
    assert transfer(cable, sent).digest == hashlib.sha256(sent).digest()
    assert home.counters()["encapsulated-packets"] < (8 << 20) // 1480, "TCP uses what fits"
    assert max(IP(one).len for one in device.take(20)) > 1480
