"""The foreign agent: limits, time, ICMP errors and failures (RFC 5944 s3.7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mobileip.control.core.actions import (
    InstallTunnel,
    RemoveVisitorRoute,
    TunnelSide,
)
from mobileip.control.core.events import ActionFailed, UnreachableReceived
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Reason
from mobileip.control.types import Endpoint
from tests.unit.core.factory import (
    CARE_OF,
    HOME,
    HOME_AGENT,
    OTHER_CARE_OF,
    OTHER_MAC,
    at,
    kinds,
    mono,
    reasons,
    reply,
    request,
    sent_reply,
    stamp,
)
from tests.unit.core.test_foreign import NEIGHBOUR, SETTINGS, admitted, ask, hear, visit

# ---- limits


def test_full_visitor_list_is_busy_but_renews() -> None:
    agent = ForeignAgent(replace(SETTINGS, max_visitors=1))
    assert not agent.busy
    asked = request()
    ask(agent, asked)
    hear(agent, reply(to=asked))
    assert agent.busy
    assert reasons(ask(agent, request(1), 1)) == [Reason.REQUEST_RELAYED]
    other = visit(request(1, home_address=NEIGHBOUR), mac=OTHER_MAC)
    assert reasons(ask(agent, other, 1)) == [Reason.FA_BUSY]


def test_pending_list_is_bounded() -> None:
    agent = ForeignAgent(SETTINGS)
    for number in range(3):
        assert reasons(ask(agent, request(number), number)) == [Reason.REQUEST_RELAYED]
    assert reasons(ask(agent, request(3), 3)) == [Reason.FA_BUSY]
    assert agent.visitors.pending_count() == 3


# ---- time and errors


@pytest.mark.rfc("5944", "3.7.1", 1)
def test_request_without_answer_is_denied_78_after_seven_seconds() -> None:
    agent = ForeignAgent(SETTINGS)
    ask(agent, request())
    assert agent.on_tick(at(6.999)) == []
    actions = agent.on_tick(at(7))
    assert reasons(actions) == [Reason.FA_REGISTRATION_TIMEOUT]
    assert sent_reply(actions).code == 78
    assert agent.next_deadline() is None


@pytest.mark.rfc("5944", "3.7.2.2", 2)
def test_request_is_pending_no_longer_than_its_lifetime() -> None:
    agent = ForeignAgent(SETTINGS)
    ask(agent, request(lifetime=3))
    assert agent.next_deadline() == mono(3)
    dereg = ForeignAgent(SETTINGS)
    ask(dereg, request(lifetime=0))
    assert dereg.next_deadline() == mono(7)


def test_timeout_of_a_renewal_leaves_the_visitor() -> None:
    agent = admitted()
    ask(agent, request(5), 5)
    assert reasons(agent.on_tick(at(12))) == [Reason.FA_REGISTRATION_TIMEOUT]
    assert agent.visitors.visitor_count() == 1


@pytest.mark.parametrize(
    ("icmp", "reason", "code"),
    [
        (0, Reason.FA_HOME_NETWORK_UNREACHABLE, 80),
        (1, Reason.FA_HOME_AGENT_UNREACHABLE, 81),
        (3, Reason.FA_HOME_AGENT_PORT_UNREACHABLE, 82),
        (2, Reason.FA_HOME_AGENT_UNREACHABLE_OTHER, 88),
        (13, Reason.FA_HOME_AGENT_UNREACHABLE_OTHER, 88),
    ],
)
def test_icmp_error_is_told_to_the_node(icmp: int, reason: Reason, code: int) -> None:
    agent = admitted()
    ask(agent, request(5), 5)
    actions = agent.on_unreachable(UnreachableReceived(Endpoint(HOME_AGENT, 434), icmp), at(5.1))
    assert reasons(actions) == [reason]
    assert sent_reply(actions).code == code
    assert agent.visitors.pending_count() == 0 and agent.visitors.visitor_count() == 1
    other = UnreachableReceived(Endpoint(OTHER_CARE_OF, 434), icmp)
    assert agent.on_unreachable(other, at(5.2)) == []


def test_expiry_undoes_everything_and_sends_nothing() -> None:
    agent = admitted(lifetime=10)
    assert agent.on_tick(at(9.9)) == []
    actions = agent.on_tick(at(10))
    assert kinds(actions) == ["RemoveVisitorRoute", "RemoveTunnel"]
    assert reasons(actions) == [Reason.VISITOR_EXPIRED]
    assert agent.next_deadline() is None


@pytest.mark.parametrize("failing", ["InstallTunnel", "InstallVisitorRoute"])
def test_visitor_that_cannot_be_installed_is_undone_and_denied_66(failing: str) -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    actions = hear(agent, reply(to=asked))
    failed = next(action for action in actions if type(action).__name__ == failing)
    undo = agent.on_action_failed(ActionFailed(failed, "no room"), at(0.1))
    assert kinds(undo) == ["RemoveVisitorRoute", "RemoveTunnel", "SendDatagram"]
    assert reasons(undo) == [Reason.FA_INSUFFICIENT_RESOURCES]
    assert sent_reply(undo).code == 66 and sent_reply(undo).identification == stamp(0)
    assert agent.visitors.visitor_count() == 0 and agent.next_deadline() is None
    assert agent.on_action_failed(ActionFailed(failed, "again"), at(0.2)) == []


def test_failures_of_the_home_agents_end_are_not_ours() -> None:
    agent = admitted()
    tunnel = InstallTunnel(HOME, TunnelSide.HOME, HOME_AGENT, CARE_OF, True)
    assert agent.on_action_failed(ActionFailed(tunnel, "no"), at(1)) == []
    assert agent.on_action_failed(ActionFailed(RemoveVisitorRoute(HOME, "eth1"), "no"), at(1)) == []
    assert agent.visitors.visitor_count() == 1
