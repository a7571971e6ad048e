"""Blocks of a pcapng file of a tunnel: two interfaces, one for outer and one for inner packets.

By draft-ietf-opsawg-pcapng, in the byte order of no machine in particular: little-endian, as the file says itself.
"""

from __future__ import annotations

import struct
from typing import Final

OUTER, INNER = 0, 1
"""Numbers of the interfaces."""

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_RAW_IPV4: Final = 228  # LINKTYPE_IPV4: no link-layer header
_COMMENT: Final = 1
_USER_APPLICATION: Final = 4
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL = 2, 3, 9
_EPB_FLAGS: Final = 2
_ISB_STARTTIME, _ISB_ENDTIME, _ISB_IFRECV, _ISB_IFDROP = 2, 3, 4, 5
_NANOSECONDS: Final = b"\x09"  # 10**-9 s
_INBOUND, _OUTBOUND = struct.pack("<I", 1), struct.pack("<I", 2)


def header(application: str, device: str, snap: int) -> bytes:
    """The file's beginning. ``device`` names the interfaces; ``snap`` is the most bytes of a packet."""
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options((_USER_APPLICATION, application.encode()))
    blocks = [_block(_SECTION, section)]
    for layer, what in (("outer", "tunnelled datagrams"), ("inner", "packets inside them")):
        options = _options(
            (_IF_NAME, f"{device}-{layer}".encode()),
            (_IF_DESCRIPTION, what.encode()),
            (_IF_TSRESOL, _NANOSECONDS),
        )
        blocks.append(_block(_INTERFACE, struct.pack("<HHI", _RAW_IPV4, 0, snap) + options))
    return b"".join(blocks)


def packet(interface: int, time: int, data: bytes, length: int, inbound: bool, comment: str = "") -> bytes:
    """A packet of ``length`` bytes, of which ``data`` are the first; ``time`` in ns since 1970."""
    options = [(_EPB_FLAGS, _INBOUND if inbound else _OUTBOUND)]
    if comment:
        options.append((_COMMENT, comment.encode()))
    fields = struct.pack("<IIIII", interface, *_halves(time), len(data), length)
    return _block(_PACKET, fields + _padded(data) + _options(*options))


def statistics(interface: int, started: int, ended: int, received: int, lost: int) -> bytes:
    """What became of the packets of an interface: ``received`` in all, of these ``lost``; times as in packet()."""
    options = _options(
        (_ISB_STARTTIME, struct.pack("<II", *_halves(started))),
        (_ISB_ENDTIME, struct.pack("<II", *_halves(ended))),
        (_ISB_IFRECV, struct.pack("<Q", received)),
        (_ISB_IFDROP, struct.pack("<Q", lost)),
    )
    return _block(_STATISTICS, struct.pack("<III", interface, *_halves(ended)) + options)


def _halves(time: int) -> tuple[int, int]:
    return time >> 32, time & 0xFFFF_FFFF


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(*options: tuple[int, bytes]) -> bytes:
    return b"".join(
        struct.pack("<HH", code, len(value)) + _padded(value) for code, value in (*options, (0, b""))
    )


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length
