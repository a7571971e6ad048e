"""Soft state of the paths tunnels take (RFC 2003 s5): what ICMP errors from inside them tell, and for how long.

A path is named by its far end, as in RFC 1191 s3: all tunnels to one care-of address, or to one home agent, share it.
Whether an error is about a tunnel of ours is for the caller to say, who has the table; it must be asked first.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.types import EncapsulationType, Instant, seconds
from mobileip.control.wire.icmp_error import (
    HOST_UNREACHABLE,
    TIME_EXCEEDED,
    UNREACHABLE,
    TunnelError,
)

FLOOR: Final = 576
"""Bytes: a path is never believed to carry less, so that forged errors cannot make its packets tiny."""

PLATEAUS: Final = (65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68)
"""RFC 1191 table 7-1: what links carry, for routers that do not say (their Next-Hop MTU is 0)."""

REFLECTED: Final = 10.0
"""Seconds for which senders are told that a far end is out of reach. Their packets still go there, so while that is
true, and they send, routers say it again: RFC 1812 s4.3.2.8 has them slow down, commonly to once a second."""

_LEAST: Final = 68  # RFC 1191 s3: no link carries less, so what says so is forged or broken
_MTU_AGE: Final = seconds(
    601
)  # RFC 1191 s6.3: ten minutes; the kernel's own memory of a path ends just before
_UNREACHABLE_AGE: Final = seconds(60)
_REMEMBERED: Final = 4096
_MINIMAL: Final = EncapsulationType.MINIMAL


@dataclass(frozen=True, slots=True)
class PathState:
    """``mtu``, bytes, was told at ``mtu_at`` (mono); the far end was not reached at ``unreachable_at``."""

    mtu: int | None = None
    mtu_at: int = 0
    unreachable_at: int | None = None

    def deadline(self) -> int:
        """When (mono) the first of it is forgotten."""
        ends = [self.mtu_at + _MTU_AGE] if self.mtu is not None else []
        return min(
            [*ends, *([] if self.unreachable_at is None else [self.unreachable_at + _UNREACHABLE_AGE])]
        )

    def at(self, now: int) -> PathState | None:
        """What is left of it at ``now`` (mono)."""
        mtu = self.mtu if now < self.mtu_at + _MTU_AGE else None
        lost = self.unreachable_at
        if lost is not None and now >= lost + _UNREACHABLE_AGE:
            lost = None
        return None if mtu is None and lost is None else PathState(mtu, self.mtu_at, lost)


class TunnelStates:
    """Every path of which there is something to remember."""

    def __init__(self) -> None:
        self._paths: dict[IPv4Address, PathState] = {}

    def __getitem__(self, remote: IPv4Address) -> PathState:
        return self._paths.get(remote, PathState())

    def on_error(self, error: TunnelError, believed: int, now: Instant) -> bool:
        """Learn from an error about one of our tunnels; whether the path carries less now.

        ``believed`` is what its tunnels are made for, in bytes with the outer header.
        """
        before = self[error.remote]
        if error.too_big:
            mtu = _told(error, believed)
            if mtu is None:
                return False
            self._remember(error.remote, PathState(mtu, now.mono, before.unreachable_at))
            return mtu < believed
        if reflected(error) is not None:
            self._remember(error.remote, PathState(before.mtu, before.mtu_at, now.mono))
        return False

    def on_probe(self, remote: IPv4Address, mtu: int, now: Instant) -> None:
        """So much, outer header included, reached the far end and no more did."""
        self._remember(remote, PathState(max(FLOOR, mtu), now.mono, self[remote].unreachable_at))

    def forget(self, now: Instant) -> list[IPv4Address]:
        """Forget what is too old; the far ends whose paths may carry more now (RFC 1191 s6.3)."""
        wider = []
        for remote, path in list(self._paths.items()):
            left = path.at(now.mono)
            if left is None:
                del self._paths[remote]
            else:
                self._paths[remote] = left
            if path.mtu is not None and (left is None or left.mtu is None):
                wider.append(remote)
        return wider

    def next_deadline(self) -> int | None:
        return min((path.deadline() for path in self._paths.values()), default=None)

    def _remember(self, remote: IPv4Address, path: PathState) -> None:
        self._paths.pop(remote, None)
        if len(self._paths) >= _REMEMBERED:
            del self._paths[next(iter(self._paths))]
        self._paths[remote] = path


def relayed(error: TunnelError) -> int | None:
    """The code of the "unreachable" that the sender of the inner packet gets, ``None`` if it gets none (RFC 2003 s4).

    What RFC 2003 does not name is told as "host unreachable" when it means that (RFC 1812 s5.2.7.1: codes 6 to 13).
    """
    if error.kind == TIME_EXCEEDED:
        return HOST_UNREACHABLE  # s4.4: a loop or too long a way, which the sender cannot know
    if error.kind != UNREACHABLE:
        return (
            None  # s4.2, s4.3: quench and redirect; s4.5: parameter problems, which may be our own header's
        )
    match error.code:
        case 0 | 4:  # s4.1: net; too big MUST be told
            return error.code
        case 1 | 2 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13:
            return HOST_UNREACHABLE  # s4.1: never "protocol", of which the sender knows nothing
        case _:
            return None  # s4.1: neither ports nor source routes are the sender's


def reflected(error: TunnelError) -> int | None:
    """As :func:`relayed`, for whoever sends into the tunnel next (RFC 2003 s5); ``None`` if it says nothing of that.

    "Too big" is the MTU's. A datagram whose fragments did not all come was lost alone, and with minimal encapsulation,
    which has one TTL for both headers, so was one that had too few hops left.
    """
    if error.too_big or (
        error.kind == TIME_EXCEEDED and (error.code != 0 or error.encapsulation == _MINIMAL)
    ):
        return None
    return relayed(error)


def _told(error: TunnelError, believed: int) -> int | None:
    """The MTU that a "too big" stands for, unless it is more than is believed already (RFC 1191 s3)."""
    if error.mtu == 0:
        below = min(error.total, believed)
        return min(believed, max(FLOOR, next((plateau for plateau in PLATEAUS if plateau < below), _LEAST)))
    told = max(FLOOR, error.mtu)
    return None if error.mtu < _LEAST or error.mtu >= error.total or told > believed else told
