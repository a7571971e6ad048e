"""The proof that RADIUS servers verify, against openssl and a verifier of CHAP that knows nothing of Mobile IP."""

from __future__ import annotations

import subprocess

import pytest
from pyrad.packet import AuthPacket

from mobileip.control.aaa.attributes import DICTIONARY, Client, chap_request
from mobileip.control.security import CHAP_SPI, Secret, as_chap, sign_for_aaa
from mobileip.control.types import Spi
from mobileip.control.wire import MobileAaaAuthentication, MobileForeignChallenge, parse
from tests.judges import need
from tests.unit.core.factory import request

KEY = Secret(b"alice's password")
SIGNED = request()  # with the authenticator for the home agent, as is wanted before ours
LENGTHS = [4, 16, 237, 238, 255]  # of challenges, in bytes


def md5(data: bytes) -> bytes:
    need("openssl")
    command = ["openssl", "dgst", "-md5", "-binary"]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def challenged(length: int) -> tuple[bytes, bytes]:
    """A challenge, and the request that has it."""
    challenge = bytes(range(255, 255 - length, -1))
    return challenge, SIGNED + MobileForeignChallenge(challenge).encode()


@pytest.mark.parametrize("length", LENGTHS)
def test_the_authenticator_is_that_of_the_standard(length: int) -> None:
    challenge, message = challenged(length)
    signed = sign_for_aaa(KEY, message, challenge)
    covered = message + bytes.fromhex("24 01 0014 00000002")
    assert signed[: len(covered)] == covered
    expected = md5(challenge[:1] + KEY.reveal() + md5(covered) + challenge[-237:])
    assert signed[len(covered) :] == expected


def test_without_a_challenge_its_value_is_0() -> None:
    signed = sign_for_aaa(KEY, SIGNED, None)
    covered = SIGNED + bytes.fromhex("24 01 0014 00000002")
    assert signed[len(covered) :] == md5(b"\0" + KEY.reveal() + md5(covered) + b"\0")


@pytest.mark.parametrize("length", [0, *LENGTHS])
def test_a_verifier_of_chap_finds_the_password_right_and_no_other(length: int) -> None:
    challenge, message = challenged(length)
    if not length:
        message = SIGNED
    parsed = parse(sign_for_aaa(KEY, message, challenge or None))
    extension = parsed.first(MobileAaaAuthentication)
    assert extension is not None and extension.spi == CHAP_SPI and extension.end == len(parsed.raw)
    chap = as_chap(parsed, extension)
    assert chap is not None and len(chap.challenge) <= 253, "it fits an attribute"
    asked = chap_request(7, Secret(b"shared"), "alice@example.net", chap, Client("agent", KEY))
    heard = AuthPacket(packet=asked.data, secret=b"shared", dict=DICTIONARY)
    assert heard.VerifyChapPasswd(KEY.reveal())
    assert not heard.VerifyChapPasswd(b"another's password")


@pytest.mark.parametrize("flipped", [1, 20, len(SIGNED) + 3])
def test_every_byte_before_it_is_covered(flipped: int) -> None:
    challenge, message = challenged(16)
    data = bytearray(sign_for_aaa(KEY, message, challenge))
    seen = set()
    for bits in (0, 1):
        data[flipped] ^= bits
        parsed = parse(bytes(data))
        extension = parsed.first(MobileAaaAuthentication)
        assert extension is not None
        seen.add(as_chap(parsed, extension))
    assert len(seen) == 2


def test_only_a_challenge_before_it_counts() -> None:
    behind = parse(sign_for_aaa(KEY, SIGNED, None) + MobileForeignChallenge(b"behind").encode())
    extension = behind.first(MobileAaaAuthentication)
    assert extension is not None
    chap = as_chap(behind, extension)
    assert chap is not None and chap.identifier == 0 and chap.challenge[16:] == b"\0"


@pytest.mark.parametrize(
    "extension",
    [MobileAaaAuthentication(Spi(300), bytes(16)), MobileAaaAuthentication(CHAP_SPI, bytes(20))],
)
def test_what_is_not_made_so_is_nothing_for_a_radius_server(extension: MobileAaaAuthentication) -> None:
    message = parse(SIGNED + extension.encode())
    found = message.first(MobileAaaAuthentication)
    assert found is not None and as_chap(message, found) is None
