"""Multicasts (RFC 5944 4.4): from the home link to nodes, from nodes to the home link and each other, IGMP between."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address
from socket import (
    AF_PACKET,
    IP_ADD_MEMBERSHIP,
    IP_MULTICAST_IF,
    IP_MULTICAST_TTL,
    IPPROTO_IP,
    SOCK_DGRAM,
)

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Engine, Flag, Side, Traffic, Tunnel, encapsulate, encapsulate_nested, igmp
from tests.unit.dataplane.link import Link, counted, expect, moved
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    OTHER_HOME,
    STRANGER,
    UDP,
    Packet,
    Raw,
    care_of_end,
    home_end,
    inner,
    outer,
)
from tests.unit.dataplane.test_broadcasts import NETWORK, forwarded, take, wiped

pytestmark = pytest.mark.netns

GROUP, OTHER_GROUP = IPv4Address("239.1.2.3"), IPv4Address("239.1.2.4")
NEIGHBOUR = IPv4Address("198.51.100.200")
JOINS = Flag.REVERSE | Flag.MULTICAST
JOINS_NESTED = JOINS | Flag.NESTED
NOTHING = Traffic(0, 0, 0)


def watching(cable: Link, *tunnels: Tunnel, interface: str | None = "wire", **options: int) -> Engine:
    """A home agent's engine; the cable is the home link too."""
    engine = cable.engine(cable.home, **options)
    for tunnel in tunnels:
        engine.install(tunnel)
    cable.home.inside(lambda: engine.watch(interface, NETWORK, multicasts=True))
    engine.start()
    return engine


def link_address(group: IPv4Address) -> bytes:
    return b"\x01\x00\x5e" + (int(group) & 0x7F_FFFF).to_bytes(3, "big")


def cast(cable: Link, packets: list[Packet], space: str = "away", frame: bytes | None = None) -> None:
    """Frames on the home link; nobody is a member there, so its interface has to let in all groups."""
    cable.home.ip("link set wire allmulticast on")
    with getattr(cable, space).socket(AF_PACKET, SOCK_DGRAM, 0) as link:
        for packet in packets:
            to = link_address(IPv4Address(packet[IP].dst)) if frame is None else frame
            link.sendto(bytes(packet), ("wire", 0x0800, 0, 0, to))


def mac(cable: Link) -> bytes:
    """Of the home agent's end of the cable."""
    with cable.home.socket(AF_PACKET, SOCK_DGRAM, 0) as link:
        link.bind(("wire", 0))
        return bytes(link.getsockname()[4])


def multicast(size: int = 100, group: IPv4Address = GROUP, **fields: object) -> Packet:
    return inner(fields.pop("source", NEIGHBOUR), group, size, **fields)  # type: ignore[arg-type]


def report(source: IPv4Address = HOME) -> Packet:
    """A version 2 report of GROUP, with the router alert option, TTL 1."""
    header = IP(src=str(source), dst=str(GROUP), ttl=1, proto=2, options=[("\x94\x04\x00\x00")])
    return IP(bytes(header / Raw(bytes.fromhex("1600f8faef010203"))))


@pytest.mark.rfc("5944", "4.4", 4)
def test_to_a_co_located_member(cable: Link) -> None:
    engine = watching(cable, home_end(flags=JOINS), home_end(home=OTHER_HOME, flags=JOINS))
    engine.join(GROUP, HOME)
    engine.join(GROUP, HOME)
    engine.join(OTHER_GROUP, OTHER_HOME)
    wire = cable.tap(cable.away, "wire")
    packets = [multicast(size, tos=size % 256) for size in (28, 100, 1480)]
    cast(cable, packets)
    assert take(wire, 3) == [wiped(encapsulate(forwarded(packet), home_end(), 1)) for packet in packets]
    expect(
        engine,
        {"multicasts": 3, "multicast-copies": 3, "encapsulated-packets": 3, "encapsulated-bytes": 1608},
        (Traffic(3, 1608, 0), NOTHING),
        (NOTHING, NOTHING),
    )


