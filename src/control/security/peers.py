"""What is known of peers, found by an address or a Network Access Identifier (RFC 5944 s5.1, RFC 2794)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from ipaddress import IPv4Address, IPv4Network
from typing import Final, Generic, TypeVar

V = TypeVar("V")

Peer = IPv4Address | IPv4Network | str
"""An address; a range; ``user@realm``, or ``*@realm`` for every user of a realm that has no entry of its own."""

ANY_USER: Final = "*@"


class PeerMap(Generic[V]):
    """Values by :data:`Peer`. The most particular wins: an address before its range, a user before the realm.

    :raises ValueError: two ranges overlap, so that none would be the more particular.
    """

    __slots__ = ("_by_address", "_by_name", "_firsts", "_ranges")

    def __init__(self) -> None:
        self._by_address: Final[dict[int, V]] = {}  # hashing an IPv4Address takes longer than the look-up
        self._by_name: Final[dict[str, V]] = {}
        self._ranges: Final[list[tuple[int, V]]] = []  # last address and value; ascending
        self._firsts: Final[list[int]] = []  # the first address of each

    def setdefault(self, peer: Peer, value: V) -> V:
        """The value of exactly this peer, which is ``value`` if it had none."""
        if isinstance(peer, str):
            return self._by_name.setdefault(normalised(peer), value)
        if isinstance(peer, IPv4Address):
            return self._by_address.setdefault(int(peer), value)
        first, last = int(peer.network_address), int(peer.broadcast_address)
        place = bisect_left(self._firsts, first)
        for other in range(max(place - 1, 0), min(place + 1, len(self._firsts))):
            other_first, (other_last, known) = self._firsts[other], self._ranges[other]
            if (first, last) == (other_first, other_last):
                return known
            if first <= other_last and other_first <= last:
                raise ValueError(f"{peer} overlaps {IPv4Address(other_first)} to {IPv4Address(other_last)}")
        self._firsts.insert(place, first)
        self._ranges.insert(place, (last, value))
        return value

    def find(self, peer: IPv4Address | str) -> V | None:
        """The value for an address or a NAI."""
        if isinstance(peer, str):
            return self._of_name(normalised(peer))
        return self.at(int(peer))

    def at(self, number: int) -> V | None:
        """The value for an address as a number."""
        found = self._by_address.get(number)
        return self._of_range(number) if found is None and self._ranges else found

    def _of_range(self, number: int) -> V | None:
        place = bisect_right(self._firsts, number) - 1
        if place < 0:
            return None
        last, value = self._ranges[place]
        return value if number <= last else None

    def _of_name(self, nai: str) -> V | None:
        found = self._by_name.get(nai)
        if found is not None or "@" not in nai:
            return found
        return self._by_name.get(ANY_USER + nai.rpartition("@")[2])

    def __bool__(self) -> bool:
        return bool(self._by_address or self._by_name or self._ranges)


def normalised(nai: str) -> str:
    """A NAI as it is compared: the realm is a domain name, without case; the user's name is taken as it is."""
    user, at, realm = nai.rpartition("@")
    return user + at + realm.lower() if at else nai
