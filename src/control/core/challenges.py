"""The challenges of a foreign agent: what it tells, what it takes, and each once (RFC 4721 s2.1, s3.2, s3.3, s12).

Two kinds are told. The link's challenges go to everybody in advertisements; the last few of them, the *window*, are
good for each node once. A node that has used one has another from then on, for itself alone, told in each reply. What
strangers send neither moves the window nor takes room here (s12): the window goes by the clock, and what is remembered
of a node is what an authenticated request has used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.reasons import Reason
from mobileip.control.types import seconds
from mobileip.control.wire import (
    MobileAaaAuthentication,
    MobileForeignAuthentication,
    MobileForeignChallenge,
    RegistrationRequest,
)

Entropy = Callable[[int], bytes]
Node = tuple[IPv4Address | str, IPv4Address]
"""Its home address, or its NAI if it tells one, and its home agent: what its requests have in common, signed."""

_LENGTH: Final = 16  # bytes of a challenge; s2 wants 4 or more


@dataclass(frozen=True, slots=True)
class ChallengeSettings:
    """``window``: CHALLENGE_WINDOW (s9). ``interval``: seconds after which the link is told another challenge.

    ``required``: whether requests without one are denied (code 105).
    """

    window: int = 2
    interval: float = 5.0
    required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """The challenge that a request answers, and what authenticates it: extensions that stand behind it (s3.2)."""

    challenge: bytes
    offset: int  # of the challenge's extension
    mobile_aaa: MobileAaaAuthentication | None = None
    mobile_foreign: MobileForeignAuthentication | None = None


def answer_of(request: RegistrationRequest) -> Answer | None:
    """By the last challenge in ``request``, so that nothing authenticates another one; ``None``: it has none."""
    challenge: MobileForeignChallenge | None = None
    mobile_aaa: MobileAaaAuthentication | None = None
    mobile_foreign: MobileForeignAuthentication | None = None
    for extension in request.extensions:
        match extension:
            case MobileForeignChallenge():
                challenge, mobile_aaa, mobile_foreign = extension, None, None
            case MobileAaaAuthentication():
                mobile_aaa = extension
            case MobileForeignAuthentication():
                mobile_foreign = extension
    if challenge is None:
        return None
    return Answer(challenge.challenge, challenge.offset, mobile_aaa, mobile_foreign)


@dataclass(frozen=True, slots=True)
class _Used:
    """What a node has used up: of the link's challenges the one numbered ``number`` and all before it, and ``last``.

    ``when`` is the number of the link's latest challenge at that time.
    """

    number: int
    last: bytes
    when: int


class Challenges:
    """``limit`` bounds what is remembered of nodes; who was heard longest ago is forgotten first."""

    def __init__(self, settings: ChallengeSettings, limit: int, entropy: Entropy) -> None:
        self._settings = settings
        self._limit = limit
        self._entropy = entropy
        self._window: deque[bytes] = deque((entropy(_LENGTH),))
        self._latest = 1  # the number of the window's last; they count up from 1
        self._told: int | None = None  # when (mono) the latest was told first
        self._used: dict[Node, _Used] = {}  # in the order of use
        self._own: dict[bytes, bytes] = {}  # of link-layer addresses: what each has not used yet; likewise

    @property
    def settings(self) -> ChallengeSettings:
        return self._settings

    def reconfigure(self, settings: ChallengeSettings, limit: int) -> None:
        """Go on with another window; what was told stays good as far as that reaches."""
        self._settings = settings
        self._limit = limit
        self._trim()

    # ---- time

    def next_deadline(self) -> int | None:
        return None if self._told is None else self._told + seconds(self._settings.interval)

    def on_tick(self, mono: int) -> None:
        """Another challenge for the link, once the latest was told for long enough: one that was told to nobody shall
        not take the place of one that was."""
        due = self.next_deadline()
        if due is None or mono < due:
            return
        self._window.append(self._entropy(_LENGTH))
        self._latest += 1
        self._told = None
        self._trim()

    def _trim(self) -> None:
        while len(self._window) > self._settings.window:
            self._window.popleft()
        oldest = self._latest - len(self._window) + 1
        while self._used:
            node, used = next(iter(self._used.items()))
            if used.when >= oldest and len(self._used) <= self._limit:
                break
            del self._used[node]  # s3.2.1: what the window does not hold cannot be used again anyway
        while len(self._own) > self._limit:
            del self._own[next(iter(self._own))]

    # ---- to nodes

    def for_link(self, mono: int) -> bytes:
        """For an advertisement to the whole link."""
        if self._told is None:
            self._told = mono
        return self._window[-1]

    def for_station(self, link_address: bytes | None, mono: int) -> bytes:
        """For who solicits, who is denied and who is answered: his own, the same until it is used (s2.1).

        Who has not used any yet gets the link's; nothing is remembered of him (s12).
        """
        own = None if link_address is None else self._own.get(link_address)
        return self.for_link(mono) if own is None else own

    # ---- from nodes

    def refusal(self, node: Node, link_address: bytes, challenge: bytes) -> Reason | None:
        """Why ``challenge`` is not taken from ``node``, or ``None``.

        Of the link's challenges none is taken that was told before the last one it used (s3.2.1).
        """
        if self._own.get(link_address) == challenge:
            return None
        used = self._used.get(node)
        number = self._number(challenge)
        if used is not None and (challenge == used.last or (number is not None and number <= used.number)):
            return Reason.FA_STALE_CHALLENGE
        return Reason.FA_UNKNOWN_CHALLENGE if number is None else None

    def use(self, node: Node, link_address: bytes, challenge: bytes) -> None:
        """An authenticated request of ``node`` has had ``challenge``: none will again. The next one is made."""
        before = self._used.pop(node, None)
        own = self._own.pop(link_address, challenge)
        self._own[link_address] = self._entropy(_LENGTH) if own == challenge else own
        number = max(self._number(challenge) or 0, 0 if before is None else before.number)
        self._used[node] = _Used(number, challenge, self._latest)
        self._trim()

    def _number(self, challenge: bytes) -> int | None:
        """Of a challenge in the window."""
        for age, told in enumerate(reversed(self._window)):
            if told == challenge:
                return self._latest - age
        return None

    def remembered(self) -> tuple[int, int]:
        """Of how many nodes it is kept what they used, and what they are to use."""
        return len(self._used), len(self._own)
