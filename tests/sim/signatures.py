"""Registration messages taken apart and verified by code of its own, not by the machines'."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from mobileip.control.security import Algorithm, MobilitySecurityAssociation

REQUEST, REPLY = 1, 3
FIXED = {REQUEST: 24, REPLY: 20}
MOBILE_HOME, MOBILE_FOREIGN, FOREIGN_HOME, MOBILE_AAA, FOREIGN_ERROR, NAI = 32, 33, 34, 36, 45, 131
CHALLENGE, ADVERTISED_CHALLENGE = 132, 24
_HEADER = 6  # bytes of type, length and SPI
_HMAC = {Algorithm.HMAC_MD5: "md5", Algorithm.HMAC_SHA1: "sha1", Algorithm.HMAC_SHA256: "sha256"}


def kind_of(payload: bytes) -> int | None:
    """``None`` for what is no registration message, or too short for its fixed part."""
    kind = payload[0] if payload else 0
    return kind if len(payload) >= FIXED.get(kind, len(payload) + 1) else None


def address(payload: bytes, offset: int) -> IPv4Address:
    return IPv4Address(payload[offset : offset + 4])


def extensions(payload: bytes) -> Iterator[tuple[int, int, int]]:
    """Type, first byte, and the byte after the last of each extension."""
    offset = FIXED[payload[0]]
    while offset + 2 <= len(payload):
        end = offset + 2 + payload[offset + 1]
        if payload[offset] == MOBILE_AAA:  # the one in the long format
            end = offset + 4 + int.from_bytes(payload[offset + 2 : offset + 4])
        if end > len(payload):
            return
        yield payload[offset], offset, end
        offset = end


def signed_part(payload: bytes) -> bytes:
    """Up to the end of the last Mobile-Home Authentication Extension; nothing without one."""
    ends = [end for type_, _, end in extensions(payload) if type_ == MOBILE_HOME]
    return payload[: ends[-1]] if ends else b""


def behind(payload: bytes) -> set[int]:
    """Types of the extensions behind the Mobile-Home Authentication Extension."""
    end_of_signed = len(signed_part(payload))
    return {type_ for type_, start, _ in extensions(payload) if start >= end_of_signed}


def challenge_in(payload: bytes) -> bytes | None:
    """Of the last extension with one, behind what is signed for the home agent."""
    after = len(signed_part(payload))
    found = [
        payload[start + 2 : end]
        for type_, start, end in extensions(payload)
        if type_ == CHALLENGE and start >= after
    ]
    return found[-1] if found else None


def challenges_told(advertisement: bytes) -> list[bytes]:
    """In an ICMP router advertisement."""
    offset, found = 8 + 4 * advertisement[4] * advertisement[5], []
    while offset + 2 <= len(advertisement):
        end = offset + 1 if advertisement[offset] == 0 else offset + 2 + advertisement[offset + 1]
        if advertisement[offset] == ADVERTISED_CHALLENGE:
            found.append(advertisement[offset + 2 : end])
        offset = end
    return found


def name_in(payload: bytes) -> str | None:
    """The Network Access Identifier; the realm is a domain name, in which upper and lower case are the same."""
    for type_, start, end in extensions(payload):
        if type_ == NAI:
            user, at, realm = payload[start + 2 : end].decode(errors="replace").rpartition("@")
            return user + at + realm.lower()
    return None


def signer(
    payload: bytes, associations: Iterable[MobilitySecurityAssociation]
) -> MobilitySecurityAssociation | None:
    """The association by which the Mobile-Home Authentication Extension is right."""
    part = signed_part(payload)
    for association in associations:
        if part and part == _signed(part, association):
            return association
    return None


def signed_anew(payload: bytes, associations: Iterable[MobilitySecurityAssociation]) -> bytes:
    """``payload`` with the right authenticator, if it names one of ``associations``."""
    part = signed_part(payload)
    for association in associations:
        right = _signed(part, association)
        if right is not None:
            return right + payload[len(part) :]
    return payload


def _signed(part: bytes, association: MobilitySecurityAssociation) -> bytes | None:
    hashed = _HMAC.get(association.algorithm)
    length = hashlib.new(hashed or "md5").digest_size
    covered, named = part[:-length], part[-length - _HEADER : -length]
    if named != bytes((MOBILE_HOME, 4 + length)) + association.spi.to_bytes(4):
        return None
    key = association.key.reveal()
    if hashed is not None:
        return covered + hmac.digest(key, covered, hashed)
    signed = covered[:-4] if association.algorithm is Algorithm.KEYED_MD5_NO_SPI else covered
    return covered + hashlib.md5(key + signed + key).digest()
