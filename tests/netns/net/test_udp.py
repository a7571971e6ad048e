"""Registration sockets against plain sockets and hand-made frames of the neighbour."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import SendDatagram
from mobileip.control.core.events import DatagramReceived, UnreachableReceived
from mobileip.control.net import ipv4
from mobileip.control.net.udp import RegistrationSockets, port_holder
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.types import LIMITED_BROADCAST, ZERO_ADDRESS, Endpoint
from tests.netns.net.space import HERE, HOME, THERE, Pair, eventually

pytestmark = pytest.mark.netns

ETH_P_IP = 0x0800
SOL_PACKET, PACKET_AUXDATA = 263, 8
EVERYBODY = IPv4Address("192.0.2.255")
OURS, THEIRS = Endpoint(HERE, 434), Endpoint(THERE, 5434)


class Node:
    """Open registration sockets in ``here`` and what they gave."""

    def __init__(self, pair: Pair, *visited: str, mark: int | None = None) -> None:
        self.pair = pair
        self.events: list[DatagramReceived | UnreachableReceived] = []
        self.notes: list[Reason] = []
        self.sockets = RegistrationSockets(
            self.events.append, self._note, visited=visited, mark=mark, expects=self._expects
        )

    def _note(self, reason: Reason, fields: object) -> None:
        self.notes.append(reason)

    def _expects(self, payload: bytes, address: int, port: int) -> bool:
        return payload == b"known" and (address, port) == (int(THERE), 5434)

    async def next(self) -> DatagramReceived | UnreachableReceived:
        await eventually(lambda: self.events)
        return self.events.pop(0)


def playing(
    pair: Pair, play: Callable[[Node], Awaitable[None]], *visited: str, mark: int | None = None
) -> None:
    async def main() -> None:
        node = Node(pair, *visited, mark=mark)
        try:
            await play(node)
        finally:
            node.sockets.close()

    asyncio.run(main())


@contextmanager
def neighbour(pair: Pair, port: int = 5434) -> Iterator[socket.socket]:
    with pair.there.inside():
        plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with plain:
        plain.settimeout(5)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        plain.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
        plain.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        plain.bind(("0.0.0.0", port))
        yield plain


@contextmanager
def raw_neighbour(pair: Pair) -> Iterator[Callable[[bytes, bytes], None]]:
    """Sends IPv4 packets as they are to a link-layer address."""
    with pair.there.inside():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        raw.bind(("eth0", 0))
    with raw:

        def send(packet: bytes, to: bytes) -> None:
            raw.sendto(packet, ("eth0", ETH_P_IP, 0, 0, to))

        yield send


@pytest.mark.rfc("3024", "4.2.1", 3)
def test_receives_with_destination_interface_and_ttl(pair: Pair) -> None:
    async def play(node: Node) -> None:
        with neighbour(pair) as plain:
            plain.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 17)
            plain.sendto(b"request", (str(HERE), 434))
        assert await node.next() == DatagramReceived(b"request", THEIRS, OURS, "eth1", 17)

    playing(pair, play)


def test_of_a_crowd_those_who_are_expected_come_first_and_not_everybody_else_comes(pair: Pair) -> None:
    """More than wait at one time, all there before the loop looks."""
    crowd, behind = 2000, 2

    async def play(node: Node) -> None:
        with neighbour(pair) as plain:
            for _ in range(crowd):
                plain.sendto(b"stranger", (str(HERE), 434))
            for _ in range(behind):
                plain.sendto(b"known", (str(HERE), 434))
        await eventually(lambda: len(node.events) + len(node.notes) == crowd + behind)
        payloads = [event.payload for event in node.events if isinstance(event, DatagramReceived)]
        assert payloads[:behind] == [b"known"] * behind
        assert 0 < len(node.notes) < crowd and set(node.notes) == {Reason.OVERLOADED}
        assert payloads.count(b"stranger") == crowd - len(node.notes)

    playing(pair, play)


def test_what_one_of_a_crowd_brings_about_does_not_keep_the_others_waiting(pair: Pair) -> None:
    crowd = 600
    blows: list[DatagramReceived | UnreachableReceived] = []

    async def play(node: Node) -> None:
        def deliver(event: DatagramReceived | UnreachableReceived) -> None:
            if not blows:
                blows.append(event)
                raise RuntimeError("a fault of ours")
            node.events.append(event)

        node.sockets.close()
        node.sockets = RegistrationSockets(
            deliver, node._note, expects=lambda payload, address, port: payload == b"known"
        )
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        with neighbour(pair) as plain:
            for _ in range(crowd):
                plain.sendto(b"stranger", (str(HERE), 434))
            await eventually(lambda: len(node.events) > crowd // 2)
            plain.sendto(b"later", (str(HERE), 434))
        await eventually(lambda: any(getattr(event, "payload", b"") == b"later" for event in node.events))

    playing(pair, play)


def test_few_strangers_are_all_served_in_their_order(pair: Pair) -> None:
    async def play(node: Node) -> None:
        sent = [b"%d" % number for number in range(100)]
        with neighbour(pair) as plain:
            for payload in sent:
                plain.sendto(payload, (str(HERE), 434))
        await eventually(lambda: len(node.events) == len(sent))
        assert [event.payload for event in node.events if isinstance(event, DatagramReceived)] == sent
        assert not node.notes

    playing(pair, play)


def test_broadcast_is_received(pair: Pair) -> None:
    async def play(node: Node) -> None:
        with neighbour(pair) as plain:
            plain.sendto(b"all", ("192.0.2.255", 434))
        event = await node.next()
        assert isinstance(event, DatagramReceived)
        assert event.destination == Endpoint(IPv4Address("192.0.2.255"), 434)

    playing(pair, play)


def test_sends_from_the_asked_address_with_the_asked_ttl(pair: Pair) -> None:
    pair.here.ip("address add 192.0.2.77/24 dev eth1")

    async def play(node: Node) -> None:
        with neighbour(pair) as plain:
            source = Endpoint(IPv4Address("192.0.2.77"), 434)
            node.sockets.send(SendDatagram(b"reply", source, THEIRS, ttl=255))
            payload, ancillary, _, sender = plain.recvmsg(100, 100)
            assert (payload, sender) == (b"reply", ("192.0.2.77", 434))
            assert (socket.IPPROTO_IP, socket.IP_TTL, struct.pack("=i", 255)) in ancillary

    playing(pair, play)


@pytest.mark.rfc("5944", "3.8.3.1", 2)
def test_interface_wins_over_a_host_route(pair: Pair) -> None:
    """RFC 5944 s3.8.3: the reply to a node that is back home is not to go into its tunnel."""
    pair.add_tunnel_device()
    pair.here.ip(f"route add {THERE}/32 dev mip0")

    async def play(node: Node) -> None:
        with neighbour(pair) as plain:
            node.sockets.send(SendDatagram(b"tunnel", OURS, THEIRS))
            node.sockets.send(SendDatagram(b"link", OURS, THEIRS, interface="eth1"))
            assert plain.recv(100) == b"link"

    playing(pair, play)


@pytest.mark.parametrize("visited", [(), ("eth1",)])
def test_what_we_send_to_ourselves_comes_once(pair: Pair, visited: tuple[str, ...]) -> None:
    """A home agent beside the foreign agent hears what that sends to it, or broadcasts on the home link."""

    async def play(node: Node) -> None:
        node.sockets.send(SendDatagram(b"who", OURS, Endpoint(EVERYBODY, 434)))
        node.sockets.send(SendDatagram(b"last", OURS, OURS))
        for payload, to in ((b"who", EVERYBODY), (b"last", HERE)):
            event = await node.next()
            assert isinstance(event, DatagramReceived)
            assert (event.payload, event.source, event.destination.address) == (payload, OURS, to)
            assert event.interface == ("lo" if visited else "eth1")
        node.sockets.send(SendDatagram(b"and nothing twice", OURS, OURS))
        event = await node.next()
        assert isinstance(event, DatagramReceived) and event.payload == b"and nothing twice"

    playing(pair, play, *visited)


def test_limited_broadcast_leaves(pair: Pair) -> None:
    async def play(node: Node) -> None:
        with neighbour(pair) as plain:
            action = SendDatagram(b"all", OURS, Endpoint(LIMITED_BROADCAST, 5434), interface="eth1")
            node.sockets.send(action)
            assert plain.recv(100) == b"all"

    playing(pair, play)


@pytest.mark.rfc("5944", "1.7", 4)
@pytest.mark.rfc("5944", "4.2.2", 7)
def test_link_layer_addressed_reply_needs_no_route_and_no_arp(pair: Pair) -> None:
    """RFC 5944 s3.7.2.3: the visitor's home address is on no network of ours."""
    pair.there.ip(f"address add {HOME.ip}/32 dev eth0")
    to_visitor = SendDatagram(
        b"reply",
        OURS,
        Endpoint(HOME.ip, 5434),
        interface="eth1",
        link_destination=pair.there.link_address("eth0"),
        ttl=1,
    )

    async def play(node: Node) -> None:
        with neighbour(pair) as plain:
            node.sockets.send(to_visitor)
            node.sockets.send(replace(to_visitor, payload=b"odd"))
            assert plain.recvfrom(100) == (b"reply", (str(HERE), 434))
            assert plain.recv(100) == b"odd"
        with pytest.raises(ActionError, match="not a visited interface"):
            node.sockets.send(replace(to_visitor, interface="mip0"))

    playing(pair, play, "eth1")
    assert pair.here.shown(f"neighbour show to {HOME.ip}") == []


