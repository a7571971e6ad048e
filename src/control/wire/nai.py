"""Mobile Node NAI extension, 131 (RFC 2794 s2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from mobileip.control.reasons import Reason
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.extensions import bad_length, simple

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class NetworkAccessIdentifier:
    """The mobile node's name, ``user@realm``; UTF-8 without control characters (RFC 4282 s2.1)."""

    type: ClassVar[int] = 131
    nai: str
    offset: int = field(default=0, compare=False)

    @classmethod
    def decode(cls, data: bytes, offset: int) -> Self:
        if not data:
            raise bad_length(cls.type, 0, offset, "1 to 255")
        try:
            nai = data.decode()
        except UnicodeDecodeError:
            raise WireError(Reason.BAD_VALUE, offset, f"NAI at byte {offset} is not UTF-8") from None
        if _CONTROL.search(nai):
            raise WireError(Reason.BAD_VALUE, offset, f"NAI at byte {offset} holds control characters")
        return cls(nai, offset)

    def encode(self) -> bytes:
        """:raises ValueError: the NAI is empty, too long, or holds control characters."""
        if not self.nai or _CONTROL.search(self.nai):
            raise ValueError(f"{self.nai!a} is no NAI")
        return simple(self.type, self.nai.encode())
