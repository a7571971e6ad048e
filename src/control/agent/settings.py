"""Configuration models to the plain settings of the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address

from mobileip.control.config.model import (
    AdvertiseConfig,
    Config,
    ForeignAgentConfig,
    HomeAgentConfig,
    MobileNodeConfig,
)
from mobileip.control.core.advertiser import AdvertisedLink
from mobileip.control.core.foreign import ForeignAgentSettings, VisitedLink
from mobileip.control.core.home import HomeAgentSettings, HomeNetwork
from mobileip.control.core.mobile import MobileNodeSettings
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation
from mobileip.control.types import Spi
from mobileip.control.wire import AgentFlags

AddressOf = Callable[[str], IPv4Address]
"""The first address of an interface."""

_POLICY = {
    "optional": ReverseTunnelPolicy.OPTIONAL,
    "required": ReverseTunnelPolicy.REQUIRED,
    "forbidden": ReverseTunnelPolicy.UNAVAILABLE,
    "unavailable": ReverseTunnelPolicy.UNAVAILABLE,
}


def home_agent(config: HomeAgentConfig) -> HomeAgentSettings:
    associations = AssociationTable(
        (
            node.home_address,
            MobilitySecurityAssociation(Spi(node.spi), node.key, node.algorithm, node.replay_tolerance),
        )
        for node in config.nodes
    )
    return HomeAgentSettings(
        address=config.address,
        networks=tuple(HomeNetwork(net.prefix, net.interface) for net in config.networks),
        associations=associations,
        max_lifetime=config.max_lifetime,
        reverse_tunnel=_POLICY[config.reverse_tunnel],
        max_bindings=config.max_bindings,
    )


def foreign_agent(
    config: ForeignAgentConfig,
    home: HomeAgentConfig | None,
    address_of: AddressOf,
    own_addresses: Iterable[IPv4Address],
) -> ForeignAgentSettings:
    return ForeignAgentSettings(
        care_of_address=config.care_of_address,
        links=tuple(VisitedLink(link.name, address_of(link.name)) for link in config.interfaces),
        max_lifetime=config.max_lifetime,
        own_addresses=frozenset(own_addresses),
        home_agent=None if home is None else home.address,
        reverse_tunnel=_POLICY[config.reverse_tunnel],
        max_visitors=config.max_visitors,
        max_pending=config.max_pending,
        pending_timeout=config.pending_timeout,
    )


def mobile_node(config: MobileNodeConfig) -> MobileNodeSettings:
    return MobileNodeSettings(
        home_address=config.home_address,
        home_agent=config.home_agent,
        association=MobilitySecurityAssociation(Spi(config.spi), config.key, config.algorithm),
        interfaces=config.interfaces,
        lifetime=config.lifetime,
        home_gateway=config.home_gateway,
        reverse_tunnel=config.reverse_tunnel,
        co_located=config.co_located,
        agent_wait=config.agent_wait,
    )


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
    return AdvertisedLink(
        interface=interface,
        address=address_of(interface),
        interval=advertise.interval,
        lifetime=advertise.lifetime,
        registration_lifetime=advertise.registration_lifetime or config.max_lifetime,
        flags=AgentFlags(home_agent=True, reverse_tunnel=config.reverse_tunnel != "forbidden"),
        default_router=advertise.router,
    )


def _visited_link(
    config: ForeignAgentConfig, interface: str, advertise: AdvertiseConfig, address_of: AddressOf
) -> AdvertisedLink:
    return AdvertisedLink(
        interface=interface,
        address=address_of(interface),
        interval=advertise.interval,
        lifetime=advertise.lifetime,
        registration_lifetime=advertise.registration_lifetime or config.max_lifetime,
        flags=AgentFlags(
            foreign_agent=True,
            registration_required=config.registration_required,
            reverse_tunnel=config.reverse_tunnel != "unavailable",
        ),
        care_of_addresses=(config.care_of_address,),
        default_router=advertise.router,
    )


def _both(home: AdvertisedLink, foreign: AdvertisedLink) -> AdvertisedLink:
    flags = replace(foreign.flags, home_agent=True)
    return replace(foreign, flags=flags, interval=min(home.interval, foreign.interval))
