"""The foreign agent's own associations, with nodes and with home agents (RFC 5944 s3.5.3, s3.5.4, s3.7.1)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import SendDatagram
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Level, Reason, ReplyCode
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, Secret, sign, verify
from mobileip.control.types import Spi
from mobileip.control.wire import (
    ForeignAgentError,
    ForeignHomeAuthentication,
    MobileForeignAuthentication,
    NetworkAccessIdentifier,
    RegistrationRequest,
    RequestFlags,
    UnknownExtension,
    parse,
)
from tests.unit.core.factory import (
    CARE_OF,
    HOME,
    HOME_AGENT,
    KEYED,
    NODE_MAC,
    OTHER_CARE_OF,
    at,
    is_signed,
    kinds,
    only,
    reasons,
    reply,
    request,
    sent_reply,
)
from tests.unit.core.test_foreign import ADMIT, NEIGHBOUR, SETTINGS, ask, hear, visit

WITH_NODE = KEYED
OTHER_KEY = replace(KEYED, key=Secret(b"not that key"))
OTHER_SPI = replace(KEYED, spi=Spi(1002))
WITH_HOME = MobilitySecurityAssociation(Spi(400), Secret(b"between the agents"))
NODES = replace(SETTINGS, nodes=AssociationTable([(HOME, WITH_NODE)]))
HOMES = replace(SETTINGS, home_agents=AssociationTable([(HOME_AGENT, WITH_HOME)]), more_care_of_addresses=())


def by_node(payload: bytes, association: MobilitySecurityAssociation = WITH_NODE) -> bytes:
    return sign(association, payload, MobileForeignAuthentication)


def by_home(payload: bytes, association: MobilitySecurityAssociation = WITH_HOME) -> bytes:
    return sign(association, payload, ForeignHomeAuthentication)


# ---- Mobile-Foreign


@pytest.mark.rfc("5944", "3.7.1", 9, 10)
@pytest.mark.rfc("5944", "3.7.2.1", 4, 5, 6)
@pytest.mark.rfc("5944", "3.7.3.2", 8)
@pytest.mark.rfc("3024", "4", 1)
def test_a_node_with_an_association_authenticates_and_is_answered_likewise() -> None:
    agent = ForeignAgent(NODES)
    asked = request()
    relayed = ask(agent, by_node(asked))
    assert only(relayed, SendDatagram).payload == asked  # extension 33 was for us
    answered = hear(agent, reply(to=asked))
    assert kinds(answered) == ADMIT
    message = sent_reply(answered)
    extension = message.extensions[-1]
    assert isinstance(extension, MobileForeignAuthentication) and verify(WITH_NODE, message, extension)
    assert is_signed(message)


@pytest.mark.rfc("5944", "3.7.1", 9)
@pytest.mark.rfc("5944", "3.7.2.1", 4, 5, 6, 7, 8, 9)
@pytest.mark.parametrize(
    "payload",
    [
        request(),
        by_node(by_node(request())),
        by_node(request(), OTHER_KEY),
        by_node(request(), OTHER_SPI),
        by_node(request())[:-1] + b"\x00",
    ],
    ids=["none", "two", "key", "spi", "bytes"],
)
def test_none_two_or_a_wrong_one_is_not_relayed_but_denied_67(payload: bytes) -> None:
    agent = ForeignAgent(NODES)
    actions = ask(agent, payload)
    assert reasons(actions) == [Reason.FA_MN_FAILED_AUTHENTICATION]
    assert Reason.FA_MN_FAILED_AUTHENTICATION.info.level is Level.SECURITY
    denial = sent_reply(actions)
    assert denial.code == 67
    assert only(actions, SendDatagram).link_destination == NODE_MAC
    assert agent.visitors.pending_count() == 0
    (extension,) = denial.extensions  # and that it is ours the node can check
    assert isinstance(extension, MobileForeignAuthentication) and verify(WITH_NODE, denial, extension)


def test_other_denials_are_signed_too() -> None:
    denial = sent_reply(ask(ForeignAgent(NODES), by_node(request(lifetime=301))))
    (extension,) = denial.extensions
    assert denial.code == 69
    assert isinstance(extension, MobileForeignAuthentication) and verify(WITH_NODE, denial, extension)


def test_without_an_association_the_extension_is_consumed_and_says_nothing() -> None:
    agent = ForeignAgent(NODES)
    asked = request(home_address=NEIGHBOUR)
    relayed = ask(agent, by_node(asked, OTHER_KEY))
    assert only(relayed, SendDatagram).payload == asked
    assert sent_reply(hear(agent, reply(to=asked))).first(MobileForeignAuthentication) is None


@pytest.mark.parametrize("home_address", [IPv4Address("0.0.0.0"), NEIGHBOUR])
def test_a_node_may_be_known_by_its_name_whatever_address_it_has(home_address: IPv4Address) -> None:
    agent = ForeignAgent(replace(SETTINGS, nodes=AssociationTable([("*@example.net", WITH_NODE)])))
    asked = request(home_address=home_address, before=(NetworkAccessIdentifier("alice@example.net"),))
    assert reasons(ask(agent, asked)) == [Reason.FA_MN_FAILED_AUTHENTICATION]
    assert reasons(ask(agent, by_node(asked), 2)) == [Reason.REQUEST_RELAYED]
    denial = sent_reply(agent.on_tick(at(10)))
    (extension,) = denial.extensions
    assert isinstance(extension, MobileForeignAuthentication) and verify(WITH_NODE, denial, extension)
    other = request(3, home_address=NEIGHBOUR, before=(NetworkAccessIdentifier("bob@example.org"),))
    assert reasons(ask(agent, other, 3)) == [Reason.REQUEST_RELAYED]


# ---- Foreign-Home


@pytest.mark.rfc("5944", "3.2", 1)
@pytest.mark.rfc("5944", "5.1", 2)
@pytest.mark.rfc("5944", "3.7.1", 7, 8)
@pytest.mark.rfc("5944", "3.7.2.2", 3, 4)
@pytest.mark.rfc("5944", "3.7.3.1", 6, 7, 8)
@pytest.mark.rfc("5944", "3.7.3.2", 7)
@pytest.mark.rfc("3024", "4", 1)
def test_between_agents_with_an_association_both_ways_are_authenticated() -> None:
    agent = ForeignAgent(HOMES)
    asked = request()
    relayed = only(ask(agent, asked + UnknownExtension(200, b"ours").encode()), SendDatagram)
    assert relayed.payload == by_home(asked)
    message = parse(relayed.payload)
    assert isinstance(message, RegistrationRequest)
    answer = reply(to=asked)
    answered = hear(agent, by_home(answer))
    assert kinds(answered) == ADMIT
    assert only(answered, SendDatagram).payload == answer  # extension 34 was for us


@pytest.mark.rfc("5944", "3.5.4", 1, 3, 4)
@pytest.mark.rfc("5944", "3.8.2.2", 5)
@pytest.mark.parametrize(
    ("payload", "source"),
    [
        (request(lifetime=0), HOME),
        (request(care_of=OTHER_CARE_OF, lifetime=0), HOME),
        (request(care_of=HOME, lifetime=0), HOME),
        (request(care_of=OTHER_CARE_OF, flags=RequestFlags(decapsulation_by_mn=True)), OTHER_CARE_OF),
    ],
    ids=["deregistration", "of another address", "of all", "co-located"],
)
@pytest.mark.parametrize("code", [0, 133])
def test_never_on_a_deregistration_nor_for_an_address_that_is_not_ours(
    payload: bytes, source: object, code: int
) -> None:
    agent = ForeignAgent(HOMES)
    relayed = only(ask(agent, visit(payload, source=source)), SendDatagram)  # type: ignore[arg-type]
    assert relayed.payload == payload
    asked = parse(payload)
    assert isinstance(asked, RegistrationRequest)
    answered = hear(agent, reply(code, to=payload, lifetime=asked.lifetime))
    assert Reason.REPLY_RELAYED in reasons(answered)


@pytest.mark.rfc("5944", "3.7.1", 8)
@pytest.mark.rfc("5944", "3.7.3.1", 6, 7, 8, 9, 10, 11, 12)
@pytest.mark.parametrize("code", [0, 1, 131])
@pytest.mark.parametrize("spoil", ["none", "two", "key", "spi", "bytes"])
def test_reply_that_is_not_the_home_agents_registers_nobody_and_is_told_68(spoil: str, code: int) -> None:
    """RFC 4636 s4: by the extension behind what was signed, instead of another code."""
    agent = ForeignAgent(HOMES)
    asked = request()
    ask(agent, asked)
    answer = reply(code, to=asked)
    spoilt = {
        "none": answer,
        "two": by_home(by_home(answer)),
        "key": by_home(answer, replace(WITH_HOME, key=Secret(b"another one"))),
        "spi": by_home(answer, replace(WITH_HOME, spi=Spi(401))),
        "bytes": by_home(answer)[:-1] + b"\x00",
    }[spoil]
    actions = hear(agent, spoilt)
    assert reasons(actions) == [Reason.FA_HA_FAILED_AUTHENTICATION]
    assert Reason.FA_HA_FAILED_AUTHENTICATION.info.level is Level.SECURITY
    assert kinds(actions) == ["SendDatagram"]
    assert only(actions, SendDatagram).payload == answer + ForeignAgentError(68).encode()
    error = sent_reply(actions).first(ForeignAgentError)
    assert error is not None and error.reply_code is ReplyCode.FA_HA_FAILED_AUTHENTICATION
    assert agent.visitors.pending_count() == 0 and agent.visitors.visitor_count() == 0


def test_lifetime_zero_in_a_reply_does_not_excuse_from_authentication() -> None:
    """Or whoever can send from the home agent's address could end the visit."""
    agent = ForeignAgent(HOMES)
    asked = request()
    ask(agent, asked)
    hear(agent, by_home(reply(to=asked)))
    again = request(5)
    ask(agent, again, 5)
    actions = hear(agent, reply(0, to=again, lifetime=0), 5)
    assert reasons(actions) == [Reason.FA_HA_FAILED_AUTHENTICATION]
    assert agent.visitors.visitor_count() == 1


