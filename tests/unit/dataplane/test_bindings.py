"""Several care-of addresses for one home address, and what is tunnelled already when it comes (RFC 5944 4.2.3)."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import IPv4Address
from socket import SOCK_DGRAM

import pytest

from mobileip.dataplane import Engine, Flag, Install, Remove, Side, Traffic
from tests.unit.dataplane.link import Link, counted, expect
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    Packet,
    care_of_end,
    home_end,
    inner,
    outer,
)

pytestmark = pytest.mark.netns

SECOND = IPv4Address("192.0.2.3")
NOTHING = Traffic(0, 0, 0)


def two(cable: Link, **changes: object) -> Engine:
    """The home agent's end of two tunnels for one home address; ``changes`` are those of the second."""
    cable.away.ip(f"addr add {SECOND}/24 dev wire")
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.install(replace(home_end(), remote=SECOND, **changes), beside=True)
    engine.start()
    return engine


@pytest.mark.parametrize("count", [1, 31, 32, 33, 100])
def test_each_care_of_address_gets_a_copy(cable: Link, count: int) -> None:
    engine = two(cable)
    wire = cable.tap(cable.away, "wire")
    packets = [inner(size=28 + i, tos=i % 256) for i in range(count)]
    size = sum(packet.len for packet in packets)
    cable.send(cable.home, packets)
    seen = [IP(datagram) for datagram in wire.take(2 * count)]
    for care_of in (CARE_OF, SECOND):
        inside = [bytes(datagram.payload) for datagram in seen if datagram.dst == str(care_of)]
        assert inside == [bytes(packet) for packet in packets]
    assert all(datagram.src == str(AGENT) and datagram.chksum == checked(datagram) for datagram in seen)
    assert len({datagram.id for datagram in seen}) == 2 * count
    expect(
        engine,
        {
            "device-read-packets": count,
            "device-read-bytes": size,
            "encapsulated-packets": 2 * count,
            "encapsulated-bytes": 2 * size,
            "copied-packets": count,
        },
        (Traffic(count, size, 0), NOTHING),
        (Traffic(count, size, 0), NOTHING),
    )


def checked(datagram: Packet) -> int:
    """The header checksum as scapy computes it."""
    header = datagram.copy()
    header.remove_payload()
    del header.chksum
    length = datagram.len
    header.len = length
    checksum: int = IP(bytes(header)).chksum
    return checksum


def test_each_by_its_own_mtu(cable: Link) -> None:
    """One is told of the smaller MTU and served in fragments, the other has the whole packet."""
    engine = two(cable, mtu=576)
    wire, back = cable.tap(cable.away, "wire"), cable.tap(cable.home, "lo")
    packet = inner(size=1000)
    cable.send(cable.home, [packet])
    seen = [IP(datagram) for datagram in wire.take(3)]
    (whole,) = [datagram for datagram in seen if datagram.dst == str(CARE_OF)]
    first, last = [datagram.payload for datagram in seen if datagram.dst == str(SECOND)]
    assert bytes(whole.payload) == bytes(packet)
    assert bytes(first.payload) + bytes(last.payload) == bytes(packet.payload)
    cable.send(cable.home, [inner(size=1001, flags="DF")])
    assert IP(wire.take(1)[0]).dst == str(CARE_OF)
    assert IP(back.take(1)[0]).payload.nexthopmtu == 576
    expect(
        engine,
        {
            "device-read-packets": 2,
            "device-read-bytes": 2001,
            "encapsulated-packets": 4,
            "encapsulated-bytes": 2001 + 1020,
            "copied-packets": 2,
            "fragmented-packets": 1,
            "fragments": 2,
            "too-big": 1,
            "icmp-sent": 1,
        },
    )


def test_the_way_back_is_open_from_each(cable: Link) -> None:
    engine = two(cable)
    device = cable.tap(cable.home, "mip0")
    cable.socket(cable.home, SOCK_DGRAM).bind((str(CORRESPONDENT), 4000))
    packets = [inner(HOME, CORRESPONDENT, size) for size in (100, 200, 300)]
    sources = (CARE_OF, SECOND, IPv4Address("192.0.2.66"))
    cable.send(
        cable.away, [outer(packet, source, AGENT) for packet, source in zip(packets, sources, strict=True)]
    )
    assert device.take(2) == [bytes(packet) for packet in packets[:2]]
    counted(engine, "wrong-outer-source", 1)
    assert [status.into.bytes for status in engine.tunnels()] == [100, 200]


