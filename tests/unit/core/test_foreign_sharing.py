"""Visitors of different home agents with one home address (RFC 3024 appendix A)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import (
    Action,
    DeliveryStyle,
    InstallTunnel,
    InstallVisitorRoute,
    RemoveTunnel,
    SendDatagram,
    ShareVisitorAddress,
    TunnelSide,
    VisitorPlace,
)
from mobileip.control.core.events import ActionFailed, ClearVisitor
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Reason
from mobileip.control.wire import EncapsulatingDelivery, Extension, ForeignAgentError, RequestFlags
from tests.unit.core.factory import (
    AGENT,
    CARE_OF,
    HOME,
    HOME_AGENT,
    NODE_MAC,
    OTHER_MAC,
    at,
    kinds,
    mono,
    only,
    reasons,
    reply,
    request,
    sent_reply,
)
from tests.unit.core.test_foreign import PLAIN, SECOND_LINK, SETTINGS, T, admitted, ask, hear, visit

OTHER, THIRD = IPv4Address("192.0.2.77"), IPv4Address("192.0.2.78")  # home agents
THIRD_MAC = bytes.fromhex("020000000003")
SHARE = ["InstallTunnel", "InstallTunnel", "ShareVisitorAddress", "SendDatagram"]


def arrive(
    agent: ForeignAgent,
    time: float,
    home_agent: IPv4Address = OTHER,
    mac: bytes = OTHER_MAC,
    *,
    interface: str = "eth1",
    flags: RequestFlags = T,
    lifetime: int = 100,
    after: tuple[Extension, ...] = (),
) -> list[Action]:
    asked = request(time, home_agent=home_agent, flags=flags, lifetime=lifetime, after=after)
    assert reasons(ask(agent, visit(asked, mac=mac, interface=interface), time)) == [Reason.REQUEST_RELAYED]
    said = reply(to=asked, home_agent=home_agent, lifetime=lifetime)
    return hear(agent, said, time + 0.1, source=home_agent)


def shared() -> ForeignAgent:
    agent = admitted()
    arrive(agent, 1)
    return agent


def tunnel(home_agent: IPv4Address, mac: bytes | None, interface: str = "eth1") -> InstallTunnel:
    ours = AGENT if interface == "eth1" else SECOND_LINK
    return InstallTunnel(
        HOME,
        TunnelSide.CARE_OF,
        local=CARE_OF,
        remote=home_agent,
        reverse=True,
        beside=mac is not None,
        place=None if mac is None else VisitorPlace(interface, mac, ours),
    )


def installs(actions: list[Action]) -> list[InstallTunnel]:
    return [one for one in actions if isinstance(one, InstallTunnel)]


@pytest.mark.rfc("3024", "A.4", 8)
def test_two_nodes_with_one_home_address_are_both_served() -> None:
    agent = admitted()
    actions = arrive(agent, 1)
    assert kinds(actions) == SHARE
    assert installs(actions) == [tunnel(HOME_AGENT, NODE_MAC), tunnel(OTHER, OTHER_MAC)]
    assert only(actions, ShareVisitorAddress) == ShareVisitorAddress(HOME, frozenset({"eth1"}))
    assert only(actions, SendDatagram).link_destination == OTHER_MAC
    assert [(one.home_agent, one.link_address) for one in agent.visitors.of(HOME)] == [
        (HOME_AGENT, NODE_MAC),
        (OTHER, OTHER_MAC),
    ]


@pytest.mark.rfc("3024", "A.4", 8)
def test_a_third_on_another_link_changes_nothing_for_the_two() -> None:
    agent = ForeignAgent(replace(SETTINGS, max_visitors=3))
    for number, home_agent, mac in ((0, HOME_AGENT, NODE_MAC), (1, OTHER, OTHER_MAC)):
        arrive(agent, number, home_agent, mac)
    actions = arrive(agent, 2, THIRD, THIRD_MAC, interface="eth2")
    assert installs(actions) == [tunnel(THIRD, THIRD_MAC, "eth2")]
    assert only(actions, ShareVisitorAddress).interfaces == {"eth1", "eth2"}


def test_requests_for_one_home_address_wait_beside_each_other() -> None:
    agent = ForeignAgent(SETTINGS)
    ours, theirs = request(0), request(0, home_agent=OTHER)
    ask(agent, ours)
    ask(agent, visit(theirs, mac=OTHER_MAC))
    assert agent.visitors.pending_count() == 2
    first = hear(agent, reply(to=theirs, home_agent=OTHER), source=OTHER)
    assert only(first, SendDatagram).link_destination == OTHER_MAC
    second = hear(agent, reply(to=ours))
    assert only(second, SendDatagram).link_destination == NODE_MAC
    assert kinds(second) == SHARE


def test_a_renewal_of_one_leaves_the_other_alone() -> None:
    agent = shared()
    actions = arrive(agent, 5)
    assert installs(actions) == [tunnel(OTHER, OTHER_MAC)]
    assert agent.visitors.visitor_count() == 2


def test_one_that_moves_to_another_link_of_ours_takes_its_place_along() -> None:
    agent = shared()
    actions = arrive(agent, 5, interface="eth2")
    assert installs(actions) == [tunnel(OTHER, OTHER_MAC, "eth2")]
    assert only(actions, ShareVisitorAddress).interfaces == {"eth1", "eth2"}


@pytest.mark.parametrize("how", ["deregisters", "expires", "is cleared"])
def test_when_one_leaves_the_other_has_the_kernels_route_again(how: str) -> None:
    agent = admitted(lifetime=100)
    arrive(agent, 1, lifetime=20)
    match how:
        case "deregisters":
            actions = arrive(agent, 2, lifetime=0)
        case "expires":
            actions = agent.on_tick(at(30))
        case _:
            actions = agent.clear(ClearVisitor(HOME, OTHER))
    assert kinds(actions)[:2] == ["InstallVisitorRoute", "InstallTunnel"], "the route first"
    assert only(actions, InstallTunnel) == tunnel(HOME_AGENT, None)
    assert only(actions, InstallVisitorRoute) == InstallVisitorRoute(HOME, "eth1", NODE_MAC, True)
    assert [one.home_agent for one in agent.visitors.visitors] == [HOME_AGENT]
    assert agent.next_deadline() == mono(100)


def test_of_three_one_leaves_and_two_still_share() -> None:
    agent = ForeignAgent(replace(SETTINGS, max_visitors=3))
    for number, home_agent, mac in ((0, HOME_AGENT, NODE_MAC), (1, OTHER, OTHER_MAC)):
        arrive(agent, number, home_agent, mac)
    arrive(agent, 2, THIRD, THIRD_MAC, interface="eth2")
    actions = arrive(agent, 3, THIRD, THIRD_MAC, lifetime=0)
    assert kinds(actions) == ["RemoveTunnel", "ShareVisitorAddress", "SendDatagram"]
    assert only(actions, RemoveTunnel) == RemoveTunnel(HOME, TunnelSide.CARE_OF, THIRD)
    assert only(actions, ShareVisitorAddress).interfaces == {"eth1"}


def test_clear_takes_all_of_an_address_or_the_one_of_a_home_agent() -> None:
    agent = shared()
    assert agent.clear(ClearVisitor(HOME, THIRD)) == []
    actions = agent.clear(ClearVisitor(HOME))
    assert agent.visitors.visitor_count() == 0 and agent.next_deadline() is None
    assert kinds(actions)[-2:] == ["RemoveVisitorRoute", "RemoveTunnel"]
    assert reasons(actions) == [Reason.VISITOR_CLEARED] * 2


@pytest.mark.rfc("3024", "A.4", 7)
def test_without_a_reverse_tunnel_the_second_is_told_to_ask_for_one() -> None:
    agent = admitted()
    actions = ask(agent, visit(request(1, home_agent=OTHER, flags=PLAIN), mac=OTHER_MAC), 1)
    assert reasons(actions) == [Reason.FA_REVERSE_TUNNEL_MANDATORY]
    assert sent_reply(actions).code == 75


def test_one_that_shares_may_not_renew_without_its_reverse_tunnel() -> None:
    agent = shared()
    actions = ask(agent, visit(request(1, home_agent=OTHER, flags=PLAIN), mac=OTHER_MAC), 1)
    assert sent_reply(actions).code == 75
    assert agent.visitors.visitor_count() == 2


def test_beside_one_without_a_reverse_tunnel_there_is_no_place() -> None:
    agent = ForeignAgent(SETTINGS)
    arrive(agent, 0, HOME_AGENT, NODE_MAC, flags=PLAIN)
    actions = ask(agent, visit(request(1, home_agent=OTHER), mac=OTHER_MAC), 1)
    assert reasons(actions) == [Reason.FA_HOME_ADDRESS_TAKEN]
    assert sent_reply(actions).code == 66


def test_of_two_that_wait_the_second_accepted_hears_why_it_is_not_served() -> None:
    agent = ForeignAgent(SETTINGS)
    ours, theirs = request(flags=PLAIN), request(0.1, home_agent=OTHER)
    ask(agent, ours)
    ask(agent, visit(theirs, mac=OTHER_MAC), 0.1)
    hear(agent, reply(to=ours))
    actions = hear(agent, reply(to=theirs, home_agent=OTHER), source=OTHER)
    assert reasons(actions) == [Reason.FA_HOME_ADDRESS_TAKEN]
    error = sent_reply(actions).first(ForeignAgentError)
    assert error is not None and error.status == 66
    (visitor,) = agent.visitors.visitors
    assert visitor.link_address == NODE_MAC and visitor.home_agent == HOME_AGENT


def test_a_node_that_decapsulates_itself_shares_nothing() -> None:
    agent = admitted()
    by_itself = RequestFlags(reverse_tunnel=True, decapsulation_by_mn=True)
    assert kinds(arrive(agent, 1, flags=by_itself)) == ["SendDatagram"]
    assert agent.visitors.visitor_count() == 2
    assert kinds(arrive(agent, 2, flags=by_itself, lifetime=0)) == ["SendDatagram"]


def test_the_same_link_address_is_the_same_node() -> None:
    """Without distinct link-layer information equal addresses cannot be (RFC 3024 sA.4)."""
    agent = shared()
    actions = arrive(agent, 5, THIRD, NODE_MAC)
    assert only(actions, RemoveTunnel) == RemoveTunnel(HOME, TunnelSide.CARE_OF, HOME_AGENT)
    assert installs(actions) == [tunnel(THIRD, NODE_MAC)]
    assert {one.home_agent for one in agent.visitors.visitors} == {OTHER, THIRD}


def test_encapsulating_delivery_is_kept_apart_too() -> None:
    agent = ForeignAgent(replace(SETTINGS, encapsulating_delivery=True))
    arrive(agent, 0, HOME_AGENT, NODE_MAC)
    actions = arrive(agent, 1, after=(EncapsulatingDelivery(),))
    assert [one.delivery for one in installs(actions)] == [DeliveryStyle.DIRECT, DeliveryStyle.ENCAPSULATING]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_second_that_cannot_be_installed_leaves_the_first_as_it_was(failing: int) -> None:
    agent = admitted()
    actions = arrive(agent, 1)
    undo = agent.on_action_failed(ActionFailed(actions[failing], "no"), at(1))
    assert kinds(undo) == ["InstallVisitorRoute", "InstallTunnel", "SendDatagram"]
    assert only(undo, InstallTunnel) == tunnel(HOME_AGENT, None)
    error = sent_reply(undo).first(ForeignAgentError)
    assert error is not None and error.status == 66
    assert [one.home_agent for one in agent.visitors.visitors] == [HOME_AGENT]


@pytest.mark.parametrize("failing", [0, 1])
def test_one_that_cannot_be_put_back_is_gone(failing: int) -> None:
    agent = shared()
    back = agent.clear(ClearVisitor(HOME, OTHER))
    actions = agent.on_action_failed(ActionFailed(back[failing], "no"), at(3))
    assert kinds(actions) == ["RemoveVisitorRoute", "RemoveTunnel"]
    assert agent.visitors.visitor_count() == 0 and agent.next_deadline() is None


def test_only_the_home_agent_of_a_visit_can_end_it() -> None:
    agent = shared()
    asked = request(5, home_agent=THIRD, lifetime=0)
    ask(agent, visit(asked, mac=THIRD_MAC), 5)
    actions = hear(agent, reply(to=asked, home_agent=THIRD, lifetime=0), 5, source=THIRD)
    assert kinds(actions) == ["SendDatagram"] and agent.visitors.visitor_count() == 2
