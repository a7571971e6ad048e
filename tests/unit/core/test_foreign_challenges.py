"""The foreign agent with challenges: 104 to 106, 67, 109, retransmissions, replays and floods (RFC 4721 s3.2, s3.3)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import Action, InstallTunnel, SendDatagram
from mobileip.control.core.challenges import ChallengeSettings
from mobileip.control.core.events import UnreachableReceived
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, sign
from mobileip.control.types import Endpoint, Spi
from mobileip.control.wire import (
    Extension,
    ForeignAgentError,
    ForeignHomeAuthentication,
    MobileAaaAuthentication,
    MobileForeignAuthentication,
    MobileForeignChallenge,
    NetworkAccessIdentifier,
)
from tests.unit.core.challenged import (
    CHALLENGED,
    SHARED,
    agent,
    by_aaa,
    by_key,
    challenge,
    code,
    replies,
    request_from,
    told,
)
from tests.unit.core.factory import (
    ASSOCIATION,
    HOME_AGENT,
    NODE_MAC,
    OTHER_MAC,
    WRONG_ASSOCIATION,
    at,
    kinds,
    none,
    only,
    reasons,
    reply,
    request,
)
from tests.unit.core.test_foreign import ask, hear

JUNK = MobileAaaAuthentication(Spi(2), bytes(16))
PROOFS = [pytest.param(by_aaa, CHALLENGED, id="mn-aaa"), pytest.param(by_key, SHARED, id="mn-fa")]


def relayed(actions: list[Action]) -> bytes:
    """The request that went to the home agent."""
    assert Reason.REQUEST_RELAYED in reasons(actions)
    return only(actions, SendDatagram).payload


def registered(machine: ForeignAgent, payload: bytes, time: float, mac: bytes = NODE_MAC) -> bytes:
    """Accepted by the home agent; the challenge that the reply tells."""
    relayed(request_from(machine, payload, time, mac))
    actions = hear(machine, reply(to=payload), time + 0.1)
    assert code(actions) == 1 and not none(actions, InstallTunnel)
    next_one = told(actions)
    assert next_one is not None
    return next_one


# ---- what passes


@pytest.mark.rfc("4721", "3.3", 1, 5)
@pytest.mark.parametrize(("proof", "settings"), PROOFS)
def test_a_node_registers_by_the_link_s_challenge_and_renews_by_its_own(proof, settings) -> None:  # type: ignore[no-untyped-def]
    machine = agent(settings)
    own = registered(machine, proof(request(0), challenge(1)), 0)
    assert own != challenge(1)
    machine.on_tick(at(60))
    another = registered(machine, proof(request(60), own), 60)
    assert another not in (own, challenge(1))


@pytest.mark.rfc("4721", "3.2", 11, 12)
def test_what_answers_to_the_aaa_server_stays_in_what_is_only_for_us_goes() -> None:
    agents = AssociationTable([(HOME_AGENT, ASSOCIATION)])
    payload = by_aaa(request(), challenge(1))
    assert relayed(ask(agent(), payload)) == payload
    signed = relayed(ask(agent(replace(CHALLENGED, home_agents=agents)), payload))
    assert signed == sign(ASSOCIATION, payload, ForeignHomeAuthentication)  # behind both, s3.2
    assert relayed(ask(agent(SHARED), by_key(request(), challenge(1)))) == request()


@pytest.mark.rfc("4721", "3.3", 2)
def test_the_challenge_of_a_reply_stands_before_our_signature() -> None:
    machine = agent(SHARED)
    asked = by_key(request(), challenge(1))
    ask(machine, asked)
    extensions = replies(hear(machine, reply(to=asked)))[0].extensions
    order = [type(one).__name__ for one in extensions]
    assert order == ["MobileHomeAuthentication", "MobileForeignChallenge", "MobileForeignAuthentication"]


def test_nodes_that_answer_nothing_pass_where_it_is_not_required() -> None:
    machine = agent(replace(CHALLENGED, challenge=ChallengeSettings(required=False)))
    assert registered(machine, request(), 0) == challenge(1)  # they may from now on
    assert code(ask(machine, by_aaa(request(5), b"made up"), 5)) == 104


def test_nothing_is_asked_or_told_without_challenges() -> None:
    machine = ForeignAgent(replace(CHALLENGED, challenge=None))
    assert machine.next_deadline() is None
    asked = request(after=(MobileForeignChallenge(b"anything"),))
    ask(machine, asked)
    assert told(hear(machine, reply(to=asked, after=(MobileForeignChallenge(b"else"),)))) is None


def test_challenges_cannot_be_made_without_chance() -> None:
    with pytest.raises(ValueError, match="randomness"):
        ForeignAgent(CHALLENGED)


# ---- what does not


@pytest.mark.rfc("4721", "3.2", 1, 2, 7)
@pytest.mark.rfc("4721", "3.3", 13)
@pytest.mark.parametrize(
    ("payload", "expected", "reason"),
    [
        (request(), 105, Reason.FA_MISSING_CHALLENGE),
        (request(after=(JUNK,)), 105, Reason.FA_MISSING_CHALLENGE),
        (by_aaa(request(), b"made up"), 104, Reason.FA_UNKNOWN_CHALLENGE),
    ],
)
def test_a_request_is_denied_and_told_the_link_s_challenge(
    payload: bytes, expected: int, reason: Reason
) -> None:
    machine = agent()
    actions = ask(machine, payload)
    assert (code(actions), reasons(actions), told(actions)) == (expected, [reason], challenge(1))
    assert machine.visitors.pending_count() == 0
    registered(machine, by_aaa(request(2), challenge(1)), 2)  # nothing is used up by a denial


@pytest.mark.rfc("4721", "3.2", 9, 10)
@pytest.mark.parametrize(
    "after",
    [
        (MobileForeignChallenge(challenge(1)),),
        (JUNK, MobileForeignChallenge(challenge(1))),
        (MobileForeignAuthentication(Spi(900), bytes(16)), MobileForeignChallenge(challenge(1))),
        (MobileForeignChallenge(challenge(1)), JUNK, MobileForeignChallenge(challenge(1))),
    ],
)
def test_an_answer_that_nothing_authenticates_is_discarded_silently(after: tuple[Extension, ...]) -> None:
    for settings in (CHALLENGED, SHARED):
        actions = ask(agent(settings), request(after=after))
        assert reasons(actions) == [Reason.CHALLENGE_UNAUTHENTICATED] and kinds(actions) == []


def test_a_signature_that_is_wrong_or_that_nobody_can_verify_is_denied() -> None:
    wrong = ask(agent(SHARED), by_key(request(), challenge(1), WRONG_ASSOCIATION))
    stranger = ask(agent(), by_key(request(), challenge(1)))
    assert code(wrong) == code(stranger) == 67


@pytest.mark.rfc("4721", "3.2", 5)
@pytest.mark.parametrize(("proof", "settings"), PROOFS)
@pytest.mark.parametrize("mac", [NODE_MAC, OTHER_MAC])
def test_a_recorded_registration_is_denied_and_changes_nothing(proof, settings, mac: bytes) -> None:  # type: ignore[no-untyped-def]
    machine = agent(settings)
    recorded = proof(request(0), challenge(1))
    registered(machine, recorded, 0)
    before = machine.visitors.visitors
    actions = request_from(machine, recorded, 2, mac)
    assert code(actions) == 106 and reasons(actions) == [Reason.FA_STALE_CHALLENGE]
    assert machine.visitors.visitors == before and machine.visitors.pending_count() == 0
    machine.challenging.for_link(at(2).mono)
    for time in (10, 16, 22):
        machine.on_tick(at(time))
        machine.challenging.for_link(at(time).mono)
    assert (
        code(request_from(machine, recorded, 23, mac)) == 104
    )  # the window has forgotten it, and so it is unknown


def test_a_recorded_registration_is_denied_after_the_node_has_left() -> None:
    machine = agent()
    recorded = by_aaa(request(0), challenge(1))
    own = registered(machine, recorded, 0)
    leaving = by_aaa(request(1, lifetime=0), own)
    relayed(ask(machine, leaving, 1))
    hear(machine, reply(0, to=leaving, lifetime=0), 1.1)
    assert machine.visitors.visitors == []
    assert code(request_from(machine, recorded, 2, OTHER_MAC)) == 106
    assert code(request_from(machine, leaving, 4, OTHER_MAC)) == 106


def test_a_name_is_one_node_whatever_its_address() -> None:
    """Its first request has no home address; the next one, with the address that it was given, is the same node's."""
    machine = agent()
    nai = (NetworkAccessIdentifier("user@example.net"),)
    first = by_aaa(request(0, home_address=IPv4Address(0), before=nai), challenge(1))
    ask(machine, first, 0)
    hear(machine, reply(133, to=first, before=nai), 0.1)
    again = by_aaa(request(1, before=nai), challenge(1))
    assert code(ask(machine, again, 1.5)) == 106


