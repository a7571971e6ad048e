"""The mobility binding list of a home agent (RFC 5944 s3.8.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from mobileip.control.core.deadlines import Deadlines
from mobileip.control.types import NANOSECONDS, Endpoint, Identification, Instant, Lifetime


@dataclass(frozen=True, slots=True)
class MobilityBinding:
    """One home address bound to one care-of address until ``expires`` (monotonic ns; ``None``: infinite lifetime)."""

    home_address: IPv4Address
    care_of_address: IPv4Address
    home_agent: IPv4Address
    identification: Identification
    lifetime: Lifetime
    registered: Instant
    reverse_tunnel: bool
    co_located: bool
    relay: Endpoint  # where the request came from: the foreign agent, or the node itself

    @property
    def expires(self) -> int | None:
        if self.lifetime.is_infinite:
            return None
        return self.registered.mono + self.lifetime * NANOSECONDS


class BindingList:
    """Bindings by home address, with their expiry. One binding per home address (simultaneous bindings: code 1)."""

    def __init__(self) -> None:
        self._bindings: dict[IPv4Address, MobilityBinding] = {}
        self._deadlines: Deadlines[IPv4Address] = Deadlines()

    def get(self, home_address: IPv4Address) -> MobilityBinding | None:
        return self._bindings.get(home_address)

    def put(self, binding: MobilityBinding) -> None:
        """Insert, or replace the binding of the same home address."""
        self._bindings[binding.home_address] = binding
        if binding.expires is None:
            self._deadlines.cancel(binding.home_address)
        else:
            self._deadlines.set(binding.home_address, binding.expires)

    def pop(self, home_address: IPv4Address) -> MobilityBinding | None:
        self._deadlines.cancel(home_address)
        return self._bindings.pop(home_address, None)

    def next_expiry(self) -> int | None:
        return self._deadlines.next()

    def expire(self, mono: int) -> Iterator[MobilityBinding]:
        """Remove and yield every binding whose lifetime is over."""
        for home_address in self._deadlines.due(mono):
            yield self._bindings.pop(home_address)

    def __len__(self) -> int:
        return len(self._bindings)

    def __iter__(self) -> Iterator[MobilityBinding]:
        return iter(self._bindings.values())
