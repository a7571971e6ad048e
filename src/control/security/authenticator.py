"""Authenticators over registration messages (RFC 5944 s3.5.1, s5.1).

Both algorithms cover everything before the authenticator: the UDP payload, all prior extensions, and Type,
Length and SPI of the extension itself. RFC 2002 said "Type and Length" only; the SPI is covered all the same,
as by every implementation of keyed MD5 that we met (RFC 5944 appendix E tells the story).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from mobileip.control.security.association import Algorithm, MobilitySecurityAssociation
from mobileip.control.wire import Authentication, Message

AUTHENTICATOR_LENGTH: Final = 16  # bytes, of either algorithm


def digest(association: MobilitySecurityAssociation, covered: bytes) -> bytes:
    """Authenticator over ``covered`` by the association's algorithm and key."""
    key = association.key.reveal()
    if association.algorithm is Algorithm.HMAC_MD5:
        return hmac.digest(key, covered, "md5")
    return hashlib.md5(key + covered + key).digest()


def sign(association: MobilitySecurityAssociation, message: bytes, extension: type[Authentication]) -> bytes:
    """``message`` (payload and all prior extensions) with a complete extension of that class after it."""
    covered = message + extension.header(association.spi, AUTHENTICATOR_LENGTH)
    return covered + digest(association, covered)


def verify(association: MobilitySecurityAssociation, message: Message, extension: Authentication) -> bool:
    """Whether ``extension`` of the parsed ``message`` carries the right authenticator; in constant time.

    :raises ValueError: ``extension`` is not part of the bytes that ``message`` was parsed from.
    """
    if not any(extension is own for own in message.extensions) or len(message.raw) < extension.end:
        raise ValueError("only an extension of a parsed message can be verified")
    return hmac.compare_digest(digest(association, message.raw[: extension.covered]), extension.authenticator)
