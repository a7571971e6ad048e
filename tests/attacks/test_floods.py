"""Floods on a visited link, of requests, solicitations, advertisements and replies: nobody is kept out by them."""

from __future__ import annotations

import os
import random
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.hosts import Sniffer
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    ACCESS_INTERFACE,
    CORRESPONDENT,
    FOREIGN1,
    FOREIGN2,
    HOME_ADDRESS,
    HOME_AGENT,
    NODE_INTERFACE,
    UPLINK_INTERFACE,
)
from mobileip.control.lab.waiting import eventually
from mobileip.control.security import Secret, sign
from mobileip.control.types import ALL_SYSTEMS, REGISTRATION_PORT, Lifetime
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentFlags,
    AgentSolicitation,
    MobileHomeAuthentication,
    MobilityAgentAdvertisement,
    RouterAddress,
    build,
    build_icmp,
)
from tests.attacks.state import State, memory, reasons, works
from tests.netns.foreign.visiting import ip, link_address, send_packet
from tests.netns.roles.asking import ASSOCIATION, request

pytestmark = pytest.mark.netns

HOME, AGENT = HOME_ADDRESS.ip, FOREIGN1.router.ip
UDP, ICMP = 17, 1
EVERYBODY = b"\xff" * 6


@pytest.fixture
def link(away: Lab) -> Iterator[Frames]:
    with Frames(away) as frames:
        yield frames


class Frames:
    """Frames onto the link of foreign1, as by another host there: in at a port of its bridge."""

    def __init__(self, lab: Lab) -> None:
        self._access = lab.topology.access
        self.agent = bytes.fromhex(link_address(lab.foreign1.namespace).replace(":", ""))

    def __enter__(self) -> Frames:
        self._access.ip(
            "link add attacker type veth peer name attackerp",
            f"link set attackerp master {FOREIGN1.name} up",
            "link set attacker up",
        )
        self._socket = self._access.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind(("attacker", 0))
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._access.ip("link del attacker")

    def send(self, destination: bytes, source: bytes, packet: bytes) -> None:
        self._socket.send(destination + source + b"\x08\x00" + packet)


def mac(number: int) -> bytes:
    return b"\x02\x66" + number.to_bytes(4)


def forged(number: int) -> bytes:
    asked = replace(
        request(AGENT),
        home_address=IPv4Address("10.66.0.0") + number,
        home_agent=CORRESPONDENT,
        flags=replace(request(AGENT).flags, decapsulation_by_mn=False),
    )
    payload = sign(replace(ASSOCIATION, key=Secret(os.urandom(16))), build(asked), MobileHomeAuthentication)
    datagram = struct.pack("!HHHH", 5000, REGISTRATION_PORT, 8 + len(payload), 0) + payload
    return ip(asked.home_address, AGENT, UDP, datagram, ttl=255)


@pytest.mark.rfc("5944", "3.7.1", 5)
def test_forged_requests_do_not_exhaust_the_pending_list(away: Lab, link: Frames) -> None:
    """From a thousand link-layer addresses, to a home agent that is silent; a node that comes meanwhile is served."""
    away.go("foreign2")
    away.core.namespace.ip(f"route add blackhole {CORRESPONDENT}/32")
    try:
        for number in range(1500):
            link.send(link.agent, mac(number), forged(number))
        shown = eventually(lambda: away.foreign1.show("pending"), lambda rows: len(rows) == 500)
        assert {row["home_agent"] for row in shown} == {str(CORRESPONDENT)}
        away.go("foreign1")
        for number in range(1500, 2500):
            link.send(link.agent, mac(number), forged(number))
        assert reasons(away.foreign1)["fa-crowded-out"] > 0
        bound = away.foreign1.show("visitors")
        assert [row["home_address"] for row in bound] == [str(HOME)]
    finally:
        away.core.namespace.ip(f"route del blackhole {CORRESPONDENT}/32")
    works(away)
    eventually(lambda: away.foreign1.show("pending"), lambda rows: rows == [], within=9)


def test_one_sender_has_its_share_and_no_more(away: Lab, link: Frames) -> None:
    for number in range(400):
        link.send(link.agent, mac(0), forged(number))
    eventually(lambda: reasons(away.foreign1)["fa-sender-limit"], bool)
    assert len(away.foreign1.show("pending")) <= 125
    works(away)


