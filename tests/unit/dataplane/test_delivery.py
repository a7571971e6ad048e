"""Encapsulating delivery style (RFC 3024 5.2): the node tunnels to the foreign agent, that one to the home agent."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.dataplane import Encapsulation, Engine, Flag, Side, Traffic, Tunnel, decapsulate, encapsulate
from tests.unit.dataplane.link import Link, counted, expect
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    OTHER_HOME,
    Packet,
    care_of_end,
    inner,
    outer,
)

pytestmark = pytest.mark.netns

STYLE = Flag.REVERSE | Flag.ENCAPSULATED_DELIVERY
NOTHING = Traffic(0, 0, 0)


def foreign_agent(cable: Link, mtu: int = 1480) -> Engine:
    """At the far end of the cable; the node and the home agent are both at the near one."""
    engine = cable.engine(cable.away)
    cable.away.ip(f"addr del {HOME}/32 dev mip0", f"route add {HOME}/32 dev wire")
    engine.install(care_of_end(mtu, flags=STYLE))
    engine.start()
    return engine


def from_the_node(packet: Packet, destination: IPv4Address = CARE_OF) -> Packet:
    return outer(packet, HOME, destination)


def forwarded(packet: Packet) -> Packet:
    again = packet.copy()
    again.ttl -= 1
    del again.chksum
    return IP(bytes(again))


@pytest.mark.rfc("3024", "5.2.2", 2)
@pytest.mark.rfc("3024", "5.4", 3, 4)
@pytest.mark.parametrize("count", [1, 63, 64, 65, 150])
def test_another_header_in_the_place_of_the_nodes(cable: Link, count: int) -> None:
    engine = foreign_agent(cable)
    wire = cable.tap(cable.home, "wire")
    packets = [inner(HOME, CORRESPONDENT, 28 + i, tos=i % 256 & 0xFC) for i in range(count)]
    sizes = sum(packet.len for packet in packets)
    cable.send(cable.home, [from_the_node(packet) for packet in packets])
    for datagram, packet in zip(wire.take(count), packets, strict=True):
        expected = encapsulate(bytes(forwarded(packet)), care_of_end(), 1)
        assert datagram[:4] + datagram[6:10] + datagram[12:] == expected[:4] + expected[6:10] + expected[12:]
    expect(
        engine,
        {
            "received-packets": count,
            "received-bytes": sizes + 20 * count,
            "delivered-packets": count,
            "encapsulated-packets": count,
            "encapsulated-bytes": sizes,
        },
        (Traffic(count, sizes, 0), NOTHING),
    )


@pytest.mark.rfc("3024", "5.3", 1)
def test_broadcast_and_multicast_go_the_same_way(cable: Link) -> None:
    engine = foreign_agent(cable)
    wire = cable.tap(cable.home, "wire")
    packets = [inner(HOME, IPv4Address(to)) for to in ("255.255.255.255", "239.1.2.3")]
    cable.send(cable.home, [from_the_node(packet) for packet in packets])
    assert [IP(datagram).payload for datagram in wire.take(2)] == [forwarded(packet) for packet in packets]
    counted(engine, "delivered-packets", 2)


def test_from_one_visitor_to_another_without_a_loop(cable: Link) -> None:
    """What comes by the other's home agent is for the link, though a visitor of ours sent it."""
    engine = foreign_agent(cable)
    engine.install(care_of_end(home=OTHER_HOME, flags=STYLE))
    device, wire = cable.tap(cable.away, "mip0"), cable.tap(cable.home, "wire")
    packet = inner(HOME, OTHER_HOME)
    cable.send(cable.home, [from_the_node(packet)])
    (sent,) = wire.take(1)
    assert IP(sent).dst == str(AGENT)
    cable.send(cable.home, [outer(packet, AGENT, CARE_OF)])
    assert device.take(1) == [bytes(packet)]
    counted(engine, "decapsulated-packets", 1)
    assert engine.counters()["encapsulated-packets"] == 1


def test_what_does_not_fit(cable: Link) -> None:
    engine = foreign_agent(cable, mtu=1000)
    wire = cable.tap(cable.home, "wire")
    whole = inner(HOME, CORRESPONDENT, 1001)
    cable.send(
        cable.home, [from_the_node(whole), from_the_node(inner(HOME, CORRESPONDENT, 1002, flags="DF"))]
    )
    # The kernel asks for the node's link-layer address before it sends the error.
    cable.home.ip(f"addr add {HOME}/32 dev wire")
    seen = [IP(datagram) for datagram in wire.take(3)]
    (error,) = [one for one in seen if one.dst == str(HOME)]
    first, last = [one.payload for one in seen if one.dst == str(AGENT)]
    assert bytes(first.payload) + bytes(last.payload) == bytes(whole.payload)
    assert (error.src, error.payload.nexthopmtu) == (str(CARE_OF), 1000)
    counted(engine, "too-big", 1)


