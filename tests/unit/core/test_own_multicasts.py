"""Where a mobile node's multicasts go (RFC 5944 s4.4): not, on the visited link, or through a tunnel of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mobileip.control.core.actions import (
    BroadcastDelivery,
    InstallMulticastTunnel,
    InstallTunnel,
    MulticastWay,
    RemoveMulticastTunnel,
    RouteThroughAgent,
    RouteThroughTunnel,
)
from mobileip.control.core.events import ActionFailed
from mobileip.control.core.mobile import MobileNode
from tests.unit.core.factory import (
    HOME,
    HOME_AGENT,
    advertisement,
    at,
    datagram,
    home_advertisement,
    kinds,
    only,
    reply,
)
from tests.unit.core.factory import none as no
from tests.unit.core.mobile import ADDRESS, answer, asked, down, up, visiting
from tests.unit.core.test_mobile import SETTINGS, node

TUNNEL = replace(SETTINGS, multicast=MulticastWay.TUNNEL)
LOCAL = replace(SETTINGS, multicast=MulticastWay.LOCAL)


def test_by_default_there_is_no_way() -> None:
    machine = node(SETTINGS)
    up(machine, 0)
    actions = up(machine, 0.05, ADDRESS)
    assert no(actions, InstallMulticastTunnel)
    assert only(actions, RouteThroughTunnel).multicast is MulticastWay.NONE
    _, _ = visiting(SETTINGS)


@pytest.mark.rfc("5944", "4.4", 2, 8)
def test_on_the_visited_link_the_care_of_address_is_the_source() -> None:
    machine = node(LOCAL)
    up(machine, 0)
    actions = up(machine, 0.05, ADDRESS)
    route = only(actions, RouteThroughTunnel)
    assert (route.multicast, route.care_of_address) == (MulticastWay.LOCAL, ADDRESS.ip)
    assert no(actions, InstallMulticastTunnel)


@pytest.mark.rfc("5944", "4.4", 8)
@pytest.mark.parametrize("delivery", [False, True])
def test_behind_an_agent_there_is_no_source_for_that(delivery: bool) -> None:
    machine = node(replace(LOCAL, encapsulating_delivery=delivery))
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    if delivery:
        assert only(actions, RouteThroughTunnel).care_of_address is None
    else:
        assert only(actions, RouteThroughAgent).multicast is MulticastWay.LOCAL  # which says the same there
    assert no(actions, InstallMulticastTunnel)


@pytest.mark.rfc("5944", "4.4", 1, 9)
def test_tunnel_co_located() -> None:
    machine = node(TUNNEL)
    up(machine, 0)
    actions = up(machine, 0.05, ADDRESS)
    assert kinds(actions)[-3:] == ["InstallTunnel", "InstallMulticastTunnel", "RouteThroughTunnel"]
    assert only(actions, InstallMulticastTunnel) == InstallMulticastTunnel(HOME, HOME_AGENT)
    assert (
        only(actions, InstallTunnel).broadcast is BroadcastDelivery.DIRECT
    )  # what comes to the care-of address
    route = only(actions, RouteThroughTunnel)
    assert (route.multicast, route.care_of_address) == (MulticastWay.TUNNEL, None)


@pytest.mark.rfc("5944", "4.4", 1, 9)
@pytest.mark.parametrize("delivery", [False, True])
def test_tunnel_through_an_agent(delivery: bool) -> None:
    machine = node(replace(TUNNEL, encapsulating_delivery=delivery))
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    assert only(actions, InstallMulticastTunnel) == InstallMulticastTunnel(HOME, HOME_AGENT)
    kind = RouteThroughTunnel if delivery else RouteThroughAgent
    assert only(actions, kind).multicast is MulticastWay.TUNNEL


def away() -> MobileNode:
    machine, payload = visiting(TUNNEL)
    answer(machine, payload, 0.1)
    return machine


def test_tunnel_ends_at_home_and_without_a_link() -> None:
    assert only(away().handle(home_advertisement(), at(1)), RemoveMulticastTunnel) == RemoveMulticastTunnel(
        HOME
    )
    machine = away()
    assert only(down(machine, 1), RemoveMulticastTunnel) == RemoveMulticastTunnel(HOME)
    assert no(down(machine, 2), RemoveMulticastTunnel)


def test_what_a_failed_move_may_have_left_is_removed() -> None:
    machine = node(TUNNEL)
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    machine.handle(ActionFailed(only(actions, RouteThroughAgent), "no"), at(0))
    assert only(machine.handle(home_advertisement(), at(1)), RemoveMulticastTunnel)


def test_tunnel_waits_until_the_home_agent_is_known() -> None:
    machine = node(replace(TUNNEL, home_agent=None))
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    assert no(actions, InstallMulticastTunnel)
    actions = machine.handle(datagram(reply(136, to=asked(actions))), at(0.1))
    assert only(actions, InstallMulticastTunnel).home_agent == HOME_AGENT
