"""Associations in the words of Cisco's home agents."""

from __future__ import annotations

import pytest

from mobileip.control.aaa.avpairs import Unsaid, association, read
from mobileip.control.security import Algorithm, MobilitySecurityAssociation, ReplayMethod, Secret
from mobileip.control.types import Spi

DIGITS = "00112233445566778899aabbccddeeff"
KEY = Secret(bytes.fromhex(DIGITS))


def plain(spi: int, **more: object) -> MobilitySecurityAssociation:
    return MobilitySecurityAssociation(Spi(spi), KEY, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"spi 100 key hex {DIGITS}", plain(0x100)),
        (f"spi 0x1a2b key hex 0x{DIGITS.upper()}", plain(0x1A2B)),
        (f"spi decimal 300 key hex {DIGITS}", plain(300)),
        (f'"spi 100  key hex {DIGITS}"', plain(0x100)),
        (f"SPI 100 Key Hex {DIGITS}", plain(0x100)),
        (f"key hex {DIGITS} spi ffffffff", plain(0xFFFF_FFFF)),
        (f"spi 100 key hex {DIGITS} replay timestamp", plain(0x100)),
        (f"spi 100 key hex {DIGITS} replay timestamp 20", plain(0x100, replay_tolerance_s=20.0)),
        (f"spi 100 key hex {DIGITS} replay timestamps within 255", plain(0x100, replay_tolerance_s=255.0)),
        (f"spi 100 key hex {DIGITS} replay nonce", plain(0x100, replay=ReplayMethod.NONCES)),
        (f"spi 100 key hex {DIGITS} replay none", plain(0x100, replay=ReplayMethod.NONE)),
        (f"spi 100 key hex {DIGITS} algorithm md5", plain(0x100, algorithm=Algorithm.KEYED_MD5)),
        (
            f"spi 100 key hex {DIGITS} replay timestamp 7 algorithm md5 mode prefix-suffix",
            plain(0x100, algorithm=Algorithm.KEYED_MD5),
        ),
        (f"spi 100 key hex {DIGITS} algorithm hmac-md5 replay timestamp", plain(0x100)),
        (f"inbound-spi 100 outbound-spi 101 key hex {DIGITS}", plain(0x100, spi_out=Spi(0x101))),
        (f"inbound-spi 100 outbound-spi 100 key hex {DIGITS}", plain(0x100)),
        (
            "spi 100 key ascii correct-Horse",
            MobilitySecurityAssociation(Spi(0x100), Secret(b"correct-Horse")),
        ),
    ],
)
def test_every_form(text: str, expected: MobilitySecurityAssociation) -> None:
    assert association(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the SPI is missing"),
        ("spi 100", "the key is missing"),
        (f"key hex {DIGITS}", "the SPI is missing"),
        ("spi 100 key", "the kind of key is missing at the end"),
        ("spi 100 key hex", "the key is missing at the end"),
        (f"spi 100 key {DIGITS}", "the kind of key is neither hex nor ascii"),
        ("spi 100 key hex 0011223", "the key is not pairs of hexadecimal digits"),
        ("spi 100 key hex 0011", "the key has 2 bytes, not 8 to 64"),
        (f"spi 100 key hex {DIGITS * 5}", "the key has 80 bytes, not 8 to 64"),
        ("spi 100 key ascii s\u00e9same-ouvre-toi", "the key is not ASCII"),
        (f"spi ff key hex {DIGITS}", "SPI 255 is not between 256 and 4294967295"),
        (f"spi decimal 255 key hex {DIGITS}", "SPI 255 is not between 256 and 4294967295"),
        (f"spi decimal 4294967296 key hex {DIGITS}", "SPI 4294967296 is not between 256 and 4294967295"),
        (f"spi 123456789 key hex {DIGITS}", "word 2 is no SPI in hexadecimal digits"),
        (f"spi decimal 0x100 key hex {DIGITS}", "word 3 is no SPI in decimal digits"),
        (f"spi key hex {DIGITS}", "word 2 is no SPI in hexadecimal digits"),
        (f"spi 100 key hex {DIGITS} replay sometimes", "word 7 is no kind of replay protection"),
        (f"spi 100 key hex {DIGITS} replay timestamp within", "the tolerance is missing at the end"),
        (f"spi 100 key hex {DIGITS} replay timestamp 0", "the tolerance is no number from 1 to 3600 s"),
        (f"spi 100 key hex {DIGITS} replay timestamp 3601", "the tolerance is no number from 1 to 3600 s"),
        (f"spi 100 key hex {DIGITS} algorithm rot13", "word 7 is no algorithm that we know"),
        (f"spi 100 key hex {DIGITS} algorithm md5 mode suffix", "the mode of md5 is not prefix-suffix"),
        (f"spi 100 key hex {DIGITS} algorithm", "the algorithm is missing at the end"),
        (f"spi 100 key hex 7 {DIGITS}", "the key is not pairs of hexadecimal digits"),
    ],
)
def test_what_cannot_be_used_is_refused_without_repeating_the_key(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        association(text)
    assert str(refused.value) == sentence
    assert DIGITS not in sentence


def test_the_numbers_give_the_order_and_other_pairs_are_passed_over() -> None:
    found = read(
        [
            f"spi#10=spi 103 key hex {DIGITS}",
            "static-ip-addresses=10.1.0.5",
            f"spi#2 = spi 102 key hex {DIGITS}",
            f"spi#0*spi 101 key hex {DIGITS}",
            "spi#x=spi 104 key hex",
        ]
    )
    assert [one.spi for one in found.associations] == [0x101, 0x102, 0x103]
    assert found.refused == ()


def test_one_that_is_wrong_takes_no_other_with_it() -> None:
    found = read(
        [
            f"spi#0=spi 100 key hex {DIGITS}x",
            f"spi#1=spi 101 key hex {DIGITS}",
            f"spi#2=spi 101 key hex {DIGITS}",
            "spi#3=",
        ]
    )
    assert [one.spi for one in found.associations] == [0x101]
    assert found.refused == (
        "spi#0: the key is not pairs of hexadecimal digits",
        "spi#2: SPI 257 is there already",
        "spi#3: the SPI is missing",
    )


def test_what_the_server_does_not_say() -> None:
    unsaid = Unsaid(Algorithm.KEYED_MD5, ReplayMethod.NONCES, 30.0)
    (one,) = read([f"spi#0=spi 100 key hex {DIGITS}"], unsaid).associations
    assert (one.algorithm, one.replay, one.replay_tolerance_s) == (
        Algorithm.KEYED_MD5,
        ReplayMethod.NONCES,
        30.0,
    )
    (said,) = read(
        [f"spi#0=spi 100 key hex {DIGITS} replay timestamp algorithm hmac-md5"], unsaid
    ).associations
    assert (said.algorithm, said.replay) == (Algorithm.HMAC_MD5, ReplayMethod.TIMESTAMPS)
