"""Registration messages in their usual form, without objects: the fixed fields and one Mobile-Home Authentication
Extension with an authenticator of 16 bytes (RFC 5944 s3.3, s3.4, s3.5.2).

Nearly everything that a loaded home agent hears and says looks like this. Whatever does not is :func:`parse`'s.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from mobileip.control.wire.authentication import HEADER_LENGTH, MobileHomeAuthentication

AUTHENTICATOR: Final = 16
"""Bytes; other algorithms than those of MD5 have longer ones, and are :func:`parse`'s too."""
_EXTENSION: Final = MobileHomeAuthentication.type << 8 | HEADER_LENGTH - 2 + AUTHENTICATOR  # Type and Length
_REQUEST: Final = Struct("!16sQHI16s")
_REPLY: Final = Struct("!BBHIIQHI")
_REQUEST_TYPE, _REPLY_TYPE = 1, 3

ASKED: Final = 16
"""Bytes of a request before its Identification: type, flags, lifetime, home address, home agent, care-of address."""
COVERED: Final = _REQUEST.size - AUTHENTICATOR
"""Bytes of a plain request that its authenticator is over (s3.5.1)."""
LIFETIME: Final = slice(2, 4)
HOME_ADDRESS: Final = slice(4, 8)
HOME_AGENT: Final = slice(8, 12)
CARE_OF_ADDRESS: Final = slice(12, 16)

PlainRequest = tuple[bytes, int, int, bytes]
"""The first :data:`ASKED` bytes, Identification, SPI, authenticator."""


def split(datagram: bytes) -> PlainRequest | None:
    """A plain request in its parts; ``None`` if it is none."""
    if len(datagram) != _REQUEST.size or datagram[0] != _REQUEST_TYPE:
        return None
    asked, identification, extension, spi, authenticator = _REQUEST.unpack(datagram)
    return None if extension != _EXTENSION else (asked, identification, spi, authenticator)


def unsigned_reply(
    code: int, lifetime: int, home_address: int, home_agent: int, identification: int, spi: int
) -> bytes:
    """All of a reply that its authenticator covers; that is still to follow."""
    return _REPLY.pack(_REPLY_TYPE, code, lifetime, home_address, home_agent, identification, _EXTENSION, spi)
