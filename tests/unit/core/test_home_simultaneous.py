"""Simultaneous bindings: several care-of addresses for one home address (RFC 5944 s3.8.2.2, S bit)."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import (
    BroadcastDelivery,
    ClaimAddress,
    InstallTunnel,
    RemoveTunnel,
    TunnelSide,
)
from mobileip.control.core.events import ActionFailed, ClearBinding
from mobileip.control.core.home import HomeAgent, HomeNetwork
from mobileip.control.reasons import Reason
from mobileip.control.types import Endpoint, Lifetime
from mobileip.control.wire import RequestFlags
from tests.unit.core.factory import (
    CARE_OF,
    HOME,
    HOME_NETWORK,
    OTHER_CARE_OF,
    at,
    datagram,
    kinds,
    mono,
    none,
    note,
    only,
    reasons,
    request,
    sent_reply,
)
from tests.unit.core.homes import ask, home
from tests.unit.core.test_home import ACCEPT, UNDO, denial

THIRD = IPv4Address("198.51.100.13")
BESIDE = RequestFlags(simultaneous=True)


def cared_for(agent: HomeAgent) -> list[IPv4Address]:
    return [binding.care_of_address for binding in agent.bindings.of(HOME)]


def two(maximum: int = 2) -> HomeAgent:
    """A home agent with two bindings of one node; the second expires first."""
    agent = home(max_simultaneous=maximum)
    ask(agent, request(0, flags=BESIDE))
    ask(agent, request(1, flags=BESIDE, care_of=OTHER_CARE_OF, lifetime=50), 1)
    return agent


def test_log_says_what_a_registration_changed() -> None:
    agent = home(max_simultaneous=2)
    steps = [
        (request(0, flags=BESIDE), "new"),
        (request(1, flags=BESIDE), "renewed"),
        (request(2, flags=BESIDE, care_of=OTHER_CARE_OF), f"beside {CARE_OF}"),
        (request(3, care_of=THIRD), f"from {OTHER_CARE_OF}"),
    ]
    for step, (payload, moved) in enumerate(steps):
        noted = note(ask(agent, payload, step), Reason.REGISTERED)
        assert noted.fields["moved"] == moved


@pytest.mark.parametrize(
    ("source", "port"), [(CARE_OF, 434), (CARE_OF, 5000), (OTHER_CARE_OF, 434), (OTHER_CARE_OF, 5000)]
)
def test_binding_remembers_where_its_request_came_from(source: IPv4Address, port: int) -> None:
    agent = home()
    ask(agent, datagram(request(), source=source, port=port))
    (binding,) = agent.bindings
    assert binding.relay == Endpoint(source, port)


def test_first_is_code_0_and_replaces_whatever_there_was() -> None:
    actions = ask(home(max_simultaneous=2), request(flags=BESIDE))
    assert kinds(actions) == ACCEPT
    assert only(actions, InstallTunnel).beside is False
    assert sent_reply(actions).code == 0
    assert reasons(actions) == [Reason.REGISTERED]


def test_second_stands_beside_the_first() -> None:
    agent = home(max_simultaneous=2)
    ask(agent, request(0, flags=BESIDE))
    actions = ask(agent, request(1, flags=BESIDE, care_of=OTHER_CARE_OF), 1)
    assert kinds(actions) == ["InstallTunnel", "SendDatagram", "ClaimAddress"]
    tunnel = only(actions, InstallTunnel)
    assert (tunnel.beside, tunnel.remote) == (True, OTHER_CARE_OF)
    assert sent_reply(actions).code == 0
    assert cared_for(agent) == [CARE_OF, OTHER_CARE_OF]
    assert len(agent.bindings) == len(list(agent.bindings)) == 2 and agent.bindings.nodes == 1


@pytest.mark.rfc("5944", "3.8.3.2", 1)
def test_unsupported_is_code_1_and_the_new_binding_alone() -> None:
    agent = home(max_simultaneous=1)
    ask(agent, request(0, flags=BESIDE))
    actions = ask(agent, request(1, flags=BESIDE, care_of=OTHER_CARE_OF), 1)
    assert only(actions, InstallTunnel).beside is False
    assert sent_reply(actions).code == 1
    assert cared_for(agent) == [OTHER_CARE_OF]


def test_without_the_bit_all_others_go() -> None:
    agent = two()
    actions = ask(agent, request(2, care_of=THIRD), 2)
    assert only(actions, InstallTunnel).beside is False
    assert sent_reply(actions).code == 0
    assert cared_for(agent) == [THIRD]
    assert agent.next_deadline() == mono(102)


def test_renewal_beside_replaces_its_own_only_and_counts_once() -> None:
    agent = two()
    actions = ask(agent, request(2, flags=BESIDE), 2)
    assert only(actions, InstallTunnel).beside is True
    assert cared_for(agent) == [OTHER_CARE_OF, CARE_OF]
    assert agent.next_deadline() == mono(51)


def test_one_too_many_is_denied_and_changes_nothing() -> None:
    agent = two()
    denial(agent, request(2, flags=BESIDE, care_of=THIRD), Reason.HA_TOO_MANY_BINDINGS, 135, 2)
    agent = two(3)
    assert sent_reply(ask(agent, request(2, flags=BESIDE, care_of=THIRD), 2)).code == 0
    assert cared_for(agent) == [CARE_OF, OTHER_CARE_OF, THIRD]


@pytest.mark.rfc("5944", "4.2.3", 9)
def test_each_expires_in_its_own_time() -> None:
    agent = two()
    assert agent.next_deadline() == mono(51)
    actions = agent.on_tick(at(51))
    assert [one for one in actions if isinstance(one, RemoveTunnel)] == [
        RemoveTunnel(HOME, TunnelSide.HOME, OTHER_CARE_OF)
    ]
    assert kinds(actions) == ["RemoveTunnel"]
    assert cared_for(agent) == [CARE_OF] and agent.next_deadline() == mono(100)
    actions = agent.on_tick(at(100))
    assert kinds(actions) == UNDO
    assert only(actions, RemoveTunnel).remote is None


def test_those_due_together_end_with_everything() -> None:
    actions = two().on_tick(at(1000))
    assert reasons(actions) == [Reason.BINDING_EXPIRED] * 2
    assert kinds(actions) == ["RemoveTunnel", *UNDO]


@pytest.mark.rfc("5944", "4.2.3", 9)
def test_deregistration_of_one_leaves_the_others() -> None:
    agent = two()
    actions = ask(agent, request(2, care_of=CARE_OF, lifetime=0), 2)
    assert kinds(actions) == ["RemoveTunnel", "SendDatagram"]
    assert only(actions, RemoveTunnel).remote == CARE_OF
    assert sent_reply(actions).code == 0
    assert cared_for(agent) == [OTHER_CARE_OF]
    assert kinds(ask(agent, request(3, care_of=OTHER_CARE_OF, lifetime=0), 3)) == [*UNDO, "SendDatagram"]


def test_finite_binding_expires_beside_an_infinite_one() -> None:
    agent = home(max_simultaneous=2, max_lifetime=Lifetime(Lifetime.INFINITE))
    ask(agent, request(0, flags=BESIDE, lifetime=Lifetime.INFINITE))
    ask(agent, request(1, flags=BESIDE, care_of=OTHER_CARE_OF, lifetime=5), 1)
    assert kinds(agent.on_tick(at(6))) == ["RemoveTunnel"]
    assert cared_for(agent) == [CARE_OF] and agent.next_deadline() is None


def test_infinite_binding_that_remains_has_no_deadline() -> None:
    agent = home(max_simultaneous=2, max_lifetime=Lifetime(Lifetime.INFINITE))
    ask(agent, request(0, flags=BESIDE))
    ask(agent, request(1, flags=BESIDE, care_of=OTHER_CARE_OF, lifetime=Lifetime.INFINITE), 1)
    assert agent.next_deadline() == mono(100)
    ask(agent, request(2, lifetime=0), 2)
    assert cared_for(agent) == [OTHER_CARE_OF]
    assert agent.next_deadline() is None


def test_deregistration_of_all() -> None:
    agent = two()
    actions = ask(agent, request(2, care_of=HOME, lifetime=0), 2)
    assert kinds(actions) == [*UNDO, "SendDatagram"]
    assert only(actions, RemoveTunnel).remote is None
    assert len(agent.bindings) == 0 and agent.next_deadline() is None


@pytest.mark.parametrize("flags", [BESIDE, RequestFlags()], ids=["beside", "alone"])
def test_failed_install_restores_what_was(flags: RequestFlags) -> None:
    """A denial changes nothing: neither the bindings nor their deadlines."""
    agent = two(3)
    before = agent.bindings.of(HOME)
    tunnel = only(ask(agent, request(2, care_of=THIRD, flags=flags, lifetime=5), 2), InstallTunnel)
    undo = agent.on_action_failed(ActionFailed(tunnel, "no room"), at(2))
    assert kinds(undo) == ["SendDatagram"]
    assert sent_reply(undo).code == 130
    assert agent.bindings.of(HOME) == before
    assert agent.next_deadline() == mono(51)


def test_limit_of_nodes_counts_nodes() -> None:
    agent = home(max_simultaneous=2, max_bindings=1)
    ask(agent, request(0, flags=BESIDE))
    assert sent_reply(ask(agent, request(1, flags=BESIDE, care_of=OTHER_CARE_OF), 1)).code == 0


def test_operator_clears_one_or_all() -> None:
    agent = two()
    actions = agent.clear(ClearBinding(HOME, CARE_OF), at(2))
    assert kinds(actions) == ["RemoveTunnel"] and reasons(actions) == [Reason.BINDING_CLEARED]
    assert only(actions, RemoveTunnel).remote == CARE_OF
    actions = agent.clear(ClearBinding(HOME), at(2))
    assert kinds(actions) == UNDO and len(agent.bindings) == 0
    assert agent.clear(ClearBinding(HOME), at(2)) == []


# ---- broadcasts (s4.3)


@pytest.mark.parametrize(
    ("wanted", "offered", "co_located", "delivery"),
    [
        (True, True, True, BroadcastDelivery.DIRECT),
        (True, True, False, BroadcastDelivery.NESTED),
        (False, True, True, BroadcastDelivery.NONE),
    ],
)
def test_broadcasts_go_to_those_that_ask(
    wanted: bool, offered: bool, co_located: bool, delivery: BroadcastDelivery
) -> None:
    flags = RequestFlags(broadcast=wanted, decapsulation_by_mn=co_located)
    actions = ask(home(broadcasts=offered), request(flags=flags))
    assert only(actions, InstallTunnel).broadcast is delivery


@pytest.mark.rfc("5944", "3.8.2", 4)
def test_bit_is_ignored_by_a_home_agent_that_does_not_forward_broadcasts() -> None:
    actions = ask(home(broadcasts=False), request(flags=RequestFlags(broadcast=True)))
    assert only(actions, InstallTunnel).broadcast is BroadcastDelivery.NONE
    assert sent_reply(actions).code == 1


def test_virtual_network_has_no_broadcasts_and_nothing_to_claim() -> None:
    virtual = (HomeNetwork(HOME_NETWORK, None),)
    agent = home(broadcasts=True, networks=virtual, max_simultaneous=2)
    for step in range(2):
        actions = ask(agent, request(step, flags=RequestFlags(broadcast=True, simultaneous=True)), step)
        assert kinds(actions) == ["InstallTunnel", "SendDatagram"]
        assert only(actions, InstallTunnel).broadcast is BroadcastDelivery.NONE


def test_reserved_bits_are_ignored() -> None:
    flags = RequestFlags(reserved=True, reserved_x=True)
    assert sent_reply(ask(home(), request(flags=flags))).code == 1


def test_failed_repeated_announcement_leaves_both() -> None:
    agent = two()
    claim = only(ask(agent, request(2, flags=BESIDE), 2), ClaimAddress)
    assert none(agent.on_action_failed(ActionFailed(claim, "down"), at(2)), ClaimAddress)
    assert len(agent.bindings) == 2
