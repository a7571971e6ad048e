"""Machines that are wrong on purpose: each breaks one invariant, and the oracle has to see it.

A fault stands before or behind a machine, or in its configuration, so that it stays the same fault whatever is changed
inside.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from mobileip.control.core.actions import (
    Action,
    DetachHome,
    InstallTunnel,
    ReleaseAddress,
    RemoveBindingRoute,
    RemoveTunnel,
    RemoveVisitorRoute,
    SendDatagram,
    TunnelSide,
)
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import DatagramReceived, Event, Tick
from mobileip.control.core.mobile import MobileNode
from mobileip.control.security import MobilitySecurityAssociation, ReplayMethod
from mobileip.control.types import Instant
from tests.sim.invariants import Invariant
from tests.sim.signatures import CHALLENGE, REPLY, extensions, kind_of, signed_anew

if TYPE_CHECKING:
    from tests.sim.internet import Internet

Before = Callable[["Internet", Event], Event]
Behind = Callable[[Event, list[Action]], list[Action]]


def _as_it_is(net: Internet, event: Event) -> Event:
    return event


def _all(event: Event, actions: list[Action]) -> list[Action]:
    return actions


@dataclass(frozen=True, slots=True)
class Fault:
    """``before`` changes what a machine hears, ``behind`` what it does; ``where`` is the start of its host's name.

    ``restless``: the machine always wants a tick at once.
    """

    name: str
    breaks: Invariant
    where: str = ""
    before: Before = _as_it_is
    behind: Behind = _all
    restless: bool = False
    replay: ReplayMethod | None = None  # of every association of a home agent

    def agent(self, net: Internet, name: str, machine: MobilityAgents) -> MobilityAgents:
        return cast(MobilityAgents, self._meddled(net, name, machine))

    def mobile(self, net: Internet, name: str, machine: MobileNode) -> MobileNode:
        return cast(MobileNode, self._meddled(net, name, machine))

    def association(self, association: MobilitySecurityAssociation) -> MobilitySecurityAssociation:
        return association if self.replay is None else replace(association, replay=self.replay)

    def _meddled(self, net: Internet, name: str, machine: MobilityAgents | MobileNode) -> object:
        if self is HONEST or not name.startswith(self.where):
            return machine
        return _Meddled(machine, net, self)


class _Meddled:
    """Everything else is the machine's own."""

    def __init__(self, machine: MobilityAgents | MobileNode, net: Internet, fault: Fault) -> None:
        self._machine, self._net, self._fault = machine, net, fault

    def handle(self, event: Event, now: Instant) -> list[Action]:
        actions = self._machine.handle(self._fault.before(self._net, event), now)
        return self._fault.behind(event, actions)

    def next_deadline(self) -> int | None:
        return 0 if self._fault.restless else self._machine.next_deadline()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)


HONEST = Fault("none", Invariant.ALIVE)


# ---- what goes wrong


def _signed_anew(net: Internet, event: Event) -> Event:
    """As if no authenticator were ever checked: whatever comes is right when it gets to the machine."""
    if not isinstance(event, DatagramReceived) or kind_of(event.payload) is None:
        return event
    return replace(event, payload=signed_anew(event.payload, net.associations_of(event.payload)))


def _without(*kinds: type[Action]) -> Behind:
    def behind(event: Event, actions: list[Action]) -> list[Action]:
        return [action for action in actions if not isinstance(action, kinds)]

    return behind


def _replies_again(event: Event, actions: list[Action]) -> list[Action]:
    replies = [one for one in actions if isinstance(one, SendDatagram) and one.payload[:1] == b"\x03"]
    return [*actions, *replies]


def _only_accepts(event: Event, actions: list[Action]) -> list[Action]:
    """No denial leaves."""
    return [one for one in actions if not (isinstance(one, SendDatagram) and one.payload[1] > 8)]


