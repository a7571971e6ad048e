"""The home agent: replays, the end of a binding, failures, and where replies go (RFC 5944 s3.8, s5.7)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from mobileip.control.core.actions import (
    ClaimAddress,
    InstallNetworkRoute,
    InstallTunnel,
    ReleaseAddress,
    RemoveTunnel,
    SendDatagram,
    TunnelSide,
)
from mobileip.control.core.events import ActionFailed
from mobileip.control.reasons import Reason, ReplyCode
from mobileip.control.types import Endpoint, seconds
from tests.unit.core.factory import (
    CARE_OF,
    HOME,
    HOME_AGENT,
    NODE_MAC,
    OTHER_CARE_OF,
    at,
    datagram,
    is_signed,
    kinds,
    mono,
    none,
    only,
    reasons,
    request,
    sent_reply,
    stamp,
)
from tests.unit.core.test_home import ACCEPT, NEIGHBOUR, UNDO, ask, denial, home_agent

# ---- replay


@pytest.mark.rfc("5944", "3.8.2.2", 9)
def test_duplicate_does_not_extend_the_lifetime() -> None:
    agent = home_agent()
    payload = request(0)
    ask(agent, payload)
    denial(agent, payload, Reason.IDENTIFICATION_MISMATCH, 133, 3)
    assert agent.next_deadline() == mono(100)


@pytest.mark.rfc("5944", "3.8.2.1", 14, 17)
def test_older_request_that_arrives_late_does_not_move_the_binding_back() -> None:
    agent = home_agent()
    late = request(1, care_of=OTHER_CARE_OF)
    ask(agent, request(2), 2)
    denial(agent, late, Reason.IDENTIFICATION_MISMATCH, 133, 3)


@pytest.mark.rfc("5944", "5.7.1", 7)
@pytest.mark.parametrize("end", ["deregistered", "expired"])
def test_replay_is_refused_after_the_binding_is_gone(end: str) -> None:
    agent = home_agent(max_lifetime=2)
    old = request(0)
    ask(agent, old)
    if end == "deregistered":
        ask(agent, request(1, lifetime=0), 1)
    else:
        agent.on_tick(at(2))
    denial(agent, old, Reason.IDENTIFICATION_MISMATCH, 133, 3)
    assert len(agent.bindings) == 0


def test_timestamps_of_one_node_say_nothing_of_another() -> None:
    agent = home_agent()
    ask(agent, request(5), 5)
    assert sent_reply(ask(agent, request(4, home_address=NEIGHBOUR), 5)).code == 1


# ---- the end of a binding


@pytest.mark.rfc("5944", "3.8.2.2", 4)
@pytest.mark.rfc("5944", "4.2.3", 2)
def test_deregistration_of_one_care_of_address() -> None:
    agent = home_agent()
    ask(agent, request(0))
    actions = ask(agent, request(1, lifetime=0), 1)
    assert kinds(actions) == [*UNDO, "SendDatagram"]
    assert only(actions, ReleaseAddress) == ReleaseAddress(HOME, "home0", None)
    answer = sent_reply(actions)
    assert (answer.code, answer.lifetime) == (0, 0)
    assert reasons(actions) == [Reason.DEREGISTERED]
    assert len(agent.bindings) == 0 and agent.next_deadline() is None


def test_deregistration_of_another_care_of_address_leaves_the_binding() -> None:
    agent = home_agent()
    ask(agent, request(0))
    actions = ask(agent, request(1, lifetime=0, care_of=OTHER_CARE_OF), 1)
    assert kinds(actions) == ["SendDatagram"]
    assert sent_reply(actions).code == 0
    assert len(agent.bindings) == 1


def test_deregistration_of_all_from_away() -> None:
    agent = home_agent()
    ask(agent, request(0))
    actions = ask(agent, datagram(request(1, lifetime=0, care_of=HOME), mac=NODE_MAC), 1)
    assert kinds(actions) == [*UNDO, "SendDatagram"]
    assert (
        only(actions, ReleaseAddress).link_address is None
    )  # it is not at home: there is nobody to announce


def test_deregistration_of_all_from_away_without_a_binding_is_only_answered() -> None:
    actions = ask(home_agent(), datagram(request(lifetime=0, care_of=HOME), mac=NODE_MAC))
    assert kinds(actions) == ["SendDatagram"] and sent_reply(actions).code == 0


@pytest.mark.rfc("5944", "3.8.3.1", 2)
@pytest.mark.rfc("5944", "4.6", 12, 21)
@pytest.mark.parametrize("bound", [True, False], ids=["bound", "binding lost before"])
def test_deregistration_at_home_announces_the_node(bound: bool) -> None:
    """Proxy ARP stops, then the node's own address is told (s4.6), whether we remember a binding or not."""
    agent = home_agent()
    if bound:
        ask(agent, request(0))
    event = datagram(
        request(1, lifetime=0, care_of=HOME), source=HOME, port=5000, interface="home0", mac=NODE_MAC
    )
    actions = ask(agent, event, 1)
    assert kinds(actions) == [*UNDO, "SendDatagram"]
    assert only(actions, ReleaseAddress) == ReleaseAddress(HOME, "home0", NODE_MAC)
    out = only(actions, SendDatagram)
    assert (out.interface, out.link_destination) == ("home0", NODE_MAC)
    assert out.destination == Endpoint(HOME, 5000)


