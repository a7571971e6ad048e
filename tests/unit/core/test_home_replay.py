"""The home agent: methods of replay protection by association, and how often it denies (RFC 5944 s5.7, s3.8.2.1)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core import denials
from mobileip.control.core.actions import InstallTunnel
from mobileip.control.core.events import ActionFailed
from mobileip.control.core.home import HomeAgent
from mobileip.control.reasons import Level, Reason
from mobileip.control.security import AssociationTable, Nonces, ReplayMethod
from mobileip.control.types import Identification, Lifetime, Spi
from mobileip.control.wire import RegistrationReply
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    OTHER_CARE_OF,
    WRONG_ASSOCIATION,
    at,
    datagram,
    kinds,
    mono,
    only,
    reasons,
    request,
    sent_reply,
    stamp,
)
from tests.unit.core.homes import ask, home

NONCES = replace(ASSOCIATION, replay=ReplayMethod.NONCES)
NONE = replace(ASSOCIATION, replay=ReplayMethod.NONE)


def by(*associations: object) -> HomeAgent:
    return home(associations=AssociationTable((HOME, one) for one in associations))  # type: ignore[misc]


def asked(
    agent: HomeAgent, identification: Identification, time: float = 0.0, **fields: object
) -> RegistrationReply:
    payload = request(identification=identification, **fields)  # type: ignore[arg-type]
    return sent_reply(ask(agent, payload, time))


# ---- nonces


@pytest.mark.rfc("5944", "5.7", 2, 3)
@pytest.mark.rfc("5944", "5.7.2", 1)
def test_nonces_from_the_first_request_on() -> None:
    agent, nonces = by(NONCES), Nonces()
    codes = []
    for step in range(5):
        identification, nonces = nonces.next_identification(0, 1000 + step)
        answer = asked(agent, identification, step)
        assert answer.identification.low == identification.low
        assert answer.identification.high != identification.high
        nonces = nonces.on_reply(answer.identification)
        codes.append(answer.code)
    assert codes == [133, 1, 1, 1, 1]


def nonce(agent: HomeAgent, time: float = 0.0) -> int:
    """One that the home agent told."""
    answer = asked(agent, Identification(0, 1), time)
    assert answer.code == 133
    return answer.identification.high


@pytest.mark.rfc("5944", "3.8.2.1", 14, 15, 16)
def test_nonce_is_good_for_one_request() -> None:
    agent = by(NONCES)
    used = Identification(nonce(agent), 2)
    assert asked(agent, used).code == 1
    again = ask(agent, request(identification=used, care_of=OTHER_CARE_OF), 1)
    assert sent_reply(again).code == 133 and reasons(again) == [Reason.IDENTIFICATION_MISMATCH]
    assert [one.care_of_address for one in agent.bindings] == [CARE_OF]


def test_clock_does_not_matter_to_nonces() -> None:
    agent = by(NONCES)
    assert asked(agent, Identification(nonce(agent), 2), 10_000_000).code == 1


def test_replays_in_between_do_not_disturb_the_node() -> None:
    agent = by(NONCES)
    old = Identification(nonce(agent), 2)
    fresh = asked(agent, old).identification.high
    for replay in range(5):
        assert asked(agent, old, 1 + replay / 10).code == 133
    assert asked(agent, Identification(fresh, 3), 2).code == 1


def test_denial_for_another_reason_tells_a_nonce_too() -> None:
    agent = by(NONCES)
    answer = asked(agent, Identification(nonce(agent), 2), care_of=HOME)
    assert answer.code == 134
    assert asked(agent, Identification(answer.identification.high, 3)).code == 1


def test_refusal_by_the_kernel_tells_a_nonce_too() -> None:
    agent = by(NONCES)
    actions = ask(agent, request(identification=Identification(nonce(agent), 2)))
    undo = agent.on_action_failed(ActionFailed(only(actions, InstallTunnel), "no"), at(0.5))
    answer = sent_reply(undo)
    assert answer.code == 130
    assert asked(agent, Identification(answer.identification.high, 3), 1).code == 1


def test_forger_is_told_no_nonce() -> None:
    agent = by(NONCES)
    told = nonce(agent)
    forged = request(identification=Identification(5, 6), association=WRONG_ASSOCIATION)
    for _ in range(10):
        assert sent_reply(ask(agent, forged)).identification == Identification(5, 6)
    assert asked(agent, Identification(told, 2)).code == 1


def test_method_and_tolerance_are_the_associations() -> None:
    """One node, three contexts (s1.6)."""
    nonces = replace(NONCES, spi=Spi(1001))
    strict = replace(ASSOCIATION, spi=Spi(1002), replay_tolerance_s=1.0)
    agent = by(ASSOCIATION, nonces, strict)
    assert asked(agent, stamp(5), association=ASSOCIATION).code == 1
    assert asked(agent, stamp(5), association=strict).code == 133
    assert asked(agent, stamp(5), association=nonces).code == 133
    assert asked(agent, stamp(5.5), 5, association=strict).code == 1


# ---- none


def test_none_accepts_any_identification() -> None:
    agent = by(NONE)
    for identification in (Identification(0, 0), stamp(-10_000), stamp(5)):
        answer = asked(agent, identification)
        assert answer.code == 1 and answer.identification == identification


@pytest.mark.rfc("5944", "3.8.2.2", 9)
def test_duplicate_extends_nothing() -> None:
    agent = by(NONE)
    payload = request(identification=Identification(1, 1), lifetime=100)
    ask(agent, payload)
    answer = sent_reply(ask(agent, payload, 30))
    assert (answer.code, answer.lifetime) == (1, 70)
    assert agent.next_deadline() == mono(100)
    assert sent_reply(ask(agent, payload, 99.5)).lifetime == 1  # 0 would be the answer to a deregistration
    assert agent.next_deadline() == mono(100)
    assert asked(agent, Identification(1, 2), 99.6).lifetime == 100
    assert agent.next_deadline() == mono(199.6)


def test_duplicate_of_an_infinite_binding_stays_infinite() -> None:
    agent = home(associations=AssociationTable([(HOME, NONE)]), max_lifetime=Lifetime(Lifetime.INFINITE))
    payload = request(identification=Identification(1, 1), lifetime=Lifetime.INFINITE)
    for time in (0, 30):
        assert sent_reply(ask(agent, payload, time)).lifetime == Lifetime.INFINITE
    assert agent.next_deadline() is None


# ---- how often


def test_forged_requests_of_one_sender_are_answered_so_often() -> None:
    agent = home()
    forged = request(association=WRONG_ASSOCIATION)
    answered = sum(bool(kinds(ask(agent, forged, step / 1000))) for step in range(1000))
    assert denials.BURST <= answered <= denials.BURST + denials.RATE
    actions = ask(agent, forged, 0.999)
    assert reasons(actions) == [Reason.DENIAL_SUPPRESSED] and kinds(actions) == []
    assert Reason.DENIAL_SUPPRESSED.info.level is Level.DEBUG
    elsewhere = datagram(forged, source=IPv4Address("203.0.113.77"))
    assert kinds(ask(agent, elsewhere, 1.0)) == ["SendDatagram"]
    assert kinds(ask(agent, forged, 1.3)) == ["SendDatagram"]


def test_forged_requests_of_invented_senders_have_a_limit_too() -> None:
    agent = home()
    forged = request(association=WRONG_ASSOCIATION)
    sources = [IPv4Address(int(IPv4Address("10.0.0.0")) + number) for number in range(3000)]
    answered = sum(bool(kinds(ask(agent, datagram(forged, source=source), 0))) for source in sources)
    assert answered == denials.TOTAL_RATE


def test_storm_of_forgeries_does_not_keep_a_node_from_registering_or_from_its_133() -> None:
    agent = home()
    forged = request(association=WRONG_ASSOCIATION)
    for step in range(2000):
        ask(agent, forged, step / 2000)
    assert sent_reply(ask(agent, request(-60), 1)).code == 133
    assert sent_reply(ask(agent, request(1), 1)).code == 1


def test_replays_are_answered_so_often() -> None:
    agent = home()
    payload = request(0)
    ask(agent, payload)
    answered = sum(bool(kinds(ask(agent, payload, step / 1000))) for step in range(1000))
    assert denials.BURST <= answered <= denials.BURST + denials.RATE
    assert sent_reply(ask(agent, request(1), 1)).code == 1
