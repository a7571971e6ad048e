"""Keys of GRE headers, agreed between the agents (RFC 6245)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import InstallTunnel, SendDatagram
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.core.home import HomeAgent
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, verify
from mobileip.control.types import EncapsulationType, GreKeys
from mobileip.control.wire import (
    ForeignHomeAuthentication,
    GreKey,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    parse,
)
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_NETWORK,
    OTHER_CARE_OF,
    datagram,
    none,
    only,
    reasons,
    request,
    sent_reply,
    sent_request,
)
from tests.unit.core.homes import AGENTS, FOREIGN, POOL, by_agent, home
from tests.unit.core.homes import ask as ask_home
from tests.unit.core.test_foreign import SETTINGS, hear, visit
from tests.unit.core.test_foreign import ask as ask_foreign

GRE = RequestFlags(gre=True)
EVERYTHING = frozenset(EncapsulationType)
KEYED = replace(SETTINGS, encapsulations=EVERYTHING, gre_keys=True)
ALICE = NetworkAccessIdentifier("alice@example.org")


def kinds_of(message: RegistrationRequest | RegistrationReply) -> list[type]:
    return [type(extension) for extension in message.extensions]


def granted(agent: HomeAgent, payload: bytes, time: float = 0.0) -> tuple[RegistrationReply, InstallTunnel]:
    actions = ask_home(agent, datagram(payload, source=CARE_OF), time)
    return sent_reply(actions), only(actions, InstallTunnel)


def keyed(key: int, flags: RequestFlags = GRE, time: float = 0.0) -> bytes:
    return request(time, flags=flags, after=(GreKey(key),))


# ---- the foreign agent


@pytest.mark.parametrize("lifetime", [100, 0])
def test_foreign_agent_sends_a_key_in_every_request_for_gre(lifetime: int) -> None:
    asked = sent_request(ask_foreign(ForeignAgent(KEYED), request(lifetime=lifetime, flags=GRE)))
    assert kinds_of(asked) == [MobileHomeAuthentication, GreKey]
    assert asked.first(GreKey) == GreKey(int(HOME))


@pytest.mark.parametrize(
    ("settings", "payload"),
    [
        (replace(KEYED, gre_keys=False), request(flags=GRE)),
        (KEYED, request(flags=RequestFlags(minimal=True))),
        (KEYED, request(flags=RequestFlags())),
        (KEYED, request(care_of=OTHER_CARE_OF, flags=RequestFlags(decapsulation_by_mn=True, gre=True))),
    ],
)
def test_and_in_no_other(settings: object, payload: bytes) -> None:
    agent = ForeignAgent(settings)  # type: ignore[arg-type]
    assert sent_request(ask_foreign(agent, visit(payload))).first(GreKey) is None


def test_key_stands_between_the_authentications_and_what_a_node_sends_as_one_is_dropped() -> None:
    agent = ForeignAgent(replace(KEYED, home_agents=AssociationTable([(HOME_AGENT, FOREIGN)])))
    asked = sent_request(ask_foreign(agent, keyed(5)))
    assert kinds_of(asked) == [MobileHomeAuthentication, GreKey, ForeignHomeAuthentication]
    assert asked.first(GreKey) == GreKey(int(HOME))
    signature = asked.first(ForeignHomeAuthentication)
    assert signature is not None and verify(FOREIGN, asked, signature)


# ---- the home agent


@pytest.mark.parametrize("key", [7, int(HOME), 0xFFFF_FFFF, 0])
@pytest.mark.parametrize("flags", [GRE, RequestFlags()])
def test_home_agent_answers_with_a_key_of_its_own(key: int, flags: RequestFlags) -> None:
    """A key is as good as the G bit; 0 leaves both directions to us (s4.2)."""
    agent = home(encapsulations=EVERYTHING)
    reply, tunnel = granted(agent, keyed(key, flags))
    assert kinds_of(reply) == [MobileHomeAuthentication, GreKey]
    assert reply.first(GreKey) == GreKey(int(HOME))
    assert tunnel.encapsulation is EncapsulationType.GRE
    assert tunnel.keys == GreKeys(out=key or int(HOME), into=int(HOME))
    (binding,) = agent.bindings
    assert (binding.gre_key, binding.gre_keys, binding.nai) == (key, tunnel.keys, None)
    _, again = granted(agent, request(1, flags=GRE), 1)
    assert again.encapsulation is EncapsulationType.GRE and again.keys is None


def test_home_agent_signs_its_key_to_the_foreign_agent() -> None:
    agent = home(encapsulations=EVERYTHING, foreign_agents=AGENTS)
    reply, _ = granted(agent, by_agent(flags=GRE, after=(GreKey(7),)))
    assert kinds_of(reply) == [MobileHomeAuthentication, GreKey, ForeignHomeAuthentication]
    signature = reply.first(ForeignHomeAuthentication)
    assert signature is not None and verify(FOREIGN, reply, signature)


@pytest.mark.parametrize(
    ("payload", "kinds"),
    [(keyed(7), frozenset({EncapsulationType.IPIP})), (keyed(7, RequestFlags(minimal=True)), EVERYTHING)],
)
def test_home_agent_denies_a_key_for_what_it_has_not(
    payload: bytes, kinds: frozenset[EncapsulationType]
) -> None:
    actions = ask_home(home(encapsulations=kinds), payload)
    assert reasons(actions) == [Reason.HA_ENCAPSULATION_UNAVAILABLE] and none(actions, InstallTunnel)
    assert sent_reply(actions).first(GreKey) is None


def test_a_key_that_the_node_signed_is_none_of_an_agent() -> None:
    reply, tunnel = granted(home(encapsulations=EVERYTHING), request(flags=GRE, before=(GreKey(7),)))
    assert reply.first(GreKey) is None and tunnel.keys is None


def test_a_binding_by_name_keeps_name_and_key() -> None:
    network = replace(home().settings.networks[0], prefix=HOME_NETWORK, pool=POOL)
    agent = home(
        networks=(network,),
        associations=AssociationTable([(ALICE.nai, ASSOCIATION)]),
        encapsulations=EVERYTHING,
    )
    none_yet = IPv4Address("0.0.0.0")
    asked = request(home_address=none_yet, flags=GRE, before=(ALICE,), after=(GreKey(0),))
    reply, tunnel = granted(agent, asked)
    key = int(reply.home_address)
    assert reply.home_address in POOL and reply.first(GreKey) == GreKey(key)
    assert tunnel.keys == GreKeys(key, key)
    (binding,) = agent.bindings
    assert (binding.nai, binding.gre_key, binding.encapsulation) == (ALICE.nai, 0, EncapsulationType.GRE)


# ---- both


@pytest.mark.parametrize("theirs", [9, int(HOME)])
def test_each_end_sends_what_the_other_asked_for(theirs: int) -> None:
    agent = ForeignAgent(KEYED)
    asked = only(ask_foreign(agent, request(flags=GRE)), SendDatagram).payload
    answer = only(ask_home(home(encapsulations=EVERYTHING), datagram(asked, source=CARE_OF)), SendDatagram)
    message = parse(answer.payload)
    assert isinstance(message, RegistrationReply)
    covered = len(answer.payload) - len(GreKey(0).encode())
    actions = hear(agent, answer.payload[:covered] + GreKey(theirs).encode())
    assert only(actions, InstallTunnel).keys == GreKeys(out=theirs, into=int(HOME))
    # What is between the agents does not reach the node.
    assert only(actions, SendDatagram).payload == answer.payload[:covered]


def test_a_node_without_address_gets_one_key_for_both_directions() -> None:
    agent = ForeignAgent(KEYED)
    payload = request(home_address=IPv4Address("0.0.0.0"), flags=GRE, before=(ALICE,))
    asked = sent_request(ask_foreign(agent, visit(payload, source=IPv4Address("0.0.0.0"))))
    assert asked.first(GreKey) == GreKey(0)


def test_a_home_agent_that_sends_no_key_has_none() -> None:
    agent = ForeignAgent(KEYED)
    ask_foreign(agent, request(flags=GRE))
    plain = home(encapsulations=EVERYTHING)
    answer = only(ask_home(plain, datagram(request(flags=GRE), source=CARE_OF)), SendDatagram)
    tunnel = only(hear(agent, answer.payload), InstallTunnel)
    assert tunnel.encapsulation is EncapsulationType.GRE and tunnel.keys is None
