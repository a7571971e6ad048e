"""IPv4 and UDP headers of control messages that pass the kernel's stack by: checked on receipt, built to
send.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.reasons import Reason
from mobileip.control.types import Endpoint

UDP: Final = 17
ICMP: Final = 1
_IP: Final = struct.Struct("!BBHHHBBH4s4s")
_UDP: Final = struct.Struct("!HHHH")
_DONT_FRAGMENT: Final = 0x4000


@dataclass(frozen=True, slots=True)
class Packet:
    """An IPv4 packet whose header is sound; ``body`` is what the header's total length leaves."""

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    ttl: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Datagram:
    source: Endpoint
    destination: Endpoint
    ttl: int
    payload: bytes


def is_whole(data: bytes) -> bool:
    """Whether 16-bit words that include their checksum (RFC 1071) add up."""
    return _sum(data) % 0xFFFF == 0


def checksum(data: bytes) -> int:
    """For a field that is zero in ``data``; 1 to 0xffff, so right also for UDP, where 0 means none."""
    return 0xFFFF - _sum(data) % 0xFFFF


def _sum(data: bytes) -> int:
    """The words as one big number: 2**16 is 1 modulo 0xffff, so this is their one's complement sum."""
    return int.from_bytes(data + bytes(len(data) % 2), "big")


def parse(data: bytes) -> Packet | Reason:
    if len(data) < 20:
        return Reason.TRUNCATED
    first, _, total, _, _, ttl, protocol, _, source, destination = _IP.unpack_from(data)
    header = (first & 0xF) * 4
    if first >> 4 != 4 or header < 20:
        return Reason.BAD_VALUE
    if not header <= total <= len(data):
        return Reason.TRUNCATED
    if not is_whole(data[:header]):
        return Reason.BAD_CHECKSUM
    return Packet(IPv4Address(source), IPv4Address(destination), protocol, ttl, data[header:total])


def parse_udp(packet: Packet, *, partial: bool) -> Datagram | Reason:
    """``partial``: the sender is on this machine and left the checksum to hardware that there is none of.

    A checksum of zero means that the sender made none, and is accepted (RFC 5944 s3.1).
    """
    if len(packet.body) < _UDP.size:
        return Reason.TRUNCATED
    source, destination, length, given = _UDP.unpack_from(packet.body)
    if not _UDP.size <= length <= len(packet.body):
        return Reason.TRUNCATED
    datagram = packet.body[:length]
    if given and not partial and not is_whole(_pseudo(packet.source, packet.destination, length) + datagram):
        return Reason.BAD_CHECKSUM
    return Datagram(
        Endpoint(packet.source, source),
        Endpoint(packet.destination, destination),
        packet.ttl,
        datagram[_UDP.size :],
    )


def build(source: IPv4Address, destination: IPv4Address, protocol: int, ttl: int, body: bytes) -> bytes:
    """Never fragmented, so the identification may be zero (RFC 6864 s4.1)."""
    fields = (0x45, 0, _IP.size + len(body), 0, _DONT_FRAGMENT, ttl, protocol)
    header = _IP.pack(*fields, 0, source.packed, destination.packed)
    return _IP.pack(*fields, checksum(header), source.packed, destination.packed) + body


def build_udp(source: Endpoint, destination: Endpoint, ttl: int, payload: bytes) -> bytes:
    length = _UDP.size + len(payload)
    datagram = _UDP.pack(source.port, destination.port, length, 0) + payload
    total = checksum(_pseudo(source.address, destination.address, length) + datagram)
    body = _UDP.pack(source.port, destination.port, length, total) + payload
    return build(source.address, destination.address, UDP, ttl, body)


def _pseudo(source: IPv4Address, destination: IPv4Address, length: int) -> bytes:
    return source.packed + destination.packed + struct.pack("!HH", UDP, length)
