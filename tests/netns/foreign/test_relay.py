"""The foreign agent's daemon on the wire: who authenticates to whom, what is told behind a reply, what links hear."""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from mobileip.control.lab.hosts import Host, Sniffer
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import ACCESS_INTERFACE, CORRESPONDENT, NODE_INTERFACE, UPLINK_INTERFACE
from mobileip.control.lab.waiting import eventually, subset
from mobileip.control.reasons import ReplyCode
from mobileip.control.security import sign, verify
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentSolicitation,
    EncapsulatingDelivery,
    ForeignAgentError,
    ForeignHomeAuthentication,
    MobileForeignAuthentication,
    Padding,
    RegistrationReply,
    build_icmp,
    parse_icmp,
)
from tests.netns.foreign.visiting import (
    AGENT,
    AGENTS,
    AGENTS_KEY,
    HOME,
    HOME_AGENT,
    NODE_AGENT,
    NODE_KEY,
    SECOND_CARE_OF,
    End,
    home_agent,
    ip,
    reply,
    request,
    send_packet,
    udp,
    visitor,
)

pytestmark = pytest.mark.netns

BROADCAST = IPv4Address("255.255.255.255")
ICMP, IPIP, UDP = 1, 4, 17


@pytest.fixture(scope="module")
def lab(networks: Lab) -> Iterator[Lab]:
    agent = networks.foreign1
    agent.namespace.ip(f"addr add {SECOND_CARE_OF}/26 dev {ACCESS_INTERFACE}")
    advertise = {"interval": 0.2, "destination": "broadcast", "prefix_lengths": True}
    agent.configuration["foreign_agent"] |= {
        "care_of_addresses": [str(SECOND_CARE_OF)],
        "interfaces": [{"name": ACCESS_INTERFACE, "advertise": advertise}],
        "nodes": [{"home_address": str(HOME), "spi": NODE_AGENT.spi, "key": NODE_KEY}],
        "home_agents": [{"address": str(HOME_AGENT), "spi": AGENTS.spi, "key": AGENTS_KEY}],
    }
    networks.start(agent, at="foreign1")
    yield networks
    agent.stop()


@pytest.fixture
def node(lab: Lab) -> Iterator[End]:
    with visitor(lab) as end:
        yield end


@pytest.fixture
def home(lab: Lab) -> Iterator[End]:
    with home_agent(lab) as end:
        yield end


def visitors(lab: Lab) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lab.foreign1.show("visitors")
    return [row for row in rows if row["state"] == "registered"]


def by_node(payload: bytes) -> bytes:
    return sign(NODE_AGENT, payload, MobileForeignAuthentication)


def is_by_agent(message: RegistrationReply) -> bool:
    extension = message.extensions[-1]
    return isinstance(extension, MobileForeignAuthentication) and verify(NODE_AGENT, message, extension)


@pytest.mark.rfc("5944", "3.7.1", 7, 10)
@pytest.mark.rfc("5944", "3.7.2.2", 4, 5)
@pytest.mark.rfc("5944", "3.7.3.2", 8)
def test_all_three_authenticate_to_each_other_and_the_tunnel_ends_at_the_address_asked_for(
    lab: Lab, node: End, home: End
) -> None:
    asked = request(care_of=SECOND_CARE_OF)
    node.send(by_node(asked), AGENT)
    relayed, source = home.request()
    assert source == SECOND_CARE_OF
    assert relayed.raw == sign(AGENTS, asked, ForeignHomeAuthentication)
    home.send(sign(AGENTS, reply(asked), ForeignHomeAuthentication), source)
    answered = node.reply()
    assert answered.reply_code is ReplyCode.ACCEPTED and is_by_agent(answered)
    eventually(lambda: visitors(lab), subset([{"home_address": str(HOME), "home_agent": str(HOME_AGENT)}]))

    packet = ip(CORRESPONDENT, HOME, UDP, udp(b"through the second address"))
    with lab.node.sniff(NODE_INTERFACE) as sniffer:
        send_packet(lab.correspondent, ip(HOME_AGENT, SECOND_CARE_OF, IPIP, packet))
        eventually(
            lambda: [p[28:] for p in sniffer.between(CORRESPONDENT, HOME)],
            lambda seen: seen == [b"through the second address"],
            what="the tunnelled packet",
        )


@pytest.mark.rfc("5944", "3.5.4", 1, 4)
def test_a_deregistration_is_relayed_without_extension_34(lab: Lab, node: End, home: End) -> None:
    gone = request(lifetime=0)
    node.send(by_node(gone), AGENT)
    relayed, source = home.request()
    assert relayed.raw == gone
    home.send(reply(gone), source)
    assert node.reply().reply_code is ReplyCode.ACCEPTED
    eventually(lambda: visitors(lab), lambda rows: rows == [])


@pytest.mark.rfc("5944", "3.7.2.1", 7, 9)
def test_a_node_that_does_not_authenticate_hears_67(lab: Lab, node: End, home: End) -> None:
    before = lab.foreign1.show("counters")["reasons"]["fa-mn-failed-authentication"]
    node.send(request(), AGENT)
    denied = node.reply()
    assert denied.reply_code is ReplyCode.FA_MN_FAILED_AUTHENTICATION and is_by_agent(denied)
    assert lab.foreign1.show("counters")["reasons"]["fa-mn-failed-authentication"] == before + 1
    asked = request()  # the next thing the home agent hears is another request
    node.send(by_node(asked), AGENT)
    assert home.request()[0].raw.startswith(asked)


