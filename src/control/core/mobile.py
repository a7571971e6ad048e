"""The mobile node: where it is and what its host's routes say (RFC 5944 s2.4, s3.6, s4.2.1, s4.6).

One registration, kept by :mod:`.registrar`, follows the point of attachment::

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
from enum import Enum
from ipaddress import IPv4Address

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
from mobileip.control.core.registrar import (
    FIRST_RETRY,
    MobileNodeSettings,
    PendingRegistration,
    Registrar,
    Registration,
)
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_ROUTERS, ZERO_ADDRESS, Instant, seconds
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentSolicitation,
    RegistrationReply,
    WireError,
    build_icmp,
    parse,
    parse_icmp,
)

__all__ = ["MobileNode", "MobileNodeSettings", "State", "agents", "roles"]

Entropy = Callable[[int], bytes]

_FAREWELL = seconds(1)  # how long a stopping node waits for the answer to its deregistration


class State(Enum):
    DISCONNECTED = "disconnected"
    REGISTERING = "registering"
    REGISTERED = "registered"
    RETURNING = "returning"
    HOME = "home"
    STOPPING = "stopping"
    STOPPED = "stopped"


class _Timer(Enum):
    """What a mobile node waits for, beside what its agent table and its registrar wait for."""

    LOOK_AGAIN = "look-again"
    REATTACH = "reattach"
    FAREWELL = "farewell"


class MobileNode:
    """Machine: links, advertisements, replies and time in; actions out."""

    def __init__(self, settings: MobileNodeSettings, entropy: Entropy) -> None:
        self._settings = settings
        self._rules = ChoiceRules(
            settings.home_address, settings.home_agent, settings.co_located, seconds(settings.agent_wait)
        )
        self._table = AgentTable(settings.interfaces, entropy)
        self._registrar = Registrar(settings, entropy)
        self._timers: Deadlines[_Timer] = Deadlines()
        self._ending: State | None = None  # STOPPING or STOPPED
        self._attachment: Attachment | None = None
        self._home_links: set[str] = set()  # AttachHome was asked for, DetachHome not or perhaps in vain
        self._left_links: set[str] = set()  # where the latest move asked for DetachHome
        self._tunnelled = False  # a co-located tunnel entry is, or may be, installed

    # ---- what others may see

    @property
    def state(self) -> State:
        if self._ending is not None:
            return self._ending
        settled = self._registrar.settled_at is not None
        match self._attachment:
            case None:
                return State.DISCONNECTED
            case AtHome():
                return State.HOME if settled else State.RETURNING
            case _:
                return State.REGISTERED if settled else State.REGISTERING

    @property
    def home_address(self) -> IPv4Address:
        return self._settings.home_address.ip

    @property
    def home_agent(self) -> IPv4Address:
        return self._settings.home_agent

    @property
    def attachment(self) -> Attachment | None:
        return self._attachment

    @property
    def registration(self) -> Registration | None:
        return self._registrar.registration

    @property
    def pending(self) -> PendingRegistration | None:
        return self._registrar.pending

    @property
    def settled_at(self) -> int | None:
        """When (monotonic ns) the reply came that made the present attachment work; ``None`` until then."""
        return self._registrar.settled_at

    @property
    def clock_offset(self) -> int:
        """Nanoseconds by which the home agent's clock is ahead of ours, as far as its replies told."""
        return self._registrar.clock_offset

    @property
    def table(self) -> AgentTable:
        return self._table

    def next_deadline(self) -> int | None:
        if self._ending is State.STOPPED:
            return None
        deadlines = (self._timers.next(), self._table.next_deadline(), self._registrar.next_deadline())
        return min((mono for mono in deadlines if mono is not None), default=None)

    # ---- events

    def handle(self, event: Event, now: Instant) -> list[Action]:
        if self._ending is State.STOPPED:
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
        if news is AgentNews.REBOOTED and ours and self.pending is None:
            fields = {"interface": link.interface, "agent": event.source}
            actions += [Noted(Reason.AGENT_REBOOTED, fields), *self._registrar.request_soon(now)]
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
            match timer:
                case _Timer.REATTACH:
                    actions += self._reconsider(now, again=True)
                case _Timer.FAREWELL:
                    self._ending = State.STOPPED
                case _Timer.LOOK_AGAIN:
                    pass  # that is what the tick has done already
        if self._ending is not State.STOPPED:
            actions += self._registrar.on_tick(now)
        return actions + self._solicit(now)

    def _on_action_failed(self, event: ActionFailed, now: Instant) -> list[Action]:
        """What the kernel refused is tried again after a second; a renewal that could not be sent, by its own timer.

        With the first request from a new place everything after it in the list is undone yet: that is a failed move.
        """
        renewal = isinstance(event.action, SendDatagram) and self.state is State.REGISTERED
        if not renewal and not isinstance(event.action, SendIcmp | Noted):
            self._registrar.hold()
            self._timers.set(_Timer.REATTACH, now.mono + FIRST_RETRY)
            # What was behind it was not done: the move that is made again removes what this one may have left.
            self._home_links |= self._left_links
            self._tunnelled = True
        fields = {"action": type(event.action).__name__, "error": event.error}
        return [Noted(Reason.ACTION_FAILED, fields)]

    def _on_stopping(self, now: Instant) -> list[Action]:
        """Leave service: deregister the binding, wait a moment for the answer (s3.6.1.2)."""
        bound = self.registration is not None or self.pending is not None
        if not bound or self._attachment is None or isinstance(self._attachment, AtHome):
            self._ending = State.STOPPED
            return []
        self._ending = State.STOPPING
        self._timers.set(_Timer.FAREWELL, now.mono + _FAREWELL)
        return self._registrar.leave(now)

    def _on_datagram(self, event: DatagramReceived, now: Instant) -> list[Action]:
        try:
            reply = parse(event.payload)
        except WireError as error:
            return [_unreadable(error, event.source.address, event.interface)]
        if not isinstance(reply, RegistrationReply):
            fields = {"source": event.source, "interface": event.interface}
            return [Noted(Reason.BAD_DESTINATION, fields)]
        was_settled = self.settled_at is not None
        actions = self._registrar.on_reply(reply, event, now)
        if self.settled_at is not None and not was_settled:
            self._on_settled()
        return actions

    def _on_settled(self) -> None:
        """The present place works."""
        if self._ending is State.STOPPING:
            self._ending = State.STOPPED
        link = None if self._attachment is None else self._table.link(self._attachment.interface)
        if link is not None:
            self._table.stop_soliciting(link)

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
        if self._ending is not None:
            return []
        choice = choose(self._table, self._rules, self._attachment, now.mono)
        if choice.look_again is not None:
            self._timers.set(_Timer.LOOK_AGAIN, choice.look_again)
        if choice.attachment == self._attachment and not again:
            return []
        self._timers.cancel(_Timer.REATTACH)
        self._attachment = choice.attachment
        self._registrar.attach(choice.attachment)
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
        for link in self._table.links:
            if link.up and not link.agents and not self._table.is_soliciting(link):
                self._table.solicit_now(link, now.mono)
        actions: list[Action] = [Noted(Reason.DISCONNECTED), *self._leave_home(), *self._leave_tunnel()]
        return [*actions, Unroute(self._settings.home_address.ip)]

    def _return_home(self, attachment: AtHome, now: Instant) -> list[Action]:
        """s4.6, returning: answer ARP again, gratuitous ARP, then the request."""
        home = self._settings.home_address
        gateway = self._settings.home_gateway or attachment.agent
        moved_link = self._leave_home(but=attachment.interface)
        self._home_links = {attachment.interface}
        return [
            Noted(Reason.MOVED_HOME, {"interface": attachment.interface, "agent": attachment.agent}),
            *moved_link,
            AttachHome(home, attachment.interface, gateway),
            *self._registrar.request_soon(now),
            *self._leave_tunnel(),
        ]

    def _go_through_agent(self, attachment: ThroughAgent, now: Instant) -> list[Action]:
        """s4.6, leaving: no more ARP for the home address, then the request; the agent is the default router."""
        fields = {
            "interface": attachment.interface,
            "agent": attachment.agent,
            "care_of_address": attachment.care_of_address,
        }
        home = self._settings.home_address.ip
        return [
            Noted(Reason.MOVED_FOREIGN, fields),
            *self._leave_home(),
            *self._registrar.request_soon(now),
            RouteThroughAgent(home, attachment.interface, attachment.agent, attachment.link_address),
            *self._leave_tunnel(),
        ]

    def _go_co_located(self, attachment: CoLocated, now: Instant) -> list[Action]:
        settings = self._settings
        home = settings.home_address.ip
        self._tunnelled = True
        fields = {"interface": attachment.interface, "care_of_address": attachment.care_of_address}
        return [
            Noted(Reason.MOVED_CO_LOCATED, fields),
            *self._leave_home(),
            *self._registrar.request_soon(now),
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


def roles(advertisement: AgentAdvertisement) -> str:
    """``home``, ``foreign`` or ``home+foreign``."""
    flags = advertisement.mobility.flags
    return "+".join(name for name, on in (("home", flags.home_agent), ("foreign", flags.foreign_agent)) if on)


def agents(table: AgentTable) -> list[tuple[str, KnownAgent]]:
    """Every agent heard and not expired, with its link."""
    return [(link.interface, agent) for link in table.links for agent in link.agents.values()]


def _unreadable(error: WireError, source: IPv4Address, interface: str) -> Noted:
    return Noted(error.reason, {"source": source, "interface": interface, "detail": str(error)})
