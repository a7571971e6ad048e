"""The legitimate nodes: each registers, renews, moves and deregisters, at a rate or as fast as it is answered."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobileip.control.lab.namespaces import LabError
from tools.load import messages
from tools.load.population import Population
from tools.load.tally import ACCEPTED, Operation, Tally
from tools.load.ways import DEPTH, Way

PATIENCE: Final = (
    1.0  # s until a request counts as lost, which is also a node's first retransmission (s3.6.3)
)
_SWEEP: Final = 0.1  # s between searches for lost requests
_PATIENT: Final = 30.0  # s until registering all is given up, and more for many:
_SLOWEST: Final = 500  # new bindings a second at the very least
_PAUSE: Final = 0.0005  # s
_VERIFY_ONE_IN: Final = 64  # replies whose authenticator is checked
_MISMATCH: Final = 133
_ALWAYS_RENEW: Final = {Operation.RENEW: 1.0}


class Players:
    """All nodes of a population, taken in turn, on ``ways`` (a move through foreign agents changes the way).

    ``mix`` gives the share of each operation among the nodes that have a binding; those without register.
    ``places``: how many care-of addresses there are to move between.
    """

    def __init__(
        self,
        population: Population,
        ways: Sequence[Way],
        *,
        mix: Mapping[Operation, float] = _ALWAYS_RENEW,
        lifetime: int = 600,
        places: int = 1024,
        seed: int = 1,
    ) -> None:
        count = population.count
        self._population = population
        self._ways = ways
        self._places = len(ways) if len(ways) > 1 else places
        self._lifetime = lifetime
        self._random = np.random.default_rng(seed)
        shares = np.array([mix.get(operation, 0.0) for operation in Operation])
        self._cumulative = np.cumsum(shares / shares.sum())
        self._next = 0
        self._replies_seen = 0
        self.registered: NDArray[np.bool_] = np.zeros(count, bool)
        self._pending = np.zeros(count, bool)
        self._given_up = np.zeros(count, bool)  # lost, but its answer may still come
        self._place = self._random.integers(0, self._places, count)
        self._wanted_place = self._place.copy()
        self._operation = np.zeros(count, np.uint8)
        self._sent_at = np.zeros(count, np.int64)
        self._identification = np.zeros(count, np.uint64)
        self._outstanding = 0

    def register_all(self, *, window: int = 64) -> Tally:
        """Give every node a binding, with ``window`` requests unanswered at a time.

        :raises LabError: some get none for long.
        """
        count = self._population.count
        tally = self._run(_PATIENT + count / _SLOWEST, rate=None, window=window, registering=True)
        if not self.registered.all():
            raise LabError(
                f"only {int(self.registered.sum())} of {count} nodes got a binding; denials: {dict(tally.denials)}"
            )
        return tally

    def run(self, seconds: float, *, rate: float | None = None, window: int = 64) -> Tally:
        """Play for ``seconds``: ``rate`` requests a second, or (None) always ``window`` unanswered ones."""
        return self._run(seconds, rate=rate, window=window, registering=False)

    def _run(self, seconds: float, *, rate: float | None, window: int, registering: bool) -> Tally:
        tally = Tally()
        window = min(window, self._population.count)
        cpu, start = time.process_time(), time.time_ns()
        end, swept, due = start + round(seconds * 1e9), start, 0
        while (now := time.time_ns()) < end:
            if rate is None:
                room = window - self._outstanding
                due = room if room >= (window + 3) // 4 else 0
            else:
                due = int((now - start) * rate / 1e9) - tally.sent
            if due > 0:
                self._send(min(due, DEPTH), tally, registering)
            else:
                time.sleep(_PAUSE)  # replies are timed by the kernel and cheaper by the dozen
            self._receive(tally)
            if now - swept > _SWEEP * 1e9:
                self._sweep(now, tally)
                swept = now
                if registering and self.registered.all():
                    break
        tally.seconds = (time.time_ns() - start) / 1e9
        self._drain(tally)
        tally.generator_cpu = time.process_time() - cpu
        return tally

    def _drain(self, tally: Tally) -> None:
        """Wait for what is still on its way; it belongs to the run that asked."""
        deadline = time.time_ns() + round(PATIENCE * 1e9)
        while self._outstanding and time.time_ns() < deadline:
            time.sleep(_PAUSE)
            self._receive(tally)
        self._sweep(deadline + round(PATIENCE * 1e9), tally)

    # sending

    def _take(self, count: int, only_unregistered: bool) -> NDArray[np.int64]:
        """The next nodes in turn that have nothing unanswered."""
        span = min(self._population.count, 4 * count)
        nodes = (self._next + np.arange(span)) % self._population.count
        free = ~self._pending[nodes]
        if only_unregistered:
            free &= ~self.registered[nodes]
        chosen = np.flatnonzero(free)[:count]
        self._next = int(nodes[chosen[-1] if len(chosen) == count else -1] + 1) % self._population.count
        return nodes[chosen]

    def _send(self, count: int, tally: Tally, only_unregistered: bool) -> None:
        nodes = self._take(count, only_unregistered)
        if not len(nodes):
            return
        drawn = np.searchsorted(self._cumulative, self._random.random(len(nodes)), side="right")
        operations = np.where(self.registered[nodes], drawn, Operation.NEW)
        places = self._place[nodes]
        moving = operations == Operation.MOVE
        places = np.where(moving, (places + 1) % self._places, places)
        self._operation[nodes], self._wanted_place[nodes] = operations, places
        if len(self._ways) == 1:
            self._send_on(self._ways[0], nodes, operations, places)
        else:
            for number, way in enumerate(self._ways):
                here = places == number
                if here.any():
                    self._send_on(way, nodes[here], operations[here], places[here])
        tally.sent += len(nodes)
        counts = np.bincount(operations, minlength=len(Operation))
        tally.operations.update({one.name.lower(): int(counts[one]) for one in Operation})
        self._pending[nodes] = True
        self._given_up[nodes] = False
        self._outstanding += len(nodes)

    def _send_on(
        self, way: Way, nodes: NDArray[np.int64], operations: NDArray[np.int64], places: NDArray[np.int64]
    ) -> None:
        count = len(nodes)
        homes = int(self._population.first) + nodes
        leaving = operations == Operation.DEREGISTER
        identifications = messages.timestamps(time.time_ns(), count)
        requests = way.requests[:count]
        requests["flags"] = way.flags
        requests["lifetime"] = np.where(leaving, 0, self._lifetime)
        requests["home"] = homes
        requests["care_of"] = way.care_of(nodes, places)
        requests["identification"] = identifications
        self._identification[nodes] = identifications
        self._sent_at[nodes] = time.time_ns()
        way.send(nodes)

    # receiving

    def _receive(self, tally: Tally) -> None:
        for way in self._ways:
            replies, when = way.receive()
            if len(replies):
                self._account(replies, when, tally)

    def _account(self, replies: NDArray[np.void], when: NDArray[np.int64], tally: Tally) -> None:
        nodes = replies["home"].astype(np.int64) - int(self._population.first)
        ours = (replies["type"] == 3) & (nodes >= 0) & (nodes < self._population.count)
        replies, nodes, when = replies[ours], nodes[ours], when[ours]
        codes = replies["code"]
        # The reply to a stale timestamp has the home agent's time in the high half (s5.7.1).
        high = np.where(codes == _MISMATCH, 0, 0xFFFF_FFFF << 32).astype(np.uint64)
        mask = high | np.uint64(0xFFFF_FFFF)
        given = replies["identification"].astype(np.uint64)
        matching = (given & mask) == (self._identification[nodes] & mask)
        late = matching & self._given_up[nodes]
        tally.late += int(late.sum())
        self._given_up[nodes[late]] = False
        timely = matching & self._pending[nodes]
        nodes, codes, replies, when = nodes[timely], codes[timely], replies[timely], when[timely]
        self._verify(nodes, replies, tally)
        self._pending[nodes] = False
        self._outstanding -= len(nodes)
        tally.answered((when - self._sent_at[nodes]) / 1e9)
        accepted = np.isin(codes, ACCEPTED)
        tally.accepted += int(accepted.sum())
        tally.denials.update(codes[~accepted].tolist())
        changed = nodes[accepted]
        self.registered[changed] = self._operation[changed] != Operation.DEREGISTER
        self._place[changed] = self._wanted_place[changed]

    def _verify(self, nodes: NDArray[np.int64], replies: NDArray[np.void], tally: Tally) -> None:
        for place in range(-self._replies_seen % _VERIFY_ONE_IN, len(nodes), _VERIFY_ONE_IN):
            key = self._population.key_of(int(nodes[place]))
            tally.forged_replies += not messages.is_authentic(replies[place].tobytes(), key)
        self._replies_seen += len(nodes)

    def _sweep(self, now: int, tally: Tally) -> None:
        lost = np.flatnonzero(self._pending & (self._sent_at < now - PATIENCE * 1e9))
        self._pending[lost] = False
        self._given_up[lost] = True
        self._outstanding -= len(lost)
        tally.lost += len(lost)
