"""Mobile-AAA authentications, which AAA servers verify and we do not (RFC 4721 s6, s8).

What a node proves is proven for one request: the authenticator covers all that stands before it. So each request is
asked about, once: a copy of it finds the verdict on the first, and waits with that while there is none. Questions are
bounded as those for keys are, and a node whom we know otherwise has a few of its own.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Final, Generic, TypeVar

from mobileip.control.core.actions import Action, Asker, Noted, VerifyProof
from mobileip.control.core.denials import Buckets
from mobileip.control.core.events import DatagramReceived, ProofAccepted, ProofRejected, ProofUnverified
from mobileip.control.core.questions import LONGEST_WAITING, Questions, Waiting
from mobileip.control.reasons import Reason
from mobileip.control.security import Chap, as_chap
from mobileip.control.security.peers import normalised
from mobileip.control.types import ZERO_ADDRESS, Instant, Spi, seconds
from mobileip.control.wire import (
    MobileAaaAuthentication,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationRequest,
)

_KEPT: Final = seconds(30)  # a verdict; longer than copies of a request are on their way
_REMEMBERED: Final = 4096  # verdicts
_MOST_OF_ONE: Final = 4  # questions about a node that we know; it repeats a request after a second or later
_RATE, _BURST = 2, 8  # questions a second about such a node

S = TypeVar("S", bound=Hashable)
User = IPv4Address | str
ProofEvent = ProofAccepted | ProofRejected | ProofUnverified


class Verdict(Enum):
    """What the servers say of a proof."""

    ACCEPTED = True
    REJECTED = False


@dataclass(frozen=True, slots=True)
class ProofSettings:
    """How proofs are asked about. ``required``: whether a request without one is denied.

    ``max_questions`` are under way at a time, ``rate`` new ones begin in a second. ``brings_keys``: the servers are
    those that are asked first for the keys of nodes, and tell them with their verdict.
    """

    required: bool = False
    max_questions: int = 256
    rate: int = 1000
    brings_keys: bool = False


class Proofs(Generic[S]):
    """Of requests that senders, told apart by ``S``, send to the agent ``asker``: ``most`` questions at a time, of
    which ``rate`` begin in a second."""

    def __init__(self, asker: Asker, most: int, rate: int) -> None:
        self._asker: Final = asker
        self._questions: Questions[tuple[User, Chap], S] = Questions(most, rate)
        self._known: Buckets[S] = Buckets(_RATE, _BURST)
        self._verdicts: dict[
            tuple[User, Chap], tuple[Verdict, int]
        ] = {}  # until when (mono); the oldest first

    def limit(self, most: int, rate: int) -> None:
        """Other bounds from now on; what is under way stays."""
        self._questions.limit(most, rate)

    def verdict(
        self,
        request: RegistrationRequest,
        extension: MobileAaaAuthentication,
        datagram: DatagramReceived,
        now: Instant,
        *,
        sender: S,
        known: bool,
    ) -> Verdict | list[Action]:
        """What is known of ``extension`` of ``request``; or it is asked, and the request waits.

        ``known``: the request is authenticated otherwise, or its sender has been before. What no server could verify
        is rejected: an SPI that is not CHAP's (s8), or nobody's proof.
        """
        user, chap = user_of(request, extension), as_chap(request, extension)
        if user is None or chap is None:
            return Verdict.REJECTED
        key = (user, chap)
        kept = self._verdicts.get(key)
        if kept is not None and kept[1] > now.mono:
            return kept[0]
        if key in self._questions:
            return []  # a copy
        if len(request.raw) > LONGEST_WAITING or not self._may_ask(sender, known, now.mono):
            return [Noted(Reason.AAA_QUESTIONS_LIMITED, {"user": user, "sender": datagram.source})]
        self._questions.begin(key, sender, Waiting(request, datagram, now))
        address, signed = request.home_address, request.first(MobileHomeAuthentication)
        spi = Spi(0) if signed is None else signed.spi
        return [VerifyProof(self._asker, user, chap, spi, None if address == ZERO_ADDRESS else address)]

    def _may_ask(self, sender: S, known: bool, mono: int) -> bool:
        questions = self._questions
        if not questions.has_place(sender, known=known):
            return False
        if known:
            return questions.of(sender) < _MOST_OF_ONE and self._known.take(sender, mono)
        return questions.in_time(sender, mono)

    def answer(self, event: ProofEvent, now: Instant) -> Waiting | None:
        """Take in what the servers say; the request that waited for it, to be checked from the beginning, unless they
        said nothing."""
        key = (event.question.user, event.question.chap)
        waiting = self._questions.end(key)
        if waiting is not None and not isinstance(event, ProofUnverified):
            verdict = Verdict.ACCEPTED if isinstance(event, ProofAccepted) else Verdict.REJECTED
            self._verdicts.pop(key, None)
            self._verdicts[key] = verdict, now.mono + _KEPT
            if len(self._verdicts) > _REMEMBERED:
                del self._verdicts[next(iter(self._verdicts))]
        return waiting


def user_of(request: RegistrationRequest, extension: MobileAaaAuthentication) -> User | None:
    """Whom AAA servers know the sender by: its NAI, which a node tells for that (s3.1), or its home address.

    Only a NAI that ``extension`` covers counts.
    """
    nai = request.first(NetworkAccessIdentifier)
    if nai is not None and nai.offset < extension.offset:
        return normalised(nai.nai)
    return None if request.home_address == ZERO_ADDRESS else request.home_address


def said(event: ProofEvent) -> tuple[Reason, dict[str, object]]:
    """An answer, for the log."""
    fields: dict[str, object] = {"user": event.question.user}
    match event:
        case ProofAccepted():
            return Reason.AAA_PROOF_ACCEPTED, fields
        case ProofRejected():
            return Reason.AAA_PROOF_REJECTED, fields
        case ProofUnverified():
            return Reason.AAA_PROOF_UNVERIFIED, {**fields, "error": event.why}
