"""Replay protection by timestamps (RFC 5944 s5.7.1). Times are ns since 1970 by a node's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mobileip.control.types import NANOSECONDS, Identification, seconds

LEAST_TOLERANCE: Final = seconds(3)  # s5.7.1: every home agent should accept more than this
_SECOND: Final = 1 << 32  # in units of a timestamp
_ERA: Final = 1 << 64
_EPOCH: Final = 2_208_988_800 * _SECOND  # 1970 by the clock of NTP, which began in 1900
_HALF_SECOND: Final = 0x8000_0000  # in the fraction of an NTP timestamp


def check(
    identification: Identification, now_wall: int, last_accepted: Identification | None, tolerance: int
) -> bool:
    """Home agent: whether a timestamp is within ``tolerance`` ns of our clock and newer than the last."""
    last = None if last_accepted is None else last_accepted.to_int()
    return is_fresh(identification.to_int(), now_wall, last, tolerance)


def is_fresh(timestamp: int, now_wall: int, last_accepted: int | None, tolerance: int) -> bool:
    """As :func:`check`, of timestamps as 64-bit numbers."""
    # As Identification.to_wall() has it, without the object: below 2**63 it is era 1.
    since_1900 = timestamp if timestamp >= _ERA >> 1 else timestamp + _ERA
    if abs((since_1900 - _EPOCH) * NANOSECONDS // _SECOND - now_wall) > tolerance:
        return False
    return last_accepted is None or _newer(timestamp, last_accepted)


def resynchronise(request_identification: Identification, now_wall: int) -> Identification:
    """Home agent: the Identification of reply 133, our time of day with the request's low-order half."""
    return Identification(Identification.from_wall(now_wall, 0).high, request_identification.low)


@dataclass(frozen=True, slots=True)
class Timestamps:
    """Mobile node: the home agent's clock (``offset``, ns ahead of ours) and the last timestamp used."""

    offset: int = 0
    last: Identification | None = None

    def next_identification(self, now_wall: int, entropy: int) -> tuple[Identification, Timestamps]:
        """A timestamp newer than every earlier one, and the value to go on with.

        ``entropy`` gives the 16 fraction bits that no clock does. A clock that stands still or was set back
        is bridged by counting on from the last timestamp.
        """
        identification = Identification.from_wall(now_wall + self.offset, entropy)
        if self.last is not None and not _newer(identification.to_int(), self.last.to_int()):
            identification = _successor(self.last)
        return identification, Timestamps(self.offset, identification)

    def on_mismatch(self, reply_identification: Identification, now_wall: int) -> Timestamps:
        """Follow the home agent's clock, after a reply 133 whose low half and authenticator are verified.

        The system clock is never set. The reply tells whole seconds, so the middle of that second is assumed.
        Earlier timestamps so far ahead that counting on from them would be refused again are forgotten; a
        home agent that did accept one of them refuses until its clock has passed it, and then no longer.
        """
        theirs = Identification(reply_identification.high, _HALF_SECOND).to_wall()
        last = self.last
        if last is not None and last.to_wall() > theirs + LEAST_TOLERANCE:
            last = None
        return Timestamps(theirs - now_wall, last)


def _newer(one: int, other: int) -> bool:
    """Serial number comparison, so that the order survives the end of NTP's era 0 on 2036-02-07."""
    return 0 < (one - other) % _ERA < _ERA >> 1


def _successor(identification: Identification) -> Identification:
    following = identification.to_int() + 1
    return Identification(following >> 32 & 0xFFFF_FFFF, following & 0xFFFF_FFFF)
