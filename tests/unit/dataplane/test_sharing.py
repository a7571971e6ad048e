"""Visitors of different home agents with one home address (RFC 3024 appendix A): the cable is their link too."""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from socket import AF_PACKET, SOCK_RAW, if_nametoindex

import pytest

from mobileip.dataplane import Engine, Flag, Install, Place, Remove, Side, Traffic, encapsulate, fragment
from tests.unit.dataplane.link import Link, counted, expect
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    OTHER_AGENT,
    TCP,
    Packet,
    Raw,
    care_of_end,
    inner,
    outer,
)

pytestmark = pytest.mark.netns

SHARED = Flag.REVERSE | Flag.SHARED
NOTHING = Traffic(0, 0, 0)
AGENTS = (AGENT, OTHER_AGENT)
MACS = (bytes.fromhex("020000000001"), bytes.fromhex("020000000002"))
ON_LINK = IPv4Address("203.0.113.254")  # the foreign agent's, where the visitors are


class Visited:
    """A foreign agent with two visitors, of AGENT and OTHER_AGENT, and frames on their link."""

    def __init__(self, cable: Link, mtu: int = 1480, flags: Flag = SHARED, **options: int) -> None:
        self.cable = cable
        self.engine: Engine = cable.engine(cable.away, **options)
        cable.away.ip(f"addr del {HOME}/32 dev mip0", f"rule add iif wire from {HOME} blackhole")
        self.index = cable.away.inside(lambda: if_nametoindex("wire"))
        self.own = _mac(cable, "away")
        self.installs = [
            Install(replace(care_of_end(mtu, flags=flags), remote=agent), True, self.place(mac))
            for agent, mac in zip(AGENTS, MACS, strict=True)
        ]
        self.apply(*self.installs)
        self.engine.start()
        self.wire = cable.tap(cable.home, "wire")
        self.frames = Frames(cable)

    def place(self, mac: bytes, interface: int | None = None) -> Place:
        return Place(self.index if interface is None else interface, mac, ON_LINK)

    def apply(self, *changes: Install | Remove) -> None:
        # The socket of a link belongs to the namespace of the thread that opens it.
        self.cable.away.inside(lambda: self.engine.apply(changes))

    def send(self, mac: bytes, packets: Sequence[Packet]) -> None:
        with self.cable.home.socket(AF_PACKET, SOCK_RAW, 0) as link:
            link.bind(("wire", 0))
            for packet in packets:
                link.send(self.own + mac + b"\x08\x00" + bytes(packet))

    def send_merged(self, mac: bytes, packet: Packet, size: int) -> None:
        """TCP that the kernel takes for segments of ``size`` bytes each, as a card hands it over."""
        with self.cable.home.socket(AF_PACKET, SOCK_RAW, 0) as link:
            link.bind(("wire", 0))
            link.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
            said = struct.pack("=BBHHHH", 1, 1, 54, size, 34, 16)  # NEEDS_CSUM, GSO_TCPV4
            link.send(said + self.own + mac + b"\x08\x00" + bytes(packet))

    def tunnelled(self, count: int) -> list[bytes]:
        """The next so many that the agent sends, without what it says to its visitors."""
        taken: list[bytes] = []
        while len(taken) < count:
            taken += [datagram for datagram in self.wire.take(1) if datagram[12:16] == CARE_OF.packed]
        return taken

    def answer(self, agent: IPv4Address, packets: Sequence[Packet]) -> None:
        self.cable.send(self.cable.home, [outer(packet, agent, CARE_OF) for packet in packets])


class Frames:
    """What arrives at the near end with another destination than its own: Ethernet frames."""

    def __init__(self, cable: Link) -> None:
        self._raw = cable._stack.enter_context(cable.home.socket(AF_PACKET, SOCK_RAW, 0))
        self._raw.bind(("wire", 0x0800))
        self._raw.settimeout(2)

    def take(self, count: int) -> list[tuple[bytes, bytes]]:
        """Destination and packet of the next frames to one of the visitors."""
        taken: list[tuple[bytes, bytes]] = []
        while len(taken) < count:
            frame = self._raw.recv(65536)
            if frame[:6] in MACS:
                taken.append((frame[:6], frame[14:]))
        return taken


