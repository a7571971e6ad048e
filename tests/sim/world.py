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
their messages with delay, loss, duplication and reordering, and asks an :class:`Oracle` after every event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
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
    Noted,
    ReleaseAddress,
    RouteThroughAgent,
    RouteThroughTunnel,
    SendDatagram,
    SendIcmp,
)
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import (
    DatagramReceived,
    Event,
    IcmpReceived,
    LinkChanged,
    Started,
    Tick,
    UnreachableReceived,
)
from mobileip.control.core.mobile import MobileNode
from mobileip.control.ports import ActionError, perform_all
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_ROUTERS, ALL_SYSTEMS, LIMITED_BROADCAST, ZERO_ADDRESS, Instant, seconds
from tests.sim.kernel import Kernel

EPOCH = 1_800_000_000 * 10**9  # wall time, ns since 1970, at which every history begins
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


class Link:
    """A broadcast domain. ``arp`` is what a router that sits on it believes of each address."""

    def __init__(self, name: str, prefix: IPv4Network, gateway: IPv4Address) -> None:
        self.name = name
        self.prefix = prefix
        self.gateway = gateway
        self.stations: dict[bytes, tuple[Node, str]] = {}
        self.arp: dict[IPv4Address, bytes] = {}


class Node:
    """A host with one machine. ``skew`` is its clock's error in ns; its monotonic clock has an origin of its own."""

    machine: MobilityAgents | MobileNode

    def __init__(self, world: World, name: str, mac: bytes, skew: int) -> None:
        self.world = world
        self.name = name
        self.mac = mac
        self.skew = skew
        self.origin = world.rng.randrange(10**9, 10**15)
        self.kernel = Kernel()
        self.links: dict[str, Link] = {}
        self.wake: int | None = None  # world time of the machine's next deadline
        self.running = True
        self.isolated = False
        self.refused: tuple[type[Action], ...] = ()  # what this host's kernel cannot do

    def instant(self) -> Instant:
        return Instant(self.world.time + self.origin, EPOCH + self.world.time + self.skew)

    def arm(self) -> None:
        """As the runner after each event: one timer, for the machine's earliest deadline."""
        deadline = self.machine.next_deadline()
        self.wake = None if deadline is None else deadline - self.origin

    def owns(self, address: IPv4Address) -> bool:
        raise NotImplementedError


class AgentHost(Node):
    """Home agent, foreign agent or both; always connected to the core unless isolated."""

    machine: MobilityAgents

    def __init__(
        self,
        world: World,
        name: str,
        mac: bytes,
        skew: int,
        addresses: frozenset[IPv4Address],
        build: Callable[[], MobilityAgents],
    ) -> None:
        super().__init__(world, name, mac, skew)
        self.addresses = addresses
        self._build = build
        self.machine = build()
        self.incarnation = 0

    def owns(self, address: IPv4Address) -> bool:
        return address in self.addresses

    def boot(self) -> None:
        """Start, or start again: nothing is left of what was, neither in the machine nor in the kernel."""
        self.machine = self._build()
        self.kernel = Kernel()
        self.running = True
        self.incarnation += 1
        self.world.dispatch(self, Started())
        for interface in self.links:
            self.world.dispatch(self, LinkChanged(interface, True))


