"""Probing of paths on a virtual clock, in a network that drops what is too long without a word."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobileip.control.core.path_probes import PathCarries, PathProbes, Probe, ProbeAction
from mobileip.control.core.tunnel_state import FLOOR
from mobileip.control.types import Instant, seconds

REMOTE, HOME = IPv4Address("198.51.100.1"), IPv4Address("203.0.113.5")
MILLISECOND = seconds(0.001)
CONFIRMED, SILENT, RAISE, PATHS = seconds(10), seconds(60), seconds(600), 256  # as docs/mtu.md says
HEALED = seconds(20)  # from the first lost packet until the tunnel fits, at a round trip of at most 300 ms


@dataclass
class World:
    """A sender of ``size`` bytes, or what the tunnel carries, ten times a second; and the path of its tunnel."""

    path: int = 1500
    answers: bool = True
    loss: float = 0.0
    round_trip: int = 20 * MILLISECOND
    size: int = 1500
    seed: int = 0
    mono: int = 0
    tunnel: int = 1500
    sent: list[tuple[int, int]] = field(default_factory=list)  # when, size of probes
    told: list[tuple[int, int]] = field(default_factory=list)  # when, MTU

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.probes = PathProbes(self.rng.randbytes)
        self._replies: list[tuple[int, int, Probe]] = []
        self._number = itertools.count()

    def run(self, duration: int, traffic: bool = True) -> None:
        end = self.mono + duration
        packet = self.mono
        while self.mono < end:
            deadline = self.probes.next_deadline()
            reply = self._replies[0][0] if self._replies else None
            self.mono = max(self.mono, min(t for t in (end, packet, deadline, reply) if t is not None))
            now = Instant(self.mono, 0)
            if self.mono >= packet:
                packet += 100 * MILLISECOND
                size = min(self.size, self.tunnel)
                if traffic:
                    self._perform(self.probes.on_large_packet(REMOTE, HOME, size, now))
            while self._replies and self._replies[0][0] <= self.mono:
                probe = heapq.heappop(self._replies)[2]
                self._perform(self.probes.on_reply(probe.remote, probe.nonce, now))
            if deadline is not None and self.mono >= deadline:
                self._perform(self.probes.tick(now))

    def _perform(self, actions: list[ProbeAction]) -> None:
        for action in actions:
            if isinstance(action, PathCarries):
                self.told.append((self.mono, action.mtu))
                self.tunnel = action.mtu
                continue
            self.sent.append((self.mono, action.size))
            if self.answers and action.size <= self.path and self.rng.random() >= self.loss:
                heapq.heappush(self._replies, (self.mono + self.round_trip, next(self._number), action))


def test_a_path_that_carries_all_is_only_looked_at() -> None:
    world = World()
    world.run(seconds(120))
    assert not world.told
    assert {size for _, size in world.sent} == {1500}
    assert len(world.sent) <= 13  # one in ten seconds


def test_without_large_packets_nothing_is_sent() -> None:
    for world in (World(size=FLOOR), World()):
        world.run(seconds(600), traffic=world.size == FLOOR)
        assert not world.sent


@pytest.mark.parametrize("path", [576, 577, 600, 1006, 1279, 1280, 1400, 1499])
@pytest.mark.parametrize("round_trip", [1, 20, 300])
def test_a_hole_heals_with_the_very_size(path: int, round_trip: int) -> None:
    world = World(path=path, round_trip=round_trip * MILLISECOND)
    world.run(HEALED)
    assert world.tunnel == path
    assert all(mtu == path for _, mtu in world.told)  # not by way of others
    assert len(world.sent) < 100


def test_one_that_opens_under_traffic_heals_too() -> None:
    world = World()
    world.run(seconds(60))
    for path in (1400, 1006, 576):
        world.path = path
        world.run(CONFIRMED + HEALED)
        assert world.tunnel == path


def test_a_far_end_that_never_answers_changes_nothing() -> None:
    world = World(path=1000, answers=False)
    world.run(seconds(3600))
    assert not world.told
    assert len(world.sent) <= 3600 / 60 * 6


def test_it_is_asked_three_times_and_then_left_alone_for_a_minute() -> None:
    probes = PathProbes(random.Random(1).randbytes)
    sent = probes.on_large_packet(REMOTE, HOME, 1500, Instant(0, 0))
    for second in (1, 2, 3):
        assert probes.next_deadline() == seconds(second)
        sent += probes.tick(Instant(seconds(second), 0))
    assert probes.next_deadline() == seconds(3) + SILENT
    assert [one.size for one in sent if isinstance(one, Probe)] == [1500, 1500, FLOOR, 1500, FLOOR]
    assert {len(one.nonce) for one in sent if isinstance(one, Probe)} == {16}


def test_a_search_tries_eight_sizes_at_once_and_the_lost_ones_twice() -> None:
    world = World(path=FLOOR)
    world.run(HEALED)
    sent: dict[int, list[int]] = {}
    for when, size in world.sent:
        if FLOOR < size < 1500:
            sent.setdefault(size, []).append(when)
    assert {len(times) for times in sent.values()} == {2}
    assert max(Counter(when for when, _ in world.sent).values()) == 8


def test_one_that_answers_later_is_found() -> None:
    world = World(path=1000, answers=False)
    world.run(seconds(30))
    world.answers = True
    world.run(SILENT + HEALED)
    assert world.tunnel == 1000


def test_more_is_tried_ten_minutes_later_and_not_before() -> None:
    world = World(path=1006)
    world.run(HEALED)
    narrowed = world.told[0][0]
    world.path = 1500
    world.run(narrowed + RAISE - world.mono)
    assert world.tunnel == 1006
    assert max(size for when, size in world.sent if when > narrowed) == 1006
    world.run(seconds(0.2))
    assert max(size for _, size in world.sent[-8:]) == 1500
    world.run(HEALED)
    assert world.tunnel == 1500


def test_a_path_that_stays_narrow_keeps_its_traffic_while_more_is_tried() -> None:
    world = World(path=1006)
    world.run(HEALED)
    world.run(seconds(3600))
    assert {mtu for _, mtu in world.told} == {1006}
    # Told again and again, so that it is not forgotten after ten minutes.
    assert max(b - a for (a, _), (b, _) in itertools.pairwise(world.told)) < RAISE / 2


def test_it_is_raised_to_what_carries_more_only_in_part() -> None:
    world = World(path=1006)
    world.run(HEALED)
    world.path = 1400
    world.run(RAISE + HEALED)
    assert world.tunnel == 1400


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_loss_is_no_hole(loss: float) -> None:
    wrong = 0
    for seed in range(20):
        world = World(loss=loss, seed=seed)
        world.run(seconds(300))
        wrong += world.tunnel < 1500
    assert wrong <= (0 if loss < 0.1 else 2)


@given(st.integers(FLOOR, 1500), st.integers(1, 400), st.floats(0, 0.3), st.integers(0, 1 << 32))
@settings(max_examples=60)
def test_never_more_than_passes_and_never_below_the_floor(
    path: int, round_trip: int, loss: float, seed: int
) -> None:
    world = World(path=path, round_trip=round_trip * MILLISECOND, loss=loss, seed=seed)
    world.run(seconds(120))
    assert all(FLOOR <= mtu <= path for _, mtu in world.told)


@pytest.mark.parametrize("delay", [0.3, 2.0, 9.0])
def test_answers_that_come_late_count(delay: float) -> None:
    world = World(path=1400, round_trip=seconds(delay))
    world.run(seconds(400))
    assert all(mtu <= 1400 for _, mtu in world.told)
    if delay < 5:
        assert world.tunnel == 1400


Forge = Callable[[Probe], tuple[IPv4Address, bytes]]


@pytest.mark.parametrize(
    "forge",
    [
        lambda probe: (probe.remote, bytes(16)),
        lambda probe: (probe.remote, probe.nonce[:-1]),
        lambda probe: (probe.remote + 1, probe.nonce),
    ],
)
def test_who_does_not_see_a_probe_cannot_answer_it(forge: Forge) -> None:
    probes, mono = PathProbes(random.Random(1).randbytes), 0
    actions = probes.on_large_packet(REMOTE, HOME, 1500, Instant(0, 0))
    while mono < seconds(30):
        mono += seconds(0.5)
        for action in actions:
            assert isinstance(action, Probe)
            assert probes.on_reply(*forge(action), Instant(mono, 0)) == []
        actions = probes.tick(Instant(mono, 0))
        assert all(isinstance(action, Probe) for action in actions)


def test_only_so_many_paths_are_probed_at_a_time() -> None:
    probes = PathProbes(random.Random(1).randbytes)
    reached = set()
    for number in range(2 * PATHS):
        now = Instant(number * seconds(0.01), 0)  # as fast as all together may be probed
        for action in probes.on_large_packet(REMOTE + number, HOME, 1500, now):
            assert isinstance(action, Probe)
            reached.add(action.remote)
    assert reached == {REMOTE + number for number in range(PATHS)}
    another = REMOTE + 5 * PATHS
    assert probes.on_large_packet(another, HOME, 1500, Instant(seconds(60) - 1, 0)) == []
    # The first had no traffic for a minute: its place is free, and it has to wait for another's.
    (action,) = probes.on_large_packet(another, HOME, 1500, Instant(seconds(60), 0))
    assert isinstance(action, Probe) and action.remote == another
    assert probes.on_large_packet(REMOTE, HOME, 1500, Instant(seconds(60), 0)) == []
    assert probes.on_large_packet(REMOTE, HOME, 1500, Instant(seconds(60.01), 0))


def test_all_paths_together_send_so_many_probes_a_second() -> None:
    probes, sent = PathProbes(random.Random(1).randbytes), 0
    for number in range(PATHS):
        sent += len(probes.on_large_packet(REMOTE + number, HOME, 1500, Instant(0, 0)))
    assert sent == 200
    for tenth in range(1, 101):
        sent += len(probes.tick(Instant(tenth * seconds(0.1), 0)))
    assert sent <= 200 + 100 * 10


def test_the_wait_for_an_answer_follows_the_round_trip() -> None:
    world = World(round_trip=seconds(2))
    world.run(seconds(20))
    before = len(world.sent)
    world.run(seconds(60))
    assert len(world.sent) - before <= 7  # one in ten seconds, none of them repeated


def test_an_answer_counts_once() -> None:
    probes = PathProbes(random.Random(1).randbytes)
    (probe,) = probes.on_large_packet(REMOTE, HOME, 1500, Instant(0, 0))
    assert isinstance(probe, Probe)
    probes.on_reply(REMOTE, probe.nonce, Instant(seconds(0.1), 0))
    again = Instant(seconds(9), 0)
    assert probes.on_reply(REMOTE, probe.nonce, again) == []
    # Ten seconds after the first, not after the second, the size is tried again.
    assert probes.on_large_packet(REMOTE, HOME, 1500, again) == []
    assert probes.on_large_packet(REMOTE, HOME, 1500, Instant(seconds(10.1), 0))


@pytest.mark.parametrize(("round_trip", "wait"), [(0.01, 0.5), (0.2, 0.8), (0.5, 2.0), (5.0, 3.0)])
def test_an_answer_is_waited_for_four_round_trips_long_within_bounds(round_trip: float, wait: float) -> None:
    probes, again = PathProbes(random.Random(1).randbytes), seconds(20)
    (probe,) = probes.on_large_packet(REMOTE, HOME, 1500, Instant(0, 0))
    assert probes.next_deadline() == seconds(1), "nothing is known of the path"
    assert isinstance(probe, Probe)
    probes.on_reply(REMOTE, probe.nonce, Instant(seconds(round_trip), 0))
    assert probes.next_deadline() is None
    assert probes.on_large_packet(REMOTE, HOME, 1500, Instant(again, 0))
    assert probes.next_deadline() == again + seconds(wait)


class Checked:
    """A path on which 1500 bytes were tried twice, and a small probe beside the second."""

    def __init__(self) -> None:
        self.probes = PathProbes(random.Random(1).randbytes)
        sent = self.large(1500, 0) + self.probes.tick(Instant(seconds(1), 0))
        self.first, self.second, self.small = (one for one in sent if isinstance(one, Probe))
        assert (self.first.size, self.second.size, self.small.size) == (1500, 1500, FLOOR)

    def large(self, size: int, at: float) -> list[ProbeAction]:
        return self.probes.on_large_packet(REMOTE, HOME, size, Instant(seconds(at), 0))

    def answered(self, probe: Probe, at: float) -> None:
        assert self.probes.on_reply(REMOTE, probe.nonce, Instant(seconds(at), 0)) == []


def test_a_second_answer_of_the_same_size_is_good_for_as_long_as_a_first() -> None:
    path = Checked()
    path.answered(path.first, 1.1)
    path.answered(path.second, 1.5)
    assert path.large(1500, 11.4) == []
    assert path.large(1500, 11.5)


def test_the_answer_of_a_smaller_size_takes_nothing_from_a_larger() -> None:
    path = Checked()
    path.answered(path.first, 1.1)
    path.answered(path.small, 1.5)
    assert path.large(1500, 11.0) == []
    assert path.large(1500, 11.1)


def test_what_was_confirmed_too_long_ago_gives_way_to_a_smaller_size() -> None:
    path = Checked()
    path.answered(path.first, 1.0)
    (probe,) = path.large(1400, 11.0)
    assert isinstance(probe, Probe) and probe.size == 1400
    path.answered(probe, 11.0)
    assert path.large(1400, 20.9) == []
    assert path.large(1400, 21.0)
