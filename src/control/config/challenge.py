"""Challenges that foreign agents set and mobile nodes answer (RFC 4721)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field, PlainValidator

from mobileip.control.config.problem import Problem, Severity
from mobileip.control.config.table import Table
from mobileip.control.config.values import FIRST_SPI, Boolean, SharedSecret, integer, number
from mobileip.control.security.chap import CHAP_SPI
from mobileip.control.types import Spi

_LEAST_GOOD_WINDOW: Final = 2  # RFC 4721 s9
_STRONG_SECRET: Final = 16  # characters; whoever hears an answer can try passwords at home


def _spi(value: object) -> Spi:
    if type(value) is not int or (value != CHAP_SPI and not FIRST_SPI <= value <= 0xFFFF_FFFF):
        raise ValueError(
            f"must be {CHAP_SPI} (as CHAP has it) or a whole number from {FIRST_SPI} to {0xFFFF_FFFF}"
        )
    return Spi(value)


AaaSpi = Annotated[Spi, PlainValidator(_spi)]


class ChallengeConfig(Table):
    """What a foreign agent asks of nodes so that no recorded request passes it."""

    window: Annotated[int, integer(1, 10, "challenges", "RFC 4721 s9 has 2")] = 2
    """CHALLENGE_WINDOW: of the challenges in advertisements, how many of the last a node may answer, each once."""
    interval: Annotated[float, number(0.1, 3600, "s")] = 5.0
    """How long one challenge is advertised before the next takes its place."""
    required: Boolean = True
    """Whether requests without a challenge are denied (code 105). If not, challenges are only offered, and what is
    answered is checked: for the time until every node has been given a key for it."""


class NodeAaaConfig(Table):
    """What a mobile node shares with an AAA server, its own or the visited network's (RFC 4721 s6)."""

    spi: AaaSpi = CHAP_SPI
    """2: made so that RADIUS servers can verify it (CHAP_SPI, RFC 4721 s8), also where no foreign agent is. 256 or
    more: HMAC-MD5, for an AAA server that knows this number."""
    secret: SharedSecret = Field(
        description="secret (a text) or secret_file, the node's password at the AAA server"
    )


def check_challenge(where: str, challenge: ChallengeConfig) -> Iterator[Problem]:
    if challenge.window < _LEAST_GOOD_WINDOW:
        yield Problem(
            f"{where}.window",
            f"{challenge.window} is short: a node that answers while the next is being advertised is denied;"
            f" RFC 4721 s9 wants {_LEAST_GOOD_WINDOW} or more",
            Severity.WARNING,
        )


def check_node_aaa(where: str, aaa: NodeAaaConfig) -> Iterator[Problem]:
    if len(aaa.secret.reveal()) < _STRONG_SECRET:
        yield Problem(
            f"{where}.secret",
            f"is short: whoever hears an answer to a challenge can find it by trying; {_STRONG_SECRET} characters at"
            " least (openssl rand -base64 24)",
            Severity.WARNING,
        )
