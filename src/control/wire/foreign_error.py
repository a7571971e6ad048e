"""FA Error extension, 45 (RFC 4636 s3): a denial that leaves what the home agent signed untouched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from mobileip.control.reasons import Reason, ReplyCode
from mobileip.control.wire.codes import reply_code
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.extensions import bad_length, simple

FOREIGN_AGENT_CODES: Final = range(64, 128)


@dataclass(frozen=True, slots=True)
class ForeignAgentError:
    """``status`` is a reply code of the foreign agent's range, 64 to 127."""

    type: ClassVar[int] = 45
    status: int
    offset: int = field(default=0, compare=False)

    @property
    def reply_code(self) -> ReplyCode | None:
        return reply_code(self.status)

    @classmethod
    def decode(cls, data: bytes, offset: int) -> Self:
        if len(data) != 2:
            raise bad_length(cls.type, len(data), offset, "2")
        subtype, status = data
        if subtype != 0:
            raise WireError(
                Reason.UNKNOWN_EXTENSION,
                offset,
                f"extension 45 at byte {offset} has unknown sub-type {subtype}",
            )
        if status not in FOREIGN_AGENT_CODES:
            raise WireError(
                Reason.BAD_VALUE, offset, f"FA error at byte {offset} has status {status}, not 64 to 127"
            )
        return cls(status, offset)

    def encode(self) -> bytes:
        """:raises ValueError: the status is not of the foreign agent's range."""
        if self.status not in FOREIGN_AGENT_CODES:
            raise ValueError(f"FA error with status {self.status}, not 64 to 127")
        return simple(self.type, bytes((0, self.status)))
