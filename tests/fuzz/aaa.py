"""What AAA servers answer: any bytes are associations, an unknown peer, or a refusal in one clause. Never a crash."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from mobileip.control.aaa import tacacs_packets
from mobileip.control.aaa.attributes import Client, Forgery, access_request, conclusion
from mobileip.control.aaa.avpairs import Read, Unsaid, read
from mobileip.control.aaa.sources import Found
from mobileip.control.security import Secret
from mobileip.control.types import Spi
from tests.fuzz.target import Target

SECRET = Secret(b"a secret of the fuzzer")
_UNSAID = Unsaid()
_SPI = Spi(256)
_SESSION = 0x01020304
_DIGITS = "00112233445566778899aabbccddeeff"
_PAIR = f"spi#0=spi 100 key hex {_DIGITS} replay timestamp 7 algorithm md5 mode prefix-suffix".encode()
_WORDS = (
    b"spi#1=spi decimal 300",
    b" key ascii 0123456789abcdef",
    b" inbound-spi 100 outbound-spi 101",
    b" replay timestamp within 7",
    b" algorithm hmac-md5",
    b"mobileip:",
)


def _usable(associations: Iterable[object], refused: Iterable[str]) -> None:
    assert all(map(str.isprintable, refused))
    assert _DIGITS not in repr((associations, refused))


def avpairs(data: bytes) -> None:
    """One pair on each line."""
    told: Read = read(data.decode("utf-8", "replace").split("\n"), _UNSAID)
    assert len({one.spi for one in told.associations}) == len(told.associations)
    _usable(told.associations, told.refused)


def radius(data: bytes) -> None:
    """As attributes of an answer whose authenticators are right, which chance would not do; and as they come."""
    request = access_request(1, SECRET, "10.1.0.5", Client("agent", Secret(b"cisco")), _SPI)
    for answer in (signed(data, request.data), data):
        try:
            verified = request.answer(answer)
        except Forgery as forgery:
            assert str(forgery).isprintable()
            continue
        assert answer is not data, "an answer nobody signed was believed"
        found, refused = conclusion(verified, _UNSAID, _SPI)
        _usable(found.associations if isinstance(found, Found) else (), refused)


def signed(data: bytes, request: bytes) -> bytes:
    """Code of the first byte mostly Access-Accept; Message-Authenticator first (RFC 3579 s3.2)."""
    code = data[0] if data[:1] in (b"\3", b"\x0b") else 2
    attributes = b"\x50\x12" + bytes(16) + data[1:]
    header = bytes((code, request[1])) + (20 + len(attributes)).to_bytes(2)
    signature = hmac.digest(SECRET.reveal(), header + request[4:20] + attributes, "md5")
    attributes = b"\x50\x12" + signature + data[1:]
    authenticator = hashlib.md5(header + request[4:20] + attributes + SECRET.reveal()).digest()
    return header + authenticator + attributes


def tacacs(data: bytes) -> None:
    """A header and the body behind it, in the clear; and the same from its seventh byte on as a body of our session."""
    for header_bytes, body in ((data[:12], data[12:]), (_HEADER + len(data).to_bytes(4), data)):
        if len(header_bytes) < tacacs_packets.HEADER_LENGTH:
            continue
        try:
            header = tacacs_packets.reply_header(header_bytes)
            hidden = tacacs_packets.obfuscated(body, header.session, SECRET, 0xC0, 2)
            reply = tacacs_packets.reply(header, hidden, SECRET)
        except tacacs_packets.BadPacket as bad:
            assert str(bad).isprintable()
            continue
        told, lifetime = tacacs_packets.associations(reply.arguments, _UNSAID)
        assert lifetime is None or lifetime > 0
        _usable(told.associations, told.refused)


_HEADER = b"\xc0\x02\x02\x04" + _SESSION.to_bytes(4)


def _attribute(kind: int, value: bytes) -> bytes:
    return bytes((kind, 2 + len(value))) + value


def _vendor(vendor: int, kind: int, value: bytes) -> bytes:
    return _attribute(26, vendor.to_bytes(4) + _attribute(kind, value))


def radius_seeds() -> dict[str, bytes]:
    cisco = _vendor(9, 1, b"mobileip:" + _PAIR)
    threegpp2 = _vendor(5535, 57, b"\0\0\1\x2c") + _vendor(5535, 58, b"\x80\1" + bytes(32))
    return {
        "cisco": b"\2" + cisco,
        "3gpp2": b"\2" + threegpp2,
        "both and a lifetime": b"\2" + cisco + threegpp2 + _attribute(27, b"\0\0\x0e\x10"),
        "reject": b"\3" + _attribute(18, b"no"),
        "challenge": b"\x0b" + _attribute(24, b"state"),
    }


def tacacs_seeds() -> dict[str, bytes]:
    arguments = (_PAIR, b"timeout=60", b"zone*4")
    body = bytes((1, len(arguments), 0, 2, 0, 0)) + bytes(map(len, arguments)) + b"hi" + b"".join(arguments)
    return {"body": body, "whole": _HEADER + len(body).to_bytes(4) + body, "fail": b"\x10" + bytes(5)}


TARGETS = {
    "avpairs": Target(
        avpairs, lambda: {"pair": _PAIR, "pairs": _PAIR + b"\nspi#1=x\na*b"}, _WORDS, longest=600
    ),
    "radius": Target(radius, radius_seeds, _WORDS, longest=1200),
    "tacacs": Target(tacacs, tacacs_seeds, _WORDS, longest=1200),
}
