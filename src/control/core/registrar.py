"""A mobile node's registration: requests, replies, repairs, retries, renewal (RFC 5944 s3.6, s5.7; RFC 3024 s4.1).

The registrar knows one attachment at a time and neither links nor routes; :mod:`.mobile` tells it where the node is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from ipaddress import IPv4Address

from mobileip.control.core.actions import Action, Noted
from mobileip.control.core.answering import can_mend, challenger, hear_reply
from mobileip.control.core.attachment import AtHome, Attachment, ThroughAgent, is_same_place, relay_of
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.core.encapsulations import EVERY, worth_asking
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.heard_challenges import AgentPlace
from mobileip.control.core.identity import Identity, MobileNodeSettings
from mobileip.control.core.mobile_replies import Denial, authentic, denial_of, redirected_to
from mobileip.control.core.refusals import Refusals
from mobileip.control.core.registration import PendingRegistration, Registration, Verdict
from mobileip.control.core.repairs import Remedy, Repair, TunnelAsked, Wishes, repair_of
from mobileip.control.core.request import addressed, care_of_address, compose, names_an_agent
from mobileip.control.reasons import REASON_BY_CODE, Reason, ReplyCode
from mobileip.control.types import (
    NANOSECONDS,
    ZERO_ADDRESS,
    Instant,
    Lifetime,
    seconds,
)
from mobileip.control.wire import RegistrationReply

Entropy = Callable[[int], bytes]

FIRST_RETRY = seconds(
    1
)  # "the minimum time between Registration Requests MUST NOT be less than 1 second" (s3.6.3)
_LONGEST_RETRY = seconds(60)
_IMMEDIATE_REPAIRS = 3  # per attachment: a repaired request need not wait, a quarrel must
_RENEW_FROM, _RENEW_TO = 0.55, 0.70  # of the granted lifetime; spread so that a fleet does not renew as one
_SILENCES = (
    4  # unanswered requests after which another agent is asked, and a home agent sought that a reply named
)


class _Timer(Enum):
    RETRY = "retry"
    RENEW = "renew"
    EXPIRE = "expire"


def _goes_the_same_way(one: Attachment, other: Attachment | None) -> bool:
    """Whether requests from there are for one place and ask one agent; what that advertises may differ."""
    asked = [None if relay is None else relay.agent for relay in (relay_of(one), relay_of(other))]
    return is_same_place(one, other) and asked[0] == asked[1]


class Registrar:
    """Asks the home agent for what the node's place needs: a binding away from home, none at home."""

    def __init__(
        self, settings: MobileNodeSettings, identity: Identity, refusals: Refusals, entropy: Entropy
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._refusals = refusals
        self._entropy = entropy
        self._timers: Deadlines[_Timer] = Deadlines()
        self._attachment: Attachment | None = None
        self._pending: PendingRegistration | None = None
        self._registration: Registration | None = None
        self._settled_at: int | None = None
        self._leaving = False  # give up the binding wherever it is
        self._all = False  # ... and every other one
        self._wishes = Wishes()
        self._retry_after = FIRST_RETRY
        self._repairs_left = _IMMEDIATE_REPAIRS
        self._repaired: set[str] = set()  # causes that were in the way since the last acceptance
        self._silences = 0
        self._awaits_challenge = False  # no request is sent before the agent has told another one
        self._last_sent: tuple[Attachment, int] | None = None  # the latest request: from where, when (mono)

    @property
    def pending(self) -> PendingRegistration | None:
        return self._pending

    @property
    def registration(self) -> Registration | None:
        """The binding that the home agent has, as far as we know; it may be of a place we have left."""
        return self._registration

    @property
    def settled_at(self) -> int | None:
        """When (monotonic ns) the reply came that made the present attachment work; ``None`` until then."""
        return self._settled_at

    @property
    def tunnel(self) -> TunnelAsked:
        """How the present attachment is registered, or asked for."""
        wishes = self._wishes
        return TunnelAsked(wishes.reverse_tunnel, wishes.encapsulation, self._delivery_to())

    def _delivery_to(self) -> IPv4Address | None:
        """The foreign agent by the source of its latest accepting reply (RFC 3024 s5.2.2)."""
        wishes, relay = self._wishes, relay_of(self._attachment)
        if relay is None or not (wishes.encapsulating_delivery and wishes.reverse_tunnel):
            return None
        registration = self._registration
        here = registration is not None and registration.attachment == self._attachment
        return registration.answered_by if registration is not None and here else relay.agent

    @property
    def silences(self) -> int:
        """Requests that went unanswered since the last reply."""
        return self._silences

    def is_at(self, attachment: Attachment) -> bool:
        """Whether its requests go the way that those from ``attachment`` would."""
        return self._attachment is not None and _goes_the_same_way(self._attachment, attachment)

    def next_deadline(self) -> int | None:
        return self._timers.next()

    # ---- what the node asks for

    def attach(self, attachment: Attachment | None) -> None:
        """The node is somewhere else: nothing of the old place is waited for any more."""
        self._attachment = attachment
        self._leaving = self._all = False
        self._settled_at = None
        self._pending = None
        self._timers.cancel(_Timer.RETRY)
        self._timers.cancel(_Timer.RENEW)
        self._retry_after = FIRST_RETRY
        self._repairs_left = _IMMEDIATE_REPAIRS
        self._repaired.clear()
        self._silences = 0
        self._awaits_challenge = False
        self._wishes = self._first_wishes(attachment)

    def _first_wishes(self, attachment: Attachment | None) -> Wishes:
        """What configuration, the home agent's earlier denials and this agent's advertisement allow."""
        if attachment is None or isinstance(attachment, AtHome):
            return Wishes()
        relay = relay_of(attachment)
        # Where the tunnel ends at the agent it has to have what is asked for (s3.6.1.2).
        available = attachment.encapsulations if isinstance(attachment, ThroughAgent) else EVERY
        encapsulations = worth_asking(self._identity.encapsulations, available)
        if relay is None:
            return Wishes(
                self._identity.reverse_tunnel, self._settings.lifetime, encapsulations=encapsulations
            )
        reverse = self._identity.reverse_tunnel and relay.reverse_tunnel
        return Wishes(
            reverse,
            min(self._settings.lifetime, relay.lifetime_limit),
            encapsulations=encapsulations,
            # With an address of its own on the link the node tunnels to the home agent.
            encapsulating_delivery=self._settings.encapsulating_delivery
            and isinstance(attachment, ThroughAgent),
        )

    def reconfigure(self, settings: MobileNodeSettings) -> None:
        """The next request asks for what is configured now; a pending one is let be."""
        self._settings = settings
        self._wishes = replace(self._wishes, lifetime=self._first_wishes(self._attachment).lifetime)

    def keep_others(self, keep: bool) -> None:
        """Whether requests ask the home agent to keep bindings of other places (S bit)."""
        self._wishes = replace(self._wishes, simultaneous=keep)

    def leave(self, now: Instant, everything: bool = False) -> list[Action]:
        """Give the binding up, or all there may be, from wherever we are (s3.6.1.2)."""
        self._leaving = True
        self._all = everything
        self._settled_at = None  # settled again by the answer
        self._silences = 0
        return self.request(now)

    def hold(self) -> None:
        """Send nothing by itself until asked again: the place could not be made ready."""
        self._timers.cancel(_Timer.RETRY)

    def request_soon(self, now: Instant) -> list[Action]:
        """A request now, or as soon as the one before from the same place is a second old (s3.6.3)."""
        if self._last_sent is not None:
            attachment, sent = self._last_sent
            if _goes_the_same_way(attachment, self._attachment) and now.mono < sent + FIRST_RETRY:
                self._timers.set(_Timer.RENEW, sent + FIRST_RETRY)
                return []
        return self.request(now)

    def request(self, now: Instant, again: bool = False) -> list[Action]:
        """Send a request for where we are; its reply, or the retry timer, comes back. ``again``: as nobody answered."""
        if self._attachment is None:
            return []
        give_up = isinstance(self._attachment, AtHome) or self._leaving
        return self._ask(self._attachment, Lifetime(0) if give_up else self._wishes.lifetime, now, again)

    def _ask(
        self, attachment: Attachment, lifetime: Lifetime, now: Instant, again: bool = False
    ) -> list[Action]:
        identity, wishes = self._identity, self._wishes
        place = self._challenger(attachment)
        challenge = None if place is None else identity.challenges.pick(place, again)
        if place is not None and challenge is None:
            return self._await_challenge(place, now)
        self._awaits_challenge = False
        notes = identity.check_clock(now)
        home = identity.home_address
        care_of = home if self._all else care_of_address(attachment, home)
        identification = identity.next_identification(now)
        payload = compose(
            self._settings, identity, attachment, wishes, care_of, lifetime, identification, challenge
        )
        if place is not None and challenge is not None:
            identity.challenges.use(place, challenge)
        datagram = addressed(payload, identity, attachment)
        beside = wishes.simultaneous and lifetime > 0
        self._pending = PendingRegistration(
            attachment, identification, lifetime, care_of, now, beside, datagram
        )
        return [*notes, *self._send(self._pending, now)]

    def _send(self, pending: PendingRegistration, now: Instant) -> list[Action]:
        self._last_sent = pending.attachment, now.mono
        self._timers.cancel(_Timer.RENEW)
        self._timers.set(_Timer.RETRY, now.mono + self._retry_after)
        fields = {
            "home_agent": self._identity.asked_home_agent,
            "care_of_address": pending.care_of_address,
            "lifetime": pending.lifetime,
            "interface": pending.attachment.interface,
        }
        return [pending.datagram, Noted(Reason.REQUEST_SENT, fields)]

    # ---- challenges (RFC 4721 s3.1, s3.5)

    def _challenger(self, attachment: Attachment) -> AgentPlace | None:
        return challenger(self._settings, self._identity.challenges, attachment)

    def _await_challenge(self, place: AgentPlace, now: Instant) -> list[Action]:
        """All that were told have been answered."""
        self._identity.challenges.want(place)
        self._awaits_challenge = True
        self._pending = None
        self._timers.set(_Timer.RETRY, now.mono + self._retry_after)
        return [Noted(Reason.CHALLENGE_AWAITED, {"interface": place[0], "agent": place[1]})]

    def on_challenge(self, now: Instant) -> list[Action]:
        """An agent may have told another one."""
        place = None if self._attachment is None else self._challenger(self._attachment)
        if not self._awaits_challenge or place is None:
            return []
        return [] if self._identity.challenges.pick(place) is None else self.request_soon(now)

    # ---- time

    def on_tick(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        for timer in self._timers.due(now.mono):
            match timer:
                case _Timer.RETRY:
                    actions += self._retry(now)
                case _Timer.RENEW:
                    actions += self.request(now)
                case _Timer.EXPIRE:
                    actions.append(self._expire())
        return actions

    def _retry(self, now: Instant) -> list[Action]:
        fields = {"waited_ms": self._retry_after // 1_000_000}
        pending = self._pending
        self._retry_after = min(self._retry_after * 2, self._longest_retry())
        if pending is None:
            return [Noted(Reason.RETRYING, fields), *self.request(now, again=True)]
        self._silences += 1
        asked = pending.attachment if isinstance(pending.attachment, AtHome) else relay_of(pending.attachment)
        if asked is not None and self._silences >= _SILENCES and self._settled_at is None:
            self._refusals.add((asked.interface, asked.agent, None), now.mono)
        retransmitted = Noted(Reason.REQUEST_RETRANSMITTED, fields)
        forgotten = self._silences >= _SILENCES and self._identity.forget_home_agent()
        if self._identity.repeats_unchanged and not forgotten:
            return [retransmitted, *self._send(pending, now)]
        return [retransmitted, *self.request(now, again=True)]

    def _longest_retry(self) -> int:
        """s3.6.3: the wait should not grow beyond the requested lifetime."""
        lifetime = self._pending.lifetime if self._pending is not None else Lifetime(0)
        return min(_LONGEST_RETRY, max(FIRST_RETRY, lifetime * NANOSECONDS)) if lifetime else _LONGEST_RETRY

    def _expire(self) -> Noted:
        registration, self._registration = self._registration, None
        if registration is not None and registration.attachment == self._attachment:
            self._settled_at = None
        return Noted(Reason.REGISTRATION_EXPIRED, {"home_address": self._identity.home_address})

    # ---- replies

    def awaits(self, reply: RegistrationReply) -> bool:
        """Whether ``reply`` answers our latest request (s3.6.2.1)."""
        pending, home = self._pending, self._identity.home
        return (
            pending is not None
            and reply.identification.low == pending.identification.low
            and (home is None or reply.home_address == home.ip)
        )

    def on_reply(self, reply: RegistrationReply, event: DatagramReceived, now: Instant) -> Verdict:
        """Check (s3.6.2.1), then believe what it says."""
        pending = self._pending
        fields: dict[str, object] = {"source": event.source, "interface": event.interface, "code": reply.code}
        if pending is None or not self.awaits(reply):
            return Verdict([Noted(Reason.UNMATCHED_REPLY, fields)])
        if not authentic(reply, self._settings, relay_of(pending.attachment)):
            return Verdict([Noted(Reason.REPLY_BAD_AUTHENTICATOR, fields)])
        denial = denial_of(reply)
        if denial is None and self._identity.home is None and reply.home_address == ZERO_ADDRESS:
            return Verdict([Noted(Reason.BAD_VALUE, {**fields, "detail": "accepted without a home address"})])
        self._pending = None
        self._silences = 0
        self._timers.cancel(_Timer.RETRY)
        hear_reply(self._identity.challenges, pending.attachment, reply)
        if denial is None or not denial.by_foreign_agent or denial.accepted_by_home_agent:
            self._identity.hear(reply.identification)
        if denial is not None:
            return self._on_denied(reply, denial, pending, now)
        assigned = self._identity.home is None
        actions: list[Action] = []
        if assigned:
            address = self._identity.adopt_home_address(reply.home_address)
            actions.append(Noted(Reason.HOME_ADDRESS_ASSIGNED, {"home_address": address.ip}))
        accepted = self._on_accepted(reply, event.source.address, pending, now)
        return Verdict([*actions, accepted], assigned=assigned)

    def _on_accepted(
        self, reply: RegistrationReply, source: IPv4Address, pending: PendingRegistration, now: Instant
    ) -> Noted:
        fields: dict[str, object] = {
            "home_agent": reply.home_agent,
            "care_of_address": pending.care_of_address,
            "interface": pending.attachment.interface,
            "round_trip_ms": round((now.mono - pending.sent.mono) / 1e6, 1),
        }
        if pending.lifetime == 0:
            self._registration = None
            self._timers.cancel(_Timer.EXPIRE)
            if not isinstance(pending.attachment, AtHome) and not self._leaving:
                # Given up because the foreign agent did not honour it (RFC 4636): that is no success here.
                self._timers.set(_Timer.RETRY, now.mono + self._retry_after)
                return Noted(Reason.DEREGISTERED, fields)
        self._retry_after = FIRST_RETRY
        self._repairs_left = _IMMEDIATE_REPAIRS
        self._repaired.clear()
        self._identity.accepted()
        if self._settled_at is None:
            self._settled_at = now.mono
        if pending.lifetime == 0:
            if isinstance(pending.attachment, AtHome):
                self._identity.return_to_configured()  # the session is over (RFC 4433 s5.1.3)
            return Noted(Reason.DEREGISTERED, fields)
        # A home agent must not grant more than was asked (s3.8.2.2).
        granted = min(reply.lifetime, pending.lifetime)
        beside = pending.simultaneous and reply.code == ReplyCode.ACCEPTED
        place = pending.attachment, pending.care_of_address
        registration = Registration(*place, granted, pending.sent, now, reply.code, source, beside)
        self._registration = registration
        if registration.expires is None:
            self._timers.cancel(_Timer.EXPIRE)
        else:
            self._timers.set(_Timer.EXPIRE, registration.expires)
            # A request that was repeated unchanged (nonces) may be older than its latest copy.
            again = now.mono if self._last_sent is None else self._last_sent[1] + FIRST_RETRY
            self._timers.set(_Timer.RENEW, max(pending.sent.mono + self._renewal(granted), again))
        return Noted(REASON_BY_CODE[ReplyCode(reply.code)], {**fields, "lifetime": granted})

    def _renewal(self, granted: Lifetime) -> int:
        share = _RENEW_FROM + (_RENEW_TO - _RENEW_FROM) * int.from_bytes(self._entropy(2)) / 0xFFFF
        return max(seconds(granted * share), FIRST_RETRY)

    # ---- denials (s3.6.2.3)

    def _on_denied(
        self, reply: RegistrationReply, denial: Denial, pending: PendingRegistration, now: Instant
    ) -> Verdict:
        """Repair what can be repaired at once, else try elsewhere or again later."""
        repair = repair_of(denial.reply_code, denial.by_foreign_agent)
        helps, actions = self._repair(repair, reply, denial, pending, now)
        if helps and denial.cause not in self._repaired:
            # Something else than before is in the way: the waits for that have led somewhere.
            self._repaired.add(denial.cause)
            self._retry_after = FIRST_RETRY
            self._repairs_left = _IMMEDIATE_REPAIRS
        if helps and self._repairs_left > 0:
            self._repairs_left -= 1
            return Verdict([*actions, denial.said(repair.said), *self.request(now)])
        # The same request again, later: the cause may pass (resources, a neighbour agent's restart, a new key).
        self._timers.set(_Timer.RETRY, now.mono + self._retry_after)
        relay = relay_of(pending.attachment)
        if not denial.by_foreign_agent or relay is None or self._leaving:
            return Verdict(actions, denial)
        if denial.accepted_by_home_agent and pending.lifetime > 0:
            # RFC 4636 s3: the home agent should not keep a binding that the foreign agent does not honour.
            actions += self._ask(pending.attachment, Lifetime(0), now)
        whole_agent = repair.whole_agent or not isinstance(pending.attachment, ThroughAgent)
        care_of = None if whole_agent else pending.care_of_address
        return Verdict(actions, denial, (relay.interface, relay.agent, care_of))

    def _repair(
        self,
        repair: Repair,
        reply: RegistrationReply,
        denial: Denial,
        pending: PendingRegistration,
        now: Instant,
    ) -> tuple[bool, list[Action]]:
        """Whether asking again at once makes sense now, and what to log."""
        identity = self._identity
        match repair.remedy:
            case Remedy.RESYNCHRONISE:
                fields = identity.resynchronise(reply.identification, now)
                return True, [Noted(Reason.CLOCK_RESYNCHRONISED, fields)]
            case Remedy.HOME_AGENT:
                if not names_an_agent(reply.home_agent, identity):
                    return False, []
                identity.adopt_home_agent(reply.home_agent)
                if reply.identification != pending.identification:
                    identity.resynchronise(reply.identification, now)
                return True, [Noted(Reason.HOME_AGENT_DISCOVERED, {"home_agent": reply.home_agent})]
            case Remedy.REDIRECTION:
                return self._redirected(reply)
            case Remedy.CHALLENGE:
                return can_mend(self._settings, identity.challenges, pending.attachment), []
            case Remedy.RETURN:
                # With a binding there we stay (RFC 4433 s5.1), until it has run out.
                return self._registration is None and identity.return_to_configured(), []
            case Remedy.HOME_ADDRESS:
                # The home agent has forgotten whose it was, and another node may have it now (RFC 2794).
                away = self._registration is None and not isinstance(pending.attachment, AtHome)
                return away and not self._leaving and identity.forget_home_address(), []
            case Remedy.CHANGE if repair.change is not None:
                before, self._wishes = self._wishes, repair.change(self._wishes, reply.lifetime)
                if not denial.by_foreign_agent and before.reverse_tunnel != self._wishes.reverse_tunnel:
                    identity.reverse_tunnel = self._wishes.reverse_tunnel  # it will be the same everywhere
                if not denial.by_foreign_agent and before.encapsulation is not self._wishes.encapsulation:
                    identity.refuse_encapsulation(before.encapsulation)  # likewise
                return self._wishes != before, []
            case _:
                return False, []

    def _redirected(self, reply: RegistrationReply) -> tuple[bool, list[Action]]:
        """RFC 4433 s4.2: the reply is authentic, so the home agent itself sends us away."""
        to = redirected_to(reply)
        fields: dict[str, object] = {"home_agent": self._identity.asked_home_agent, "redirected_to": to}
        why = self._identity.follow_redirection(to)
        if why is None:
            return True, [Noted(Reason.REDIRECTED, fields)]
        return False, [Noted(Reason.REDIRECT_REFUSED, {**fields, "why": why})]
