"""Replies the foreign agent cannot honour, nodes known by name, and who takes whose place (RFC 4636, RFC 2794)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import InstallVisitorRoute, SendDatagram
from mobileip.control.core.events import ActionFailed
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Reason, ReplyCode
from mobileip.control.security import sign
from mobileip.control.types import Endpoint, Lifetime
from mobileip.control.wire import (
    ForeignAgentError,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
    build,
    parse,
)
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    NODE_MAC,
    OTHER_MAC,
    at,
    kinds,
    only,
    reasons,
    reply,
    request,
    sent_reply,
)
from tests.unit.core.test_foreign import ADMIT, NEIGHBOUR, SETTINGS, admitted, ask, hear, visit

ZERO = IPv4Address("0.0.0.0")
OTHER_HOME_AGENT = IPv4Address("192.0.2.66")
ALICE, BOB = NetworkAccessIdentifier("alice@example.net"), NetworkAccessIdentifier("bob@example.net")


def answer(
    to: bytes,
    *,
    code: int = 0,
    home_address: IPv4Address = HOME,
    home_agent: IPv4Address = HOME_AGENT,
    lifetime: int = 100,
    nai: NetworkAccessIdentifier | None = None,
) -> bytes:
    asked = parse(to)
    assert isinstance(asked, RegistrationRequest)
    extensions = () if nai is None else (nai,)
    message = RegistrationReply(
        code, Lifetime(lifetime), home_address, home_agent, asked.identification, extensions
    )
    return sign(ASSOCIATION, build(message), MobileHomeAuthentication)


# ---- the FA Error Extension


def test_a_visitor_that_cannot_be_installed_hears_what_the_home_agent_said_and_66() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    accepted = reply(to=asked)
    install = only(hear(agent, accepted), InstallVisitorRoute)
    undo = agent.on_action_failed(ActionFailed(install, "no room"), at(0.1))
    assert only(undo, SendDatagram).payload == accepted + bytes((45, 2, 0, 66))


@pytest.mark.parametrize(
    ("home_address", "home_agent", "code"),
    [
        (HOME, ZERO, ReplyCode.FA_MISSING_HOME_AGENT),
        (HOME, OTHER_HOME_AGENT, ReplyCode.FA_POORLY_FORMED_REPLY),
        (HOME, CARE_OF, ReplyCode.FA_POORLY_FORMED_REPLY),
    ],
)
def test_an_acceptance_that_leads_elsewhere_is_not_honoured(
    home_address: IPv4Address, home_agent: IPv4Address, code: ReplyCode
) -> None:
    """Our tunnel would go to whom the reply names, so that is who was asked, or nobody."""
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    said = answer(asked, home_address=home_address, home_agent=home_agent)
    actions = hear(agent, said)
    assert kinds(actions) == ["SendDatagram"]
    assert only(actions, SendDatagram).payload == said + ForeignAgentError(int(code)).encode()
    assert agent.visitors.visitor_count() == 0


def test_a_denial_is_relayed_as_it_is_whatever_addresses_it_has() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    said = answer(asked, code=136, home_agent=OTHER_HOME_AGENT)
    assert only(hear(agent, said), SendDatagram).payload == said


def test_the_last_place_may_be_gone_when_the_reply_comes() -> None:
    agent = ForeignAgent(replace(SETTINGS, max_visitors=1))
    first, second = request(), request(0.1, home_address=NEIGHBOUR)
    ask(agent, first)
    ask(agent, visit(second, mac=OTHER_MAC), 0.1)
    assert kinds(hear(agent, reply(to=first))) == ADMIT
    actions = hear(agent, reply(to=second))
    assert reasons(actions) == [Reason.FA_BUSY]
    error = sent_reply(actions).first(ForeignAgentError)
    assert error is not None and error.status == 66
    assert agent.visitors.visitor_count() == 1


# ---- nodes without a home address


@pytest.mark.rfc("2794", "3", 1)
@pytest.mark.rfc("5944", "3.7.1", 3)
@pytest.mark.rfc("5944", "3.7.2.3", 5)
def test_a_node_without_home_address_is_known_by_its_nai_until_it_is_given_one() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request(home_address=ZERO, before=(ALICE,))
    relayed = ask(agent, visit(asked, source=ZERO))
    assert only(relayed, SendDatagram).payload == asked
    (pending,) = agent.visitors.pending
    assert (pending.home_address, pending.nai) == (ZERO, "alice@example.net")
    actions = hear(agent, answer(asked, nai=ALICE))
    assert kinds(actions) == ADMIT
    assert only(actions, SendDatagram).destination == Endpoint(HOME, 5434)
    assert only(actions, InstallVisitorRoute).home_address == HOME
    assert [visitor.home_address for visitor in agent.visitors.visitors] == [HOME]


@pytest.mark.rfc("2794", "3", 1)
@pytest.mark.rfc("5944", "3.7.3.1", 2, 3)
def test_two_nodes_without_home_address_and_with_one_identification_are_kept_apart() -> None:
    agent = ForeignAgent(SETTINGS)
    alices, bobs = (request(home_address=ZERO, before=(name,)) for name in (ALICE, BOB))
    ask(agent, alices)
    ask(agent, visit(bobs, mac=OTHER_MAC))
    assert agent.visitors.pending_count() == 2
    to_bob = hear(agent, answer(bobs, home_address=NEIGHBOUR, nai=BOB))
    assert only(to_bob, SendDatagram).link_destination == OTHER_MAC
    to_alice = hear(agent, answer(alices, nai=ALICE))
    assert only(to_alice, SendDatagram).link_destination == NODE_MAC
    assert reasons(hear(agent, answer(alices, nai=ALICE))) == [Reason.UNMATCHED_REPLY]


@pytest.mark.rfc("5944", "3.7.3.1", 3)
def test_the_same_home_address_under_another_name_is_no_match() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request(before=(ALICE,))
    ask(agent, asked)
    assert reasons(hear(agent, answer(asked, nai=BOB))) == [Reason.UNMATCHED_REPLY]
    assert kinds(hear(agent, answer(asked, nai=ALICE))) == ADMIT


@pytest.mark.rfc("2794", "3", 2)
@pytest.mark.rfc("5944", "3.7.1", 4)
def test_neither_home_address_nor_name_is_denied_96() -> None:
    actions = ask(ForeignAgent(SETTINGS), visit(request(home_address=ZERO), source=ZERO))
    assert reasons(actions) == [Reason.FA_NONZERO_HOME_ADDRESS]
    assert sent_reply(actions).code == 96


@pytest.mark.rfc("2794", "3", 4, 6)
@pytest.mark.parametrize("home_address", [ZERO, HOME])
@pytest.mark.parametrize(
    ("given", "nai", "home_agent", "code"),
    [
        (HOME, None, HOME_AGENT, ReplyCode.FA_MISSING_NAI),
        (HOME, ALICE, ZERO, ReplyCode.FA_MISSING_HOME_AGENT),
        (ZERO, ALICE, HOME_AGENT, ReplyCode.FA_MISSING_HOME_ADDRESS),
        (CARE_OF, ALICE, HOME_AGENT, ReplyCode.FA_POORLY_FORMED_REPLY),
        (IPv4Address("224.0.0.11"), ALICE, HOME_AGENT, ReplyCode.FA_POORLY_FORMED_REPLY),
    ],
)
def test_what_a_reply_to_a_named_node_lacks_is_told_behind_it(
    home_address: IPv4Address,
    given: IPv4Address,
    nai: NetworkAccessIdentifier | None,
    home_agent: IPv4Address,
    code: ReplyCode,
) -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request(home_address=home_address, before=(ALICE,))
    ask(agent, asked)
    said = answer(asked, home_address=given, nai=nai, home_agent=home_agent)
    actions = hear(agent, said)
    if home_address == HOME != given:
        assert reasons(actions) == [Reason.UNMATCHED_REPLY]
        return
    assert only(actions, SendDatagram).payload == said + ForeignAgentError(int(code)).encode()
    assert agent.visitors.visitor_count() == 0 and agent.visitors.pending_count() == 0


def test_a_denial_needs_no_name() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request(home_address=ZERO, before=(ALICE,))
    ask(agent, asked)
    said = answer(asked, code=130, home_address=ZERO)
    out = only(hear(agent, said), SendDatagram)
    assert out.payload == said
    assert str(out.destination.address) == "255.255.255.255" and out.link_destination == NODE_MAC


def test_a_named_node_deregisters_by_the_address_it_was_given() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request(home_address=ZERO, before=(ALICE,))
    ask(agent, asked)
    hear(agent, answer(asked, nai=ALICE))
    again = request(5, before=(ALICE,), lifetime=0)
    ask(agent, again, 5)
    actions = hear(agent, answer(again, lifetime=0, nai=ALICE), 5)
    assert kinds(actions) == ["RemoveVisitorRoute", "RemoveTunnel", "SendDatagram"]


# ---- one home address, two home agents


def test_the_same_node_may_change_its_home_agent() -> None:
    agent = admitted()
    again = request(1, home_agent=OTHER_HOME_AGENT)
    ask(agent, again, 1)
    actions = hear(agent, reply(to=again, home_agent=OTHER_HOME_AGENT), 1, source=OTHER_HOME_AGENT)
    assert kinds(actions) == ADMIT
    (visitor,) = agent.visitors.visitors
    assert visitor.home_agent == OTHER_HOME_AGENT


def test_another_home_agent_cannot_end_a_visit() -> None:
    """Anybody can be home agent of a node that has our visitor's address."""
    agent = admitted()
    forged = visit(request(1, home_agent=OTHER_HOME_AGENT, lifetime=0), mac=OTHER_MAC)
    ask(agent, forged, 1)
    accepted = reply(0, to=forged.payload, lifetime=0, home_agent=OTHER_HOME_AGENT)
    assert kinds(hear(agent, accepted, 1, source=OTHER_HOME_AGENT)) == ["SendDatagram"]
    assert agent.visitors.visitor_count() == 1


# ---- who asked first


def test_a_copy_of_a_pending_request_does_not_get_its_answer() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    copied = ask(agent, visit(asked, mac=OTHER_MAC), 0.01)
    assert reasons(copied) == [Reason.PENDING_COPIED] and kinds(copied) == []
    actions = hear(agent, reply(to=asked))
    assert only(actions, SendDatagram).link_destination == NODE_MAC
    assert only(actions, InstallVisitorRoute).link_address == NODE_MAC


def test_a_node_may_repeat_its_own_request() -> None:
    """With nonces a retransmission is the same to the byte (s3.6.3); it counts as one, and is relayed again."""
    agent = ForeignAgent(replace(SETTINGS, max_pending=1))
    asked = request()
    for time in (0, 1):
        assert reasons(ask(agent, asked, time)) == [Reason.REQUEST_RELAYED]
    assert agent.visitors.pending_count() == 1
    assert kinds(hear(agent, reply(to=asked), 1.5)) == ADMIT
