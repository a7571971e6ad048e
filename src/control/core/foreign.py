"""The foreign agent (RFC 5944 s3.7, s4.2.2; RFC 3024 s4.2; RFC 4636).

It relays. A visitor's entry is made, changed or deleted only by a reply that the home agent sent to a request still
pending here. What the home agent signed is never rewritten: if we cannot honour its acceptance, the reply is relayed
all the same and the FA Error Extension behind it says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from mobileip.control.core.actions import (
    Action,
    Asker,
    InstallTunnel,
    InstallVisitorRoute,
    Noted,
    SendDatagram,
    ShareVisitorAddress,
    TunnelSide,
)
from mobileip.control.core.admission import (
    ForeignAgentSettings,
    VisitedLink,
    applicant,
    claimed,
    reply_refusal,
    request_refusal,
)
from mobileip.control.core.challenges import Entropy
from mobileip.control.core.challenging import Challenging
from mobileip.control.core.entries import pending_entry, visitor_entry
from mobileip.control.core.events import (
    ActionFailed,
    ClearVisitor,
    DatagramReceived,
    ProofUnverified,
    UnreachableReceived,
)
from mobileip.control.core.filters import Filters
from mobileip.control.core.foreign_replies import ForeignReplies, relayed
from mobileip.control.core.proofs import ProofEvent, Proofs, Verdict, said
from mobileip.control.core.relay import UNREACHABLE, authorized_length, is_authentic, to_home_agent
from mobileip.control.core.sharing import arrange
from mobileip.control.core.visitor_room import VisitorRoom
from mobileip.control.core.visitors import PendingRegistration, Visitor, VisitorKey, VisitorList
from mobileip.control.reasons import Reason, ReplyCode
from mobileip.control.types import REGISTRATION_PORT, Endpoint, Instant
from mobileip.control.wire import (
    ForeignHomeAuthentication,
    MobileAaaAuthentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
)

__all__ = ["ForeignAgent", "ForeignAgentSettings", "VisitedLink"]


@dataclass(frozen=True, slots=True)
class _Admission:
    """A visitor being installed, and the reply that the node hears of it."""

    pending: PendingRegistration
    reply: RegistrationReply
    authorized: bytes
    visitor: Visitor


def _no_chance(_: int) -> bytes:
    raise ValueError("challenges need randomness")


class ForeignAgent:
    """Machine: requests from visited links, replies from home agents, time in; actions out.

    ``entropy`` is what challenges are made of.
    """

    def __init__(self, settings: ForeignAgentSettings, entropy: Entropy = _no_chance) -> None:
        self._settings = settings
        self._links: Mapping[str, VisitedLink] = {link.interface: link for link in settings.links}
        self._visitors = VisitorList()
        self.filters = Filters(settings.filters)
        self._room = VisitorRoom(settings, self._visitors)
        self.challenging = Challenging(settings, self._visitors, entropy)
        self._replies = ForeignReplies(settings, self.filters, self.challenging)
        self._proofs: Proofs[bytes] | None = None
        if settings.proof_rate is not None:
            self._proofs = Proofs(Asker.FOREIGN_AGENT, settings.max_pending, settings.proof_rate)
        # Failures of an action come back before any other event, so the last admission is the one that failed.
        self._admission: _Admission | None = None

    def reconfigure(self, settings: ForeignAgentSettings) -> None:
        """Go on with other settings; visitors and pending registrations stay as they are. The links are the same."""
        self._settings = settings
        self._links = {link.interface: link for link in settings.links}
        self.filters.reconfigure(settings.filters)
        self._room.reconfigure(settings)
        self.challenging.reconfigure(settings)
        self._replies.reconfigure(settings)
        if self._proofs is not None and settings.proof_rate is not None:
            self._proofs.limit(settings.max_pending, settings.proof_rate)

    @property
    def visitors(self) -> VisitorList:
        return self._visitors

    @property
    def busy(self) -> bool:
        """B bit: no room for another visitor (s2.1.1)."""
        return self._room.is_full

    def serves_link(self, interface: str) -> bool:
        return interface in self._links

    # ---- requests

    def on_request(
        self, request: RegistrationRequest, datagram: DatagramReceived, now: Instant
    ) -> list[Action]:
        """Check and relay, or deny (s3.7.2)."""
        link = self._links.get(datagram.interface)
        if datagram.link_source is None or link is None:
            return [
                Noted(Reason.BAD_DESTINATION, {"source": datagram.source, "interface": datagram.interface})
            ]
        covered = authorized_length(request)
        if covered is None:
            # The home agent would have to discard it (s3.8.2.1 a); relaying would only cost a pending entry.
            return [Noted(Reason.NO_AUTHORIZATION_EXTENSION, claimed(request, datagram))]
        pending = pending_entry(self._settings, request, datagram, datagram.link_source, link, covered, now)
        if self.challenging.is_discarded(pending.answer):
            return [Noted(Reason.CHALLENGE_UNAUTHENTICATED, claimed(request, datagram))]
        refusal = request_refusal(self._settings, request, datagram)
        if refusal is None:
            known = self._visitors.get_pending(pending.key)
            if known is not None and known.link_address != pending.link_address:
                # Whoever heard the request can repeat it; the answer is for who asked first.
                return [Noted(Reason.PENDING_COPIED, claimed(request, datagram))]
            refusal = self.challenging.refusal(pending)
            if refusal is None:
                unproven = self._unproven(pending, request, datagram, now)
                if isinstance(unproven, list):
                    return unproven  # it waits for the AAA servers
                refusal = (
                    unproven or self._filtered(pending, request.home_address) or self._room.refusal(pending)
                )
        if refusal is not None:
            return self._replies.deny(pending, refusal, now)
        return self._forward(pending, request, covered, datagram, now)

    def _unproven(
        self,
        pending: PendingRegistration,
        request: RegistrationRequest,
        datagram: DatagramReceived,
        now: Instant,
    ) -> Reason | list[Action] | None:
        """The reason to deny a request for its Mobile-AAA authentication, what has to be asked before that is known, or
        ``None`` (RFC 4721 s3.2). Who has none is not asked for one: that is the challenge's to demand.
        """
        answer = pending.answer
        extension = request.first(MobileAaaAuthentication) if answer is None else answer.mobile_aaa
        if self._proofs is None or extension is None:
            return None
        sender = pending.link_address
        known = self._visitors.visitors_of(sender) > 0
        verdict = self._proofs.verdict(request, extension, datagram, now, sender=sender, known=known)
        if isinstance(verdict, list):
            return verdict
        return None if verdict is Verdict.ACCEPTED else Reason.FA_BAD_AAA_AUTH

    def on_proof(self, event: ProofEvent, now: Instant) -> list[Action]:
        """What AAA servers say of a visitor's proof: its request is checked from the beginning, or denied."""
        waiting = None if self._proofs is None else self._proofs.answer(event, now)
        actions: list[Action] = [Noted(*said(event))]
        if waiting is None:
            return actions
        request, datagram = waiting.request, waiting.datagram
        if not isinstance(event, ProofUnverified):
            return actions + self.on_request(request, datagram, now)
        link, covered = self._links.get(datagram.interface), authorized_length(request)
        if link is None or covered is None or datagram.link_source is None:
            return actions
        pending = pending_entry(self._settings, request, datagram, datagram.link_source, link, covered, now)
        return actions + self._replies.deny(pending, Reason.FA_AAA_UNAVAILABLE, now)

    def _forward(
        self,
        pending: PendingRegistration,
        request: RegistrationRequest,
        covered: int,
        datagram: DatagramReceived,
        now: Instant,
    ) -> list[Action]:
        """Everything is in order: the first ``covered`` bytes go to the home agent."""
        crowded_out = self._room.make(pending)
        self._visitors.add_pending(pending)
        self.challenging.relayed(pending)
        association = None
        if pending.authenticated_to_home:
            association = self._settings.home_agents.preferred(request.home_agent)
        ours = self._settings.offers(request.care_of_address)
        return [
            SendDatagram(
                to_home_agent(request.raw[:covered], association, pending.gre_key),
                source=Endpoint(
                    request.care_of_address if ours else self._settings.care_of_address, REGISTRATION_PORT
                ),
                destination=Endpoint(request.home_agent, REGISTRATION_PORT),
            ),
            Noted(Reason.REQUEST_RELAYED, claimed(request, datagram)),
            *([] if crowded_out is None else self._replies.deny(crowded_out, Reason.FA_CROWDED_OUT, now)),
        ]

    def _filtered(self, pending: PendingRegistration, home_address: IPv4Address) -> Reason | None:
        """What a visitor gives up is not refused; of others a deregistration too would be sent to whom they like."""
        if not self.filters.active or (pending.lifetime == 0 and self._visitors.of(home_address)):
            return None
        return Reason.FA_FILTERED if self.filters.denies(applicant(pending, home_address)) else None

    # ---- replies

    def on_reply(self, reply: RegistrationReply, datagram: DatagramReceived, now: Instant) -> list[Action]:
        """Match, act on an acceptance, relay (s3.7.3)."""
        nai = reply.first(NetworkAccessIdentifier)
        pending = self._visitors.match(
            datagram.source.address,
            reply.identification.low,
            reply.home_address,
            None if nai is None else nai.nai,
            denied=reply.code >= ReplyCode.HA_UNSPECIFIED,
        )
        if pending is None:
            fields = {"home_address": reply.home_address, "source": datagram.source}
            return [Noted(Reason.UNMATCHED_REPLY, fields)]
        self._visitors.remove_pending(pending)
        self._admission = None
        covered = authorized_length(reply)
        if covered is None:
            return self._replies.deny(pending, Reason.FA_POORLY_FORMED_REPLY, now)
        authorized = reply.raw[:covered]
        error = self._doubted(pending, reply)
        if error is None:
            self.challenging.answered(pending, reply)
            error = self._dishonoured(pending, reply)
        if error is not None:
            return self._replies.relay_error(pending, reply, authorized, now, error)
        actions: list[Action] = []
        if _accepted(reply):
            if _ends(pending, reply):
                actions += self._deregistered(pending, reply.home_address)
            else:
                actions += self._admit(
                    _Admission(pending, reply, authorized, visitor_entry(self._settings, pending, reply, now))
                )
        # A denial leaves an existing visitor entry as it is (s3.7.2).
        actions.append(self._replies.relay(pending, reply, authorized, now))
        actions.append(relayed(pending, reply))
        return actions

    def _doubted(self, pending: PendingRegistration, reply: RegistrationReply) -> Reason | None:
        """Why this reply cannot be relayed as it is: not the home agent's."""
        associations = self._settings.home_agents
        if pending.authenticated_to_home:
            named = associations.preferred(reply.home_agent) is not None
            peer = reply.home_agent if named else pending.home_agent
            if not is_authentic(reply, ForeignHomeAuthentication, associations, peer):
                return Reason.FA_HA_FAILED_AUTHENTICATION
        return Reason.FA_WRONG_CHALLENGE if self.challenging.is_wrong(pending, reply) else None

    def _dishonoured(self, pending: PendingRegistration, reply: RegistrationReply) -> Reason | None:
        """Why we do not do what the home agent accepts: it is more than we can."""
        if not _accepted(reply) or _ends(pending, reply):
            return None
        refusal = reply_refusal(self._settings, pending.home_agent, pending.nai, reply)
        if refusal is None and reply.home_address != pending.home_address:
            refusal = self._filtered(pending, reply.home_address)
        return refusal or self._room.place_refusal(pending, reply.home_address)

    def _admit(self, admission: _Admission) -> list[Action]:
        visitor = admission.visitor
        before = self._visitors.of(visitor.home_address)
        for one in before:
            if admission.pending.replaces(one):
                self._visitors.pop(one.key)
        self._visitors.put(visitor)
        self._admission = admission
        return self._arrange(before, visitor.home_address)

    def _deregistered(self, pending: PendingRegistration, home_address: IPv4Address) -> list[Action]:
        """Only the home agent that a visitor is registered with can end that."""
        return self._remove((home_address, pending.home_agent))

    # ---- time, errors

    def on_unreachable(self, event: UnreachableReceived, now: Instant) -> list[Action]:
        """An ICMP error instead of a reply: tell the node which (s3.7.3)."""
        reason = UNREACHABLE.get(event.code, Reason.FA_HOME_AGENT_UNREACHABLE_OTHER)
        actions: list[Action] = []
        for pending in self._visitors.pending_towards(event.destination.address):
            if self._visitors.remove_pending(pending):
                actions += self._replies.deny(pending, reason, now)
        return actions

    def on_tick(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        self._admission = None
        self.challenging.on_tick(now.mono)
        for visitor in self._visitors.expire(now.mono):
            others = self._visitors.of(visitor.home_address)
            actions += self._arrange([*others, visitor], visitor.home_address)
            actions.append(
                Noted(
                    Reason.VISITOR_EXPIRED,
                    {"home_address": visitor.home_address, "interface": visitor.interface},
                )
            )
        # Last: a denial that cannot be sent must not keep what has expired in the kernel.
        for pending in self._visitors.time_out(now.mono):
            actions += self._replies.deny(pending, Reason.FA_REGISTRATION_TIMEOUT, now)
        return actions

    def on_action_failed(self, event: ActionFailed, now: Instant) -> list[Action]:
        """A visitor that could not be installed is none: undo, and tell the node with code 66 behind the reply.

        The home agent keeps a binding that leads here until the node deregisters, as RFC 4636 s5 wants, or its lifetime
        ends; what it tunnels meanwhile is dropped and counted, as for any address not in the visitor list (s4.2.2).
        """
        match event.action:
            case InstallTunnel(side=TunnelSide.CARE_OF) | InstallVisitorRoute() | ShareVisitorAddress():
                home_address = event.action.home_address
            case _:
                return []
        admission, self._admission = self._admission, None
        if admission is None or admission.visitor.home_address != home_address:
            return self._give_up(home_address)
        return [
            *self._remove(admission.visitor.key),
            *self._replies.relay_error(
                admission.pending,
                admission.reply,
                admission.authorized,
                now,
                Reason.FA_INSUFFICIENT_RESOURCES,
            ),
        ]

    def _give_up(self, home_address: IPv4Address) -> list[Action]:
        """Those that were to stay when another left cannot be installed again: then they are gone too."""
        before = self._visitors.of(home_address)
        for visitor in before:
            if not visitor.co_located:
                self._visitors.pop(visitor.key)
        return self._arrange(before, home_address)

    def clear(self, event: ClearVisitor) -> list[Action]:
        """What the operator takes away; the node is not told and registers again when it renews."""
        self._admission = None
        actions: list[Action] = []
        for visitor in self._visitors.of(event.home_address):
            if event.home_agent in (None, visitor.home_agent):
                actions += self._remove(visitor.key)
                fields = {"home_address": visitor.home_address, "interface": visitor.interface}
                actions.append(Noted(Reason.VISITOR_CLEARED, fields))
        return actions

    def next_deadline(self) -> int | None:
        deadlines = self._visitors.next_deadline(), self.challenging.next_deadline()
        return min((mono for mono in deadlines if mono is not None), default=None)

    # ---- parts

    def _remove(self, key: VisitorKey) -> list[Action]:
        before = self._visitors.of(key[0])
        self._visitors.pop(key)
        return self._arrange(before, key[0])

    def _arrange(self, before: list[Visitor], home_address: IPv4Address) -> list[Action]:
        agents = {link.interface: link.address for link in self._links.values()}
        return arrange(before, self._visitors.of(home_address), agents)


def _accepted(reply: RegistrationReply) -> bool:
    return reply.reply_code is not None and reply.reply_code.accepted


def _ends(pending: PendingRegistration, reply: RegistrationReply) -> bool:
    """Whether an acceptance ends a binding. What was not checked for a deregistration is served by no reply to it."""
    return reply.lifetime == 0 or pending.lifetime == 0
