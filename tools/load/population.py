"""The mobile nodes that are played: who they are and what they share with the home agent."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Any, Final

SPI: Final = 256
KEY_LENGTH: Final = 16  # bytes
_FIRST: Final = IPv4Address("10.0.0.1")


@dataclass(frozen=True, slots=True)
class Population:
    """``count`` nodes with consecutive home addresses from ``first`` on.

    All share ``key`` and are configured as ranges; with ``derived`` each has a key and a table of its own: the first 16
    bytes of HMAC-SHA-256(key, home address).
    """

    count: int
    first: IPv4Address = _FIRST
    key: bytes = bytes.fromhex("5d3c0a1b9e8f47266a7b8c9d0e1f2a3b")
    derived: bool = False
    _cache: dict[int, bytes] = field(default_factory=dict, compare=False, repr=False)

    def key_of(self, node: int) -> bytes:
        """The key of node number ``node``, 0 to ``count`` - 1."""
        if not self.derived:
            return self.key
        key = self._cache.get(node)
        if key is None:
            address = (int(self.first) + node).to_bytes(4, "big")
            key = self._cache[node] = hmac.digest(self.key, address, "sha256")[:KEY_LENGTH]
        return key

    @property
    def network(self) -> IPv4Network:
        """The smallest home network that holds them all, and whose broadcast address none of them has."""
        prefix = IPv4Network((self.first, 32), strict=False)
        while int(prefix.broadcast_address) <= int(self.first) + self.count - 1:
            prefix = prefix.supernet()
        return prefix

    def nodes(self) -> Iterator[dict[str, Any]]:
        """The tables ``[[home_agent.nodes]]`` of the home agent's file."""
        if not self.derived:
            for block in summarize_address_range(self.first, self.first + self.count - 1):
                yield {"home_addresses": str(block), "spi": SPI, "key": self.key.hex()}
            return
        for node in range(self.count):
            yield {"home_address": str(self.first + node), "spi": SPI, "key": self.key_of(node).hex()}


def home_agent(population: Population, address: IPv4Address, **more: Any) -> dict[str, Any]:
    """A whole configuration: home agent of ``population`` on a virtual home network."""
    return {
        "home_agent": {
            "address": str(address),
            "max_bindings": max(population.count, 1000),
            "networks": [{"prefix": str(population.network)}],
            "nodes": list(population.nodes()),
            **more,
        }
    }
