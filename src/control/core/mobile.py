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
from mobileip.control.core.discovery import AgentTable
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
from mobileip.control.core.registrar import FIRST_RETRY, Registrar
from mobileip.control.core.registrars import Registrars
from mobileip.control.core.registration import PendingRegistration, Registration, Verdict
from mobileip.control.core.repairs import TunnelAsked
from mobileip.control.core.surroundings import Surroundings, unreadable
from mobileip.control.core.ways import Ways
from mobileip.control.reasons import Reason
from mobileip.control.types import Instant, seconds
from mobileip.control.wire import (
    RegistrationReply,
    WireError,
    parse,
)

__all__ = ["MobileNode", "MobileNodeSettings", "State"]

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
    """What a mobile node waits for, beside what its agent table and its registrars wait for."""

    LOOK_AGAIN = "look-again"
    REATTACH = "reattach"
    FAREWELL = "farewell"


class MobileNode:
    """Machine: links, advertisements, replies and time in; actions out."""

    def __init__(self, settings: MobileNodeSettings, entropy: Entropy) -> None:
        self._settings = settings
        self._identity = Identity(settings, entropy)
        self._around = Surroundings(settings, entropy, self._identity)
        self._ways = Ways(self._identity, settings)
        self._registrars = Registrars(settings, self._identity, self._around.refusals, entropy)
        self._timers: Deadlines[_Timer] = Deadlines()
        self._ending: State | None = None  # STOPPING or STOPPED
        self._attachment: Attachment | None = None

    def reconfigure(self, settings: MobileNodeSettings) -> None:
        """Other keys, lifetimes and preferences; they count from the next request or tick on."""
        self._identity.reconfigure(settings)
        self._settings = settings
        self._around.reconfigure(settings)
        self._registrars.reconfigure(settings)

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
        return self._registrars.coming

    @property
    def _registrar(self) -> Registrar:
        """Of the present place."""
        return self._registrars.present

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
        return self._around.table

    def next_deadline(self) -> int | None:
        if self._ending is State.STOPPED:
            return None
        deadlines = [self._timers.next(), self.table.next_deadline(), *self._registrars.next_deadlines()]
        return min((mono for mono in deadlines if mono is not None), default=None)

    # ---- events

    def handle(self, event: Event, now: Instant) -> list[Action]:
        actions = self._handle(event, now)
        self._around.seek_challenges(now)
        return actions

    def _handle(self, event: Event, now: Instant) -> list[Action]:
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
        if self.table.link(event.interface) is None:
            return []
        actions: list[Action] = []
        replaced = self._around.replaced(event, now)
        if replaced is not None:
            actions += [replaced, *self._reconsider(now)]
        actions += self._around.change(event, now)
        return actions + self._reconsider(now) + self._around.solicit(now)

    def _on_icmp(self, event: IcmpReceived, now: Instant) -> list[Action]:
        heard = self._around.hear(event, now)
        if not heard.is_news:
            return [*heard.noted]
        actions = [*heard.noted, *self._reconsider(now), *self._registrars.on_challenge(now)]
        relay = relay_of(self._attachment)
        ours = relay is not None and (relay.interface, relay.agent) == (event.interface, event.source)
        if heard.rebooted and ours and self.pending is None:
            fields = {"interface": event.interface, "agent": event.source}
            actions += [Noted(Reason.AGENT_REBOOTED, fields), *self._registrar.request_soon(now)]
        return actions

    def _on_tick(self, now: Instant) -> list[Action]:
        actions = self._around.lose(now)
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
            actions += self._registrars.on_tick(now)
        actions += self._reconsider(now)  # who let too many requests go unanswered is left for another
        return actions + self._around.solicit(now)

    def _on_action_failed(self, event: ActionFailed, now: Instant) -> list[Action]:
        """What the kernel refused is tried again after a second; a renewal that could not be sent, by its own timer.

        With the first request from a new place everything after it in the list is undone yet: that is a failed move.
        """
        renewal = isinstance(event.action, SendDatagram) and self.state is State.REGISTERED
        if not renewal and not isinstance(event.action, SendIcmp | Noted):
            self._registrar.hold()
            self._timers.set(_Timer.REATTACH, now.mono + FIRST_RETRY)
            self._ways.failed()
        return [Noted(Reason.ACTION_FAILED, {"action": type(event.action).__name__, "error": event.error})]

    def _on_stopping(self, now: Instant) -> list[Action]:
        """Leave service: deregister what is bound, wait a moment for the answer (s3.6.1.2)."""
        several = self._registrars.forget_others()
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
            return [unreadable(error, event.source.address, event.interface)]
        if not isinstance(reply, RegistrationReply):
            fields = {"source": event.source, "interface": event.interface}
            return [Noted(Reason.BAD_DESTINATION, fields)]
        registrar = self._registrars.awaiting(reply)
        was_settled = registrar.settled_at is not None
        verdict = registrar.on_reply(reply, event, now)
        if self._registrars.is_going(registrar):
            if registrar.settled_at is not None:
                self._registrars.gone()
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
        self._around.refusals.add(verdict.refused, now.mono)
        moved = self._reconsider(now)
        return [verdict.denial.said("elsewhere")] if moved else verdict.denied, moved

    def _on_settled(self, registrar: Registrar, now: Instant) -> list[Action]:
        """The place works that ``registrar`` asked for."""
        if self._ending is State.STOPPING:
            self._ending = State.STOPPED
        arrived = self._registrars.is_coming(registrar)
        place = self._registrars.coming if arrived else self._attachment
        link = None if place is None else self.table.link(place.interface)
        if link is not None:
            self.table.stop_soliciting(link)
        relay = relay_of(place)
        if relay is not None and registrar.registration is not None:
            self._around.refusals.accepted(
                relay.interface, relay.agent, registrar.registration.care_of_address
            )
        return self._arrive(place, now) if arrived else []

    # ---- movement

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
        choice = choose(self.table, self._rules(), self._around.refusals, situation)
        if choice.look_again is not None:
            self._timers.set(_Timer.LOOK_AGAIN, choice.look_again)
        target = choice.attachment
        if target == self._attachment and not again:
            return self._registrars.stay(now)
        if target is not None and self._can_wait(target):
            return self._registrars.approach(target, now)
        return self._move(target, now)

    def _move(self, target: Attachment | None, now: Instant) -> list[Action]:
        """Leave the present place at once for ``target``."""
        self._timers.cancel(_Timer.REATTACH)
        self._attachment = target
        request = self._registrars.move(target, now)
        if target is None:
            self._around.search(now)
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
            and is_usable(self.table, current)
        )

    def _arrive(self, attachment: Attachment | None, now: Instant) -> list[Action]:
        """The new binding is made: the routes change, then the old binding may go."""
        self._attachment = attachment
        farewell = self._registrars.arrive(now)
        return [*self._ways.enter(attachment, [], self._registrar.tunnel), *farewell]
