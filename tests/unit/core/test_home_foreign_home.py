"""The home agent and foreign agents that it shares a key with (RFC 5944 s3.5.4, s3.8.2.1 a, c, d)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import SendDatagram
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, Secret, verify
from mobileip.control.types import Endpoint, Spi
from mobileip.control.wire import (
    ForeignHomeAuthentication,
    MobileAaaAuthentication,
    MobileForeignChallenge,
    MobileHomeAuthentication,
    RegistrationReply,
    RequestFlags,
)
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    OTHER_CARE_OF,
    WRONG_ASSOCIATION,
    at,
    datagram,
    is_signed,
    kinds,
    only,
    reasons,
    request,
    sent_reply,
)
from tests.unit.core.homes import AGENTS, FOREIGN, ask, by_agent, home

OTHER_KEY = replace(FOREIGN, key=Secret(b"some other key"))
OTHER_SPI = MobilitySecurityAssociation(Spi(2001), Secret(b"the agents' second"))


def signed_by(reply: RegistrationReply, association: MobilitySecurityAssociation) -> bool:
    """Whether extension 34 is there once, last and right."""
    last = reply.extensions[-1]
    once = sum(isinstance(one, ForeignHomeAuthentication) for one in reply.extensions) == 1
    return isinstance(last, ForeignHomeAuthentication) and once and verify(association, reply, last)


@pytest.mark.rfc("5944", "3.5.4", 2)
@pytest.mark.rfc("5944", "3.8.1", 5, 6)
@pytest.mark.rfc("5944", "3.8.2.1", 19, 20, 21)
@pytest.mark.rfc("5944", "3.8.3.3", 1, 3)
def test_request_with_the_agents_signature_gets_a_reply_with_one() -> None:
    actions = ask(home(foreign_agents=AGENTS), by_agent())
    answer = sent_reply(actions)
    assert answer.code == 1 and is_signed(answer)
    assert [type(one) for one in answer.extensions] == [MobileHomeAuthentication, ForeignHomeAuthentication]
    assert signed_by(answer, FOREIGN)
    assert only(actions, SendDatagram).destination == Endpoint(CARE_OF, 434)


@pytest.mark.rfc("5944", "3.5.1", 2)
def test_reply_is_signed_by_the_association_of_the_request() -> None:
    agents = AssociationTable([(CARE_OF, FOREIGN), (CARE_OF, OTHER_SPI)])
    for association in (FOREIGN, OTHER_SPI):
        answer = sent_reply(ask(home(foreign_agents=agents), by_agent(association=association)))
        assert answer.code == 1 and signed_by(answer, association)


@pytest.mark.rfc("5944", "3.8.2.1", 19, 20, 21, 22, 23, 24, 25)
@pytest.mark.parametrize(
    "payload",
    [request(), by_agent(by_agent()), by_agent(association=OTHER_KEY), by_agent(association=OTHER_SPI)],
    ids=["missing", "twice", "wrong", "unknown SPI"],
)
def test_without_the_agents_signature_it_is_132(payload: bytes) -> None:
    agent = home(foreign_agents=AGENTS)
    actions = ask(agent, payload)
    assert reasons(actions) == [Reason.FA_FAILED_AUTHENTICATION]
    assert Reason.FA_FAILED_AUTHENTICATION.info.level.value == "security"
    answer = sent_reply(actions)
    assert answer.code == 132 and is_signed(answer) and signed_by(answer, FOREIGN)
    assert kinds(actions) == ["SendDatagram"] and len(agent.bindings) == 0


def test_refusal_132_does_not_use_up_the_timestamp() -> None:
    agent = home(foreign_agents=AGENTS)
    ask(agent, request())
    assert sent_reply(ask(agent, by_agent())).code == 1


def test_agents_without_association_need_none() -> None:
    event = datagram(request(care_of=OTHER_CARE_OF), source=OTHER_CARE_OF)
    answer = sent_reply(ask(home(foreign_agents=AGENTS), event))
    assert answer.code == 1
    assert [type(one) for one in answer.extensions] == [MobileHomeAuthentication]


@pytest.mark.rfc("5944", "3.8.2.1", 26, 27)
def test_signature_of_an_agent_we_share_nothing_with_is_discarded() -> None:
    agent = home(foreign_agents=AGENTS)
    event = datagram(by_agent(care_of=OTHER_CARE_OF), source=OTHER_CARE_OF)
    actions = ask(agent, event)
    assert reasons(actions) == [Reason.UNEXPECTED_FOREIGN_HOME] and kinds(actions) == []


@pytest.mark.rfc("5944", "3.5.4", 1, 5)
def test_deregistration_needs_none_and_gets_none() -> None:
    agent = home(foreign_agents=AGENTS)
    ask(agent, by_agent())
    answer = sent_reply(ask(agent, request(1, lifetime=0), 1))
    assert answer.code == 0
    assert [type(one) for one in answer.extensions] == [MobileHomeAuthentication]
    assert len(agent.bindings) == 0


def test_agent_must_not_sign_for_a_co_located_node() -> None:
    """It relays what the node sends because of the R bit, but the care-of address is not its own (s3.5.4)."""
    co_located = RequestFlags(decapsulation_by_mn=True)
    agent = home(foreign_agents=AGENTS)
    answer = sent_reply(ask(agent, request(care_of=OTHER_CARE_OF, flags=co_located)))
    assert answer.code == 1 and signed_by(answer, FOREIGN)
    assert sent_reply(ask(agent, request(1, care_of=CARE_OF, flags=co_located), 1)).code == 132
    assert sent_reply(ask(agent, request(2, care_of=OTHER_CARE_OF), 2)).code == 132


@pytest.mark.rfc("5944", "3.8.2.1", 8, 9)
def test_forged_node_behind_a_good_agent_is_told_131() -> None:
    agent = home(foreign_agents=AGENTS)
    actions = ask(agent, by_agent(association=FOREIGN, payload=request(association=WRONG_ASSOCIATION)))
    assert reasons(actions) == [Reason.MN_FAILED_AUTHENTICATION]
    answer = sent_reply(actions)
    assert answer.code == 131 and is_signed(answer) and signed_by(answer, FOREIGN)
    for _ in range(100):  # what the agent vouches for is answered however often it comes
        assert kinds(ask(agent, by_agent(payload=request(association=WRONG_ASSOCIATION)))) == ["SendDatagram"]


@pytest.mark.parametrize(
    "payload",
    [
        request(association=WRONG_ASSOCIATION),
        by_agent(request(association=WRONG_ASSOCIATION), association=OTHER_KEY),
    ],
    ids=["agent's missing", "agent's wrong"],
)
def test_two_wrong_signatures_are_not_answered(payload: bytes) -> None:
    actions = ask(home(foreign_agents=AGENTS), payload)
    assert reasons(actions) == [Reason.MN_FAILED_AUTHENTICATION] and kinds(actions) == []


@pytest.mark.rfc("5944", "3.8.2.1", 14)
def test_identification_is_judged_before_the_agent() -> None:
    agent = home(foreign_agents=AGENTS)
    assert reasons(ask(agent, request(-60))) == [Reason.IDENTIFICATION_MISMATCH]
    assert signed_by(sent_reply(ask(agent, by_agent(time=-60))), FOREIGN)


def test_association_is_by_source_address() -> None:
    """Another agent's address in the care-of field says nothing (s3.5.4)."""
    event = datagram(request(care_of=CARE_OF), source=IPv4Address("203.0.113.9"))
    assert sent_reply(ask(home(foreign_agents=AGENTS), event)).code == 1