def _mac(cable: Link, space: str) -> bytes:
    with getattr(cable, space).socket(AF_PACKET, SOCK_RAW, 0) as link:
        link.bind(("wire", 0))
        address: bytes = link.getsockname()[4]
    return address


def forwarded(packet: Packet) -> bytes:
    again = packet.copy()
    again.ttl -= 1
    del again.chksum
    return bytes(again)


@pytest.mark.rfc("3024", "A.4", 7)
@pytest.mark.parametrize("count", [1, 63, 64, 65])
def test_out_each_to_its_own_home_agent(cable: Link, count: int) -> None:
    visited = Visited(cable)
    packets = [inner(HOME, CORRESPONDENT, 28 + i, tos=i & 0xFC) for i in range(count)]
    size = sum(packet.len for packet in packets)
    for mac, agent in zip(MACS, AGENTS, strict=True):
        visited.send(mac, packets)
        for datagram, packet in zip(visited.wire.take(count), packets, strict=True):
            assert IPv4Address(datagram[12:16]) == CARE_OF and IPv4Address(datagram[16:20]) == agent
            assert datagram[20:] == forwarded(packet)
    expect(
        visited.engine,
        {
            "link-read-packets": 2 * count,
            "encapsulated-packets": 2 * count,
            "encapsulated-bytes": 2 * size,
        },
        *[(Traffic(count, size, 0), NOTHING)] * 2,
    )


@pytest.mark.rfc("3024", "A.4", 7)
@pytest.mark.parametrize("count", [1, 65])
def test_in_each_to_its_own_link_address(cable: Link, count: int) -> None:
    visited = Visited(cable)
    packets = [inner(CORRESPONDENT, HOME, 28 + i) for i in range(count)]
    size = sum(packet.len for packet in packets)
    for mac, agent in zip(MACS, AGENTS, strict=True):
        visited.answer(agent, packets)
        assert visited.frames.take(count) == [(mac, forwarded(packet)) for packet in packets]
    expect(
        visited.engine,
        {
            "received-packets": 2 * count,
            "received-bytes": 2 * (size + 20 * count),
            "decapsulated-packets": 2 * count,
            "decapsulated-bytes": 2 * size,
            "link-sent-packets": 2 * count,
        },
        *[(NOTHING, Traffic(count, size, 0))] * 2,
    )


def test_of_a_stranger_nothing_goes_in_or_out(cable: Link) -> None:
    visited = Visited(cable)
    visited.send(bytes.fromhex("020000000003"), [inner(HOME, CORRESPONDENT)])
    counted(visited.engine, "no-binding", 1)
    visited.answer(IPv4Address("192.0.2.77"), [inner(CORRESPONDENT, HOME)])
    counted(visited.engine, "wrong-outer-source", 1)


def test_what_is_for_the_agent_itself_stays(cable: Link) -> None:
    visited = Visited(cable)
    visited.send(MACS[0], [inner(HOME, ON_LINK), inner(HOME, CARE_OF)])
    expect(visited.engine, {"link-read-packets": 2}, *[(NOTHING, NOTHING)] * 2)


def test_a_dead_ttl_goes_nowhere(cable: Link) -> None:
    visited = Visited(cable)
    visited.send(MACS[0], [inner(HOME, CORRESPONDENT, ttl=1)])
    visited.answer(OTHER_AGENT, [inner(CORRESPONDENT, HOME, ttl=1)])
    expect(
        visited.engine,
        {"link-read-packets": 1, "received-packets": 1, "received-bytes": 120, "inner-ttl-zero": 2},
        (Traffic(0, 0, 1, 100), NOTHING),
        (NOTHING, Traffic(0, 0, 1, 100)),
    )


