"""The mobile node (RFC 5944 s3.6, s2.4, s4.2.1, s4.6; RFC 3024 s4.1).

One registration at a time follows the point of attachment::

                      link and agent or address                accepted
    DISCONNECTED ──────────────────────────────► REGISTERING ───────────► REGISTERED ─┐ renew: a request is
      ▲   ▲  home agent heard                        ▲  lifetime over          │  ▲   │ pending, the state stays
      │   └────────────────┐                         └─────────────────────────┘  └───┘
      │ nothing usable     ▼               accepted
      └────────────── RETURNING ──────────────────────► HOME
                     (deregistering)

Every state but STOPPED leads to any other by a move. The way back of a packet is made ready before the reply can
arrive (routes and the tunnel's entry follow the request in the same list of actions), so that the first packet through
the new path is not lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.core.actions import (
    Action,
    AttachHome,
    DetachHome,
    InstallTunnel,
    Noted,
    RemoveTunnel,
    RouteThroughAgent,
    RouteThroughTunnel,
    SendDatagram,
    SendIcmp,
    TunnelSide,
    Unroute,
)
from mobileip.control.core.attachment import (
    AtHome,
    Attachment,
    ChoiceRules,
    CoLocated,
    ThroughAgent,
    choose,
)
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.core.discovery import AgentNews, AgentTable, KnownAgent
from mobileip.control.core.events import (
    ActionFailed,
    DatagramReceived,
    Event,
    IcmpReceived,
    LinkChanged,
    Stopping,
    Tick,
)
from mobileip.control.reasons import REASON_BY_CODE, Reason, ReplyCode
from mobileip.control.security import MobilitySecurityAssociation, Timestamps, sign, verify
from mobileip.control.types import (
    ALL_ROUTERS,
    NANOSECONDS,
    REGISTRATION_PORT,
    ZERO_ADDRESS,
    Endpoint,
    Identification,
    Instant,
    Lifetime,
    seconds,
)
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentSolicitation,
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    WireError,
    build,
    build_icmp,
    parse,
    parse_icmp,
)

Entropy = Callable[[int], bytes]

_FIRST_RETRY = seconds(
    1
)  # "the minimum time between Registration Requests MUST NOT be less than 1 second" (s3.6.3)
_LONGEST_RETRY = seconds(60)
_IMMEDIATE_REPAIRS = 3  # per attachment: a repaired request need not wait, a quarrel must
_RENEW_FROM, _RENEW_TO = 0.55, 0.70  # of the granted lifetime; spread so that a fleet does not renew as one
_FAREWELL = seconds(1)  # how long a stopping node waits for the answer to its deregistration
_AGENT_TTL = 255  # RFC 3024 s4.1.1
_DIRECT_TTL = 64


class State(Enum):
    DISCONNECTED = "disconnected"
    REGISTERING = "registering"
    REGISTERED = "registered"
    RETURNING = "returning"
    HOME = "home"
    STOPPING = "stopping"
    STOPPED = "stopped"


class _Timer(Enum):
    """What a mobile node waits for, beside what its agent table waits for."""

    RETRY = "retry"
    RENEW = "renew"
    EXPIRE = "expire"
    LOOK_AGAIN = "look-again"
    REATTACH = "reattach"
    FAREWELL = "farewell"


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


class MobileNode:
    """Machine: links, advertisements, replies and time in; actions out."""

    def __init__(self, settings: MobileNodeSettings, entropy: Entropy) -> None:
        self._settings = settings
        self._entropy = entropy
        self._rules = ChoiceRules(
            settings.home_address, settings.home_agent, settings.co_located, seconds(settings.agent_wait)
        )
        self._table = AgentTable(settings.interfaces, entropy)
        self._timers: Deadlines[_Timer] = Deadlines()
        self._timestamps = Timestamps()
        self._state = State.DISCONNECTED
        self._attachment: Attachment | None = None
        self._home_links: set[str] = (
            set()
        )  # where AttachHome was asked for, DetachHome not or perhaps in vain
        self._left_links: set[str] = set()  # where the latest move asked for DetachHome
        self._tunnelled = False  # a co-located tunnel entry is, or may be, installed
        self._pending: PendingRegistration | None = None
        self._registration: Registration | None = None
        self._settled_at: int | None = None
        self._retry_after = _FIRST_RETRY
        self._repairs_left = _IMMEDIATE_REPAIRS
        self._lifetime_limit = Lifetime(Lifetime.INFINITE)  # what this agent accepts at most (code 69)
        self._last_sent: tuple[Attachment, int] | None = None  # the latest request: from where, when (mono)

    # ---- what others may see

    @property
    def state(self) -> State:
        return self._state

    @property
    def home_address(self) -> IPv4Address:
        return self._settings.home_address.ip

    @property
    def home_agent(self) -> IPv4Address:
        return self._settings.home_agent

    @property
    def settled_at(self) -> int | None:
        """When (monotonic ns) the reply came that made the present attachment work; ``None`` until then."""
        return self._settled_at

    @property
    def attachment(self) -> Attachment | None:
        return self._attachment

    @property
    def registration(self) -> Registration | None:
        return self._registration

    @property
    def pending(self) -> PendingRegistration | None:
        return self._pending

    @property
    def clock_offset(self) -> int:
        """Nanoseconds by which the home agent's clock is ahead of ours, as far as its replies told."""
        return self._timestamps.offset

    @property
    def table(self) -> AgentTable:
        return self._table

    def next_deadline(self) -> int | None:
        if self._state is State.STOPPED:
            return None
        return min(
            (mono for mono in (self._timers.next(), self._table.next_deadline()) if mono is not None),
            default=None,
        )

    # ---- events

    def handle(self, event: Event, now: Instant) -> list[Action]:
        if self._state is State.STOPPED:
            return []
        match event:
            case LinkChanged():
                return self._on_link(event, now)
            case IcmpReceived():
                return self._on_icmp(event, now)
            case DatagramReceived():
                return self._on_datagram(event, now)
            case Tick():
                return self._on_tick(now)
            case ActionFailed():
                return self._on_action_failed(event, now)
            case Stopping():
                return self._on_stopping(now)
            case _:
                return []

    def _on_link(self, event: LinkChanged, now: Instant) -> list[Action]:
        link = self._table.link(event.interface)
        if link is None:
            return []
        was_up = link.up
        came_up = link.change(event.up, event.addresses, event.gateway, now.mono)
        actions: list[Action] = []
        if came_up:
            actions.append(Noted(Reason.LINK_UP, {"interface": link.interface}))
            self._table.solicit_now(link, now.mono)
        elif was_up and not event.up:
            actions.append(Noted(Reason.LINK_DOWN, {"interface": link.interface}))
            self._table.stop_soliciting(link)
        return actions + self._reconsider(now) + self._solicit(now)

    def _on_icmp(self, event: IcmpReceived, now: Instant) -> list[Action]:
        link = self._table.link(event.interface)
        if link is None or not link.up:
            return []
        try:
            message = parse_icmp(event.payload)
        except WireError as error:
            return [_unreadable(error, event.source, event.interface)]
        if not isinstance(message, AgentAdvertisement):
            return []
        news = self._table.hear(link, event.source, event.link_source, message, now.mono)
        actions: list[Action] = []
        if news is AgentNews.NEW:
            fields = {"interface": link.interface, "agent": event.source, "roles": roles(message)}
            actions.append(Noted(Reason.AGENT_DISCOVERED, fields))
        actions += self._reconsider(now)
        ours = isinstance(self._attachment, ThroughAgent) and self._attachment.agent == event.source
        if news is AgentNews.REBOOTED and ours and self._pending is None:
            fields = {"interface": link.interface, "agent": event.source}
            actions += [Noted(Reason.AGENT_REBOOTED, fields), *self._request_soon(now)]
        return actions

    def _on_tick(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        for link, agent in self._table.lose(now.mono):
            fields = {"interface": link.interface, "agent": agent.address}
            actions.append(Noted(Reason.AGENT_LOST, fields))
            if not link.agents:
                self._table.solicit_now(link, now.mono)
        # In this order: a move makes the timers of the place before void, and a solicitation that cannot be sent must
        # not keep a move from being made.
        actions += self._reconsider(now)
        for timer in self._timers.due(now.mono):
            if self._state is not State.STOPPED:
                actions += self._on_timer(timer, now)
        return actions + self._solicit(now)

    def _on_timer(self, timer: _Timer, now: Instant) -> list[Action]:
        match timer:
            case _Timer.RETRY:
                fields = {"waited_ms": self._retry_after // 1_000_000}
                reason = Reason.RETRYING if self._pending is None else Reason.REQUEST_RETRANSMITTED
                self._retry_after = min(self._retry_after * 2, self._longest_retry())
                return [Noted(reason, fields), *self._request(now)]
            case _Timer.RENEW:
                return self._request(now)
            case _Timer.EXPIRE:
                self._registration = None
                if self._state is State.REGISTERED:
                    self._enter(State.REGISTERING)
                return [Noted(Reason.REGISTRATION_EXPIRED, {"home_address": self._settings.home_address.ip})]
            case _Timer.REATTACH:
                return self._reconsider(now, again=True)
            case _Timer.FAREWELL:
                self._enter(State.STOPPED)
                return []
            case _Timer.LOOK_AGAIN:
                return []

    def _on_action_failed(self, event: ActionFailed, now: Instant) -> list[Action]:
        """What the kernel refused is tried again after a second; a renewal that could not be sent, by its own timer.

        With the first request from a new place everything after it in the list is undone yet: that is a failed move.
        """
        renewal = isinstance(event.action, SendDatagram) and self._state is State.REGISTERED
        if not renewal and not isinstance(event.action, SendIcmp | Noted):
            self._timers.cancel(_Timer.RETRY)
            self._timers.set(_Timer.REATTACH, now.mono + _FIRST_RETRY)
            # What was behind it was not done: the move that is made again removes what this one may have left.
            self._home_links |= self._left_links
            self._tunnelled = True
        fields = {"action": type(event.action).__name__, "error": event.error}
        return [Noted(Reason.ACTION_FAILED, fields)]

    def _on_stopping(self, now: Instant) -> list[Action]:
        """Leave service: deregister the binding, wait a moment for the answer (s3.6.1.2)."""
        bound = self._registration is not None or self._pending is not None
        if not bound or self._attachment is None or isinstance(self._attachment, AtHome):
            self._enter(State.STOPPED)
            return []
        self._enter(State.STOPPING)
        self._timers.set(_Timer.FAREWELL, now.mono + _FAREWELL)
        return self._request(now)

    # ---- movement

    def _solicit(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        for link in self._table.solicitations(now.mono):
            source = next((address.ip for address in link.addresses), ZERO_ADDRESS)
            solicitation = SendIcmp(build_icmp(AgentSolicitation()), link.interface, source, ALL_ROUTERS)
            actions += [solicitation, Noted(Reason.SOLICITATION_SENT, {"interface": link.interface})]
        return actions

    def _reconsider(self, now: Instant, again: bool = False) -> list[Action]:
        """Choose the attachment, and move if it is another; with ``again`` even if it is the same."""
        if self._state in (State.STOPPING, State.STOPPED):
            return []
        choice = choose(self._table, self._rules, self._attachment, now.mono)
        if choice.look_again is not None:
            self._timers.set(_Timer.LOOK_AGAIN, choice.look_again)
        if choice.attachment == self._attachment and not again:
            return []
        self._timers.cancel(_Timer.REATTACH)
        self._attachment = choice.attachment
        self._settled_at = None
        self._pending = None
        self._timers.cancel(_Timer.RETRY)
        self._timers.cancel(_Timer.RENEW)
        self._retry_after = _FIRST_RETRY
        self._repairs_left = _IMMEDIATE_REPAIRS
        self._lifetime_limit = Lifetime(Lifetime.INFINITE)
        match choice.attachment:
            case AtHome():
                return self._return_home(choice.attachment, now)
            case ThroughAgent():
                return self._go_through_agent(choice.attachment, now)
            case CoLocated():
                return self._go_co_located(choice.attachment, now)
            case None:
                return self._disconnect(now)

    def _disconnect(self, now: Instant) -> list[Action]:
        self._enter(State.DISCONNECTED)
        for link in self._table.links:
            if link.up and not link.agents and not self._table.is_soliciting(link):
                self._table.solicit_now(link, now.mono)
        actions: list[Action] = [Noted(Reason.DISCONNECTED), *self._leave_home(), *self._leave_tunnel()]
        return [*actions, Unroute(self._settings.home_address.ip)]

    def _return_home(self, attachment: AtHome, now: Instant) -> list[Action]:
        """s4.6, returning: answer ARP again, gratuitous ARP, then the request."""
        self._enter(State.RETURNING)
        home = self._settings.home_address
        gateway = self._settings.home_gateway or attachment.agent
        moved_link = self._leave_home(but=attachment.interface)
        self._home_links = {attachment.interface}
        return [
            Noted(Reason.MOVED_HOME, {"interface": attachment.interface, "agent": attachment.agent}),
            *moved_link,
            AttachHome(home, attachment.interface, gateway),
            *self._request_soon(now),
            *self._leave_tunnel(),
        ]

    def _go_through_agent(self, attachment: ThroughAgent, now: Instant) -> list[Action]:
        """s4.6, leaving: no more ARP for the home address, then the request; the agent is the default router."""
        self._enter(State.REGISTERING)
        fields = {
            "interface": attachment.interface,
            "agent": attachment.agent,
            "care_of_address": attachment.care_of_address,
        }
        home = self._settings.home_address.ip
        return [
            Noted(Reason.MOVED_FOREIGN, fields),
            *self._leave_home(),
            *self._request_soon(now),
            RouteThroughAgent(home, attachment.interface, attachment.agent, attachment.link_address),
            *self._leave_tunnel(),
        ]

    def _go_co_located(self, attachment: CoLocated, now: Instant) -> list[Action]:
        self._enter(State.REGISTERING)
        settings = self._settings
        home = settings.home_address.ip
        self._tunnelled = True
        fields = {"interface": attachment.interface, "care_of_address": attachment.care_of_address}
        return [
            Noted(Reason.MOVED_CO_LOCATED, fields),
            *self._leave_home(),
            *self._request_soon(now),
            InstallTunnel(
                home,
                TunnelSide.CARE_OF,
                local=attachment.care_of_address,
                remote=settings.home_agent,
                reverse=settings.reverse_tunnel,
            ),
            RouteThroughTunnel(home, attachment.interface, attachment.gateway, settings.reverse_tunnel),
        ]

    def _leave_home(self, but: str | None = None) -> list[Action]:
        """Off every link that may have the home address, except ``but``."""
        self._left_links = self._home_links - {but}
        self._home_links = set()
        return [DetachHome(self._settings.home_address, link) for link in sorted(self._left_links)]

    def _leave_tunnel(self) -> list[Action]:
        if not self._tunnelled:
            return []
        self._tunnelled = False
        return [RemoveTunnel(self._settings.home_address.ip, TunnelSide.CARE_OF)]

    # ---- requests

    def _request_soon(self, now: Instant) -> list[Action]:
        """A request now, or as soon as the one before from the same place is a second old (s3.6.3)."""
        if self._last_sent is not None:
            attachment, sent = self._last_sent
            if attachment == self._attachment and now.mono < sent + _FIRST_RETRY:
                self._timers.set(_Timer.RENEW, sent + _FIRST_RETRY)
                return []
        return self._request(now)

    def _request(self, now: Instant) -> list[Action]:
        """Send a request for where we are and what we want now; its reply, or the retry timer, comes back."""
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
        self._pending = PendingRegistration(identification, lifetime, care_of_address, now)
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
        return [self._send(payload, attachment), Noted(Reason.REQUEST_SENT, fields)]

    def _send(self, payload: bytes, attachment: Attachment) -> SendDatagram:
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
        if isinstance(attachment, AtHome) or self._state is State.STOPPING:
            return Lifetime(0)
        limits = [self._settings.lifetime, self._lifetime_limit]
        if isinstance(attachment, ThroughAgent):
            limits.append(attachment.lifetime_limit)
        return min(limits)

    def _asks_reverse_tunnel(self, attachment: Attachment) -> bool:
        if isinstance(attachment, ThroughAgent):
            return self._settings.reverse_tunnel and attachment.reverse_tunnel
        return self._settings.reverse_tunnel and isinstance(attachment, CoLocated)

    def _longest_retry(self) -> int:
        """s3.6.3: the wait should not grow beyond the requested lifetime."""
        lifetime = self._pending.lifetime if self._pending is not None else Lifetime(0)
        return min(_LONGEST_RETRY, max(_FIRST_RETRY, lifetime * NANOSECONDS)) if lifetime else _LONGEST_RETRY

    # ---- replies

    def _on_datagram(self, event: DatagramReceived, now: Instant) -> list[Action]:
        try:
            reply = parse(event.payload)
        except WireError as error:
            return [_unreadable(error, event.source.address, event.interface)]
        fields: dict[str, object] = {"source": event.source, "interface": event.interface}
        if not isinstance(reply, RegistrationReply):
            return [Noted(Reason.BAD_DESTINATION, fields)]
        pending = self._pending
        matches = (
            pending is not None
            and reply.home_address == self._settings.home_address.ip
            and reply.identification.low == pending.identification.low
        )
        if pending is None or not matches:
            return [Noted(Reason.UNMATCHED_REPLY, {**fields, "code": reply.code})]
        # s3.6.2.1 b: whatever says it comes from the home agent has to prove it.
        code = reply.reply_code
        if not _by_foreign_agent(reply) and not self._is_authentic(reply):
            return [Noted(Reason.REPLY_BAD_AUTHENTICATOR, {**fields, "code": reply.code})]
        self._pending = None
        self._timers.cancel(_Timer.RETRY)
        if code is not None and code.accepted:
            return self._on_accepted(reply, pending, now)
        return self._on_denied(reply, pending, now)

    def _is_authentic(self, reply: RegistrationReply) -> bool:
        extensions = [one for one in reply.extensions if isinstance(one, MobileHomeAuthentication)]
        if len(extensions) != 1 or extensions[0].spi != self._settings.association.spi:
            return False
        return verify(self._settings.association, reply, extensions[0])

    def _on_accepted(
        self, reply: RegistrationReply, pending: PendingRegistration, now: Instant
    ) -> list[Action]:
        self._retry_after = _FIRST_RETRY
        self._repairs_left = _IMMEDIATE_REPAIRS
        if self._settled_at is None:
            self._settled_at = now.mono
        fields: dict[str, object] = {
            "home_agent": reply.home_agent,
            "care_of_address": pending.care_of_address,
        }
        fields["round_trip_ms"] = round((now.mono - pending.sent.mono) / 1e6, 1)
        if pending.lifetime == 0:
            self._registration = None
            self._timers.cancel(_Timer.EXPIRE)
            self._enter(State.STOPPED if self._state is State.STOPPING else State.HOME)
            return [Noted(Reason.DEREGISTERED, fields)]
        if self._attachment is None:
            raise RuntimeError("a pending request has an attachment")
        granted = min(
            reply.lifetime, pending.lifetime
        )  # a home agent must not grant more than was asked (s3.8.2.2)
        registration = Registration(
            self._attachment, pending.care_of_address, granted, pending.sent, now, reply.code
        )
        self._registration = registration
        self._enter(State.REGISTERED)
        if registration.expires is None:
            self._timers.cancel(_Timer.EXPIRE)
        else:
            self._timers.set(_Timer.EXPIRE, registration.expires)
            self._timers.set(_Timer.RENEW, pending.sent.mono + self._renewal(granted))
        link = self._table.link(self._attachment.interface)
        if link is not None:
            self._table.stop_soliciting(link)
            fields["after_link_up_ms"] = round((now.mono - link.came_up) / 1e6, 1)
        reason = REASON_BY_CODE[ReplyCode(reply.code)]
        return [Noted(reason, {**fields, "lifetime": granted, "interface": self._attachment.interface})]

    def _renewal(self, granted: Lifetime) -> int:
        share = _RENEW_FROM + (_RENEW_TO - _RENEW_FROM) * int.from_bytes(self._entropy(2)) / 0xFFFF
        return max(seconds(granted * share), _FIRST_RETRY)

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
            return [*actions, *repaired, Noted(Reason.RETRYING, fields), *self._request(now)]
        # The same request again, later: the cause may pass (resources, a neighbour agent's restart, a new key).
        self._timers.set(_Timer.RETRY, now.mono + self._retry_after)
        return actions + (repaired or [])

    # ---- state

    def _enter(self, state: State) -> None:
        if self._state is State.STOPPED and state is not State.STOPPED:
            raise RuntimeError(f"a stopped mobile node cannot be {state.value}")
        self._state = state


def _by_foreign_agent(reply: RegistrationReply) -> bool:
    """By the code's meaning where we know it: RFC 5944 prints 194 for the foreign agent's 116."""
    code = reply.reply_code
    return code.from_foreign_agent if code is not None else 64 <= reply.code <= 127


def roles(advertisement: AgentAdvertisement) -> str:
    """``home``, ``foreign`` or ``home+foreign``."""
    flags = advertisement.mobility.flags
    return "+".join(name for name, on in (("home", flags.home_agent), ("foreign", flags.foreign_agent)) if on)


def agents(table: AgentTable) -> list[tuple[str, KnownAgent]]:
    """Every agent heard and not expired, with its link."""
    return [(link.interface, agent) for link in table.links for agent in link.agents.values()]


def _unreadable(error: WireError, source: IPv4Address, interface: str) -> Noted:
    return Noted(error.reason, {"source": source, "interface": interface, "detail": str(error)})