# ---- retransmissions


@pytest.mark.rfc("4721", "3.2", 3, 4)
@pytest.mark.parametrize(("proof", "settings"), PROOFS)
def test_a_retransmission_passes_while_the_first_waits(proof, settings) -> None:  # type: ignore[no-untyped-def]
    machine = agent(settings)
    first, again = proof(request(0), challenge(1)), proof(request(1), challenge(1))
    relayed(ask(machine, first, 0))
    relayed(ask(machine, again, 1))
    relayed(ask(machine, again, 1.5))  # byte for byte, too
    hear(machine, reply(to=again), 1.6)
    hear(machine, reply(to=first), 1.7)
    assert code(ask(machine, proof(request(3), challenge(1)), 3)) == 106


@pytest.mark.rfc("4721", "3.2", 3)
@pytest.mark.parametrize(
    "change", [{"lifetime": 0}, {"home_agent": IPv4Address("192.0.2.7")}, {"lifetime": 99}], ids=str
)
def test_another_request_by_the_same_challenge_is_no_retransmission(change: dict[str, object]) -> None:
    machine = agent(SHARED)
    relayed(ask(machine, by_key(request(0), challenge(1)), 0))
    other = by_key(request(1, **change), challenge(1))  # type: ignore[arg-type]
    expected = (
        None if "home_agent" in change else 106
    )  # s12: what another home agent gets is another registration
    actions = ask(machine, other, 1)
    assert (code(actions) if replies(actions) else None) == expected