def test_reply_in_the_name_of_another_home_agent_is_not_authenticated_by_the_key_of_the_first() -> None:
    others = AssociationTable([(HOME_AGENT, WITH_HOME), (NEIGHBOUR, OTHER_SPI)])
    agent = ForeignAgent(replace(SETTINGS, home_agents=others))
    asked = request()
    ask(agent, asked)
    actions = hear(agent, by_home(reply(to=asked, home_agent=NEIGHBOUR)))
    assert reasons(actions) == [Reason.FA_HA_FAILED_AUTHENTICATION]


def test_a_stranger_among_home_agents_needs_no_extension() -> None:
    agent = ForeignAgent(replace(SETTINGS, home_agents=AssociationTable([(NEIGHBOUR, WITH_HOME)])))
    asked = request()
    assert only(ask(agent, asked), SendDatagram).payload == asked
    assert kinds(hear(agent, reply(to=asked))) == ADMIT


def test_of_several_care_of_addresses_the_request_leaves_from_the_one_it_names() -> None:
    agent = ForeignAgent(replace(HOMES, more_care_of_addresses=(OTHER_CARE_OF,)))
    for time, care_of in ((0, CARE_OF), (1, OTHER_CARE_OF)):
        asked = request(time, care_of=care_of)
        out = only(ask(agent, asked, time), SendDatagram)
        assert out.source.address == care_of
        assert out.payload == by_home(asked)
