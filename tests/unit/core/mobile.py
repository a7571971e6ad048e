"""Steps that several tests of the mobile node share."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.core.actions import Action, SendDatagram
from mobileip.control.core.events import IcmpReceived, LinkChanged
from mobileip.control.core.mobile import MobileNode, MobileNodeSettings, State
from mobileip.control.wire import (
    AgentAdvertisement,
    MobilityAgentAdvertisement,
    PrefixLengths,
    RouterAddress,
    build_icmp,
    parse_icmp,
)
from tests.unit.core.factory import (
    AGENT,
    advertisement,
    at,
    datagram,
    only,
    reply,
)
from tests.unit.core.test_mobile import SETTINGS, node

ADDRESS = IPv4Interface("203.0.113.77/24")  # of our own, on the link of AGENT
SECOND_AGENT = IPv4Address("203.0.113.2")
TWO = replace(SETTINGS, interfaces=("eth0", "eth1"))  # eth0 is the better one
BESIDE = replace(TWO, simultaneous=True)


def up(
    machine: MobileNode,
    time: float,
    *addresses: IPv4Interface,
    interface: str = "eth0",
    gateway: IPv4Address | None = AGENT,
) -> list[Action]:
    return machine.handle(LinkChanged(interface, True, addresses, gateway), at(time))


def down(machine: MobileNode, time: float, interface: str = "eth0") -> list[Action]:
    return machine.handle(LinkChanged(interface, False), at(time))


def answer(
    machine: MobileNode, payload: bytes, time: float, code: int = 1, lifetime: int = 100
) -> list[Action]:
    """The home agent's reply to the request in ``payload``."""
    return machine.handle(datagram(reply(code, to=payload, lifetime=lifetime)), at(time))


def denied(machine: MobileNode, payload: bytes, time: float, code: int, lifetime: int = 100) -> list[Action]:
    """The foreign agent's denial of the request in ``payload``."""
    return machine.handle(datagram(reply(code, to=payload, lifetime=lifetime, association=None)), at(time))


def asked(actions: list[Action]) -> bytes:
    """The one request among ``actions``."""
    return only(actions, SendDatagram).payload


def visiting(settings: MobileNodeSettings = SETTINGS, **advertised: object) -> tuple[MobileNode, bytes]:
    """A node that just asked a foreign agent, and its request."""
    machine = node(settings)
    up(machine, 0)
    event = advertisement(lifetime=9000, **advertised)  # type: ignore[arg-type]
    return machine, asked(machine.handle(event, at(0)))


def on_second_interface(settings: MobileNodeSettings = TWO) -> MobileNode:
    """Registered through an agent on eth1, which is not the preferred interface."""
    machine = node(settings)
    up(machine, 0, interface="eth1")
    event = advertisement(interface="eth1", lifetime=9000)
    answer(machine, asked(machine.handle(event, at(0))), 0.1)
    assert machine.state is State.REGISTERED
    return machine


def with_prefix(event: IcmpReceived, router: str, length: int) -> IcmpReceived:
    """The same advertisement with a router address and the Prefix-Lengths extension."""
    message = parse_icmp(event.payload)
    assert isinstance(message, AgentAdvertisement)
    (mobility,) = [one for one in message.extensions if isinstance(one, MobilityAgentAdvertisement)]
    routers = (RouterAddress(IPv4Address(router)),)
    told = AgentAdvertisement(message.lifetime, (mobility, PrefixLengths((length,))), routers)
    return replace(event, payload=build_icmp(told))