@pytest.mark.rfc("5944", "4.4", 5, 6)
def test_to_a_member_behind_a_foreign_agent(cable: Link) -> None:
    """In a datagram to the home address, and that in one to the care-of address."""
    tunnel = home_end(flags=JOINS_NESTED)
    engine = watching(cable, tunnel)
    engine.join(GROUP, HOME)
    wire = cable.tap(cable.away, "wire")
    packets = [multicast(size) for size in (28, 1460)]
    cast(cable, packets)
    seen = [IP(datagram) for datagram in wire.take(2)]
    assert [wiped(bytes(one)) for one in seen] == [
        wiped(encapsulate_nested(forwarded(packet), tunnel, 1)) for packet in packets
    ]
    for datagram, packet in zip(seen, packets, strict=True):
        nested = datagram.payload
        assert (datagram.src, datagram.dst) == (str(AGENT), str(CARE_OF))
        assert (nested.src, nested.dst, nested.proto) == (str(AGENT), str(HOME), 4)
        assert bytes(nested.payload) == forwarded(packet)


def test_to_each_care_of_address(cable: Link) -> None:
    engine = watching(cable, home_end(flags=JOINS))
    second = Tunnel(HOME, Side.HOME, AGENT, STRANGER, 1480, flags=JOINS)
    engine.install(second, beside=True)
    engine.join(GROUP, HOME)
    cast(cable, [multicast()])
    counted(engine, "multicast-copies", 2)


def test_what_is_not_forwarded(cable: Link) -> None:
    """Not to who is in no group or takes none; not what no router forwards, nor what came from the node itself."""
    elsewhere = IPv4Address("203.0.113.70")
    engine = watching(
        cable,
        home_end(flags=JOINS),
        home_end(home=OTHER_HOME),
        home_end(home=elsewhere, flags=JOINS),
    )
    for home in (HOME, OTHER_HOME, elsewhere):
        engine.join(GROUP, home)
    for group in ("224.0.0.1", "224.0.0.251"):
        engine.join(IPv4Address(group), HOME)
        cast(cable, [multicast(group=IPv4Address(group))])
    cast(cable, [multicast(group=OTHER_GROUP), multicast(source=HOME), multicast(ttl=1), report(NEIGHBOUR)])
    cast(cable, [IP(bytes(multicast(chksum=1)))])
    cast(cable, [multicast()], frame=mac(cable))
    wire = cable.tap(cable.away, "wire")
    cast(cable, [multicast()], "home")
    wire.take(1)  # that one, on the cable
    cast(cable, [multicast(50)])
    assert len(wire.take(1)[0]) == 70
    expect(
        engine,
        {
            "multicasts": 1,
            "multicast-copies": 1,
            "encapsulated-packets": 1,
            "encapsulated-bytes": 50,
            "inner-ttl-zero": 1,
            "inner-bad-checksum": 1,
            "multicast-loop": 1,
        },
    )


def test_who_leaves_gets_no_more(cable: Link) -> None:
    engine = watching(cable, home_end(flags=JOINS), home_end(home=OTHER_HOME, flags=JOINS))
    engine.join(GROUP, HOME)
    engine.join(GROUP, OTHER_HOME)
    assert engine.leave(GROUP, HOME) and not engine.leave(GROUP, HOME)
    cast(cable, [multicast()])
    counted(engine, "multicast-copies", 1)
    assert engine.leave(GROUP, OTHER_HOME)
    cast(cable, [multicast()])
    engine.join(GROUP, HOME)  # without a tunnel at the time
    engine.remove(HOME, Side.HOME)
    cast(cable, [multicast()])
    counted(engine, "multicasts", 2)
    assert engine.counters()["multicast-copies"] == 1
    assert [status.out.packets for status in engine.tunnels()] == [1]