@pytest.mark.rfc("5944", "3.7.3.1", 9, 11, 12)
def test_a_reply_without_extension_34_is_relayed_with_68_behind_it(lab: Lab, node: End, home: End) -> None:
    asked = request()
    node.send(by_node(asked), AGENT)
    source = home.request()[1]
    home.send(reply(asked), source)
    answered = node.reply()
    assert answered.raw.startswith(reply(asked)) and is_by_agent(answered)
    error = answered.first(ForeignAgentError)
    assert error is not None and error.reply_code is ReplyCode.FA_HA_FAILED_AUTHENTICATION
    assert visitors(lab) == []


def packets(sniffer: Sniffer, source: IPv4Address, destination: IPv4Address) -> list[tuple[int, bytes]]:
    """Protocol and body of each packet that has these addresses outermost."""
    return [(packet[9], packet[20:]) for packet in sniffer.between(source, destination)]


@pytest.mark.rfc("3024", "3.1", 2)
@pytest.mark.rfc("3024", "3.3", 1, 4)
@pytest.mark.rfc("3024", "4.2.2", 3)
@pytest.mark.rfc("3024", "5.2.1", 1, 2)
@pytest.mark.rfc("3024", "5.2.2", 2)
@pytest.mark.rfc("3024", "5.4", 1, 2, 3, 4)
def test_encapsulating_delivery_what_the_node_tunnels_is_reverse_tunnelled_and_nothing_else(
    lab: Lab, node: End, home: End
) -> None:
    asked = request()
    node.send(by_node(asked + EncapsulatingDelivery().encode()), AGENT)
    relayed, source = home.request()
    assert relayed.raw == sign(AGENTS, asked, ForeignHomeAuthentication)  # extension 130 was for the agent
    home.send(sign(AGENTS, reply(asked), ForeignHomeAuthentication), source)
    assert node.reply().reply_code is ReplyCode.ACCEPTED
    eventually(lambda: visitors(lab), subset([{"home_address": str(HOME)}]))

    group = IPv4Address("224.1.2.3")
    bodies = {CORRESPONDENT: udp(b"tunnelled"), group: udp(b"to a group")}
    with (
        lab.correspondent.sniff("eth0") as far,
        Host(lab.foreign1.namespace).sniff(UPLINK_INTERFACE) as uplink,
    ):
        for destination, body in bodies.items():
            send_packet(lab.node, ip(HOME, AGENT, IPIP, ip(HOME, destination, UDP, body, ttl=9)))
        arrived = eventually(lambda: packets(far, AGENT, HOME_AGENT), lambda seen: len(seen) >= 2)
        # The agent is a hop: its forwarding takes one off the TTL (RFC 2003 s3.1).
        assert arrived == [(IPIP, ip(HOME, to, UDP, body, ttl=8)) for to, body in bodies.items()]

        send_packet(lab.node, ip(HOME, CORRESPONDENT, UDP, udp(b"directly")))
        ((protocol, body),) = eventually(
            lambda: packets(uplink, HOME, CORRESPONDENT),
            lambda seen: len(seen) == 1,
            what="the packet sent directly",
        )
        assert (protocol, body[8:]) == (UDP, b"directly")
        assert len(packets(far, AGENT, HOME_AGENT)) == 2


def advertisements(packets: list[bytes], destination: IPv4Address) -> list[AgentAdvertisement]:
    """Those among ``packets`` that went to ``destination``."""
    found = []
    for packet in packets:
        if packet[9] == ICMP and packet[20] == 9 and IPv4Address(packet[16:20]) == destination:
            assert packet[8] == 1  # TTL
            message = parse_icmp(packet[20:])
            assert isinstance(message, AgentAdvertisement)
            found.append(message)
    return found


@pytest.mark.rfc("5944", "2.1", 2, 3)
@pytest.mark.rfc("5944", "2.1.1", 2)
@pytest.mark.rfc("1256", "4.1", 1)
def test_a_link_is_told_by_broadcast_several_times_a_second(lab: Lab) -> None:
    with lab.node.sniff(NODE_INTERFACE) as sniffer:
        begun = time.monotonic()
        heard = eventually(
            lambda: advertisements(sniffer.look(), BROADCAST), lambda found: len(found) >= 4, within=3.0
        )
        assert time.monotonic() - begun < 2.0
    for message in heard:
        assert message.mobility.care_of_addresses == (AGENT, SECOND_CARE_OF)
        assert message.prefix_lengths == (26,)
        assert isinstance(message.extensions[-1], Padding)
    numbers = [message.mobility.sequence for message in heard]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.rfc("5944", "2.3", 3, 4, 7)
@pytest.mark.parametrize("group", ["224.0.0.2", "224.0.0.11", "255.255.255.255"])
def test_solicitations_from_anywhere_to_any_group_are_answered_to_who_asks(
    lab: Lab, node: End, group: str
) -> None:
    packet = ip(HOME, IPv4Address(group), ICMP, build_icmp(AgentSolicitation()), ttl=1)
    with lab.node.sniff(NODE_INTERFACE) as sniffer:
        send_packet(lab.node, packet)
        eventually(
            lambda: advertisements(sniffer.look(), HOME), lambda found: len(found) == 1, what="an answer"
        )
