"""The visitor list and the pending registrations of a foreign agent (RFC 5944 s3.7.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from mobileip.control.core.deadlines import Deadlines
from mobileip.control.types import NANOSECONDS, Endpoint, Identification, Instant, Lifetime


@dataclass(frozen=True, slots=True)
class PendingRegistration:
    """A request relayed to the home agent and not answered yet."""

    home_address: IPv4Address
    home_agent: IPv4Address
    identification: Identification
    lifetime: Lifetime
    reverse_tunnel: bool
    co_located: bool
    interface: str
    link_address: bytes
    source: Endpoint
    destination: IPv4Address  # the address the node asked: our replies come from there (s3.7.2.3)
    expires: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """A node that the home agent accepted through us, until ``expires`` (monotonic ns; ``None``: infinite)."""

    home_address: IPv4Address
    home_agent: IPv4Address
    interface: str
    link_address: bytes
    lifetime: Lifetime
    registered: Instant
    reverse_tunnel: bool
    co_located: bool

    @property
    def expires(self) -> int | None:
        if self.lifetime.is_infinite:
            return None
        return self.registered.mono + self.lifetime * NANOSECONDS


PendingKey = tuple[IPv4Address, int]  # home address and the low half of the Identification (s3.7.3.1)


class VisitorList:
    """Visitors by home address; pending registrations by home address and Identification."""

    def __init__(self) -> None:
        self._visitors: dict[IPv4Address, Visitor] = {}
        self._pending: dict[PendingKey, PendingRegistration] = {}
        self._expiry: Deadlines[IPv4Address] = Deadlines()
        self._timeouts: Deadlines[PendingKey] = Deadlines()

    def get(self, home_address: IPv4Address) -> Visitor | None:
        return self._visitors.get(home_address)

    def put(self, visitor: Visitor) -> None:
        self._visitors[visitor.home_address] = visitor
        if visitor.expires is None:
            self._expiry.cancel(visitor.home_address)
        else:
            self._expiry.set(visitor.home_address, visitor.expires)

    def pop(self, home_address: IPv4Address) -> Visitor | None:
        self._expiry.cancel(home_address)
        return self._visitors.pop(home_address, None)

    def add_pending(self, pending: PendingRegistration) -> None:
        key = (pending.home_address, pending.identification.low)
        self._pending[key] = pending
        self._timeouts.set(key, pending.expires)

    def get_pending(self, home_address: IPv4Address, low: int) -> PendingRegistration | None:
        return self._pending.get((home_address, low))

    def pop_pending(self, home_address: IPv4Address, low: int) -> PendingRegistration | None:
        self._timeouts.cancel((home_address, low))
        return self._pending.pop((home_address, low), None)

    def pending_towards(self, home_agent: IPv4Address) -> list[PendingRegistration]:
        return [pending for pending in self._pending.values() if pending.home_agent == home_agent]

    def next_deadline(self) -> int | None:
        return min(
            (mono for mono in (self._expiry.next(), self._timeouts.next()) if mono is not None), default=None
        )

    def expire(self, mono: int) -> Iterator[Visitor]:
        """Remove and yield every visitor whose lifetime is over."""
        for home_address in self._expiry.due(mono):
            yield self._visitors.pop(home_address)

    def time_out(self, mono: int) -> Iterator[PendingRegistration]:
        """Remove and yield every pending registration that waited too long."""
        for key in self._timeouts.due(mono):
            yield self._pending.pop(key)

    @property
    def visitors(self) -> list[Visitor]:
        return list(self._visitors.values())

    @property
    def pending(self) -> list[PendingRegistration]:
        return list(self._pending.values())

    def visitor_count(self) -> int:
        return len(self._visitors)

    def pending_count(self) -> int:
        return len(self._pending)
