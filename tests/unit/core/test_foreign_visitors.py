"""The foreign agent: limits, time, ICMP errors and failures (RFC 5944 s3.7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mobileip.control.core.actions import (
    InstallTunnel,
    RemoveVisitorRoute,
    SendDatagram,
    TunnelSide,
)
from mobileip.control.core.events import ActionFailed, ClearVisitor, UnreachableReceived
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, Secret
from mobileip.control.types import Endpoint, Spi
from mobileip.control.wire import ForeignAgentError
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

AGENTS = AssociationTable(
    [(NEIGHBOUR, MobilitySecurityAssociation(Spi(400), Secret(b"a key of the agents")))]
)

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


def test_nobody_is_given_what_is_for_the_home_agent_of_others() -> None:
    """A visitor gets a host route, and only its home agent, who may be its accomplice, speaks for its address."""
    agent = admitted()
    taken = visit(request(1, home_address=HOME_AGENT, home_agent=OTHER_CARE_OF), mac=OTHER_MAC)
    assert sent_reply(ask(agent, taken, 1)).code == 65
    asked = request(2, lifetime=0)
    ask(agent, asked, 2)
    hear(agent, reply(to=asked, lifetime=0), 2)
    assert reasons(ask(agent, taken, 3)) == [Reason.REQUEST_RELAYED], "nobody's any more"


@pytest.mark.parametrize("known", [{"gateways": frozenset({NEIGHBOUR})}, {"home_agents": AGENTS}])
def test_nor_what_is_for_our_router_or_a_home_agent_that_we_have_a_key_for(known: dict[str, Any]) -> None:
    agent = ForeignAgent(replace(SETTINGS, **known))
    asked = request(home_address=NEIGHBOUR)
    assert reasons(ask(agent, visit(asked, mac=OTHER_MAC))) == [Reason.FA_PROHIBITED]


@pytest.mark.rfc("5944", "3.7.1", 5)
def test_pending_list_is_bounded() -> None:
    agent = ForeignAgent(SETTINGS)
    for number in range(3):
        assert reasons(ask(agent, request(number), number)) == [Reason.REQUEST_RELAYED]
    assert reasons(ask(agent, request(3), 3)) == [Reason.FA_BUSY]
    assert agent.visitors.pending_count() == 3


def mac(number: int) -> bytes:
    return b"\x02" + number.to_bytes(5)


@pytest.mark.parametrize(("limit", "share"), [(1, 1), (3, 3), (4, 4), (16, 4), (64, 16)])
def test_one_sender_has_a_share_of_the_pending_list(limit: int, share: int) -> None:
    agent = ForeignAgent(replace(SETTINGS, max_pending=limit))
    for number in range(limit + 4):
        actions = ask(agent, visit(request(number / 10)), number / 10)
        expected = Reason.REQUEST_RELAYED if number < share else Reason.FA_SENDER_LIMIT
        if number >= share and share == limit:
            expected = Reason.FA_BUSY
        assert reasons(actions) == [expected]
    assert agent.visitors.pending_count() == agent.visitors.pending_of(mac(1)) == share
    others = [
        ask(agent, visit(request(9, home_address=HOME + 1 + n), mac=mac(9 + n)), 9) for n in range(limit)
    ]
    assert all(Reason.REQUEST_RELAYED in reasons(actions) for actions in others)
    crowded_out = sum(Reason.FA_CROWDED_OUT in reasons(actions) for actions in others)
    assert agent.visitors.pending_count() == limit
    assert crowded_out <= share, "of one node only the latest request is denied"
    assert agent.visitors.pending_of(mac(1)) == 0
    agent.on_tick(at(100))
    assert agent.visitors.pending_count() == agent.visitors.pending_of(mac(1)) == 0


@pytest.mark.rfc("5944", "3.7.1", 5)
def test_a_flood_of_forged_requests_keeps_nobody_out() -> None:
    """The node that is answered in a while is served, the visitor's renewal stays, and who gave way hears 66."""
    agent = ForeignAgent(replace(SETTINGS, max_visitors=20, max_pending=50))
    settled = visit(request(0), mac=mac(1))
    ask(agent, settled)
    hear(agent, reply(to=settled.payload))
    renewal = visit(request(1), mac=mac(1))
    assert reasons(ask(agent, renewal, 1)) == [Reason.REQUEST_RELAYED]
    newcomer = request(1, home_address=NEIGHBOUR)
    codes = []
    for number in range(500):
        forged = visit(request(1, home_address=HOME + 2 + number % 200), mac=mac(100 + number))
        actions = ask(agent, forged, 1 + number / 1000)
        assert agent.visitors.pending_count() <= 50
        codes += [sent_reply([one]).code for one in actions[2:] if isinstance(one, SendDatagram)]
        if number == 200:
            assert Reason.REQUEST_RELAYED in reasons(ask(agent, visit(newcomer, mac=OTHER_MAC), 1.2))
        if number == 240:
            assert Reason.REPLY_RELAYED in reasons(hear(agent, reply(to=newcomer), 1.24))
    assert set(codes) == {66}
    assert Reason.REPLY_RELAYED in reasons(hear(agent, reply(to=renewal.payload), 2))
    assert {one.home_address for one in agent.visitors.visitors} == {HOME, NEIGHBOUR}
    assert agent.visitors.pending_count() == 49


