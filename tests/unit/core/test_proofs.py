"""Proofs that AAA servers verify: asked about once, copies of them, and what strangers can make of it."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from mobileip.control.core.actions import Action, Asker, Noted, VerifyProof
from mobileip.control.core.events import ProofAccepted, ProofRejected, ProofUnverified
from mobileip.control.core.proofs import Proofs, Verdict, said, user_of
from mobileip.control.reasons import Reason
from mobileip.control.security import Secret, sign_for_aaa
from mobileip.control.types import ZERO_ADDRESS, Spi
from mobileip.control.wire import (
    MobileAaaAuthentication,
    NetworkAccessIdentifier,
    RegistrationRequest,
    parse,
)
from tests.unit.core.factory import HOME, at, datagram, only, reasons, request

KEY = Secret(b"the password at the AAA server")
ALICE = NetworkAccessIdentifier("alice@Example.NET")


def proving(time: float = 0.0, **fields: Any) -> RegistrationRequest:
    message = parse(sign_for_aaa(KEY, request(time, **fields), None))
    assert isinstance(message, RegistrationRequest)
    return message


class Asking:
    def __init__(self, most: int = 8, rate: int = 40) -> None:
        self.proofs: Proofs[int] = Proofs(Asker.HOME_AGENT, most, rate)

    def ask(
        self, message: RegistrationRequest, time: float = 0.0, sender: int = 1, *, known: bool = False
    ) -> Verdict | list[Action]:
        extension = message.first(MobileAaaAuthentication)
        assert extension is not None
        return self.proofs.verdict(
            message, extension, datagram(message.raw), at(time), sender=sender, known=known
        )

    def asked(self, message: RegistrationRequest, time: float = 0.0, sender: int = 1) -> VerifyProof:
        actions = self.ask(message, time, sender)
        assert isinstance(actions, list)
        return only(actions, VerifyProof)


def test_a_proof_is_asked_about_once_and_its_verdict_is_that_of_every_copy() -> None:
    asking, message = Asking(), proving()
    question = asking.asked(message)
    assert question.user == HOME and question.home_address == HOME
    assert asking.ask(message) == [], "a copy waits for the same answer"
    waiting = asking.proofs.answer(ProofAccepted(question), at(1))
    assert waiting is not None and waiting.request is message
    assert asking.ask(message, 2) is Verdict.ACCEPTED
    another = asking.asked(proving(2), 2)
    assert another.chap != question.chap, "another request has another proof"
    assert asking.proofs.answer(ProofRejected(another), at(2)) is not None
    assert asking.ask(proving(2), 3) is Verdict.REJECTED
    assert asking.ask(message, 30.9) is Verdict.ACCEPTED
    assert isinstance(asking.ask(message, 31.1), list), "long after it nothing is known of it any more"


def test_without_an_answer_nothing_is_known() -> None:
    asking, message = Asking(), proving()
    question = asking.asked(message)
    event = ProofUnverified(question, "no RADIUS server answers")
    assert asking.proofs.answer(event, at(1)) is not None
    assert said(event) == (
        Reason.AAA_PROOF_UNVERIFIED,
        {"user": HOME, "error": "no RADIUS server answers"},
    )
    assert isinstance(asking.ask(message, 2), list), "it is asked about again"


def test_an_answer_that_nobody_waits_for_says_nothing() -> None:
    asking, message = Asking(), proving()
    question = asking.asked(message)
    asking.proofs.answer(ProofUnverified(question, ""), at(0))
    assert asking.proofs.answer(ProofAccepted(question), at(1)) is None
    assert isinstance(asking.ask(message, 2), list)


def test_only_a_name_that_the_proof_covers_counts() -> None:
    named = proving(home_address=ZERO_ADDRESS, before=(ALICE,))
    question = Asking().asked(named)
    assert question.user == "alice@example.net" and question.home_address is None
    behind = parse(proving().raw + ALICE.encode())
    extension = behind.first(MobileAaaAuthentication)
    assert isinstance(behind, RegistrationRequest) and extension is not None
    assert user_of(behind, extension) == HOME


def test_what_no_server_could_verify_is_rejected() -> None:
    nobody = proving(home_address=ZERO_ADDRESS)
    assert Asking().ask(nobody) is Verdict.REJECTED
    other = parse(request() + MobileAaaAuthentication(Spi(300), bytes(16)).encode())
    assert isinstance(other, RegistrationRequest)
    assert Asking().ask(other) is Verdict.REJECTED


def limited(actions: Verdict | list[Action]) -> bool:
    assert isinstance(actions, list)
    return reasons(actions) == [Reason.AAA_QUESTIONS_LIMITED] and len(actions) == 1


def test_a_stranger_has_a_quarter_and_leaves_one_to_nodes_that_are_known() -> None:
    asking = Asking()
    for number in range(6):
        assert not limited(asking.ask(proving(number), sender=number // 2))
    assert limited(asking.ask(proving(6), sender=9)), "no place for another stranger"
    assert not limited(asking.ask(proving(7), sender=9, known=True))
    assert not limited(asking.ask(proving(8), sender=9, known=True))
    assert limited(asking.ask(proving(9), sender=10, known=True)), "full is full"


def test_one_sender_cannot_have_them_all() -> None:
    asking = Asking()
    assert [limited(asking.ask(proving(number))) for number in range(3)] == [False, False, True]


def test_a_node_that_is_known_has_few_and_not_often() -> None:
    asking = Asking(most=100)
    questions = [asking.ask(proving(number), known=True) for number in range(5)]
    assert [limited(one) for one in questions] == [False] * 4 + [True]
    for number, one in enumerate(questions[:4]):
        assert isinstance(one, list)
        asking.proofs.answer(ProofRejected(only(one, VerifyProof)), at(0))
        if number == 3:
            break
    outcomes = []
    for number in range(10, 16):
        one = asking.ask(proving(number), known=True)
        outcomes.append(limited(one))
        if isinstance(one, list) and not limited(one):
            asking.proofs.answer(ProofRejected(only(one, VerifyProof)), at(0))
    assert outcomes == [False] * 4 + [True] * 2, "eight at once, and two in each second after"
    assert not limited(asking.ask(proving(20), 1, known=True))


@pytest.mark.parametrize("known", [False, True])
def test_a_request_too_long_to_wait_is_not_kept(known: bool) -> None:
    padding = tuple(NetworkAccessIdentifier("n" * 250) for _ in range(9))
    assert limited(Asking().ask(proving(before=padding), known=known))


def test_verdicts_are_bounded() -> None:
    asking = Asking(most=100_000, rate=100_000)
    first = proving(0)
    for number in range(4097):
        message = proving(number, home_address=IPv4Address(0x0A000000 + number))
        question = asking.asked(message, sender=number)
        asking.proofs.answer(ProofAccepted(question), at(0))
        if number == 0:
            first = message
            assert asking.ask(first) is Verdict.ACCEPTED
    assert isinstance(asking.ask(first), list), "the oldest is forgotten"
    assert not isinstance(asking.ask(first), Noted)
