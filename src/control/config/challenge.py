"""Challenges that foreign agents set (RFC 4721)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from mobileip.control.config.problem import Problem, Severity
from mobileip.control.config.table import Table
from mobileip.control.config.values import Boolean, integer, number

_LEAST_GOOD_WINDOW: Final = 2  # RFC 4721 s9


class ChallengeConfig(Table):
    """What a foreign agent asks of nodes so that no recorded request passes it."""

    window: Annotated[int, integer(1, 10, "challenges", "RFC 4721 s9 has 2")] = 2
    """CHALLENGE_WINDOW: of the challenges in advertisements, how many of the last a node may answer, each once."""
    interval: Annotated[float, number(0.1, 3600, "s")] = 5.0
    """How long one challenge is advertised before the next takes its place."""
    required: Boolean = True
    """Whether requests without a challenge are denied (code 105). If not, challenges are only offered, and what is
    answered is checked: for the time until every node has been given a key for it."""


def check_challenge(where: str, challenge: ChallengeConfig) -> Iterator[Problem]:
    if challenge.window < _LEAST_GOOD_WINDOW:
        yield Problem(
            f"{where}.window",
            f"{challenge.window} is short: a node that answers while the next is being advertised is denied;"
            f" RFC 4721 s9 wants {_LEAST_GOOD_WINDOW} or more",
            Severity.WARNING,
        )
