"""Configuration models to the plain settings of the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.agent import keys, verifiers
from mobileip.control.config.model import (
    AdvertiseConfig,
    Config,
    ForeignAgentConfig,
    HomeAgentConfig,
    MobileNodeConfig,
    PeerAgentConfig,
    VisitingNodeConfig,
)
from mobileip.control.core.actions import MulticastWay
from mobileip.control.core.advertiser import AdvertisedLink
from mobileip.control.core.challenges import ChallengeSettings
from mobileip.control.core.encapsulations import ONLY_IPIP, Encapsulations
from mobileip.control.core.filters import FilterRule, FilterSettings, Verdict
from mobileip.control.core.foreign import ForeignAgentSettings, VisitedLink
from mobileip.control.core.home import HomeAgentSettings, HomeNetwork
from mobileip.control.core.mobile import MobileNodeSettings
from mobileip.control.core.multicast import MulticastSettings
from mobileip.control.core.policy import NodePolicy, ReverseTunnelPolicy
from mobileip.control.ports import ActionError
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, PeerMap
from mobileip.control.security.mobile_aaa import MobileAaaAssociation
from mobileip.control.security.peers import normalised
from mobileip.control.types import ALL_SYSTEMS, LIMITED_BROADCAST, EncapsulationType, Lifetime
from mobileip.control.wire import AgentFlags

AddressOf = Callable[[str], IPv4Interface]
"""The first address of an interface, with the length of its prefix."""

_DESTINATIONS = {"multicast": ALL_SYSTEMS, "broadcast": LIMITED_BROADCAST}
_POLICY = {
    "optional": ReverseTunnelPolicy.OPTIONAL,
    "required": ReverseTunnelPolicy.REQUIRED,
    "forbidden": ReverseTunnelPolicy.UNAVAILABLE,
    "unavailable": ReverseTunnelPolicy.UNAVAILABLE,
}


_SMALLEST_TABLE, _LARGEST_TABLE = 1 << 12, 1 << 24
_ROOM_TO_GROW = 4


def of_home_agent(config: Config) -> HomeAgentSettings | None:
    """Those of the file's home agent, if it has one."""
    return None if config.home_agent is None else home_agent(config.home_agent)


def home_agent(config: HomeAgentConfig) -> HomeAgentSettings:
    policies: PeerMap[NodePolicy] = PeerMap()
    for node in config.nodes:
        if any(one is not None for one in node.policy):
            policy = NodePolicy(
                node.max_lifetime or config.max_lifetime,
                _POLICY[node.reverse_tunnel or config.reverse_tunnel],
                node.max_simultaneous or config.max_simultaneous,
                _with_ipip(config.encapsulations if node.encapsulations is None else node.encapsulations),
                node.idle_timeout or config.idle_timeout,
            )
            for peer in node.peers:
                policies.setdefault(peer, policy)
    idle = [config.idle_timeout, *(node.idle_timeout for node in config.nodes)]
    return HomeAgentSettings(
        address=config.address,
        networks=tuple(HomeNetwork(net.prefix, net.interface, net.pool) for net in config.networks),
        associations=AssociationTable(
            (
                peer,
                MobilitySecurityAssociation(
                    node.spi,
                    node.key,
                    node.algorithm,
                    node.replay_tolerance,
                    node.replay,
                    node.spi_out,
                    node.ignore_spi,
                    node.any_algorithm,
                ),
            )
            for node in config.nodes
            for peer in node.peers
        ),
        max_lifetime=config.max_lifetime,
        reverse_tunnel=_POLICY[config.reverse_tunnel],
        max_bindings=config.max_bindings,
        max_simultaneous=config.max_simultaneous,
        foreign_agents=AssociationTable(
            (agent.address, _association(agent)) for agent in config.foreign_agents
        ),
        policies=policies,
        addresses={
            normalised(node.nai): node.home_address
            for node in config.nodes
            if node.nai is not None and node.home_address is not None
        },
        broadcasts=config.broadcasts,
        encapsulations=_with_ipip(config.encapsulations),
        multicast=_multicast(config) if config.multicast else None,
        idle_timeout=config.idle_timeout,
        shortest_idle_timeout=min((one for one in idle if one is not None), default=None),
        max_new_rate=config.max_new_rate,
        redirect_to=config.redirect_to,
        keys=None if config.keys is None else keys.settings(config.keys),
        proofs=verifiers.settings(config),
        reject_static_addresses=config.reject_static_addresses,
        filters=filters(config),
    )


