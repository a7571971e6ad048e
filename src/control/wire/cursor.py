"""A bounded reader, and the one exception of this layer."""

from __future__ import annotations

import struct
from typing import Any

from mobileip.control.reasons import Reason


class WireError(Exception):
    """Bytes that are no message we accept. ``str()`` is one sentence for people.

    ``offset``, from the start of the UDP or ICMP payload, is where the part begins that does not fit or may
    not be.
    """

    def __init__(self, reason: Reason, offset: int, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.offset = offset


class Cursor:
    """Reads forward through ``data``; whoever asks for more than is left gets a :class:`WireError`.

    ``what`` in the methods is a %-format for the error's sentence, filled in only when there is an error.
    """

    __slots__ = ("data", "offset")

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self.data = data
        self.offset = offset

    @property
    def left(self) -> int:
        return len(self.data) - self.offset

    def fields(self, layout: struct.Struct, what: str) -> tuple[Any, ...]:
        """The fields of ``layout``, in one step."""
        start = self.offset
        try:
            values = layout.unpack_from(self.data, start)
        except struct.error:
            raise self._truncated(start, layout.size, what) from None
        self.offset = start + layout.size
        return values

    def byte(self, what: str, *values: object) -> int:
        start = self.offset
        if start >= len(self.data):
            raise self._truncated(start, 1, what, *values)
        self.offset = start + 1
        return self.data[start]

    def take(self, count: int, what: str, *values: object) -> bytes:
        start = self.offset
        end = start + count
        if end > len(self.data):
            raise self._truncated(start, count, what, *values)
        self.offset = end
        return self.data[start:end]

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self.left, "the rest")

    def next_is(self, mark: bytes) -> bool:
        """Whether ``mark`` comes next; reads nothing."""
        return self.data.startswith(mark, self.offset)

    def _truncated(self, start: int, wanted: int, what: str, *values: object) -> WireError:
        sentence = f"{what % values} at byte {start} needs {wanted} bytes, {len(self.data) - start} are left"
        return WireError(Reason.TRUNCATED, start, sentence)
