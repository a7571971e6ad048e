"""The GRE Key extension on the wire (RFC 6245 s5): the only one we know that has the long format."""

from __future__ import annotations

import pytest

from mobileip.control.reasons import Reason
from mobileip.control.wire import GreKey, Padding, RegistrationRequest, WireError, build, parse, pretty
from tests.unit.core.factory import request

BARE = request(association=None)
KEY = bytes.fromhex("30 00 0004 c0000201")


def test_bytes_are_those_of_the_standard() -> None:
    assert GreKey(0xC000_0201).encode() == KEY
    message = parse(BARE + b"\x00" + KEY + b"\x00")
    assert isinstance(message, RegistrationRequest)
    assert message.extensions == (Padding(), GreKey(0xC000_0201), Padding())
    assert [one.offset for one in message.extensions] == [24, 25, 33]
    assert build(message) == BARE + b"\x00" + KEY + b"\x00"
    assert pretty.fields(message)["extensions"][1] == {  # type: ignore[index]
        "type": 48,
        "name": "GRE key",
        "offset": 25,
        "key": 0xC000_0201,
    }


@pytest.mark.parametrize(
    ("extension", "reason", "offset"),
    [
        ("30 01 0004 00000001", Reason.UNKNOWN_EXTENSION, 24),
        ("30 00 0003 000001", Reason.BAD_EXTENSION_LENGTH, 24),
        ("30 00 0005 0000000001", Reason.BAD_EXTENSION_LENGTH, 24),
        ("30 00 0004 000001", Reason.TRUNCATED, 28),
        ("30 00 04", Reason.TRUNCATED, 25),
        ("30", Reason.TRUNCATED, 25),
    ],
)
def test_what_is_not_one(extension: str, reason: Reason, offset: int) -> None:
    with pytest.raises(WireError) as caught:
        parse(BARE + bytes.fromhex(extension))
    assert (caught.value.reason, caught.value.offset) == (reason, offset)


@pytest.mark.parametrize("key", [-1, 1 << 32])
def test_a_key_has_32_bits(key: int) -> None:
    with pytest.raises(ValueError, match="not 0 to 2"):
        GreKey(key).encode()
    assert len(GreKey(abs(key) - 1).encode()) == 8
