"""Authenticators against the answers of openssl and md5sum, and every way to be wrong."""

from __future__ import annotations

import hmac
import subprocess
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from mobileip.control.security import Algorithm, MobilitySecurityAssociation, Secret, sign, verify
from mobileip.control.security.authenticator import digest
from mobileip.control.types import Spi
from mobileip.control.wire import (
    Authentication,
    ForeignHomeAuthentication,
    MobileForeignAuthentication,
    MobileHomeAuthentication,
    parse,
)
from tests.judges import need
from tests.vectors.load import vectors

CLASSES: dict[int, type[Authentication]] = {
    32: MobileHomeAuthentication,
    33: MobileForeignAuthentication,
    34: ForeignHomeAuthentication,
}
SPI = range(26, 30)  # its bytes in a signed REQUEST
VECTORS = vectors("authenticators")
OF_MESSAGES = [vector for vector in VECTORS if vector["covered"][:2] in ("01", "03")]
REQUEST = bytes.fromhex("0102012cc0000201c0000202c6336403eeafb4701f9aabcd")


def named(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def association(vector: dict[str, Any], spi: int = 256) -> MobilitySecurityAssociation:
    return MobilitySecurityAssociation(
        Spi(spi), Secret(bytes.fromhex(vector["key"])), Algorithm(vector["algorithm"])
    )


@pytest.mark.rfc("5944", "3.5.1", 1, 4)
@pytest.mark.rfc("5944", "5.1", 4)
@pytest.mark.parametrize("vector", VECTORS, ids=named)
def test_digest_has_the_known_answer(vector: dict[str, Any]) -> None:
    assert digest(association(vector), bytes.fromhex(vector["covered"])).hex() == vector["authenticator"]


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_keys_of_every_length_are_padded_as_hmac_has_it(length: int) -> None:
    """A key as long as the block is used as it is, a longer one hashed (RFC 2104 s2)."""
    key = bytes(range(length))
    ours = MobilitySecurityAssociation(Spi(256), Secret(key), Algorithm.HMAC_MD5)
    assert digest(ours, REQUEST) == hmac.digest(key, REQUEST, "md5")


@pytest.mark.rfc("5944", "3.5.1", 4)
@pytest.mark.parametrize("vector", VECTORS, ids=named)
def test_known_answer_is_what_its_command_prints(vector: dict[str, Any]) -> None:
    need(*(tool for tool in ("xxd", "openssl", "md5sum") if tool in vector["command"]))
    shown = subprocess.run(vector["command"], shell=True, check=True, capture_output=True, text=True).stdout
    assert vector["authenticator"] in shown.split()


@pytest.mark.rfc("5944", "3.5.1", 1, 4)
@pytest.mark.rfc("5944", "5.1", 1)
@pytest.mark.parametrize("vector", OF_MESSAGES, ids=named)
def test_message_is_signed_and_verified(vector: dict[str, Any]) -> None:
    covered = bytes.fromhex(vector["covered"])
    kind, spi = covered[-6], int.from_bytes(covered[-4:], "big")
    ours = association(vector, spi)
    datagram = sign(ours, covered[:-6], CLASSES[kind])
    assert datagram.hex() == vector["covered"] + vector["authenticator"]
    for behind in ("", "8200", "9003010203"):  # nothing, a delivery style, one that is not known
        parsed = parse(datagram + bytes.fromhex(behind))
        *_, found = (one for one in parsed.extensions if isinstance(one, CLASSES[kind]))
        assert isinstance(found, Authentication) and found.spi == spi
        assert verify(ours, parsed, found)


def test_there_is_a_known_answer_for_every_algorithm_extension_and_kind_of_message() -> None:
    answered = {
        (vector["algorithm"], int(vector["covered"][:2]), int(vector["covered"][-12:-10], 16))
        for vector in OF_MESSAGES
    }
    assert answered == set(product((algorithm.value for algorithm in Algorithm), (1, 3), CLASSES))


@pytest.mark.rfc("5944", "3.5.1", 1)
@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_flipped_bit_of_the_covered_part_and_the_authenticator_is_noticed(algorithm: Algorithm) -> None:
    ours = MobilitySecurityAssociation(Spi(256), Secret(bytes(range(16))), algorithm)
    datagram = sign(ours, REQUEST, MobileHomeAuthentication)
    readable = 0
    for bit in range(8 * len(datagram)):
        if bit // 8 in (0, 24, 25):
            continue  # message type, extension type and length: another message, not a damaged one
        if algorithm is Algorithm.KEYED_MD5_NO_SPI and bit // 8 in SPI:
            continue  # then it is no association, or another one, that is found
        damaged = bytearray(datagram)
        damaged[bit // 8] ^= 1 << bit % 8
        parsed = parse(bytes(damaged))
        found = parsed.first(MobileHomeAuthentication)
        assert found is not None
        assert not verify(ours, parsed, found), f"bit {bit}"
        readable += 1
    unseen = len(SPI) if algorithm is Algorithm.KEYED_MD5_NO_SPI else 0
    assert readable == 8 * (len(datagram) - 3 - unseen)


@pytest.mark.rfc("5944", "3.5.1", 1)
@pytest.mark.parametrize("algorithm", [one for one in Algorithm if one is not Algorithm.KEYED_MD5_NO_SPI])
def test_spi_is_covered(algorithm: Algorithm) -> None:
    ours = MobilitySecurityAssociation(Spi(256), Secret(b"key"), algorithm)
    other = replace(ours, spi=Spi(257))
    assert (
        sign(ours, REQUEST, MobileHomeAuthentication)[-16:]
        != sign(other, REQUEST, MobileHomeAuthentication)[-16:]
    )


def test_by_the_letter_of_rfc_2002_it_is_not() -> None:
    ours = MobilitySecurityAssociation(Spi(256), Secret(b"key"), Algorithm.KEYED_MD5_NO_SPI)
    signed = sign(ours, REQUEST, MobileHomeAuthentication)
    other = sign(replace(ours, spi=Spi(257)), REQUEST, MobileHomeAuthentication)
    assert signed[-16:] == other[-16:] and signed != other
    assert (
        signed[-16:]
        != sign(replace(ours, algorithm=Algorithm.KEYED_MD5), REQUEST, MobileHomeAuthentication)[-16:]
    )


@pytest.mark.rfc("5944", "3.5.1", 2)
@pytest.mark.parametrize("algorithm", Algorithm)
def test_each_direction_may_have_its_own_spi(algorithm: Algorithm) -> None:
    ours = MobilitySecurityAssociation(Spi(256), Secret(b"key"), algorithm, spi_out=Spi(999))
    theirs = replace(ours, spi=Spi(999), spi_out=Spi(256))
    for sender, receiver, spi in ((ours, theirs, 999), (theirs, ours, 256)):
        parsed = parse(sign(sender, REQUEST, MobileHomeAuthentication))
        found = parsed.first(MobileHomeAuthentication)
        assert found is not None and found.spi == receiver.spi == spi
        assert verify(receiver, parsed, found)


def test_what_follows_is_not_covered() -> None:
    ours = MobilitySecurityAssociation(Spi(256), Secret(b"key"))
    parsed = parse(sign(ours, REQUEST, MobileHomeAuthentication) + bytes.fromhex("9003010203 8200"))
    found = parsed.first(MobileHomeAuthentication)
    assert found is not None and verify(ours, parsed, found)


@pytest.mark.parametrize("length", [0, 15, 17, 200])
def test_authenticator_of_another_length_is_wrong(length: int) -> None:
    ours = MobilitySecurityAssociation(Spi(256), Secret(b"key"))
    covered = REQUEST + MobileHomeAuthentication.header(Spi(256), length)
    parsed = parse(covered + (digest(ours, covered) * 13)[:length])
    found = parsed.first(MobileHomeAuthentication)
    assert found is not None and not verify(ours, parsed, found)


@pytest.mark.parametrize(("algorithm", "length"), [(Algorithm.HMAC_SHA1, 20), (Algorithm.HMAC_SHA256, 32)])
def test_a_longer_authenticator_counts_as_a_whole_only(algorithm: Algorithm, length: int) -> None:
    ours = MobilitySecurityAssociation(Spi(256), Secret(b"key"), algorithm)
    for there in (16, length - 1, length):
        covered = REQUEST + MobileHomeAuthentication.header(Spi(256), there)
        parsed = parse(covered + digest(ours, covered)[:there])
        found = parsed.first(MobileHomeAuthentication)
        assert found is not None and verify(ours, parsed, found) is (there == length)


@pytest.mark.rfc("5944", "3.5.1", 2)
def test_other_key_or_algorithm_is_wrong() -> None:
    ours = MobilitySecurityAssociation(Spi(256), Secret(b"key"))
    parsed = parse(sign(ours, REQUEST, MobileHomeAuthentication))
    found = parsed.first(MobileHomeAuthentication)
    assert found is not None and verify(ours, parsed, found)
    assert not verify(replace(ours, key=Secret(b"kez")), parsed, found)
    assert not verify(replace(ours, algorithm=Algorithm.KEYED_MD5), parsed, found)


def test_extension_of_no_parsed_message_is_the_callers_error() -> None:
    ours = MobilitySecurityAssociation(Spi(256), Secret(b"key"))
    parsed = parse(sign(ours, REQUEST, MobileHomeAuthentication))
    found = parsed.first(MobileHomeAuthentication)
    assert found is not None
    with pytest.raises(ValueError):
        verify(ours, parsed, replace(found))
    with pytest.raises(ValueError):
        verify(ours, replace(parsed, raw=b""), found)
