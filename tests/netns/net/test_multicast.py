"""Groups on a link: joined and left as the neighbour hears it, more than one socket may hold, interfaces made anew."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

from mobileip.control.net import ipv4
from mobileip.control.net.multicast import Memberships, message_of, query_packet
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_SYSTEMS, ZERO_ADDRESS
from mobileip.control.wire import MembershipQuery, MembershipReportV3, RecordType, build_igmp, parse_igmp
from tests.netns.net.space import HERE, Pair, eventually

pytestmark = pytest.mark.netns

GROUP = IPv4Address("239.1.2.3")


@pytest.fixture
def held() -> Iterator[Memberships]:
    memberships = Memberships()
    yield memberships
    memberships.close()


@contextmanager
def ears(pair: Pair) -> Iterator[socket.socket]:
    """IGMP on the neighbour's interface."""
    with pair.there.inside():
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        heard.bind(("eth0", 0x0800))
    with heard:
        heard.setblocking(False)
        yield heard


def groups(pair: Pair, interface: str = "eth1") -> set[str]:
    (shown,) = pair.here.shown(f"maddress show dev {interface}")
    return {entry["address"] for entry in shown["maddr"] if entry.get("family") == "inet"} - {
        str(ALL_SYSTEMS)
    }


def reported(heard: socket.socket) -> set[tuple[int, IPv4Address]]:
    """What version 3 reports have said since."""
    said: set[tuple[int, IPv4Address]] = set()
    while True:
        try:
            message = message_of(heard.recv(2000))
        except BlockingIOError:
            return said
        if not isinstance(message, Reason):
            report = parse_igmp(message[1])
            assert isinstance(report, MembershipReportV3) and message[0] == HERE
            said |= {(record.kind, record.group) for record in report.records}


def test_the_link_is_told(pair: Pair, held: Memberships) -> None:
    async def play() -> None:
        with ears(pair) as heard:
            held.hold("eth1", GROUP)
            await eventually(lambda: (RecordType.CHANGE_TO_EXCLUDE, GROUP) in reported(heard))
            assert groups(pair) == {str(GROUP)}
            held.hold("eth1", GROUP)
            held.drop("eth1", GROUP)
            await eventually(lambda: (RecordType.CHANGE_TO_INCLUDE, GROUP) in reported(heard))
            assert groups(pair) == set()
            held.drop("eth1", GROUP)
            held.drop("eth7", GROUP)

    asyncio.run(play())


def test_more_groups_than_a_socket_may_be_in(pair: Pair, held: Memberships) -> None:
    pair.here.sysctl("igmp_max_memberships", 3)
    many = [GROUP + number for number in range(10)]
    for group in many:
        held.hold("eth1", group)
    assert groups(pair) == set(map(str, many))
    for group in many[2:9]:
        held.drop("eth1", group)
    assert groups(pair) == {str(many[0]), str(many[1]), str(many[9])}
    held.hold("eth1", many[5])
    held.close()
    assert groups(pair) == set()


def test_interface_that_comes_later_and_again(pair: Pair, held: Memberships) -> None:
    held.hold("eth5", GROUP)
    held.refresh("eth5")
    for _ in range(2):
        pair.connect("eth5", "eth6")
        held.refresh("eth5")
        held.refresh("eth5")
        assert groups(pair, "eth5") == {str(GROUP)}
        pair.here.ip("link del eth5")
        held.refresh("eth5")
    held.refresh("eth1")


def test_what_the_kernel_refuses_is_one_sentence(held: Memberships, pair: Pair) -> None:
    with pytest.raises(ActionError, match=r"cannot join 192\.0\.2\.9 on eth1"):
        held.hold("eth1", IPv4Address("192.0.2.9"))


def test_query_as_the_kernel_wants_it(pair: Pair, held: Memberships) -> None:
    """TTL 1, router alert (RFC 3376 s4); the host of the link answers with what it is in."""
    held.hold("eth1", GROUP)
    packet = query_packet(IPv4Address("192.0.2.2"), GROUP, build_igmp(MembershipQuery(GROUP, 1, 2, 125)))
    parsed = ipv4.parse(packet)
    assert not isinstance(parsed, Reason)
    assert (parsed.destination, parsed.protocol, parsed.ttl) == (GROUP, 2, 1)
    assert packet[20:24] == b"\x94\x04\0\0" and len(packet) == 36
    general = ipv4.parse(query_packet(HERE, ZERO_ADDRESS, b"12345678"))
    assert not isinstance(general, Reason) and general.destination == ALL_SYSTEMS

    async def play() -> None:
        with ears(pair) as heard:
            await eventually(lambda: reported(heard))
            heard.sendto(packet, ("eth0", 0x0800, 0, 0, b"\x01\x00\x5e\x01\x02\x03"))
            await eventually(lambda: (RecordType.MODE_IS_EXCLUDE, GROUP) in reported(heard))

    asyncio.run(play())


def test_what_is_no_igmp() -> None:
    udp = ipv4.build(HERE, GROUP, 17, 1, b"12345678")
    assert message_of(udp) is Reason.UNKNOWN_MESSAGE_TYPE
    assert message_of(b"\x45") is Reason.TRUNCATED
    assert message_of(ipv4.build(HERE, GROUP, 2, 1, b"12345678")) == (HERE, b"12345678")