def test_too_big_is_told_on_the_link(cable: Link) -> None:
    visited = Visited(cable, mtu=1000)
    visited.send(MACS[1], [inner(HOME, CORRESPONDENT, 1001, flags="DF")])
    ((mac, told),) = visited.frames.take(1)
    parsed = IP(told)
    assert mac == MACS[1] and (parsed.src, parsed.dst) == (str(ON_LINK), str(HOME))
    assert told[20:22] == b"\x03\x04" and int.from_bytes(told[26:28]) == 1000
    expect(
        visited.engine,
        {"link-read-packets": 1, "too-big": 1, "icmp-sent": 1},
        (NOTHING, NOTHING),
        (Traffic(0, 0, 1, 1001), NOTHING),
    )


@pytest.mark.rfc("5944", "4.2.3", 5)
@pytest.mark.parametrize("code", [0, 1])
def test_an_agent_out_of_reach_is_told_on_the_link_to_its_own_visitor(cable: Link, code: int) -> None:
    visited = Visited(cable)
    visited.engine.unreached(OTHER_AGENT, code, 60.0)
    packet = inner(HOME, CORRESPONDENT, 400, flags="DF")
    for mac, agent in zip(MACS, AGENTS, strict=True):
        visited.send(mac, [packet])
        (datagram,) = visited.tunnelled(1)  # it goes all the same: the router may be wrong by now
        assert IPv4Address(datagram[16:20]) == agent and datagram[20:] == forwarded(packet)
    ((mac, told),) = visited.frames.take(1)
    parsed = IP(told)
    assert mac == MACS[1] and (parsed.src, parsed.dst) == (str(ON_LINK), str(HOME))
    assert told[20:22] == bytes([3, code]) and told[28:] == forwarded(packet)
    counters = {"encapsulated-packets": 2, "encapsulated-bytes": 800}
    expect(
        visited.engine,
        {"link-read-packets": 2, "unreachable-sent": 1, **counters},
        *[(Traffic(1, 400, 0), NOTHING)] * 2,
    )


def test_of_packets_merged_on_the_link_one_segment_is_quoted(cable: Link) -> None:
    visited = Visited(cable)
    visited.engine.unreached(AGENT, 1, 60.0)
    tcp = IP(src=str(HOME), dst=str(CORRESPONDENT), id=1) / TCP(dport=9, seq=1) / Raw(bytes(3000))
    visited.send_merged(MACS[0], tcp, 1000)
    first, *_ = visited.tunnelled(3)
    ((mac, told),) = visited.frames.take(1)
    assert mac == MACS[0] and told[20:22] == b"\x03\x01"
    assert len(told) == 576 and told[28:] == first[20 : 20 + 548]
    counted(visited.engine, "unreachable-sent", 1)
    counted(visited.engine, "encapsulated-packets", 3)


def test_fragments_into_the_tunnel_and_onto_the_link(cable: Link) -> None:
    visited = Visited(cable, mtu=1000)
    packet = inner(HOME, CORRESPONDENT, 1400)
    visited.send(MACS[0], [packet])
    pieces = [datagram[20:] for datagram in visited.wire.take(2)]
    assert pieces == fragment(forwarded(packet), 1000)
    cable.away.ip("link set wire mtu 700")
    back = inner(CORRESPONDENT, HOME, 1000)
    for packet in (back, inner(CORRESPONDENT, HOME, 1000, flags="DF")):
        whole = IP(src=str(AGENT), dst=str(CARE_OF), proto=4, id=7) / packet
        cable.send(cable.home, [IP(piece) for piece in fragment(bytes(whole), 700)])
    expected = fragment(forwarded(back), 700)
    assert visited.frames.take(len(expected)) == [(MACS[0], piece) for piece in expected]
    counted(visited.engine, "too-big", 1)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [(Flag.SHARED, "not-reverse"), (SHARED | Flag.ENCAPSULATED_DELIVERY, "shared-address")],
)
def test_what_may_not_go_directly(cable: Link, flags: Flag, reason: str) -> None:
    visited = Visited(cable, flags=flags)
    visited.send(MACS[0], [inner(HOME, CORRESPONDENT)])
    counted(visited.engine, reason, 1)


