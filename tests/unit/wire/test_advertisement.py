"""Details of agent advertisements that one vector each does not show."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.types import Lifetime
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentFlags,
    AgentSolicitation,
    MobilityAgentAdvertisement,
    Padding,
    PrefixLengths,
    RouterAddress,
    WireError,
    build_icmp,
    parse_icmp,
)
from mobileip.control.wire.icmp import checksum

ADDRESS = IPv4Address("198.51.100.1")
BOTH = AgentFlags(home_agent=True, foreign_agent=True)
MOBILITY = MobilityAgentAdvertisement(0, Lifetime(1800), BOTH, (ADDRESS,))
ADVERTISEMENT = AgentAdvertisement(3, (MOBILITY,), (RouterAddress(ADDRESS),))

# RFC 5944 s2.1.1 draws |R|B|H|F|M|G|r|T|U|X|I|; RFC 4857 would have I at 0x0040.
BITS = {
    "registration_required": 0x8000,
    "busy": 0x4000,
    "home_agent": 0x2000,
    "foreign_agent": 0x1000,
    "minimal": 0x0800,
    "gre": 0x0400,
    "reserved": 0x0200,
    "reverse_tunnel": 0x0100,
    "udp_tunnel": 0x0080,
    "revocation": 0x0040,
    "regional_registration": 0x0020,
}


@pytest.mark.parametrize(("name", "bit"), BITS.items())
def test_flag_has_its_bit(name: str, bit: int) -> None:
    flags = replace(BOTH, **{name: True})
    payload = build_icmp(replace(ADVERTISEMENT, extensions=(replace(MOBILITY, flags=flags),)))
    assert int.from_bytes(payload[22:24], "big") == 0x3000 | bit
    parsed = parse_icmp(payload)
    assert isinstance(parsed, AgentAdvertisement) and parsed.mobility.flags == flags


def test_absent_prefix_lengths_differ_from_none_of_them() -> None:
    assert ADVERTISEMENT.prefix_lengths is None
    assert replace(ADVERTISEMENT, extensions=(MOBILITY, PrefixLengths((24,)))).prefix_lengths == (24,)
    nothing = AgentAdvertisement(3, (MOBILITY, PrefixLengths(())))
    parsed = parse_icmp(build_icmp(nothing))
    assert isinstance(parsed, AgentAdvertisement) and parsed.prefix_lengths == ()


def test_padding_makes_an_odd_length_even() -> None:
    message = replace(ADVERTISEMENT, extensions=(MOBILITY, PrefixLengths((24,)), Padding()))
    payload = build_icmp(message)
    assert len(payload) % 2 == 0 and payload[-1] == 0
    assert parse_icmp(payload) == message


def test_checksum_of_rfc_1071() -> None:
    # s3 adds 0001 f203 f4f5 f6f7 up to ddf2.
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF
    assert checksum(bytes.fromhex("0001f203f4f5f6")) == checksum(bytes.fromhex("0001f203f4f5f600"))


@pytest.mark.rfc("1256", "5.2", 1)
@pytest.mark.parametrize("bit", range(8 * 28))
def test_every_flipped_bit_is_noticed(bit: int) -> None:
    damaged = bytearray(build_icmp(ADVERTISEMENT))
    assert len(damaged) == 28
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError):
        parse_icmp(bytes(damaged))


@pytest.mark.rfc("5944", "2.1.1", 2, 5)
@pytest.mark.parametrize(
    "message",
    [
        replace(ADVERTISEMENT, extensions=()),
        replace(ADVERTISEMENT, extensions=(MOBILITY, MOBILITY)),
        replace(ADVERTISEMENT, extensions=(MOBILITY, PrefixLengths((24, 24)))),
        replace(ADVERTISEMENT, extensions=(MOBILITY, PrefixLengths((33,)))),
        replace(ADVERTISEMENT, extensions=(replace(MOBILITY, flags=AgentFlags()),)),
        replace(ADVERTISEMENT, extensions=(replace(MOBILITY, care_of_addresses=()),)),
        replace(ADVERTISEMENT, extensions=(replace(MOBILITY, sequence=65536),)),
        replace(ADVERTISEMENT, extensions=(replace(MOBILITY, care_of_addresses=(ADDRESS,) * 63),)),
        replace(ADVERTISEMENT, code=1),
        replace(ADVERTISEMENT, lifetime=-1),
        replace(ADVERTISEMENT, entry_words=1),
        replace(ADVERTISEMENT, entry_words=1, router_addresses=()),
        replace(ADVERTISEMENT, entry_words=256, router_addresses=()),
        replace(ADVERTISEMENT, router_addresses=(RouterAddress(ADDRESS, rest=b"1234"),)),
        replace(ADVERTISEMENT, router_addresses=(RouterAddress(ADDRESS, preference=1 << 31),)),
        replace(ADVERTISEMENT, router_addresses=(RouterAddress(ADDRESS),) * 256),
        AgentSolicitation(reserved=1 << 32),
    ],
)
def test_what_may_not_be_sent_is_the_callers_error(message: AgentAdvertisement | AgentSolicitation) -> None:
    with pytest.raises(ValueError):
        build_icmp(message)