class MobileHost(Node):
    """A mobile node; ``links`` holds only the interfaces that have a carrier now."""

    machine: MobileNode

    def __init__(
        self, world: World, name: str, mac: bytes, skew: int, home: IPv4Interface, machine: MobileNode
    ) -> None:
        super().__init__(world, name, mac, skew)
        self.home = home
        self.machine = machine
        self.addresses: dict[str, tuple[IPv4Interface, ...]] = {}

    def owns(self, address: IPv4Address) -> bool:
        """Is ``address`` set on an interface whose link it belongs to, so that the core routes it here?"""
        return any(
            address == own.ip and address in link.prefix
            for interface, link in self.links.items()
            for own in self.addresses.get(interface, ())
        )

    # ---- moves

    def detach(self, interface: str) -> None:
        link = self.links.pop(interface, None)
        if link is not None:
            del link.stations[self.mac]
            self.world.dispatch(self, LinkChanged(interface, False, self.addresses.get(interface, ())))

    def attach(self, interface: str, link: Link) -> None:
        """Carrier on another link; addresses of the link before are still there."""
        self.detach(interface)
        self.links[interface] = link
        link.stations[self.mac] = self, interface
        self.world.dispatch(self, LinkChanged(interface, True, self.addresses.get(interface, ())))

    def set_address(self, interface: str, address: IPv4Interface | None) -> None:
        """What a DHCP client does: the address of this link in place of all others, and the default route."""
        link = self.links.get(interface)
        self.addresses[interface] = () if address is None else (address,)
        gateway = None if address is None or link is None else link.gateway
        up = link is not None
        self.world.dispatch(self, LinkChanged(interface, up, self.addresses[interface], gateway))


