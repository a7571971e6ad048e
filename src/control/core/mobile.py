"""The mobile node: where it is and how it gets from place to place (RFC 5944 s2.4, s3.6, s4.2.1, s4.6).

One registration, kept by :mod:`.registrar`, follows the point of attachment::

                      link and agent or address                accepted
    DISCONNECTED ──────────────────────────────► REGISTERING ───────────► REGISTERED ─┐ renew: a request is
      ▲   ▲  home agent heard                        ▲  lifetime over          │  ▲   │ pending, the state stays
      │   └────────────────┐                         └─────────────────────────┘  └───┘
      │ nothing usable     ▼               accepted
      └────────────── RETURNING ──────────────────────► HOME
                     (deregistering)

Every state but STOPPED leads to any other by a move. :mod:`.attachment` chooses the place, :mod:`.ways` says what the
kernel has to do there.

With ``simultaneous`` a move to a better link is made before the old one is given up: a second registrar registers there
with the S bit, and when it is accepted the routes change and the old binding is deregistered (s3.6.1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

from mobileip.control.core.actions import Action, Noted, SendDatagram, SendIcmp
from mobileip.control.core.attachment import (
    AtHome,
    Attachment,
    ChoiceRules,
    CoLocated,
    Situation,
    ThroughAgent,
    choose,
    is_usable,
    relay_of,
)
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.core.discovery import AgentNews, AgentTable, Link, roles
from mobileip.control.core.events import (
    ActionFailed,
    DatagramReceived,
    Event,
    IcmpReceived,
    LinkChanged,
    Stopping,
    Tick,
)
from mobileip.control.core.identity import Entropy, Identity, MobileNodeSettings
from mobileip.control.core.refusals import Refusals
from mobileip.control.core.registrar import (
    FIRST_RETRY,
    PendingRegistration,
    Registrar,
    Registration,
    Verdict,
)
from mobileip.control.core.repairs import TunnelAsked
from mobileip.control.core.ways import Ways, place
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_ROUTERS, LIMITED_BROADCAST, ZERO_ADDRESS, Instant, seconds
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentSolicitation,
    RegistrationReply,
    WireError,
    build_icmp,
    parse,
    parse_icmp,
)

__all__ = ["MobileNode", "MobileNodeSettings", "State"]

_FAREWELL = seconds(1)  # how long a stopping node waits for the answer to its deregistration
_LAST_TRIES = 3  # requests to deregister a binding that we have left


class State(Enum):
    DISCONNECTED = "disconnected"
    REGISTERING = "registering"
    REGISTERED = "registered"
    RETURNING = "returning"
    HOME = "home"
    STOPPING = "stopping"
    STOPPED = "stopped"


class _Timer(Enum):
    """What a mobile node waits for, beside what its agent table and its registrars wait for."""

    LOOK_AGAIN = "look-again"
    REATTACH = "reattach"
    FAREWELL = "farewell"


@dataclass(frozen=True, slots=True)
class _Coming:
    """A place that is registered while the present one still works."""

    attachment: Attachment
    registrar: Registrar


class MobileNode:
    """Machine: links, advertisements, replies and time in; actions out."""

    def __init__(self, settings: MobileNodeSettings, entropy: Entropy) -> None:
        self._settings = settings
        self._entropy = entropy
        self._identity = Identity(settings, entropy)
        self._table = AgentTable(settings.interfaces, entropy, settings.no_router_discovery)
        self._refusals = Refusals()
        self._ways = Ways(self._identity, settings)
        self._registrar = self._new_registrar()
        self._coming: _Coming | None = None
        self._spare: Registrar | None = None  # of a coming place given up: knows when it asked last (s3.6.3)
        self._going: Registrar | None = None  # deregisters the place that was left last
        self._timers: Deadlines[_Timer] = Deadlines()
        self._ending: State | None = None  # STOPPING or STOPPED
        self._attachment: Attachment | None = None

    def reconfigure(self, settings: MobileNodeSettings) -> None:
        """Other keys, lifetimes and preferences; they count from the next request or tick on."""
        self._identity.reconfigure(settings)
        self._settings = settings
        for registrar in self._registrars():
            registrar.reconfigure(settings)

    def _new_registrar(self) -> Registrar:
        return Registrar(self._settings, self._identity, self._entropy)

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
        """0.0.0.0 while the node has none."""
        return self._identity.home_address

    @property
    def home_agent(self) -> IPv4Address:
        """The home network's broadcast address while none is known."""
        return self._identity.asked_home_agent

    @property
    def nai(self) -> str | None:
        return self._settings.nai

    @property
    def attachment(self) -> Attachment | None:
        return self._attachment

    @property
    def coming(self) -> Attachment | None:
        """Where the node registers while the present attachment still works."""
        return None if self._coming is None else self._coming.attachment

    @property
    def registration(self) -> Registration | None:
        return self._registrar.registration

    @property
    def pending(self) -> PendingRegistration | None:
        return self._registrar.pending

    @property
    def tunnel(self) -> TunnelAsked:
        return self._registrar.tunnel

    @property
    def settled_at(self) -> int | None:
        """When (monotonic ns) the reply came that made the present attachment work; ``None`` until then."""
        return self._registrar.settled_at

    @property
    def clock_offset(self) -> int:
        """Nanoseconds by which the home agent's clock is ahead of ours, as far as its replies told."""
        return self._identity.clock_offset

    @property
    def table(self) -> AgentTable:
        return self._table

    def next_deadline(self) -> int | None:
        if self._ending is State.STOPPED:
            return None
        deadlines = [self._timers.next(), self._table.next_deadline()]
        deadlines += [registrar.next_deadline() for registrar in self._registrars()]
        return min((mono for mono in deadlines if mono is not None), default=None)

    def _registrars(self) -> list[Registrar]:
        registrars = [self._registrar]
        if self._coming is not None:
            registrars.append(self._coming.registrar)
        if self._going is not None:
            registrars.append(self._going)
        return registrars

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
        actions: list[Action] = []
        if link.is_another(event.up, event.gateway, event.gateway_link):
            fields = {"interface": link.interface, "gateway": event.gateway}
            actions.append(Noted(Reason.LINK_REPLACED, fields))
            link.change(False, link.addresses, None, now.mono)  # as if it had gone and come
            actions += self._reconsider(now)
        was_up, starting = link.up, not link.known
        came_up = link.change(event.up, event.addresses, event.gateway, now.mono)
        link.gateway_link = event.gateway_link
        if came_up:
            actions.append(Noted(Reason.LINK_UP, {"interface": link.interface}))
            self._refusals.forget(link.interface)
            delay = seconds(self._settings.solicitation_delay) if starting else 0
            self._table.solicit_now(link, now.mono, delay)
        elif was_up and not event.up:
            actions.append(Noted(Reason.LINK_DOWN, {"interface": link.interface}))
            self._table.stop_soliciting(link)
        return actions + self._reconsider(now) + self._solicit(now)

    def _on_icmp(self, event: IcmpReceived, now: Instant) -> list[Action]:
        link = self._table.link(event.interface)
        if link is None or not link.up:
            return []
        if not self._table.is_for_us(link, event.destination, now.mono):
            return [Noted(Reason.BAD_DESTINATION, {"source": event.source, "interface": event.interface})]
        try:
            message = parse_icmp(event.payload)
        except WireError as error:
            if error.reason is Reason.NOT_AN_AGENT and self._table.hear_plain(link, event.payload, now.mono):
                return self._reconsider(now)
            return [_unreadable(error, event.source, event.interface)]
        if not isinstance(message, AgentAdvertisement):
            return []
        self._table.hear_routers(link, message.router_addresses, message.lifetime, now.mono)
        news = self._table.hear(link, event.source, event.link_source, message, now.mono)
        actions: list[Action] = []
        fields = {"interface": link.interface, "agent": event.source}
        if news is AgentNews.NEW:
            actions.append(Noted(Reason.AGENT_DISCOVERED, {**fields, "roles": roles(message)}))
        elif news is AgentNews.WITHDRAWN:
            actions.append(self._lost(link, event.source, now))
        actions += self._reconsider(now)
        relay = relay_of(self._attachment)
        ours = relay is not None and (relay.interface, relay.agent) == (link.interface, event.source)
        if news is AgentNews.REBOOTED and ours and self.pending is None:
            actions += [Noted(Reason.AGENT_REBOOTED, fields), *self._registrar.request_soon(now)]
        return actions

    def _lost(self, link: Link, agent: IPv4Address, now: Instant) -> Noted:
        if not link.agents:
            self._table.solicit_now(link, now.mono)
        return Noted(Reason.AGENT_LOST, {"interface": link.interface, "agent": agent})

    def _on_tick(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        for link, agent in self._table.lose(now.mono):
            actions.append(self._lost(link, agent.address, now))
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
            for registrar in self._registrars():
                actions += registrar.on_tick(now)
        if self._going is not None and self._going.silences >= _LAST_TRIES:
            self._going = None  # the binding runs out by itself
        return actions + self._solicit(now)

    def _on_action_failed(self, event: ActionFailed, now: Instant) -> list[Action]:
        """What the kernel refused is tried again after a second; a renewal that could not be sent, by its own timer.

        With the first request from a new place everything after it in the list is undone yet: that is a failed move.
        """
        renewal = isinstance(event.action, SendDatagram) and self.state is State.REGISTERED
        if not renewal and not isinstance(event.action, SendIcmp | Noted):
            self._registrar.hold()
            self._timers.set(_Timer.REATTACH, now.mono + FIRST_RETRY)
            self._ways.failed()
        fields = {"action": type(event.action).__name__, "error": event.error}
        return [Noted(Reason.ACTION_FAILED, fields)]

    def _on_stopping(self, now: Instant) -> list[Action]:
        """Leave service: deregister what is bound, wait a moment for the answer (s3.6.1.2)."""
        several = self._coming is not None or self._going is not None
        self._coming = self._going = None
        bound = self.registration is not None or self.pending is not None
        nowhere = self._attachment is None or isinstance(self._attachment, AtHome)
        if not bound or nowhere or self._identity.home is None:
            self._ending = State.STOPPED
            return []
        self._ending = State.STOPPING
        self._timers.set(_Timer.FAREWELL, now.mono + _FAREWELL)
        return self._registrar.leave(now, everything=several)

    def _on_datagram(self, event: DatagramReceived, now: Instant) -> list[Action]:
        try:
            reply = parse(event.payload)
        except WireError as error:
            return [_unreadable(error, event.source.address, event.interface)]
        if not isinstance(reply, RegistrationReply):
            fields = {"source": event.source, "interface": event.interface}
            return [Noted(Reason.BAD_DESTINATION, fields)]
        awaiting = (registrar for registrar in self._registrars() if registrar.awaits(reply))
        registrar = next(awaiting, self._registrar)
        was_settled = registrar.settled_at is not None
        verdict = registrar.on_reply(reply, event, now)
        if registrar is self._going:
            self._going = None if registrar.settled_at is not None else registrar
            return verdict.denied + verdict.actions
        actions = verdict.actions
        if registrar.settled_at is not None and not was_settled:
            actions += self._on_settled(registrar, now)
        if self._ending is not None:
            return verdict.denied + actions
        if verdict.assigned:
            actions += self._ways.adopt()
        if registrar is self._registrar:
            actions += self._ways.follow(self._attachment, registrar.tunnel)
        told, moved = self._on_refused(verdict, now)
        return [*told, *actions, *moved]

    def _on_refused(self, verdict: Verdict, now: Instant) -> tuple[list[Action], list[Action]]:
        """The foreign agent will not have us: go elsewhere if there is an elsewhere; what to log, what to do."""
        if verdict.refused is None or verdict.denial is None:
            return verdict.denied, []
        self._refusals.add(verdict.refused, now.mono)
        moved = self._reconsider(now)
        return [verdict.denial.said("elsewhere")] if moved else verdict.denied, moved

    def _on_settled(self, registrar: Registrar, now: Instant) -> list[Action]:
        """The place works that ``registrar`` asked for."""
        if self._ending is State.STOPPING:
            self._ending = State.STOPPED
        coming = self._coming
        place = coming.attachment if coming and coming.registrar is registrar else self._attachment
        link = None if place is None else self._table.link(place.interface)
        if link is not None:
            self._table.stop_soliciting(link)
        relay = relay_of(place)
        if relay is not None and registrar.registration is not None:
            self._refusals.accepted(relay.interface, relay.agent, registrar.registration.care_of_address)
        return self._switch(coming, now) if coming and coming.registrar is registrar else []

    # ---- movement

    def _solicit(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        for link in self._table.solicitations(now.mono):
            source = next((address.ip for address in link.addresses), ZERO_ADDRESS)
            broadcast = link.interface in self._settings.solicit_by_broadcast
            group = LIMITED_BROADCAST if broadcast else ALL_ROUTERS
            solicitation = SendIcmp(build_icmp(AgentSolicitation()), link.interface, source, group)
            actions += [solicitation, Noted(Reason.SOLICITATION_SENT, {"interface": link.interface})]
        return actions

    def _rules(self) -> ChoiceRules:
        settings, identity = self._settings, self._identity
        return ChoiceRules(
            identity.home,
            identity.home_agent,
            settings.co_located,
            seconds(settings.agent_wait),
            settings.agents,
            seconds(settings.hold_down),
        )

    def _reconsider(self, now: Instant, again: bool = False) -> list[Action]:
        """Choose the attachment, and move if it is another; with ``again`` even if it is the same."""
        if self._ending is not None:
            return []
        situation = Situation(self._attachment, self._registrar.settled_at is not None, now.mono)
        choice = choose(self._table, self._rules(), self._refusals, situation)
        if choice.look_again is not None:
            self._timers.set(_Timer.LOOK_AGAIN, choice.look_again)
        target = choice.attachment
        if target == self._attachment and not again:
            return self._stay(now)
        if target is not None and self._can_wait(target):
            return self._approach(target, now)
        return self._move(target, now)

    def _move(self, target: Attachment | None, now: Instant) -> list[Action]:
        """Leave the present place at once for ``target``."""
        self._timers.cancel(_Timer.REATTACH)
        coming, self._coming = self._coming, None
        self._going = None
        self._attachment = target
        if coming is not None and coming.attachment == target:
            coming.registrar.keep_others(False)
            self._registrar = coming.registrar  # its request is on its way
            request: list[Action] = []
        else:
            self._spare = self._spare if coming is None else coming.registrar
            self._registrar.attach(target)
            request = self._registrar.request_soon(now)
        if target is None:
            for link in self._table.links:
                if link.up and not link.agents and not self._table.is_soliciting(link):
                    self._table.solicit_now(link, now.mono)
        return self._ways.enter(target, request, self._registrar.tunnel)

    # ---- make before break

    def _can_wait(self, target: Attachment) -> bool:
        """Whether ``target`` can be registered while we stay where we are: two foreign links, both working."""
        current = self._attachment
        return (
            self._settings.simultaneous
            and isinstance(current, ThroughAgent | CoLocated)
            and isinstance(target, ThroughAgent | CoLocated)
            and target.interface != current.interface
            and self._registrar.settled_at is not None
            and is_usable(self._table, current)
        )

    def _approach(self, target: Attachment, now: Instant) -> list[Action]:
        """Register at ``target`` beside the present binding."""
        if self._coming is not None and self._coming.attachment == target:
            return []
        before = self._spare if self._coming is None else self._coming.registrar
        if self._going is not None and self._going.is_at(target):
            before, self._going = (
                self._going,
                None,
            )  # said again, its farewell would remove what is asked for now
        self._coming, self._spare = _Coming(target, before or self._new_registrar()), None
        registrar = self._coming.registrar
        registrar.attach(target)
        registrar.keep_others(True)
        self._registrar.keep_others(True)  # a renewal meanwhile must not remove the other one
        fields = {"interface": target.interface, **place(target)}
        return [Noted(Reason.REGISTERING_BESIDE, fields), *registrar.request_soon(now)]

    def _switch(self, coming: _Coming, now: Instant) -> list[Action]:
        """The new binding is made: routes, then the old binding is given up if the home agent kept it."""
        old, self._registrar = self._registrar, coming.registrar
        self._coming = None
        self._attachment = coming.attachment
        self._registrar.keep_others(False)
        actions = self._ways.enter(coming.attachment, [], self._registrar.tunnel)
        if self._registrar.registration is None or not self._registrar.registration.beside:
            return actions
        self._going = old
        return [*actions, *old.leave(now)]

    def _stay(self, now: Instant) -> list[Action]:
        """The other place is no longer better. What it has registered, a request without S bit removes."""
        if self._coming is None:
            return []
        self._spare = self._coming.registrar
        self._coming = None
        self._registrar.keep_others(False)
        return self._registrar.request_soon(now)


def _unreadable(error: WireError, source: IPv4Address, interface: str) -> Noted:
    return Noted(error.reason, {"source": source, "interface": interface, "detail": str(error)})
