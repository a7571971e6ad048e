"""The Dynamic HA extension on the wire (RFC 4433 s3.4): long as its figure has it, short as others send it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mobileip.control.reasons import Reason
from mobileip.control.wire import (
    DynamicHomeAgent,
    DynamicHomeAgentUse,
    Padding,
    RegistrationReply,
    RegistrationRequest,
    UnknownExtension,
    WireError,
    build,
    parse,
    pretty,
)
from tests.unit.core.factory import reply, request

BARE = request(association=None)
ADDRESS = IPv4Address("192.0.2.1")
REQUESTED = DynamicHomeAgent(DynamicHomeAgentUse.REQUESTED, ADDRESS)
REDIRECTED = DynamicHomeAgent(DynamicHomeAgentUse.REDIRECTED, ADDRESS)


@pytest.mark.parametrize(
    ("extension", "raw"),
    [
        (REQUESTED, "8b 01 0004 c0000201"),
        (REDIRECTED, "8b 02 0004 c0000201"),
        (DynamicHomeAgent(DynamicHomeAgentUse.REQUESTED, ADDRESS, short=True), "8b 05 01 c0000201"),
        (DynamicHomeAgent(DynamicHomeAgentUse.REDIRECTED, ADDRESS, short=True), "8b 05 02 c0000201"),
    ],
)
def test_bytes_are_those_of_the_standard_or_of_the_others(extension: DynamicHomeAgent, raw: str) -> None:
    assert extension.encode() == bytes.fromhex(raw)
    message = parse(BARE + b"\x00" + bytes.fromhex(raw) + b"\x00")
    assert isinstance(message, RegistrationRequest)
    assert message.extensions == (Padding(), extension, Padding())
    assert [one.offset for one in message.extensions] == [24, 25, 25 + len(extension.encode())]
    assert build(message) == message.raw


def test_for_people() -> None:
    message = parse(reply(143, to=BARE, association=None) + REDIRECTED.encode())
    assert isinstance(message, RegistrationReply)
    assert pretty.fields(message)["extensions"] == [
        {"type": 139, "name": "dynamic HA", "offset": 20, "use": "redirected", "home_agent": "192.0.2.1"}
    ]


@pytest.mark.parametrize(
    ("raw", "skipped"),
    [
        ("8b 05 00 c0000201", b"\x00\xc0\x00\x02\x01"),  # short, of an unknown sub-type
        ("8b 05 03 c0000201", b"\x03\xc0\x00\x02\x01"),
        ("8b 04 c0000201", b"\xc0\x00\x02\x01"),
        ("8b 06 02 c000020100", b"\x02\xc0\x00\x02\x01\x00"),
        ("8b 01 07", b"\x07"),  # a length that only looks like a sub-type
        ("8b 00", b""),
    ],
)
def test_what_is_none_is_skipped(raw: str, skipped: bytes) -> None:
    message = parse(BARE + bytes.fromhex(raw))
    assert message.extensions == (UnknownExtension(139, skipped),)
    assert build(message) == message.raw


@pytest.mark.parametrize(
    ("raw", "offset"), [("8b 01 0004 c00002", 28), ("8b 02 0004", 28), ("8b 05 01 c00002", 26)]
)
def test_cut_short(raw: str, offset: int) -> None:
    with pytest.raises(WireError) as caught:
        parse(BARE + bytes.fromhex(raw))
    assert (caught.value.reason, caught.value.offset) == (Reason.TRUNCATED, offset)
