"""What a mobile node knows of its links: the agents heard on each, and when to solicit (RFC 5944 s2.4).

Pure bookkeeping; :mod:`.mobile` decides what to do with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from mobileip.control.core.deadlines import Deadlines
from mobileip.control.types import LIMITED_BROADCAST, seconds
from mobileip.control.wire import (
    NOT_A_DEFAULT_ROUTER,
    AgentAdvertisement,
    MobilityAgentAdvertisement,
    RouterAddress,
    WireError,
    parse_routers,
)

Entropy = Callable[[int], bytes]

_INITIAL_SOLICITATIONS = 3  # at most one a second while they last (s2.4)
_INITIAL_INTERVAL = seconds(1)
_MAXIMUM_INTERVAL = seconds(60)  # "at least one minute" (s2.4)
_ANSWER_TIME = seconds(5)  # from a solicitation on; RFC 1256 s6 allows routers 2
_MOST_ROUTERS = 16
_MOST_AGENTS = (
    64  # of one link: their addresses can be made up, and each advertisement has all of them looked at
)
_REBOOT_RANGE = (
    256  # a sequence number that falls back to 0..255 is a reboot, to 256 or more a rollover (s2.4.4)
)


class AgentNews(Enum):
    """What an advertisement told us beyond 'still here'."""

    NEW = "new"
    REFRESHED = "refreshed"
    REBOOTED = "rebooted"
    WITHDRAWN = "withdrawn"  # the agent takes its leave: a lifetime of zero (RFC 1256 s4.3)
    NOTHING = "nothing"  # one that was not known does


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """A mobility agent as last advertised; ``expires`` by its advertisement lifetime (s2.4.2.1).

    ``since`` is when it was first heard without a break, ``heard`` when it was last; all three are monotonic ns.
    """

    address: IPv4Address
    link_address: bytes
    advertisement: AgentAdvertisement
    expires: int
    since: int = 0
    heard: int = 0

    @property
    def mobility(self) -> MobilityAgentAdvertisement:
        return self.advertisement.mobility

    @property
    def serves(self) -> bool:
        """A foreign agent whose longest registration is 0 s could only be asked to deregister."""
        return self.mobility.flags.foreign_agent and self.mobility.registration_lifetime > 0

    @property
    def prefixes(self) -> frozenset[IPv4Network]:
        """Of the link, as far as the agent tells them (s2.1.2); empty without the Prefix-Lengths extension."""
        lengths = self.advertisement.prefix_lengths or ()
        routers = self.advertisement.router_addresses
        return (
            frozenset(
                IPv4Network((router.address, length), strict=False)
                for router, length in zip(routers, lengths, strict=True)
            )
            if lengths
            else frozenset()
        )


@dataclass(frozen=True, slots=True)
class KnownRouter:
    """A default router as last advertised, by an agent or anybody (RFC 1256 s5.3)."""

    preference: int
    expires: int


@dataclass(slots=True)
class Link:
    """One interface of the node.

    ``fresh`` holds the addresses that were set for the present link: they were not there while it was down. One that
    was may be a leftover of the link we left.
    """

    interface: str
    known: bool = False
    up: bool = False
    came_up: int = 0
    addresses: tuple[IPv4Interface, ...] = ()
    fresh: frozenset[IPv4Interface] = frozenset()
    gateway: IPv4Address | None = None
    gateway_link: bytes | None = None
    agents: dict[IPv4Address, KnownAgent] = field(default_factory=dict)
    routers: dict[IPv4Address, KnownRouter] = field(default_factory=dict)
    solicitations: int = 0
    solicited: int | None = None  # when for the last time, monotonic ns

    def change(
        self, up: bool, addresses: tuple[IPv4Interface, ...], gateway: IPv4Address | None, mono: int
    ) -> bool:
        """Take a netlink report; True when the link has just come up (agents heard before belong to another link)."""
        came_up = up and not self.up
        added = frozenset(addresses) - frozenset(self.addresses) if self.known else frozenset()
        self.fresh = (self.fresh | added) & frozenset(addresses)
        self.known = True
        if came_up:
            self.came_up = mono
            self.solicitations = 0
        if came_up or not up:
            self.agents.clear()
            self.routers.clear()
        if not up:
            self.fresh = frozenset()
        self.up, self.addresses, self.gateway = up, addresses, gateway
        return came_up

    def is_another(self, up: bool, gateway: IPv4Address | None, gateway_link: bytes | None) -> bool:
        """Whether the same gateway has another link-layer address now: the network behind an access point has changed,
        of which no carrier tells and, with private addresses, no address either (RFC 3519 s5.1)."""
        known = self.up and up and self.gateway_link is not None and gateway_link is not None
        return known and gateway == self.gateway and gateway_link != self.gateway_link

    def router_for(self, address: IPv4Interface, mono: int) -> IPv4Address | None:
        """The default router for an address of ours: of those advertised under its prefix the preferred one (s4.2.1),
        without any the host's own choice, which also wins among equals."""
        usable = {
            router: known.preference
            for router, known in self.routers.items()
            if known.expires > mono and router in address.network and router != address.ip
        }
        best = max(usable.values(), default=None)
        if best is None or usable.get(self.gateway or address.ip) == best:
            return self.gateway
        return next(router for router, preference in usable.items() if preference == best)


