"""What a path carries where nobody says it: probes that its far end answers, in the spirit of RFC 8899.

A probe is an echo request in the tunnel, addressed to the far end itself, with DF outside and the size in question. Its
answer proves that the size passes; it carries a nonce, so that only who sees the probe can answer. Silence proves
nothing by itself: a path is taken to be narrower only if a small probe is answered while large ones are not, again and
again, and a far end that answers none leaves everything as it is.

Only paths on which large packets with DF went lately are probed, and only so many at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.core.limits import TokenBucket
from mobileip.control.core.tunnel_state import FLOOR
from mobileip.control.types import Instant, seconds

NONCE: Final = 16  # bytes
CONFIRMED: Final = seconds(10)  # how long an answer is good for: a hole is noticed that soon
SILENT: Final = seconds(60)  # how long a far end that answers nothing is left alone
RAISE: Final = seconds(600)  # RFC 8899 s5.1.1, PMTU_RAISE_TIMER
IDLE: Final = seconds(60)
PATHS: Final = 256
TRIES: Final = 3  # RFC 8899 s5.1.2, MAX_PROBES
_TRIES_OF_A_ROUND: Final = 2
_AT_ONCE: Final = 8  # sizes tried beside each other in a search
_FIRST_WAIT, _SHORTEST_WAIT, _LONGEST_WAIT = seconds(1), seconds(0.5), seconds(3)
_LATE: Final = seconds(10)  # how long an answer is waited for after all
_RATE, _BURST = 100.0, 200  # probes a second on all paths together


@dataclass(frozen=True, slots=True)
class Probe:
    """To be sent to ``remote`` in the tunnel of ``home_address``: ``size`` bytes with the outer header."""

    remote: IPv4Address
    home_address: IPv4Address
    size: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class PathCarries:
    """``remote`` is reached with ``mtu`` bytes, outer header included, and as far as is known with no more."""

    remote: IPv4Address
    mtu: int


ProbeAction = Probe | PathCarries


class _Step(Enum):
    WATCHING = auto()
    CHECKING = auto()  # whether a size passes
    SEARCHING = auto()  # the largest that does
    SILENT = auto()  # the far end answers nothing, and is left alone


@dataclass(slots=True)
class _Path:
    home_address: IPv4Address
    seen_at: int  # mono; when a large packet went there last
    answered: int = 0  # the largest size that was answered lately
    answered_at: int = 0  # mono
    wait: int = _FIRST_WAIT  # for answers, by the last round trip
    step: _Step = _Step.WATCHING
    deadline: int | None = None  # mono; of all steps but watching
    tries: int = 0
    low: int = 0  # answered in this check or search
    high: int = 0  # the least size taken to be lost; of a check, one more than is checked
    waiting: frozenset[int] = frozenset()  # sizes of this round without an answer
    mtu: int = 0  # what the path was narrowed to, from ``ceiling``; 0: nothing
    ceiling: int = 0
    raise_at: int = 0  # mono; when more is tried


@dataclass(frozen=True, slots=True)
class _Sent:
    remote: IPv4Address
    size: int
    at: int


class PathProbes:
    """Events in, actions out. ``entropy(n)`` gives n unpredictable bytes."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._paths: dict[IPv4Address, _Path] = {}
        self._sent: dict[bytes, _Sent] = {}  # by nonce, oldest first
        self._bucket = TokenBucket(_RATE, _BURST)

    def on_large_packet(
        self, remote: IPv4Address, home_address: IPv4Address, size: int, now: Instant
    ) -> list[ProbeAction]:
        """A packet with DF of ``size`` bytes, outer header included, went to ``remote``."""
        path = self._path(remote, home_address, now.mono) if size > FLOOR else None
        if path is None:
            return []
        path.home_address, path.seen_at = home_address, now.mono
        if path.step is not _Step.WATCHING:
            return []
        if path.mtu and now.mono >= path.raise_at:
            return self._search(remote, path, path.mtu, path.ceiling, now)
        if path.mtu:
            size = min(size, path.mtu)  # what is longer was under way when it was narrowed
        if size <= path.answered and now.mono < path.answered_at + CONFIRMED:
            return []
        path.step, path.tries, path.low, path.high = _Step.CHECKING, 0, 0, size + 1
        return self._check(remote, path, now)

    def on_reply(self, remote: IPv4Address, nonce: bytes, now: Instant) -> list[ProbeAction]:
        """An echo reply from ``remote`` with a nonce: the probe arrived whole, whatever came back of it."""
        sent, path = self._sent.get(nonce), self._paths.get(remote)
        if sent is None or path is None or sent.remote != remote:
            return []
        del self._sent[nonce]
        size = sent.size
        path.wait = min(max(4 * (now.mono - sent.at), _SHORTEST_WAIT), _LONGEST_WAIT)
        if size >= path.answered or now.mono >= path.answered_at + CONFIRMED:
            path.answered, path.answered_at = size, now.mono
        path.low = max(path.low, size)
        path.waiting -= {size}
        match path.step:
            case _Step.CHECKING if path.low >= path.high - 1:
                return self._confirmed(remote, path)
            case _Step.SEARCHING if not path.waiting:
                return self._round_over(remote, path, now)
            case _Step.WATCHING if path.mtu:
                return self._confirmed(remote, path)
        return []

    def tick(self, now: Instant) -> list[ProbeAction]:
        """Go on with every path whose deadline has passed."""
        self._forget_probes(now.mono)
        actions: list[ProbeAction] = []
        for remote, path in self._paths.items():
            if path.deadline is None or now.mono < path.deadline:
                continue
            match path.step:
                case _Step.CHECKING if path.tries < TRIES:
                    actions += self._check(remote, path, now)
                case _Step.CHECKING if path.low:
                    actions += self._search(remote, path, path.low, path.high - 1, now)
                case _Step.CHECKING:
                    path.step, path.deadline = _Step.SILENT, now.mono + SILENT
                case _Step.SEARCHING:
                    actions += self._round_over(remote, path, now)
                case _:
                    path.step, path.deadline = _Step.WATCHING, None
        return actions

    def next_deadline(self) -> int | None:
        return min((one.deadline for one in self._paths.values() if one.deadline is not None), default=None)

    def _check(self, remote: IPv4Address, path: _Path, now: Instant) -> list[ProbeAction]:
        """Try the size in question; from the second time on, beside it one that every path carries."""
        sizes = [path.high - 1] if path.tries == 0 or path.low else [path.high - 1, FLOOR]
        return self._send(remote, path, sizes, now)

    def _confirmed(self, remote: IPv4Address, path: _Path) -> list[ProbeAction]:
        """A size passes. That a path was narrowed is remembered as long as this is so; an answer may widen it."""
        path.step, path.deadline, path.waiting = _Step.WATCHING, None, frozenset()
        if not path.mtu:
            return []
        path.mtu = max(path.mtu, path.low)
        return [PathCarries(remote, path.mtu)]

    def _search(
        self, remote: IPv4Address, path: _Path, low: int, most: int, now: Instant
    ) -> list[ProbeAction]:
        """Find the largest size that passes, from ``low``, which does, to ``most``, which gets another chance."""
        path.step, path.tries, path.low, path.high = _Step.SEARCHING, 0, low, most + 1
        path.ceiling = max(path.ceiling, most)
        return self._round(remote, path, now)

    def _round(self, remote: IPv4Address, path: _Path, now: Instant) -> list[ProbeAction]:
        """Several sizes beside each other, the largest first."""
        gap = path.high - 1 - path.low
        sizes = dict.fromkeys(path.high - 1 - gap * part // _AT_ONCE for part in range(_AT_ONCE))
        return self._send(remote, path, list(sizes), now)

    def _round_over(self, remote: IPv4Address, path: _Path, now: Instant) -> list[ProbeAction]:
        lost = sorted(size for size in path.waiting if size > path.low)
        if lost and path.tries < _TRIES_OF_A_ROUND:
            return self._send(remote, path, lost, now)
        path.high = min([max(path.high, path.low + 1), *lost])
        if path.high > path.low + 1:
            path.tries = 0
            return self._round(remote, path, now)
        return self._found(remote, path, now)

    def _found(self, remote: IPv4Address, path: _Path, now: Instant) -> list[ProbeAction]:
        path.step, path.deadline, path.waiting = _Step.WATCHING, None, frozenset()
        path.answered, path.answered_at = path.low, now.mono
        if path.low < path.ceiling:
            path.mtu, path.raise_at = path.low, now.mono + RAISE
            return [PathCarries(remote, path.low)]
        was_narrow, path.mtu, path.ceiling = path.mtu > 0, 0, 0
        return [PathCarries(remote, path.low)] if was_narrow else []

    def _send(self, remote: IPv4Address, path: _Path, sizes: list[int], now: Instant) -> list[ProbeAction]:
        probes: list[ProbeAction] = []
        path.tries += 1
        path.deadline, path.waiting = now.mono + path.wait, frozenset(sizes)
        for size in sizes:
            if not self._bucket.take(now.mono):
                path.tries -= 1  # too many at the time: this one does not count
                break
            nonce = self._entropy(NONCE)
            self._sent[nonce] = _Sent(remote, size, now.mono)
            probes.append(Probe(remote, path.home_address, size, nonce))
        return probes

    def _forget_probes(self, mono: int) -> None:
        for nonce, sent in list(self._sent.items()):
            if mono < sent.at + _LATE:
                return
            del self._sent[nonce]

    def _path(self, remote: IPv4Address, home_address: IPv4Address, mono: int) -> _Path | None:
        """What is known of a path; ``None`` if there are too many already."""
        path = self._paths.get(remote)
        if path is None and len(self._paths) >= PATHS:
            idle = next((one for one, path in self._paths.items() if mono >= path.seen_at + IDLE), None)
            if idle is None:
                return None
            del self._paths[idle]
        return path or self._paths.setdefault(remote, _Path(home_address, mono))
