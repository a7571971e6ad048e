"""Security violations (RFC 5944 s3.8.2.1, s5.6): who did what, how often, when last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any, Final

from mobileip.control.reasons import Reason
from mobileip.control.types import NANOSECONDS, Endpoint

MOST: Final = 1000


class _Violation:
    """Repetitions of one violation; times are nanoseconds since 1970."""

    __slots__ = ("count", "first", "home_address", "interface", "last", "reason", "source", "spi")

    def __init__(self, reason: Reason, source: object, home_address: object, wall: int) -> None:
        self.reason = reason
        self.source = source
        self.home_address = home_address
        self.count = 0
        self.first = self.last = wall
        self.interface: object = None
        self.spi: object = None


class Violations:
    """The latest ``limit`` violations, repetitions counted in one. The least recent is forgotten first.

    Noting is cheap: somebody who sends violations as quickly as the network carries them pays more than we do.
    """

    def __init__(self, limit: int = MOST) -> None:
        self._limit: Final = limit
        self._kept: Final[dict[tuple[str, int, int], _Violation]] = {}

    def note(self, reason: Reason, fields: Mapping[str, object], wall: int) -> None:
        """One more of ``reason``, or as many as the field ``packets`` says; ``source`` and ``home_address`` say who."""
        source, home_address = fields.get("source"), fields.get("home_address")
        if type(source) is Endpoint:
            source = source.address  # a sender may take another port for each message
        key = (reason.label, _number(source), _number(home_address))
        violation = self._kept.pop(key, None) or _Violation(reason, source, home_address, wall)
        packets = fields.get("packets")
        violation.count += packets if isinstance(packets, int) else 1
        violation.last = wall
        violation.interface = fields.get("interface")
        violation.spi = fields.get("spi")
        self._kept[key] = violation
        if len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]

    def rows(self) -> Iterator[dict[str, Any]]:
        """The latest first."""
        for violation in reversed(self._kept.values()):
            yield {
                "reason": violation.reason,
                "source": violation.source,
                "home_address": violation.home_address,
                "interface": violation.interface,
                "spi": violation.spi,
                "count": violation.count,
                "first_at": violation.first / NANOSECONDS,
                "last_at": violation.last / NANOSECONDS,
            }

    def __len__(self) -> int:
        return len(self._kept)


def _number(address: object) -> int:
    """An address as a number, which hashes at once, and -1 for none."""
    return int(address) if type(address) is IPv4Address else -1
