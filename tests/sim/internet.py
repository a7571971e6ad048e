"""Builds the internet of :mod:`tests.sim.world` by a plan, and configures its hosts as operators do."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from mobileip.control.core.actions import Action, LookupKey
from mobileip.control.core.advertiser import AdvertisedLink
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.challenges import ChallengeSettings
from mobileip.control.core.encapsulations import ONLY_IPIP, Encapsulations
from mobileip.control.core.events import Event, Tick
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings, VisitedLink
from mobileip.control.core.home import HomeAgent, HomeAgentSettings, HomeNetwork
from mobileip.control.core.mobile import MobileNode, MobileNodeSettings
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, Peer, Secret
from mobileip.control.security.mobile_aaa import MobileAaaAssociation
from mobileip.control.types import EncapsulationType, Instant, Lifetime, Spi
from mobileip.control.wire import AgentFlags
from tests.sim.faults import HONEST, Fault
from tests.sim.hosts import AgentHost, Link, MobileHost, Node
from tests.sim.keeper import SETTINGS, Keeper
from tests.sim.keys import Keys, Pair
from tests.sim.plan import Plan
from tests.sim.signatures import address, name_in
from tests.sim.world import World

HOME_NETWORKS = (IPv4Network("192.0.2.0/24"), IPv4Network("198.18.0.0/24"))
HOME_AGENTS = {"ha": HOME_NETWORKS[0][1], "hb": HOME_NETWORKS[1][1]}
HOME_AGENT = HOME_AGENTS["ha"]
STRANGER = "xx"
_VISITED = [IPv4Network(f"203.0.113.{64 * number}/26") for number in range(4)]
CARE_OF = [IPv4Address(f"198.51.100.{10 + number}") for number in range(4)]
_GATEWAYS = {prefix: prefix[1] for prefix in (*HOME_NETWORKS, *_VISITED)}
_POOLS = [IPv4Network((int(network[128]), 28)) for network in HOME_NETWORKS]  # for nodes with a name only
_HOME_ADDRESSES = [[network[10 + number] for number in range(8)] for network in HOME_NETWORKS]
_HOME_INTERFACES = [
    [IPv4Interface((one, network.prefixlen)) for one in addresses]
    for network, addresses in zip(HOME_NETWORKS, _HOME_ADDRESSES, strict=True)
]
_STRANGER_ADDRESS = HOME_NETWORKS[0][99]


class Internet(World):
    """Hosts ``ha``, perhaps ``hb``, ``fa1``, ``fa2``, ``mn0`` … and the stranger ``xx``, who plays no role of its own.

    Links are ``home0`` and ``home1`` for the networks that have one, and ``visited0`` to ``visited3``.
    """

    def __init__(self, seed: int, plan: Plan, fault: Fault = HONEST) -> None:
        super().__init__(seed)
        self.plan = plan
        self.fault = fault
        self.assigned: dict[IPv4Address, Pair] = {}  # home addresses that were given to nodes with a name
        self.calm = False  # the operator has put everything right
        self.keys = Keys(plan.algorithm, plan.nonces)
        self._keeper = Keeper(self)
        self.home_max_lifetime = plan.home_max_lifetime
        self.foreign_max_lifetime = plan.foreign_max_lifetime
        for number in range(len(plan.homes)):
            if number not in plan.virtual:
                prefix = HOME_NETWORKS[number]
                self.links[f"home{number}"] = Link(f"home{number}", prefix, _GATEWAYS[prefix])
        for number, prefix in enumerate(_VISITED):
            self.links[f"visited{number}"] = Link(f"visited{number}", prefix, _GATEWAYS[prefix])
        self._known: dict[Peer, Pair] = {
            self.peer(number): self.pair(number) for number in range(plan.mobiles)
        }
        self._known[stranger_address()] = STRANGER, "ha"
        self._agree()
        self.home_agents = [
            self._agent(name, 1 + number, home=True, visited=0 if self._serves(name) else None)
            for number, name in enumerate(dict.fromkeys(plan.homes))
        ]
        self.fas = [self._agent(f"fa{number}", 8 + number, home=False, visited=number) for number in (1, 2)]
        self.mobiles = [self._mobile(number) for number in range(plan.mobiles)]
        self.stranger = Stranger(self, STRANGER, bytes((2, 0, 0, 0, 2, 0)), 0)
        self.nodes[STRANGER] = self.stranger
        for host in self.agents:
            host.boot()

    @property
    def ha(self) -> AgentHost:
        return self.home_agents[0]

    @property
    def agents(self) -> list[AgentHost]:
        return [*self.home_agents, *self.fas]

    # ---- who is who

    def network_of(self, number: int) -> int:
        """The number of a mobile node's home network."""
        return number % len(self.plan.homes)

    def home_agent_of(self, mobile: MobileHost) -> AgentHost:
        name = self.plan.homes[self.network_of(mobile.number)]
        return next(host for host in self.home_agents if host.name == name)

    def home_link(self, mobile: MobileHost) -> Link | None:
        """That of the network which the home address belongs to; an address may be given from any of the agent's."""
        number = self.network_of(mobile.number)
        for network, prefix in enumerate(HOME_NETWORKS[: len(self.plan.homes)]):
            if mobile.home_address in prefix:
                number = network
        return self.links.get(f"home{number}")

    def home_interface(self, number: int) -> IPv4Interface:
        """The home address of a node that is configured with one."""
        return _HOME_INTERFACES[self.network_of(number)][number]

    def peer(self, number: int) -> Peer:
        """By what its home agent knows a mobile node."""
        return nai(number) if number in self.plan.named else _HOME_ADDRESSES[self.network_of(number)][number]

    def pair(self, number: int) -> Pair:
        return f"mn{number}", self.plan.homes[self.network_of(number)]

    def pair_of(self, payload: bytes) -> Pair | None:
        """The mobile node and home agent that a message is about: a configured address counts before a name."""
        home = address(payload, 4)
        found = self._known.get(home) or self._known.get(name_in(payload) or "")
        return found or self.assigned.get(home)

    def known_as(self, peer: IPv4Address | str) -> Pair | None:
        """Whom a home agent asks for by ``peer``."""
        return self._known.get(peer)

    def look_up(self, node: Node, action: LookupKey, cause: Event) -> None:
        self._keeper.ask(node, action.peer, cause)

    def unanswered(self, node: Node, event: Event) -> None:
        self._keeper.unanswered(node, event)

    def cause(self, node: Node, event: Event) -> Event:
        return self._keeper.cause(node, event)

    def associations_of(self, payload: bytes) -> list[MobilitySecurityAssociation]:
        """What the home agent of the node that ``payload`` is about shares with it now."""
        pair = self.pair_of(payload)
        return [] if pair is None else self.keys.held(pair, pair[1])

    def co_located_address(self, mobile: MobileHost, link: Link) -> IPv4Interface:
        return IPv4Interface((link.prefix[20 + mobile.number], link.prefix.prefixlen))

    def has_agent(self, link: Link) -> bool:
        return any(link in host.links.values() for host in self.agents)

    def _serves(self, name: str) -> bool:
        return self.plan.home_serves_visitors and name == "ha"

    def _agree(self) -> None:
        plan = self.plan
        for number in range(plan.mobiles):
            self.keys.agree(self.pair(number), wrong=number in plan.wrong_keys)
            if number in plan.known_to_agent:
                self.keys.agree((f"mn{number}", "fa2"))
        if plan.foreign_home:
            for name in dict.fromkeys(plan.homes):
                self.keys.agree(("fa1", name))
        self.keys.agree((STRANGER, "ha"))

    # ---- agents

    def _agent(self, name: str, number: int, *, home: bool, visited: int | None) -> AgentHost:
        links: dict[str, Link] = {}
        own = {HOME_AGENTS[name]} if home else set()
        for network, server in enumerate(self.plan.homes):
            if not home or server != name:
                continue
            own.add(
                HOME_NETWORKS[network].broadcast_address
            )  # of a virtual network too: it asks for an agent there
            if network not in self.plan.virtual:
                links[f"home{network}"] = self.links[f"home{network}"]
                own.add(links[f"home{network}"].gateway)
        if visited is not None:
            links["eth1"] = self.links[f"visited{visited}"]
            own |= {CARE_OF[visited], links["eth1"].gateway}
        entropy = self.random(f"{name} draws").randbytes

        def build() -> MobilityAgents:
            machine = MobilityAgents(
                home=HomeAgent(self.home_settings(name)) if home else None,
                foreign=None if visited is None else ForeignAgent(self.foreign_settings(host), entropy),
                links=self.advertised(host),
                entropy=entropy,
            )
            return self.fault.agent(self, name, machine)

        host = AgentHost(self, name, bytes((2, 0, 0, 0, 0, number)), frozenset(own), build)
        host.links = links
        for interface, link in links.items():
            link.stations[host.mac] = host, interface
        self.nodes[name] = host
        return host

    def home_settings(self, name: str) -> HomeAgentSettings:
        plan = self.plan
        networks, entries = [], list[tuple[Peer, MobilitySecurityAssociation]]()
        for network, server in enumerate(plan.homes):
            if server == name:
                link = None if network in plan.virtual else f"home{network}"
                networks.append(HomeNetwork(HOME_NETWORKS[network], link, _POOLS[network]))
        for number in range(plan.mobiles):
            if self.pair(number)[1] == name:
                entries += [(self.peer(number), one) for one in self.keys.held(self.pair(number), name)]
        if name == "ha":
            entries += [(stranger_address(), one) for one in self.keys.held((STRANGER, "ha"), "ha")]
        return HomeAgentSettings(
            HOME_AGENTS[name],
            tuple(networks),
            AssociationTable(
                () if plan.elsewhere else ((peer, self.fault.association(one)) for peer, one in entries)
            ),
            Lifetime(self.home_max_lifetime),
            reverse_tunnel=plan.home_policy,
            max_simultaneous=plan.max_simultaneous,
            foreign_agents=self._associations(("fa1", name), name, CARE_OF[1]),
            broadcasts=plan.broadcasts,
            encapsulations=plan.encapsulations,
            keys=SETTINGS if plan.elsewhere else None,
        )

    def foreign_settings(self, host: AgentHost) -> ForeignAgentSettings:
        plan, link = self.plan, host.links["eth1"]
        visited = int(link.name.removeprefix("visited"))
        nodes: list[tuple[Peer, MobilitySecurityAssociation]] = []
        for number in plan.known_to_agent if host.name == "fa2" else ():
            nodes += [(self.peer(number), one) for one in self.keys.held((f"mn{number}", "fa2"), "fa2")]
        home_agents: list[tuple[Peer, MobilitySecurityAssociation]] = []
        for name in dict.fromkeys(plan.homes) if host.name == "fa1" and plan.foreign_home else ():
            home_agents += [(HOME_AGENTS[name], one) for one in self.keys.held(("fa1", name), "fa1")]
        return ForeignAgentSettings(
            CARE_OF[visited],
            (VisitedLink("eth1", link.gateway),),
            Lifetime(self.foreign_max_lifetime),
            host.addresses - {prefix.broadcast_address for prefix in HOME_NETWORKS},
            HOME_AGENTS.get(host.name),
            plan.foreign_policy,
            plan.max_visitors,
            nodes=AssociationTable(nodes),
            home_agents=AssociationTable(home_agents),
            encapsulating_delivery=plan.agents_encapsulate,
            encapsulations=self._encapsulations(host),
            challenge=ChallengeSettings(window=2, interval=1.5) if plan.challenges else None,
        )

    def _encapsulations(self, host: AgentHost) -> Encapsulations:
        return ONLY_IPIP if host.name == "fa2" else self.plan.encapsulations

    def advertised(self, host: AgentHost) -> tuple[AdvertisedLink, ...]:
        plan = self.plan
        advertised = []
        for interface, link in host.links.items():
            foreign = interface == "eth1"
            longest = self.foreign_max_lifetime if foreign else self.home_max_lifetime
            care_of = CARE_OF[int(link.name.removeprefix("visited"))] if foreign else None
            policy = plan.foreign_policy if foreign else plan.home_policy
            advertised.append(
                AdvertisedLink(
                    interface,
                    link.gateway,
                    plan.interval,
                    max(1, round(3 * plan.interval)),
                    Lifetime(plan.advertised_lifetime or longest),
                    AgentFlags(
                        registration_required=foreign and plan.required,
                        home_agent=not foreign,
                        foreign_agent=foreign,
                        minimal=EncapsulationType.MINIMAL in self._encapsulations(host),
                        gre=EncapsulationType.GRE in self._encapsulations(host),
                        reverse_tunnel=policy is not ReverseTunnelPolicy.UNAVAILABLE,
                    ),
                    () if care_of is None else (care_of,),
                    prefix_length=link.prefix.prefixlen if plan.prefixes else None,
                )
            )
        return tuple(advertised)

    # ---- mobile nodes

    def _mobile(self, number: int) -> MobileHost:
        name = f"mn{number}"
        skew = round(self.plan.skews[number % len(self.plan.skews)] * 1e9)
        entropy = self.random(f"{name} draws").randbytes

        def build() -> MobileNode:
            return self.fault.mobile(self, name, MobileNode(self.mobile_settings(number), entropy))

        host = MobileHost(self, name, bytes((2, 0, 0, 0, 1, number)), skew, number, build)
        self.nodes[name] = host
        return host

    def mobile_settings(self, number: int) -> MobileNodeSettings:
        plan, pair = self.plan, self.pair(number)
        named = number in plan.named
        agents = self._associations_of(pair[0], number)
        return MobileNodeSettings(
            None if named else self.home_interface(number),
            None if plan.discover else HOME_AGENTS[pair[1]],
            self.keys.held(pair, pair[0])[0],
            plan.interfaces,
            Lifetime(plan.lifetime),
            reverse_tunnel=plan.reverse_tunnel,
            co_located=plan.co_located,
            nai=nai(number) if named else None,
            hold_down=plan.hold_down,
            simultaneous=plan.simultaneous,
            broadcasts=plan.broadcasts,
            encapsulating_delivery=plan.encapsulating,
            foreign_agents=agents,
            encapsulations=plan.wanted,
            aaa=MobileAaaAssociation(Spi(2), Secret(b"for the AAA server")) if plan.challenges else None,
        )

    def _associations_of(self, name: str, number: int) -> dict[IPv4Address, MobilitySecurityAssociation]:
        if number not in self.plan.known_to_agent:
            return {}
        return {_GATEWAYS[_VISITED[2]]: self.keys.held((name, "fa2"), name)[0]}

    def _associations(self, pair: Pair, holder: str, peer: IPv4Address) -> AssociationTable:
        held = self.keys.held(pair, holder) if self.keys.shares(pair) else []
        return AssociationTable((peer, one) for one in held)

    # ---- operators

    def reload(self, host: Node) -> None:
        """What the daemon does when its configuration file has changed."""
        if isinstance(host, MobileHost):
            host.machine.reconfigure(self.mobile_settings(host.number))
        elif isinstance(host, AgentHost):
            home = self.home_settings(host.name) if host.machine.home is not None else None
            foreign = self.foreign_settings(host) if host.machine.foreign is not None else None
            host.machine.reconfigure(home, foreign, self.advertised(host), host.instant())
        self.dispatch(host, Tick())  # deadlines may be others now


class Stranger(Node):
    """Sends what it is told to and takes what comes: a node of another make, with a key of its own."""

    def __init__(self, world: World, name: str, mac: bytes, skew: int) -> None:
        super().__init__(world, name, mac, skew)
        self.machine = _Idle()

    def owns(self, address: IPv4Address) -> bool:
        return any(int(address) == int(link.prefix.network_address) + 50 for link in self.links.values())


class _Idle:
    """A machine that does nothing."""

    def handle(self, event: Event, now: Instant) -> list[Action]:
        return []

    def next_deadline(self) -> int | None:
        return None


def nai(number: int) -> str:
    return f"mn{number}@example.org"


def stranger_address() -> IPv4Address:
    return _STRANGER_ADDRESS