def filters(config: HomeAgentConfig | ForeignAgentConfig) -> FilterSettings:
    """The rules of one agent, as its machine and ``mobileip filter test`` ask them."""
    rules = (FilterRule(Verdict(one.action), **one.conditions) for one in config.filters)
    return FilterSettings(tuple(rules), Verdict(config.filter_default))


def _multicast(config: HomeAgentConfig) -> MulticastSettings:
    return MulticastSettings(config.multicast_query_interval, config.max_node_groups, config.max_memberships)


def _with_ipip(others: Iterable[EncapsulationType]) -> Encapsulations:
    return ONLY_IPIP | set(others)


def foreign_agent(
    config: ForeignAgentConfig,
    home: HomeAgentConfig | None,
    address_of: AddressOf,
    own_addresses: Iterable[IPv4Address],
    gateways: Iterable[IPv4Address] = (),
) -> ForeignAgentSettings:
    """:raises ActionError: a care-of address is not one of this host's."""
    own = frozenset(own_addresses)
    for index, address in enumerate(config.care_of_addresses):
        if address not in own:
            raise ActionError(
                f"foreign_agent.care_of_addresses[{index}] is {address}, which no interface of this host has;"
                " correct it or add the address"
            )
    return ForeignAgentSettings(
        care_of_address=config.care_of_address,
        more_care_of_addresses=config.care_of_addresses,
        links=tuple(VisitedLink(link.name, address_of(link.name).ip) for link in config.interfaces),
        max_lifetime=config.max_lifetime,
        own_addresses=own,
        home_agent=None if home is None else home.address,
        reverse_tunnel=_POLICY[config.reverse_tunnel],
        max_visitors=config.max_visitors,
        max_pending=config.max_pending,
        pending_timeout=config.pending_timeout,
        nodes=AssociationTable((peer, _association(node)) for node in config.nodes for peer in node.peers),
        home_agents=AssociationTable((agent.address, _association(agent)) for agent in config.home_agents),
        encapsulating_delivery=config.encapsulating_delivery,
        encapsulations=_with_ipip(config.encapsulations),
        gre_keys=config.gre_keys,
        filters=filters(config),
        challenge=None if config.challenge is None else ChallengeSettings(**dict(config.challenge)),
        gateways=frozenset(gateways),
        proof_rate=None if config.aaa is None else config.aaa.max_rate,
    )


def tunnel_capacity(config: Config) -> int:
    """Most tunnels at one time: several times what is configured, for what a reload may raise."""
    return max(_SMALLEST_TABLE, min(_LARGEST_TABLE, _ROOM_TO_GROW * most_tunnels(config)))


def most_tunnels(config: Config) -> int:
    """How many tunnels the limits of the configuration allow at one time."""
    home, foreign = config.home_agent, config.foreign_agent
    most = 0 if home is None else home.max_bindings * home.max_simultaneous
    return most + (0 if foreign is None else foreign.max_visitors)


def _association(peer: PeerAgentConfig | VisitingNodeConfig) -> MobilitySecurityAssociation:
    return MobilitySecurityAssociation(peer.spi, peer.key, peer.algorithm, spi_out=peer.spi_out)


def mobile_node(config: MobileNodeConfig) -> MobileNodeSettings:
    association = MobilitySecurityAssociation(
        config.spi, config.key, config.algorithm, replay=config.replay, spi_out=config.spi_out
    )
    return MobileNodeSettings(
        home_address=config.home_address,
        home_agent=config.home_agent,
        association=association,
        interfaces=config.interfaces,
        lifetime=config.lifetime,
        home_gateway=config.home_gateway,
        reverse_tunnel=config.reverse_tunnel,
        co_located=config.co_located,
        agent_wait=config.agent_wait,
        nai=config.nai,
        agents=config.agents,
        hold_down=config.hold_down,
        simultaneous=config.simultaneous,
        broadcasts=config.broadcasts,
        encapsulating_delivery=config.encapsulating_delivery,
        no_router_discovery=frozenset(config.no_router_discovery),
        solicit_by_broadcast=frozenset(config.solicit_by_broadcast),
        solicitation_delay=config.solicitation_delay,
        multicast=MulticastWay(config.multicast),
        foreign_agents={agent.address: _association(agent) for agent in config.foreign_agents},
        encapsulations=config.encapsulation,
        home_agents=config.home_agents,
        aaa=None if config.aaa is None else MobileAaaAssociation(config.aaa.spi, config.aaa.secret),
    )


