"""The home agent and Mobile-AAA authentication: when AAA servers are asked, and what comes of their answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mobileip.control.core.actions import Action, Asker, LookupKey, VerifyProof
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import Event, KeysFound, ProofAccepted, ProofRejected, ProofUnverified
from mobileip.control.core.home import HomeAgent, HomeNetwork
from mobileip.control.core.keyring import KeySettings
from mobileip.control.core.proofs import ProofSettings
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, Secret, sign_for_aaa
from mobileip.control.types import ZERO_ADDRESS
from mobileip.control.wire import MobileForeignChallenge, NetworkAccessIdentifier, RegistrationReply
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_NETWORK,
    WRONG_ASSOCIATION,
    at,
    datagram,
    is_signed,
    kinds,
    note,
    only,
    reasons,
    request,
    sent_reply,
)
from tests.unit.core.homes import POOL, SETTINGS

KEY = Secret(b"the password at the AAA server")
ALICE = NetworkAccessIdentifier("alice@Example.NET")
PRESENT, REQUIRED = ProofSettings(), ProofSettings(required=True)
BRINGS = ProofSettings(required=True, brings_keys=True)
VIRTUAL = (HomeNetwork(HOME_NETWORK, None),)


def proving(time: float = 0.0, **fields: Any) -> bytes:
    return sign_for_aaa(KEY, request(time, **fields), None)


class Agent:
    """A home agent as the runner would drive it."""

    def __init__(self, proofs: ProofSettings | None = REQUIRED, **changes: Any) -> None:
        self.settings = replace(SETTINGS, proofs=proofs, networks=VIRTUAL, **changes)
        self.home = HomeAgent(self.settings)
        self._agents = MobilityAgents(home=self.home, foreign=None, links=(), entropy=bytes)

    def hear(self, payload: bytes, time: float = 0.0) -> list[Action]:
        return self._agents.handle(datagram(payload, source=CARE_OF), at(time))

    def asked(self, payload: bytes, time: float = 0.0) -> VerifyProof:
        actions = self.hear(payload, time)
        assert kinds(actions) == ["VerifyProof"], "nothing else happens before there is an answer"
        return only(actions, VerifyProof)

    def told(self, event: Event, time: float = 0.0) -> list[Action]:
        return self._agents.handle(event, at(time))


def code(actions: list[Action]) -> int:
    answer: RegistrationReply = sent_reply(actions)
    assert is_signed(answer)
    return int(answer.code)


def test_a_right_proof_is_let_in_when_the_servers_have_said_so() -> None:
    agent = Agent()
    question = agent.asked(proving())
    assert (question.asker, question.user, question.home_address) == (Asker.HOME_AGENT, HOME, HOME)
    assert agent.home.bindings.get(HOME) is None
    actions = agent.told(ProofAccepted(question), 1)
    assert code(actions) == 1 and reasons(actions)[0] is Reason.AAA_PROOF_ACCEPTED
    assert agent.home.bindings.get(HOME) is not None


@pytest.mark.parametrize("proofs", [PRESENT, REQUIRED])
def test_a_wrong_one_is_denied_with_144(proofs: ProofSettings) -> None:
    agent = Agent(proofs)
    question = agent.asked(proving())
    actions = agent.told(ProofRejected(question), 1)
    assert code(actions) == 144 and reasons(actions) == [Reason.AAA_PROOF_REJECTED, Reason.HA_BAD_AAA_AUTH]
    assert agent.home.bindings.get(HOME) is None
    assert code(agent.hear(proving(), 2)) == 144, "the same once more is not asked about"


def test_no_answer_is_none_for_the_node_and_it_tries_again() -> None:
    agent = Agent()
    question = agent.asked(proving())
    actions = agent.told(ProofUnverified(question, "no RADIUS server answers"), 3)
    assert kinds(actions) == [] and reasons(actions) == [Reason.AAA_PROOF_UNVERIFIED]
    assert note(actions, Reason.AAA_PROOF_UNVERIFIED).fields["error"] == "no RADIUS server answers"
    assert code(agent.told(ProofAccepted(agent.asked(proving(4), 4)), 4)) == 1


def test_without_one_a_node_is_denied_only_if_it_is_required() -> None:
    actions = Agent(REQUIRED).hear(request())
    assert code(actions) == 144 and reasons(actions) == [Reason.HA_MISSING_AAA_AUTH]
    assert code(Agent(PRESENT).hear(request())) == 1
    assert code(Agent(None).hear(request())) == 1


def test_a_home_agent_without_servers_pays_no_attention_to_it() -> None:
    assert code(Agent(None).hear(proving())) == 1


def test_each_renewal_is_asked_about_and_none_goes_by_the_short_way() -> None:
    agent = Agent()
    for time in range(3):
        assert code(agent.told(ProofAccepted(agent.asked(proving(time), time)), time)) == 1
    assert code(agent.hear(request(3), 3)) == 144


def test_renewals_without_one_go_the_short_way_until_it_is_required() -> None:
    agent = Agent(PRESENT)
    for time in range(3):
        assert code(agent.hear(request(time), time)) == 1
    agent.home.reconfigure(replace(agent.settings, proofs=REQUIRED))
    assert code(agent.hear(request(3), 3)) == 144
    agent.home.reconfigure(agent.settings)
    assert code(agent.hear(request(4), 4)) == 1


def test_whether_servers_are_asked_cannot_change() -> None:
    agent = Agent(None)
    with pytest.raises(ValueError, match="cannot change"):
        agent.home.reconfigure(replace(agent.settings, proofs=REQUIRED))


def test_who_gives_up_a_binding_proves_nothing() -> None:
    agent = Agent()
    agent.told(ProofAccepted(agent.asked(proving())), 0)
    assert code(agent.hear(request(1, lifetime=0, care_of=HOME), 1)) == 0
    assert agent.home.bindings.get(HOME) is None


def test_who_is_not_authentic_or_not_fresh_makes_nobody_ask() -> None:
    agent = Agent()
    forged = agent.hear(proving(association=WRONG_ASSOCIATION))
    assert reasons(forged) == [Reason.MN_FAILED_AUTHENTICATION]
    stale = agent.hear(proving(-100))
    assert reasons(stale) == [Reason.IDENTIFICATION_MISMATCH]


def test_what_waits_is_no_more_than_what_it_was_when_it_came() -> None:
    """A timestamp is judged by the time of its arrival, however long the servers took."""
    agent = Agent()
    assert code(agent.told(ProofAccepted(agent.asked(proving())), 20)) == 1


def test_one_that_was_overtaken_is_a_replay() -> None:
    agent = Agent()
    first, second = agent.asked(proving(0), 0), agent.asked(proving(1), 1)
    assert code(agent.told(ProofAccepted(second), 2)) == 1
    assert code(agent.told(ProofAccepted(first), 3)) == 133


def test_the_proof_of_another_node_proves_nothing() -> None:
    """The verdict is on the bytes that the servers were asked about."""
    agent = Agent(associations=AssociationTable([(HOME, ASSOCIATION), (HOME + 1, ASSOCIATION)]))
    accepted = proving()
    agent.told(ProofAccepted(agent.asked(accepted)), 0)
    stolen = request(1, home_address=HOME + 1) + accepted[-24:]
    assert agent.asked(stolen, 1).user == HOME + 1


@pytest.mark.rfc("4721", "3.4", 1, 2)
@pytest.mark.rfc("4721", "6", 4, 5)
def test_the_challenge_comes_back_behind_the_node_s_part() -> None:
    agent = Agent()
    challenge = MobileForeignChallenge(b"sixteen bytes ..")
    payload = sign_for_aaa(KEY, request(after=(challenge,)), challenge.challenge)
    question = agent.asked(payload)
    assert question.chap.challenge.endswith(challenge.challenge)
    answer = sent_reply(agent.told(ProofAccepted(question)))
    assert [type(one).__name__ for one in answer.extensions] == [
        "MobileHomeAuthentication",
        "MobileForeignChallenge",
    ], "and no Mobile-AAA authentication (RFC 4721 s6)"


class Unknown(Agent):
    """One that asks RADIUS servers for keys as well."""

    def __init__(self, proofs: ProofSettings = BRINGS) -> None:
        networks = (HomeNetwork(HOME_NETWORK, None, POOL),)
        super().__init__(proofs, associations=AssociationTable(), keys=KeySettings())
        self.settings = replace(self.settings, networks=networks)
        self.home = HomeAgent(self.settings)
        self._agents = MobilityAgents(home=self.home, foreign=None, links=(), entropy=bytes)


def named(time: float = 0.0, **fields: Any) -> bytes:
    return proving(time, home_address=ZERO_ADDRESS, before=(ALICE,), **fields)


def test_one_question_brings_verdict_and_key() -> None:
    agent = Unknown()
    question = agent.asked(named())
    assert question.user == "alice@example.net"
    keys = KeysFound("alice@example.net", (ASSOCIATION,), "radius")
    actions = agent.told(ProofAccepted(question, keys), 1)
    assert code(actions) == 1
    assert reasons(actions)[:2] == [Reason.KEYS_FOUND, Reason.AAA_PROOF_ACCEPTED]
    assert agent.asked(named(2), 2).user == "alice@example.net", "the key is known, the next proof is not"


def test_without_a_key_in_the_answer_it_is_asked_for_and_the_proof_is_not_again() -> None:
    agent = Unknown()
    looked_up = agent.told(ProofAccepted(agent.asked(named())), 1)
    assert only(looked_up, LookupKey).peer == "alice@example.net"
    found = agent.told(KeysFound("alice@example.net", (ASSOCIATION,), "radius"), 2)
    assert code(found) == 1


def test_a_stranger_with_a_wrong_proof_hears_nothing() -> None:
    agent = Unknown()
    actions = agent.told(ProofRejected(agent.asked(named())), 1)
    assert kinds(actions) == [] and reasons(actions) == [Reason.AAA_PROOF_REJECTED, Reason.HA_BAD_AAA_AUTH]
    assert note(actions, Reason.HA_BAD_AAA_AUTH).fields["answered"] is False
    assert agent.asked(named(2), 2), "and nobody is kept out by that"


def test_keys_are_asked_for_if_the_servers_know_another_name_or_no_keys() -> None:
    by_address = proving(before=(ALICE,))  # its key is that of its address, its proof that of its name
    assert only(Unknown().hear(by_address), LookupKey).peer == HOME
    assert only(Unknown(REQUIRED).hear(named()), LookupKey).peer == "alice@example.net"
    assert only(Unknown().hear(request(home_address=HOME)), LookupKey).peer == HOME
