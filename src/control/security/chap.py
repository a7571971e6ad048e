"""A node's proof for an AAA server, made as CHAP has it, so that RADIUS servers can verify it (RFC 4721 s8).

The server computes MD5 over CHAP Identifier, password and CHAP Challenge (RFC 1994 s4.1, RFC 2865 s5.3). Here the
identifier is the first byte of the agent's challenge, and the CHAP Challenge holds MD5 of what the authenticator covers
and the last bytes of the agent's challenge. It is weaker than HMAC-MD5, which RADIUS cannot verify (RFC 4721 s12).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from mobileip.control.security.secret import Secret
from mobileip.control.types import Spi
from mobileip.control.wire import Message, MobileAaaAuthentication, MobileForeignChallenge

CHAP_SPI: Final = Spi(2)  # s9
_LENGTH: Final = 16  # bytes of MD5
_LONGEST_PART: Final = 237  # bytes of the challenge: with an MD5 before them as long as a RADIUS attribute
_NO_CHALLENGE: Final = b"\0"  # the "Challenge value 0" of a node that asks no foreign agent (s3.5)


@dataclass(frozen=True, slots=True)
class Chap:
    """What a server is asked to verify: the attributes CHAP-Password, which has the first two, and CHAP-Challenge."""

    identifier: int
    response: bytes
    challenge: bytes


def sign_for_aaa(key: Secret, message: bytes, challenge: bytes | None) -> bytes:
    """``message`` (payload and all prior extensions) with a Mobile-AAA Authentication Extension after it (s6).

    ``challenge``: that of the foreign agent, whose extension is in ``message``; ``None``: it has none.
    """
    covered = message + MobileAaaAuthentication.header(CHAP_SPI, _LENGTH)
    identifier, value = _challenge(covered, challenge)
    return covered + hashlib.md5(bytes((identifier,)) + key.reveal() + value).digest()


def as_chap(message: Message, extension: MobileAaaAuthentication) -> Chap | None:
    """What to have verified of ``extension`` of the parsed ``message``; ``None``: it is not made as CHAP has it.

    The challenge is the one that stands before it, as RFC 4721 s3.1 wants; without one its value is 0.
    """
    if extension.spi != CHAP_SPI or extension.end - extension.covered != _LENGTH:
        return None
    before = [
        one.challenge
        for one in message.extensions
        if isinstance(one, MobileForeignChallenge) and one.offset < extension.offset
    ]
    identifier, value = _challenge(message.raw[: extension.covered], before[-1] if before else None)
    return Chap(identifier, extension.authenticator, value)


def _challenge(covered: bytes, challenge: bytes | None) -> tuple[int, bytes]:
    """CHAP's identifier and challenge."""
    challenge = challenge or _NO_CHALLENGE
    return challenge[0], hashlib.md5(covered).digest() + challenge[-_LONGEST_PART:]
