"""The attackers: requests that must not be believed, from many source addresses, at a rate.

They come as frames with invented IPv4 sources, so that no limit by source address alone makes them harmless.
"""

from __future__ import annotations

import random
import socket
import time
from collections import Counter, deque
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tools.load import messages
from tools.load.batch import BatchSocket
from tools.load.population import SPI, Population
from tools.load.ways import DEPTH

_SOURCES: Final = IPv4Network("198.18.0.0/15")  # RFC 2544


class Kind(StrEnum):
    """What is wrong with a request."""

    FORGED = "forged"  # of a known node, with a random authenticator
    UNKNOWN = "unknown"  # of an address that the home agent serves no node at
    MALFORMED = "malformed"  # cut off, bad lengths, unknown types, noise
    REPLAY = "replay"  # right in every bit, but an hour old


def malformed(good: bytes, chance: random.Random) -> bytes:
    """``good`` spoilt in one of the ways a parser has to notice."""
    spoilt = bytearray(good)
    match chance.randrange(5):
        case 0:
            return good[: chance.randrange(len(good))]
        case 1:
            spoilt[0] = chance.choice((0, 2, 4, 255))  # message type
        case 2:
            spoilt[24] = chance.randrange(1, 32)  # an extension that is not known and may not be skipped
        case 3:
            spoilt[25] = chance.choice((0, 1, 3, 21, 255))  # Length of the extension
        case _:
            return chance.randbytes(len(good))
    return bytes(spoilt)


class Attackers:
    """``population`` is the legitimate one (its keys are used for replays only).

    ``kinds`` gives the share of each kind, ``sources`` the prefix of the invented addresses.
    """

    def __init__(
        self,
        sock: socket.socket,
        population: Population,
        *,
        interface: str,
        link_address: bytes,
        agent: IPv4Address,
        kinds: Mapping[Kind, float],
        sources: IPv4Network = _SOURCES,
        seed: int = 2,
    ) -> None:
        sock.bind((interface, 0))  # sends only
        head = messages.FRAME.itemsize
        self._batch = BatchSocket(sock, depth=DEPTH, size=head + messages.REQUEST.itemsize)
        self._population, self._agent, self._sources = population, int(agent), sources
        self._chance, self._random = random.Random(seed), np.random.default_rng(seed)
        self._kinds = tuple(Kind)
        shares = np.array([kinds.get(kind, 0.0) for kind in self._kinds])
        self._cumulative = np.cumsum(shares / shares.sum())
        self._replays: deque[bytes] = deque(maxlen=1024)
        frames = messages.view(self._batch.out, messages.FRAME, 0)
        messages.prepare_frames(
            frames,
            to=link_address,
            sender=sock.getsockname()[4],
            destination=int(agent),
            payload=messages.REQUEST.itemsize,
        )
        if kinds.get(Kind.REPLAY):
            self._record()

    def run(self, seconds: float, rate: float) -> Counter[str]:
        """Send ``rate`` a second for ``seconds``; how many there were of each kind."""
        sent: Counter[str] = Counter()
        start, total = time.monotonic(), 0
        while (elapsed := time.monotonic() - start) < seconds:
            due = int(elapsed * rate) - total
            if due < min(64, rate / 100):
                time.sleep(0.0005)
                continue
            count = min(due, DEPTH)
            sent.update(self._send(count))
            total += count
        return sent

    def _send(self, count: int) -> dict[str, int]:
        drawn = np.searchsorted(self._cumulative, self._random.random(count), side="right")
        rows, head = self._batch.out[:count], messages.FRAME.itemsize
        frames = messages.view(rows, messages.FRAME, 0)
        lengths = np.full(count, messages.REQUEST.itemsize)
        self._write(rows, drawn)
        for row in np.flatnonzero(drawn == self._kinds.index(Kind.MALFORMED)).tolist():
            bad = malformed(rows[row, head:].tobytes(), self._chance)
            rows[row, head : head + len(bad)] = np.frombuffer(bad, np.uint8)
            lengths[row] = len(bad)
        messages.set_lengths(frames, lengths)
        first = int(self._sources.network_address)
        messages.set_sources(
            frames, self._random.integers(first + 1, first + self._sources.num_addresses - 1, count)
        )
        self._batch.send(count, lengths + head)
        return {
            kind.value: int(number)
            for kind, number in zip(self._kinds, np.bincount(drawn, minlength=len(self._kinds)), strict=True)
        }

    def _write(self, rows: NDArray[np.uint8], kinds: NDArray[np.int64]) -> None:
        """Well-formed requests: with random authenticators, of unknown nodes, or old ones."""
        count = len(rows)
        requests = messages.view(rows, messages.REQUEST, messages.FRAME.itemsize)
        messages.prepare(requests, self._agent, SPI)
        nodes = self._random.integers(0, self._population.count, count)
        unknown = kinds == self._kinds.index(Kind.UNKNOWN)
        requests["flags"] = messages.DECAPSULATION_BY_MN | messages.REVERSE_TUNNEL
        requests["lifetime"] = 600
        requests["home"] = int(self._population.first) + nodes + np.where(unknown, self._population.count, 0)
        requests["care_of"] = self._random.integers(1 << 24, 1 << 31, count)
        requests["identification"] = messages.timestamps(time.time_ns(), count)
        # numpy has no random void: the bytes of the last field are written through the rows.
        rows[:, -16:] = self._random.integers(0, 256, (count, 16), np.uint8)
        for row in np.flatnonzero(kinds == self._kinds.index(Kind.REPLAY)).tolist():
            old = self._replays[self._chance.randrange(len(self._replays))]
            rows[row, messages.FRAME.itemsize :] = np.frombuffer(old, np.uint8)

    def _record(self) -> None:
        """Requests with right authenticators and the time of now, which soon is long ago (s5.7.1)."""
        rows = np.zeros((self._replays.maxlen or 0, messages.REQUEST.itemsize), np.uint8)
        requests = messages.view(rows, messages.REQUEST, 0)
        messages.prepare(requests, self._agent, SPI)
        nodes = self._random.integers(0, self._population.count, len(rows))
        requests["lifetime"] = 600
        requests["home"] = int(self._population.first) + nodes
        requests["care_of"] = self._random.integers(1 << 24, 1 << 31, len(rows))
        hour = 3600 * 1_000_000_000
        requests["identification"] = messages.timestamps(time.time_ns() - hour, len(rows))
        messages.sign(rows, 0, messages.REQUEST_COVERED, nodes, self._population)
        self._replays.extend(row.tobytes() for row in rows)