class World:
    """Clock, network and hosts. Probabilities and ``delay`` (ns) may be changed at any time."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.time = 0
        self.loss = self.duplication = 0.0
        self.delay = seconds(0.005)
        self.failures = 0.0  # how likely an installing action fails
        self.links: dict[str, Link] = {}
        self.nodes: dict[str, Node] = {}
        self.trace: deque[tuple[int, str, object]] = deque(maxlen=80)
        self.sent: deque[tuple[Node, SendDatagram]] = deque(maxlen=64)  # an attacker's memory
        self.noted: list[tuple[int, str, Noted]] = []
        self.watchers: list[Watcher] = []
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._causes: list[Event] = []

    def entropy(self, size: int) -> bytes:
        return self.rng.randbytes(size)

    # ---- time

    def later(self, delay: int, what: Callable[[], None]) -> None:
        heappush(self._agenda, (self.time + delay, next(self._order), what))

    def run(self, duration: int) -> None:
        """Let ``duration`` ns pass."""
        end = self.time + duration
        while (moment := self._next()) is not None and moment <= end:
            self.time = max(self.time, moment)
            while self._agenda and self._agenda[0][0] <= self.time:
                heappop(self._agenda)[2]()
            self._tick()
        self.time = end

    def _next(self) -> int | None:
        moments = [node.wake for node in self.nodes.values() if node.running and node.wake is not None]
        if self._agenda:
            moments.append(self._agenda[0][0])
        return min(moments, default=None)

    def _tick(self) -> None:
        for node in self.nodes.values():
            for _ in range(MOST_TICKS):
                if not node.running or node.wake is None or node.wake > self.time:
                    break
                self.dispatch(node, Tick())
            else:
                self.fail(f"{node.name} asks for a tick again and again without time passing")

    # ---- machines

    def dispatch(self, node: Node, event: Event) -> None:
        """One event, as the runner would do it: failed actions come back at once."""
        if not node.running:
            return
        self._causes = [event]
        if not isinstance(event, Tick | IcmpReceived):
            self.say(node, event)
        pending: deque[Event] = deque([event])
        while pending:
            actions = node.machine.handle(pending.popleft(), node.instant())
            failed = perform_all(actions, lambda action: self._perform(node, action))
            self._causes += failed
            pending += failed
        node.arm()
        for watcher in self.watchers:
            watcher.settled(node, event)

    def _perform(self, node: Node, action: Action) -> None:
        unlucky = isinstance(action, _CAN_FAIL) and self.failures and self.rng.random() < self.failures
        if unlucky or isinstance(action, node.refused):
            self.say(node, f"refused {type(action).__name__}")
            raise ActionError("refused by the simulated kernel")
        for watcher in self.watchers:
            watcher.acted(node, action, self._causes)
        match action:
            case Noted():
                self.noted.append((self.time, node.name, action))
                if action.reason not in _QUIET:
                    self.say(node, action)
            case SendDatagram():
                self._send_datagram(node, action)
            case SendIcmp():
                self._send_icmp(node, action)
            case _:
                node.kernel.apply(action)
                self._gratuitous_arp(node, action)

    def say(self, node: Node | None, what: object) -> None:
        self.trace.append((self.time, "-" if node is None else node.name, what))

    def fail(self, what: str) -> NoReturn:
        lines = [f"{time / 1e9:9.4f} {name:<5} {_short(said)}" for time, name, said in self.trace]
        raise AssertionError("\n".join([what, *lines]))

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
        self.carry(node, action)

    def carry(self, node: Node, action: SendDatagram) -> None:
        """Put a datagram on its way: copies, delays, and losses are drawn here."""
        if self.rng.random() < self.loss:
            return
        for _ in range(2 if self.rng.random() < self.duplication else 1):
            delay = self.rng.randrange(self.delay // 10, self.delay)
            if action.link_destination is not None:
                link = node.links.get(action.interface or "")
                if link is not None:
                    self.later(delay, lambda link=link: self._arrive_on_link(node, link, action))  # type: ignore[misc]
            elif self._connected(node, action.source.address):
                self.later(delay, lambda: self._arrive(node, action))

    def _connected(self, node: Node, source: IPv4Address) -> bool:
        return not node.isolated and (isinstance(node, AgentHost) or node.owns(source))

    def _arrive_on_link(self, node: Node, link: Link, action: SendDatagram) -> None:
        everybody = [mac for mac in link.stations if mac != node.mac]
        to = everybody if action.link_destination == b"\xff" * 6 else [action.link_destination]
        for mac in to:
            station = link.stations.get(mac or b"")
            if station is not None:
                self._receive(station[0], station[1], action, node.mac)

    def _arrive(self, node: Node, action: SendDatagram) -> None:
        address = action.destination.address
        owner = next((other for other in self.nodes.values() if other.owns(address)), None)
        if owner is None or owner.isolated:
            return
        if not owner.running:
            self.dispatch(node, UnreachableReceived(action.destination, 3))
            return
        self._receive(owner, "lo" if owner is node else "core", action, None)

    def _receive(self, node: Node, interface: str, action: SendDatagram, mac: bytes | None) -> None:
        self.dispatch(
            node,
            DatagramReceived(action.payload, action.source, action.destination, interface, action.ttl, mac),
        )

    def _send_icmp(self, node: Node, action: SendIcmp) -> None:
        """A link keeps the order of what is sent over it, and may lose some."""
        link = node.links.get(action.interface)
        if link is None or self.rng.random() < self.loss:
            return
        group = action.link_destination is None
        if group and action.destination not in (ALL_SYSTEMS, ALL_ROUTERS, LIMITED_BROADCAST):
            self.fail(f"{node.name} sends ICMP to {action.destination} without a link-layer destination")
        source = action.source or ZERO_ADDRESS
        macs = [mac for mac in link.stations if mac != node.mac] if group else [action.link_destination]

        def arrive() -> None:
            for mac in macs:
                station = link.stations.get(mac or b"")
                if station is not None:
                    event = IcmpReceived(action.payload, source, action.destination, station[1], node.mac)
                    self.dispatch(station[0], event)

        self.later(seconds(0.0002), arrive)


class Watcher:
    """Is told of every action and of the end of every event."""

    def acted(self, node: Node, action: Action, causes: list[Event]) -> None:
        """Before ``action`` is performed; ``causes`` is the event and the failures it led to."""

    def settled(self, node: Node, event: Event) -> None:
        """All actions of ``event`` are performed."""


def _short(said: object) -> str:
    match said:
        case Noted():
            return " ".join([said.reason.label, *(f"{key}={value}" for key, value in said.fields.items())])
        case DatagramReceived():
            kind = {1: "request", 3: "reply"}.get(said.payload[0] if said.payload else 0, "?")
            return f"<- {kind} from {said.source.address} on {said.interface}"
        case LinkChanged():
            state = "up" if said.up else "down"
            return f"<- {said.interface} {state} {','.join(map(str, said.addresses))} via {said.gateway}"
        case str():
            return said
        case _:
            return f"<- {type(said).__name__}"
