"""The search for the lossless rate, against links whose capacity is known."""

from __future__ import annotations

import random

import pytest

from benchmarks.throughput.search import TOLERATED, UNLIMITED, Trial, lossless_rate

SECONDS = 0.25


class FakeLink:
    """Passes ``capacity`` packets a second of the ``fastest`` that are sent; ``flaw`` of the trials lose anyway."""

    def __init__(self, capacity: float, fastest: float, flaw: float = 0.0) -> None:
        self.capacity, self.fastest, self.flaw = capacity, fastest, flaw
        self.trials: list[float] = []
        self._random = random.Random(26)

    def __call__(self, rate: float) -> Trial:
        self.trials.append(rate)
        offered = self.fastest if rate == UNLIMITED else min(rate, self.fastest)
        passed = min(offered, self.capacity)
        if self._random.random() < self.flaw:
            passed *= 0.9
        return Trial(round(offered * SECONDS), SECONDS, round(passed * SECONDS), SECONDS)


@pytest.mark.parametrize("capacity", [3_000, 41_000, 230_000, 900_000])
def test_finds_the_capacity(capacity: float) -> None:
    link = FakeLink(capacity, fastest=1_000_000)
    found = lossless_rate(link)
    assert capacity / 1.06 <= found <= capacity * (1 + TOLERATED)
    assert len(link.trials) < 20


def test_a_sender_slower_than_the_link_is_the_limit() -> None:
    link = FakeLink(10_000_000, fastest=500_000)
    assert lossless_rate(link) == 500_000
    assert link.trials == [UNLIMITED]


def test_one_loss_by_chance_does_not_lower_the_rate() -> None:
    found = [lossless_rate(FakeLink(200_000, 1_000_000, flaw=0.1)) for _ in range(3)]
    assert all(rate > 180_000 for rate in found)


def test_nothing_passes() -> None:
    assert lossless_rate(FakeLink(0, fastest=1_000_000)) == 0


def test_loss_below_the_tolerance_is_none() -> None:
    assert Trial(1000, 1.0, 995, 1.0).lossless
    assert not Trial(1000, 1.0, 994, 1.0).lossless
    assert not Trial(0, 1.0, 0, 0.0).lossless


def test_a_queue_that_empties_later_does_not_count_as_speed() -> None:
    trial = Trial(sent=100_000, sending=1.0, received=100_000, receiving=2.0)
    assert (trial.offered_rate, trial.delivered_rate) == (100_000, 50_000)
    assert Trial(0, 0.0, 0, 0.0).offered_rate == Trial(0, 0.0, 0, 0.0).delivered_rate == 0
