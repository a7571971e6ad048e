"""Mobility security associations and the table of them (RFC 5944 s1.6, s5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.security.peers import Peer, PeerMap
from mobileip.control.security.secret import Secret
from mobileip.control.types import Spi

DEFAULT_REPLAY_TOLERANCE_S: Final = 7.0  # RFC 5944 s5.7.1
_FIRST_FREE_SPI: Final = 256  # s1.6: 0 to 255 are reserved


class Algorithm(Enum):
    """How an authenticator is computed; the value is its name in configuration files.

    RFC 5944 s5.1 has HMAC-MD5 as mandatory and lets an association have others. ``length`` is that of the
    authenticator, in bytes.
    """

    HMAC_MD5 = "hmac-md5"  # RFC 5944 s3.5.1, mandatory and default since RFC 3220
    KEYED_MD5 = "keyed-md5"  # prefix+suffix, the default of RFC 2002 s3.5.1
    KEYED_MD5_NO_SPI = (
        "keyed-md5-no-spi"  # the same by the letter of RFC 2002 s3.5.1, over Type and Length only
    )
    HMAC_SHA1 = "hmac-sha1"  # whole, 20 bytes
    HMAC_SHA256 = "hmac-sha256"  # whole, 32 bytes

    length: int

    def __init__(self, name: str) -> None:
        self.length = {"hmac-sha1": 20, "hmac-sha256": 32}.get(name, 16)


class ReplayMethod(Enum):
    """How a replayed request is told from a fresh one; part of the association (s5.7)."""

    TIMESTAMPS = "timestamps"  # mandatory and default (s5.7.1)
    NONCES = "nonces"  # s5.7.2
    NONE = "none"  # for nodes that have neither clock nor memory; the RFC knows no such method


@dataclass(frozen=True, slots=True)
class MobilitySecurityAssociation:
    """One agreed context: what the SPI stands for between two nodes.

    ``spi`` is in what we receive. What we send has ``spi_out``, the number that the peer has given to this context
    (s1.6: a receiver finds it by its own), or the same one: ``sent_spi``.
    ``replay_tolerance_s`` is how far, in seconds, a timestamp may be from the home agent's clock (s5.7.1).
    ``any_spi``: it also stands for every SPI that no association of the peer has. ``any_algorithm``: authenticators by
    another algorithm with this key are right too. Both weaken what an SPI is for (s3.5.1, s5.1).

    :raises ValueError: an SPI is reserved, the key empty, or the tolerance not positive.
    """

    spi: Spi
    key: Secret
    algorithm: Algorithm = Algorithm.HMAC_MD5
    replay_tolerance_s: float = DEFAULT_REPLAY_TOLERANCE_S
    replay: ReplayMethod = ReplayMethod.TIMESTAMPS
    spi_out: Spi | None = None
    any_spi: bool = False
    any_algorithm: bool = False

    def __post_init__(self) -> None:
        for spi in (self.spi, self.sent_spi):
            if not _FIRST_FREE_SPI <= spi <= 0xFFFF_FFFF:
                raise ValueError(f"SPI {spi} is not between {_FIRST_FREE_SPI} and 4294967295")
        if not self.key.reveal():
            raise ValueError(f"the key of SPI {self.spi} is empty")
        if not self.replay_tolerance_s > 0:
            raise ValueError(f"the replay tolerance of SPI {self.spi} is not positive")

    @property
    def sent_spi(self) -> Spi:
        """The SPI of what is signed for the peer."""
        return self.spi if self.spi_out is None else self.spi_out

    @property
    def is_lenient(self) -> bool:
        """Whether it stands for more than its SPI and algorithm say."""
        return self.any_spi or self.any_algorithm


class AssociationTable:
    """Associations by peer and SPI; the first given for a peer is the one to send with. Never changes.

    A peer is an address, a range of addresses whose nodes share one key, or a Network Access Identifier
    (see :class:`~mobileip.control.security.peers.PeerMap`).

    :raises ValueError: the same peer and SPI twice.
    """

    __slots__ = ("_by_peer", "_count")

    def __init__(self, entries: Iterable[tuple[Peer, MobilitySecurityAssociation]] = ()) -> None:
        # Lists of one, nearly all of them: a dictionary for each of a million nodes would need four times the room.
        self._by_peer: Final[PeerMap[list[MobilitySecurityAssociation]]] = PeerMap()
        self._count = 0
        for peer, association in entries:
            self._count += 1
            first = [association]
            of_peer = self._by_peer.setdefault(peer, first)
            if of_peer is first:
                continue
            if any(association.spi == one.spi for one in of_peer):
                raise ValueError(f"two associations for {peer} with SPI {association.spi}")
            of_peer.append(association)

    def find(self, peer: IPv4Address | str, spi: Spi) -> MobilitySecurityAssociation | None:
        """The association by which a message from ``peer`` (its address or NAI) is verified."""
        return chosen(spi, self._by_peer.find(peer) or ())

    def at(self, number: int, spi: int) -> MobilitySecurityAssociation | None:
        """As :meth:`find`, by an address as a number."""
        return chosen(spi, self._by_peer.at(number) or ())

    def of(self, peer: IPv4Address | str) -> tuple[MobilitySecurityAssociation, ...]:
        """All associations with ``peer``, the one to send with first."""
        return tuple(self._by_peer.find(peer) or ())

    def preferred(self, peer: IPv4Address | str) -> MobilitySecurityAssociation | None:
        """The association with which messages to ``peer`` are signed."""
        of_peer = self._by_peer.find(peer)
        return None if of_peer is None else of_peer[0]

    def has_address(self, address: IPv4Address) -> bool:
        """Whether there is any association for an address, its own or of a range."""
        return self._by_peer.find(address) is not None

    def __len__(self) -> int:
        return self._count


def chosen(
    spi: int, associations: Sequence[MobilitySecurityAssociation]
) -> MobilitySecurityAssociation | None:
    """Which of one peer's ``associations`` a message with ``spi`` is verified by."""
    for association in associations:
        if association.spi == spi:
            return association
    for association in associations:
        if association.any_spi and spi >= _FIRST_FREE_SPI:
            return replace(association, spi=Spi(spi))  # the peer is answered by its own number
    return None