def test_visited_link_gives_the_link_source_once(pair: Pair) -> None:
    mac = pair.there.link_address("eth0")
    pair.there.ip("route add default dev eth0")

    async def play(node: Node) -> None:
        with neighbour(pair) as plain:  # its UDP checksum is still partial: veth leaves that to hardware
            plain.sendto(b"one", (str(HERE), 434))
            assert await node.next() == DatagramReceived(b"one", THEIRS, OURS, "eth1", 64, mac)
            plain.sendto(b"all", ("255.255.255.255", 434))
            event = await node.next()
            assert isinstance(event, DatagramReceived)
            assert event.destination.address == LIMITED_BROADCAST
            plain.sendto(b"last", (str(HERE), 434))
            event = await node.next()
            assert isinstance(event, DatagramReceived)
            assert event.payload == b"last", "and no second copy of those before"
        assert node.notes == []

    playing(pair, play, "eth1")


def test_node_without_address_is_heard_once(pair: Pair) -> None:
    """From 0.0.0.0, which to the kernel is this host itself (RFC 5944 s3.6.1.1)."""
    nobody = ipv4.build_udp(Endpoint(ZERO_ADDRESS, 434), Endpoint(LIMITED_BROADCAST, 434), 255, b"named")

    async def play(node: Node) -> None:
        with raw_neighbour(pair) as send, neighbour(pair) as plain:
            send(nobody, b"\xff" * 6)
            plain.sendto(b"last", (str(HERE), 434))
            for payload in (b"named", b"last"):
                event = await node.next()
                assert isinstance(event, DatagramReceived)
                assert event.payload == payload and event.link_source == pair.there.link_address("eth0")

    playing(pair, play, "eth1")