def _never_again(event: Event, actions: list[Action]) -> list[Action]:
    """Neither renewals nor retransmissions."""
    return [one for one in actions if not (isinstance(event, Tick) and isinstance(one, SendDatagram))]


def _asks_twice(event: Event, actions: list[Action]) -> list[Action]:
    return [*actions, *(one for one in actions if isinstance(one, SendDatagram))]


def _turns(event: Event, actions: list[Action]) -> list[Action]:
    """A request is sent on with another lifetime."""
    return [
        replace(one, payload=one.payload[:2] + b"\x00\x01" + one.payload[4:])
        if isinstance(one, SendDatagram) and one.payload[:1] == b"\x01"
        else one
        for one in actions
    ]


def _tells_no_challenge(event: Event, actions: list[Action]) -> list[Action]:
    """A reply ends where the challenge for the next request would be."""
    return [
        replace(one, payload=one.payload[: _before_challenge(one.payload)])
        if isinstance(one, SendDatagram) and kind_of(one.payload) == REPLY
        else one
        for one in actions
    ]


def _before_challenge(payload: bytes) -> int:
    return next((start for kind, start, _ in extensions(payload) if kind == CHALLENGE), len(payload))


def _leads_elsewhere(event: Event, actions: list[Action]) -> list[Action]:
    """The home agent's tunnel has another end than the one that was asked for."""
    return [
        replace(one, remote=one.remote + 1)
        if isinstance(one, InstallTunnel) and one.side is TunnelSide.HOME
        else one
        for one in actions
    ]


def _stumbles(event: Event, actions: list[Action]) -> list[Action]:
    """Short datagrams are too much."""
    if isinstance(event, DatagramReceived):
        struct.unpack_from("!20s", event.payload)
    return actions


def _no_tunnel(event: Event, actions: list[Action]) -> list[Action]:
    """What the home agent accepted has no tunnel."""
    return [one for one in actions if not (isinstance(one, InstallTunnel) and one.side is TunnelSide.HOME)]


FAULTS = (
    Fault("home agent checks no authenticator", Invariant.AUTHENTICATED, "h", before=_signed_anew),
    Fault("mobile node checks no authenticator", Invariant.AUTHENTICATED, "mn", before=_signed_anew),
    Fault("home agent replies twice", Invariant.ANSWERED, "h", behind=_replies_again),
    Fault("home agent has no memory of requests", Invariant.FRESH, replay=ReplayMethod.NONE),
    Fault("home agent leads elsewhere", Invariant.GRANTED, "h", behind=_leads_elsewhere),
    Fault("home agent forgets to remove routes", Invariant.ROUTED, "h", behind=_without(RemoveBindingRoute)),
    Fault("home agent forgets to release addresses", Invariant.ROUTED, "h", behind=_without(ReleaseAddress)),
    Fault("agents forget to remove tunnels", Invariant.ROUTED, behind=_without(RemoveTunnel)),
    Fault(
        "foreign agent forgets to remove routes", Invariant.ROUTED, "fa", behind=_without(RemoveVisitorRoute)
    ),
    Fault("home agent makes no tunnel", Invariant.ROUTED, "h", behind=_no_tunnel),
    Fault("foreign agent changes what it relays", Invariant.RELAYED, "fa", behind=_turns),
    Fault(
        "foreign agent tells no challenge in replies",
        Invariant.CHALLENGED,
        "fa",
        behind=_tells_no_challenge,
    ),
    Fault("mobile node asks twice", Invariant.PACED, "mn", behind=_asks_twice),
    Fault("mobile node forgets to leave home", Invariant.PLACED, "mn", behind=_without(DetachHome)),
    Fault("foreign agent has no rest", Invariant.TIMED, "fa", restless=True),
    Fault("agents do not survive short datagrams", Invariant.ALIVE, behind=_stumbles),
    Fault("mobile node never asks again", Invariant.REACHABLE, "mn", behind=_never_again),
    Fault("home agent never tells why not", Invariant.REACHABLE, "h", behind=_only_accepts),
)
