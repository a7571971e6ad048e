"""Authentication extensions 32, 33 and 34 (RFC 5944 s3.5.2-3.5.4). Computing them is :mod:`..security`'s."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from mobileip.control.types import Spi
from mobileip.control.wire.extensions import bad_length, simple

_SPI: Final = struct.Struct("!I")
HEADER_LENGTH: Final = (
    2 + _SPI.size
)  # Type, Length and SPI: the part that the authenticator itself covers (s3.5.1)


@dataclass(frozen=True, slots=True)
class Authentication:
    """What 32, 33 and 34 have in common; the class says between whom."""

    type: ClassVar[int]
    spi: Spi
    authenticator: bytes
    offset: int = field(default=0, compare=False)

    @property
    def covered(self) -> int:
        """How many bytes of the message, from its start, the authenticator covers (s3.5.1)."""
        return self.offset + HEADER_LENGTH

    @property
    def end(self) -> int:
        """Offset of the first byte after this extension."""
        return self.offset + HEADER_LENGTH + len(self.authenticator)

    @classmethod
    def decode(cls, data: bytes, offset: int) -> Self:
        if len(data) < _SPI.size:
            raise bad_length(cls.type, len(data), offset, "4 and the authenticator's own")
        return cls(Spi(_SPI.unpack_from(data)[0]), data[_SPI.size :], offset)

    @classmethod
    def header(cls, spi: Spi, authenticator_length: int) -> bytes:
        """Type, Length and SPI of an extension whose authenticator is still to be computed."""
        return bytes((cls.type, _SPI.size + authenticator_length)) + _SPI.pack(spi)

    def encode(self) -> bytes:
        return simple(self.type, _SPI.pack(self.spi) + self.authenticator)


@dataclass(frozen=True, slots=True)
class MobileHomeAuthentication(Authentication):
    """32: between mobile node and home agent; always authorization-enabling (s3.5.2)."""

    type: ClassVar[int] = 32


@dataclass(frozen=True, slots=True)
class MobileForeignAuthentication(Authentication):
    """33: between mobile node and foreign agent (s3.5.3)."""

    type: ClassVar[int] = 33


@dataclass(frozen=True, slots=True)
class ForeignHomeAuthentication(Authentication):
    """34: between the agents; never on a deregistration (s3.5.4)."""

    type: ClassVar[int] = 34