def test_visitor_with_a_foreign_source_under_the_strict_filter(pair: Pair) -> None:
    """Its home address is on no network of ours: the kernel drops the UDP copy, the message still comes."""
    pair.here.sysctl("conf/all/rp_filter", 1)
    packet = ipv4.build_udp(Endpoint(HOME.ip, 434), OURS, 255, b"request")

    async def play(node: Node) -> None:
        with raw_neighbour(pair) as send:
            send(packet, pair.here.link_address("eth1"))
        event = await node.next()
        assert isinstance(event, DatagramReceived)
        assert (event.source.address, event.ttl) == (HOME.ip, 255)
        assert event.link_source == pair.there.link_address("eth0")

    playing(pair, play, "eth1")


@pytest.mark.rfc("5944", "3.1", 6, 7)
@pytest.mark.rfc("5944", "3.7.2.1", 1)
@pytest.mark.rfc("5944", "3.8.2.1", 1)
def test_damaged_packets_are_dropped_with_a_reason(pair: Pair) -> None:
    mac = pair.here.link_address("eth1")
    good = ipv4.build_udp(THEIRS, OURS, 64, b"request")
    wrong_udp = bytearray(good)
    wrong_udp[-1] ^= 1
    wrong_ip = bytearray(good)
    wrong_ip[8] ^= 1  # TTL, which the header's checksum covers
    short = bytearray(ipv4.build(THERE, HERE, ipv4.UDP, 64, struct.pack("!HHHH", 5434, 434, 40, 0)))
    unsummed = bytearray(good)
    unsummed[26:28] = bytes(2)

    async def play(node: Node) -> None:
        with raw_neighbour(pair) as send:
            for packet in (wrong_udp, wrong_ip, short, unsummed):
                send(bytes(packet), mac)
        event = await node.next()
        assert isinstance(event, DatagramReceived)
        assert event.payload == b"request", "no checksum is accepted (RFC 5944 s3.1)"
        assert node.notes == [Reason.BAD_CHECKSUM, Reason.BAD_CHECKSUM, Reason.TRUNCATED]
        assert node.events == []

    playing(pair, play, "eth1")


