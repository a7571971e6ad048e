"""Requirements that only a kernel or the data plane can show: ARP, UDP checksums, what is not for a visitor."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface

import pytest

from mobileip.control.core.actions import (
    ClaimAddress,
    DetachHome,
    InstallBindingRoute,
    InstallVisitorRoute,
    ReleaseAddress,
    RemoveBindingRoute,
    RouteThroughAgent,
    RouteThroughTunnel,
)
from mobileip.control.core.events import DatagramReceived, UnreachableReceived
from mobileip.control.net import ipv4
from mobileip.control.net.arp import Announcer
from mobileip.control.net.netlink import Netlink
from mobileip.control.net.reconcile import Kernel
from mobileip.control.net.sysctl import Sysctls, need_for_agent
from mobileip.control.net.udp import RegistrationSockets
from mobileip.control.types import Endpoint
from mobileip.dataplane import Drop, DropReason, encapsulate
from tests.netns.net.space import HERE, HOME, THERE, TUNNEL, Pair, eventually
from tests.unit.dataplane import link, packets

FAR = IPv4Address("203.0.113.5")
AGENT, AGENT_MAC = IPv4Address("10.1.2.3"), bytes.fromhex("0200000000aa")
VISITOR, VISITOR_MAC = IPv4Address("198.51.100.9"), bytes.fromhex("020000000009")
BROADCAST = b"\xff" * 6


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair().entered() as pair:
        yield pair


@contextmanager
def kernel(pair: Pair, home: IPv4Interface | None = None) -> Iterator[Kernel]:
    """The kernel adapter in ``here``: an agent's, or a mobile node's if ``home`` is given. Taken down afterwards."""
    pair.add_tunnel_device()
    netlink, announcer = Netlink(), Announcer(count=1)
    sysctls = Sysctls(None)
    adapter = Kernel(netlink, TUNNEL, sysctls=sysctls, announcer=announcer)
    try:
        if home is None:
            sysctls.apply(need_for_agent(sysctls, TUNNEL, home_links=["eth1"]))
        else:
            adapter.prepare_mobile(home)
        yield adapter
        assert adapter.withdraw() == []
        assert sysctls.restore() == []
    finally:
        announcer.close()
        netlink.close()


@contextmanager
def arp_of(pair: Pair) -> Iterator[Callable[[], list[bytes]]]:
    """Gives the ARP frames that left ``here`` since it was last asked."""
    with pair.there.inside():
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        tap.bind(("eth0", 0x0806))
    tap.setblocking(False)
    ours = pair.here.link_address("eth1")

    def seen() -> list[bytes]:
        frames: list[bytes] = []
        while True:
            try:
                frame = tap.recv(100)
            except BlockingIOError:
                return frames
            if frame[6:12] == ours:
                frames.append(frame)

    with tap:
        yield seen


def send(source: IPv4Address | None, *destinations: IPv4Address) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        if source is not None:
            plain.bind((str(source), 0))
        for destination in destinations:
            plain.sendto(b"?", (str(destination), 9))


# ---- ARP of the mobile node (RFC 5944 s4.2.1, s4.6)


@pytest.mark.rfc("5944", "4.2.1", 3)
@pytest.mark.rfc("5944", "4.6", 16)
@pytest.mark.netns
def test_node_away_broadcasts_no_arp(pair: Pair) -> None:
    """Through a foreign agent, to anybody, neighbours of the visited link too; the control: at home it does ask."""
    pair.here.ip("address flush dev eth1")
    everybody = [FAR, THERE, AGENT, IPv4Address("10.1.2.99"), HOME.ip + 1]

    async def play() -> None:
        with arp_of(pair) as arp:
            pair.here.ip(f"address add {HOME.ip}/24 dev eth1")
            send(HOME.ip, HOME.ip + 1)
            assert [frame[:6] for frame in await eventually(arp)][:1] == [BROADCAST]
            with kernel(pair, HOME) as adapter:
                adapter.perform(DetachHome(HOME, "eth1"))
                arp()
                adapter.perform(RouteThroughAgent(HOME.ip, "eth1", AGENT, AGENT_MAC))
                send(HOME.ip, *everybody)
                send(None, *everybody)
                neighbours = pair.here.shown("neighbour show dev eth1")
                assert {entry["dst"] for entry in neighbours if "PERMANENT" in entry["state"]} == {str(AGENT)}
                assert not [entry for entry in neighbours if set(entry["state"]) & {"INCOMPLETE", "FAILED"}]
                assert arp() == []

    asyncio.run(play())


@pytest.mark.rfc("5944", "4.6", 19)
@pytest.mark.netns
def test_co_located_care_of_address_is_answered_for(pair: Pair) -> None:
    """But not the home address."""

    async def play() -> None:
        with kernel(pair, HOME) as adapter:
            adapter.perform(DetachHome(HOME, "eth1"))
            adapter.perform(RouteThroughTunnel(HOME.ip, "eth1", THERE, True))
            with arp_of(pair) as arp:
                pair.there.ip("neighbour flush all")
                pair.there.ip("route add 198.51.100.0/24 dev eth0")
                with pair.there.inside():
                    send(None, HOME.ip, HERE)
                answers = [frame for frame in await eventually(arp) if frame[20:22] == b"\x00\x02"]
                assert [IPv4Address(frame[28:32]) for frame in answers] == [HERE]

    asyncio.run(play())


# ---- ARP of the home agent (s4.6)


@pytest.mark.netns
@pytest.mark.rfc("5944", "1.7", 3)
@pytest.mark.rfc("5944", "4.2.3", 1, 2)
@pytest.mark.rfc("5944", "4.6", 3, 4, 5)
def test_arp_for_an_absent_node_is_answered_and_for_others_not(pair: Pair) -> None:
    """The answers themselves: what a neighbour has learnt may also come from a gratuitous ARP."""
    absent, nobody = HERE + 40, HERE + 41
    ours, theirs = pair.here.link_address("eth1"), pair.there.link_address("eth0")

    async def learnt(arp: Callable[[], list[bytes]], count: int) -> dict[IPv4Address, tuple[bytes, bytes]]:
        """The answers to questions for all three, once there are ``count``."""
        arp()
        pair.there.ip("neighbour flush all")
        with pair.there.inside():
            send(None, absent, nobody, HERE)
        seen: list[bytes] = []

        def enough() -> bool:
            seen.extend(arp())
            return len(answers(seen)) >= count

        await eventually(enough)
        return answers(seen)

    async def play() -> None:
        with kernel(pair) as adapter, arp_of(pair) as arp:
            adapter.perform(InstallBindingRoute(absent))
            adapter.perform(ClaimAddress(absent, "eth1"))
            assert await learnt(arp, 2) == {absent: (theirs, ours), HERE: (theirs, ours)}
            adapter.perform(ReleaseAddress(absent, "eth1", None))
            adapter.perform(RemoveBindingRoute(absent))
            assert await learnt(arp, 1) == {HERE: (theirs, ours)}

    asyncio.run(play())


def answers(frames: list[bytes]) -> dict[IPv4Address, tuple[bytes, bytes]]:
    """Of the ARP Replies: for which address, to whom, and the link-layer address they give."""
    replies = [frame for frame in frames if frame[20:22] == b"\x00\x02"]
    return {IPv4Address(frame[28:32]): (frame[:6], frame[22:28]) for frame in replies}


# ---- ARP of the foreign agent (s4.2.2)


@pytest.mark.rfc("5944", "1.7", 4)
@pytest.mark.rfc("5944", "4.2.2", 7, 8)
@pytest.mark.netns
def test_neighbour_entry_of_a_visitor_is_permanent(pair: Pair) -> None:
    async def play() -> None:
        with kernel(pair) as adapter:
            adapter.perform(InstallVisitorRoute(VISITOR, "eth1", VISITOR_MAC, False))
            (entry,) = pair.here.shown(f"neighbour show to {VISITOR}")
            assert (entry["lladdr"], entry["state"]) == (VISITOR_MAC.hex(":"), ["PERMANENT"])
            with arp_of(pair) as arp:
                pair.here.ip("neighbour flush all")
                send(None, VISITOR)
                assert arp() == []

    asyncio.run(play())


# ---- UDP checksums (s3.1)


@pytest.mark.rfc("5944", "3.1", 6, 7)
@pytest.mark.rfc("5944", "3.6.2.1", 1)
@pytest.mark.rfc("5944", "3.7.3.1", 1)
@pytest.mark.rfc("5944", "3.8.2.1", 1)
@pytest.mark.netns
def test_kernel_socket_drops_a_wrong_udp_checksum_and_takes_none(pair: Pair) -> None:
    """On links without visitors, where home agents and replies are heard, the kernel is the one that checks."""
    ours, theirs = Endpoint(HERE, 434), Endpoint(THERE, 5434)
    wrong, none = (bytearray(ipv4.build_udp(theirs, ours, 64, text)) for text in (b"wrong", b"none"))
    wrong[-1] ^= 1
    none[26:28] = bytes(2)
    events: list[DatagramReceived | UnreachableReceived] = []

    async def play() -> None:
        sockets = RegistrationSockets(events.append, lambda reason, fields: None, visited=(), mark=None)
        with pair.there.inside():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        try:
            for packet in (wrong, none, bytearray(ipv4.build_udp(theirs, ours, 64, b"good"))):
                raw.sendto(packet, ("eth0", 0x0800, 0, 0, pair.here.link_address("eth1")))
            await eventually(lambda: len(events) >= 2)
        finally:
            raw.close()
            sockets.close()

    asyncio.run(play())
    assert [one.payload for one in events if isinstance(one, DatagramReceived)] == [b"none", b"good"]


# ---- tunnelled datagrams (s4.2.2, s4.2.3)


@pytest.mark.rfc("5944", "4.2.2", 1, 2, 3, 4)
@pytest.mark.netns
def test_tunnelled_packet_for_no_visitor_is_dropped_in_silence() -> None:
    stranger = packets.inner(destination=packets.OTHER_HOME)
    with link.link() as cable:
        engine = cable.engine(cable.away)
        engine.install(packets.care_of_end())
        engine.start()
        device, wire = cable.tap(cable.away, "mip0"), cable.tap(cable.home, "wire")
        # Somebody must listen, or the kernel tells the sender of the visitor's own packet that nobody does.
        cable.socket(cable.away, socket.SOCK_DGRAM).bind((str(packets.HOME), 4000))
        cable.send(cable.home, [packets.outer(stranger), packets.outer(packets.inner())])
        assert device.take(1) == [bytes(packets.inner())], "the visitor's own does come"
        link.counted(engine, "no-binding", 1)
        link.counted(engine, "decapsulated-packets", 1)
        assert device.nothing_more(), "the other is not forwarded"
        assert wire.nothing_more(), "and not answered"


def tunnelled(datagram: packets.Packet) -> packets.Packet:
    return packets.IP(encapsulate(bytes(datagram), packets.home_end(), 1))


@pytest.mark.rfc("5944", "4.2.3", 10, 11, 12, 13, 14)
def test_what_is_encapsulated_already() -> None:
    """s4.2.3: a loop is dropped, everything else is encapsulated once more."""
    to_node = packets.inner()
    loop = packets.outer(to_node, packets.CARE_OF, packets.HOME)
    with pytest.raises(Drop) as refused:
        encapsulate(bytes(loop), packets.home_end(), 1)
    assert refused.value.reason is DropReason.LOOP_CARE_OF
    from_elsewhere = packets.outer(to_node, packets.STRANGER, packets.HOME)
    to_another = packets.outer(packets.inner(destination=packets.OTHER_HOME), packets.STRANGER, packets.HOME)
    for datagram in (from_elsewhere, to_another):
        nested = tunnelled(datagram)
        assert (nested.src, nested.dst) == (str(packets.AGENT), str(packets.CARE_OF))
        assert bytes(nested.payload) == bytes(datagram)
