"""What the mobile node's daemon does about every code: hand-made agents on its link refuse, each in its own way."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from typing import Any

import pytest

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    ACCESS_INTERFACE,
    FOREIGN1,
    FOREIGN2,
    HOME_ADDRESS,
    HOME_AGENT,
    NODE_INTERFACE,
    Site,
)
from mobileip.control.lab.waiting import eventually
from mobileip.control.security import sign
from mobileip.control.types import REGISTRATION_PORT, Identification, Lifetime
from mobileip.control.wire import (
    AdvertisedChallenge,
    AgentAdvertisement,
    AgentFlags,
    EncapsulatingDelivery,
    ForeignAgentError,
    MobileHomeAuthentication,
    MobilityAgentAdvertisement,
    RegistrationReply,
    RegistrationRequest,
    build,
    build_icmp,
    parse,
)
from tests.netns.foreign.visiting import ip, link_address
from tests.netns.mobile.test_mobile import SECOND, second_interface
from tests.netns.roles.asking import ASSOCIATION

pytestmark = pytest.mark.netns

HOME = HOME_ADDRESS.ip
ANOTHER_HOME_AGENT = HOME_AGENT + 1
MENDED = (69, 72, 74, 75, 79, 133, 135, 136, 137, 138, 139)
LATER = (128, 129, 130, 131, 134, 144)
NAMED = (132,)
"""By these two tuples and the one below the tests go; tests/arch/test_codes.py sees that no code is missing."""
ELSEWHERE = (64, 65, 66, 67, 68, 70, 71, 73, 76, 77, 78, 80, 81, 82, 88, 96, 97, 98, 99, 107, 108, 116, 194)
ICMP, UDP, TTL = 1, 17, 255
PATIENCE = 6.0  # s


class Agents:
    """Foreign agents on the link of ``site``, one address each; ``asked`` reads what the node sends to any of them."""

    def __init__(
        self,
        lab: Lab,
        count: int,
        stack: ExitStack,
        site: Site = FOREIGN1,
        interface: str = NODE_INTERFACE,
    ) -> None:
        space = lab.topology.sites[site.name]
        self.addresses = [site.router.ip + 1 + number for number in range(count)]
        space.ip(*(f"addr add {address}/26 dev {ACCESS_INTERFACE}" for address in self.addresses))
        stack.callback(
            space.ip, *(f"addr del {address}/26 dev {ACCESS_INTERFACE}" for address in self.addresses)
        )
        self._sockets = {}
        for address in self.addresses:
            bound = stack.enter_context(space.socket(socket.AF_INET, socket.SOCK_DGRAM))
            bound.bind((str(address), REGISTRATION_PORT))
            self._sockets[bound] = address
        self._link = stack.enter_context(space.socket(socket.AF_PACKET, socket.SOCK_RAW))
        self._link.bind((ACCESS_INTERFACE, 0))
        self._own, self._node = (
            bytes.fromhex(link_address(host, interface).replace(":", ""))
            for host, interface in ((space, ACCESS_INTERFACE), (lab.node.namespace, interface))
        )

    def advertise(self, *which: IPv4Address, lifetime: int = 60, challenge: bytes | None = None) -> None:
        for address in which:
            flags = AgentFlags(foreign_agent=True, reverse_tunnel=True, gre=True, minimal=True)
            extension = MobilityAgentAdvertisement(0, Lifetime(300), flags, (address,))
            told = () if challenge is None else (AdvertisedChallenge(challenge),)
            payload = build_icmp(AgentAdvertisement(lifetime, (extension, *told)))
            self._frame(ip(address, IPv4Address("224.0.0.1"), ICMP, payload, 1))

    def hears(self, agent: IPv4Address) -> bool:
        """Advertise, and whether that led to a request already."""
        self.advertise(agent)
        return bool(select.select(list(self._sockets), [], [], 0.1)[0])

    def asked(self) -> tuple[IPv4Address, RegistrationRequest]:
        """The next request and whom it went to."""
        ready, _, _ = select.select(list(self._sockets), [], [], PATIENCE)
        assert ready, "the node asks nobody"
        message = parse(ready[0].recv(2048))
        assert isinstance(message, RegistrationRequest)
        return self._sockets[ready[0]], message

    def answer(self, agent: IPv4Address, payload: bytes) -> None:
        ports = struct.pack("!HHHH", REGISTRATION_PORT, REGISTRATION_PORT, 8 + len(payload), 0)
        self._frame(ip(agent, HOME, UDP, ports + payload, TTL))

    def _frame(self, packet: bytes) -> None:
        self._link.send(self._node + self._own + b"\x08\x00" + packet)


def reply(to: RegistrationRequest, code: int, **changed: Any) -> bytes:
    fields: dict[str, Any] = {
        "code": code,
        "lifetime": to.lifetime,
        "home_address": to.home_address,
        "home_agent": to.home_agent,
        "identification": to.identification,
    }
    return build(RegistrationReply(**(fields | changed)))


def signed(payload: bytes) -> bytes:
    return sign(ASSOCIATION, payload, MobileHomeAuthentication)


@contextmanager
def visited(lab: Lab, count: int, **settings: object) -> Iterator[Agents]:
    """The node's daemon on a link with ``count`` agents, all heard; it asks one of them."""
    lab.node.reset()
    lab.node.configuration["mobile_node"] |= {"agent_wait": 0.0, "hold_down": 0.0} | settings
    with ExitStack() as stack:
        if lab.site is None:
            lab.move_to("foreign1")
        agents = Agents(lab, count, stack)
        lab.node.start()
        stack.callback(lab.node.stop)
        yield agents


