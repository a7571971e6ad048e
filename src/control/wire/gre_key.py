"""GRE Key extension, 48 (RFC 6245 s5): what the sender wants in the GRE headers that are tunnelled to it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from mobileip.control.reasons import Reason
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.extensions import bad_length

_LONG: Final = struct.Struct("!BBHI")  # the long format of RFC 5944 s1.10
_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class GreKey:
    """``key`` has 32 bits. From a foreign agent 0 stands for: the home agent chooses one for both directions."""

    type: ClassVar[int] = 48
    key: int
    offset: int = field(default=0, compare=False)

    @classmethod
    def decode(cls, subtype: int, data: bytes, offset: int) -> Self:
        if subtype != 0:
            raise WireError(
                Reason.UNKNOWN_EXTENSION,
                offset,
                f"extension 48 at byte {offset} has unknown sub-type {subtype}",
            )
        if len(data) != _LENGTH:
            raise bad_length(cls.type, len(data), offset, str(_LENGTH))
        return cls(int.from_bytes(data), offset)

    def encode(self) -> bytes:
        """:raises ValueError: the key has more than 32 bits."""
        if not 0 <= self.key < 1 << 32:
            raise ValueError(f"a GRE key of {self.key}, not 0 to 2**32 - 1")
        return _LONG.pack(self.type, 0, _LENGTH, self.key)