@pytest.mark.parametrize(
    ("datagram", "label"),
    [
        (outer(inner(OTHER_HOME, CORRESPONDENT), OTHER_HOME, CARE_OF), "not-delivery-style"),
        (outer(inner(HOME, CORRESPONDENT), OTHER_HOME, CARE_OF), "no-binding"),
        (outer(inner(HOME, CORRESPONDENT, ttl=1), HOME, CARE_OF), "inner-ttl-zero"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals(cable: Link, datagram: Packet, label: str) -> None:
    engine = foreign_agent(cable)
    engine.install(care_of_end(home=OTHER_HOME))
    wire = cable.tap(cable.home, "wire")
    cable.send(cable.home, [datagram])
    expect(engine, {"received-packets": 1, "received-bytes": 120, label: 1})
    assert wire.nothing_more()


@pytest.mark.rfc("3024", "5.2.2", 1)
def test_the_nodes_own_end(cable: Link) -> None:
    engine = cable.engine(cable.away)
    engine.install(Tunnel(HOME, Side.CARE_OF, HOME, AGENT, 1480, flags=STYLE))
    engine.start()
    wire = cable.tap(cable.home, "wire")
    packet = inner(HOME, CORRESPONDENT)
    cable.send(cable.away, [packet])
    datagram = IP(wire.take(1)[0])
    assert (datagram.src, datagram.dst, datagram.proto) == (str(HOME), str(AGENT), 4)
    assert bytes(datagram.payload) == bytes(packet)
    expect(
        engine,
        {
            "device-read-packets": 1,
            "device-read-bytes": 100,
            "encapsulated-packets": 1,
            "encapsulated-bytes": 100,
        },
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": Flag.BROADCAST},
        {"flags": Flag.NESTED},
        {"local": HOME},
        {"side": Side.HOME, "flags": STYLE},
        {"side": Side.HOME, "flags": Flag.NESTED},
        {"side": Side.NODE, "flags": Flag.NONE},
        {"side": Side.NODE, "local": HOME, "flags": Flag.REVERSE},
    ],
)
def test_impossible_tunnels(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must differ|is not for side"):
        replace(care_of_end(), **changes)  # type: ignore[arg-type]


def test_keys_and_numbers_of_gre_are_between_the_agents(cable: Link) -> None:
    """The node has no part in what the agents agreed on (RFC 6245), and its numbers are not the home agent's."""
    engine = cable.engine(cable.away)
    cable.away.ip(f"addr del {HOME}/32 dev mip0", f"route add {HOME}/32 dev wire")
    gre, agreed = Encapsulation.GRE, Flag.GRE_KEY | Flag.GRE_SEQUENCE
    engine.install(Tunnel(HOME, Side.CARE_OF, CARE_OF, AGENT, 1400, gre, STYLE | agreed, key_out=8, key_in=9))
    engine.start()
    by_home_agent = Tunnel(HOME, Side.HOME, AGENT, CARE_OF, 1400, gre, agreed, key_out=9)
    by_node = Tunnel(HOME, Side.CARE_OF, HOME, CARE_OF, 1400, gre, STYLE | Flag.GRE_SEQUENCE)
    packet = inner(HOME, CORRESPONDENT)
    wire = cable.tap(cable.home, "wire")
    for number in range(3):
        cable.send(cable.home, [IP(encapsulate(bytes(inner()), by_home_agent, 1, 500 + number))])
        counted(engine, "decapsulated-packets", number + 1)
        cable.send(cable.home, [IP(encapsulate(bytes(packet), by_node, 1, number))])
        counted(engine, "delivered-packets", number + 1)
    tunnelled: list[bytes] = []
    while len(tunnelled) < 3:  # what came out of the tunnel is on the wire too
        tunnelled += [datagram for datagram in wire.take(1) if IP(datagram).proto == gre]
    sent = [decapsulate(datagram, gre) for datagram in tunnelled]
    assert [(one.key, one.sequence, one.packet) for one in sent] == [
        (8, number, bytes(forwarded(packet))) for number in range(3)
    ]
