"""Registration and discovery messages: any bytes give a message or one WireError, and a message gives its bytes."""

from __future__ import annotations

import json

from mobileip.control.wire import (
    WireError,
    build,
    build_icmp,
    build_igmp,
    parse,
    parse_icmp,
    parse_igmp,
    pretty,
)
from mobileip.control.wire.icmp import sealed
from tests.fuzz.target import Target
from tests.vectors.load import octets, vectors

_ICMP_TYPES = (9, 10)


def registration(data: bytes) -> None:
    try:
        message = parse(data)
    except WireError as error:
        _is_sentence(error, data)
    else:
        assert build(message) == data == message.raw


def discovery(data: bytes) -> None:
    """With the checksum made right, which chance will not do; sometimes as it came."""
    given = sealed(data[:2] + b"\0\0" + data[4:]) if len(data) >= 4 and data[2:4] != b"\0\0" else data
    try:
        message = parse_icmp(given)
    except WireError as error:
        _is_sentence(error, given)
    else:
        assert build_icmp(message) == given


def igmp(data: bytes) -> None:
    """What is reserved or additional may get lost; a message that was built from what was read says the same."""
    given = sealed(data[:2] + b"\0\0" + data[4:]) if len(data) >= 4 and data[2:4] != b"\0\0" else data
    try:
        message = parse_igmp(given)
    except WireError as error:
        _is_sentence(error, given)
    else:
        assert parse_igmp(build_igmp(message)) == message


def shown(data: bytes) -> None:
    """Every message that is accepted can be shown, on lines that hold nothing but printable characters."""
    message: pretty.AnyMessage
    try:
        if data[:1] in (b"\x09", b"\x0a") and len(data) >= 4:
            message = parse_icmp(sealed(data[:2] + b"\0\0" + data[4:]))
        else:
            message = parse(data)
    except WireError:
        return
    assert pretty.line(message).isprintable()
    described = pretty.fields(message)
    tree = pretty.layout(described)
    assert all(map(str.isprintable, tree.split("\n")))
    assert tree == pretty.tree(message)
    assert json.loads(json.dumps(described)) == described


def _is_sentence(error: WireError, data: bytes) -> None:
    assert 0 <= error.offset <= len(data)
    assert str(error).isprintable() and str(error)


def _vectors(icmp: bool) -> dict[str, bytes]:
    name = "advertisement" if icmp else "registration"
    seeds = {vector["name"]: octets(vector["hex"]) for vector in vectors(name)}
    layer = "icmp" if icmp else "udp"
    hostile = [vector for vector in vectors("hostile") if vector["layer"] == layer]
    return seeds | {vector["name"]: octets(vector["hex"]) for vector in hostile}


_EXTENSIONS = (
    b"\x20\x14\x00\x00\x01\x00" + bytes(16),
    b"\x21\x14\x00\x00\x01\x00" + bytes(16),
    b"\x22\x14\x00\x00\x01\x00" + bytes(16),
    b"\x2d\x02\x00\x42",
    b"\x82\x00",
    b"\x83\x06a@b.cd",
    b"\x8b\x01\x00\x04\xc0\x00\x02\x01",
    b"\x9a\x01\x00\x01\x00",
)
_ADVERTISED = (
    b"\x10\x0a\x00\x01\x00\x64\x10\x00\xc6\x33\x64\x01",
    b"\x10\x06\x00\x01\x00\x64\x20\x00",
    b"\x13\x01\x18",
)

_IGMP = {
    "query, version 2": b"\x11\x64\xee\x9b\0\0\0\0",
    "query, version 3": b"\x11\x0a\x6f\x6d\xef\x01\x02\x03\x0a\x7d\0\x02\xc0\0\x02\x01\xc0\0\x02\x02",
    "report, version 1": b"\x12\0\xfc\xfa\xef\x01\x02\x03",
    "report, version 2": b"\x16\0\xf8\xfa\xef\x01\x02\x03",
    "leave": b"\x17\0\xf7\xfa\xef\x01\x02\x03",
    "report, version 3": b"\x22\0\x7c\xf0\0\0\0\x02\x01\0\0\x02\xef\x01\x02\x03\xc0\0\x02\x01\xc0\0\x02\x02"
    b"\x03\0\0\0\xe8\0\0\x01",
}
_RECORDS = (b"\x04\0\0\0\xef\x01\x02\x04", b"\x05\x01\0\x01\xef\x01\x02\x05" + bytes(8))

TARGETS = {
    "igmp": Target(igmp, lambda: _IGMP, _RECORDS, longest=120),
    "registration": Target(registration, lambda: _vectors(icmp=False), _EXTENSIONS, longest=300),
    "discovery": Target(discovery, lambda: _vectors(icmp=True), _ADVERTISED, longest=300),
    "pretty": Target(
        shown, lambda: _vectors(icmp=True) | _vectors(icmp=False), (*_EXTENSIONS, *_ADVERTISED), longest=512
    ),
}