def test_too_many_memberships(cable: Link) -> None:
    engine = cable.engine(cable.home)
    most = (1 << 17) - 1  # and the group itself
    for number in range(most):
        engine.join(GROUP, IPv4Address((10 << 24) + number))
    with pytest.raises(OSError, match="no room for another membership") as error:
        engine.join(GROUP, HOME)
    assert error.value.errno == errno.ENOSPC
    engine.leave(GROUP, IPv4Address((10 << 24) + most // 2))
    engine.join(GROUP, HOME)


def test_rate_limit_serves_in_turn(cable: Link) -> None:
    """Ten copies at first for eight nodes: the second round begins where it will have to go on."""
    homes = [IPv4Address(int(HOME) + i) for i in range(8)]
    engine = watching(cable, *(home_end(home=home, flags=JOINS) for home in homes), multicast_rate=10)
    for home in homes:
        engine.join(GROUP, home)
    cast(cable, [multicast(), multicast()])
    counted(engine, "multicast-rate-limited", 1)
    copies = engine.counters()["multicast-copies"]
    assert 10 <= copies < 16
    served = [status.out.packets for status in engine.tunnels()]
    assert served == [2] * (copies - 8) + [1] * (16 - copies)
    eventually(
        lambda: cast(cable, [multicast()]) or [status.out.packets for status in engine.tunnels()][-1],
        lambda packets: packets >= 2,
        what="the last member is served too",
    )


def test_many_members(cable: Link) -> None:
    """More than one batch, more than one holding of the lock, and others in between."""
    homes = [IPv4Address(int(NETWORK[1]) + i) for i in range(199)]
    others = [IPv4Address(int(CORRESPONDENT) + 256 * i + 1) for i in range(300)]
    engine = watching(cable, *(home_end(home=home, flags=JOINS) for home in (*homes, *others)))
    for one in others[:150] + homes + others[150:]:
        engine.join(GROUP, one)
    cast(cable, [multicast()])
    counted(engine, "encapsulated-packets", 199)
    assert engine.counters()["multicast-copies"] == 199
    assert {status.out.packets for status in engine.tunnels()[:199]} == {1}


# ---- from nodes


@pytest.mark.rfc("5944", "4.4", 9)
@pytest.mark.parametrize("source", [CARE_OF, HOME])
def test_from_a_node_to_its_home_link_and_other_nodes(cable: Link, source: IPv4Address) -> None:
    """From the care-of address, or with the home address in both headers; one hop less; not back to the node."""
    engine = watching(cable, home_end(flags=JOINS_NESTED), home_end(home=OTHER_HOME, flags=JOINS))
    engine.join(GROUP, HOME)
    engine.join(GROUP, OTHER_HOME)
    wire = cable.tap(cable.away, "wire")
    device = cable.tap(cable.home, "mip0")
    packet = multicast(source=HOME)
    cable.send(cable.away, [outer(packet, source, AGENT)])
    got = sorted(wire.take(2), key=len)
    assert got[0] == forwarded(packet)
    assert wiped(got[1]) == wiped(encapsulate(forwarded(packet), home_end(home=OTHER_HOME), 1))
    expect(
        engine,
        {
            "received-packets": 1,
            "received-bytes": 120,
            "node-multicasts": 1,
            "home-multicasts": 1,
            "multicast-copies": 1,
            "encapsulated-packets": 1,
            "encapsulated-bytes": 100,
        },
        (NOTHING, Traffic(1, 100, 0)),
        (Traffic(1, 100, 0), NOTHING),
    )
    assert wire.nothing_more() and device.nothing_more()


def test_from_a_node_to_a_member_on_this_host(cable: Link) -> None:
    """A member on the home agent's own host is on the home link, too."""
    watching(cable, home_end(flags=JOINS))
    ears = cable.socket(cable.home, SOCK_DGRAM)
    ears.bind((str(GROUP), 4000))
    ears.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, GROUP.packed + AGENT.packed)
    packet = multicast(source=HOME)
    cable.send(cable.away, [outer(packet, CARE_OF, AGENT)])
    assert ears.recv(2000) == bytes(packet[UDP].payload)


def test_what_of_a_node_goes_nowhere(cable: Link) -> None:
    engine = watching(cable, home_end(flags=JOINS), home_end(home=OTHER_HOME))
    wire = cable.tap(cable.away, "wire")
    local = multicast(source=HOME, group=IPv4Address("224.0.0.251"))
    cable.send(cable.away, [outer(one, CARE_OF, AGENT) for one in (local, multicast(source=HOME, ttl=1))])
    cable.send(cable.away, [outer(multicast(source=HOME), STRANGER, AGENT)])
    cable.send(cable.away, [outer(multicast(source=OTHER_HOME), OTHER_HOME, AGENT)])
    expect(
        engine,
        {
            "received-packets": 4,
            "received-bytes": 480,
            "node-multicasts": 2,
            "multicast-scope": 1,
            "inner-ttl-zero": 1,
            "wrong-outer-source": 2,
        },
    )
    assert wire.nothing_more()


def test_node_whose_multicasts_are_not_forwarded_reaches_the_device(cable: Link) -> None:
    """Where another multicast router of the host may look for them."""
    watching(cable, home_end())
    device = cable.tap(cable.home, "mip0")
    packet = multicast(source=HOME)
    cable.send(cable.away, [outer(packet, CARE_OF, AGENT)])
    assert device.take(1) == [bytes(packet)]


def test_network_without_a_link(cable: Link) -> None:
    """A virtual home network: its nodes have each other."""
    homes = home_end(flags=JOINS), home_end(home=OTHER_HOME, flags=JOINS)
    engine = watching(cable, *homes, interface=None)
    engine.join(GROUP, OTHER_HOME)
    wire = cable.tap(cable.away, "wire")
    packet = multicast(source=HOME)
    cable.send(cable.away, [outer(packet, CARE_OF, AGENT)])
    assert take(wire, 1) == [wiped(encapsulate(forwarded(packet), homes[1], 1))]
    assert "home-multicasts" not in moved(engine)


# ---- IGMP


def test_igmp_of_a_node_comes_to_the_control_plane(cable: Link) -> None:
    engine = watching(cable, home_end(flags=JOINS))
    assert igmp.receive(engine) is None
    cable.send(cable.away, [outer(report(), CARE_OF, AGENT), outer(report(), HOME, AGENT)])
    counted(engine, "igmp-received", 2)
    assert [igmp.receive(engine) for _ in range(3)] == [bytes(report()), bytes(report()), None]
    assert "home-multicasts" not in moved(engine)


@pytest.mark.parametrize("flags", [JOINS, JOINS_NESTED])
def test_query_goes_to_one_node(cable: Link, flags: Flag) -> None:
    tunnel = home_end(flags=flags)
    engine = watching(cable, tunnel, home_end(home=OTHER_HOME, flags=JOINS))
    wire = cable.tap(cable.away, "wire")
    query = bytes(
        IP(src=str(AGENT), dst="224.0.0.1", ttl=1, proto=2) / Raw(bytes.fromhex("1164ec1e00000000027d0000"))
    )
    igmp.send_to(engine, HOME, query)
    way = encapsulate_nested if flags & Flag.NESTED else encapsulate
    assert take(wire, 1) == [wiped(way(query, tunnel, 1))]
    igmp.send_to(engine, CORRESPONDENT, query)  # nobody
    igmp.send_to(engine, HOME, b"nonsense")
    igmp.send_to(engine, HOME, query)
    wire.take(1)
    assert wire.nothing_more()


# ---- at the mobile node


@pytest.mark.rfc("5944", "4.4", 3, 9)
def test_node_sends_with_its_home_address_in_both_headers(cable: Link) -> None:
    """What an application sends on the tunnel device, whichever way the node registered."""
    engine = cable.engine(cable.away)
    engine.install(Tunnel(HOME, Side.NODE, HOME, AGENT, 1460, flags=Flag.MULTICAST))
    engine.start()
    wire = cable.tap(cable.home, "wire")
    mouth = cable.socket(cable.away, SOCK_DGRAM)
    mouth.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, HOME.packed)
    mouth.setsockopt(IPPROTO_IP, IP_MULTICAST_TTL, 5)
    mouth.sendto(b"hello", (str(GROUP), 4000))
    (datagram,) = map(IP, wire.take(1))
    assert (datagram.src, datagram.dst, datagram.proto) == (str(HOME), str(AGENT), 4)
    inside = datagram.payload
    assert (inside.src, inside.dst, inside.ttl) == (str(HOME), str(GROUP), 5)
    assert bytes(inside[UDP].payload) == b"hello"
    expect(
        engine,
        {
            "device-read-packets": 1,
            "device-read-bytes": 33,
            "encapsulated-packets": 1,
            "encapsulated-bytes": 33,
        },
        (Traffic(1, 33, 0), NOTHING),
    )


