"""GRE and minimal encapsulation written down once more, byte by byte from the RFCs: slow, and independent of C."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from mobileip.dataplane import Flag, Tunnel


def naive_checksum(data: bytes) -> int:
    """RFC 1071 as it is defined."""
    total = 0
    for i, byte in enumerate(data):
        total += byte << (0 if i % 2 else 8)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _with_checksum(data: bytes, at: int, length: int) -> bytes:
    """The checksum of the first ``length`` bytes, whose field is zero, put in at ``at``."""
    return data[:at] + struct.pack("!H", naive_checksum(data[:length])) + data[at + 2 :]


def outer_header(packet: bytes, payload: bytes, tunnel: Tunnel, ident: int, protocol: int) -> bytes:
    """RFC 2003 3.1, RFC 6040 4.1: ToS and DF of the packet, TTL 64."""
    tos = packet[1] & 0xFC if tunnel.flags & Flag.ECN_COMPAT else packet[1]
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        tos,
        20 + len(payload),
        ident,
        (packet[6] & 0x40) << 8,
        64,
        protocol,
        0,
        tunnel.local.packed,
        tunnel.remote.packed,
    )
    return _with_checksum(header, 10, 20) + payload


def gre(packet: bytes, tunnel: Tunnel, ident: int, sequence: int) -> bytes:
    """RFC 2784 2, RFC 2890 2."""
    flags, fields = 0, b""
    if tunnel.flags & Flag.GRE_CHECKSUM:
        flags |= 0x8000
        fields += bytes(4)
    if tunnel.flags & Flag.GRE_KEY:
        flags |= 0x2000
        fields += struct.pack("!I", tunnel.key_out)
    if tunnel.flags & Flag.GRE_SEQUENCE:
        flags |= 0x1000
        fields += struct.pack("!I", sequence)
    payload = struct.pack("!HH", flags, 0x0800) + fields + packet
    if flags & 0x8000:
        payload = _with_checksum(payload, 4, len(payload))
    return outer_header(packet, payload, tunnel, ident, 47)


def minimal(packet: bytes, tunnel: Tunnel, ident: int) -> bytes:
    """RFC 2004 3; a fragment goes by IP-in-IP."""
    if packet[6] & 0x3F or packet[7]:
        return outer_header(packet, packet, tunnel, ident, 4)
    size = (packet[0] & 15) * 4
    source, destination = packet[12:16], packet[16:20]
    kept = b"" if source == tunnel.local.packed else source
    forwarding = bytes([packet[9], 0x80 if kept else 0, 0, 0]) + destination + kept
    forwarding = _with_checksum(forwarding, 2, len(forwarding))
    header = bytearray(packet[:size])
    header[2:4] = struct.pack("!H", len(packet) + len(forwarding))
    header[9] = 55
    header[10:12] = bytes(2)
    header[12:20] = tunnel.local.packed + tunnel.remote.packed
    return _with_checksum(bytes(header), 10, size) + forwarding + packet[size:]


def minimal_inside(datagram: bytes) -> bytes:
    """RFC 2004 3, the way back; the datagram is well-formed."""
    size = (datagram[0] & 15) * 4
    protocol, flags = datagram[size], datagram[size + 1]
    length = 12 if flags & 0x80 else 8
    source = datagram[size + 8 : size + 12] if flags & 0x80 else datagram[12:16]
    header = bytearray(datagram[:size])
    header[2:4] = struct.pack("!H", len(datagram) - length)
    header[9] = protocol
    header[10:12] = bytes(2)
    header[12:20] = source + datagram[size + 4 : size + 8]
    return _with_checksum(bytes(header), 10, size) + datagram[size + length :]


def addresses(datagram: bytes) -> tuple[IPv4Address, IPv4Address]:
    return IPv4Address(datagram[12:16]), IPv4Address(datagram[16:20])


def clamped(packet: bytes, mtu: int) -> bytes:
    """A TCP SYN whose MSS option says no more than ``mtu`` - 40 (RFC 6691 2); any other packet as it is.

    The checksum of the segment, which is whole, is made anew.
    """
    size, rest = (packet[0] & 15) * 4, packet[(packet[0] & 15) * 4 :]
    if packet[9] != 6 or packet[6] & 0x1F or packet[7] or len(rest) < 20 or not rest[13] & 2:
        return packet
    options = rest[20 : max(20, (rest[12] >> 4) * 4)]
    if (rest[12] >> 4) * 4 > len(rest):
        return packet
    at = 0
    while at < len(options) and options[at] != 0:
        length = 1 if options[at] == 1 else int.from_bytes(options[at + 1 : at + 2], "big")
        if (options[at] != 1 and length < 2) or at + length > len(options):
            return packet
        if options[at] == 2:
            if length != 4 or int.from_bytes(options[at + 2 : at + 4], "big") <= mtu - 40:
                return packet
            tcp = rest[: 22 + at] + struct.pack("!H", mtu - 40) + rest[24 + at :]
            pseudo = packet[12:20] + struct.pack("!BBH", 0, 6, len(tcp))
            tcp = tcp[:16] + bytes(2) + tcp[18:]
            return packet[:size] + tcp[:16] + struct.pack("!H", naive_checksum(pseudo + tcp)) + tcp[18:]
        at += length
    return packet
