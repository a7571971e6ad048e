"""Broadcasts of a home link, from the link to the mobile node (RFC 5944 4.3): the cable is the home link too."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from socket import AF_PACKET, SO_BROADCAST, SOCK_DGRAM, SOL_SOCKET

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Engine, Flag, Side, Traffic, Tunnel, encapsulate, encapsulate_nested
from tests.unit.dataplane.link import Link, Tap, counted, expect, moved
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    OTHER_HOME,
    UDP,
    Packet,
    home_end,
    inner,
    outer,
)

pytestmark = pytest.mark.netns

NETWORK = IPv4Network("198.51.100.0/24")
NEIGHBOUR = IPv4Address("198.51.100.200")
EVERYBODY = IPv4Address("255.255.255.255")
DIRECTED = NETWORK.broadcast_address
ASKS = Flag.REVERSE | Flag.BROADCAST
ASKS_NESTED = ASKS | Flag.NESTED
NOTHING = Traffic(0, 0, 0)


def watching(cable: Link, *tunnels: Tunnel, **options: int) -> Engine:
    engine = cable.engine(cable.home, **options)
    for tunnel in tunnels:
        engine.install(tunnel)
    cable.home.inside(lambda: engine.watch("wire", NETWORK))
    engine.start()
    return engine


def shout(cable: Link, packets: list[Packet], space: str = "away") -> None:
    """Frames on the home link."""
    with getattr(cable, space).socket(AF_PACKET, SOCK_DGRAM, 0) as link:
        for packet in packets:
            link.sendto(bytes(packet), ("wire", 0x0800, 0, 0, b"\xff" * 6))


def broadcast(size: int = 100, destination: IPv4Address = EVERYBODY, **fields: object) -> Packet:
    return inner(fields.pop("source", NEIGHBOUR), destination, size, **fields)  # type: ignore[arg-type]


def forwarded(packet: Packet) -> bytes:
    """The packet as a router sends it on."""
    again = packet.copy()
    again.ttl -= 1
    del again.chksum
    return bytes(again)


def take(wire: Tap, count: int) -> list[bytes]:
    """Outer datagrams, with Identification and checksum of the headers around the packet wiped out."""
    return [wiped(datagram) for datagram in wire.take(count)]


def wiped(datagram: bytes) -> bytes:
    data = bytearray(datagram)
    for at in (0, 20) if data[20 + 9] == 4 else (0,):
        data[at + 4 : at + 6] = data[at + 10 : at + 12] = b"\0\0"
    return bytes(data)


@pytest.mark.rfc("5944", "3.6.1.2", 3)
@pytest.mark.rfc("5944", "4.3", 1, 2)
@pytest.mark.parametrize("destination", [EVERYBODY, DIRECTED])
def test_to_a_co_located_node(cable: Link, destination: IPv4Address) -> None:
    engine = watching(cable, home_end(flags=ASKS), home_end(home=OTHER_HOME))
    wire = cable.tap(cable.away, "wire")
    packets = [broadcast(size, destination, tos=size % 256) for size in (28, 100, 1480)]
    shout(cable, packets)
    assert take(wire, 3) == [wiped(encapsulate(forwarded(packet), home_end(), 1)) for packet in packets]
    expect(
        engine,
        {
            "broadcasts": 3,
            "broadcast-copies": 3,
            "encapsulated-packets": 3,
            "encapsulated-bytes": 1608,
        },
        (Traffic(3, 1608, 0), NOTHING),
        (NOTHING, NOTHING),
    )


@pytest.mark.rfc("5944", "3.6.1.2", 4, 5)
def test_to_a_foreign_agent(cable: Link) -> None:
    tunnel = home_end(flags=ASKS_NESTED)
    engine = watching(cable, tunnel)
    wire = cable.tap(cable.away, "wire")
    packets = [broadcast(size) for size in (28, 1460)]
    shout(cable, packets)
    seen = [IP(datagram) for datagram in wire.take(2)]
    assert [wiped(bytes(one)) for one in seen] == [
        wiped(encapsulate_nested(forwarded(packet), tunnel, 1)) for packet in packets
    ]
    for datagram, packet in zip(seen, packets, strict=True):
        nested = datagram.payload
        assert (datagram.src, datagram.dst) == (str(AGENT), str(CARE_OF))
        assert (nested.src, nested.dst, nested.proto) == (str(AGENT), str(HOME), 4)
        assert bytes(nested.payload) == forwarded(packet)
    expect(
        engine,
        {
            "broadcasts": 2,
            "broadcast-copies": 2,
            "encapsulated-packets": 2,
            "encapsulated-bytes": 1528,
        },
    )


def test_too_big_is_fragmented_first_or_dropped(cable: Link) -> None:
    engine = watching(cable, home_end(flags=ASKS_NESTED))
    wire = cable.tap(cable.away, "wire")
    packet = broadcast(1461)
    shout(cable, [packet, broadcast(1462, flags="DF")])
    first, last = (IP(datagram).payload.payload for datagram in wire.take(2))
    assert bytes(first.payload) + bytes(last.payload) == bytes(packet.payload)
    expect(
        engine,
        {
            "broadcasts": 2,
            "broadcast-copies": 2,
            "encapsulated-packets": 2,
            "encapsulated-bytes": 1461 + 20 + 40,
            "fragmented-packets": 1,
            "fragments": 2,
            "too-big": 1,
        },
    )


@pytest.mark.rfc("5944", "4.3", 1)
def test_what_is_not_forwarded(cable: Link) -> None:
    """Not to who did not ask or sent it, not what is no broadcast here, not our own, not what is malformed."""
    elsewhere = home_end(home=IPv4Address("203.0.113.70"), flags=ASKS)
    engine = watching(cable, home_end(flags=ASKS), home_end(home=OTHER_HOME), elsewhere)
    wire = cable.tap(cable.away, "wire")
    broken = IP(bytes(broadcast(chksum=1)))
    shout(cable, [broadcast(source=HOME), broadcast(ttl=1), broken])
    shout(cable, [broadcast(destination=IPv4Address("192.0.2.255")), broadcast(destination=NEIGHBOUR)])
    shout(cable, [broadcast()], "home")
    wire.take(1)  # that one, on the cable
    shout(cable, [broadcast(50)])
    assert len(wire.take(1)[0]) == 70
    expect(
        engine,
        {
            "broadcasts": 4,
            "broadcast-copies": 1,
            "encapsulated-packets": 1,
            "encapsulated-bytes": 50,
            "inner-ttl-zero": 1,
            "inner-bad-checksum": 1,
        },
    )


def test_who_asks_may_change(cable: Link) -> None:
    engine = watching(cable, home_end(flags=ASKS))
    wire = cable.tap(cable.away, "wire")
    engine.install(home_end())
    shout(cable, [broadcast()])
    counted(engine, "broadcasts", 1)
    assert wire.nothing_more()
    engine.install(home_end(flags=ASKS))
    engine.install(replace(home_end(flags=ASKS), remote=IPv4Address("192.0.2.9")), beside=True)
    engine.remove(HOME, Side.HOME, CARE_OF)
    engine.install(home_end(home=OTHER_HOME, flags=ASKS))
    shout(cable, [broadcast()])
    counted(engine, "broadcast-copies", 2)
    engine.remove(OTHER_HOME, Side.HOME)
    engine.remove(HOME, Side.HOME)
    shout(cable, [broadcast()])
    counted(engine, "broadcasts", 3)
    assert engine.counters()["broadcast-copies"] == 2


def test_rate_limit_serves_in_turn(cable: Link) -> None:
    """Ten copies at first for eight nodes: the second round begins where it will have to go on."""
    homes = [IPv4Address(int(HOME) + i) for i in range(8)]
    engine = watching(cable, *(home_end(home=home, flags=ASKS) for home in homes), broadcast_rate=10)
    shout(cable, [broadcast(), broadcast()])
    counted(engine, "broadcast-rate-limited", 1)
    copies = engine.counters()["broadcast-copies"]
    assert 10 <= copies < 16
    served = [status.out.packets for status in engine.tunnels()]
    assert served == [2] * (copies - 8) + [1] * (16 - copies)


def test_many_nodes(cable: Link) -> None:
    """More than one batch, more than one holding of the lock, and others in between."""
    homes = [IPv4Address(int(NETWORK[1]) + i) for i in range(199)]
    tunnels = [home_end(home=home, flags=ASKS) for home in homes]
    others = [home_end(home=IPv4Address(int(CORRESPONDENT) + 256 * i), flags=ASKS) for i in range(300)]
    engine = watching(cable, *others, *tunnels)
    shout(cable, [broadcast(source=CORRESPONDENT)])
    expect(
        engine,
        {
            "broadcasts": 1,
            "broadcast-copies": 199,
            "encapsulated-packets": 199,
            "encapsulated-bytes": 19900,
        },
    )
    statuses = engine.tunnels()
    assert {status.out.packets for status in statuses[300:]} == {1}
    cursor, page = engine.carried()
    end, rest = engine.carried(cursor)
    assert cursor > 0 == end and page and rest
    assert page + rest == [
        (int(one.tunnel.home_address), int(one.tunnel.remote), one.out.packets) for one in statuses
    ]


def listener(cable: Link) -> Tap:
    made = cable.socket(cable.away, SOCK_DGRAM)
    made.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
    made.bind(("", 4000))
    return made  # type: ignore[return-value]


@pytest.mark.rfc("5944", "3.6.1.2", 8)
@pytest.mark.parametrize("where", [CARE_OF, HOME])
def test_the_node_takes_it_out(cable: Link, where: IPv4Address) -> None:
    """Co-located, or what a foreign agent hands to the home address; from the home agent only."""
    engine = cable.engine(cable.away)
    engine.install(Tunnel(where, Side.NODE, where, AGENT, 1480))
    engine.start()
    cable.home.ip(f"route add {HOME}/32 via {CARE_OF}")
    ears = listener(cable)
    packet = broadcast(200)
    cable.send(cable.home, [outer(packet, CORRESPONDENT, where), outer(packet, AGENT, where)])
    assert ears.recv(2000) == bytes(packet[UDP].payload)  # type: ignore[attr-defined]
    expect(
        engine,
        {
            "received-packets": 2,
            "received-bytes": 440,
            "decapsulated-packets": 1,
            "decapsulated-bytes": 200,
            "wrong-outer-source": 1,
        },
        (NOTHING, Traffic(1, 200, 1, 200)),
    )


@pytest.mark.rfc("5944", "3.6.1.2", 6, 7)
@pytest.mark.parametrize("flags", [ASKS, ASKS_NESTED])
def test_from_the_home_link_to_the_node(cable: Link, flags: Flag) -> None:
    """Through both engines; nested, the foreign agent and the node share the far end: out, and out again."""
    home = watching(cable, home_end(flags=flags))
    away = cable.engine(cable.away)
    where = HOME if flags & Flag.NESTED else CARE_OF
    away.install(Tunnel(HOME, Side.CARE_OF, CARE_OF, AGENT, 1480))
    away.install(Tunnel(where, Side.NODE, where, AGENT, 1480))
    away.start()
    ears = listener(cable)
    packet = broadcast(200)
    shout(cable, [packet])
    assert ears.recv(2000) == bytes(packet[UDP].payload)  # type: ignore[attr-defined]
    counted(away, "decapsulated-packets", 2 if flags & Flag.NESTED else 1)
    assert moved(home)["broadcast-copies"] == 1


def test_what_cannot_be_watched(cable: Link) -> None:
    engine = cable.engine(cable.home)
    with pytest.raises(OSError, match="there is no interface wire7 to watch for broadcasts") as error:
        cable.home.inside(lambda: engine.watch("wire7", NETWORK))
    assert error.value.errno == errno.ENODEV
    with pytest.raises(ValueError, match="cannot be the name of a network device"):
        engine.watch("", NETWORK)


def test_interface_that_was_made_anew(cable: Link) -> None:
    """Down and up it goes on by itself; gone and come again, by another call."""
    cable.home.ip("link add lan type veth peer name far", "link set lan up", "link set far up")
    engine = cable.engine(cable.home)
    engine.install(home_end(flags=ASKS))
    engine.start()
    packet = bytes(broadcast())

    def watch() -> None:
        engine.watch("lan", NETWORK)

    def shout_far() -> None:
        with cable.home.socket(AF_PACKET, SOCK_DGRAM, 0) as far:
            far.sendto(packet, ("far", 0x0800, 0, 0, b"\xff" * 6))

    def heard() -> int:
        """Shouts until it is heard: a link that comes up may lose the first."""
        before = engine.counters()["broadcasts"]

        def again() -> int:
            shout_far()
            return engine.counters()["broadcasts"]

        return eventually(again, lambda seen: seen > before, what="a broadcast")

    cable.home.inside(watch)
    heard()
    cable.home.ip("link set lan down", "link set lan up")
    heard()
    cable.home.ip(
        "link del lan", "link add lan type veth peer name far", "link set lan up", "link set far up"
    )
    cable.home.inside(watch)
    heard()
    cable.home.inside(watch)  # instead of the one before: nothing comes twice
    engine.stop()
    engine.start()
    before = heard()
    engine.stop()
    quiet = engine.counters()["broadcasts"]
    engine.start()
    shout_far()
    counted(engine, "broadcasts", quiet + 1)
    engine.stop()
    assert engine.counters()["broadcasts"] == quiet + 1 > before