def test_fragments_and_what_is_routed_through_us_are_not_ours(pair: Pair) -> None:
    mac = pair.here.link_address("eth1")
    through = ipv4.build_udp(THEIRS, Endpoint(IPv4Address("203.0.113.1"), 434), 64, b"to another agent")
    fragment = bytearray(ipv4.build_udp(THEIRS, OURS, 64, b"fragment"))
    fragment[6:8] = b"\x20\x00"
    fragment[10:12] = bytes(2)
    fragment[10:12] = ipv4.checksum(bytes(fragment[:20])).to_bytes(2, "big")

    async def play(node: Node) -> None:
        with raw_neighbour(pair) as send:
            send(through, mac)
            send(bytes(fragment), mac)
            send(ipv4.build_udp(THEIRS, OURS, 64, b"last"), mac)
        event = await node.next()
        assert isinstance(event, DatagramReceived)
        assert event.payload == b"last"
        assert node.notes == []

    playing(pair, play, "eth1")


def test_every_address_of_ours_is_ours(pair: Pair) -> None:
    """Those of the link and those on other interfaces, one after the other and back."""
    pair.here.ip(f"address add {HOME.ip}/32 dev lo")
    pair.here.ip("address add 192.0.2.77/24 dev eth1")
    mac = pair.here.link_address("eth1")
    ours = [HERE, HOME.ip, IPv4Address("192.0.2.77"), HERE]

    async def play(node: Node) -> None:
        with raw_neighbour(pair) as send:
            for address in ours:
                send(ipv4.build_udp(THEIRS, Endpoint(address, 434), 64, b"reply"), mac)
        for address in ours:
            event = await node.next()
            assert isinstance(event, DatagramReceived)
            assert event.destination.address == address

    playing(pair, play, "eth1")


