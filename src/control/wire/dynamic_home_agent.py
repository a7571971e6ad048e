"""Dynamic HA extension, 139 (RFC 4433 s3.4): a home agent that a node wishes for, or is sent to.

Figure 1 there shows the long format, which RFC 5944 s1.10 forbids to a type that may be skipped: who does not know the
extension reads its Sub-Type as the length. Some send the short format instead. We send what the figure shows and
understand both.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address
from typing import ClassVar, Final

from mobileip.control.wire.extensions import UnknownExtension, simple

_LONG: Final = struct.Struct("!BBH4s")
_SHORT: Final = struct.Struct("!B4s")
_ADDRESS_LENGTH: Final = 4


class DynamicHomeAgentUse(IntEnum):
    """Sub-types (RFC 4433 s3.4)."""

    REQUESTED = 1
    REDIRECTED = 2


@dataclass(frozen=True, slots=True)
class DynamicHomeAgent:
    """``use`` says whether ``address`` is wished for, in a request, or where a reply sends the node. ``short``: in the
    format that RFC 4433 does not show."""

    type: ClassVar[int] = 139
    use: DynamicHomeAgentUse
    address: IPv4Address
    short: bool = False
    offset: int = field(default=0, compare=False)

    @classmethod
    def decode(cls, subtype: int | None, data: bytes, offset: int) -> DynamicHomeAgent | UnknownExtension:
        """``subtype`` is ``None`` in the short format; anything else than one address may be skipped."""
        if subtype is not None:
            return cls(DynamicHomeAgentUse(subtype), IPv4Address(data), offset=offset)
        if len(data) == _SHORT.size and data[0] in (
            DynamicHomeAgentUse.REQUESTED,
            DynamicHomeAgentUse.REDIRECTED,
        ):
            return cls(DynamicHomeAgentUse(data[0]), IPv4Address(data[1:]), True, offset)
        return UnknownExtension(cls.type, data, None, offset)

    def encode(self) -> bytes:
        if self.short:
            return simple(self.type, _SHORT.pack(self.use, self.address.packed))
        return _LONG.pack(self.type, self.use, _ADDRESS_LENGTH, self.address.packed)
