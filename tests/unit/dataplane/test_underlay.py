"""Ways onto the wire: what a known next hop changes, and that the raw socket takes what another way cannot."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.namespaces import Namespace
from mobileip.dataplane import UNDERLAYS, Encapsulation, Engine, NextHop, Side, Traffic, Tunnel
from tests.unit.dataplane.link import Link, counted, expect
from tests.unit.dataplane.packets import AGENT, CARE_OF, HOME, OTHER_HOME, home_end, inner, outer

pytestmark = pytest.mark.netns

SIZE = 100


def link_address(space: Namespace, device: str) -> bytes:
    with space.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((device, 0))
        address: bytes = raw.getsockname()[4]
        return address


def index(space: Namespace, device: str) -> int:
    return space.inside(lambda: socket.if_nametoindex(device))


def hop(cable: Link, remote: IPv4Address = CARE_OF) -> NextHop:
    return NextHop(AGENT, remote, index(cable.home, "wire"), link_address(cable.away, "wire"))


def tell(cable: Link, engine: Engine, *hops: NextHop) -> int:
    return cable.home.inside(lambda: engine.set_next_hops(hops))


def started(cable: Link, underlay: str = "packet") -> Engine:
    engine = cable.engine(cable.home, underlay=underlay)
    engine.install(home_end())
    engine.start()
    return engine


def sent(count: int, **more: int) -> dict[str, int]:
    """The counters after ``count`` packets have gone into the tunnel."""
    packets = {"device-read-packets": count, "encapsulated-packets": count}
    return packets | {"device-read-bytes": count * SIZE, "encapsulated-bytes": count * SIZE} | more


def test_names() -> None:
    assert UNDERLAYS == ("raw", "packet", "xdp")
    with pytest.raises(ValueError, match="'pigeon' is not among the underlays: raw, packet, xdp"):
        Engine(underlay="pigeon")


@pytest.mark.parametrize("underlay", ["packet", "xdp"])
@pytest.mark.parametrize("count", [1, 63, 64, 65])
def test_datagrams_are_the_same_by_any_way(cable: Link, count: int, underlay: str) -> None:
    packets = [inner(size=SIZE, id=i + 1, tos=i) for i in range(count)]
    wire = cable.tap(cable.away, "wire")
    engine = started(cable, underlay)
    assert tell(cable, engine, hop(cable)) == 1
    cable.send(cable.home, packets)
    for packet, datagram in zip(packets, wire.take(count), strict=True):
        ident = int.from_bytes(datagram[4:6], "big")
        assert datagram == bytes(outer(packet, tos=packet.tos, id=ident)) and ident != 0
    expect(
        engine,
        sent(count, **{"past-routing": count}),
        (Traffic(count, count * SIZE, 0), Traffic(0, 0, 0)),
    )


@pytest.mark.parametrize("underlay", ["packet", "xdp"])
def test_routing_decides_only_what_has_no_next_hop(cable: Link, underlay: str) -> None:
    """With every route gone, a known next hop is still reached: that is what the mode bypasses."""
    engine = started(cable, underlay)
    wire = cable.tap(cable.away, "wire")
    tell(cable, engine, hop(cable))
    cable.home.ip(f"route add unreachable {CARE_OF}/32")
    cable.send(cable.home, [inner(size=SIZE)])
    wire.take(1)
    counted(engine, "past-routing", 1)
    tell(cable, engine, NextHop(AGENT, CARE_OF))
    cable.send(cable.home, [inner(size=SIZE)])
    counted(engine, "send-unreachable", 1)
    assert engine.counters()["past-routing"] == 1


@pytest.mark.parametrize("underlay", ["packet", "xdp"])
def test_one_batch_by_both_ways_keeps_each_order(cable: Link, underlay: str) -> None:
    cable.away.ip("addr add 192.0.2.3/24 dev wire")
    engine = started(cable, underlay)
    other = IPv4Address("192.0.2.3")
    engine.install(Tunnel(OTHER_HOME, Side.HOME, AGENT, other, 1480, Encapsulation.IPIP))
    tell(cable, engine, hop(cable))
    wire = cable.tap(cable.away, "wire")
    packets = [inner(destination=OTHER_HOME if i % 3 else HOME, size=SIZE, id=i + 1) for i in range(60)]
    cable.send(cable.home, packets)
    seen = wire.take(60)
    for remote in (CARE_OF, other):
        numbers = [int.from_bytes(packet[24:26], "big") for packet in seen if packet[16:20] == remote.packed]
        assert numbers == [i + 1 for i in range(60) if (i % 3 == 0) == (remote == CARE_OF)]
    expect(engine, sent(60, **{"past-routing": 20}))


@pytest.mark.parametrize("underlay", ["packet", "xdp"])
def test_a_device_that_is_gone_costs_no_packet(cable: Link, underlay: str) -> None:
    """The control plane will hear of it; until then the raw socket sends."""
    engine = started(cable, underlay)
    wire = cable.tap(cable.away, "wire")
    gone = NextHop(AGENT, CARE_OF, 4711, link_address(cable.away, "wire"))
    tell(cable, engine, gone)
    cable.send(cable.home, [inner(size=SIZE)] * 10)
    wire.take(10)
    expect(engine, sent(10))
    tell(cable, engine, hop(cable))
    cable.send(cable.home, [inner(size=SIZE)] * 10)
    expect(engine, sent(20, **{"past-routing": 10}))


@pytest.mark.parametrize("underlay", ["packet", "xdp"])
def test_a_datagram_wider_than_the_device_is_dropped_by_its_name(cable: Link, underlay: str) -> None:
    engine = cable.engine(cable.home, mtu=2000, underlay=underlay)
    engine.install(home_end(2000))
    engine.start()
    tell(cable, engine, hop(cable))
    cable.send(cable.home, [inner(size=1481), inner(size=1480)])
    counted(engine, "send-too-big", 1)
    counted(engine, "past-routing", 1)


def test_what_cannot_be_a_next_hop(cable: Link) -> None:
    engine = cable.engine(cable.home, underlay="packet")
    with pytest.raises(ValueError, match="is not an Ethernet address"):
        engine.set_next_hops([NextHop(AGENT, CARE_OF, 2, b"short")])
    many = [NextHop(AGENT, IPv4Address(int(CARE_OF) + i), 2, bytes(6)) for i in range(1, 80_000)]
    assert 1 << 15 < engine.set_next_hops(many) <= 1 << 16