# ---- forged requests take nothing away


@pytest.mark.rfc("4721", "12", 3, 4)
@pytest.mark.parametrize("end", ["131", "144", "timeout", "unreachable"])
def test_a_forged_answer_does_not_use_a_challenge_up(end: str) -> None:
    machine = agent()
    forged = request(0, after=(MobileForeignChallenge(challenge(1)), JUNK))
    relayed(request_from(machine, forged, 0, OTHER_MAC))
    match end:
        case "timeout":
            machine.on_tick(at(8))
        case "unreachable":
            machine.on_unreachable(UnreachableReceived(Endpoint(HOME_AGENT, 434), 1), at(1))
        case denied:
            hear(machine, reply(int(denied), to=forged, lifetime=0), 1)
    assert machine.challenging.challenges is not None
    assert machine.challenging.challenges.remembered() == (0, 0)
    registered(machine, by_aaa(request(9), challenge(1)), 9)


def test_what_the_home_agent_denies_for_another_reason_is_used_up_and_answered_with_another() -> None:
    machine = agent()
    asked = by_aaa(request(0), challenge(1))
    ask(machine, asked)
    next_one = told(hear(machine, reply(133, to=asked)))
    assert next_one is not None
    assert code(ask(machine, by_aaa(request(2), challenge(1)), 2)) == 106
    registered(machine, by_aaa(request(4), next_one), 4)