@pytest.mark.parametrize(("others", "forgotten"), [(4095, False), (4096, True)])
def test_of_senders_that_were_denied_a_limited_number_is_remembered(others: int, forgotten: bool) -> None:
    agent = ForeignAgent(SETTINGS)
    denied = visit(request(lifetime=400), mac=mac(0))
    assert kinds(ask(agent, denied)) == ["SendDatagram"]
    for number in range(1, others + 1):
        ask(agent, visit(denied.payload, mac=mac(number)), 0.1)
    assert bool(kinds(ask(agent, denied, 0.2))) is forgotten


def test_one_sender_has_a_share_of_the_visitor_list() -> None:
    agent = ForeignAgent(replace(SETTINGS, max_visitors=20, max_pending=1000))
    for number in range(7):
        asked = request(number, home_address=HOME + number)
        actions = ask(agent, asked, number)
        if number < 5:
            hear(agent, reply(to=asked), number)
        else:
            assert reasons(actions) == [Reason.FA_SENDER_LIMIT]
    assert agent.visitors.visitor_count() == agent.visitors.visitors_of(mac(1)) == 5
    assert reasons(ask(agent, request(8, home_address=HOME), 8)) == [Reason.REQUEST_RELAYED]  # renewal
    agent.on_tick(at(1000))
    assert agent.visitors.visitors_of(mac(1)) == 0


def test_a_deregistration_needs_no_room_among_the_visitors() -> None:
    agent = ForeignAgent(replace(SETTINGS, max_visitors=0))
    assert reasons(ask(agent, request(lifetime=0))) == [Reason.REQUEST_RELAYED]


def test_a_visitor_that_the_operator_clears_is_undone() -> None:
    agent = admitted()
    actions = agent.clear(ClearVisitor(HOME))
    assert kinds(actions) == ["RemoveVisitorRoute", "RemoveTunnel"]
    assert reasons(actions) == [Reason.VISITOR_CLEARED]
    assert agent.clear(ClearVisitor(HOME)) == [] and agent.next_deadline() is None


# ---- time and errors


@pytest.mark.rfc("5944", "3.7.1", 6)
@pytest.mark.rfc("5944", "3.7.2.2", 7)
def test_request_without_answer_is_denied_78_after_seven_seconds() -> None:
    agent = ForeignAgent(SETTINGS)
    ask(agent, request())
    assert agent.on_tick(at(6.999)) == []
    actions = agent.on_tick(at(7))
    assert reasons(actions) == [Reason.FA_REGISTRATION_TIMEOUT]
    assert sent_reply(actions).code == 78
    assert agent.next_deadline() is None


