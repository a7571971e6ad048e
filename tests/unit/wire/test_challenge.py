"""Challenges and their answers on the wire (RFC 4721)."""

from __future__ import annotations

import pytest

from mobileip.control.reasons import Reason
from mobileip.control.types import Spi
from mobileip.control.wire import (
    AdvertisedChallenge,
    AgentAdvertisement,
    MobileAaaAuthentication,
    MobileForeignChallenge,
    RegistrationRequest,
    WireError,
    build,
    build_icmp,
    parse,
    parse_icmp,
    pretty,
)
from tests.unit.core.factory import advertisement, request

BARE = request(association=None)
PROOF = bytes(range(16))
CHALLENGE = bytes.fromhex("84 04 01020304")
MOBILE_AAA = bytes.fromhex("24 01 0014 00000002") + PROOF


def test_bytes_of_a_request_are_those_of_the_standard() -> None:
    message = parse(BARE + CHALLENGE + MOBILE_AAA)
    assert isinstance(message, RegistrationRequest)
    assert message.extensions == (
        MobileForeignChallenge(bytes((1, 2, 3, 4))),
        MobileAaaAuthentication(Spi(2), PROOF),
    )
    assert [one.offset for one in message.extensions] == [24, 30]
    aaa = message.first(MobileAaaAuthentication)
    assert aaa is not None and aaa.end == len(message.raw)
    assert build(message) == message.raw
    assert pretty.fields(message)["extensions"] == [
        {"type": 132, "name": "MN-FA challenge", "offset": 24, "challenge": "01020304"},
        {
            "type": 36,
            "name": "generalized authentication",
            "offset": 30,
            "spi": 2,
            "authenticator": PROOF.hex(),
        },
    ]


def test_an_authenticator_may_be_longer_than_a_byte_can_say() -> None:
    long = MobileAaaAuthentication(Spi(300), bytes(500))
    message = parse(BARE + long.encode())
    assert message.extensions == (long,) and build(message) == message.raw


def test_an_agent_that_challenges_is_heard() -> None:
    sent = AdvertisedChallenge(bytes(range(8)))
    assert sent.encode() == bytes.fromhex("18 08 0001020304050607")
    plain = parse_icmp(advertisement().payload)
    assert isinstance(plain, AgentAdvertisement)
    challenging = AgentAdvertisement(plain.lifetime, (*plain.extensions, sent), plain.router_addresses)
    heard = parse_icmp(build_icmp(challenging))
    assert heard == challenging
    assert pretty.fields(heard)["extensions"][-1] == {  # type: ignore[index]
        "type": 24,
        "name": "challenge",
        "offset": heard.extensions[-1].offset,  # type: ignore[union-attr]
        "challenge": "0001020304050607",
    }


@pytest.mark.rfc("4721", "5", 1)
@pytest.mark.parametrize(
    ("extension", "reason", "offset"),
    [
        ("24 02 0014 00000002" + PROOF.hex(), Reason.UNKNOWN_EXTENSION, 24),
        ("24 01 0013 00000002" + PROOF.hex(), Reason.BAD_EXTENSION_LENGTH, 24),
        ("24 01 0000", Reason.BAD_EXTENSION_LENGTH, 24),
        ("24 01 0015 00000002" + PROOF.hex(), Reason.TRUNCATED, 28),
        ("24 01 00", Reason.TRUNCATED, 25),
        ("84 05 01020304", Reason.TRUNCATED, 26),
    ],
)
def test_what_is_none(extension: str, reason: Reason, offset: int) -> None:
    with pytest.raises(WireError) as caught:
        parse(BARE + bytes.fromhex(extension))
    assert (caught.value.reason, caught.value.offset) == (reason, offset)


def test_what_may_not_be_sent_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="15 bytes, not 16 or more"):
        MobileAaaAuthentication(Spi(2), bytes(15)).encode()
    with pytest.raises(ValueError, match="at most 255 fit"):
        MobileForeignChallenge(bytes(256)).encode()
