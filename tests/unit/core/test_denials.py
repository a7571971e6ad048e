"""Limits of denials: their memory is bounded, and one sender's excess is not another's."""

from __future__ import annotations

from mobileip.control.core.denials import BURST, RATE, DenialLimits
from mobileip.control.types import NANOSECONDS


def allowed(limits: DenialLimits, key: int, times: int, mono: int = 0) -> int:
    return sum(limits.allows_authenticated(key, mono) for _ in range(times))


def test_burst_then_rate() -> None:
    limits = DenialLimits()
    assert allowed(limits, 1, 2 * BURST) == BURST
    assert allowed(limits, 1, 5, NANOSECONDS // RATE - 1) == 0
    assert allowed(limits, 1, 5, NANOSECONDS // RATE) == 1
    assert allowed(limits, 1, 2 * RATE, NANOSECONDS // RATE + NANOSECONDS) == RATE
    assert allowed(limits, 1, 2 * BURST, 100 * NANOSECONDS) == BURST


def test_keys_do_not_share() -> None:
    limits = DenialLimits()
    assert [allowed(limits, key, 2 * BURST) for key in range(5)] == [BURST] * 5


def test_longest_unseen_key_is_forgotten_first() -> None:
    limits = DenialLimits()
    allowed(limits, 0, BURST)
    allowed(limits, 1, BURST)
    for key in range(2, 4096):
        limits.allows_authenticated(key, 0)
    assert allowed(limits, 0, 1) == 0  # still known, and now the one seen last
    limits.allows_authenticated(4096, 0)  # one too many: 1 has to go
    assert allowed(limits, 0, 1) == 0
    assert allowed(limits, 1, BURST) == BURST
