"""Details of agent advertisements that one vector each does not show."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.reasons import Reason
from mobileip.control.types import Lifetime
from mobileip.control.wire import (
    NOT_A_DEFAULT_ROUTER,
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
    parse_routers,
)
from mobileip.control.wire.icmp import checksum, sealed

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


# ---- plain routers (RFC 1256)


def plain(
    *routers: tuple[str, int], code: int = 0, kind: int = 9, words: int = 2, lifetime: int = 1800
) -> bytes:
    entries = b"".join(
        IPv4Address(address).packed + preference.to_bytes(4, signed=True) + bytes(4 * max(words - 2, 0))
        for address, preference in routers
    )
    head = bytes((kind, code, 0, 0, len(routers), words)) + lifetime.to_bytes(2)
    return sealed(head + entries)


def test_lifetime_and_routers_of_a_plain_advertisement() -> None:
    lifetime, routers = parse_routers(plain(("192.0.2.1", 5), ("192.0.2.2", -(2**31))))
    assert lifetime == 1800
    assert routers == (
        RouterAddress(IPv4Address("192.0.2.1"), 5),
        RouterAddress(IPv4Address("192.0.2.2"), NOT_A_DEFAULT_ROUTER),
    )
    assert parse_routers(plain(("192.0.2.1", 0), lifetime=0, words=3))[0] == 0


def test_what_follows_the_routers_is_nothing_to_a_host() -> None:
    """It may be an extension, of an agent or of something else (RFC 1256 s5.2)."""
    longer = bytearray(plain(("192.0.2.1", 5)) + b"\x10\x06")
    longer[2:4] = bytes(2)
    assert parse_routers(sealed(bytes(longer))) == (1800, (RouterAddress(IPv4Address("192.0.2.1"), 5),))


@pytest.mark.parametrize(
    ("payload", "reason", "offset", "words"),
    [
        (plain(), Reason.BAD_VALUE, 1, "with code 0 and 0 addresses"),
        (plain(("192.0.2.1", 0), code=16), Reason.BAD_VALUE, 1, "with code 16 and 1 addresses"),
        (
            build_icmp(AgentSolicitation()),
            Reason.UNKNOWN_MESSAGE_TYPE,
            0,
            "type 10 is no router advertisement",
        ),
        (plain(("192.0.2.1", 0), kind=5), Reason.UNKNOWN_MESSAGE_TYPE, 0, "type 5 is not router discovery"),
        (plain(("192.0.2.1", 0), words=1), Reason.BAD_VALUE, 5, "of 1 words, at least 2"),
        (plain(("192.0.2.1", 1))[:-1], Reason.BAD_CHECKSUM, 2, "checksum"),
        (sealed(b"\x09\x00\x00\x00\x01\x02\x00\x00\x00"), Reason.TRUNCATED, 8, "router address entry"),
    ],
)
def test_what_is_no_plain_advertisement(payload: bytes, reason: Reason, offset: int, words: str) -> None:
    with pytest.raises(WireError, match=words) as caught:
        parse_routers(payload)
    assert (caught.value.reason, caught.value.offset) == (reason, offset)