def links(config: Config) -> tuple[str, ...]:
    """Interfaces on which nodes and agents meet: watched, listened on with link-layer addresses."""
    if config.mobile_node is not None:
        return config.mobile_node.interfaces
    return tuple(dict.fromkeys([*home_links(config), *visited_links(config)]))


def home_links(config: Config) -> list[str]:
    home = config.home_agent
    return [] if home is None else [net.interface for net in home.networks if net.interface is not None]


def visited_links(config: Config) -> list[str]:
    foreign = config.foreign_agent
    return [] if foreign is None else [link.name for link in foreign.interfaces]


def tunnel_ends(config: Config) -> list[IPv4Address]:
    """Our ends of the tunnels, as far as the configuration knows them."""
    home, foreign = config.home_agent, config.foreign_agent
    ends = [] if home is None else [home.address]
    return ends if foreign is None else [*ends, foreign.care_of_address, *foreign.care_of_addresses]


def tunnel_links(config: Config) -> tuple[str, ...]:
    """Interfaces whose addresses a tunnel may end at, one of them at a time."""
    return () if config.mobile_node is None else config.mobile_node.interfaces


def usual_encapsulation(config: Config) -> EncapsulationType:
    """The one that the tunnel device is made for: a mobile node's first choice, at an agent the one of every node."""
    node = config.mobile_node
    return EncapsulationType.IPIP if node is None or not node.encapsulation else node.encapsulation[0]


def advertised_links(config: Config, address_of: AddressOf) -> tuple[AdvertisedLink, ...]:
    """What each link is told; one that both agents serve gets one advertisement with both bits (RFC 5944 s2.1.1)."""
    links: dict[str, AdvertisedLink] = {}
    if config.home_agent is not None:
        for network in config.home_agent.networks:
            if network.interface is not None and network.advertise is not None:
                links[network.interface] = _home_link(
                    config.home_agent, network.interface, network.advertise, address_of
                )
    if config.foreign_agent is not None:
        for interface in config.foreign_agent.interfaces:
            foreign = _visited_link(config.foreign_agent, interface.name, interface.advertise, address_of)
            beside = links.get(interface.name)
            links[interface.name] = foreign if beside is None else _both(beside, foreign)
    return tuple(links.values())


def _home_link(
    config: HomeAgentConfig, interface: str, advertise: AdvertiseConfig, address_of: AddressOf
) -> AdvertisedLink:
    return _advertised(
        interface,
        address_of(interface),
        advertise,
        registration_lifetime=advertise.registration_lifetime or config.max_lifetime,
        flags=AgentFlags(
            home_agent=True,
            minimal=EncapsulationType.MINIMAL in config.encapsulations,
            gre=EncapsulationType.GRE in config.encapsulations,
            reverse_tunnel=config.reverse_tunnel != "forbidden",
        ),
    )


def _visited_link(
    config: ForeignAgentConfig, interface: str, advertise: AdvertiseConfig, address_of: AddressOf
) -> AdvertisedLink:
    return _advertised(
        interface,
        address_of(interface),
        advertise,
        registration_lifetime=advertise.registration_lifetime or config.max_lifetime,
        flags=AgentFlags(
            foreign_agent=True,
            registration_required=config.registration_required,
            minimal=EncapsulationType.MINIMAL in config.encapsulations,
            gre=EncapsulationType.GRE in config.encapsulations,
            reverse_tunnel=config.reverse_tunnel != "unavailable",
        ),
        care_of_addresses=(config.care_of_address, *config.care_of_addresses),
    )


def _advertised(
    interface: str,
    address: IPv4Interface,
    advertise: AdvertiseConfig,
    *,
    registration_lifetime: Lifetime,
    flags: AgentFlags,
    care_of_addresses: tuple[IPv4Address, ...] = (),
) -> AdvertisedLink:
    return AdvertisedLink(
        interface=interface,
        address=address.ip,
        interval=advertise.interval,
        lifetime=advertise.lifetime,
        registration_lifetime=registration_lifetime,
        flags=flags,
        care_of_addresses=care_of_addresses,
        default_router=advertise.router,
        prefix_length=address.network.prefixlen if advertise.prefix_lengths else None,
        destination=_DESTINATIONS[advertise.destination],
        on_solicitation_only=advertise.on_solicitation_only,
        unsolicited=advertise.unsolicited,
    )


def _both(home: AdvertisedLink, foreign: AdvertisedLink) -> AdvertisedLink:
    flags = replace(foreign.flags, home_agent=True)
    return replace(foreign, flags=flags, interval=min(home.interval, foreign.interval))
