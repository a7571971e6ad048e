"""Extensions of registration messages: framing and registry (RFC 5944 s1.8-1.11).

Every extension class has a ``type`` and two functions: ``decode(data, offset)`` from the bytes after Type and
Length, and ``encode()`` to the whole extension. Its ``offset`` is where it stood in the message it was read
from; it is not part of its value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Generic, Protocol, TypeVar

from mobileip.control.reasons import Reason
from mobileip.control.wire.cursor import Cursor, WireError

FIRST_SKIPPABLE: Final = 128  # s1.8: of an unknown type below, the whole message is discarded
_LONG: Final = struct.Struct("!BBH")
_AFTER_TYPE: Final = struct.Struct("!BH")  # Sub-Type and Length of the long format


class Encodable(Protocol):
    """What every extension can do."""

    def encode(self) -> bytes: ...


E = TypeVar("E", bound=Encodable)


def simple(kind: int, data: bytes) -> bytes:
    """Type, Length, Data (RFC 5944 s1.9).

    :raises ValueError: ``data`` is longer than the 255 bytes that Length can say.
    """
    if len(data) > 0xFF:
        raise ValueError(f"extension {kind} holds {len(data)} bytes, at most 255 fit")
    return bytes((kind, len(data))) + data


def bad_length(kind: int, length: int, offset: int, allowed: str) -> WireError:
    return WireError(
        Reason.BAD_EXTENSION_LENGTH,
        offset,
        f"extension {kind} at byte {offset} has length {length}, not {allowed}",
    )


@dataclass(frozen=True, slots=True)
class Padding:
    """One byte of zero, with neither length nor data (RFC 5944 s2.1.3, s1.8)."""

    type: ClassVar[int] = 0
    offset: int = field(default=0, compare=False)

    def encode(self) -> bytes:
        return b"\x00"


@dataclass(frozen=True, slots=True)
class UnknownExtension:
    """A skippable extension (128-255) that we do not know: kept, so that a message can be sent on unchanged.

    ``subtype`` is set only for those that use the long format although s1.10 forbids it to skippable types.
    """

    type: int
    data: bytes
    subtype: int | None = None
    offset: int = field(default=0, compare=False)

    def encode(self) -> bytes:
        """:raises ValueError: the type may not be skipped, so no receiver would read on."""
        if self.type < FIRST_SKIPPABLE:
            raise ValueError(f"extension {self.type} may not be skipped")
        if self.subtype is None:
            return simple(self.type, self.data)
        return _LONG.pack(self.type, self.subtype, len(self.data)) + self.data


@dataclass(frozen=True)
class ExtensionSpace(Generic[E]):
    """One of the two numbering spaces of s1.8: registration messages, and ICMP router discovery.

    ``long_decoders`` are those of extensions in the long format (s1.10): they get the Sub-Type too.
    ``long_marks`` names, for a skippable type, the bytes after Type that betray the long format; ``marked_decoders``
    are those of such types, and get ``None`` in place of the Sub-Type when the format was the short one.
    """

    decoders: Mapping[int, Callable[[bytes, int], E]]
    long_marks: Mapping[int, tuple[bytes, ...]] = field(default_factory=dict)
    long_decoders: Mapping[int, Callable[[int, bytes, int], E]] = field(default_factory=dict)
    marked_decoders: Mapping[int, Callable[[int | None, bytes, int], E | UnknownExtension]] = field(
        default_factory=dict
    )

    def read(self, cursor: Cursor) -> tuple[E | Padding | UnknownExtension, ...]:
        """All extensions to the end of the message, which is the only end of the list (s1.8)."""
        found: list[E | Padding | UnknownExtension] = []
        while cursor.left:
            start = cursor.offset
            kind = cursor.byte("extension type")
            decode = self.decoders.get(kind)
            if decode is not None:
                length = cursor.byte("length of extension %d", kind)
                found.append(decode(cursor.take(length, "data of extension %d", kind), start))
            elif kind in self.long_decoders:
                subtype, length = cursor.fields(_AFTER_TYPE, "head of a long extension")
                data = cursor.take(length, "data of extension %d", kind)
                found.append(self.long_decoders[kind](subtype, data, start))
            elif kind == Padding.type:
                found.append(Padding(start))
            elif kind < FIRST_SKIPPABLE:
                raise WireError(
                    Reason.UNKNOWN_EXTENSION,
                    start,
                    f"extension {kind} at byte {start} is not known and may not be skipped",
                )
            elif not cursor.left:
                raise WireError(
                    Reason.TRAILING_BYTES, start, f"byte {start} is left over: {kind:#04x} without a length"
                )
            else:
                found.append(self._skip(cursor, kind, start))
        return tuple(found)

    def _skip(self, cursor: Cursor, kind: int, start: int) -> E | UnknownExtension:
        subtype = None
        if any(map(cursor.next_is, self.long_marks.get(kind, ()))):
            subtype, length = cursor.fields(_AFTER_TYPE, "head of a long extension")
        else:
            length = cursor.byte("length of extension %d", kind)
        data = cursor.take(length, "data of extension %d", kind)
        decode = self.marked_decoders.get(kind)
        return (
            UnknownExtension(kind, data, subtype, start) if decode is None else decode(subtype, data, start)
        )


def encode_all(extensions: Iterable[Encodable]) -> bytes:
    return b"".join([extension.encode() for extension in extensions])
