"""Headers against a published example, scapy, and hostile bytes."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP as ScapyIP
from scapy.layers.inet import UDP as ScapyUDP

from mobileip.control.net import ipv4
from mobileip.control.reasons import Reason
from mobileip.control.types import Endpoint

SOURCE, DESTINATION = Endpoint(IPv4Address("192.0.2.1"), 434), Endpoint(IPv4Address("198.51.100.7"), 5434)
octets = st.integers(0, 0xFFFF_FFFF).map(IPv4Address)
endpoints = st.builds(Endpoint, octets, st.integers(0, 0xFFFF))


def naive(data: bytes) -> int:
    """RFC 1071 as its text says: add the words, fold the carries."""
    total = 0
    padded = data + b"\0" * (len(data) % 2)
    for offset in range(0, len(padded), 2):
        total += padded[offset] << 8 | padded[offset + 1]
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def test_checksum_of_the_example_in_rfc_1071() -> None:
    assert ipv4.checksum(bytes.fromhex("0001f203f4f5f6f7")) == ~0xDDF2 & 0xFFFF


@given(st.binary(min_size=1, max_size=100).filter(any))
def test_checksum_is_the_naive_one(data: bytes) -> None:
    assert ipv4.checksum(data) == (naive(data) or 0xFFFF)
    even = data + b"\0" * (len(data) % 2)
    assert ipv4.is_whole(even + ipv4.checksum(data).to_bytes(2, "big"))


@given(st.binary(min_size=2, max_size=60), st.integers(0, 59), st.integers(1, 0xFF))
def test_one_wrong_byte_is_noticed(data: bytes, where: int, change: int) -> None:
    whole = bytearray(data + b"\0" * (len(data) % 2))
    whole += ipv4.checksum(bytes(whole)).to_bytes(2, "big")
    whole[where % len(whole)] ^= change
    assert not ipv4.is_whole(bytes(whole))


@given(endpoints, endpoints, st.integers(1, 255), st.binary(max_size=200))
def test_what_is_built_is_parsed(source: Endpoint, destination: Endpoint, ttl: int, payload: bytes) -> None:
    packet = ipv4.parse(ipv4.build_udp(source, destination, ttl, payload))
    assert isinstance(packet, ipv4.Packet)
    assert ipv4.parse_udp(packet, partial=False) == ipv4.Datagram(source, destination, ttl, payload)


@pytest.mark.rfc("5944", "3.1", 5)
def test_scapy_builds_the_same_bytes(rng: random.Random) -> None:
    for length in (0, 1, 2, 51, 52, 1000):
        payload = rng.randbytes(length)
        layers = ScapyIP(src=str(SOURCE.address), dst=str(DESTINATION.address), ttl=255, id=0, flags="DF")
        expected = bytes(layers / ScapyUDP(sport=434, dport=5434) / payload)
        assert ipv4.build_udp(SOURCE, DESTINATION, 255, payload) == expected


def test_options_and_link_layer_padding(rng: random.Random) -> None:
    layers = (
        ScapyIP(src="192.0.2.1", dst="198.51.100.7", options=[b"\x94\x04\x00\x00"])
        / ScapyUDP(dport=434)
        / b"x"
    )
    packet = ipv4.parse(bytes(layers) + rng.randbytes(17))
    assert isinstance(packet, ipv4.Packet)
    datagram = ipv4.parse_udp(packet, partial=False)
    assert isinstance(datagram, ipv4.Datagram)
    assert datagram.payload == b"x"


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, 0x65, Reason.BAD_VALUE),  # version 6
        (0, 0x44, Reason.BAD_VALUE),  # header of 16 bytes
        (0, 0x4F, Reason.TRUNCATED),  # header longer than the packet
        (3, 200, Reason.TRUNCATED),  # total length beyond the packet
        (3, 10, Reason.TRUNCATED),  # total length within the header
        (8, 9, Reason.BAD_CHECKSUM),
    ],
)
def test_damaged_ip_header(offset: int, value: int, reason: Reason) -> None:
    data = bytearray(ipv4.build_udp(SOURCE, DESTINATION, 64, b"payload"))
    data[offset] = value
    assert ipv4.parse(bytes(data)) is reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("01b201b20008", Reason.TRUNCATED),
        ("01b201b200070000", Reason.TRUNCATED),
        ("01b201b200090000", Reason.TRUNCATED),
        ("01b201b200081234", Reason.BAD_CHECKSUM),
    ],
)
def test_damaged_udp_header(body: str, reason: Reason) -> None:
    packet = ipv4.Packet(SOURCE.address, DESTINATION.address, ipv4.UDP, 64, bytes.fromhex(body))
    assert ipv4.parse_udp(packet, partial=False) is reason


@pytest.mark.rfc("5944", "3.1", 6, 7)
@pytest.mark.rfc("5944", "3.6.2.1", 1)
@pytest.mark.rfc("5944", "3.7.2.1", 1)
@pytest.mark.rfc("5944", "3.7.3.1", 1)
def test_no_checksum_and_unfinished_checksum_are_accepted() -> None:
    packet = ipv4.parse(ipv4.build_udp(SOURCE, DESTINATION, 64, b"payload"))
    assert isinstance(packet, ipv4.Packet)
    none = replace(packet, body=packet.body[:6] + bytes(2) + packet.body[8:])
    wrong = replace(packet, body=packet.body[:6] + b"\x12\x34" + packet.body[8:])
    assert isinstance(ipv4.parse_udp(none, partial=False), ipv4.Datagram)
    assert isinstance(ipv4.parse_udp(wrong, partial=True), ipv4.Datagram)
    assert ipv4.parse_udp(wrong, partial=False) is Reason.BAD_CHECKSUM


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_give_a_packet_or_a_reason(data: bytes, partial: bool) -> None:
    packet = ipv4.parse(data)
    if isinstance(packet, ipv4.Packet):
        assert isinstance(ipv4.parse_udp(packet, partial=partial), ipv4.Datagram | Reason)
    else:
        assert isinstance(packet, Reason)
