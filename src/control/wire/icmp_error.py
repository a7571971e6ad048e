"""ICMP errors (RFC 792) about datagrams that we tunnelled, and those that the inner sender gets (RFC 2003 s4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.reasons import Reason
from mobileip.control.types import is_unicast
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.icmp import checksum, sealed

UNREACHABLE: Final = 3
TIME_EXCEEDED: Final = 11
HOST_UNREACHABLE: Final = 1  # codes of UNREACHABLE
TOO_BIG: Final = 4

_ERRORS: Final = frozenset({UNREACHABLE, 4, 5, TIME_EXCEEDED, 12})  # RFC 1122 s3.2.2
_IP: Final = struct.Struct("!BBHHHBBH4s4s")
_ICMP: Final = struct.Struct("!BBHBBH")
_LONGEST: Final = 576  # RFC 1812 s4.3.2.3
_ICMP_PROTOCOL: Final = 1
_OFFSET: Final = 0x1FFF
_DONT_FRAGMENT: Final = 0x4000
_TTL: Final = 64
_NETWORK_CONTROL, _TOS_BITS = 0xC0, 0x1C  # RFC 1812 s4.3.2.5


@dataclass(frozen=True, slots=True)
class TunnelError:
    """What somebody in a tunnel says of a datagram that came from its entry.

    ``local``, ``remote``, ``encapsulation`` (the IP protocol) and ``total`` (bytes) are of the quoted outer header.
    ``mtu`` is the Next-Hop MTU of "too big", 0 from routers older than RFC 1191. ``keyed``: a GRE key is in the
    quoted datagram; ``key`` is ``None`` if the quote ends before it. ``inner`` is the beginning of the inner packet, at
    least its header and eight bytes (RFC 792), or nothing.
    """

    kind: int
    code: int
    mtu: int
    local: IPv4Address
    remote: IPv4Address
    encapsulation: int
    total: int
    keyed: bool
    key: int | None
    inner: bytes

    @property
    def too_big(self) -> bool:
        return (self.kind, self.code) == (UNREACHABLE, TOO_BIG)

    @property
    def source(self) -> IPv4Address:
        """Of the inner packet; only with ``inner``."""
        return IPv4Address(self.inner[12:16])

    @property
    def destination(self) -> IPv4Address:
        return IPv4Address(self.inner[16:20])

    @property
    def inner_total(self) -> int:
        """Bytes of the whole inner packet; only with ``inner``."""
        return int.from_bytes(self.inner[2:4], "big")


def read_tunnel_error(message: bytes) -> TunnelError:
    """``message`` begins with the ICMP header.

    :raises WireError: it is damaged, no error, or quotes nothing that came out of a tunnel's entry.
    """
    if len(message) < _ICMP.size + 28:
        raise WireError(Reason.TRUNCATED, len(message), "an ICMP error quotes a header and eight bytes")
    kind, code, received, _, words, mtu = _ICMP.unpack_from(message)
    if kind not in _ERRORS:
        raise WireError(Reason.UNKNOWN_MESSAGE_TYPE, 0, f"ICMP type {kind} is no error")
    if received != checksum(message[:2] + b"\0\0" + message[4:]):
        raise WireError(Reason.BAD_CHECKSUM, 2, "the ICMP checksum is wrong")
    end = _ICMP.size + 4 * words if words else len(message)  # RFC 4884 s4: extensions follow the quote
    quote = message[_ICMP.size : end]
    if len(quote) < 28:
        raise WireError(Reason.BAD_VALUE, 5, f"{4 * words} bytes are less than a header and eight bytes")
    first, _, total, _, _, _, encapsulation, _, local, remote = _IP.unpack_from(quote)
    length = 4 * (first & 0xF)
    if first >> 4 != 4 or length < _IP.size or len(quote) < length + 8 or total < length + 8:
        raise WireError(Reason.BAD_VALUE, _ICMP.size, "the quoted header is none of IPv4")
    keyed, key, inner = False, None, b""
    match encapsulation:
        case 4:
            inner = quote[length:]
        case 47:
            keyed, key, inner = _behind_gre(quote[length:])
        case 55:
            inner = _behind_minimal(quote, length)
        case _:
            raise WireError(
                Reason.BAD_VALUE, _ICMP.size + 9, f"IP protocol {encapsulation} is no encapsulation"
            )
    return TunnelError(
        kind=kind,
        code=code,
        mtu=mtu,
        local=IPv4Address(local),
        remote=IPv4Address(remote),
        encapsulation=encapsulation,
        total=total,
        keyed=keyed,
        key=key,
        inner=inner if _is_packet(inner) else b"",
    )


def write_unreachable(inner: bytes, source: IPv4Address, code: int, mtu: int = 0) -> bytes | None:
    """An IPv4 datagram from ``source`` to the sender of ``inner``, of which the beginning is given.

    ``mtu`` goes with the code "too big" (RFC 1191 s4). ``None`` if RFC 1812 s4.3.2.7 forbids an error about it.
    """
    first, tos, _, _, fragment, _, protocol, _, sender, destination = _IP.unpack_from(inner)
    length = 4 * (first & 0xF)
    if fragment & _OFFSET or not is_unicast(IPv4Address(sender)) or destination[0] >= 224:
        return None
    if protocol == _ICMP_PROTOCOL and inner[length] in _ERRORS:
        return None
    quote = inner[: _LONGEST - _IP.size - _ICMP.size]
    icmp = sealed(_ICMP.pack(UNREACHABLE, code, 0, 0, 0, mtu) + quote)
    fields = (
        0x45,
        _NETWORK_CONTROL | (tos & _TOS_BITS),
        _IP.size + len(icmp),
        0,
        _DONT_FRAGMENT,
        _TTL,
        _ICMP_PROTOCOL,
    )
    return _with_checksum(_IP.pack(*fields, 0, source.packed, sender)) + icmp


def _behind_gre(rest: bytes) -> tuple[bool, int | None, bytes]:
    """Is there a key, which, and the packet behind the header (RFC 2784 s2, RFC 2890 s2)."""
    flags = rest[0]
    summed, keyed, numbered = flags & 0x80, bool(flags & 0x20), flags & 0x10
    at = 8 if summed else 4
    key = int.from_bytes(rest[at : at + 4], "big") if keyed and len(rest) >= at + 4 else None
    return keyed, key, rest[at + (4 if keyed else 0) + (4 if numbered else 0) :]


def _behind_minimal(quote: bytes, length: int) -> bytes:
    """The packet as it was (RFC 2004 s3.1), if its minimal header is quoted."""
    protocol, flags = quote[length : length + 2]
    more = 12 if flags & 0x80 else 8
    if len(quote) < length + more:
        return b""
    total = int.from_bytes(quote[2:4], "big") - more
    source = quote[length + 8 : length + 12] if flags & 0x80 else quote[12:16]
    header = (
        quote[:2]
        + max(0, total).to_bytes(2, "big")
        + quote[4:9]
        + bytes([protocol, 0, 0])
        + source
        + quote[length + 4 : length + 8]
        + quote[_IP.size : length]
    )
    return _with_checksum(header) + quote[length + more :]


def _is_packet(start: bytes) -> bool:
    """Is this the beginning of an IPv4 packet, with its header whole and eight bytes more, or all there is."""
    if len(start) < _IP.size or start[0] >> 4 != 4:
        return False
    length, total = 4 * (start[0] & 0xF), int.from_bytes(start[2:4], "big")
    if not _IP.size <= length <= total or len(start) < min(total, length + 8):
        return False
    header = start[:length]
    return checksum(header[:10] + b"\0\0" + header[12:]) == int.from_bytes(header[10:12], "big")


def _with_checksum(header: bytes) -> bytes:
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:]
