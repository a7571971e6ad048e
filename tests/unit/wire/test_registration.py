"""Details of registration messages that one vector each does not show."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.reasons import Reason, ReplyCode
from mobileip.control.types import Identification, Lifetime, Spi
from mobileip.control.wire import (
    EncapsulatingDelivery,
    ForeignAgentError,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    UnknownExtension,
    WireError,
    build,
    parse,
)

REQUEST = RegistrationRequest(
    home_address=IPv4Address("192.0.2.1"),
    home_agent=IPv4Address("192.0.2.2"),
    care_of_address=IPv4Address("198.51.100.3"),
    identification=Identification(0xEEAFB470, 0x1F9AABCD),
    lifetime=Lifetime(300),
)
REPLY = RegistrationReply(
    code=0,
    lifetime=Lifetime(300),
    home_address=IPv4Address("192.0.2.1"),
    home_agent=IPv4Address("192.0.2.2"),
    identification=Identification(0xEEAFB470, 0x1F9AABCD),
)

# RFC 5944 s3.3 and RFC 3024 s3.2 draw |S|B|D|M|G|r|T|x|.
BITS = {
    "simultaneous": 0x80,
    "broadcast": 0x40,
    "decapsulation_by_mn": 0x20,
    "minimal": 0x10,
    "gre": 0x08,
    "reserved": 0x04,
    "reverse_tunnel": 0x02,
    "reserved_x": 0x01,
}


@pytest.mark.parametrize(("name", "bit"), BITS.items())
def test_flag_has_its_bit(name: str, bit: int) -> None:
    flags = RequestFlags(**{name: True})
    datagram = build(replace(REQUEST, flags=flags))
    assert datagram[1] == bit
    parsed = parse(datagram)
    assert isinstance(parsed, RegistrationRequest) and parsed.flags == flags


@pytest.mark.parametrize("code", ReplyCode)
def test_reply_code_is_named(code: ReplyCode) -> None:
    parsed = parse(build(replace(REPLY, code=int(code))))
    assert isinstance(parsed, RegistrationReply) and parsed.reply_code is code


def test_both_numbers_of_invalid_home_agent_address_are_understood() -> None:
    assert replace(REPLY, code=194).reply_code is ReplyCode.FA_INVALID_HOME_AGENT_ADDRESS
    assert replace(REPLY, code=116).reply_code is ReplyCode.FA_INVALID_HOME_AGENT_ADDRESS
    assert parse(build(replace(REPLY, code=194))) == replace(REPLY, code=194)


def test_unknown_reply_code_is_kept_without_a_name() -> None:
    parsed = parse(build(replace(REPLY, code=250)))
    assert isinstance(parsed, RegistrationReply)
    assert (parsed.code, parsed.reply_code) == (250, None)


def test_first_extension_of_a_class() -> None:
    one = MobileHomeAuthentication(Spi(256), b"1" * 16)
    two = MobileHomeAuthentication(Spi(257), b"2" * 16)
    message = replace(REQUEST, extensions=(EncapsulatingDelivery(), one, two))
    assert message.first(MobileHomeAuthentication) is one
    assert message.first(NetworkAccessIdentifier) is None


@pytest.mark.rfc("5944", "1.6", 9)
def test_authentication_knows_what_it_covers_and_where_it_ends() -> None:
    message = replace(
        REQUEST, extensions=(MobileHomeAuthentication(Spi(256), b"1" * 16), UnknownExtension(144, b""))
    )
    parsed = parse(build(message))
    found = parsed.first(MobileHomeAuthentication)
    assert found is not None
    assert parsed.raw[: found.covered].endswith(bytes((32, 20, 0, 0, 1, 0)))
    assert parsed.raw[found.covered : found.end] == b"1" * 16
    assert parsed.raw[found.end :] == bytes((144, 0))


@pytest.mark.rfc("5944", "1.8", 1)
@pytest.mark.parametrize("kind", [*range(1, 32), 35, *range(37, 45), 46, 47, *range(49, 128)])
def test_unknown_extension_below_128_discards_the_message(kind: int) -> None:
    with pytest.raises(WireError) as caught:
        parse(build(REQUEST) + bytes((kind, 0)))
    assert (caught.value.reason, caught.value.offset) == (Reason.UNKNOWN_EXTENSION, 24)


@pytest.mark.rfc("5944", "1.8", 2)
@pytest.mark.parametrize("kind", sorted(set(range(128, 256)) - {130, 131, 132}))
def test_unknown_extension_from_128_on_is_passed_over_and_kept(kind: int) -> None:
    message = replace(REQUEST, extensions=(UnknownExtension(kind, b"\xa5\xa5"), EncapsulatingDelivery()))
    parsed = parse(build(message))
    assert parsed == message


@pytest.mark.parametrize(
    "message",
    [
        replace(REQUEST, lifetime=Lifetime(65536)),
        replace(REQUEST, identification=Identification(1 << 32, 0)),
        replace(REPLY, code=256),
        replace(REPLY, extensions=(NetworkAccessIdentifier("n" * 256),)),
        replace(REPLY, extensions=(NetworkAccessIdentifier(""),)),
        replace(REPLY, extensions=(NetworkAccessIdentifier("a\x1bb"),)),
        replace(REPLY, extensions=(ForeignAgentError(0),)),
        replace(REPLY, extensions=(ForeignAgentError(256),)),
        replace(REPLY, extensions=(UnknownExtension(36, b""),)),
        replace(REPLY, extensions=(UnknownExtension(256, b""),)),
        replace(REPLY, extensions=(UnknownExtension(139, bytes(65536), subtype=1),)),
        replace(REPLY, extensions=(MobileHomeAuthentication(Spi(1 << 32), b""),)),
    ],
)
def test_value_that_does_not_fit_is_the_callers_error(
    message: RegistrationRequest | RegistrationReply,
) -> None:
    with pytest.raises(ValueError):
        build(message)
