"""Whether valid values make sense together: what no single table can tell.

Every check takes the tables that are valid, under their place in the file, so that it also works on a file in
which others are not: ``mobileip check`` names all problems at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

from mobileip.control.config.model import (
    MULTIPLES_OF_INTERVAL,
    AdvertiseConfig,
    Config,
    DaemonConfig,
    ForeignAgentConfig,
    HomeAgentConfig,
    HomeNetworkConfig,
    MobileNodeConfig,
    NodeConfig,
    VisitedInterfaceConfig,
)
from mobileip.control.config.problem import Problem, Severity
from mobileip.control.security.secret import Secret

_STRONG_KEY = 16  # bytes; RFC 5944 s3.5.1: a key has 128 bits by default
_SHORTEST_GOOD_TOLERANCE = 3.0  # seconds; RFC 5944 s5.7.1: should be greater


@dataclass(frozen=True, slots=True)
class Parts:
    """The valid tables of a file: roles that are valid as a whole, elements of lists under their index."""

    daemon: DaemonConfig | None = None
    home_agent: HomeAgentConfig | None = None
    foreign_agent: ForeignAgentConfig | None = None
    mobile_node: MobileNodeConfig | None = None
    networks: Mapping[int, HomeNetworkConfig] = field(default_factory=dict)
    nodes: Mapping[int, NodeConfig] = field(default_factory=dict)
    visited: Mapping[int, VisitedInterfaceConfig] = field(default_factory=dict)
    all_networks: bool = True  # whether ``networks`` has all that are in the file

    @classmethod
    def of(cls, config: Config) -> Parts:
        """The parts of a file that is valid throughout."""
        home, foreign = config.home_agent, config.foreign_agent
        return cls(
            config.daemon,
            home,
            foreign,
            config.mobile_node,
            dict(enumerate(home.networks)) if home else {},
            dict(enumerate(home.nodes)) if home else {},
            dict(enumerate(foreign.interfaces)) if foreign else {},
        )


def check(parts: Parts) -> Iterator[Problem]:
    """Every problem in the order of the file."""
    yield from _networks(parts.networks)
    yield from _nodes(parts)
    if parts.home_agent:
        yield from _home_agent(parts.home_agent)
    yield from _visited(parts.visited, parts.networks)
    if parts.foreign_agent:
        yield from _foreign_agent(parts.foreign_agent)
    if parts.mobile_node:
        yield from _mobile_node(parts.mobile_node)
    if parts.daemon:
        yield from _tunnel_device(parts)


def _warning(key: str, text: str) -> Problem:
    return Problem(key, text, Severity.WARNING)


def _networks(networks: Mapping[int, HomeNetworkConfig]) -> Iterator[Problem]:
    advertised: dict[str, str] = {}
    seen: dict[str, IPv4Network] = {}
    for index, network in networks.items():
        where = f"home_agent.networks[{index}]"
        for earlier, prefix in seen.items():
            if prefix.overlaps(network.prefix):
                yield Problem(f"{where}.prefix", f"{network.prefix} overlaps {prefix} of {earlier}")
        seen[where] = network.prefix
        if network.advertise is None:
            continue
        if network.interface is None:
            yield Problem(
                f"{where}.advertise",
                "a virtual home network has no link to advertise on; give it an interface or leave this out",
            )
            continue
        yield from _advertise(f"{where}.advertise", network.advertise)
        if (first := advertised.setdefault(network.interface, where)) != where:
            yield Problem(
                f"{where}.advertise", f"{first} already advertises on {network.interface}: one is enough"
            )


def _nodes(parts: Parts) -> Iterator[Problem]:
    associations: dict[tuple[IPv4Address, int], str] = {}
    prefixes = [network.prefix for network in parts.networks.values()]
    for index, node in parts.nodes.items():
        where = f"home_agent.nodes[{index}]"
        earlier = associations.setdefault((node.home_address, node.spi), where)
        if earlier != where:
            yield Problem(f"{where}.spi", f"{node.home_address} with spi {node.spi} is already {earlier}")
        home = [prefix for prefix in prefixes if node.home_address in prefix]
        if parts.all_networks and prefixes and not home:
            known = ", ".join(map(str, prefixes))
            yield Problem(f"{where}.home_address", f"{node.home_address} is in no home network ({known})")
        for prefix in home:
            yield from _usable(f"{where}.home_address", node.home_address, prefix)
        yield from _key(f"{where}.key", node.key)
        if node.replay_tolerance <= _SHORTEST_GOOD_TOLERANCE:
            yield _warning(
                f"{where}.replay_tolerance",
                f"{node.replay_tolerance:g} s is short: RFC 5944 s5.7.1 wants more than 3 s",
            )


def _home_agent(home: HomeAgentConfig) -> Iterator[Problem]:
    for index, node in enumerate(home.nodes):
        if node.home_address == home.address:
            yield Problem(
                f"home_agent.nodes[{index}].home_address", f"{node.home_address} is home_agent.address itself"
            )
    if not home.nodes:
        yield _warning("home_agent.nodes", "no node is configured: every registration will be discarded")
    for index, network in enumerate(home.networks):
        offered = network.advertise.registration_lifetime if network.advertise else None
        # The infinite lifetime is the highest number (0xffff), so numbers compare as lifetimes do.
        if offered is not None and offered > home.max_lifetime:
            yield _warning(
                f"home_agent.networks[{index}].advertise.registration_lifetime",
                f"{offered} is offered but no more than max_lifetime ({home.max_lifetime}) is ever granted",
            )


def _visited(
    visited: Mapping[int, VisitedInterfaceConfig], networks: Mapping[int, HomeNetworkConfig]
) -> Iterator[Problem]:
    names: dict[str, str] = {}
    advertised_home = {
        network.interface: (f"home_agent.networks[{index}]", network.advertise)
        for index, network in networks.items()
        if network.interface and network.advertise
    }
    for index, interface in visited.items():
        where = f"foreign_agent.interfaces[{index}]"
        if (earlier := names.setdefault(interface.name, where)) != where:
            yield Problem(f"{where}.name", f"{interface.name} is already {earlier}")
        yield from _advertise(f"{where}.advertise", interface.advertise)
        if interface.advertise.registration_lifetime is not None:
            yield Problem(
                f"{where}.advertise.registration_lifetime",
                "a foreign agent offers what it accepts: set foreign_agent.max_lifetime instead",
            )
        if interface.name in advertised_home:
            place, home = advertised_home[interface.name]
            ours = interface.advertise
            if (ours.interval, ours.lifetime, ours.router) != (home.interval, home.lifetime, home.router):
                yield Problem(
                    f"{where}.advertise",
                    f"{interface.name} is also the link of {place}, and one advertisement speaks for both:"
                    f" interval, lifetime and router must be the same as there ({home.interval:g} s,"
                    f" {home.lifetime} s, {str(home.router).lower()})",
                )


def _foreign_agent(foreign: ForeignAgentConfig) -> Iterator[Problem]:
    if foreign.max_pending > foreign.max_visitors:
        yield _warning(
            "foreign_agent.max_pending",
            f"{foreign.max_pending} may be pending but only max_visitors ({foreign.max_visitors}) may stay",
        )


def _mobile_node(node: MobileNodeConfig) -> Iterator[Problem]:
    home = node.home_address
    yield from _usable("mobile_node.home_address", home.ip, home.network)
    if node.home_agent == home.ip:
        yield Problem("mobile_node.home_agent", f"{node.home_agent} is the node's own home address")
    if node.home_gateway is not None:
        if node.home_gateway == home.ip:
            yield Problem("mobile_node.home_gateway", f"{node.home_gateway} is the node's own home address")
        elif node.home_gateway not in home.network:
            yield Problem(
                "mobile_node.home_gateway", f"{node.home_gateway} is not in the home network {home.network}"
            )
        else:
            yield from _usable("mobile_node.home_gateway", node.home_gateway, home.network)
    names: dict[str, str] = {}
    for index, name in enumerate(node.interfaces):
        where = f"mobile_node.interfaces[{index}]"
        if (earlier := names.setdefault(name, where)) != where:
            yield Problem(where, f"{name} is already {earlier}")
    yield from _key("mobile_node.key", node.key)


def _tunnel_device(parts: Parts) -> Iterator[Problem]:
    assert parts.daemon is not None
    users: dict[str, list[str]] = defaultdict(list)
    for index, network in parts.networks.items():
        if network.interface:
            users[network.interface].append(f"home_agent.networks[{index}].interface")
    for index, visited in parts.visited.items():
        users[visited.name].append(f"foreign_agent.interfaces[{index}].name")
    for index, name in enumerate(parts.mobile_node.interfaces if parts.mobile_node else ()):
        users[name].append(f"mobile_node.interfaces[{index}]")
    for key in users[parts.daemon.tunnel_device]:
        yield Problem(
            key, f"{parts.daemon.tunnel_device} is daemon.tunnel_device, the tunnel device, not a link"
        )


def _usable(key: str, address: IPv4Address, prefix: IPv4Network) -> Iterator[Problem]:
    """Two addresses of a prefix are no host's (RFC 1122 s3.2.1.3); /31 and /32 have none such (RFC 3021)."""
    if prefix.prefixlen <= 30 and address in (prefix.network_address, prefix.broadcast_address):
        kind = "network" if address == prefix.network_address else "broadcast"
        yield Problem(key, f"{address} is the {kind} address of {prefix}, not a host's")


def _advertise(key: str, advertise: AdvertiseConfig) -> Iterator[Problem]:
    if advertise.lifetime < advertise.interval:
        yield Problem(
            f"{key}.lifetime",
            f"{advertise.lifetime} s is shorter than the interval ({advertise.interval:g} s):"
            " nodes would lose the agent between two advertisements",
        )
    elif advertise.lifetime < MULTIPLES_OF_INTERVAL * advertise.interval:
        yield _warning(
            f"{key}.lifetime",
            f"{advertise.lifetime} s is less than three times the interval ({advertise.interval:g} s):"
            " a node that misses an advertisement or two loses the agent (RFC 5944 s2.1)",
        )


def _key(key: str, secret: Secret) -> Iterator[Problem]:
    value = secret.reveal()
    steps = {(after - before) & 0xFF for before, after in pairwise(value)}
    if len(steps) == 1:  # one byte repeated, or counted up: every key of a manual or an example
        yield _warning(key, "this key can be guessed; make one with: openssl rand -hex 16")
    elif len(value) < _STRONG_KEY:
        yield _warning(
            key, f"{len(value)} bytes are few: RFC 5944 s3.5.1 wants {_STRONG_KEY} (openssl rand -hex 16)"
        )
