"""A whole internet of machines on a virtual clock: seeded, repeatable, with nothing real in it.

::

                     correspondent
                           │
        ───────────────── core ──────────────────────────
          │            │             │             │
         ha          fa1           fa2          router
          │ home       │ visited1    │ visited2    │ visited3 (no agent: co-located)
        ──┴──        ──┴──         ──┴──         ──┴──
          └─────────────┴──── mobile nodes ────────┘

The machines are the real ones. The world hands them events, performs their actions on a :class:`Kernel` each, carries
their messages with delay, loss, duplication and reordering, and tells an :class:`Oracle` of every action and event.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from ipaddress import IPv4Address
from itertools import count
from random import Random
from typing import NoReturn

from mobileip.control.core.actions import (
    Action,
    AttachHome,
    ClaimAddress,
    InstallBindingRoute,
    InstallTunnel,
    InstallVisitorRoute,
    LookupKey,
    Noted,
    ReleaseAddress,
    RouteThroughAgent,
    RouteThroughTunnel,
    SendDatagram,
    SendIcmp,
)
from mobileip.control.core.events import (
    DatagramReceived,
    Event,
    IcmpReceived,
    Tick,
    UnreachableReceived,
)
from mobileip.control.ports import ActionError, perform_all
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_ROUTERS, ALL_SYSTEMS, LIMITED_BROADCAST, ZERO_ADDRESS, seconds
from tests.sim.hosts import AgentHost, Link, Node
from tests.sim.invariants import Invariant, Violation
from tests.sim.trace import tell

MOST_TICKS = 8  # ticks at one moment; more is a busy loop
_QUIET = {Reason.ADVERTISED, Reason.SOLICITED, Reason.SOLICITATION_SENT, Reason.REQUEST_SENT}
_CAN_FAIL = (
    InstallTunnel,
    InstallBindingRoute,
    ClaimAddress,
    InstallVisitorRoute,
    AttachHome,
    RouteThroughAgent,
    RouteThroughTunnel,
    SendDatagram,
    SendIcmp,
)
_BROADCAST = b"\xff" * 6
_GROUPS = (ALL_SYSTEMS, ALL_ROUTERS, LIMITED_BROADCAST)
_ON_WIRE = seconds(0.0002)
_PORT_UNREACHABLE = 3


class World:
    """Clock, network and hosts. Probabilities and ``delay`` (ns) may be changed at any time.

    Chance is drawn from a source for each host, so that what is left out for one changes little for the others.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.time = 0
        self.loss = self.duplication = 0.0
        self.delay = seconds(0.005)
        self.failures = 0.0  # how likely an installing action fails
        self.links: dict[str, Link] = {}
        self.nodes: dict[str, Node] = {}
        self.trace: deque[tuple[int, str, object]] = deque(maxlen=80)
        self.sent: deque[tuple[Node, SendDatagram]] = deque(maxlen=64)  # an attacker's memory
        self.tampering: tuple[int, int] | None = (
            None  # after so many datagrams, which bit of one is turned on its way
        )
        self.noted: list[tuple[int, str, Noted]] = []
        self.tally: Counter[str] = Counter()
        self.watcher = Watcher()
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._causes: list[Event] = []

    def random(self, whose: str) -> Random:
        return Random(f"{self.seed} {whose}")

    # ---- time

    def later(self, delay: int, what: Callable[[], None]) -> None:
        heappush(self._agenda, (self.time + delay, next(self._order), what))

    def run(self, duration: int) -> None:
        """Let ``duration`` ns pass."""
        agenda, end = self._agenda, self.time + duration
        while agenda and agenda[0][0] <= end:
            moment, _, what = heappop(agenda)
            self.time = moment
            what()
        self.time = end

    def arm(self, node: Node) -> None:
        """As the runner after each event: one timer, for the machine's earliest deadline."""
        deadline = node.machine.next_deadline()
        wake = None if deadline is None else max(deadline - node.origin, self.time)
        if wake != node.wake:
            node.wake = wake
            if wake is not None:
                heappush(self._agenda, (wake, next(self._order), partial(self._wake, node, wake)))

    def _wake(self, node: Node, wake: int) -> None:
        if node.wake != wake:
            return  # another deadline took its place
        for _ in range(MOST_TICKS):
            node.wake = None
            if not node.running:
                return
            self.dispatch(node, Tick())
            if node.wake is None or node.wake > self.time:
                return
        self.fail(Invariant.TIMED, f"{node.name} asks for a tick again and again without time passing")

    # ---- machines

    def dispatch(self, node: Node, event: Event) -> None:
        """One event, as the runner would do it: failed actions come back at once."""
        if not node.running:
            return
        self._causes = [self.cause(node, event)]
        if not isinstance(event, Tick | IcmpReceived):
            self.say(node, event)
        pending: deque[Event] = deque([event])
        perform = partial(self._perform, node)
        while pending:
            try:
                actions = node.machine.handle(pending.popleft(), node.instant())
            except Exception as error:
                where = f"{node.name} does not survive {tell(event)}: {error!r}"
                self.fail(Invariant.ALIVE, where, error)
            if not actions:
                self.unanswered(node, event)
            else:
                failed = perform_all(actions, perform)
                self._causes += failed
                pending += failed
        self.arm(node)
        self.watcher.settled(node, event)

    def _perform(self, node: Node, action: Action) -> None:
        unlucky = self.failures and isinstance(action, _CAN_FAIL) and node.rng.random() < self.failures
        if unlucky or isinstance(action, node.refused):
            self.tally["network: refused by a kernel"] += 1
            self.say(node, f"refused {type(action).__name__}")
            raise ActionError("refused by the simulated kernel")
        self.watcher.acted(node, action, self._causes)
        match action:
            case Noted():
                self.noted.append((self.time, node.name, action))
                if action.reason not in _QUIET:
                    self.say(node, action)
            case SendDatagram():
                self._send_datagram(node, action)
            case SendIcmp():
                self._send_icmp(node, action)
            case LookupKey():
                self.look_up(node, action, self._causes[0])
            case _:
                node.kernel.apply(action)
                self._gratuitous_arp(node, action)

    # ---- keys that are kept elsewhere

    def look_up(self, node: Node, action: LookupKey, cause: Event) -> None:
        raise AssertionError(f"{node.name} asks nobody: {action}")

    def unanswered(self, node: Node, event: Event) -> None:
        """The machine did nothing about ``event``."""

    def cause(self, node: Node, event: Event) -> Event:
        """What ``event`` goes back to, by which its actions are judged."""
        return event

    # ---- what is told

    def say(self, node: Node | None, what: object) -> None:
        self.trace.append((self.time, "-" if node is None else node.name, what))

    def fail(self, invariant: Invariant, what: str, cause: Exception | None = None) -> NoReturn:
        raise Violation(invariant, what, self.told()) from cause

    def told(self) -> str:
        """The trace, decoded."""
        return "\n".join(f"{time / 1e9:9.4f} {name:<5} {tell(said)}" for time, name, said in self.trace)

    def _gratuitous_arp(self, node: Node, action: Action) -> None:
        """Who answers for a home address on a home link, as everybody there is told."""
        match action:
            case ClaimAddress():
                node.links[action.interface].arp[action.home_address] = node.mac
            case ReleaseAddress(link_address=bytes() as mac):
                node.links[action.interface].arp[action.home_address] = mac
            case AttachHome() if action.interface in node.links:
                node.links[action.interface].arp[action.home_address.ip] = node.mac
            case _:
                return

    # ---- the network

    def _send_datagram(self, node: Node, action: SendDatagram) -> None:
        self.sent.append((node, action))
        if action.payload[:1] == b"\x03":
            self.tally[f"code: {action.payload[1]}"] += 1
            if action.payload[-4:-1] == b"\x2d\x02\x00":  # the foreign agent's own error (RFC 4636)
                self.tally[f"code: {action.payload[-1]}"] += 1
        if action.interface is None or action.link_destination is not None:
            self.say(node, action)
        if self.tampering is not None:
            action = self._tampered(node, action, *self.tampering)
        self.carry(node, action)

    def _tampered(self, node: Node, action: SendDatagram, after: int, bit: int) -> SendDatagram:
        self.tampering = (after - 1, bit) if after else None
        if after:
            return action
        payload = bytearray(action.payload)
        payload[bit // 8 % len(payload)] ^= 1 << bit % 8
        self.say(node, "something is changed on its way")
        return replace(action, payload=bytes(payload))

    def carry(self, node: Node, action: SendDatagram) -> None:
        """Put a datagram on its way: copies, delays, and losses are drawn here."""
        rng = node.rng
        if self.loss and rng.random() < self.loss:
            self.tally["network: lost"] += 1
            return
        copies = 1
        if self.duplication and rng.random() < self.duplication:
            self.tally["network: duplicated"] += 1
            copies = 2
        for _ in range(copies):
            delay = rng.randrange(self.delay // 10, self.delay)
            if self.time + delay < node.latest_arrival:
                self.tally["network: overtaken"] += 1
            node.latest_arrival = max(node.latest_arrival, self.time + delay)
            if action.link_destination is not None:
                link = node.links.get(action.interface or "")
                if link is not None:
                    self.later(delay, partial(self._arrive_on_link, node, link, action))
            elif self._connected(node, action.source.address):
                self.later(delay, partial(self._arrive, node, action))

    def _connected(self, node: Node, source: IPv4Address) -> bool:
        return not node.isolated and (isinstance(node, AgentHost) or node.owns(source))

    def _arrive_on_link(self, node: Node, link: Link, action: SendDatagram) -> None:
        everybody = [mac for mac in link.stations if mac != node.mac]
        to = everybody if action.link_destination == _BROADCAST else [action.link_destination]
        for mac in to:
            station = link.stations.get(mac or b"")
            if station is not None:
                self._receive(station[0], station[1], action, node.mac)

    def _arrive(self, node: Node, action: SendDatagram) -> None:
        address = action.destination.address
        owner = next((other for other in self.nodes.values() if other.owns(address)), None)
        if owner is None:
            return
        if owner.isolated:
            if owner.unreachable_code is not None:
                self.dispatch(node, UnreachableReceived(action.destination, owner.unreachable_code))
        elif not owner.running:
            self.dispatch(node, UnreachableReceived(action.destination, _PORT_UNREACHABLE))
        else:
            self._receive(owner, "lo" if owner is node else "core", action, None)

    def _receive(self, node: Node, interface: str, action: SendDatagram, mac: bytes | None) -> None:
        self.dispatch(
            node,
            DatagramReceived(action.payload, action.source, action.destination, interface, action.ttl, mac),
        )

    def _send_icmp(self, node: Node, action: SendIcmp) -> None:
        """A link keeps the order of what is sent over it, and may lose some."""
        link = node.links.get(action.interface)
        group = action.link_destination is None
        if group and action.destination not in _GROUPS:
            what = f"{node.name} sends ICMP to {action.destination} without a link-layer destination"
            self.fail(Invariant.ALIVE, what)
        if link is None or len(link.stations) < 2:
            return
        if self.loss and node.rng.random() < self.loss:
            self.tally["network: lost"] += 1
            return
        macs = (
            [mac for mac in link.stations if mac != node.mac] if group else [action.link_destination or b""]
        )
        self.later(_ON_WIRE, partial(self._icmp_arrives, node, link, action, macs))

    def _icmp_arrives(self, node: Node, link: Link, action: SendIcmp, macs: list[bytes]) -> None:
        for mac in macs:
            station = link.stations.get(mac)
            if station is not None:
                to, interface = station
                source = action.source or ZERO_ADDRESS
                event = IcmpReceived(action.payload, source, action.destination, interface, node.mac)
                self.dispatch(to, event)


class Watcher:
    """Is told of every action and of the end of every event."""

    def acted(self, node: Node, action: Action, causes: list[Event]) -> None:
        """Before ``action`` is performed; ``causes`` is the event and the failures it led to."""

    def settled(self, node: Node, event: Event) -> None:
        """All actions of ``event`` are performed."""