def test_solicitations_are_answered_no_quicker_than_the_limit(away: Lab, link: Frames) -> None:
    """From one host and from thousands: the link hears a bounded number of advertisements, and the agent serves."""
    solicitation = build_icmp(AgentSolicitation())
    before, started = memory(away.foreign1), time.monotonic()
    with away.foreign1.sniff(ACCESS_INTERFACE) as sniffer:
        for number in range(5000):
            source = IPv4Address("10.66.0.1") + (number if number % 2 else 0)
            link.send(EVERYBODY, mac(number), ip(source, IPv4Address("224.0.0.2"), ICMP, solicitation, ttl=1))
            sniffer.look()
        works(away)
        sent = [p for p in sniffer.look() if p[9] == ICMP and p[20] == 9 and p[12:16] == AGENT.packed]
    seconds = time.monotonic() - started
    assert 1 <= len(sent) <= 50 + 30 * seconds
    assert memory(away.foreign1) < 1.05 * before + 512
    away.go("foreign2")
    away.go("foreign1")
    works(away)


def test_solicitations_reflect_nothing_to_others(away: Lab, link: Frames) -> None:
    """An advertisement is longer than what asks for it: it stays on the link, whoever is said to ask."""
    solicitation, victim = build_icmp(AgentSolicitation()), CORRESPONDENT + 1

    def advertised(sniffer: Sniffer) -> list[bytes]:
        return [p for p in sniffer.look() if p[9] == ICMP and p[20] == 9]

    with (
        away.foreign1.sniff(ACCESS_INTERFACE) as near,
        away.foreign1.sniff(UPLINK_INTERFACE) as far,
        away.home.sniff(UPLINK_INTERFACE) as farther,
    ):
        for target in (AGENT, HOME_AGENT):
            send_packet(away.core, ip(victim, target, ICMP, solicitation))

        def told() -> bool:
            link.send(link.agent, mac(5), ip(victim, AGENT, ICMP, solicitation, ttl=1))
            return any(p[16:20] == victim.packed for p in advertised(near))

        eventually(told, every=0.1)
        works(away)
        assert advertised(far) == advertised(farther) == []


def test_advertisements_of_strangers_take_neither_agent_nor_memory(away: Lab, link: Frames) -> None:
    """Hundreds of agents that do not exist, again and again, beside ours: the node stays with it."""
    rng = random.Random(3)
    before, states = memory(away.node), State.of(away.home)
    for number in range(2000):
        address = (
            IPv4Address("198.51.100.2") + number % 60 if number % 3 else IPv4Address(rng.randrange(1 << 32))
        )
        mobility = MobilityAgentAdvertisement(
            sequence=rng.randrange(1 << 16),
            registration_lifetime=Lifetime(1800),
            flags=AgentFlags(foreign_agent=True, home_agent=number % 5 == 0, reverse_tunnel=True),
            care_of_addresses=(address,),
        )
        made = AgentAdvertisement(
            lifetime=9000, extensions=(mobility,), router_addresses=(RouterAddress(address, 2**31 - 1),)
        )
        packet = ip(address, ALL_SYSTEMS, ICMP, build_icmp(made), ttl=1)
        link.send(EVERYBODY, mac(number), packet)
    shown = eventually(lambda: away.node.show("registration"), within=10)
    assert (shown["state"], shown["foreign_agent"]) == ("registered", str(AGENT))
    assert len(away.node.show("agents")) <= 64 + 1
    assert memory(away.node) < 1.05 * before + 1024
    assert State.of(away.home) == states
    works(away)
    away.go("foreign2")
    assert away.node.show("registration")["foreign_agent"] == str(FOREIGN2.router.ip)
    works(away)


def test_a_node_whose_link_is_flooded_with_replies_keeps_its_registration(away: Lab, link: Frames) -> None:
    node = bytes.fromhex(link_address(away.node.namespace, NODE_INTERFACE).replace(":", ""))
    rng = random.Random(5)
    for _ in range(2000):
        payload = bytes([rng.choice((1, 3, 7, 9))]) + rng.randbytes(rng.randrange(80))
        datagram = struct.pack("!HHHH", REGISTRATION_PORT, REGISTRATION_PORT, 8 + len(payload), 0) + payload
        link.send(node, mac(1), ip(AGENT, HOME, UDP, datagram))
    assert away.node.show("registration")["state"] == "registered"
    works(away)