def remotes(engine: Engine) -> list[int]:
    """The last byte of each remote end, sorted."""
    return sorted(int(status.tunnel.remote) & 0xFF for status in engine.tunnels())


def towards(last: int) -> IPv4Address:
    return IPv4Address(int(CARE_OF) & ~0xFF | last)


def test_one_comes_and_another_goes(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.start()
    for last in range(2, 10):
        engine.install(replace(home_end(), remote=towards(last)), beside=True)
    assert remotes(engine) == list(range(2, 10))
    with pytest.raises(OSError, match="too many tunnels of one home address; 0 of 1 changes") as full:
        engine.install(replace(home_end(), remote=towards(10)), beside=True)
    assert full.value.errno == errno.EMLINK
    engine.install(replace(home_end(1400), remote=towards(5)), beside=True)
    assert sorted(status.tunnel.mtu for status in engine.tunnels()) == [1400] + 7 * [1480]
    for gone in (2, 9, 5):
        assert engine.remove(HOME, Side.HOME, towards(gone)) is True
        assert engine.remove(HOME, Side.HOME, towards(gone)) is False
    assert remotes(engine) == [3, 4, 6, 7, 8]
    wire = cable.tap(cable.away, "wire")
    cable.away.ip(*(f"addr add {towards(last)}/24 dev wire" for last in (3, 4, 6, 7, 8)))
    cable.send(cable.home, [inner()])
    assert sorted(IP(datagram).dst[-1] for datagram in wire.take(5)) == list("34678")
    counted(engine, "encapsulated-packets", 5)
    engine.install(replace(home_end(), remote=towards(7)))
    assert remotes(engine) == [7]
    assert engine.tunnels()[0].out == Traffic(1, 100, 0)  # its own from before
    engine.apply([Install(home_end(), beside=True), Remove(HOME, Side.HOME)])
    assert engine.tunnels() == []
    engine.install(home_end())
    assert engine.tunnels()[0].out == NOTHING


def test_only_the_home_end_has_several(cable: Link) -> None:
    engine = cable.engine(cable.away)
    with pytest.raises(OSError, match="Invalid argument"):
        engine.install(care_of_end(), beside=True)


@pytest.mark.rfc("5944", "4.2.3", 10, 11, 12, 13, 14)
@pytest.mark.parametrize("several", [False, True])
def test_what_is_tunnelled_already(cable: Link, several: bool) -> None:
    """To the node itself and from its care-of address it is a loop; all else is tunnelled again."""
    engine = two(cable) if several else cable.engine(cable.home)
    if not several:
        engine.install(replace(home_end(), remote=SECOND))
        engine.start()
        cable.away.ip(f"addr add {SECOND}/24 dev wire")
    wire = cable.tap(cable.away, "wire")
    loop = outer(inner(), SECOND, HOME)
    again = [outer(inner(), CORRESPONDENT, HOME), outer(inner(destination=SECOND), CORRESPONDENT, HOME)]
    cable.send(cable.home, [loop, *again])
    seen = [IP(datagram) for datagram in wire.take(4 if several else 2)]
    to_second = [bytes(datagram.payload) for datagram in seen if datagram.dst == str(SECOND)]
    assert to_second == [bytes(packet) for packet in again]
    counts = {
        "device-read-packets": 3,
        "device-read-bytes": 360,
        "encapsulated-packets": 2,
        "encapsulated-bytes": 240,
        "loop-care-of": 1,
    }
    if several:
        counts |= {"encapsulated-packets": 4, "encapsulated-bytes": 480, "copied-packets": 2}
    expect(engine, counts)


def test_reverse_flag_of_each(cable: Link) -> None:
    engine = two(cable, flags=Flag.NONE)
    cable.send(cable.away, [outer(inner(HOME, CORRESPONDENT), SECOND, AGENT)])
    expect(engine, {"received-packets": 1, "received-bytes": 120, "not-reverse": 1})
