"""The visitor list and the pending registrations of a foreign agent (RFC 5944 s3.7.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import TypeVar

from mobileip.control.core.actions import DeliveryStyle
from mobileip.control.core.challenges import Answer
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.types import (
    NANOSECONDS,
    ZERO_ADDRESS,
    EncapsulationType,
    Endpoint,
    GreKeys,
    Identification,
    Instant,
    Lifetime,
)

K = TypeVar("K", bytes, IPv4Address)
VisitorKey = tuple[IPv4Address, IPv4Address]
PendingKey = tuple[IPv4Address, str | None, IPv4Address, int]
_Asker = tuple[bytes, IPv4Address, str | None, IPv4Address]


@dataclass(frozen=True, slots=True)
class PendingRegistration:
    """A request relayed to the home agent and not answered yet.

    ``nai`` names the node where ``home_address`` is 0.0.0.0 (RFC 2794 s3). ``authenticated_to_home`` says that the
    request carried a Foreign-Home Authentication Extension, so that the reply has to.
    """

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
    care_of_address: IPv4Address
    delivery: DeliveryStyle = DeliveryStyle.DIRECT
    nai: str | None = None
    authenticated_to_home: bool = False
    encapsulation: EncapsulationType = EncapsulationType.IPIP
    gre_key: int | None = None  # that we sent along; 0: the home agent chooses (RFC 6245)
    answer: Answer | None = None  # to a challenge (RFC 4721)
    proven: bool = False  # we have verified ourselves who answers it
    relayed_challenge: bytes | None = None  # what of it the home agent got

    @property
    def key(self) -> PendingKey:
        """Who asks whom, and the low half of the Identification, which every reply repeats (s3.7.3.1)."""
        return self.home_address, self.nai, self.home_agent, self.identification.low

    @property
    def asker(self) -> _Asker:
        """Which node, and for which care-of address: of its requests that have this in common, it awaits one answer."""
        return self.link_address, self.home_address, self.nai, self.care_of_address

    def replaces(self, visitor: Visitor) -> bool:
        """Whether that is the same node: no home agent has two with one address, and no link address is two nodes'.

        A node that registers with another home agent leaves the one before (RFC 3024 sA.4).
        """
        return self.home_agent == visitor.home_agent or self.link_address == visitor.link_address


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
    care_of_address: IPv4Address
    delivery: DeliveryStyle = DeliveryStyle.DIRECT
    nai: str | None = None
    encapsulation: EncapsulationType = EncapsulationType.IPIP
    gre_keys: GreKeys | None = None

    @property
    def key(self) -> VisitorKey:
        return self.home_address, self.home_agent

    @property
    def expires(self) -> int | None:
        if self.lifetime.is_infinite:
            return None
        return self.registered.mono + self.lifetime * NANOSECONDS


class VisitorList:
    """Visitors by home address and home agent, pending registrations by :class:`PendingRegistration`'s key.

    Visitors of different home agents may have the same home address (RFC 3024 sA.4). How many entries of each kind a
    link-layer address has is counted, so that one sender's share can be bounded.
    """

    def __init__(self) -> None:
        self._visitors: dict[VisitorKey, Visitor] = {}
        self._agents_of: dict[IPv4Address, list[IPv4Address]] = {}  # home agents, by home address
        self._pending: dict[PendingKey, PendingRegistration] = {}
        self._awaited: dict[int, list[PendingRegistration]] = {}  # by the low half of the Identification
        self._latest: dict[_Asker, PendingKey] = {}
        self._visitors_of: Counter[bytes] = Counter()
        self._visitors_from: Counter[IPv4Address] = Counter()  # by home agent
        self._pending_of: Counter[bytes] = Counter()
        self._expiry: Deadlines[VisitorKey] = Deadlines()
        self._timeouts: Deadlines[PendingKey] = Deadlines()

    # ---- visitors

    def get(self, home_address: IPv4Address, home_agent: IPv4Address) -> Visitor | None:
        return self._visitors.get((home_address, home_agent))

    def of(self, home_address: IPv4Address) -> list[Visitor]:
        """All that have this home address, each of another home agent."""
        return [self._visitors[home_address, agent] for agent in self._agents_of.get(home_address, ())]

    def put(self, visitor: Visitor) -> None:
        key = visitor.key
        self.pop(key)
        self._visitors[key] = visitor
        self._agents_of.setdefault(visitor.home_address, []).append(visitor.home_agent)
        self._visitors_of[visitor.link_address] += 1
        self._visitors_from[visitor.home_agent] += 1
        if visitor.expires is not None:
            self._expiry.set(key, visitor.expires)

    def pop(self, key: VisitorKey) -> Visitor | None:
        self._expiry.cancel(key)
        visitor = self._visitors.pop(key, None)
        if visitor is None:
            return None
        _one_less(self._visitors_of, visitor.link_address)
        _one_less(self._visitors_from, visitor.home_agent)
        rest = self._agents_of[visitor.home_address]
        rest.remove(visitor.home_agent)
        if not rest:
            del self._agents_of[visitor.home_address]
        return visitor

    def expire(self, mono: int) -> Iterator[Visitor]:
        """Remove and yield every visitor whose lifetime is over."""
        for key in self._expiry.due(mono):
            visitor = self.pop(key)
            if visitor is not None:
                yield visitor

    @property
    def visitors(self) -> list[Visitor]:
        return list(self._visitors.values())

    def visitor_count(self) -> int:
        return len(self._visitors)

    def visitors_of(self, link_address: bytes) -> int:
        return self._visitors_of[link_address]

    def is_home_agent(self, address: IPv4Address) -> bool:
        """Whether a visitor's tunnel leads there."""
        return address in self._visitors_from

    # ---- pending registrations

    def add_pending(self, pending: PendingRegistration) -> None:
        self.remove_pending(pending)
        self._pending[pending.key] = pending
        self._latest[pending.asker] = pending.key
        self._awaited.setdefault(pending.identification.low, []).append(pending)
        self._pending_of[pending.link_address] += 1
        self._timeouts.set(pending.key, pending.expires)

    def get_pending(self, key: PendingKey) -> PendingRegistration | None:
        return self._pending.get(key)

    def remove_pending(self, pending: PendingRegistration) -> bool:
        """Forget the registration with the key of ``pending``, if there is one; was it the node's latest request?

        A node takes no answer to an earlier one (s3.6.2.1).
        """
        self._timeouts.cancel(pending.key)
        known = self._pending.pop(pending.key, None)
        if known is None:
            return False
        _one_less(self._pending_of, known.link_address)
        low = known.identification.low
        rest = [other for other in self._awaited.pop(low) if other is not known]
        if rest:
            self._awaited[low] = rest
        if self._latest.get(known.asker) != known.key:
            return False
        del self._latest[known.asker]
        return True

    def match(
        self,
        home_agent: IPv4Address,
        low: int,
        home_address: IPv4Address,
        nai: str | None,
        denied: bool = False,
    ) -> PendingRegistration | None:
        """The request that a reply of ``home_agent`` answers (s3.7.3.1).

        It has the reply's home address, or none yet; where both have a NAI it is the same. One that was sent to the
        broadcast address of a home network is ``denied`` by whichever home agent is there, for the node to know it
        (s3.6.1.2).
        """
        without_address = None
        for pending in self._awaited.get(low, ()):
            if nai is not None and pending.nai not in (None, nai):
                continue
            if pending.home_agent != home_agent and not denied:
                continue
            if pending.home_address == home_address:
                return pending
            if pending.home_address == ZERO_ADDRESS:
                without_address = pending
        return without_address

    def is_repeated(self, pending: PendingRegistration) -> bool:
        """Whether the node's latest request waits for its answer and asks for the same by the same challenge.

        Identification, time and authenticators do not count: a node that retransmits makes them anew (RFC 4721 s3.2).
        """
        key = self._latest.get(pending.asker)
        before = None if key is None else self._pending.get(key)
        if before is None or before.answer is None or pending.answer is None:
            return False
        changing = replace(
            before, identification=pending.identification, expires=pending.expires, answer=pending.answer
        )
        return changing == pending and before.answer.challenge == pending.answer.challenge

    def pending_towards(self, home_agent: IPv4Address) -> list[PendingRegistration]:
        return [pending for pending in self._pending.values() if pending.home_agent == home_agent]

    def time_out(self, mono: int) -> Iterator[PendingRegistration]:
        """Remove every pending registration that waited too long, and yield those that were a node's latest request."""
        for key in self._timeouts.due(mono):
            pending = self._pending[key]
            if self.remove_pending(pending):
                yield pending

    @property
    def pending(self) -> list[PendingRegistration]:
        return list(self._pending.values())

    def pending_count(self) -> int:
        return len(self._pending)

    def pending_of(self, link_address: bytes) -> int:
        return self._pending_of[link_address]

    def oldest_stranger(self, but: bytes) -> PendingRegistration | None:
        """Who waits longest of those that no visitor has sent, nor the link-layer address ``but``."""
        for pending in self._pending.values():
            if pending.link_address != but and not self._visitors_of[pending.link_address]:
                return pending
        return None

    # ---- time

    def next_deadline(self) -> int | None:
        return min(
            (mono for mono in (self._expiry.next(), self._timeouts.next()) if mono is not None), default=None
        )


def _one_less(counts: Counter[K], key: K) -> None:
    """A count of zero takes no room: link-layer addresses can be made up without end."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
