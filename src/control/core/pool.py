"""Home addresses for nodes that have only a name (RFC 2794, RFC 5944 s3.8.3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from typing import Final

from mobileip.control.types import seconds

QUARANTINE: Final = seconds(60)
"""How long an address that was given up is kept from other nodes: packets for its last holder are still under way,
and a replayed request of that holder must not be fresh again (the tolerance of a timestamp is far below)."""


class AddressPool:
    """Which address each name has. It is the same as long as the node is bound, and later too while others suffice.

    Numbers stand for addresses. Neither ``reserved`` ones are given nor those that ``is_taken`` tells of, which
    are of nodes known by address. ``on_new_holder`` is told each address that is given to a name.
    """

    def __init__(
        self,
        networks: Iterable[IPv4Network],
        reserved: frozenset[int],
        is_taken: Callable[[IPv4Address], bool],
        on_new_holder: Callable[[IPv4Address], None],
    ) -> None:
        self._networks = [(int(net.network_address), int(net.broadcast_address)) for net in networks]
        self._reserved = reserved
        self.is_taken = is_taken
        self._on_new_holder = on_new_holder
        self._address: dict[str, int] = {}
        self._holder: dict[int, str] = {}
        self._idle: dict[
            int, int
        ] = {}  # held by a name but not bound, since (mono ns); the longest idle first
        self._untouched: Iterator[int] = chain.from_iterable(
            range(first, last + 1) for first, last in self._networks
        )

    def holder(self, address: IPv4Address) -> str | None:
        """The name that has ``address``."""
        return self._holder.get(int(address))

    def __contains__(self, address: IPv4Address) -> bool:
        """Whether names are given addresses from where this one is."""
        return self._contains(int(address))

    def lease(self, nai: str, mono: int) -> IPv4Address | None:
        """The address of ``nai``, a free one if it has none; ``None`` when there is no free one."""
        number = self._address.get(nai)
        if number is None:
            number = self._free(mono)
            if number is None:
                return None
            self._give(number, nai, mono)
        return IPv4Address(number)

    def claim(self, nai: str, address: IPv4Address, mono: int) -> bool:
        """Whether ``nai`` may have just this address, as after a restart in which we forgot who had it."""
        number = int(address)
        holder = self._holder.get(number)
        if holder is not None:
            return holder == nai
        if not self._contains(number) or not self._may_give(number):
            return False
        other = self._address.get(nai)
        if other is not None:
            if other not in self._idle:
                return False  # it is bound with another one
            self._take(other)
        self._give(number, nai, mono)
        return True

    def bind(self, address: IPv4Address) -> None:
        """The address is in use: not for others whatever happens."""
        self._idle.pop(int(address), None)

    def release(self, address: IPv4Address, mono: int) -> None:
        """The address is no longer in use; its holder gets it back when it returns in time."""
        number = int(address)
        if number in self._holder:
            self._idle.pop(number, None)
            self._idle[number] = mono

    def _free(self, mono: int) -> int | None:
        for number in self._untouched:
            if number not in self._holder and self._may_give(number):
                return number
        oldest = next(iter(self._idle), None)
        if oldest is None or self._idle[oldest] + QUARANTINE > mono:
            return None
        self._take(oldest)
        return oldest

    def _give(self, number: int, nai: str, mono: int) -> None:
        self._address[nai] = number
        self._holder[number] = nai
        self._idle[number] = mono
        self._on_new_holder(IPv4Address(number))

    def _take(self, number: int) -> None:
        del self._address[self._holder.pop(number)]
        del self._idle[number]

    def _contains(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self._networks)

    def _may_give(self, number: int) -> bool:
        return number not in self._reserved and not self.is_taken(IPv4Address(number))

    def __bool__(self) -> bool:
        return bool(self._networks)
