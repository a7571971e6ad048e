"""Challenges in the work of a foreign agent: which requests pass, what replies tell (RFC 4721 s3.2, s3.3)."""

from __future__ import annotations

from typing import Final

from mobileip.control.core.admission import ForeignAgentSettings
from mobileip.control.core.challenges import Answer, Challenges, Entropy, Node
from mobileip.control.core.visitors import PendingRegistration, VisitorList
from mobileip.control.reasons import Reason, ReplyCode
from mobileip.control.wire import MobileForeignChallenge, RegistrationReply

_FORGED: Final = frozenset({ReplyCode.HA_MN_FAILED_AUTHENTICATION, ReplyCode.HA_BAD_AAA_AUTH})


class Challenging:
    """Without ``challenge`` in the settings nothing is told, and everything passes."""

    def __init__(self, settings: ForeignAgentSettings, visitors: VisitorList, entropy: Entropy) -> None:
        self._visitors = visitors
        self._entropy = entropy
        self._challenges: Challenges | None = None
        self.reconfigure(settings)

    def reconfigure(self, settings: ForeignAgentSettings) -> None:
        """What was told stays good, unless challenges are given up."""
        limit = settings.max_visitors + settings.max_pending
        if settings.challenge is None:
            self._challenges = None
        elif self._challenges is None:
            self._challenges = Challenges(settings.challenge, limit, self._entropy)
        else:
            self._challenges.reconfigure(settings.challenge, limit)

    @property
    def challenges(self) -> Challenges | None:
        return self._challenges

    def next_deadline(self) -> int | None:
        return None if self._challenges is None else self._challenges.next_deadline()

    def on_tick(self, mono: int) -> None:
        if self._challenges is not None:
            self._challenges.on_tick(mono)

    # ---- what is told

    def for_link(self, mono: int) -> bytes | None:
        """For an advertisement to a whole link."""
        return None if self._challenges is None else self._challenges.for_link(mono)

    def for_station(self, link_address: bytes | None, mono: int) -> bytes | None:
        """For an advertisement or a reply to one link-layer address."""
        return None if self._challenges is None else self._challenges.for_station(link_address, mono)

    # ---- what is asked

    def is_discarded(self, answer: Answer | None) -> bool:
        """Whether nothing authenticates the challenge that is answered: no reply to that (s3.2)."""
        unproven = answer is not None and answer.mobile_aaa is None and answer.mobile_foreign is None
        return unproven and self._challenges is not None

    def refusal(self, pending: PendingRegistration) -> Reason | None:
        """Why a request is denied, whose Mobile-Foreign authentication is right if we share a key with the node."""
        challenges, answer = self._challenges, pending.answer
        if challenges is None:
            return None
        if answer is None:
            return Reason.FA_MISSING_CHALLENGE if challenges.settings.required else None
        if not pending.proven and answer.mobile_aaa is None:
            # Whoever answers with old authentications of others would get as far: nobody verifies the answer.
            return Reason.FA_MN_FAILED_AUTHENTICATION
        refusal = challenges.refusal(_node(pending), pending.link_address, answer.challenge)
        if refusal is Reason.FA_STALE_CHALLENGE and self._visitors.is_repeated(pending):
            return None  # sent again while the first waits: so is this (s3.2)
        return refusal

    def relayed(self, pending: PendingRegistration) -> None:
        """A request goes to the home agent. If we know who sent it, its challenge is used up."""
        if pending.proven:
            self._use(pending)

    def answered(self, pending: PendingRegistration, reply: RegistrationReply) -> None:
        """What we could not verify ourselves the home agent has, unless it says that it is wrong.

        So nobody can use up another node's challenge by a request of his own making (s12).
        """
        if not pending.proven and reply.reply_code not in _FORGED:
            self._use(pending)

    def _use(self, pending: PendingRegistration) -> None:
        if self._challenges is not None and pending.answer is not None:
            self._challenges.use(_node(pending), pending.link_address, pending.answer.challenge)

    def is_wrong(self, pending: PendingRegistration, reply: RegistrationReply) -> bool:
        """Whether the home agent returns another challenge than it was sent; none is in order (s3.3)."""
        returned = reply.first(MobileForeignChallenge)
        return (
            self._challenges is not None
            and returned is not None
            and returned.challenge != pending.relayed_challenge
        )


def _node(pending: PendingRegistration) -> Node:
    return (pending.home_address if pending.nai is None else pending.nai), pending.home_agent