def test_a_denial_of_ours_tells_who_has_proven_himself_another() -> None:
    machine = agent(SHARED)
    ask(machine, by_key(request(0), challenge(1)))
    (timeout,) = replies(machine.on_tick(at(8)))
    extension = timeout.first(MobileForeignChallenge)
    assert timeout.code == 78 and extension is not None and extension.challenge != challenge(1)
    registered(machine, by_key(request(9), extension.challenge), 9)


def test_a_flood_is_bounded_and_does_not_keep_a_node_out() -> None:
    settings = replace(CHALLENGED, max_pending=8, max_visitors=8)
    machine = agent(settings)
    for number in range(2000):
        forged = request(
            number / 100,
            home_address=IPv4Address(int(IPv4Address("192.0.2.20")) + number % 200),
            after=(MobileForeignChallenge(challenge(1)), JUNK),
        )
        request_from(machine, forged, number / 1000, (number + 256).to_bytes(6))
    assert machine.visitors.pending_count() <= 8
    assert machine.challenging.challenges is not None
    assert machine.challenging.challenges.remembered() == (0, 0)
    asked = by_aaa(request(2.5), challenge(1))
    assert Reason.REQUEST_RELAYED in reasons(ask(machine, asked, 2.5))
    assert code(hear(machine, reply(to=asked), 2.6)) == 1 and len(machine.visitors.visitors) == 1


# ---- what the home agent returns


@pytest.mark.rfc("4721", "3.3", 3, 6, 7)
def test_the_home_agent_s_copy_is_checked_and_taken_out() -> None:
    for returned in (None, challenge(1)):
        machine = agent()
        asked = by_aaa(request(0), challenge(1))
        ask(machine, asked)
        after = () if returned is None else (MobileForeignChallenge(returned),)
        (answer,) = replies(hear(machine, reply(to=asked, after=after)))
        found = [one for one in answer.extensions if isinstance(one, MobileForeignChallenge)]
        assert len(found) == 1 and found[0].challenge != challenge(1)
        assert len(machine.visitors.visitors) == 1


@pytest.mark.rfc("4721", "3.3", 8, 9, 14, 15)
@pytest.mark.parametrize("proof", ["mn-aaa", "mn-fa"])
def test_another_challenge_from_the_home_agent_is_told_to_the_node_and_not_honoured(proof: str) -> None:
    aaa = proof == "mn-aaa"
    machine = agent(CHALLENGED if aaa else SHARED)
    asked = (by_aaa if aaa else by_key)(request(0), challenge(1))
    ask(machine, asked)
    actions = hear(machine, reply(to=asked, after=(MobileForeignChallenge(b"another"),)))
    (answer,) = replies(actions)
    error = answer.first(ForeignAgentError)
    assert answer.code == 1 and error is not None and error.status == 109
    assert reasons(actions) == [Reason.FA_WRONG_CHALLENGE]
    assert machine.visitors.visitors == []
    order = [type(one).__name__ for one in answer.extensions]
    assert order[:3] == ["MobileHomeAuthentication", "MobileForeignChallenge", "ForeignAgentError"]


@pytest.mark.rfc("4721", "3.3", 12)
def test_code_144_is_relayed() -> None:
    machine = agent()
    asked = by_aaa(request(0), challenge(1))
    ask(machine, asked)
    assert code(hear(machine, reply(144, to=asked, lifetime=0))) == 144


# ---- a reload, a restart


def test_a_reload_keeps_what_was_told_and_used_and_a_restart_does_not() -> None:
    machine = agent()
    first = by_aaa(request(0), challenge(1))
    own = registered(machine, first, 0)
    machine.reconfigure(replace(CHALLENGED, challenge=ChallengeSettings(window=3)))
    assert code(ask(machine, first, 2)) == 106
    registered(machine, by_aaa(request(3), own), 3)
    assert code(ask(ForeignAgent(CHALLENGED, lambda length: b"!" * length), first, 4)) == 104
    machine.reconfigure(replace(CHALLENGED, challenge=None))
    assert told(ask(machine, request(5, lifetime=301), 5)) is None
