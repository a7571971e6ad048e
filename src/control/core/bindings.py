"""The mobility binding list of a home agent (RFC 5944 s3.8.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from mobileip.control.core.actions import BroadcastDelivery
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.types import (
    NANOSECONDS,
    REGISTRATION_PORT,
    Endpoint,
    Identification,
    Instant,
    Lifetime,
)


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
    other_relay: Endpoint | None = (
        None  # where the request came from, if not from the care-of address, port 434
    )
    nai: str | None = None  # by which the node named itself (RFC 2794)
    broadcast: BroadcastDelivery = BroadcastDelivery.NONE

    @property
    def relay(self) -> Endpoint:
        """Where the request came from: the foreign agent, or the node itself."""
        return self.other_relay or Endpoint(self.care_of_address, REGISTRATION_PORT)

    @property
    def expires(self) -> int | None:
        if self.lifetime.is_infinite:
            return None
        return self.registered.mono + self.lifetime * NANOSECONDS


class BindingList:
    """Bindings by home address, in the order of their registration, with their expiry.

    Nearly every node has one binding; those that asked for simultaneous ones (S bit) have a few. Keys are numbers:
    to hash an :class:`IPv4Address` takes longer than everything else here.
    """

    def __init__(self) -> None:
        self._newest: dict[int, MobilityBinding] = {}
        self._older: dict[int, tuple[MobilityBinding, ...]] = {}  # only of nodes with more than one
        self._deadlines: Deadlines[int] = Deadlines()  # of the one of a node that ends first

    def get(self, home_address: IPv4Address) -> MobilityBinding | None:
        """The newest binding of a node."""
        return self._newest.get(int(home_address))

    def of(self, home_address: IPv4Address) -> tuple[MobilityBinding, ...]:
        """All bindings of a node, the newest last."""
        return self._of(int(home_address))

    @property
    def nodes(self) -> int:
        """How many home addresses are bound."""
        return len(self._newest)

    def put(self, binding: MobilityBinding, *, beside: bool = False) -> None:
        """Insert in place of all bindings of the node, or ``beside`` those with other care-of addresses."""
        number = int(binding.home_address)
        others = self._others(number, binding.care_of_address) if beside else ()
        if others or number in self._older:
            self._set(number, (*others, binding))
            return
        self._newest[number] = binding
        expires = binding.expires
        if expires is None:
            self._deadlines.cancel(number)
        else:
            self._deadlines.set(number, expires)

    def restore(self, home_address: IPv4Address, bindings: tuple[MobilityBinding, ...]) -> None:
        """Exactly these, as :meth:`of` told them before."""
        self._set(int(home_address), bindings)

    def pop(self, home_address: IPv4Address) -> tuple[MobilityBinding, ...]:
        """Remove and return all bindings of a node."""
        number = int(home_address)
        gone = self._of(number)
        self._set(number, ())
        return gone

    def remove(self, home_address: IPv4Address, care_of_address: IPv4Address) -> MobilityBinding | None:
        """Remove and return the binding with one care-of address."""
        number = int(home_address)
        for binding in self._of(number):
            if binding.care_of_address == care_of_address:
                self._set(number, self._others(number, care_of_address))
                return binding
        return None

    def next_expiry(self) -> int | None:
        return self._deadlines.next()

    def expire(self, mono: int) -> Iterator[MobilityBinding]:
        """Remove and yield every binding whose lifetime is over, one by one."""
        for number in self._deadlines.due(mono):
            bindings = self._of(number)
            for over in bindings:
                if over.expires is not None and over.expires <= mono:
                    self._set(number, tuple(one for one in bindings if one is not over))
                    yield over
                    break  # a second one of the same node that is due comes up again

    def __len__(self) -> int:
        return len(self._newest) + sum(map(len, self._older.values()))

    def __iter__(self) -> Iterator[MobilityBinding]:
        for number, newest in self._newest.items():
            yield from self._older.get(number, ())
            yield newest

    def _of(self, number: int) -> tuple[MobilityBinding, ...]:
        newest = self._newest.get(number)
        if newest is None:
            return ()
        return (*self._older[number], newest) if number in self._older else (newest,)

    def _others(self, number: int, care_of_address: IPv4Address) -> tuple[MobilityBinding, ...]:
        return tuple(one for one in self._of(number) if one.care_of_address != care_of_address)

    def _set(self, number: int, bindings: tuple[MobilityBinding, ...]) -> None:
        if not bindings:
            self._newest.pop(number, None)
            self._older.pop(number, None)
            self._deadlines.cancel(number)
            return
        self._newest[number] = bindings[-1]
        if len(bindings) > 1:
            self._older[number] = bindings[:-1]
        else:
            self._older.pop(number, None)
        first = min((one.expires for one in bindings if one.expires is not None), default=None)
        if first is None:
            self._deadlines.cancel(number)
        else:
            self._deadlines.set(number, first)