def denials(lab: Lab) -> list[int]:
    """Codes, whether repaired at once or not."""
    said = [line for line in lab.node.log_lines() if line.get("event") in ("denied", "retrying")]
    return [line["code"] for line in said if "code" in line]


def states(lab: Lab, state: str) -> None:
    eventually(
        lambda: lab.node.show("registration"),
        lambda shown: shown["state"] == state,
        what=f"the node to be {state}",
        explain=lab.node.explain,
    )


@pytest.mark.rfc("5944", "3.6.2.3", 1)
def test_a_node_refused_by_one_agent_asks_the_next(networks: Lab) -> None:
    """By any code of a foreign agent that asking the same one again would not mend."""
    with visited(networks, len(ELSEWHERE) + 1) as agents:
        refused: list[IPv4Address] = []
        agents.advertise(*agents.addresses)
        before = len(denials(networks))
        for code in ELSEWHERE:
            agent, request = agents.asked()
            assert agent not in refused, f"{refused[-1:]} was asked again"
            assert request.care_of_address == agent
            refused.append(agent)
            agents.answer(agent, reply(request, code))
        agent, request = agents.asked()
        assert agent not in refused
        agents.answer(agent, signed(reply(request, 0)))
        states(networks, "registered")
        assert denials(networks)[before:] == list(ELSEWHERE)


def test_what_can_be_mended_is_asked_again_at_once(networks: Lab) -> None:
    """Lifetime (69), reverse tunnel (74, 75, 137, 138), clock (133), home agent (136): each in the next request."""
    with visited(networks, 1) as agents:
        (agent,) = agents.addresses
        agents.advertise(agent)
        _, first = agents.asked()
        assert (first.lifetime, first.flags.reverse_tunnel, first.home_agent) == (60, True, HOME_AGENT)
        agents.answer(agent, reply(first, 69, lifetime=Lifetime(30)))
        _, second = agents.asked()
        assert second.lifetime == 30
        agents.answer(agent, reply(second, 74))
        _, third = agents.asked()
        assert (third.lifetime, third.flags.reverse_tunnel) == (30, False)
        agents.answer(agent, reply(third, 75))
        _, fourth = agents.asked()
        assert fourth.flags.reverse_tunnel
        ahead = Identification.from_wall(time.time_ns() + 3600 * 10**9, 0)
        answered = Identification(ahead.high, fourth.identification.low)
        agents.answer(agent, signed(reply(fourth, 133, identification=answered)))
        _, fifth = agents.asked()
        assert abs(fifth.identification.high - ahead.high) < 30
        agents.answer(agent, signed(reply(fifth, 137)))
        _, sixth = agents.asked()
        assert not sixth.flags.reverse_tunnel
        agents.answer(agent, signed(reply(sixth, 136, home_agent=ANOTHER_HOME_AGENT)))
        _, seventh = agents.asked()
        assert seventh.home_agent == ANOTHER_HOME_AGENT
        agents.answer(agent, signed(reply(seventh, 1)))
        states(networks, "registered")


