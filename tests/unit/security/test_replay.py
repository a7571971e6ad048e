"""Timestamps (RFC 5944 s5.7.1): what a home agent accepts, and how a mobile node comes to be accepted."""

from __future__ import annotations

import random

import pytest

from mobileip.control.security import Timestamps, check, is_fresh, resynchronise
from mobileip.control.types import NANOSECONDS, Identification, seconds

NOW = 1_795_503_600 * NANOSECONDS + 123_456_789
TOLERANCE = seconds(7)
END_OF_ERA = (2**32 - 2_208_988_800) * NANOSECONDS  # 2036-02-07 06:28:16 UTC


def at(wall: int, entropy: int = 0) -> Identification:
    return Identification.from_wall(wall, entropy)


@pytest.mark.rfc("5944", "5.7", 1)
@pytest.mark.rfc("5944", "5.7.1", 6)
@pytest.mark.parametrize(
    ("ahead_s", "accepted"),
    [(0, True), (6.9, True), (-6.9, True), (7.1, False), (-7.1, False), (3600, False)],
)
def test_home_agent_wants_a_timestamp_near_its_clock(ahead_s: float, accepted: bool) -> None:
    assert check(at(NOW + seconds(ahead_s)), NOW, None, TOLERANCE) is accepted


def test_tolerance_itself_is_still_accepted() -> None:
    second = NOW // NANOSECONDS * NANOSECONDS
    assert check(at(second + TOLERANCE), second, None, TOLERANCE)
    assert not check(Identification(at(second + TOLERANCE).high, 5), second, None, TOLERANCE)


@pytest.mark.rfc("5944", "5.7.1", 7)
def test_home_agent_wants_a_newer_timestamp_than_the_last() -> None:
    last = at(NOW, 5)
    assert not check(last, NOW, last, TOLERANCE)
    assert not check(at(NOW, 4), NOW, last, TOLERANCE)
    assert not check(at(NOW - seconds(1)), NOW, last, TOLERANCE)
    assert check(at(NOW, 6), NOW, last, TOLERANCE)
    assert check(at(NOW + seconds(1)), NOW, last, TOLERANCE)


def test_order_survives_the_end_of_ntp_era_0() -> None:
    before, after = at(END_OF_ERA - 1, 0xFFFF), at(END_OF_ERA)
    assert (before.high, after.high) == (0xFFFF_FFFF, 0)
    assert check(after, END_OF_ERA, before, TOLERANCE)
    assert not check(before, END_OF_ERA, after, TOLERANCE)


@pytest.mark.rfc("5944", "5.7.1", 2)
def test_refusal_carries_our_time_and_the_requests_low_half() -> None:
    request = at(NOW - seconds(86400), 0xABCD)
    reply = resynchronise(request, NOW)
    assert reply.low == request.low
    assert reply.high == NOW // NANOSECONDS + 2_208_988_800


@pytest.mark.rfc("5944", "5.7", 6)
@pytest.mark.rfc("5944", "5.7.1", 4)
def test_timestamps_grow_whatever_the_clock_does(rng: random.Random) -> None:
    timestamps, wall, last = Timestamps(), NOW, -1
    for _ in range(2000):
        wall += rng.choice([0, 0, 1, 1000, NANOSECONDS, -1, -1000, -seconds(5)])
        identification, timestamps = timestamps.next_identification(wall, rng.getrandbits(16))
        assert identification.to_int() > last
        assert 0 <= identification.high < 1 << 32 and 0 <= identification.low < 1 << 32
        last = identification.to_int()


def test_timestamps_grow_through_the_end_of_ntp_era_0() -> None:
    first, timestamps = Timestamps(last=Identification(0xFFFF_FFFF, 0xFFFF_FFFF)).next_identification(NOW, 0)
    assert (first.high, first.low) == (0, 0)
    second, _ = timestamps.next_identification(END_OF_ERA + 1, 0)
    assert check(second, END_OF_ERA + 1, first, TOLERANCE)


@pytest.mark.rfc("5944", "5.7.1", 2, 3)
def test_entropy_is_in_the_lowest_bits_only() -> None:
    one, _ = Timestamps().next_identification(NOW, 0)
    two, _ = Timestamps().next_identification(NOW, 0xFFFF)
    assert (one.high, one.low >> 16, two.low & 0xFFFF) == (two.high, two.low >> 16, 0xFFFF)
    assert abs(two.to_wall() - NOW) < 20_000  # ns


@pytest.mark.parametrize("skew_s", [-100_000_000, -86400, -60, -8, 8, 10, 60, 86400, 1_000_000_000])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.999])
def test_one_refusal_is_enough_to_follow_the_home_agents_clock(skew_s: float, fraction: float) -> None:
    home_clock = NOW // NANOSECONDS * NANOSECONDS + seconds(fraction)
    skew = seconds(skew_s)
    request, timestamps = Timestamps().next_identification(home_clock + skew, 0x1234)
    assert not check(request, home_clock, None, TOLERANCE)
    timestamps = timestamps.on_mismatch(resynchronise(request, home_clock), home_clock + skew)
    assert abs(timestamps.offset + skew) <= NANOSECONDS // 2
    for elapsed in (seconds(0.05), seconds(1), seconds(3600)):
        request, timestamps = timestamps.next_identification(home_clock + skew + elapsed, 0x1234)
        assert check(request, home_clock + elapsed, None, seconds(3))


def test_small_correction_keeps_the_order() -> None:
    accepted, timestamps = Timestamps().next_identification(NOW + seconds(2), 0)
    timestamps = timestamps.on_mismatch(resynchronise(accepted, NOW), NOW + seconds(2))
    again, _ = timestamps.next_identification(NOW + seconds(2), 0)
    assert check(again, NOW, accepted, TOLERANCE)


def test_node_whose_clock_ran_ahead_within_tolerance_is_soon_accepted_again() -> None:
    """Accepted at +6 s, refused at +8 s: for a while the corrected clock is behind what was accepted."""
    accepted, timestamps = Timestamps().next_identification(NOW + seconds(6), 0)
    assert check(accepted, NOW, None, TOLERANCE)
    skew, refusals = seconds(8), 0
    for now in range(NOW, NOW + seconds(10), seconds(1)):
        request, timestamps = timestamps.next_identification(now + skew, 0)
        if check(request, now, accepted, TOLERANCE):
            break
        refusals += 1
        timestamps = timestamps.on_mismatch(resynchronise(request, now), now + skew)
    assert 1 <= refusals <= 7


def test_a_timestamp_as_a_number_is_the_same_moment() -> None:
    """In both eras, to the nanosecond: with no tolerance at all only its very moment is fresh."""
    rng = random.Random(5944)
    for _ in range(2000):
        one = Identification(rng.getrandbits(32), rng.getrandbits(32))
        assert is_fresh(one.to_int(), one.to_wall(), None, 0)
        assert not is_fresh(one.to_int(), one.to_wall() + rng.choice((-1, 1)), None, 0)
        assert Identification.from_int(one.to_int()) == one
