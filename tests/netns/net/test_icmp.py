"""Agent discovery on the wire: both ways, every kind of destination, no address, vanishing interfaces."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import SendIcmp
from mobileip.control.core.events import IcmpReceived
from mobileip.control.net import ipv4
from mobileip.control.net.icmp import AgentDiscoverySocket
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_MOBILITY_AGENTS, ALL_ROUTERS, ALL_SYSTEMS, LIMITED_BROADCAST
from tests.netns.net.space import HERE, HOME, THERE, Pair, eventually

pytestmark = pytest.mark.netns


def icmp(kind: int, rest: bytes = bytes(4)) -> bytes:
    body = struct.pack("!BBH", kind, 0, 0) + rest
    return struct.pack("!BBH", kind, 0, ipv4.checksum(body)) + rest


SOLICITATION, ADVERTISEMENT = icmp(10), icmp(9)


class Node:
    def __init__(self, pair: Pair, *interfaces: str) -> None:
        self.events: list[IcmpReceived] = []
        self.notes: list[Reason] = []
        self.socket = AgentDiscoverySocket(self.events.append, self._note, interfaces or ("eth1",))

    def _note(self, reason: Reason, fields: object) -> None:
        self.notes.append(reason)

    async def next(self) -> IcmpReceived:
        await eventually(lambda: self.events)
        return self.events.pop(0)


def playing(pair: Pair, play: Callable[[Node], Awaitable[None]], *interfaces: str) -> None:
    async def main() -> None:
        node = Node(pair, *interfaces)
        try:
            await play(node)
        finally:
            node.socket.close()

    asyncio.run(main())


@contextmanager
def tap(pair: Pair) -> Iterator[socket.socket]:
    """Every IPv4 frame that reaches ``there``, with its Ethernet header; also sends."""
    with pair.there.inside():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        raw.bind(("eth0", 0x0800))
    with raw:
        raw.settimeout(5)
        yield raw


def next_icmp(raw: socket.socket) -> tuple[bytes, ipv4.Packet]:
    """The next ICMP frame's Ethernet header and its packet; IGMP reports of the memberships pass by."""
    while True:
        seen = raw.recv(2000)
        packet = ipv4.parse(seen[14:])
        if isinstance(packet, ipv4.Packet) and packet.protocol == ipv4.ICMP:
            return seen[:14], packet


def frame(pair: Pair, packet: bytes, to: bytes | None = None) -> bytes:
    return (to or pair.here.link_address("eth1")) + pair.there.link_address("eth0") + b"\x08\x00" + packet


@pytest.mark.rfc("5944", "2.3", 3)
@pytest.mark.parametrize("group", [ALL_SYSTEMS, ALL_ROUTERS, ALL_MOBILITY_AGENTS, LIMITED_BROADCAST])
def test_receives_groups_and_broadcast(pair: Pair, group: IPv4Address) -> None:
    to = b"\xff" * 6 if group == LIMITED_BROADCAST else b"\x01\x00\x5e\x00\x00" + group.packed[3:]

    async def play(node: Node) -> None:
        with tap(pair) as raw:
            raw.send(frame(pair, ipv4.build(THERE, group, ipv4.ICMP, 1, SOLICITATION), to))
        mac = pair.there.link_address("eth0")
        assert await node.next() == IcmpReceived(SOLICITATION, THERE, group, "eth1", mac)

    playing(pair, play)


def test_receives_unicast_to_an_address_that_is_not_set_here(pair: Pair) -> None:
    """An agent answers a solicitation from a node whose home address is on another interface."""

    async def play(node: Node) -> None:
        with tap(pair) as raw:
            raw.send(frame(pair, ipv4.build(THERE, HOME.ip, ipv4.ICMP, 1, ADVERTISEMENT)))
        assert (await node.next()).destination == HOME.ip

    playing(pair, play)


@pytest.mark.rfc("5944", "2.3", 3)
@pytest.mark.rfc("1256", "4.3", 8)
def test_joins_the_groups(pair: Pair) -> None:
    async def play(node: Node) -> None:
        groups = {
            entry["address"]
            for link in pair.here.shown("maddress show eth1")
            for entry in link["maddr"]
            if "address" in entry
        }
        assert {str(ALL_SYSTEMS), str(ALL_ROUTERS), str(ALL_MOBILITY_AGENTS)} <= groups

    playing(pair, play)


@pytest.mark.rfc("1256", "4.2", 1)
@pytest.mark.rfc("1256", "5.2", 1)
def test_other_icmp_is_filtered_and_damage_has_a_reason(pair: Pair) -> None:
    wrong = bytearray(SOLICITATION)
    wrong[-1] ^= 1
    wrong_ip = bytearray(ipv4.build(THERE, HERE, ipv4.ICMP, 1, SOLICITATION))
    wrong_ip[12] ^= 1

    async def play(node: Node) -> None:
        with tap(pair) as raw:
            raw.send(frame(pair, ipv4.build(THERE, HERE, ipv4.ICMP, 1, icmp(8))))
            raw.send(frame(pair, ipv4.build(THERE, HERE, ipv4.ICMP, 1, bytes(wrong))))
            raw.send(frame(pair, bytes(wrong_ip)))
            raw.send(frame(pair, ipv4.build(THERE, HERE, ipv4.ICMP, 1, ADVERTISEMENT)))
        assert (await node.next()).payload == ADVERTISEMENT
        assert node.notes == [Reason.BAD_CHECKSUM, Reason.BAD_CHECKSUM]

    playing(pair, play)


