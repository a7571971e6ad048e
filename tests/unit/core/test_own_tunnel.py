"""Tunnels that end at the mobile node: broadcasts of home (RFC 5944 s4.3), encapsulating delivery (RFC 3024 s5.2)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from mobileip.control.core.actions import (
    BroadcastDelivery,
    DeliveryStyle,
    InstallTunnel,
    RemoveTunnel,
    RouteThroughAgent,
    RouteThroughTunnel,
    TunnelSide,
)
from mobileip.control.core.attachment import CoLocated
from mobileip.control.core.mobile import State
from mobileip.control.wire import EncapsulatingDelivery, RegistrationRequest, parse
from tests.unit.core.factory import (
    AGENT,
    AGENT_MAC,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_INTERFACE,
    advertisement,
    at,
    datagram,
    home_advertisement,
    kinds,
    none,
    only,
    reply,
)
from tests.unit.core.mobile import ADDRESS, answer, asked, denied, up, visiting
from tests.unit.core.test_mobile import SETTINGS, node

BROADCASTS = replace(SETTINGS, broadcasts=True)
DELIVERY = replace(SETTINGS, encapsulating_delivery=True)
BOTH = replace(BROADCASTS, encapsulating_delivery=True)
EVERYBODY = HOME_INTERFACE.network.broadcast_address
NESTED = InstallTunnel(
    HOME, TunnelSide.CARE_OF, HOME, HOME_AGENT, reverse=False, broadcast=BroadcastDelivery.NESTED
)


def parsed(payload: bytes) -> RegistrationRequest:
    message = parse(payload)
    assert isinstance(message, RegistrationRequest)
    return message


def to_agent(agent: IPv4Address) -> InstallTunnel:
    return InstallTunnel(
        HOME, TunnelSide.CARE_OF, HOME, agent, reverse=True, delivery=DeliveryStyle.ENCAPSULATING
    )


def by_way_of(agent: IPv4Address, broadcast: IPv4Address | None = None) -> RouteThroughTunnel:
    return RouteThroughTunnel(
        HOME, "eth0", agent, tunnel=True, outer=True, link_address=AGENT_MAC, broadcast=broadcast
    )


# ---- broadcasts


def test_co_located_takes_broadcasts_out_of_the_tunnel_itself() -> None:
    machine = node(BROADCASTS)
    up(machine, 0)
    actions = up(machine, 0.05, ADDRESS)
    assert parsed(asked(actions)).flags.broadcast
    assert only(actions, InstallTunnel).broadcast is BroadcastDelivery.DIRECT
    assert only(actions, RouteThroughTunnel).broadcast == EVERYBODY


def test_through_an_agent_a_tunnel_to_the_home_address_brings_them() -> None:
    machine = node(BROADCASTS)
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    assert parsed(asked(actions)).flags.broadcast
    assert kinds(actions) == ["SendDatagram", "InstallTunnel", "RouteThroughAgent"]
    assert only(actions, InstallTunnel) == NESTED
    agent = RouteThroughAgent(HOME, "eth0", AGENT, AGENT_MAC, EVERYBODY)
    assert only(actions, RouteThroughAgent) == agent


def test_nobody_asks_who_does_not_want_them_or_is_at_home() -> None:
    _, payload = visiting()
    assert not parsed(payload).flags.broadcast
    machine, payload = visiting(BROADCASTS)
    answer(machine, payload, 0.1)
    actions = machine.handle(home_advertisement(), at(1))
    assert not parsed(asked(actions)).flags.broadcast
    assert only(actions, RemoveTunnel) == RemoveTunnel(HOME, TunnelSide.CARE_OF)


def test_the_tunnel_waits_until_the_home_agent_is_known() -> None:
    machine = node(replace(BROADCASTS, home_agent=None))
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    none(actions, InstallTunnel)
    refused = reply(136, to=asked(actions))
    actions = machine.handle(datagram(refused), at(0.1))
    assert only(actions, InstallTunnel) == NESTED


def test_a_home_address_without_network_has_no_broadcast_address() -> None:
    machine = node(replace(BROADCASTS, home_address=IPv4Interface(HOME)))
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    assert only(actions, InstallTunnel) == NESTED
    assert only(actions, RouteThroughAgent).broadcast is None


# ---- encapsulating delivery


@pytest.mark.rfc("3024", "4.1.2", 1)
def test_what_is_reverse_tunnelled_is_tunnelled_to_the_agent() -> None:
    machine = node(DELIVERY)
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    assert parsed(asked(actions)).first(EncapsulatingDelivery) is not None
    assert kinds(actions) == ["SendDatagram", "InstallTunnel", "RouteThroughTunnel"]
    assert only(actions, InstallTunnel) == to_agent(AGENT)
    assert only(actions, RouteThroughTunnel) == by_way_of(AGENT)


@pytest.mark.rfc("3024", "5.2.2", 1)
def test_its_tunnel_ends_at_the_source_of_the_accepting_reply() -> None:
    machine, payload = visiting(DELIVERY)
    actions = answer(machine, payload, 0.1)  # from CARE_OF
    assert only(actions, InstallTunnel) == to_agent(CARE_OF)
    assert only(actions, RouteThroughTunnel) == by_way_of(CARE_OF)


def test_broadcasts_come_beside_it() -> None:
    machine = node(BOTH)
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    tunnels = [action for action in actions if isinstance(action, InstallTunnel)]
    assert tunnels == [to_agent(AGENT), replace(NESTED, beside=True)]
    assert only(actions, RouteThroughTunnel) == by_way_of(AGENT, EVERYBODY)


@pytest.mark.rfc("3024", "3.3", 3)
def test_without_reverse_tunnel_or_with_an_address_of_ones_own_there_is_none() -> None:
    machine = node(DELIVERY)
    up(machine, 0)
    actions = machine.handle(advertisement(reverse_tunnel=False), at(0))
    assert parsed(asked(actions)).first(EncapsulatingDelivery) is None
    only(actions, RouteThroughAgent)
    machine = node(DELIVERY)
    up(machine, 0)
    up(machine, 0.05, ADDRESS)
    actions = machine.handle(advertisement(required=True), at(0.3))
    assert isinstance(machine.attachment, CoLocated) and machine.attachment.through is not None
    assert parsed(asked(actions)).first(EncapsulatingDelivery) is None
    assert only(actions, InstallTunnel).delivery is DeliveryStyle.DIRECT


def test_an_agent_that_cannot_gets_everything_directly() -> None:
    machine, payload = visiting(DELIVERY)
    actions = denied(machine, payload, 0.1, 79)
    again = asked(actions)
    assert parsed(again).flags.reverse_tunnel and parsed(again).first(EncapsulatingDelivery) is None
    assert only(actions, RouteThroughAgent) == RouteThroughAgent(HOME, "eth0", AGENT, AGENT_MAC)
    assert only(actions, RemoveTunnel) == RemoveTunnel(HOME, TunnelSide.CARE_OF)
    answer(machine, again, 0.2)
    assert machine.state is State.REGISTERED
