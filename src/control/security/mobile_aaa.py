"""What a mobile node shares with an AAA server, and its proof of that in a request (RFC 4721 s6, s8)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from mobileip.control.security.chap import CHAP_SPI, sign_for_aaa
from mobileip.control.security.secret import Secret
from mobileip.control.types import Spi
from mobileip.control.wire import MobileAaaAuthentication

_LENGTH: Final = hashlib.md5().digest_size


@dataclass(frozen=True, slots=True)
class MobileAaaAssociation:
    """``spi`` says how the proof is made: 2 (CHAP_SPI) as CHAP has it, 256 or more by HMAC-MD5."""

    spi: Spi
    secret: Secret

    @property
    def is_chap(self) -> bool:
        return self.spi == CHAP_SPI

    def sign(self, message: bytes, challenge: bytes | None) -> bytes:
        """``message`` (payload and all prior extensions) with a Mobile-AAA Authentication Extension after it.

        ``challenge`` is that of the foreign agent, whose extension is in ``message``; ``None``: there is none.
        """
        if self.is_chap:
            return sign_for_aaa(self.secret, message, challenge)
        covered = message + MobileAaaAuthentication.header(self.spi, _LENGTH)
        return covered + hmac.digest(self.secret.reveal(), covered, "md5")
