"""ICMP echo (RFC 792) as a probe of a path: a datagram of a given size, and what of it comes back."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.reasons import Reason
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.icmp import checksum, sealed

REPLY: Final = 0
REQUEST: Final = 8

_IP: Final = struct.Struct("!BBHHHBBH4s4s")
_ICMP: Final = struct.Struct("!BBHHH")
_DONT_FRAGMENT, _TTL, _ICMP_PROTOCOL = 0x4000, 64, 1


@dataclass(frozen=True, slots=True)
class EchoReply:
    identifier: int
    data: bytes


def write_echo_request(
    source: IPv4Address, destination: IPv4Address, identifier: int, data: bytes, size: int
) -> bytes:
    """An IPv4 datagram of ``size`` bytes with DF; zeros follow ``data``.

    :raises ValueError: there is no room for ``data``.
    """
    padding = size - _IP.size - _ICMP.size - len(data)
    if padding < 0:
        raise ValueError(f"{len(data)} bytes of data do not fit into an echo request of {size} bytes")
    header = _IP.pack(
        0x45, 0, size, 0, _DONT_FRAGMENT, _TTL, _ICMP_PROTOCOL, 0, source.packed, destination.packed
    )
    message = sealed(_ICMP.pack(REQUEST, 0, 0, identifier, 0) + data + bytes(padding))
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + message


def read_echo_reply(message: bytes, length: int) -> EchoReply:
    """``message`` begins with the ICMP header; ``data`` of the result is the first ``length`` bytes behind it.

    :raises WireError: it is damaged, too short or something else.
    """
    if len(message) < _ICMP.size + length:
        raise WireError(Reason.TRUNCATED, len(message), f"an answer to a probe has {length} bytes of data")
    kind, code, received, identifier, _ = _ICMP.unpack_from(message)
    if (kind, code) != (REPLY, 0):
        raise WireError(Reason.UNKNOWN_MESSAGE_TYPE, 0, f"ICMP type {kind}, code {code} is no echo reply")
    if received != checksum(message[:2] + b"\0\0" + message[4:]):
        raise WireError(Reason.BAD_CHECKSUM, 2, "the ICMP checksum is wrong")
    return EchoReply(identifier, message[_ICMP.size : _ICMP.size + length])
