"""Builds the internet of :mod:`tests.sim.world` and says, from installed state alone, who can reach whom."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from mobileip.control.core.actions import InstallTunnel, RouteThroughAgent, RouteThroughTunnel, TunnelSide
from mobileip.control.core.advertiser import AdvertisedLink
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings, VisitedLink
from mobileip.control.core.home import HomeAgent, HomeAgentSettings, HomeNetwork
from mobileip.control.core.mobile import MobileNode, MobileNodeSettings
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.security import (
    Algorithm,
    AssociationTable,
    MobilitySecurityAssociation,
    ReplayMethod,
    Secret,
)
from mobileip.control.types import Lifetime, Spi
from mobileip.control.wire import AgentFlags
from tests.sim.world import AgentHost, Link, MobileHost, World

HOME_NETWORK = IPv4Network("192.0.2.0/24")
HOME_AGENT = IPv4Address("192.0.2.1")
SPI = Spi(256)
_VISITED = [IPv4Network(f"203.0.113.{64 * number}/26") for number in range(4)]
_CARE_OF = [IPv4Address(f"198.51.100.{10 + number}") for number in range(4)]


@dataclass(frozen=True, slots=True)
class Plan:
    """What may differ between two internets. Times in seconds, ``skews`` per mobile node too."""

    mobiles: int = 1
    skews: tuple[float, ...] = (0.0,)
    lifetime: int = 10
    home_max_lifetime: int = 60
    foreign_max_lifetime: int = 60
    advertised_lifetime: int | None = None  # None: the foreign agent says what it means
    reverse_tunnel: bool = True
    co_located: bool = True
    virtual: bool = False  # the home network has no physical link
    home_serves_visitors: bool = False  # home and foreign agent in one process, on visited link 0
    algorithm: Algorithm = Algorithm.HMAC_MD5
    wrong_keys: frozenset[int] = frozenset()
    interval: float = 1.0
    max_visitors: int = 100
    interfaces: tuple[str, ...] = ("eth0",)
    hold_down: float = 0.0
    simultaneous: bool = False
    max_simultaneous: int = 1  # bindings of one node at the home agent
    discover: bool = False  # mobile nodes do not know their home agent
    nonces: bool = False
    required: bool = False  # foreign agents set the R bit


class Internet(World):
    """Hosts ``ha``, ``fa1``, ``fa2`` and ``mn0`` … on links ``home`` and ``visited0`` to ``visited3``."""

    def __init__(self, seed: int, plan: Plan) -> None:
        super().__init__(seed)
        self.plan = plan
        self.links["home"] = Link("home", HOME_NETWORK, HOME_AGENT)
        for number, prefix in enumerate(_VISITED):
            self.links[f"visited{number}"] = Link(f"visited{number}", prefix, prefix[1])
        self.keys = {self.home_address(number).ip: self._key(number) for number in range(plan.mobiles)}
        self.ha = self._agent("ha", 1, home=True, visited=0 if plan.home_serves_visitors else None)
        self.fas = [self._agent(f"fa{number}", 1 + number, home=False, visited=number) for number in (1, 2)]
        self.mobiles = [self._mobile(number) for number in range(plan.mobiles)]
        for host in self.agents:
            host.boot()

    @property
    def agents(self) -> list[AgentHost]:
        return [self.ha, *self.fas]

    @staticmethod
    def home_address(number: int) -> IPv4Interface:
        return IPv4Interface((HOME_NETWORK[10 + number], HOME_NETWORK.prefixlen))

    def co_located_address(self, mobile: MobileHost, link: Link) -> IPv4Interface:
        return IPv4Interface((link.prefix[20 + self.mobiles.index(mobile)], link.prefix.prefixlen))

    def has_agent(self, link: Link) -> bool:
        return any(link in host.links.values() for host in self.agents)

    def _key(self, number: int) -> MobilitySecurityAssociation:
        key = Secret(f"the key of mobile node {number}".encode())
        return self._association(key)

    def _association(self, key: Secret) -> MobilitySecurityAssociation:
        replay = ReplayMethod.NONCES if self.plan.nonces else ReplayMethod.TIMESTAMPS
        return MobilitySecurityAssociation(SPI, key, self.plan.algorithm, replay=replay)

    # ---- hosts

    def _agent(self, name: str, number: int, *, home: bool, visited: int | None) -> AgentHost:
        plan = self.plan
        care_of = None if visited is None else _CARE_OF[visited]
        own = {address for address in (care_of, HOME_AGENT if home else None) if address is not None}
        links: dict[str, Link] = {}
        if home and not plan.virtual:
            links["home0"] = self.links["home"]
            own.add(HOME_NETWORK.broadcast_address)
        if visited is not None:
            links["eth1"] = self.links[f"visited{visited}"]
            own.add(links["eth1"].gateway)

        def build() -> MobilityAgents:
            advertised = [
                self._advertised(interface, link, care_of if interface == "eth1" else None)
                for interface, link in links.items()
            ]
            home_agent = self._home_agent() if home else None
            foreign = None
            if care_of is not None:
                foreign = self._foreign_agent(care_of, links["eth1"], frozenset(own), home)
            return MobilityAgents(
                home=home_agent, foreign=foreign, links=tuple(advertised), entropy=self.entropy
            )

        host = AgentHost(self, name, bytes((2, 0, 0, 0, 0, number)), 0, frozenset(own), build)
        host.links = links
        for interface, link in links.items():
            link.stations[host.mac] = host, interface
        self.nodes[name] = host
        return host

    def _home_agent(self) -> HomeAgent:
        network = HomeNetwork(HOME_NETWORK, None if self.plan.virtual else "home0")
        table = AssociationTable(self.keys.items())
        return HomeAgent(
            HomeAgentSettings(
                HOME_AGENT,
                (network,),
                table,
                Lifetime(self.plan.home_max_lifetime),
                max_simultaneous=self.plan.max_simultaneous,
            )
        )

    def _foreign_agent(
        self, care_of: IPv4Address, link: Link, own: frozenset[IPv4Address], home: bool
    ) -> ForeignAgent:
        return ForeignAgent(
            ForeignAgentSettings(
                care_of,
                (VisitedLink("eth1", link.gateway),),
                Lifetime(self.plan.foreign_max_lifetime),
                own,
                HOME_AGENT if home else None,
                ReverseTunnelPolicy.OPTIONAL,
                self.plan.max_visitors,
            )
        )

    def _advertised(self, interface: str, link: Link, care_of: IPv4Address | None) -> AdvertisedLink:
        foreign = care_of is not None
        lifetime = self.plan.advertised_lifetime or self.plan.foreign_max_lifetime
        return AdvertisedLink(
            interface,
            link.gateway,
            self.plan.interval,
            max(1, round(3 * self.plan.interval)),
            Lifetime(lifetime),
            AgentFlags(
                registration_required=foreign and self.plan.required,
                home_agent=not foreign,
                foreign_agent=foreign,
                reverse_tunnel=foreign,
            ),
            () if care_of is None else (care_of,),
        )

    def _mobile(self, number: int) -> MobileHost:
        plan = self.plan
        home = self.home_address(number)
        association = self.keys[home.ip]
        if number in plan.wrong_keys:
            association = self._association(Secret(b"not the key"))
        settings = MobileNodeSettings(
            home,
            None if plan.discover else HOME_AGENT,
            association,
            plan.interfaces,
            Lifetime(plan.lifetime),
            reverse_tunnel=plan.reverse_tunnel,
            co_located=plan.co_located,
            hold_down=plan.hold_down,
            simultaneous=plan.simultaneous,
        )
        skew = round(plan.skews[number % len(plan.skews)] * 1e9)
        machine = MobileNode(settings, self.entropy)
        host = MobileHost(self, f"mn{number}", bytes((2, 0, 0, 0, 1, number)), skew, home, machine)
        self.nodes[host.name] = host
        return host

    # ---- reachability

    def why_not_down(self, mobile: MobileHost) -> str | None:
        """What stops a packet from the correspondent, or ``None``. It enters the home link by a router there."""
        home = mobile.home.ip
        believed = self.links["home"].arp.get(home)
        if not self.plan.virtual and believed is not None and believed != self.ha.mac:
            return self._on_home_link(mobile, believed)
        if not self.plan.virtual and home not in self.ha.kernel.binding_routes:
            if believed is None and home in self.ha.kernel.proxies:
                return "a proxy entry without a route"
            return self._on_home_link(mobile, mobile.mac)
        tunnels = self.ha.kernel.tunnels_of(home, TunnelSide.HOME)
        obstacles = [self._through_tunnel(mobile, tunnel) for tunnel in tunnels]
        return None if None in obstacles else next(iter(obstacles), "no tunnel at the home agent")

    def _through_tunnel(self, mobile: MobileHost, tunnel: InstallTunnel) -> str | None:
        home = mobile.home.ip
        agent = next((host for host in self.agents if host.owns(tunnel.remote)), None)
        if agent is not None:
            return self._through_agent(mobile, agent, tunnel.local)
        if not mobile.owns(tunnel.remote):
            return f"nobody at {tunnel.remote}"
        exit_ = mobile.kernel.tunnel(home, TunnelSide.CARE_OF)
        if exit_ is None or (exit_.local, exit_.remote) != (tunnel.remote, tunnel.local):
            return f"mobile node does not take tunnelled packets: {exit_}"
        return None

    def _on_home_link(self, mobile: MobileHost, mac: bytes) -> str | None:
        station = self.links["home"].stations.get(mac)
        if station is None or station[0] is not mobile:
            return f"nobody with {mac.hex()} on the home link"
        if station[1] not in mobile.kernel.home:
            return "home address is not on the home link's interface"
        return None

    def _through_agent(self, mobile: MobileHost, agent: AgentHost, home_agent: IPv4Address) -> str | None:
        home = mobile.home.ip
        exit_ = agent.kernel.tunnel(home, TunnelSide.CARE_OF)
        if not agent.running or exit_ is None or exit_.remote != home_agent:
            return f"{agent.name} does not take tunnelled packets: {exit_}"
        interface = agent.kernel.visitor_routes.get(home)
        if interface is None:
            return f"{agent.name} has no route to its visitor"
        station = agent.links[interface].stations.get(agent.kernel.neighbours.get((home, interface), b""))
        return None if station is not None and station[0] is mobile else f"visitor is not on {interface}"

    def why_not_up(self, mobile: MobileHost) -> str | None:
        """What stops a packet from the home address to the correspondent, or ``None``."""
        home = mobile.home.ip
        match mobile.kernel.way_out:
            case None:
                here = any(
                    mobile.links.get(interface) is self.links["home"] for interface in mobile.kernel.home
                )
                return None if here else "no way out"
            case RouteThroughAgent() as route:
                link = mobile.links.get(route.interface)
                station = None if link is None else link.stations.get(route.link_address)
                if station is None or not isinstance(station[0], AgentHost):
                    return "agent is not on the link"
                agent, interface = station
                if (home, interface) not in agent.kernel.reverse_rules:
                    return "no reverse rule" if self.plan.reverse_tunnel else None
                tunnel = agent.kernel.tunnel(home, TunnelSide.CARE_OF)
                if tunnel is None or not tunnel.reverse:
                    return f"{agent.name} does not tunnel back: {tunnel}"
                return self._accepted_back(home, tunnel.local)
            case RouteThroughTunnel() as route:
                if not route.tunnel:
                    return None if route.interface in mobile.links else "interface is down"
                tunnel = mobile.kernel.tunnel(home, TunnelSide.CARE_OF)
                if tunnel is None or not tunnel.reverse or not mobile.owns(tunnel.local):
                    return f"mobile node does not tunnel back: {tunnel}"
                return self._accepted_back(home, tunnel.local)

    def _accepted_back(self, home: IPv4Address, care_of: IPv4Address) -> str | None:
        tunnels = self.ha.kernel.tunnels_of(home, TunnelSide.HOME)
        if self.ha.running and any(tunnel.reverse and tunnel.remote == care_of for tunnel in tunnels):
            return None
        return f"home agent drops what {care_of} tunnels back: {tunnels}"
