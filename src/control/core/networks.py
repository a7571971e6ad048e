"""The home networks of a home agent (RFC 5944 s1.6), for look-ups in each request."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

_MULTICAST: Final = 0xE0000000  # 224.0.0.0: from here on no address is a host's, 255.255.255.255 included


@dataclass(frozen=True, slots=True)
class HomeNetwork:
    """A home network; ``interface`` is its physical link, ``None`` for a virtual network (s1.6).

    ``pool`` is the part of it that is given to nodes which ask for a home address (RFC 2794).
    """

    prefix: IPv4Network
    interface: str | None
    pool: IPv4Network | None = None


class HomeNetworks:
    """Networks by the addresses in them; they do not overlap."""

    def __init__(self, networks: Sequence[HomeNetwork]) -> None:
        self._sorted: Final = sorted(networks, key=lambda net: int(net.prefix.network_address))
        self._first: Final = [int(net.prefix.network_address) for net in self._sorted]
        self._last: Final = [int(net.prefix.broadcast_address) for net in self._sorted]
        # A /31 or /32 has neither a network nor a broadcast address (RFC 3021).
        proper = [net.prefix for net in networks if net.prefix.prefixlen <= 30]
        self._broadcast: Final = frozenset(int(prefix.broadcast_address) for prefix in proper)
        self.no_hosts: Final = self._broadcast | {int(prefix.network_address) for prefix in proper}
        """Addresses of the networks that no host can have, as numbers."""

    def of(self, address: IPv4Address) -> HomeNetwork | None:
        """The network that ``address`` belongs to."""
        number = int(address)
        place = bisect_right(self._first, number) - 1
        if place < 0 or number > self._last[place]:
            return None
        return self._sorted[place]

    def has_host(self, address: IPv4Address) -> bool:
        """Whether ``address`` can be that of a host on one of the networks."""
        return self.of(address) is not None and int(address) not in self.no_hosts

    def link(self, address: IPv4Address) -> str | None:
        """The physical home link of a home address."""
        network = self.of(address)
        return None if network is None else network.interface

    def is_group(self, address: IPv4Address) -> bool:
        """Multicast, limited broadcast, or the broadcast address of a home network."""
        number = int(address)
        return number >= _MULTICAST or number in self._broadcast