@pytest.mark.rfc("5944", "3.7.3", 1)
def test_unreachable_becomes_an_event_and_the_next_send_works(pair: Pair) -> None:
    closed, far = Endpoint(THERE, 4999), Endpoint(IPv4Address("203.0.113.1"), 434)
    pair.here.ip(f"route add 203.0.113.0/24 via {THERE}")
    pair.there.sysctl("ip_forward", 1)

    async def play(node: Node) -> None:
        node.sockets.send(SendDatagram(b"?", OURS, closed))
        assert await node.next() == UnreachableReceived(closed, 3)
        node.sockets.send(SendDatagram(b"?", OURS, far))
        assert await node.next() == UnreachableReceived(far, 0)
        with neighbour(pair) as plain:
            node.sockets.send(SendDatagram(b"?", OURS, closed))
            await asyncio.sleep(0)
            node.sockets.send(SendDatagram(b"fine", OURS, THEIRS))  # the error of the one before is pending
            assert plain.recv(100) == b"fine"
        assert await node.next() == UnreachableReceived(closed, 3)

    playing(pair, play)


def test_what_cannot_be_sent_is_one_sentence(pair: Pair) -> None:
    async def play(node: Node) -> None:
        far = Endpoint(IPv4Address("203.0.113.1"), 434)
        with pytest.raises(
            ActionError, match=r"^cannot send from 192\.0\.2\.1:434 to 203\.0\.113\.1:434: .*; give"
        ):
            node.sockets.send(SendDatagram(b"", OURS, far))
        with pytest.raises(ActionError, match="over eth7: No such device"):
            node.sockets.send(SendDatagram(b"", OURS, THEIRS, interface="eth7"))
        with pytest.raises(ActionError, match="listens on 434"):
            node.sockets.send(SendDatagram(b"", Endpoint(HERE, 435), THEIRS))
        with pytest.raises(ActionError):
            node.sockets.send(SendDatagram(b"", Endpoint(HOME.ip, 434), THEIRS))

    playing(pair, play)


def test_mark_chooses_the_table(pair: Pair) -> None:
    pair.here.ip("rule add fwmark 434 lookup 99")
    pair.here.ip("route add unreachable default table 99")

    async def play(node: Node) -> None:
        with pytest.raises(ActionError):
            node.sockets.send(SendDatagram(b"", OURS, THEIRS))

    playing(pair, play, mark=434)


def test_busy_port_names_the_program(pair: Pair) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("0.0.0.0", 434))
            with pytest.raises(
                ActionError, match=r"cannot listen on UDP port 434: .+ \(process \d+\) has it; stop"
            ):
                Node(pair)
        assert port_holder(434) is None

    asyncio.run(main())


def test_renamed_interface(pair: Pair) -> None:
    async def play(node: Node) -> None:
        with neighbour(pair) as plain:
            plain.sendto(b"old", (str(HERE), 434))
            event = await node.next()
            assert isinstance(event, DatagramReceived) and event.interface == "eth1"
            for change in ("down", "name eth9", "up"):
                pair.here.ip(f"link set {'eth9' if change == 'up' else 'eth1'} {change}")
            node.sockets.refresh("eth9")
            plain.sendto(b"new", (str(HERE), 434))
            event = await node.next()
            assert isinstance(event, DatagramReceived) and event.interface == "eth9"

    playing(pair, play)


def test_visited_interface_goes_and_comes_back(pair: Pair) -> None:
    async def play(node: Node) -> None:
        pair.here.ip("link del eth1")
        await asyncio.sleep(0)
        with pytest.raises(
            ActionError, match=r"cannot send on eth1: (No such device|there is no such interface)"
        ):
            node.sockets.send(SendDatagram(b"", OURS, THEIRS, interface="eth1", link_destination=b"\xff" * 6))
        pair.connect()
        pair.here.ip(f"address add {HERE}/24 dev eth1")
        pair.there.ip(f"address add {THERE}/24 dev eth0")
        node.sockets.refresh("eth1")
        with neighbour(pair) as plain:
            plain.sendto(b"back", (str(HERE), 434))
            event = await node.next()
        assert isinstance(event, DatagramReceived)
        assert event.link_source == pair.there.link_address("eth0")

    playing(pair, play, "eth1")
