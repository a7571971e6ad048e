"""Reads IPv4 packets out of capture files: pcap, and pcapng without options we do not need."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.types import NANOSECONDS, REGISTRATION_PORT, Endpoint

_PCAP_MAGIC: Final = {  # file's first bytes: byte order, fractions of a second
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", NANOSECONDS),
    b"\xa1\xb2\x3c\x4d": (">", NANOSECONDS),
}
_SECTION, _INTERFACE, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 3, 6  # pcapng block types
_PCAPNG_MAGIC: Final = b"\n\r\r\n"
_IF_TSRESOL: Final = 9
_VLAN: Final = (0x8100, 0x88A8)
_IPV4: Final = 0x0800
_ICMP, _UDP = 1, 17
_END_OF_TIME: Final = 253_402_300_800 * NANOSECONDS  # the year 10000, of which no calendar of ours knows


class CaptureError(ValueError):
    """The file is no capture that we can read; ``str()`` is one sentence."""


@dataclass(frozen=True, slots=True)
class Frame:
    """``number`` counts from 1; ``wall`` in ns since 1970 is ``None`` where the file gives no time."""

    number: int
    wall: int | None
    link_type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ControlPacket:
    """Payload of UDP port 434, or of an ICMP router discovery message (then the ports are ``None``)."""

    source: Endpoint | IPv4Address
    destination: Endpoint | IPv4Address
    payload: bytes
    icmp: bool


def is_capture(data: bytes) -> bool:
    return data[:4] == _PCAPNG_MAGIC or data[:4] in _PCAP_MAGIC


def frames(data: bytes) -> Iterator[Frame]:
    """:raises CaptureError: the file ends inside a packet, or contradicts itself."""
    try:
        yield from _pcapng(data) if data[:4] == _PCAPNG_MAGIC else _pcap(data)
    except (struct.error, IndexError, KeyError):
        raise CaptureError("the capture file ends too early or is damaged") from None


def control_packet(frame: Frame) -> ControlPacket | None:
    """What the frame carries for us; ``None`` for all other traffic."""
    packet = _network_layer(frame)
    return None if packet is None else from_ipv4(packet)


def from_ipv4(packet: bytes) -> ControlPacket | None:
    """The same for an IPv4 packet without a link-layer header. Fragments are not put together."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return None
    length, fragment, protocol = struct.unpack_from("!2xH2xHxB", packet)
    source, destination = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    body = packet[(packet[0] & 15) * 4 : length or len(packet)]  # length 0: offloaded segmentation
    if fragment & 0x3FFF:
        return None
    if protocol == _ICMP and body[:1] in (b"\x09", b"\x0a"):
        return ControlPacket(source, destination, body, icmp=True)
    if protocol == _UDP and len(body) >= 8:
        source_port, destination_port, udp_length = struct.unpack_from("!HHH", body)
        if REGISTRATION_PORT in (source_port, destination_port):
            ends = Endpoint(source, source_port), Endpoint(destination, destination_port)
            return ControlPacket(*ends, body[8 : max(udp_length, 8)], icmp=False)
    return None


def _network_layer(frame: Frame) -> bytes | None:
    """The IPv4 packet in a frame; link types as in the registry of tcpdump.org."""
    data = frame.data
    match frame.link_type:
        case 1:  # Ethernet
            at = 12
            while int.from_bytes(data[at : at + 2], "big") in _VLAN:
                at += 4
            kind, start = data[at : at + 2], at + 2
        case 12 | 101 | 228:  # raw IP
            return data
        case 113:  # Linux cooked
            kind, start = data[14:16], 16
        case 276:  # Linux cooked, version 2
            kind, start = data[0:2], 20
        case other:
            raise CaptureError(f"link type {other} of the capture is not known")
    return data[start:] if int.from_bytes(kind, "big") == _IPV4 else None


def _pcap(data: bytes) -> Iterator[Frame]:
    order, fractions = _PCAP_MAGIC[data[:4]]
    (link_type,) = struct.unpack_from(order + "I", data, 20)
    offset, number = 24, 0
    while offset < len(data):
        whole, part, captured, _ = struct.unpack_from(order + "IIII", data, offset)
        offset += 16
        number += 1
        wall = whole * NANOSECONDS + part * (NANOSECONDS // fractions)
        yield Frame(number, wall, link_type & 0xFFFF, _exactly(data, offset, captured))
        offset += captured


def _pcapng(data: bytes) -> Iterator[Frame]:
    order, offset, number = "<", 0, 0
    interfaces: list[tuple[int, int]] = []  # link type, time units per second
    while offset < len(data):
        if data[offset : offset + 4] == _PCAPNG_MAGIC:
            order, interfaces = ("<" if data[offset + 8] == 0x4D else ">"), []
        kind, total = struct.unpack_from(order + "II", data, offset)
        block = _exactly(data, offset, total)[8:-4]
        if total < 12:
            raise CaptureError(f"block at byte {offset} of the capture has length {total}")
        offset += total
        if kind == _INTERFACE:
            interfaces.append((struct.unpack_from(order + "H", block)[0], _time_units(block[8:], order)))
        elif kind == _PACKET:
            interface, high, low, captured = struct.unpack_from(order + "IIII", block)
            link_type, units = interfaces[interface]
            number += 1
            wall = (high << 32 | low) * NANOSECONDS // units
            if wall >= _END_OF_TIME:
                raise CaptureError(f"packet {number} of the capture is dated after the year 9999")
            yield Frame(number, wall, link_type, _exactly(block, 20, captured))
        elif kind == _SIMPLE_PACKET:
            number += 1
            (length,) = struct.unpack_from(order + "I", block)
            yield Frame(number, None, interfaces[0][0], block[4 : 4 + length])


def _time_units(options: bytes, order: str) -> int:
    """Units of time per second, from option if_tsresol: a power of ten or, with the top bit, of two."""
    while len(options) >= 4:
        code, length = struct.unpack_from(order + "HH", options)
        if code == _IF_TSRESOL:
            resolution = options[4]
            return int(2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution)
        options = options[4 + (length + 3) // 4 * 4 :]
    return 1_000_000


def _exactly(data: bytes, offset: int, length: int) -> bytes:
    if offset + length > len(data):
        raise CaptureError("the capture file ends inside a packet")
    return data[offset : offset + length]
