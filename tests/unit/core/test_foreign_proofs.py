"""A foreign agent whose AAA servers say whether visitors are who they say they are (RFC 4721 s3.2)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from mobileip.control.core.actions import Action, Asker, VerifyProof
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import Event, ProofAccepted, ProofRejected, ProofUnverified
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Reason
from mobileip.control.types import Spi
from mobileip.control.wire import MobileAaaAuthentication
from tests.unit.core.challenged import AAA, CHALLENGED, SHARED, by_aaa, by_key, challenge, counting, replies
from tests.unit.core.factory import HOME, at, kinds, only, reasons, request
from tests.unit.core.test_foreign import SETTINGS, visit

ASKING = replace(CHALLENGED, proof_rate=1000, max_pending=16)


class Agent:
    """A foreign agent as the runner would drive it."""

    def __init__(self, settings: Any = ASKING) -> None:
        self.foreign = ForeignAgent(settings, counting())
        self._agents = MobilityAgents(home=None, foreign=self.foreign, links=(), entropy=bytes)
        self.foreign.challenging.for_link(0)

    def hear(self, payload: bytes, time: float = 0.0, mac: bytes | None = None) -> list[Action]:
        event = visit(payload)
        return self._agents.handle(event if mac is None else replace(event, link_source=mac), at(time))

    def told(self, event: Event, time: float = 0.0) -> list[Action]:
        return self._agents.handle(event, at(time))

    def asked(self, payload: bytes, time: float = 0.0) -> VerifyProof:
        actions = self.hear(payload, time)
        assert kinds(actions) == ["VerifyProof"] and self.foreign.visitors.pending_count() == 0
        return only(actions, VerifyProof)


def codes(actions: list[Action]) -> list[int]:
    return [int(reply.code) for reply in replies(actions)]


def test_a_right_proof_goes_to_the_home_agent_with_its_challenge() -> None:
    agent, payload = Agent(), by_aaa(request(), challenge(1))
    question = agent.asked(payload)
    assert (question.asker, question.user, question.home_address) == (Asker.FOREIGN_AGENT, HOME, HOME)
    actions = agent.told(ProofAccepted(question), 1)
    assert reasons(actions) == [Reason.AAA_PROOF_ACCEPTED, Reason.REQUEST_RELAYED]
    (sent,) = [one.payload for one in actions if type(one).__name__ == "SendDatagram"]
    assert sent == payload, "neither challenge nor proof is removed (s3.2)"
    assert agent.foreign.visitors.pending_count() == 1


def test_a_wrong_one_is_denied_with_108() -> None:
    agent, payload = Agent(), by_aaa(request(), challenge(1))
    actions = agent.told(ProofRejected(agent.asked(payload)), 1)
    assert codes(actions) == [108]
    assert reasons(actions) == [Reason.AAA_PROOF_REJECTED, Reason.FA_BAD_AAA_AUTH]
    assert codes(agent.hear(payload, 3)) == [108], "a copy is not asked about"
    unknown = request(1) + MobileAaaAuthentication(Spi(300), bytes(16)).encode()
    assert codes(Agent(replace(SETTINGS, proof_rate=1000)).hear(unknown)) == [108]


def test_what_nobody_can_say_is_denied_with_66_and_asked_about_again() -> None:
    agent, payload = Agent(), by_aaa(request(), challenge(1))
    actions = agent.told(ProofUnverified(agent.asked(payload), "away"), 1)
    assert codes(actions) == [66]
    assert reasons(actions) == [Reason.AAA_PROOF_UNVERIFIED, Reason.FA_AAA_UNAVAILABLE]
    assert agent.asked(payload, 2)


def test_a_challenge_that_is_not_taken_makes_nobody_ask() -> None:
    agent = Agent()
    assert codes(agent.hear(by_aaa(request(), challenge(9)))) == [104]
    assert codes(agent.hear(request(1), 2)) == [105]


@pytest.mark.parametrize("settings", [CHALLENGED, replace(SHARED, proof_rate=1000)])
def test_who_is_asked_about_nowhere_waits_for_nobody(settings: Any) -> None:
    proof = by_aaa(request(), challenge(1)) if settings is CHALLENGED else by_key(request(), challenge(1))
    assert reasons(Agent(settings).hear(proof)) == [Reason.REQUEST_RELAYED]


def test_one_sender_has_its_share_of_what_waits() -> None:
    agent = Agent()
    outcomes = []
    for number in range(5):
        payload = by_aaa(request(number, home_address=IPv4Address(int(HOME) + number)), challenge(1))
        outcomes.append(kinds(agent.hear(payload)) == ["VerifyProof"])
    assert outcomes == [True] * 4 + [False]
    other = AAA.sign(by_aaa(request(9), challenge(1))[:-24], challenge(1))
    assert kinds(agent.hear(other, mac=b"\2\0\0\0\0\x77")) == ["VerifyProof"], "another is not kept out"


def test_other_bounds_count_from_a_reload_on() -> None:
    agent = Agent()
    payloads = [
        by_aaa(request(number, home_address=IPv4Address(int(HOME) + number)), challenge(1))
        for number in range(4)
    ]
    agent.asked(payloads[0])
    agent.foreign.reconfigure(replace(ASKING, max_pending=8))
    agent.asked(payloads[1])
    assert reasons(agent.hear(payloads[2])) == [Reason.AAA_QUESTIONS_LIMITED]
    agent.foreign.reconfigure(ASKING)
    agent.asked(payloads[2])