@pytest.mark.rfc("5944", "3.8", 2)
@pytest.mark.rfc("5944", "3.8.2.2", 8)
@pytest.mark.rfc("5944", "4.2.3", 2, 7, 8)
def test_expiry_undoes_everything_and_sends_nothing() -> None:
    agent = home_agent()
    ask(agent, request(0, lifetime=10))
    assert agent.on_tick(at(9.999)) == []
    actions = agent.on_tick(at(10))
    assert kinds(actions) == UNDO
    assert reasons(actions) == [Reason.BINDING_EXPIRED]
    assert only(actions, RemoveTunnel).side is TunnelSide.HOME
    assert agent.next_deadline() is None


def test_all_bindings_due_expire_in_one_tick() -> None:
    agent = home_agent()
    ask(agent, request(0, lifetime=10))
    ask(agent, request(0, lifetime=11, home_address=NEIGHBOUR))
    assert reasons(agent.on_tick(at(20))) == [Reason.BINDING_EXPIRED] * 2


# ---- failure


@pytest.mark.parametrize("failing", ["InstallTunnel", "InstallBindingRoute", "ClaimAddress"])
def test_what_cannot_be_installed_is_undone_and_denied_130(failing: str) -> None:
    agent = home_agent()
    actions = ask(agent, request())
    failed = next(action for action in actions if type(action).__name__ == failing)
    undo = agent.on_action_failed(ActionFailed(failed, "no room"), at(0))
    assert kinds(undo) == [*UNDO, "SendDatagram"]
    answer = sent_reply(undo)
    assert answer.code == ReplyCode.HA_INSUFFICIENT_RESOURCES
    assert answer.identification == stamp(0) and is_signed(answer)
    assert reasons(undo) == [Reason.HA_INSUFFICIENT_RESOURCES]
    assert len(agent.bindings) == 0 and agent.next_deadline() is None


@pytest.mark.rfc("5944", "3.8", 1)
def test_one_request_is_denied_once_only() -> None:
    """s3.8: no reply but to a request. A reinstallation that fails long after has none."""
    agent = home_agent()
    tunnel = only(ask(agent, request()), InstallTunnel)
    assert kinds(agent.on_action_failed(ActionFailed(tunnel, "no room"), at(0)))
    assert agent.on_action_failed(ActionFailed(tunnel, "no room"), at(1)) == []


