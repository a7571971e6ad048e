"""Encapsulating Delivery Style extension, 130 (RFC 3024 s3.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

from mobileip.control.wire.extensions import bad_length, simple


@dataclass(frozen=True, slots=True)
class EncapsulatingDelivery:
    """The mobile node will tunnel its packets to the foreign agent; without it delivery is direct."""

    type: ClassVar[int] = 130
    offset: int = field(default=0, compare=False)

    @classmethod
    def decode(cls, data: bytes, offset: int) -> Self:
        if data:
            raise bad_length(cls.type, len(data), offset, "0")
        return cls(offset)

    def encode(self) -> bytes:
        return simple(self.type, b"")
