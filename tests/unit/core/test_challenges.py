"""A foreign agent's challenges: what is told, what is taken, each once, and what is remembered (RFC 4721)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.challenges import Challenges, ChallengeSettings, Node, answer_of
from mobileip.control.reasons import Reason
from mobileip.control.types import Spi, seconds
from mobileip.control.wire import (
    MobileAaaAuthentication,
    MobileForeignAuthentication,
    MobileForeignChallenge,
    RegistrationRequest,
    parse,
)
from tests.unit.core.challenged import challenge, counting
from tests.unit.core.factory import HOME, HOME_AGENT, NODE_MAC, OTHER_MAC, request

NODE: Node = (HOME, HOME_AGENT)
OTHER: Node = (IPv4Address("192.0.2.11"), HOME_AGENT)
SETTINGS = ChallengeSettings(window=2, interval=5.0)
UNKNOWN, STALE = Reason.FA_UNKNOWN_CHALLENGE, Reason.FA_STALE_CHALLENGE


def challenges(window: int = 2, limit: int = 100) -> Challenges:
    return Challenges(replace(SETTINGS, window=window), limit, counting())


def turn(machine: Challenges, time: int) -> bytes:
    """Tell the latest and let the clock put the next in its place, which is told too."""
    machine.for_link(seconds(time))
    machine.on_tick(seconds(time + 5))
    return machine.for_link(seconds(time + 5))


# ---- the window


@pytest.mark.rfc("4721", "2", 1, 2)
def test_challenges_are_as_long_as_their_entropy() -> None:
    asked: list[int] = []

    def entropy(length: int) -> bytes:
        asked.append(length)
        return bytes(length)

    assert len(Challenges(SETTINGS, 10, entropy).for_link(0)) == 16
    assert asked == [16]


@pytest.mark.rfc("4721", "3.2", 6, 7)
@pytest.mark.rfc("4721", "9", 1, 2)
@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_the_last_challenges_of_the_link_are_taken_and_no_other(window: int) -> None:
    machine = challenges(window)
    told = [machine.for_link(0), *[turn(machine, 5 * step) for step in range(7)]]
    for number, one in enumerate(told):
        expected = None if number >= len(told) - window else UNKNOWN
        assert machine.refusal(NODE, NODE_MAC, one) is expected
    assert machine.refusal(NODE, NODE_MAC, b"never told") is UNKNOWN
    assert machine.refusal(NODE, NODE_MAC, b"") is UNKNOWN


def test_one_challenge_is_told_for_the_interval_and_then_the_next() -> None:
    machine = challenges()
    assert machine.next_deadline() is None  # nobody was told
    assert machine.for_link(seconds(10)) == machine.for_link(seconds(12)) == challenge(1)
    assert machine.next_deadline() == seconds(15)
    machine.on_tick(seconds(15) - 1)
    assert machine.for_link(seconds(15)) == challenge(1)
    machine.on_tick(seconds(15))
    assert machine.next_deadline() is None
    assert machine.for_link(seconds(60)) == challenge(2)
    assert machine.next_deadline() == seconds(65)


def test_what_was_told_to_nobody_takes_no_place_in_the_window() -> None:
    """An agent that advertises rarely, or only to who asks."""
    machine = challenges()
    first = machine.for_link(0)
    for time in range(0, 1000, 5):
        machine.on_tick(seconds(time))
    assert machine.refusal(NODE, NODE_MAC, first) is None
    assert machine.for_link(seconds(1000)) == challenge(2)


# ---- each once


@pytest.mark.rfc("4721", "3.2", 5, 8)
def test_a_challenge_is_taken_once_from_each_node() -> None:
    machine = challenges()
    machine.use(NODE, NODE_MAC, challenge(1))
    assert machine.refusal(NODE, NODE_MAC, challenge(1)) is STALE
    assert machine.refusal(NODE, OTHER_MAC, challenge(1)) is STALE  # wherever it comes from
    assert machine.refusal(OTHER, OTHER_MAC, challenge(1)) is None  # s12: another node's answer is another


@pytest.mark.rfc("4721", "3.2", 8)
def test_none_is_taken_that_was_told_before_the_last_one_used() -> None:
    machine = challenges(3)
    first, second, third = machine.for_link(0), turn(machine, 0), turn(machine, 5)
    machine.use(NODE, NODE_MAC, second)
    assert machine.refusal(NODE, NODE_MAC, first) is STALE
    assert machine.refusal(NODE, NODE_MAC, second) is STALE
    assert machine.refusal(NODE, NODE_MAC, third) is None


def test_a_challenge_of_its_own_does_not_make_those_of_the_link_good_again() -> None:
    machine = challenges()
    machine.use(NODE, NODE_MAC, challenge(1))
    own = machine.for_station(NODE_MAC, 0)
    machine.use(NODE, NODE_MAC, own)
    assert machine.refusal(NODE, NODE_MAC, challenge(1)) is STALE
    assert machine.refusal(NODE, NODE_MAC, own) is STALE
    assert machine.refusal(NODE, NODE_MAC, machine.for_station(NODE_MAC, 0)) is None


# ---- what each is told


@pytest.mark.rfc("4721", "2.1", 3, 4)
@pytest.mark.rfc("4721", "3.2.1", 2, 3)
@pytest.mark.rfc("4721", "3.3", 5)
def test_who_has_used_one_is_told_another_until_he_uses_that() -> None:
    machine = challenges()
    assert machine.for_station(NODE_MAC, 0) == machine.for_link(0)
    machine.use(NODE, NODE_MAC, challenge(1))
    own = machine.for_station(NODE_MAC, 0)
    assert own not in (challenge(1), machine.for_station(OTHER_MAC, 0))
    for step in range(4):
        assert machine.for_station(NODE_MAC, 0) == own
        assert (
            machine.refusal(NODE, NODE_MAC, own) is None
        )  # good until it is used, whatever the link is told
        turn(machine, 5 * step)
    machine.use(NODE, NODE_MAC, own)
    assert machine.for_station(NODE_MAC, 0) != own


def test_ones_own_challenge_is_nobody_elses() -> None:
    machine = challenges()
    machine.use(NODE, NODE_MAC, challenge(1))
    assert machine.refusal(OTHER, OTHER_MAC, machine.for_station(NODE_MAC, 0)) is UNKNOWN


@pytest.mark.rfc("4721", "2.1", 1)
@pytest.mark.rfc("4721", "12", 3, 4)
def test_strangers_neither_move_the_window_nor_take_room() -> None:
    machine = challenges()
    latest = machine.for_link(0)
    for number in range(10_000):
        stranger = number.to_bytes(6)
        assert machine.for_station(stranger, 1) == latest
        machine.refusal((IPv4Address(number), HOME_AGENT), stranger, b"a guess")
    assert machine.remembered() == (0, 0)
    assert machine.refusal(NODE, NODE_MAC, latest) is None


# ---- what is remembered


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    machine = challenges(limit=10)
    nodes = [((IPv4Address(number), HOME_AGENT), number.to_bytes(6)) for number in range(1, 30)]
    for node, mac in nodes:
        machine.use(node, mac, challenge(1))
        assert max(machine.remembered()) <= 10
    assert machine.refusal(*nodes[-1], challenge(1)) is STALE
    assert machine.for_station(nodes[-1][1], 0) != challenge(1)
    assert machine.for_station(nodes[0][1], 0) == challenge(1)


def test_what_the_window_holds_no_more_is_forgotten() -> None:
    machine = challenges()
    machine.use(NODE, NODE_MAC, challenge(1))
    turn(machine, 0)
    assert machine.refusal(NODE, NODE_MAC, challenge(1)) is STALE
    turn(machine, 5)
    assert machine.remembered() == (0, 1)
    assert machine.refusal(NODE, NODE_MAC, challenge(1)) is UNKNOWN


def test_a_smaller_window_and_limit_count_at_once() -> None:
    machine = challenges(3)
    told = [machine.for_link(0), turn(machine, 0), turn(machine, 5)]
    for number in range(5):
        machine.use((IPv4Address(number), HOME_AGENT), number.to_bytes(6), told[2])
    machine.reconfigure(replace(SETTINGS, window=1, interval=1.0), 2)
    assert [machine.refusal(NODE, NODE_MAC, one) for one in told] == [UNKNOWN, UNKNOWN, None]
    assert machine.remembered() == (2, 2)
    assert machine.next_deadline() == seconds(11)


# ---- what answers


def test_the_answer_is_the_last_challenge_with_what_stands_behind_it() -> None:
    before = (MobileForeignChallenge(b"1"), MobileAaaAuthentication(Spi(2), bytes(16)))
    behind = (MobileForeignChallenge(b"2"), MobileForeignAuthentication(Spi(300), bytes(16)))
    message = parse(request(after=(*before, *behind)))
    assert isinstance(message, RegistrationRequest)
    answer = answer_of(message)
    assert answer is not None and answer.challenge == b"2"
    assert answer.mobile_aaa is None and answer.mobile_foreign is not None
    plain = parse(request())
    assert isinstance(plain, RegistrationRequest) and answer_of(plain) is None