@pytest.mark.rfc("5944", "2", 1)
@pytest.mark.rfc("5944", "2.1", 1, 2)
@pytest.mark.rfc("5944", "2.2", 1)
@pytest.mark.parametrize(
    ("destination", "given", "expected"),
    [
        (ALL_SYSTEMS, None, "01005e000001"),
        (ALL_MOBILITY_AGENTS, None, "01005e00000b"),
        (LIMITED_BROADCAST, None, "ffffffffffff"),
        (THERE, bytes.fromhex("020000000007"), "020000000007"),
    ],
)
def test_sends_with_ttl_1_to_the_right_link_address(
    pair: Pair, destination: IPv4Address, given: bytes | None, expected: str
) -> None:
    pair.there.ip("link set eth0 promisc on")

    async def play(node: Node) -> None:
        with tap(pair) as raw:
            node.socket.send(SendIcmp(ADVERTISEMENT, "eth1", None, destination, given))
            ethernet, packet = next_icmp(raw)
        assert ethernet[:6].hex() == expected
        assert ethernet[6:12] == pair.here.link_address("eth1")
        assert packet == ipv4.Packet(HERE, destination, ipv4.ICMP, 1, ADVERTISEMENT)

    playing(pair, play)


def test_works_without_any_address(pair: Pair) -> None:
    pair.here.ip("address flush dev eth1")

    async def play(node: Node) -> None:
        with tap(pair) as raw:
            node.socket.send(SendIcmp(SOLICITATION, "eth1", None, ALL_ROUTERS))
            _, packet = next_icmp(raw)
            assert packet.source == IPv4Address("0.0.0.0")
            raw.send(
                frame(pair, ipv4.build(THERE, LIMITED_BROADCAST, ipv4.ICMP, 1, ADVERTISEMENT), b"\xff" * 6)
            )
        assert (await node.next()).payload == ADVERTISEMENT

    playing(pair, play)


def test_refusals(pair: Pair) -> None:
    async def play(node: Node) -> None:
        with pytest.raises(ActionError, match="not a configured interface"):
            node.socket.send(SendIcmp(SOLICITATION, "eth7", None, ALL_ROUTERS))
        with pytest.raises(ActionError, match="no link-layer address"):
            node.socket.send(SendIcmp(SOLICITATION, "eth1", None, THERE))
        pair.here.ip("link set eth1 down")
        with pytest.raises(ActionError, match="cannot send on eth1: Network is down; set the interface up"):
            node.socket.send(SendIcmp(SOLICITATION, "eth1", None, ALL_ROUTERS))

    playing(pair, play)


def test_down_and_up(pair: Pair) -> None:
    async def play(node: Node) -> None:
        pair.here.ip("link set eth1 down")
        await asyncio.sleep(0)
        pair.here.ip("link set eth1 up")
        with tap(pair) as raw:
            raw.send(frame(pair, ipv4.build(THERE, HERE, ipv4.ICMP, 1, ADVERTISEMENT)))
        assert (await node.next()).payload == ADVERTISEMENT

    playing(pair, play)


@pytest.mark.parametrize("downed_first", [False, True])
def test_deleted_and_made_anew_without_being_told(pair: Pair, downed_first: bool) -> None:
    """Nobody calls refresh(): the socket looks itself, also when the deletion was hidden by a set down."""

    async def play(node: Node) -> None:
        if downed_first:
            pair.here.ip("link set eth1 down")
            await eventually(lambda: node.socket.suspects("eth1"))
        pair.here.ip("link del eth1")
        pair.connect()
        with tap(pair) as raw:

            def heard() -> bool:
                raw.send(frame(pair, ipv4.build(THERE, HERE, ipv4.ICMP, 1, ADVERTISEMENT)))
                return bool(node.events)

            await eventually(heard)
            node.socket.send(SendIcmp(SOLICITATION, "eth1", None, ALL_ROUTERS))
            await eventually(lambda: next_icmp(raw)[1].body == SOLICITATION)

    playing(pair, play)


def test_interface_that_comes_later(pair: Pair) -> None:
    async def play(node: Node) -> None:
        with pytest.raises(ActionError, match="no such interface now"):
            node.socket.send(SendIcmp(SOLICITATION, "eth2", None, ALL_ROUTERS))
        pair.connect("eth2", "eth3")
        node.socket.refresh("eth2")
        node.socket.send(SendIcmp(SOLICITATION, "eth2", None, ALL_ROUTERS))

    playing(pair, play, "eth1", "eth2")