@pytest.mark.rfc("5944", "4.4", 9)
def test_node_sends_by_no_other_tunnel(cable: Link) -> None:
    engine = cable.engine(cable.away)
    engine.install(care_of_end())
    engine.start()
    mouth = cable.socket(cable.away, SOCK_DGRAM)
    mouth.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, HOME.packed)
    mouth.sendto(b"hello", (str(GROUP), 4000))
    expect(engine, {"device-read-packets": 1, "device-read-bytes": 33, "multicast-way": 1})


def test_node_fragments_what_is_longer_than_the_tunnel(cable: Link) -> None:
    engine = cable.engine(cable.away)
    engine.install(Tunnel(HOME, Side.NODE, HOME, AGENT, 1460, flags=Flag.MULTICAST))
    engine.start()
    wire = cable.tap(cable.home, "wire")
    packet = inner(HOME, GROUP, 1480)
    with cable.away.socket(2, 3, 255) as raw:
        raw.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, HOME.packed)
        raw.sendto(bytes(packet), (str(GROUP), 0))
    first, last = (IP(datagram).payload for datagram in wire.take(2))
    assert bytes(first.payload) + bytes(last.payload) == bytes(packet.payload)


@pytest.mark.rfc("5944", "4.4", 7)
def test_node_takes_out_what_is_nested_to_its_home_address(cable: Link) -> None:
    """A plain socket that is a member on the tunnel device; from the home agent only, and each once."""
    engine = cable.engine(cable.away)
    engine.install(Tunnel(HOME, Side.NODE, HOME, AGENT, 1460, flags=Flag.MULTICAST))
    engine.start()
    cable.home.ip(f"route add {HOME}/32 via {CARE_OF}")
    ears = cable.socket(cable.away, SOCK_DGRAM)
    ears.bind((str(GROUP), 4000))
    ears.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, GROUP.packed + HOME.packed)
    packet = multicast(200)
    cable.send(cable.home, [outer(packet, CORRESPONDENT, HOME), outer(packet, AGENT, HOME)])
    assert ears.recv(2000) == bytes(packet[UDP].payload)
    counted(engine, "wrong-outer-source", 1)
    counted(engine, "decapsulated-packets", 1)  # some moments after the packet was heard
    assert engine.counters()["decapsulated-packets"] == 1


@pytest.mark.rfc("5944", "4.4", 1)
def test_join_and_stream_through_both_engines(cable: Link) -> None:
    """The kernel's own IGMP at the node reaches the control plane; what that joins then reaches the application."""
    home = watching(cable, home_end(flags=JOINS_NESTED))
    away = cable.engine(cable.away)
    away.install(care_of_end())
    away.install(Tunnel(HOME, Side.NODE, HOME, AGENT, 1460, flags=Flag.MULTICAST))
    away.start()
    ears = cable.socket(cable.away, SOCK_DGRAM)
    ears.bind((str(GROUP), 4000))
    ears.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, GROUP.packed + HOME.packed)
    sent = IP(eventually(lambda: igmp.receive(home), bool, what="the kernel's report"))
    assert (sent.src, sent.dst, sent.proto) == (str(HOME), "224.0.0.22", 2)
    home.join(GROUP, HOME)
    packets = [multicast(size) for size in (30, 300)]
    cast(cable, packets)
    assert [ears.recv(2000) for _ in packets] == [bytes(packet[UDP].payload) for packet in packets]
