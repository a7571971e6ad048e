"""A mobile node's registration: requests, replies, repairs, retries, renewal (RFC 5944 s3.6, s5.7; RFC 3024 s4.1).

The registrar knows one attachment at a time and neither links nor routes; :mod:`.mobile` tells it where the node is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.core.actions import Action, Noted, SendDatagram
from mobileip.control.core.attachment import AtHome, Attachment, CoLocated, ThroughAgent
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.core.events import DatagramReceived
from mobileip.control.reasons import REASON_BY_CODE, Reason, ReplyCode
from mobileip.control.security import MobilitySecurityAssociation, Timestamps, sign, verify
from mobileip.control.types import (
    NANOSECONDS,
    REGISTRATION_PORT,
    Endpoint,
    Identification,
    Instant,
    Lifetime,
    seconds,
)
from mobileip.control.wire import (
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    build,
)

Entropy = Callable[[int], bytes]

FIRST_RETRY = seconds(
    1
)  # "the minimum time between Registration Requests MUST NOT be less than 1 second" (s3.6.3)
_LONGEST_RETRY = seconds(60)
_IMMEDIATE_REPAIRS = 3  # per attachment: a repaired request need not wait, a quarrel must
_RENEW_FROM, _RENEW_TO = 0.55, 0.70  # of the granted lifetime; spread so that a fleet does not renew as one
_AGENT_TTL = 255  # RFC 3024 s4.1.1
_DIRECT_TTL = 64


class _Timer(Enum):
    RETRY = "retry"
    RENEW = "renew"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class MobileNodeSettings:
    """Configuration of the mobile node. ``agent_wait`` in seconds."""

    home_address: IPv4Interface
    home_agent: IPv4Address
    association: MobilitySecurityAssociation
    interfaces: tuple[str, ...]
    lifetime: Lifetime
    home_gateway: IPv4Address | None = None
    reverse_tunnel: bool = True
    co_located: bool = True
    agent_wait: float = 0.2


@dataclass(frozen=True, slots=True)
class PendingRegistration:
    """The one request whose reply we wait for (s3.6)."""

    attachment: Attachment
    identification: Identification
    lifetime: Lifetime
    care_of_address: IPv4Address
    sent: Instant


@dataclass(frozen=True, slots=True)
class Registration:
    """What the home agent granted; timed from the sending of the request (s3.6.2.2)."""

    attachment: Attachment
    care_of_address: IPv4Address
    lifetime: Lifetime
    sent: Instant
    accepted: Instant
    code: int

    @property
    def expires(self) -> int | None:
        return None if self.lifetime.is_infinite else self.sent.mono + self.lifetime * NANOSECONDS


class Registrar:
    """Asks the home agent for what the node's place needs: a binding away from home, none at home."""

    def __init__(self, settings: MobileNodeSettings, entropy: Entropy) -> None:
        self._settings = settings
        self._entropy = entropy
        self._timers: Deadlines[_Timer] = Deadlines()
        self._timestamps = Timestamps()
        self._attachment: Attachment | None = None
        self._pending: PendingRegistration | None = None
        self._registration: Registration | None = None
        self._settled_at: int | None = None
        self._leaving = False  # the node stops: deregister wherever it is
        self._retry_after = FIRST_RETRY
        self._repairs_left = _IMMEDIATE_REPAIRS
        self._lifetime_limit = Lifetime(Lifetime.INFINITE)  # what this agent accepts at most (code 69)
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
    def clock_offset(self) -> int:
        """Nanoseconds by which the home agent's clock is ahead of ours, as far as its replies told."""
        return self._timestamps.offset

    def next_deadline(self) -> int | None:
        return self._timers.next()

    # ---- what the node asks for

    def attach(self, attachment: Attachment | None) -> None:
        """The node is somewhere else: nothing of the old place is waited for any more."""
        self._attachment = attachment
        self._settled_at = None
        self._pending = None
        self._timers.cancel(_Timer.RETRY)
        self._timers.cancel(_Timer.RENEW)
        self._retry_after = FIRST_RETRY
        self._repairs_left = _IMMEDIATE_REPAIRS
        self._lifetime_limit = Lifetime(Lifetime.INFINITE)

    def leave(self, now: Instant) -> list[Action]:
        """The node stops: give the binding up, wherever it is (s3.6.1.2)."""
        self._leaving = True
        self._settled_at = None  # settled again by the answer
        return self.request(now)

    def hold(self) -> None:
        """Send nothing by itself until asked again: the place could not be made ready."""
        self._timers.cancel(_Timer.RETRY)

    def request_soon(self, now: Instant) -> list[Action]:
        """A request now, or as soon as the one before from the same place is a second old (s3.6.3)."""
        if self._last_sent is not None:
            attachment, sent = self._last_sent
            if attachment == self._attachment and now.mono < sent + FIRST_RETRY:
                self._timers.set(_Timer.RENEW, sent + FIRST_RETRY)
                return []
        return self.request(now)

    def request(self, now: Instant) -> list[Action]:
        """Send a request for where we are; its reply, or the retry timer, comes back."""
        attachment = self._attachment
        if attachment is None:
            return []
        settings = self._settings
        home = settings.home_address.ip
        care_of_address = home if isinstance(attachment, AtHome) else attachment.care_of_address
        lifetime = self._wanted_lifetime(attachment)
        draw = int.from_bytes(self._entropy(2))
        identification, self._timestamps = self._timestamps.next_identification(now.wall, draw)
        request = RegistrationRequest(
            home_address=home,
            home_agent=settings.home_agent,
            care_of_address=care_of_address,
            identification=identification,
            lifetime=lifetime,
            flags=RequestFlags(
                decapsulation_by_mn=isinstance(attachment, CoLocated),
                reverse_tunnel=self._asks_reverse_tunnel(attachment),
            ),
        )
        self._pending = PendingRegistration(attachment, identification, lifetime, care_of_address, now)
        self._last_sent = attachment, now.mono
        self._timers.cancel(_Timer.RENEW)
        self._timers.set(_Timer.RETRY, now.mono + self._retry_after)
        payload = sign(settings.association, build(request), MobileHomeAuthentication)
        fields = {
            "home_agent": settings.home_agent,
            "care_of_address": care_of_address,
            "lifetime": lifetime,
            "interface": attachment.interface,
        }
        return [self._datagram(payload, attachment), Noted(Reason.REQUEST_SENT, fields)]

    def _datagram(self, payload: bytes, attachment: Attachment) -> SendDatagram:
        """Addresses by s3.6.1.1. At home and to a foreign agent the frame goes to the agent's link-layer address as its
        advertisement gave it: away from home there is no ARP, at home none is needed."""
        settings = self._settings
        from_home = Endpoint(settings.home_address.ip, REGISTRATION_PORT)
        to_home_agent = Endpoint(settings.home_agent, REGISTRATION_PORT)
        match attachment:
            case CoLocated():
                source = Endpoint(attachment.care_of_address, REGISTRATION_PORT)
                return SendDatagram(payload, source, to_home_agent, ttl=_DIRECT_TTL)
            case AtHome():
                to, ttl = to_home_agent, _DIRECT_TTL
            case ThroughAgent():
                to, ttl = Endpoint(attachment.agent, REGISTRATION_PORT), _AGENT_TTL
        return SendDatagram(payload, from_home, to, attachment.interface, attachment.link_address, ttl)

    def _wanted_lifetime(self, attachment: Attachment) -> Lifetime:
        if isinstance(attachment, AtHome) or self._leaving:
            return Lifetime(0)
        limits = [self._settings.lifetime, self._lifetime_limit]
        if isinstance(attachment, ThroughAgent):
            limits.append(attachment.lifetime_limit)
        return min(limits)

    def _asks_reverse_tunnel(self, attachment: Attachment) -> bool:
        if isinstance(attachment, ThroughAgent):
            return self._settings.reverse_tunnel and attachment.reverse_tunnel
        return self._settings.reverse_tunnel and isinstance(attachment, CoLocated)

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
        reason = Reason.RETRYING if self._pending is None else Reason.REQUEST_RETRANSMITTED
        self._retry_after = min(self._retry_after * 2, self._longest_retry())
        return [Noted(reason, fields), *self.request(now)]

    def _longest_retry(self) -> int:
        """s3.6.3: the wait should not grow beyond the requested lifetime."""
        lifetime = self._pending.lifetime if self._pending is not None else Lifetime(0)
        return min(_LONGEST_RETRY, max(FIRST_RETRY, lifetime * NANOSECONDS)) if lifetime else _LONGEST_RETRY

    def _expire(self) -> Noted:
        registration, self._registration = self._registration, None
        if registration is not None and registration.attachment == self._attachment:
            self._settled_at = None
        return Noted(Reason.REGISTRATION_EXPIRED, {"home_address": self._settings.home_address.ip})

    # ---- replies

    def on_reply(self, reply: RegistrationReply, event: DatagramReceived, now: Instant) -> list[Action]:
        """Check (s3.6.2.1), then believe what it says."""
        fields: dict[str, object] = {"source": event.source, "interface": event.interface, "code": reply.code}
        pending = self._pending
        if (
            pending is None
            or reply.home_address != self._settings.home_address.ip
            or reply.identification.low != pending.identification.low
        ):
            return [Noted(Reason.UNMATCHED_REPLY, fields)]
        # s3.6.2.1 b: whatever says it comes from the home agent has to prove it.
        if not _by_foreign_agent(reply) and not self._is_authentic(reply):
            return [Noted(Reason.REPLY_BAD_AUTHENTICATOR, fields)]
        self._pending = None
        self._timers.cancel(_Timer.RETRY)
        code = reply.reply_code
        if code is not None and code.accepted:
            return [self._on_accepted(reply, pending, now)]
        return self._on_denied(reply, pending, now)

    def _is_authentic(self, reply: RegistrationReply) -> bool:
        extensions = [one for one in reply.extensions if isinstance(one, MobileHomeAuthentication)]
        if len(extensions) != 1 or extensions[0].spi != self._settings.association.spi:
            return False
        return verify(self._settings.association, reply, extensions[0])

    def _on_accepted(self, reply: RegistrationReply, pending: PendingRegistration, now: Instant) -> Noted:
        self._retry_after = FIRST_RETRY
        self._repairs_left = _IMMEDIATE_REPAIRS
        if self._settled_at is None:
            self._settled_at = now.mono
        fields: dict[str, object] = {
            "home_agent": reply.home_agent,
            "care_of_address": pending.care_of_address,
            "interface": pending.attachment.interface,
            "round_trip_ms": round((now.mono - pending.sent.mono) / 1e6, 1),
        }
        if pending.lifetime == 0:
            self._registration = None
            self._timers.cancel(_Timer.EXPIRE)
            return Noted(Reason.DEREGISTERED, fields)
        # A home agent must not grant more than was asked (s3.8.2.2).
        granted = min(reply.lifetime, pending.lifetime)
        registration = Registration(
            pending.attachment, pending.care_of_address, granted, pending.sent, now, reply.code
        )
        self._registration = registration
        if registration.expires is None:
            self._timers.cancel(_Timer.EXPIRE)
        else:
            self._timers.set(_Timer.EXPIRE, registration.expires)
            self._timers.set(_Timer.RENEW, pending.sent.mono + self._renewal(granted))
        return Noted(REASON_BY_CODE[ReplyCode(reply.code)], {**fields, "lifetime": granted})

    def _renewal(self, granted: Lifetime) -> int:
        share = _RENEW_FROM + (_RENEW_TO - _RENEW_FROM) * int.from_bytes(self._entropy(2)) / 0xFFFF
        return max(seconds(granted * share), FIRST_RETRY)

    def _on_denied(
        self, reply: RegistrationReply, pending: PendingRegistration, now: Instant
    ) -> list[Action]:
        """Log, repair what can be repaired at once, else try again later (s3.6.2.3)."""
        code = reply.reply_code
        reason = REASON_BY_CODE.get(code) if code is not None else None
        cause = "unknown code" if reason is None else reason.label
        by = "foreign agent" if _by_foreign_agent(reply) else "home agent"
        actions: list[Action] = [Noted(Reason.DENIED, {"by": by, "code": reply.code, "cause": cause})]
        repaired: list[Action] | None = None
        if code is ReplyCode.HA_IDENTIFICATION_MISMATCH:
            self._timestamps = self._timestamps.on_mismatch(reply.identification, now.wall)
            offset = round(self._timestamps.offset / NANOSECONDS, 3)
            repaired = [Noted(Reason.CLOCK_RESYNCHRONISED, {"offset_s": offset})]
        elif code is ReplyCode.FA_LIFETIME_TOO_LONG and 0 < reply.lifetime < pending.lifetime:
            self._lifetime_limit = reply.lifetime
            repaired = []
        if repaired is not None and self._repairs_left > 0:
            self._repairs_left -= 1
            fields = {"repaired": cause}
            return [*actions, *repaired, Noted(Reason.RETRYING, fields), *self.request(now)]
        # The same request again, later: the cause may pass (resources, a neighbour agent's restart, a new key).
        self._timers.set(_Timer.RETRY, now.mono + self._retry_after)
        return actions + (repaired or [])


def _by_foreign_agent(reply: RegistrationReply) -> bool:
    """By the code's meaning where we know it: RFC 5944 prints 194 for the foreign agent's 116."""
    code = reply.reply_code
    return code.from_foreign_agent if code is not None else 64 <= reply.code <= 127
