"""Limits of replay protection that mutation testing found untested."""

from __future__ import annotations

import pytest

from mobileip.control.security import (
    MobilitySecurityAssociation,
    Nonces,
    Secret,
    Timestamps,
    check,
    nonces,
)
from mobileip.control.types import NANOSECONDS, Identification, Instant, Spi, seconds

NOW = 1_795_503_600 * NANOSECONDS
YEARS = seconds(365 * 86400)


def test_offset_is_taken_from_the_middle_of_the_second_that_the_reply_tells() -> None:
    told = Identification.from_wall(NOW + 3 * NANOSECONDS, 0)
    assert Timestamps().offset == 0
    assert Timestamps().on_mismatch(told, NOW).offset == 3 * NANOSECONDS + NANOSECONDS // 2


@pytest.mark.parametrize(("later", "kept"), [(0, True), (1, False)])
def test_own_timestamps_are_forgotten_when_more_than_three_seconds_ahead_of_the_home_agent(
    later: int, kept: bool
) -> None:
    """Three seconds are what every home agent accepts (s5.7.1)."""
    told = Identification.from_wall(NOW, 0)
    last = Identification(told.high + 3, 0x8000_0000 + 5 * later)  # 5 units are the first whole nanosecond
    assert (Timestamps(0, last).on_mismatch(told, NOW).last == last) is kept


def test_a_timestamp_is_newer_than_one_of_decades_ago() -> None:
    old = Identification.from_wall(NOW - 40 * YEARS, 0)
    assert check(Identification.from_wall(NOW, 0), NOW, old, seconds(7))


@pytest.mark.parametrize("ours", [0, 5, 0xFFFF_FFFF])
def test_a_node_never_draws_its_last_nonce_again(ours: int) -> None:
    identification, _ = Nonces(theirs=1, ours=ours).next_identification(0, ours)
    assert identification.low != ours
    assert 0 <= identification.low <= 0xFFFF_FFFF


@pytest.mark.parametrize(("asked", "told"), [(7, 6), (6, 7), (8, 7)])
def test_a_home_agent_never_tells_the_nonce_that_was_just_used(
    monkeypatch: pytest.MonkeyPatch, asked: int, told: int
) -> None:
    association = MobilitySecurityAssociation(Spi(256), Secret(b"a key of enough bytes"))
    monkeypatch.setattr(nonces, "digest", lambda association, covered: b"\0\0\0\x07" + bytes(12))
    assert nonces.draw(association, Identification(asked, 9), Instant(1, NOW)) == told
