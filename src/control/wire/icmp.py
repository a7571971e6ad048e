"""ICMP Router Discovery (RFC 1256 s3): fixed parts and checksum; extensions are advertisement.py's."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.reasons import Reason
from mobileip.control.wire.cursor import Cursor, WireError

ROUTER_ADVERTISEMENT: Final = 9
ROUTER_SOLICITATION: Final = 10
ENTRY_WORDS: Final = (
    2  # 32-bit words of one router address entry; more may come, and mean nothing to us (s5.2)
)

NOT_A_DEFAULT_ROUTER: Final = -0x8000_0000  # preference level (s3)

_HEADER: Final = struct.Struct("!BBH")
_ADVERTISEMENT: Final = struct.Struct("!BBHBBH")
_ENTRY: Final = struct.Struct("!Ii")


@dataclass(frozen=True, slots=True)
class RouterAddress:
    """One entry of a router advertisement; higher ``preference`` is better. ``rest`` is of a longer entry."""

    address: IPv4Address
    preference: int = 0
    rest: bytes = b""


def checksum(message: bytes) -> int:
    """Internet checksum (RFC 1071) of ``message``, whose own checksum field must be zero."""
    if len(message) % 2:
        message += b"\x00"
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def sealed(message: bytes) -> bytes:
    """``message`` with the checksum filled into its zero field."""
    return message[:2] + checksum(message).to_bytes(2, "big") + message[4:]


def open_message(payload: bytes) -> tuple[Cursor, int, int]:
    """Cursor at the start of ``payload``, its ICMP type and code, for the two types of router discovery only.

    The checksum must be the one we would compute. (Where that is zero, 0xffff would verify as well; nobody
    sends it.)
    """
    kind, code, received = Cursor(payload).fields(_HEADER, "ICMP header")
    if kind not in (ROUTER_ADVERTISEMENT, ROUTER_SOLICITATION):
        raise WireError(Reason.UNKNOWN_MESSAGE_TYPE, 0, f"ICMP type {kind} is not router discovery")
    expected = checksum(payload[:2] + b"\x00\x00" + payload[4:])
    if received != expected:
        raise WireError(
            Reason.BAD_CHECKSUM,
            2,
            f"ICMP checksum is {received:#06x}, the message adds up to {expected:#06x}",
        )
    return Cursor(payload), kind, code


def read_router_advertisement(cursor: Cursor) -> tuple[int, int, tuple[RouterAddress, ...]]:
    """Lifetime in seconds, words per entry, and the entries; Num Addrs may be 0 (RFC 5944 s2.1)."""
    _, _, _, count, words, lifetime = cursor.fields(_ADVERTISEMENT, "router advertisement")
    if words < ENTRY_WORDS:
        raise WireError(
            Reason.BAD_VALUE, 5, f"router address entries of {words} words, at least {ENTRY_WORDS} are needed"
        )
    entries = []
    for _ in range(count):
        address, preference = cursor.fields(_ENTRY, "router address entry")
        entries.append(
            RouterAddress(
                IPv4Address(address),
                preference,
                cursor.take(4 * (words - ENTRY_WORDS), "router address entry"),
            )
        )
    return lifetime, words, tuple(entries)


def write_router_advertisement(
    code: int, lifetime: int, words: int, entries: tuple[RouterAddress, ...]
) -> bytes:
    """The fixed part with a zero checksum.

    :raises ValueError: ``words`` is too small, or an entry's ``rest`` is not what it makes room for.
    """
    if words < ENTRY_WORDS:
        raise ValueError(f"router address entries of {words} words, at least {ENTRY_WORDS} are needed")
    for entry in entries:
        if ENTRY_WORDS * 4 + len(entry.rest) != words * 4:
            raise ValueError(f"entry for {entry.address} does not fill {words} words")
    fixed = _ADVERTISEMENT.pack(ROUTER_ADVERTISEMENT, code, 0, len(entries), words, lifetime)
    return fixed + b"".join(
        [_ENTRY.pack(int(entry.address), entry.preference) + entry.rest for entry in entries]
    )
