"""Links, and the hosts on them: agents and mobile nodes around the machines, clocks and kernels of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

from mobileip.control.core.actions import Action
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import LinkChanged, Started, Stopping
from mobileip.control.core.mobile import MobileNode
from mobileip.control.ports import Machine
from mobileip.control.types import Instant
from tests.sim.kernel import Kernel

if TYPE_CHECKING:
    from tests.sim.world import World

EPOCH = 1_800_000_000 * 10**9  # wall time, ns since 1970, at which every history begins


class Link:
    """A broadcast domain. ``arp`` is what a router that sits on it believes of each address."""

    def __init__(self, name: str, prefix: IPv4Network, gateway: IPv4Address) -> None:
        self.name = name
        self.prefix = prefix
        self.gateway = gateway
        self.stations: dict[bytes, tuple[Node, str]] = {}
        self.arp: dict[IPv4Address, bytes] = {}


class Node(ABC):
    """A host with one machine. ``skew`` is its clock's error in ns; its monotonic clock has an origin of its own."""

    machine: Machine

    def __init__(self, world: World, name: str, mac: bytes, skew: int) -> None:
        self.world = world
        self.name = name
        self.mac = mac
        self.skew = skew
        self.rng = world.random(name)
        self.origin = self.rng.randrange(10**9, 10**15)
        self.kernel = Kernel()
        self.links: dict[str, Link] = {}
        self.wake: int | None = None  # world time of the machine's next deadline
        self.running = True
        self.isolated = False
        self.unreachable_code: int | None = None  # of the ICMP error about what is sent to it while isolated
        self.refused: tuple[type[Action], ...] = ()  # what this host's kernel cannot do
        self.latest_arrival = 0  # world time at which all that it has sent so far will have arrived
        self.incarnation = 0

    def instant(self) -> Instant:
        time = self.world.time
        return Instant(time + self.origin, EPOCH + time + self.skew)

    @abstractmethod
    def owns(self, address: IPv4Address) -> bool: ...

    def boot(self) -> None:
        """Start, or start again: nothing is left of what was, neither in the machine nor in the kernel."""
        self.kernel = Kernel()
        self.running = True
        self.wake = None
        self.incarnation += 1
        self.world.dispatch(self, Started())


class AgentHost(Node):
    """Home agent, foreign agent or both; always connected to the core unless isolated."""

    machine: MobilityAgents

    def __init__(
        self,
        world: World,
        name: str,
        mac: bytes,
        addresses: frozenset[IPv4Address],
        build: Callable[[], MobilityAgents],
    ) -> None:
        super().__init__(world, name, mac, 0)
        self.addresses = addresses
        self._build = build

    def owns(self, address: IPv4Address) -> bool:
        return address in self.addresses

    def boot(self) -> None:
        self.machine = self._build()
        super().boot()
        for interface in self.links:
            self.world.dispatch(self, LinkChanged(interface, True))


class MobileHost(Node):
    """A mobile node; ``links`` holds only the interfaces that have a carrier now."""

    machine: MobileNode

    def __init__(
        self, world: World, name: str, mac: bytes, skew: int, number: int, build: Callable[[], MobileNode]
    ) -> None:
        super().__init__(world, name, mac, skew)
        self.number = number
        self._build = build
        self.machine = build()
        self.addresses: dict[str, tuple[IPv4Interface, ...]] = {}

    @property
    def home_address(self) -> IPv4Address:
        return self.machine.home_address

    def owns(self, address: IPv4Address) -> bool:
        """Is ``address`` set on an interface whose link it belongs to, so that the core routes it here?"""
        return any(
            address == own.ip and address in link.prefix
            for interface, link in self.links.items()
            for own in self.addresses.get(interface, ())
        )

    def boot(self) -> None:
        self.machine = self._build()
        super().boot()
        for interface in self.links:
            self._report(interface)

    def stop(self) -> None:
        """As the operator stops the daemon."""
        self.world.dispatch(self, Stopping())

    # ---- moves

    def detach(self, interface: str) -> None:
        link = self.links.pop(interface, None)
        if link is not None:
            del link.stations[self.mac]
            self._report(interface)

    def attach(self, interface: str, link: Link) -> None:
        """Carrier on another link; addresses of the link before are still there. A host has one station on a link."""
        for other in [name for name, joined in self.links.items() if joined is link or name == interface]:
            self.detach(other)
        self.links[interface] = link
        link.stations[self.mac] = self, interface
        self._report(interface)

    def set_address(self, interface: str, address: IPv4Interface | None) -> None:
        """What a DHCP client does: the address of this link in place of all others, and the default route."""
        self.addresses[interface] = () if address is None else (address,)
        self._report(interface)

    def _report(self, interface: str) -> None:
        """A netlink notification. The default route is there while there is an address of the link."""
        link, addresses = self.links.get(interface), self.addresses.get(interface, ())
        mine = link is not None and any(address.ip in link.prefix for address in addresses)
        gateway = link.gateway if link is not None and mine else None
        self.world.dispatch(self, LinkChanged(interface, link is not None, addresses, gateway))