def test_only_the_latest_request_of_a_node_is_denied() -> None:
    """A node takes no answer to an earlier one (RFC 5944 s3.6.2.1)."""
    agent = ForeignAgent(SETTINGS)
    for second in (0, 1, 3):
        ask(agent, request(second), second)
    assert agent.on_tick(at(8)) == [] and agent.visitors.pending_count() == 1
    actions = agent.on_tick(at(10))
    assert reasons(actions) == [Reason.FA_REGISTRATION_TIMEOUT]
    assert sent_reply(actions).identification == stamp(3)
    assert agent.visitors.pending_count() == 0


def test_an_icmp_error_denies_the_latest_request_of_a_node() -> None:
    agent = ForeignAgent(SETTINGS)
    ask(agent, request(0))
    ask(agent, request(1), 1)
    error = UnreachableReceived(Endpoint(HOME_AGENT, 434), 7)
    actions = agent.on_unreachable(error, at(1.1))
    assert reasons(actions) == [Reason.FA_HOME_AGENT_UNREACHABLE]
    assert sent_reply(actions).identification == stamp(1)
    assert agent.visitors.pending_count() == 0


def test_no_denial_after_the_answer_to_a_later_request() -> None:
    agent = ForeignAgent(SETTINGS)
    ask(agent, request(0))
    latest = request(1)
    ask(agent, latest, 1)
    hear(agent, reply(to=latest), 1.5)
    assert agent.visitors.visitor_count() == 1
    assert agent.on_tick(at(7)) == [] and agent.visitors.pending_count() == 0


def test_an_earlier_request_is_still_answered_by_the_home_agent() -> None:
    agent = ForeignAgent(SETTINGS)
    first = request(0)
    ask(agent, first)
    ask(agent, request(1), 1)
    hear(agent, reply(to=first), 1.5)
    assert agent.visitors.visitor_count() == 1
    assert reasons(agent.on_tick(at(8))) == [Reason.FA_REGISTRATION_TIMEOUT]  # the latest has no answer


@pytest.mark.rfc("5944", "3.7.2.2", 6, 7)
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


@pytest.mark.rfc("5944", "3.7.3", 1)
@pytest.mark.parametrize(
    ("icmp", "reason", "code"),
    [
        (0, Reason.FA_HOME_NETWORK_UNREACHABLE, 80),
        (1, Reason.FA_HOME_AGENT_UNREACHABLE, 81),
        (3, Reason.FA_HOME_AGENT_PORT_UNREACHABLE, 82),
        (2, Reason.FA_HOME_AGENT_UNREACHABLE_OTHER, 88),
        (13, Reason.FA_HOME_AGENT_UNREACHABLE_OTHER, 88),
        (6, Reason.FA_HOME_NETWORK_UNREACHABLE, 80),
        (11, Reason.FA_HOME_NETWORK_UNREACHABLE, 80),
        (7, Reason.FA_HOME_AGENT_UNREACHABLE, 81),
        (12, Reason.FA_HOME_AGENT_UNREACHABLE, 81),
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


@pytest.mark.rfc("5944", "3.7", 4, 5)
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
    # What the home agent signed stays (RFC 4636); the node hears of us behind it.
    assert sent_reply(undo).code == 1 and sent_reply(undo).identification == stamp(0)
    error = sent_reply(undo).first(ForeignAgentError)
    assert error is not None and error.status == 66
    assert agent.visitors.visitor_count() == 0 and agent.next_deadline() is None
    assert agent.on_action_failed(ActionFailed(failed, "again"), at(0.2)) == []


def test_failures_of_the_home_agents_end_are_not_ours() -> None:
    agent = admitted()
    tunnel = InstallTunnel(HOME, TunnelSide.HOME, HOME_AGENT, CARE_OF, True)
    assert agent.on_action_failed(ActionFailed(tunnel, "no"), at(1)) == []
    assert agent.on_action_failed(ActionFailed(RemoveVisitorRoute(HOME, "eth1"), "no"), at(1)) == []
    assert agent.visitors.visitor_count() == 1