class AgentTable:
    """Agents by link, their expiry, and the solicitation schedule of each link.

    On ``deaf`` interfaces no agents are looked for (RFC 1256 PerformRouterDiscovery).
    """

    def __init__(
        self, interfaces: tuple[str, ...], entropy: Entropy, deaf: frozenset[str] = frozenset()
    ) -> None:
        self._deaf = deaf
        self._links = {name: Link(name) for name in interfaces}
        self._expiry: Deadlines[tuple[str, IPv4Address]] = Deadlines()
        self._solicit: Deadlines[str] = Deadlines()
        self._entropy = entropy

    def link(self, interface: str) -> Link | None:
        return self._links.get(interface)

    @property
    def links(self) -> Iterator[Link]:
        """In the configured order of preference."""
        return iter(self._links.values())

    def hear(
        self,
        link: Link,
        address: IPv4Address,
        link_address: bytes,
        advertisement: AgentAdvertisement,
        mono: int,
    ) -> AgentNews:
        """Record an advertisement."""
        if link.interface in self._deaf:
            return AgentNews.NOTHING
        previous = link.agents.get(address)
        if advertisement.lifetime == 0:
            self._forget(link, address)
            return AgentNews.NOTHING if previous is None else AgentNews.WITHDRAWN
        if previous is None and len(link.agents) >= _MOST_AGENTS:
            # Who came last gives way, not who was silent longest: a flood of made-up agents then takes each other's
            # place, and not that of the agent which serves us.
            self._forget(link, max(link.agents.values(), key=lambda agent: agent.since).address)
        expires = mono + seconds(advertisement.lifetime)
        since = mono if previous is None else previous.since
        link.agents[address] = KnownAgent(address, link_address, advertisement, expires, since, mono)
        self._expiry.set((link.interface, address), expires)
        self._solicit.cancel(link.interface)
        if previous is None:
            return AgentNews.NEW
        sequence = advertisement.mobility.sequence
        if sequence < previous.mobility.sequence and sequence < _REBOOT_RANGE:
            return AgentNews.REBOOTED
        return AgentNews.REFRESHED

    def _forget(self, link: Link, agent: IPv4Address) -> None:
        link.agents.pop(agent, None)
        self._expiry.cancel((link.interface, agent))

    def hear_routers(self, link: Link, routers: Iterable[RouterAddress], lifetime: int, mono: int) -> None:
        """Record the routers of an advertisement; those that are not to be default routers are none."""
        if link.interface in self._deaf:
            return
        for router in routers:
            link.routers.pop(router.address, None)
            if lifetime > 0 and router.preference > NOT_A_DEFAULT_ROUTER:
                link.routers[router.address] = KnownRouter(router.preference, mono + seconds(lifetime))
        while len(link.routers) > _MOST_ROUTERS:
            del link.routers[min(link.routers, key=lambda address: link.routers[address].preference)]

    def hear_plain(self, link: Link, payload: bytes, mono: int) -> bool:
        """Record the routers of a router advertisement that is no agent's; False if it is not a valid one."""
        try:
            lifetime, routers = parse_routers(payload)
        except WireError:
            return False
        self.hear_routers(link, routers, lifetime, mono)
        return True

    def lose(self, mono: int) -> Iterator[tuple[Link, KnownAgent]]:
        """Remove and yield the agents whose advertisement lifetime is over (move detection, algorithm 1)."""
        for interface, address in self._expiry.due(mono):
            link = self._links[interface]
            agent = link.agents.pop(address, None)
            if agent is not None:
                yield link, agent

    # ---- solicitations

    def solicit_now(self, link: Link, mono: int, delay: int = 0) -> None:
        """A positive indication of a new link: start again at the fastest rate, at once.

        Within ``delay`` ns instead, at random, when many nodes may have been started together (RFC 1256 s5.3).
        """
        if link.interface in self._deaf:
            return
        link.solicitations = 0
        draw = int.from_bytes(self._entropy(4)) if delay else 0
        self._solicit.set(link.interface, mono + delay * draw // 0xFFFF_FFFF)

    def is_soliciting(self, link: Link) -> bool:
        return link.interface in self._solicit

    def is_for_us(self, link: Link, destination: IPv4Address, mono: int) -> bool:
        """Whether an advertisement to ``destination`` is for this link: to all of it, or in answer to a solicitation.

        To our address alone anybody in the Internet can send one, with a TTL that is 1 when it gets here.
        """
        if destination == LIMITED_BROADCAST or destination.is_multicast:
            return True
        return link.solicited is not None and mono <= link.solicited + _ANSWER_TIME

    def stop_soliciting(self, link: Link) -> None:
        self._solicit.cancel(link.interface)

    def solicitations(self, mono: int) -> Iterator[Link]:
        """Links on which a solicitation is due now; schedules the next one with back-off."""
        for interface in self._solicit.due(mono):
            link = self._links[interface]
            if not link.up:
                continue
            link.solicitations += 1
            link.solicited = mono
            doublings = max(0, link.solicitations - _INITIAL_SOLICITATIONS)
            interval = min(_INITIAL_INTERVAL << min(doublings, 16), _MAXIMUM_INTERVAL)
            # s2.4: randomised around the nominal value; never below it, so that one a second stays the maximum.
            jitter = interval * int.from_bytes(self._entropy(2)) // (0xFFFF * 4)
            self._solicit.set(interface, mono + interval + jitter)
            yield link

    def next_deadline(self) -> int | None:
        return min((m for m in (self._expiry.next(), self._solicit.next()) if m is not None), default=None)


def is_home_agent(agent: KnownAgent, home_agent: IPv4Address | None, home_network: IPv4Network) -> bool:
    """Is this our own home agent's advertisement, so that we are at home (s2.4.3)?

    The advertisement's source is the agent's address on the link, which is not the address we register with when the
    agent has several; what tells is a source or router address inside the home network. On other links the same agent
    is no sign of home: it may serve several home networks, or virtual ones. Only a node that was assigned its address,
    and so knows no prefix of its home network, has to go by ``home_agent``.
    """
    if not agent.mobility.flags.home_agent:
        return False
    routers = [router.address for router in agent.advertisement.router_addresses]
    heard = [agent.address, *routers]
    if home_network.prefixlen == home_network.max_prefixlen and home_agent in heard:
        return True
    return any(address in home_network for address in heard)


def roles(advertisement: AgentAdvertisement) -> str:
    """``home``, ``foreign`` or ``home+foreign``."""
    flags = advertisement.mobility.flags
    return "+".join(name for name, on in (("home", flags.home_agent), ("foreign", flags.foreign_agent)) if on)


def agents(table: AgentTable) -> list[tuple[str, KnownAgent]]:
    """Every agent heard and not expired, with its link."""
    return [(link.interface, agent) for link in table.links for agent in link.agents.values()]
