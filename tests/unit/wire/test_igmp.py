"""IGMP against bytes written by hand (RFC 1112, RFC 2236, RFC 3376), both ways, and every way to be refused."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mobileip.control.reasons import Reason
from mobileip.control.wire import (
    GroupRecord,
    IgmpMessage,
    LeaveGroup,
    MembershipQuery,
    MembershipReport,
    MembershipReportV3,
    RecordType,
    WireError,
    build_igmp,
    parse_igmp,
)
from mobileip.control.wire.icmp import sealed
from mobileip.control.wire.igmp import decode_time, encode_time

GROUP = IPv4Address("239.1.2.3")
A, B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")

KNOWN: dict[str, tuple[IgmpMessage, str]] = {
    "general query, version 1": (MembershipQuery(version=1), "1100 eeff 00000000"),
    "general query, version 2, 10 s": (MembershipQuery(version=2), "1164 ee9b 00000000"),
    "query for a group, version 2, 1 s": (
        MembershipQuery(GROUP, 10, version=2),
        "110a fdf0 ef010203",
    ),
    "general query, version 3, 10 s, robustness 2, every 125 s": (
        MembershipQuery(max_response=100, robustness=2, interval=125),
        "1164 ec1e 00000000 02 7d 0000",
    ),
    "query for two sources, processing suppressed": (
        MembershipQuery(GROUP, 10, 2, 125, (A, B), suppress=True),
        "110a 6f6d ef010203 0a 7d 0002 c0000201 c0000202",
    ),
    "times beyond 127": (
        MembershipQuery(max_response=992, robustness=2, interval=128),
        "11af ebd0 00000000 02 80 0000",
    ),
    "report, version 1": (MembershipReport(GROUP, 1), "1200 fcfa ef010203"),
    "report, version 2": (MembershipReport(GROUP), "1600 f8fa ef010203"),
    "leave": (LeaveGroup(GROUP), "1700 f7fa ef010203"),
    "report, version 3: every source of a group": (
        MembershipReportV3((GroupRecord(RecordType.CHANGE_TO_EXCLUDE, GROUP),)),
        "2200 e8f9 0000 0001 04 00 0000 ef010203",
    ),
    "report, version 3: two records": (
        MembershipReportV3(
            (
                GroupRecord(RecordType.MODE_IS_INCLUDE, GROUP, (A, B)),
                GroupRecord(RecordType.CHANGE_TO_INCLUDE, IPv4Address("232.0.0.1")),
            )
        ),
        "2200 7cf0 0000 0002 01 00 0002 ef010203 c0000201 c0000202 03 00 0000 e8000001",
    ),
    "report, version 3: nothing": (MembershipReportV3(()), "2200 ddff 0000 0000"),
}

known = pytest.mark.parametrize(("message", "octets"), KNOWN.values(), ids=KNOWN)


@known
def test_message_is_parsed(message: IgmpMessage, octets: str) -> None:
    assert parse_igmp(bytes.fromhex(octets)) == message


@known
def test_message_is_built(message: IgmpMessage, octets: str) -> None:
    assert build_igmp(message).hex() == octets.replace(" ", "")


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("22ff 0000 ffff 0001 04 01 0000 ef010203 01020304", KNOWN["report, version 3: every source of a group"]),
        ("1600 0000 ef010203 aabbccdd", KNOWN["report, version 2"]),
        ("1164 0000 00000000 f2 7d 0000 00", KNOWN["general query, version 3, 10 s, robustness 2, every 125 s"]),
    ],
    ids=["reserved and auxiliary data", "additional data", "reserved bits and additional data"],
)  # fmt: skip
def test_what_is_reserved_or_additional_is_ignored(octets: str, message: tuple[IgmpMessage, str]) -> None:
    assert parse_igmp(sealed(bytes.fromhex(octets))) == message[0]


@pytest.mark.parametrize(
    ("octets", "reason", "offset"),
    [
        ("", Reason.TRUNCATED, 0),
        ("1600 0000 ef0102", Reason.TRUNCATED, 0),
        ("1164 0000 00000000 027d", Reason.TRUNCATED, 8),
        ("1164 0000 00000000 027d 0001 c00002", Reason.TRUNCATED, 12),
        ("2200 0000 0000 0001 04 00 0000 ef0102", Reason.TRUNCATED, 8),
        ("2200 0000 0000 0001 04 00 0001 ef010203", Reason.TRUNCATED, 16),
        ("2200 0000 0000 0001 04 01 0000 ef010203", Reason.TRUNCATED, 16),
        ("1600 0000 c0000201", Reason.BAD_VALUE, 4),
        ("1100 0000 c0000201", Reason.BAD_VALUE, 4),
        ("2200 0000 0000 0001 04 00 0000 c0000201", Reason.BAD_VALUE, 12),
        ("1300 0000 ef010203", Reason.UNKNOWN_MESSAGE_TYPE, 0),
    ],
)
def test_hostile_bytes_are_refused_with_reason_and_place(octets: str, reason: Reason, offset: int) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(WireError) as caught:
        parse_igmp(sealed(data[:2] + b"\0\0" + data[4:]) if len(data) > 4 else data)
    assert (caught.value.reason, caught.value.offset) == (reason, offset)


@known
def test_wrong_checksum_is_refused(message: IgmpMessage, octets: str) -> None:
    data = bytearray.fromhex(octets)
    data[2] ^= 0x10
    with pytest.raises(WireError) as caught:
        parse_igmp(bytes(data))
    assert (caught.value.reason, caught.value.offset) == (Reason.BAD_CHECKSUM, 2)


def test_times_survive_their_code_as_far_as_it_can_tell() -> None:
    """RFC 3376 s4.1.1: (mant | 0x10) << (exp + 3)."""
    assert [decode_time(code) for code in (0, 127, 128, 143, 144, 255)] == [0, 127, 128, 248, 256, 31744]
    assert [encode_time(decode_time(code)) for code in range(256)] == list(range(256))
    for value in range(1 << 15):
        assert decode_time(encode_time(value)) <= value < decode_time(encode_time(value)) * 17 / 16 + 1
    for value in (-1, 1 << 15):
        with pytest.raises(ValueError, match="no time code"):
            encode_time(value)


def test_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="ubyte"):
        build_igmp(MembershipReportV3((GroupRecord(256, GROUP),)))


def test_numbers_are_those_of_the_standards() -> None:
    """Record types (RFC 3376 s4.2.12), and what a message says that is told nothing else."""
    assert [kind.value for kind in RecordType] == [1, 2, 3, 4, 5, 6]
    assert RecordType.MODE_IS_INCLUDE < RecordType.MODE_IS_EXCLUDE < RecordType.CHANGE_TO_INCLUDE
    assert RecordType.CHANGE_TO_EXCLUDE < RecordType.ALLOW_NEW_SOURCES < RecordType.BLOCK_OLD_SOURCES
    assert build_igmp(MembershipQuery()) == sealed(bytes.fromhex("1164 0000 00000000 00 00 0000"))
    assert MembershipReport(IPv4Address("239.1.2.3")).version == 2
    seven = parse_igmp(sealed(bytes.fromhex("1164 0000 00000000 0f 00 0000")))
    assert isinstance(seven, MembershipQuery) and (seven.robustness, seven.suppress) == (7, True)
