"""A mobile node answers challenges: which, by what, in what order, and what it does about denials (RFC 4721)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import Action, SendDatagram, SendIcmp
from mobileip.control.core.events import Tick
from mobileip.control.core.heard_challenges import HeardChallenges
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.reasons import Reason
from mobileip.control.security import MobilitySecurityAssociation, ReplayMethod, Secret, as_chap, verify
from mobileip.control.security.mobile_aaa import MobileAaaAssociation
from mobileip.control.types import Spi
from mobileip.control.wire import (
    EncapsulatingDelivery,
    Extension,
    ForeignAgentError,
    MobileAaaAuthentication,
    MobileForeignAuthentication,
    MobileForeignChallenge,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationRequest,
    parse,
)
from tests.unit.core.factory import (
    AGENT,
    ASSOCIATION,
    advertisement,
    at,
    datagram,
    home_advertisement,
    none,
    note,
    reasons,
    reply,
)
from tests.unit.core.mobile import ADDRESS, asked, up
from tests.unit.core.test_mobile import SETTINGS, node

SECRET = Secret(b"the password of the node")
CHAP, HMAC = MobileAaaAssociation(Spi(2), SECRET), MobileAaaAssociation(Spi(700), SECRET)
WITH_AGENT = MobilitySecurityAssociation(Spi(900), Secret(b"between node and agent"))
BY_AAA = replace(SETTINGS, aaa=CHAP)
BY_KEY = replace(SETTINGS, foreign_agents={AGENT: WITH_AGENT})
PLACE = ("eth0", AGENT)


def challenged(settings=BY_AAA, challenge: bytes = b"adv1") -> tuple[MobileNode, bytes]:  # type: ignore[no-untyped-def]
    machine = node(settings)
    up(machine, 0)
    return machine, asked(hear(machine, challenge, 0))


def hear(machine: MobileNode, challenge: bytes | None, time: float, sequence: int = 0) -> list[Action]:
    return machine.handle(advertisement(sequence, lifetime=9000, challenge=challenge), at(time))


def answer(machine: MobileNode, payload: bytes, time: float, code: int, *after: Extension) -> list[Action]:
    """The foreign agent's denial or the home agent's reply, with what the foreign agent adds."""
    signed = None if 64 <= code <= 127 else ASSOCIATION
    return machine.handle(datagram(reply(code, to=payload, after=after, association=signed)), at(time))


def request_in(payload: bytes) -> RegistrationRequest:
    message = parse(payload)
    assert isinstance(message, RegistrationRequest)
    return message


def answered(payload: bytes) -> bytes | None:
    extension = request_in(payload).first(MobileForeignChallenge)
    return None if extension is None else extension.challenge


def kinds_in(payload: bytes) -> list[str]:
    return [type(one).__name__ for one in request_in(payload).extensions]


# ---- what is sent


@pytest.mark.rfc("4721", "3.1", 1, 7, 9)
@pytest.mark.rfc("4721", "6", 1, 3)
def test_by_an_aaa_server_s_password() -> None:
    _, payload = challenged()
    assert kinds_in(payload) == [
        "MobileHomeAuthentication",
        "MobileForeignChallenge",
        "MobileAaaAuthentication",
    ]
    message = request_in(payload)
    proof = message.first(MobileAaaAuthentication)
    assert proof is not None and answered(payload) == b"adv1"
    chap = as_chap(message, proof)
    assert chap is not None and chap.identifier == b"adv1"[0] and chap.challenge[16:] == b"adv1"
    secret = SECRET.reveal()
    assert proof.authenticator == hashlib.md5(bytes((chap.identifier,)) + secret + chap.challenge).digest()
    assert chap.challenge[:16] == hashlib.md5(payload[: proof.covered]).digest()


@pytest.mark.rfc("4721", "6", 6)
def test_by_hmac_md5_under_any_spi() -> None:
    _, payload = challenged(replace(SETTINGS, aaa=HMAC))
    proof = request_in(payload).first(MobileAaaAuthentication)
    assert proof is not None and proof.spi == 700 and proof.end == len(payload)
    assert payload[proof.offset : proof.covered] == bytes.fromhex("2401 0014 000002bc")
    assert proof.authenticator == hmac.digest(SECRET.reveal(), payload[: proof.covered], "md5")


@pytest.mark.rfc("4721", "3.1", 2, 3, 4)
def test_by_the_key_shared_with_the_agent() -> None:
    _, payload = challenged(BY_KEY)
    assert kinds_in(payload) == [
        "MobileHomeAuthentication",
        "MobileForeignChallenge",
        "MobileForeignAuthentication",
    ]
    message = request_in(payload)
    signature = message.first(MobileForeignAuthentication)
    assert signature is not None and verify(WITH_AGENT, message, signature)


@pytest.mark.rfc("4721", "3.1", 5, 6, 8)
@pytest.mark.rfc("4721", "6", 2)
def test_by_both_in_the_order_of_the_standard() -> None:
    settings = replace(BY_KEY, aaa=CHAP, nai="user@example.net", encapsulating_delivery=True)
    _, payload = challenged(settings)
    assert kinds_in(payload) == [
        NetworkAccessIdentifier.__name__,
        MobileHomeAuthentication.__name__,
        MobileForeignChallenge.__name__,
        MobileAaaAuthentication.__name__,
        EncapsulatingDelivery.__name__,  # for the foreign agent only: behind what the home agent gets
        MobileForeignAuthentication.__name__,
    ]


@pytest.mark.parametrize("settings", [BY_AAA, BY_KEY, replace(SETTINGS, aaa=HMAC)])
def test_an_agent_without_challenges_is_asked_as_ever(settings) -> None:  # type: ignore[no-untyped-def]
    machine = node(settings)
    up(machine, 0)
    kinds = kinds_in(asked(hear(machine, None, 0)))
    assert "MobileForeignChallenge" not in kinds and "MobileAaaAuthentication" not in kinds


def test_who_has_nothing_to_answer_by_does_not() -> None:
    machine, payload = challenged(SETTINGS)
    assert kinds_in(payload) == ["MobileHomeAuthentication"]
    actions = answer(machine, payload, 0.1, 105, MobileForeignChallenge(b"own1"))
    assert note(actions, Reason.DENIED).fields["cause"] == "fa-missing-challenge"
    assert none(actions, SendDatagram)


@pytest.mark.rfc("4721", "3.1", 10)
@pytest.mark.parametrize(("aaa", "proof"), [(CHAP, True), (HMAC, False)])
def test_directly_there_is_no_challenge_and_chap_has_the_value_0(aaa, proof: bool) -> None:  # type: ignore[no-untyped-def]
    machine = node(replace(SETTINGS, aaa=aaa))
    up(machine, 0, ADDRESS)
    payload = asked(machine.handle(Tick(), at(0.5)))
    message = request_in(payload)
    assert message.flags.decapsulation_by_mn and message.first(MobileForeignChallenge) is None
    extension = message.first(MobileAaaAuthentication)
    assert (extension is not None) == proof
    if extension is not None:
        chap = as_chap(message, extension)
        assert chap is not None and (chap.identifier, chap.challenge[16:]) == (0, b"\0")


def test_at_home_there_is_no_challenge_either() -> None:
    machine, payload = challenged()
    answer(machine, payload, 0.1, 1, MobileForeignChallenge(b"own1"))
    home = request_in(asked(machine.handle(home_advertisement(), at(10))))
    assert home.lifetime == 0 and home.first(MobileForeignChallenge) is None


# ---- which


@pytest.mark.rfc("4721", "3.3", 10)
@pytest.mark.rfc("4721", "4", 1)
def test_the_latest_heard_is_answered_whoever_told_it() -> None:
    machine, payload = challenged()
    answer(machine, payload, 0.1, 1, MobileForeignChallenge(b"own1"))
    assert machine.state is State.REGISTERED
    hear(machine, b"adv1", 1, 1)  # still advertised, but answered
    renewal = asked(renewed(machine))
    assert answered(renewal) == b"own1"
    answer(machine, renewal, 70.1, 1, MobileForeignChallenge(b"own2"))
    hear(machine, b"adv9", 71, 2)
    assert answered(asked(renewed(machine))) == b"adv9"


def renewed(machine: MobileNode) -> list[Action]:
    """What it does when its renewal is due."""
    deadline = machine.next_deadline()
    assert deadline is not None
    return machine.handle(Tick(), replace(at(0), mono=deadline, wall=at(0).wall + deadline - at(0).mono))


def test_an_agent_that_gives_challenges_up_is_asked_without() -> None:
    machine, payload = challenged()
    answer(machine, payload, 0.1, 1, MobileForeignChallenge(b"own1"))
    hear(machine, None, 1, 1)
    assert answered(asked(renewed(machine))) is None


def test_a_retransmission_may_answer_the_same() -> None:
    machine, payload = challenged()
    again = asked(machine.handle(Tick(), at(1)))
    assert answered(again) == answered(payload) and again != payload
    hear(machine, b"adv2", 1.5, 1)
    assert answered(asked(machine.handle(Tick(), at(3)))) == b"adv2"


def test_with_nonces_a_retransmission_is_the_same_byte_for_byte() -> None:
    machine, payload = challenged(
        replace(BY_AAA, association=replace(ASSOCIATION, replay=ReplayMethod.NONCES))
    )
    assert asked(machine.handle(Tick(), at(1))) == payload


# ---- denials


@pytest.mark.rfc("4721", "3.5", 1)
@pytest.mark.parametrize(
    ("code", "cause"),
    [(104, "fa-unknown-challenge"), (105, "fa-missing-challenge"), (106, "fa-stale-challenge")],
)
def test_a_denial_is_answered_at_once_by_the_challenge_in_it(code: int, cause: str) -> None:
    machine, payload = challenged()
    actions = answer(machine, payload, 0.1, code, MobileForeignChallenge(b"own1"))
    said = note(actions, Reason.RETRYING).fields
    assert (said["repaired"], said["how"], said["code"]) == (cause, "by a new challenge", code)
    again = asked(actions)
    assert answered(again) == b"own1"
    answer(machine, again, 0.2, 1, MobileForeignChallenge(b"own2"))
    assert machine.state is State.REGISTERED


def test_an_agent_that_is_never_content_is_asked_ever_less() -> None:
    machine, payload = challenged()
    time, sent = 0.0, []
    for number in range(50):
        actions = answer(machine, payload, time, 106, MobileForeignChallenge(b"own%d" % number))
        while none(actions, SendDatagram):
            time += 0.5
            actions = machine.handle(Tick(), at(time))
            if time > 300:
                break
        if time > 300:
            break
        payload = asked(actions)
        sent.append(time)
    assert len([time for time in sent if time < 1]) <= 4 and len(sent) <= 16


@pytest.mark.rfc("4721", "3.3", 11)
@pytest.mark.rfc("4721", "3.5", 1)
def test_without_a_challenge_in_the_denial_one_is_solicited() -> None:
    machine, payload = challenged()
    actions = answer(machine, payload, 0.1, 104)
    assert none(actions, SendDatagram) and Reason.CHALLENGE_AWAITED in reasons(actions)
    assert machine.next_deadline() == at(0.1).mono
    assert not none(machine.handle(Tick(), at(0.1)), SendIcmp)
    assert none(hear(machine, b"adv1", 0.2, 1), SendDatagram)  # the one that was not taken
    hear(machine, b"adv2", 0.3, 2)
    assert answered(asked(machine.handle(Tick(), at(1)))) == b"adv2"  # a second after the last request


def test_a_silent_agent_is_solicited_again_and_again_with_growing_waits() -> None:
    machine, payload = challenged()
    answer(machine, payload, 0.1, 104)
    solicited, time = [], 0.1
    while time < 120:
        time += 0.1
        actions = machine.handle(Tick(), at(time))
        assert none(actions, SendDatagram)
        solicited += [time for action in actions if isinstance(action, SendIcmp)]
    assert 8 <= len(solicited) <= 40


def test_a_denial_that_has_nothing_to_do_with_challenges_brings_the_next_one_too() -> None:
    machine, payload = challenged()
    actions = answer(machine, payload, 0.1, 69, MobileForeignChallenge(b"own1"))
    assert none(actions, SendDatagram)
    assert answered(asked(machine.handle(Tick(), at(1.1)))) == b"own1"


def test_a_wrong_challenge_behind_an_acceptance_is_asked_for_again() -> None:
    machine, payload = challenged()
    actions = answer(machine, payload, 0.1, 1, MobileForeignChallenge(b"own1"), ForeignAgentError(109))
    assert note(actions, Reason.RETRYING).fields["code"] == 109
    assert answered(asked(actions)) == b"own1" and machine.state is State.REGISTERING


@pytest.mark.parametrize("code", [131, 144])
def test_what_the_home_agent_does_not_believe_is_asked_again_later_by_another_challenge(code: int) -> None:
    machine, payload = challenged()
    actions = answer(machine, payload, 0.1, code, MobileForeignChallenge(b"adv2"))
    assert none(actions, SendDatagram) and Reason.DENIED in reasons(actions)
    assert answered(asked(machine.handle(Tick(), at(1.1)))) == b"adv2"


def test_a_forged_reply_tells_nothing() -> None:
    machine, payload = challenged(BY_KEY)
    forged = reply(106, to=payload, after=(MobileForeignChallenge(b"evil"),), association=None)
    actions = machine.handle(datagram(forged), at(0.1))
    assert reasons(actions) == [Reason.REPLY_BAD_AUTHENTICATOR]
    assert answered(asked(machine.handle(Tick(), at(1)))) == b"adv1"


# ---- what is remembered


def test_memory_of_agents_and_of_their_challenges_is_bounded() -> None:
    heard = HeardChallenges()
    for number in range(1000):
        heard.hear(("eth0", IPv4Address(number)), b"%d" % number)
    assert not heard.wants_answers(("eth0", IPv4Address(0)))
    assert heard.pick(("eth0", IPv4Address(999))) == b"999"
    for number in range(100):
        heard.hear(PLACE, b"own%d" % number)
        heard.use(PLACE, b"own%d" % number)
    heard.hear(PLACE, b"own90")
    assert heard.pick(PLACE) is None and heard.pick(PLACE, again=True) == b"own99"