def test_announcement_that_cannot_be_repeated_does_not_cost_the_binding() -> None:
    """With its home link down a home agent still serves those who are away."""
    agent = home_agent()
    ask(agent, request(0))
    claim = only(ask(agent, request(1), 1), ClaimAddress)
    assert agent.on_action_failed(ActionFailed(claim, "network is down"), at(1)) == []
    assert len(agent.bindings) == 1


def test_other_failures_are_not_ours() -> None:
    agent = home_agent()
    ask(agent, request())
    for action in (
        InstallTunnel(HOME, TunnelSide.CARE_OF, CARE_OF, HOME_AGENT, True),
        InstallTunnel(OTHER_CARE_OF, TunnelSide.HOME, CARE_OF, HOME_AGENT, True),
        RemoveTunnel(HOME, TunnelSide.HOME),
        InstallNetworkRoute(IPv4Network("192.0.2.0/24")),
    ):
        assert agent.on_action_failed(ActionFailed(action, "no"), at(0)) == []
    assert len(agent.bindings) == 1


def test_node_registers_again_after_a_failure() -> None:
    agent = home_agent()
    tunnel = only(ask(agent, request(0)), InstallTunnel)
    agent.on_action_failed(ActionFailed(tunnel, "no room"), at(0))
    assert kinds(ask(agent, request(1), 1)) == ACCEPT


# ---- addresses of the reply (s3.8.3.1)


@pytest.mark.rfc("5944", "3.8.2.2", 3)
def test_reply_goes_back_to_the_source_from_the_address_that_was_asked() -> None:
    multihomed = IPv4Address("198.51.100.1")
    out = only(ask(home_agent(), datagram(request(), port=4000, destination=multihomed)), SendDatagram)
    assert out.source == Endpoint(multihomed, 434)
    assert out.destination == Endpoint(CARE_OF, 4000)
    assert out.interface is None and out.link_destination is None


@pytest.mark.rfc("5944", "3.8.3.1", 1)
@pytest.mark.parametrize("destination", ["224.0.0.11", "192.0.2.255", "255.255.255.255"])
def test_reply_to_a_group_comes_from_our_own_address(destination: str) -> None:
    out = only(ask(home_agent(), datagram(request(), destination=IPv4Address(destination))), SendDatagram)
    assert out.source == Endpoint(HOME_AGENT, 434)


@pytest.mark.rfc("5944", "3.8.3.1", 3, 4)
@pytest.mark.rfc("5944", "4.6", 22)
def test_denial_at_home_ignores_the_binding_and_changes_no_arp() -> None:
    agent = home_agent()
    ask(agent, request(0))
    event = datagram(request(-60, lifetime=0, care_of=HOME), source=HOME, interface="home0", mac=NODE_MAC)
    actions = ask(agent, event, 1)
    assert kinds(actions) == ["SendDatagram"]
    out = only(actions, SendDatagram)
    assert (out.interface, out.link_destination) == ("home0", NODE_MAC)
    assert len(agent.bindings) == 1


def test_home_address_seen_on_another_interface_is_not_at_home() -> None:
    out = only(ask(home_agent(), datagram(request(), source=HOME, interface="mip0")), SendDatagram)
    assert out.interface is None and out.link_destination is None


def test_serves_its_own_address_only() -> None:
    assert home_agent().serves(HOME_AGENT)
    assert not home_agent().serves(CARE_OF)


def test_removing_is_never_a_reason_to_deny() -> None:
    agent = home_agent()
    ask(agent, request(0))
    removal = only(ask(agent, request(1, lifetime=0), 1), RemoveTunnel)
    assert none(agent.on_action_failed(ActionFailed(removal, "gone already"), at(1)), SendDatagram)


def test_expiry_is_by_the_monotonic_clock() -> None:
    """The wall clock may jump: a lifetime does not (architecture: two clocks)."""
    agent = home_agent()
    ask(agent, request(0, lifetime=10))
    jumped = at(5)
    assert agent.on_tick(type(jumped)(jumped.mono, jumped.wall + seconds(10**6))) == []
