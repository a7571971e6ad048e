"""What a home agent makes of Mobile-AAA authentications (RFC 4721 s3.4, s6)."""

from __future__ import annotations

from ipaddress import IPv4Address

from mobileip.control.core.actions import Action, Asker, Noted
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.home_replies import Asked, seen
from mobileip.control.core.nodes import HomeAgentSettings, Marks
from mobileip.control.core.proofs import ProofEvent, Proofs, Verdict, user_of
from mobileip.control.core.questions import Waiting
from mobileip.control.reasons import Reason
from mobileip.control.types import Instant
from mobileip.control.wire import RegistrationRequest


class HomeProofs:
    """Without ``proofs`` in its settings a home agent pays no attention to them: the authentication between it and the
    node is enough (RFC 5944 s3.8.2.1 a). With them both are needed.
    """

    def __init__(self, settings: HomeAgentSettings) -> None:
        self._settings = settings.proofs
        proofs = settings.proofs
        self._proofs: Proofs[int] | None = None
        if proofs is not None:
            self._proofs = Proofs(Asker.HOME_AGENT, proofs.max_questions, proofs.rate)

    def reconfigure(self, settings: HomeAgentSettings) -> None:
        self._settings = settings.proofs

    def refusal(self, asked: Asked, now: Instant) -> Reason | list[Action] | None:
        """The reason to deny a request that is authentic and fresh, what has to be asked before that is known, or
        ``None``: it is not denied for this.

        A node that gives up its binding does not have to prove that it may have one.
        """
        proofs, settings, extension = self._proofs, self._settings, asked.marks.mobile_aaa
        if proofs is None or settings is None or asked.request.lifetime == 0:
            return None
        if extension is None:
            return Reason.HA_MISSING_AAA_AUTH if settings.required else None
        sender = int(asked.home_address)
        verdict = proofs.verdict(asked.request, extension, asked.datagram, now, sender=sender, known=True)
        if isinstance(verdict, list):
            return verdict
        return None if verdict is Verdict.ACCEPTED else Reason.HA_BAD_AAA_AUTH

    def introduce(
        self,
        peer: IPv4Address | str,
        request: RegistrationRequest,
        datagram: DatagramReceived,
        marks: Marks,
        now: Instant,
    ) -> list[Action] | None:
        """What to do first of all about a request of ``peer``, whose key we have to ask for: its proof may bring that
        along. ``None``: ask for it.

        Only if AAA servers know it by the same name: what they tell with the proof of one is not the key of another.
        """
        proofs, settings, extension = self._proofs, self._settings, marks.mobile_aaa
        if proofs is None or settings is None or not settings.brings_keys or extension is None:
            return None
        if user_of(request, extension) != peer:
            return None
        sender = int(datagram.source.address)
        verdict = proofs.verdict(request, extension, datagram, now, sender=sender, known=False)
        if isinstance(verdict, list):
            return verdict
        if verdict is Verdict.ACCEPTED:
            return None  # the servers know it, and told no key
        # There is nothing that a reply could be signed with.
        return [Noted(Reason.HA_BAD_AAA_AUTH, {**seen(request, datagram, marks), "answered": False})]

    def answer(self, event: ProofEvent, now: Instant) -> Waiting | None:
        """The request that waited for ``event``, if there is anything new to check it with."""
        return None if self._proofs is None else self._proofs.answer(event, now)
