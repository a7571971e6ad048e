"""What mutation testing found untested in the wire layer."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mobileip.control import wire
from mobileip.control.types import Identification, Lifetime, Spi
from mobileip.control.wire import WireError, parse

REPLY = bytes.fromhex("0300012cc0000201c0000202eeafb4701f9aabcd")


def test_a_length_that_is_missing_is_one_byte() -> None:
    with pytest.raises(WireError, match="length of extension 32 at byte 21 needs 1 bytes, 0 are left"):
        parse(REPLY + b"\x20")


@pytest.mark.parametrize(
    "made",
    [
        wire.Padding(),
        wire.MobileHomeAuthentication(Spi(256), bytes(16)),
        wire.NetworkAccessIdentifier("user@example.net"),
        wire.EncapsulatingDelivery(),
        wire.ForeignAgentError(66),
        wire.GreKey(66),
        wire.DynamicHomeAgent(wire.DynamicHomeAgentUse.REQUESTED, IPv4Address(1)),
        wire.UnknownExtension(200, b""),
        wire.PrefixLengths((24,)),
        wire.MobilityAgentAdvertisement(0, Lifetime(0), wire.AgentFlags()),
    ],
    ids=lambda made: type(made).__name__,
)
def test_an_extension_that_was_made_here_stands_nowhere_yet(
    made: wire.Extension | wire.AdvertisementExtension,
) -> None:
    assert made.offset == 0


def test_an_extension_holds_255_bytes_and_no_more() -> None:
    longest = wire.UnknownExtension(200, bytes(255))
    assert longest.encode() == b"\xc8\xff" + bytes(255)
    with pytest.raises(ValueError, match="extension 200 holds 256 bytes, at most 255 fit"):
        wire.UnknownExtension(200, bytes(256)).encode()


def test_end_of_an_authentication_extension() -> None:
    message = parse(
        REPLY + b"\x83\x03a@b" + b"\x20\x06\x00\x00\x01\x00\xaa\xbb" + b"\x20\x04\x00\x00\x01\x00"
    )
    _, first, second = message.extensions
    assert isinstance(first, wire.MobileHomeAuthentication) and isinstance(
        second, wire.MobileHomeAuthentication
    )
    assert (first.offset, first.covered, first.end) == (25, 31, 33)
    assert (second.offset, second.covered, second.end) == (33, 39, 39)


def test_a_request_asks_for_nothing_unless_told() -> None:
    asked = wire.RegistrationRequest(
        IPv4Address(1), IPv4Address(2), IPv4Address(3), Identification(4, 5), Lifetime(6)
    )
    assert wire.build(asked) == bytes.fromhex("01000006 00000001 00000002 00000003 00000004 00000005")
    assert (asked.extensions, asked.raw) == ((), b"")


def test_head_of_an_authentication_extension() -> None:
    assert wire.MobileHomeAuthentication.header(Spi(256), 16) == bytes.fromhex("2014 00000100")


def test_a_router_address_is_neither_better_nor_worse_unless_told() -> None:
    assert wire.RouterAddress(IPv4Address(1)).preference == 0


@pytest.mark.parametrize(("status", "allowed"), [(63, False), (64, True), (127, True), (128, False)])
def test_foreign_agents_errors_are_those_from_64_to_127(status: int, allowed: bool) -> None:
    error, raw = wire.ForeignAgentError(status), b"\x2d\x02\x00" + bytes((status,))
    if allowed:
        assert error.encode() == raw and parse(REPLY + raw).extensions == (error,)
    else:
        with pytest.raises(ValueError, match=f"status {status}, not 64 to 127"):
            error.encode()
        with pytest.raises(WireError, match=f"status {status}, not 64 to 127"):
            parse(REPLY + raw)