def test_encapsulating_delivery(cable: Link) -> None:
    """The raw socket has a copy of it and does not know whose it is: that one is dropped by name."""
    visited = Visited(cable, flags=SHARED | Flag.ENCAPSULATED_DELIVERY)
    packet = inner(HOME, CORRESPONDENT)
    visited.send(MACS[1], [outer(packet, HOME, CARE_OF)])
    (datagram,) = visited.wire.take(1)
    assert IPv4Address(datagram[16:20]) == OTHER_AGENT and datagram[20:] == forwarded(packet)
    counted(visited.engine, "shared-address", 1)
    assert visited.engine.counters()["delivered-packets"] == 1


def test_what_the_kernel_lets_through_is_nobodys(cable: Link) -> None:
    """From the tunnel device it could be of either."""
    visited = Visited(cable)
    cable.away.ip(f"rule del iif wire from {HOME} blackhole")
    cable.away.ip(f"route replace {CORRESPONDENT}/32 dev mip0")
    visited.send(MACS[0], [inner(HOME, CORRESPONDENT)])
    visited.wire.take(1)  # by the packet socket
    counted(visited.engine, "shared-address", 1)


def test_one_moves_and_one_leaves(cable: Link) -> None:
    visited = Visited(cable)
    first, second = visited.installs
    moved = bytes.fromhex("020000000009")
    visited.apply(replace(first, place=visited.place(moved)))
    visited.send(moved, [inner(HOME, CORRESPONDENT)])
    assert IPv4Address(visited.wire.take(1)[0][16:20]) == AGENT
    visited.send(MACS[0], [inner(HOME, CORRESPONDENT)])
    counted(visited.engine, "no-binding", 1)
    visited.apply(Remove(HOME, Side.CARE_OF, AGENT))
    visited.send(moved, [inner(HOME, CORRESPONDENT)])
    counted(visited.engine, "no-binding", 2)
    # Alone: its packets come by the kernel, and from the link no more.
    alone = replace(second.tunnel, flags=Flag.REVERSE)
    visited.apply(Install(alone))
    read = visited.engine.counters()["link-read-packets"]
    cable.away.ip(f"rule del iif wire from {HOME} blackhole", f"route replace {CORRESPONDENT}/32 dev mip0")
    packet = inner(HOME, CORRESPONDENT)
    visited.send(MACS[1], [packet])
    (datagram,) = visited.wire.take(1)
    assert datagram[20:] == encapsulate(forwarded(packet), alone, 1)[20:]
    assert visited.engine.counters()["link-read-packets"] == read


def test_more_than_eight_and_no_such_interface(cable: Link) -> None:
    visited = Visited(cable)
    for number in range(6):
        more = replace(visited.installs[0].tunnel, remote=AGENT + 100 + number)
        visited.apply(Install(more, True, visited.place(bytes((2, 0, 0, 0, 1, number)))))
    ninth = replace(visited.installs[0].tunnel, remote=AGENT + 200)
    with pytest.raises(OSError, match="too many tunnels of one home address") as many:
        visited.apply(Install(ninth, True, visited.place(b"\2\0\0\0\0\7")))
    assert many.value.errno == errno.EMLINK
    gone = replace(visited.installs[0], place=visited.place(MACS[0], 12345))
    with pytest.raises(OSError, match="there is no such interface"):
        visited.apply(gone)
    assert len(visited.engine.tunnels()) == 8, "a refusal changes nothing"
    visited.send(MACS[0], [inner(HOME, CORRESPONDENT)])
    assert IPv4Address(visited.wire.take(1)[0][16:20]) == AGENT


def test_a_place_is_asked_for_and_checked() -> None:
    shared = care_of_end(flags=SHARED)
    with pytest.raises(ValueError, match="needs a place"):
        Install(shared, True)
    with pytest.raises(ValueError, match="needs a place"):
        Install(care_of_end(), place=Place(1, MACS[0], ON_LINK))
    for interface, mac in ((0, MACS[0]), (1, b"\2\0\0")):
        with pytest.raises(ValueError, match="no link-layer address"):
            Place(interface, mac, ON_LINK)