def test_encapsulation_and_delivery_are_given_up_where_they_are_refused(networks: Lab) -> None:
    """72 and 79 of the foreign agent; 137, then 138 of a home agent that thinks better of it."""
    with visited(networks, 1, encapsulation=["gre"], encapsulating_delivery=True) as agents:
        (agent,) = agents.addresses
        agents.advertise(agent)
        _, first = agents.asked()
        assert first.flags.gre and first.first(EncapsulatingDelivery) is not None
        agents.answer(agent, reply(first, 72))
        _, second = agents.asked()
        assert not second.flags.gre and second.first(EncapsulatingDelivery) is not None
        agents.answer(agent, reply(second, 79))
        _, third = agents.asked()
        assert third.first(EncapsulatingDelivery) is None and third.flags.reverse_tunnel
        agents.answer(agent, signed(reply(third, 137)))
        _, fourth = agents.asked()
        assert not fourth.flags.reverse_tunnel
        agents.answer(agent, signed(reply(fourth, 138)))
        _, fifth = agents.asked()
        assert fifth.flags.reverse_tunnel
        agents.answer(agent, signed(reply(fifth, 1)))
        states(networks, "registered")


def test_an_encapsulation_that_the_home_agent_refuses_is_given_up(networks: Lab) -> None:
    with visited(networks, 1, encapsulation=["minimal"]) as agents:
        (agent,) = agents.addresses
        agents.advertise(agent)
        _, first = agents.asked()
        assert first.flags.minimal and not first.flags.gre
        agents.answer(agent, signed(reply(first, 139)))
        _, second = agents.asked()
        assert not second.flags.minimal and second.flags.reverse_tunnel
        agents.answer(agent, signed(reply(second, 1)))
        states(networks, "registered")


def test_where_bindings_cannot_be_beside_each_other_the_new_one_takes_their_place(networks: Lab) -> None:
    """135, about a request from the second interface that would have kept the binding of the first."""
    both = {"interfaces": [SECOND, NODE_INTERFACE], "simultaneous": True}
    with second_interface(networks), visited(networks, 1, **both) as agents, ExitStack() as stack:
        (agent,) = agents.addresses
        agents.advertise(agent)
        _, request = agents.asked()
        agents.answer(agent, signed(reply(request, 0)))
        states(networks, "registered")
        networks.topology.access.ip("link set second master foreign2 up")
        others = Agents(networks, 1, stack, FOREIGN2, SECOND)
        (other,) = others.addresses
        eventually(
            lambda: others.hears(other),
            what="a request by the other interface",
            explain=networks.node.explain,
        )
        _, beside = others.asked()
        assert beside.flags.simultaneous
        others.answer(other, signed(reply(beside, 135)))
        _, instead = others.asked()
        assert not instead.flags.simultaneous and instead.care_of_address == other
        others.answer(other, signed(reply(instead, 1)))
        eventually(
            lambda: networks.node.show("registration"), lambda shown: shown["care_of_address"] == str(other)
        )


def test_what_only_time_can_mend_is_asked_again_later(networks: Lab) -> None:
    """The home agent's other denials, and a node's own request back after a foreign agent could not honour it."""
    with visited(networks, 1, lifetime=10) as agents:
        (agent,) = agents.addresses
        agents.advertise(agent)
        _, request = agents.asked()
        for code in (
            LATER + NAMED
        ):  # with 132 the home agent names itself, which helps only who did not know it
            begun = time.monotonic()
            agents.answer(agent, signed(reply(request, code)))
            _, request = agents.asked()
            assert time.monotonic() - begun > 0.9, "sooner than a second later"
            agents.advertise(agent, lifetime=0)  # to begin anew: each wait is twice the one before
            states(networks, "disconnected")
            agents.advertise(agent)
            _, request = agents.asked()
        agents.answer(agent, signed(reply(request, 0)) + ForeignAgentError(66).encode())
        _, back = agents.asked()
        assert back.lifetime == 0, "the home agent keeps a binding that leads nowhere (RFC 4636 s3)"


def test_a_denial_that_nobody_signed_is_believed_of_a_foreign_agent_only(networks: Lab) -> None:
    with visited(networks, 1) as agents:
        (agent,) = agents.addresses
        agents.advertise(agent)
        _, request = agents.asked()
        agents.answer(agent, reply(request, 130))
        agents.answer(agent, reply(request, 0))
        agents.answer(agent, signed(reply(request, 0)))
        states(networks, "registered")
        reasons = networks.node.show("counters")["reasons"]
        assert reasons["reply-bad-authenticator"] == 2
