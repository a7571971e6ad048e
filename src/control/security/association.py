"""Mobility security associations and the table of them (RFC 5944 s1.6, s5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.security.secret import Secret
from mobileip.control.types import Spi

DEFAULT_REPLAY_TOLERANCE_S: Final = 7.0  # RFC 5944 s5.7.1
_FIRST_FREE_SPI: Final = 256  # s1.6: 0 to 255 are reserved


class Algorithm(Enum):
    """How an authenticator is computed; the value is its name in configuration files."""

    HMAC_MD5 = "hmac-md5"  # RFC 5944 s3.5.1, mandatory and default since RFC 3220
    KEYED_MD5 = "keyed-md5"  # prefix+suffix, the default of RFC 2002 s3.5.1


@dataclass(frozen=True, slots=True)
class MobilitySecurityAssociation:
    """One agreed context: what the SPI stands for between two nodes.

    ``replay_tolerance_s`` is how far, in seconds, a timestamp may be from the home agent's clock (s5.7.1).

    :raises ValueError: the SPI is reserved, the key empty, or the tolerance not positive.
    """

    spi: Spi
    key: Secret
    algorithm: Algorithm = Algorithm.HMAC_MD5
    replay_tolerance_s: float = DEFAULT_REPLAY_TOLERANCE_S

    def __post_init__(self) -> None:
        if not _FIRST_FREE_SPI <= self.spi <= 0xFFFF_FFFF:
            raise ValueError(f"SPI {self.spi} is not between {_FIRST_FREE_SPI} and 4294967295")
        if not self.key.reveal():
            raise ValueError(f"the key of SPI {self.spi} is empty")
        if not self.replay_tolerance_s > 0:
            raise ValueError(f"the replay tolerance of SPI {self.spi} is not positive")


class AssociationTable:
    """Associations by peer address and SPI; the first given for a peer is the one to send with. Never
    changes.

    :raises ValueError: the same peer and SPI twice.
    """

    __slots__ = ("_by_peer",)

    def __init__(self, entries: Iterable[tuple[IPv4Address, MobilitySecurityAssociation]] = ()) -> None:
        self._by_peer: Final[dict[IPv4Address, dict[int, MobilitySecurityAssociation]]] = {}
        for peer, association in entries:
            of_peer = self._by_peer.setdefault(peer, {})
            if association.spi in of_peer:
                raise ValueError(f"two associations for {peer} with SPI {association.spi}")
            of_peer[association.spi] = association

    def find(self, peer: IPv4Address, spi: Spi) -> MobilitySecurityAssociation | None:
        """The association by which a message from ``peer`` is verified."""
        of_peer = self._by_peer.get(peer)
        return None if of_peer is None else of_peer.get(spi)

    def preferred(self, peer: IPv4Address) -> MobilitySecurityAssociation | None:
        """The association with which messages to ``peer`` are signed."""
        of_peer = self._by_peer.get(peer)
        return None if of_peer is None else next(iter(of_peer.values()))

    def __len__(self) -> int:
        return sum(map(len, self._by_peer.values()))
