"""IGMP, versions 1 to 3 (RFC 1112 appendix I, RFC 2236 s2, RFC 3376 s4): who wants which multicast group.

Reserved fields and additional data are ignored on receipt, as the RFCs say, and built as zero or not at all.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.reasons import Reason
from mobileip.control.types import ZERO_ADDRESS
from mobileip.control.wire.cursor import Cursor, WireError
from mobileip.control.wire.icmp import checksum, sealed

QUERY: Final = 0x11
REPORT_V1: Final = 0x12
REPORT_V2: Final = 0x16
LEAVE: Final = 0x17
REPORT_V3: Final = 0x22

_FIXED: Final = struct.Struct("!BBHI")  # type, code, checksum, group
_QUERY_V3: Final = struct.Struct("!BBH")  # S flag and QRV, QQIC, number of sources
_REPORT_V3: Final = struct.Struct("!BBHHH")
_RECORD: Final = struct.Struct("!BBHI")  # type, words of auxiliary data, number of sources, group
_SUPPRESS: Final = 0x08
_ROBUSTNESS: Final = 0x07


class RecordType(IntEnum):
    """What a group record says of a host's filter (RFC 3376 s4.2.12)."""

    MODE_IS_INCLUDE = 1
    MODE_IS_EXCLUDE = 2
    CHANGE_TO_INCLUDE = 3
    CHANGE_TO_EXCLUDE = 4
    ALLOW_NEW_SOURCES = 5
    BLOCK_OLD_SOURCES = 6


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """One record of a version 3 report. ``kind`` is a :class:`RecordType` or one to be ignored (s4.2.12)."""

    kind: int
    group: IPv4Address
    sources: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True, slots=True)
class MembershipQuery:
    """A query; group 0.0.0.0: about every group. Fields that ``version`` lacks keep their defaults.

    ``max_response`` is in tenths of a second, ``interval`` in seconds; both as far as their codes can tell (s4.1.1).
    """

    group: IPv4Address = ZERO_ADDRESS
    max_response: int = 100
    robustness: int = 0
    interval: int = 0
    sources: tuple[IPv4Address, ...] = ()
    suppress: bool = False
    version: int = 3


@dataclass(frozen=True, slots=True)
class MembershipReport:
    """A report of version 1 or 2: somebody wants ``group``."""

    group: IPv4Address
    version: int = 2


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    """Version 2: somebody wants ``group`` no longer."""

    group: IPv4Address


@dataclass(frozen=True, slots=True)
class MembershipReportV3:
    records: tuple[GroupRecord, ...]


IgmpMessage = MembershipQuery | MembershipReport | LeaveGroup | MembershipReportV3


def decode_time(code: int) -> int:
    """The value of a Max Resp Code or QQIC (s4.1.1, s4.1.7)."""
    return code if code < 0x80 else (code & 0x0F | 0x10) << ((code >> 4 & 0x07) + 3)


def encode_time(value: int) -> int:
    """The code of ``value``, or of the largest below it that there is a code for.

    :raises ValueError: negative, or 32768 and more.
    """
    if not 0 <= value < 1 << 15:
        raise ValueError(f"{value} has no time code")
    if value < 0x80:
        return value
    exponent = value.bit_length() - 8
    return 0x80 | exponent << 4 | value >> (exponent + 3) & 0x0F


def parse_igmp(payload: bytes) -> IgmpMessage:
    """The message in an IP payload.

    :raises WireError: it is none that we know, ends too early, or its checksum is wrong.
    """
    cursor = Cursor(payload)
    kind, code, received, group = cursor.fields(_FIXED, "IGMP message")
    expected = checksum(payload[:2] + b"\0\0" + payload[4:])
    if received != expected:
        sentence = f"IGMP checksum is {received:#06x}, the message adds up to {expected:#06x}"
        raise WireError(Reason.BAD_CHECKSUM, 2, sentence)
    if kind == REPORT_V3:
        return _read_report(payload)
    address = IPv4Address(group)
    if kind == QUERY:
        return _read_query(cursor, code, address)
    if not address.is_multicast:
        raise WireError(Reason.BAD_VALUE, 4, f"{address} is no multicast group")
    match kind:
        case 0x12:
            return MembershipReport(address, 1)
        case 0x16:
            return MembershipReport(address)
        case 0x17:
            return LeaveGroup(address)
    raise WireError(Reason.UNKNOWN_MESSAGE_TYPE, 0, f"IGMP type {kind:#04x} is not handled")


def build_igmp(message: IgmpMessage) -> bytes:
    """The IP payload of ``message``.

    :raises ValueError: a value does not fit its field.
    """
    try:
        return sealed(_write(message))
    except struct.error as error:
        raise ValueError(str(error)) from None


def _read_query(cursor: Cursor, code: int, group: IPv4Address) -> MembershipQuery:
    """s7.1: the version by length and code."""
    if group != ZERO_ADDRESS and not group.is_multicast:
        raise WireError(Reason.BAD_VALUE, 4, f"{group} is no multicast group")
    if cursor.left == 0:
        return MembershipQuery(group, code or 100, version=2 if code else 1)
    flags, interval, count = cursor.fields(_QUERY_V3, "version 3 query")
    return MembershipQuery(
        group,
        decode_time(code),
        flags & _ROBUSTNESS,
        decode_time(interval),
        _read_sources(cursor, count),
        bool(flags & _SUPPRESS),
    )


def _read_report(payload: bytes) -> MembershipReportV3:
    cursor = Cursor(payload)
    *_, count = cursor.fields(_REPORT_V3, "version 3 report")
    records = []
    for _ in range(count):
        start = cursor.offset
        kind, words, sources, group = cursor.fields(_RECORD, "group record")
        address = IPv4Address(group)
        if not address.is_multicast:
            raise WireError(Reason.BAD_VALUE, start + 4, f"{address} is no multicast group")
        records.append(GroupRecord(kind, address, _read_sources(cursor, sources)))
        cursor.take(4 * words, "auxiliary data")
    return MembershipReportV3(tuple(records))


def _read_sources(cursor: Cursor, count: int) -> tuple[IPv4Address, ...]:
    data = cursor.take(4 * count, "source addresses")
    return tuple(IPv4Address(data[at : at + 4]) for at in range(0, len(data), 4))


def _write(message: IgmpMessage) -> bytes:
    match message:
        case MembershipReport():
            kind = REPORT_V1 if message.version == 1 else REPORT_V2
            return _FIXED.pack(kind, 0, 0, int(message.group))
        case LeaveGroup():
            return _FIXED.pack(LEAVE, 0, 0, int(message.group))
        case MembershipReportV3():
            head = _REPORT_V3.pack(REPORT_V3, 0, 0, 0, len(message.records))
            return head + b"".join(map(_write_record, message.records))
        case MembershipQuery(version=3):
            flags = (_SUPPRESS if message.suppress else 0) | message.robustness & _ROBUSTNESS
            code, interval = encode_time(message.max_response), encode_time(message.interval)
            head = _FIXED.pack(QUERY, code, 0, int(message.group))
            head += _QUERY_V3.pack(flags, interval, len(message.sources))
            return head + b"".join(source.packed for source in message.sources)
        case MembershipQuery():
            code = message.max_response if message.version == 2 else 0
            return _FIXED.pack(QUERY, code, 0, int(message.group))


def _write_record(record: GroupRecord) -> bytes:
    head = _RECORD.pack(record.kind, 0, len(record.sources), int(record.group))
    return head + b"".join(source.packed for source in record.sources)
