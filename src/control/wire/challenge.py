"""Challenges, and the answers of nodes to them (RFC 4721): 24 of advertisements, 132 and 36 of registration."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from mobileip.control.reasons import Reason
from mobileip.control.types import Spi
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.extensions import bad_length, simple

_LONG: Final = struct.Struct("!BBHI")  # the long format of RFC 5944 s1.10, and the SPI
_MOBILE_AAA: Final = 1  # Sub-Type (s6)
_SHORTEST: Final = 20  # bytes: an SPI and 16 of authenticator (s5)


@dataclass(frozen=True, slots=True)
class _Challenge:
    challenge: bytes
    offset: int = field(default=0, compare=False)
    type: ClassVar[int]

    @classmethod
    def decode(cls, data: bytes, offset: int) -> Self:
        return cls(data, offset)

    def encode(self) -> bytes:
        """:raises ValueError: the challenge is longer than 255 bytes."""
        return simple(self.type, self.challenge)


@dataclass(frozen=True, slots=True)
class AdvertisedChallenge(_Challenge):
    """24 of an agent advertisement: what a node has to answer in its next request (s2)."""

    type: ClassVar[int] = 24


@dataclass(frozen=True, slots=True)
class MobileForeignChallenge(_Challenge):
    """132: the challenge that a node answers, or in a reply the next one (s4)."""

    type: ClassVar[int] = 132


@dataclass(frozen=True, slots=True)
class MobileAaaAuthentication:
    """36, Sub-Type 1: a node's proof for an AAA server (s5, s6). With SPI 2 it is made as that of CHAP (s8)."""

    type: ClassVar[int] = 36
    spi: Spi
    authenticator: bytes
    offset: int = field(default=0, compare=False)

    @property
    def covered(self) -> int:
        """How many bytes of the message, from its start, the authenticator covers (s6)."""
        return self.offset + _LONG.size

    @property
    def end(self) -> int:
        """Offset of the first byte after this extension."""
        return self.covered + len(self.authenticator)

    @classmethod
    def header(cls, spi: Spi, authenticator_length: int) -> bytes:
        """Type, Subtype, Length and SPI of an extension whose authenticator is still to be computed.

        :raises ValueError: the authenticator would have less than 16 bytes.
        """
        length = 4 + authenticator_length
        if length < _SHORTEST:
            raise ValueError(f"an authenticator of {authenticator_length} bytes, not 16 or more")
        return _LONG.pack(cls.type, _MOBILE_AAA, length, spi)

    @classmethod
    def decode(cls, subtype: int, data: bytes, offset: int) -> Self:
        if subtype != _MOBILE_AAA:
            raise WireError(
                Reason.UNKNOWN_EXTENSION,
                offset,
                f"extension 36 at byte {offset} has unknown sub-type {subtype}",
            )
        if len(data) < _SHORTEST:
            raise bad_length(cls.type, len(data), offset, f"{_SHORTEST} or more")
        return cls(Spi(int.from_bytes(data[:4])), data[4:], offset)

    def encode(self) -> bytes:
        """:raises ValueError: the authenticator has less than 16 bytes."""
        return self.header(self.spi, len(self.authenticator)) + self.authenticator
