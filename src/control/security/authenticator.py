"""Authenticators over registration messages (RFC 5944 s3.5.1, s5.1).

Everything before the authenticator is covered: the UDP payload, all prior extensions, and Type, Length and SPI of
the extension itself. RFC 2002 said "Type and Length" only; keyed MD5 covers the SPI all the same, as in every
implementation that we met (RFC 5944 appendix E tells the story), and its variant without SPI is for the others.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from functools import lru_cache
from typing import Final

from mobileip.control.security.association import Algorithm, MobilitySecurityAssociation
from mobileip.control.wire import Authentication, Message

_BLOCK: Final = 64  # bytes, of MD5 (RFC 1321)
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_SPI_LENGTH: Final = 4  # bytes, the last that are covered
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))
_HASHES: Final = {Algorithm.HMAC_SHA1: "sha1", Algorithm.HMAC_SHA256: "sha256"}


def digest(association: MobilitySecurityAssociation, covered: bytes) -> bytes:
    """Authenticator by the association's algorithm and key over ``covered``, which ends with an SPI (s3.5.1)."""
    key = association.key.reveal()
    if association.algorithm is Algorithm.HMAC_MD5:
        inside, outside = _hmac_states(key)
        inner, outer = inside.copy(), outside.copy()
        inner.update(covered)
        outer.update(inner.digest())
        return outer.digest()
    name = _HASHES.get(association.algorithm)
    if name is not None:
        return hmac.digest(key, covered, name)
    if association.algorithm is Algorithm.KEYED_MD5_NO_SPI:
        covered = covered[:-_SPI_LENGTH]
    return hashlib.md5(key + covered + key).digest()


@lru_cache(maxsize=4096)
def _hmac_states(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """MD5 after the inner and after the outer padded key (RFC 2104 s2), from which each message goes on.

    ``hmac.digest`` makes both anew for each message, which is most of what it costs.
    """
    block = (hashlib.md5(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return hashlib.md5(block.translate(_INNER_PAD)), hashlib.md5(block.translate(_OUTER_PAD))


def sign(association: MobilitySecurityAssociation, message: bytes, extension: type[Authentication]) -> bytes:
    """``message`` (payload and all prior extensions) with a complete extension of that class after it."""
    covered = message + extension.header(association.sent_spi, association.algorithm.length)
    return covered + digest(association, covered)


def verify(association: MobilitySecurityAssociation, message: Message, extension: Authentication) -> bool:
    """Whether ``extension`` of the parsed ``message`` carries the right authenticator; in constant time.

    :raises ValueError: ``extension`` is not part of the bytes that ``message`` was parsed from.
    """
    if not any(extension is own for own in message.extensions) or len(message.raw) < extension.end:
        raise ValueError("only an extension of a parsed message can be verified")
    return is_authentic(association, message.raw[: extension.covered], extension.authenticator)


def proven(
    association: MobilitySecurityAssociation, message: Message, extension: Authentication
) -> MobilitySecurityAssociation | None:
    """As :func:`verify`: the association with the algorithm that ``extension`` was made by, or ``None``.

    That is another than the association's own only with its ``any_algorithm``.
    """
    if verify(association, message, extension):
        return association
    if association.any_algorithm:
        for algorithm in Algorithm:
            other = replace(association, algorithm=algorithm)
            if algorithm is not association.algorithm and verify(other, message, extension):
                return other
    return None


def is_authentic(association: MobilitySecurityAssociation, covered: bytes, authenticator: bytes) -> bool:
    """Whether ``authenticator`` is the right one over ``covered``; in constant time."""
    return hmac.compare_digest(digest(association, covered), authenticator)