def test_agents_can_be_added_while_it_runs() -> None:
    agent = home()
    assert sent_reply(ask(agent, request(0))).code == 1
    agent.reconfigure(replace(agent.settings, foreign_agents=AGENTS))
    assert sent_reply(ask(agent, request(1), 1)).code == 132
    assert agent.bindings.get(HOME) is not None
    assert reasons(agent.on_tick(at(100))) == [Reason.BINDING_EXPIRED]


CHALLENGE = MobileForeignChallenge(b"once only")


@pytest.mark.rfc("4721", "3.4", 1, 2, 3)
@pytest.mark.rfc("4721", "6", 4, 5)
@pytest.mark.parametrize("association", [ASSOCIATION, WRONG_ASSOCIATION])
def test_a_challenge_comes_back_behind_the_nodes_authentication_and_is_signed_for_the_agent(
    association: MobilitySecurityAssociation,
) -> None:
    """RFC 4721 s3.4; also with a denial. A proof for an AAA server is none for us."""
    proof = MobileAaaAuthentication(Spi(2), bytes(16))
    agent = home(foreign_agents=AGENTS)
    payload = request(after=(CHALLENGE, proof), association=association)
    answer = sent_reply(ask(agent, by_agent(payload)))
    assert [type(one) for one in answer.extensions] == [
        MobileHomeAuthentication,
        MobileForeignChallenge,
        ForeignHomeAuthentication,
    ]
    assert answer.first(MobileForeignChallenge) == CHALLENGE
    found = answer.first(ForeignHomeAuthentication)
    assert found is not None and verify(FOREIGN, answer, found)


def test_without_a_challenge_there_is_none_in_the_reply() -> None:
    answer = sent_reply(ask(home(), request(before=(CHALLENGE,))))  # where the node may not put it
    assert answer.first(MobileForeignChallenge) is None
