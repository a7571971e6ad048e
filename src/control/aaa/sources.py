"""What every source of keys is and can answer (RFC 5944 s1.6: a mobility security association per peer and SPI).

A source is asked about one peer, a home address or a Network Access Identifier, and one SPI, and gives all associations
that it has for the peer; some give that one alone. It distinguishes a peer that it is sure not to know from a question
that it cannot answer now: the first is a reason to refuse a registration, the second is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from mobileip.control.aaa.servers import ServerStatus
from mobileip.control.security import MobilitySecurityAssociation
from mobileip.control.types import Spi


@dataclass(frozen=True, slots=True)
class Found:
    """The peer's associations, of which the first signs what has no SPI to go by.

    ``lifetime_s``: how long they may be used without asking again, in seconds; ``None``: as the chain's default.
    ``spi``: the source told of that one alone and may have others; ``None``: these are all. ``home_address``: the one
    that the source has given to a peer with a name.
    """

    associations: tuple[MobilitySecurityAssociation, ...]
    lifetime_s: float | None = None
    spi: Spi | None = None
    home_address: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The source is sure that it knows no such peer; with ``spi``, or not with that one."""

    spi: Spi | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing can be said about the peer now; ``why`` is one sentence for the operator."""

    why: str


Answer = Found | Unknown | Unavailable


class KeySource(Protocol):
    """Somewhere that keys can be had from."""

    @property
    def name(self) -> str:
        """As in the configuration: ``radius``."""
        ...

    def servers(self) -> tuple[ServerStatus, ...]:
        """Whom it asks, in this order; none if it looks for itself."""
        ...

    async def find(self, peer: IPv4Address | str, spi: Spi) -> Answer:
        """The associations of ``peer``, all or the one with ``spi``.

        Ends within the source's own time limits; trouble is an answer, no exception.
        May be called for several peers at once. A cancelled call leaves nothing behind.
        """
        ...

    async def close(self) -> None:
        """Let go of sockets and tasks; nothing is asked afterwards."""
        ...
