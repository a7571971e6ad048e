"""Whether valid values make sense together: what no single table can tell.

Every check takes the tables that are valid, under their place in the file, so that it also works on a file in
which others are not: ``mobileip check`` names all problems at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

from mobileip.control.config.aaa import check_foreign_aaa, check_home_aaa
from mobileip.control.config.challenge import check_challenge, check_node_aaa
from mobileip.control.config.filters import check_filters
from mobileip.control.config.keys import check_keys
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
from mobileip.control.config.servers import check_servers
from mobileip.control.security.association import ReplayMethod
from mobileip.control.security.peers import ANY_USER, Peer, normalised
from mobileip.control.security.secret import Secret
from mobileip.control.types import EncapsulationType

_MOST_CARE_OF_ADDRESSES = 62  # RFC 5944 s2.1.1: 6 + 4*N bytes in the one byte of Length
_SHORTEST_GOOD_ANSWER = 60  # seconds
_STRONG_KEY = 16  # bytes; RFC 5944 s3.5.1: a key has 128 bits by default
_LONGEST_POOL_TOLERANCE = 30.0  # seconds; half of pool.QUARANTINE: a timestamp may be as far ahead as behind
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
        if network.pool is not None and not network.pool.subnet_of(network.prefix):
            yield Problem(f"{where}.pool", f"{network.pool} is not a part of {network.prefix}")
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
    associations: dict[tuple[Peer, int], str] = {}
    first: dict[Peer, tuple[str, NodeConfig]] = {}
    ranges: dict[str, IPv4Network] = {}
    for index, node in parts.nodes.items():
        where = f"home_agent.nodes[{index}]"
        if not node.peers:
            yield Problem(
                f"{where}.home_address",
                'is missing: the node\'s home address, such as "10.1.0.5", or home_addresses, or nai',
            )
        if node.home_addresses is not None and len(node.peers) > 1:
            yield Problem(f"{where}.home_addresses", "a range stands alone, without home_address and nai")
        for peer in node.peers:
            earlier = associations.setdefault((_compared(peer), node.spi), where)
            if earlier != where:
                yield Problem(f"{where}.spi", f"{peer} with spi {node.spi} is already {earlier}")
            place, other = first.setdefault(_compared(peer), (where, node))
            if other.policy != node.policy or _names(other) != _names(node):
                yield Problem(
                    where,
                    f"{peer} is also {place}: nai, home_address, max_lifetime, reverse_tunnel,"
                    " max_simultaneous, encapsulations and idle_timeout must be the same there",
                )
        yield from _place(parts, where, node)
        if node.home_addresses is not None:
            for earlier, prefix in ranges.items():
                if prefix.overlaps(node.home_addresses) and prefix != node.home_addresses:
                    yield Problem(
                        f"{where}.home_addresses", f"{node.home_addresses} overlaps {prefix} of {earlier}"
                    )
            ranges[where] = node.home_addresses
        yield from _key(f"{where}.key", node.key)
        yield from _replay(where, node)
        yield from _lenient(where, node)


def _place(parts: Parts, where: str, node: NodeConfig) -> Iterator[Problem]:
    """Home addresses are of the home networks; a node with a name only gets one from a pool."""
    networks = parts.networks.values()
    prefixes = [network.prefix for network in networks]
    known = ", ".join(map(str, prefixes))
    address, addresses = node.home_address, node.home_addresses
    if address is not None:
        home = [prefix for prefix in prefixes if address in prefix]
        if parts.all_networks and prefixes and not home:
            yield Problem(f"{where}.home_address", f"{address} is in no home network ({known})")
        for prefix in home:
            yield from _usable(f"{where}.home_address", address, prefix)
    elif addresses is not None:
        if parts.all_networks and prefixes and not any(map(addresses.subnet_of, prefixes)):
            yield Problem(f"{where}.home_addresses", f"{addresses} is in no home network ({known})")
    elif node.nai is not None and parts.all_networks and all(network.pool is None for network in networks):
        yield Problem(
            f"{where}.nai",
            f"{node.nai} has no home_address, and no [[home_agent.networks]] table has a pool to give one from",
        )
    if node.nai is not None and node.nai.startswith(ANY_USER) and address is not None:
        yield Problem(f"{where}.home_address", f"the users of {node.nai} cannot have one home address")


def _lenient(where: str, node: NodeConfig) -> Iterator[Problem]:
    if node.ignore_spi:
        yield _warning(
            f"{where}.ignore_spi",
            f"with it this key counts under every SPI, not {node.spi} only: meant for peers whose SPI is not known yet;"
            " the log says which one they use",
        )
    if node.any_algorithm:
        yield _warning(
            f"{where}.any_algorithm",
            "with it the worst algorithm is enough for a forger (RFC 5944 s3.5.1 wants the one of the SPI): meant for"
            " peers whose algorithm is not known yet; the log says which one they use",
        )


def _replay(where: str, node: NodeConfig) -> Iterator[Problem]:
    if node.replay is ReplayMethod.NONE:
        yield _warning(
            f"{where}.replay",
            "without replay protection whoever records a registration can repeat it and so move the node"
            ' (RFC 5944 s5.7); "nonces" need no clock either',
        )
    elif node.replay is ReplayMethod.TIMESTAMPS and node.replay_tolerance <= _SHORTEST_GOOD_TOLERANCE:
        yield _warning(
            f"{where}.replay_tolerance",
            f"{node.replay_tolerance:g} s is short: RFC 5944 s5.7.1 wants more than 3 s",
        )
    if node.nai is not None and node.home_address is None and node.replay_tolerance > _LONGEST_POOL_TOLERANCE:
        yield Problem(
            f"{where}.replay_tolerance",
            f"{node.replay_tolerance:g} s is too long for a node with an address from a pool: at most"
            f" {_LONGEST_POOL_TOLERANCE:g} s, since that address may be another node's a minute later",
        )


def _names(node: NodeConfig) -> list[Peer]:
    return [_compared(peer) for peer in node.peers]


def _compared(peer: Peer) -> Peer:
    return normalised(peer) if isinstance(peer, str) else peer


def _home_agent(home: HomeAgentConfig) -> Iterator[Problem]:
    for index, node in enumerate(home.nodes):
        if node.home_address == home.address:
            yield Problem(
                f"home_agent.nodes[{index}].home_address", f"{node.home_address} is home_agent.address itself"
            )
    yield from _others(
        "home_agent.redirect_to", home.redirect_to, {home.address: "home_agent.address itself"}
    )
    if home.multicast and home.reverse_tunnel == "forbidden":
        yield _warning(
            "home_agent.multicast",
            "has no effect with reverse_tunnel forbidden: groups are joined through that",
        )
    if home.accounting is not None:
        yield from check_servers("home_agent.accounting", home.accounting)
    if home.aaa is not None:
        yield from check_home_aaa(home.aaa, home.keys)
    if home.keys is not None:
        yield from check_keys(home.keys)
    elif not home.nodes:
        yield _warning("home_agent.nodes", "no node is configured: every registration will be discarded")
    for index, network in enumerate(home.networks):
        offered = network.advertise.registration_lifetime if network.advertise else None
        # The infinite lifetime is the highest number (0xffff), so numbers compare as lifetimes do.
        if offered is not None and offered > home.max_lifetime:
            yield _warning(
                f"home_agent.networks[{index}].advertise.registration_lifetime",
                f"{offered} is offered but no more than max_lifetime ({home.max_lifetime}) is ever granted",
            )
    agents: dict[tuple[IPv4Address, int], str] = {}
    for index, agent in enumerate(home.foreign_agents):
        where = f"home_agent.foreign_agents[{index}]"
        if (earlier := agents.setdefault((agent.address, agent.spi), where)) != where:
            yield Problem(f"{where}.spi", f"{agent.address} with spi {agent.spi} is already {earlier}")
        yield from _key(f"{where}.key", agent.key)
    yield from check_filters("home_agent.filters", home.filters)


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
            there = home.model_dump(exclude={"registration_lifetime"})  # which each agent has its own of
            others = [key for key, value in there.items() if getattr(ours, key) != value]
            if others:
                said = ", ".join(f"{key} {_said(there[key])}" for key in others)
                yield Problem(
                    f"{where}.advertise",
                    f"{interface.name} is also the link of {place}, and one advertisement speaks for both:"
                    f" must be the same as there ({said})",
                )


def _said(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _foreign_agent(foreign: ForeignAgentConfig) -> Iterator[Problem]:
    addresses = [foreign.care_of_address, *foreign.care_of_addresses]
    for index, address in enumerate(foreign.care_of_addresses):
        if address in addresses[: index + 1]:
            yield Problem(f"foreign_agent.care_of_addresses[{index}]", f"{address} is there already")
    if len(addresses) > _MOST_CARE_OF_ADDRESSES:
        yield Problem(
            "foreign_agent.care_of_addresses",
            f"{len(addresses)} care-of addresses are too many: {_MOST_CARE_OF_ADDRESSES} fit into an advertisement",
        )
    for number, node in enumerate(foreign.nodes):
        if not node.peers:
            where = f"foreign_agent.nodes[{number}].home_address"
            yield Problem(where, 'is missing: the node\'s home address, such as "10.1.0.5", or nai')
        yield from _key(f"foreign_agent.nodes[{number}].key", node.key)
    yield from _twice("foreign_agent.nodes", [(node.peers, node.spi) for node in foreign.nodes])
    for number, agent in enumerate(foreign.home_agents):
        yield from _key(f"foreign_agent.home_agents[{number}].key", agent.key)
    yield from _twice(
        "foreign_agent.home_agents", [((agent.address,), agent.spi) for agent in foreign.home_agents]
    )
    yield from check_filters("foreign_agent.filters", foreign.filters)
    if foreign.aaa is not None:
        yield from check_foreign_aaa(foreign.aaa, foreign.challenge is not None)
    if foreign.challenge is not None:
        yield from check_challenge("foreign_agent.challenge", foreign.challenge)
    if foreign.max_pending > foreign.max_visitors:
        yield _warning(
            "foreign_agent.max_pending",
            f"{foreign.max_pending} may be pending but only max_visitors ({foreign.max_visitors}) may stay",
        )


def _mobile_node(node: MobileNodeConfig) -> Iterator[Problem]:
    yield from _own_home(node)
    known = {} if node.home_address is None else {node.home_address.ip: "the node's own home address"}
    if node.home_agent is not None:
        known[node.home_agent] = "mobile_node.home_agent already"
    yield from _others("mobile_node.home_agents", node.home_agents, known)
    names: dict[str, str] = {}
    for index, name in enumerate(node.interfaces):
        where = f"mobile_node.interfaces[{index}]"
        if (earlier := names.setdefault(name, where)) != where:
            yield Problem(where, f"{name} is already {earlier}")
    for key in ("no_router_discovery", "solicit_by_broadcast"):
        for index, name in enumerate(getattr(node, key)):
            if name not in names:
                yield Problem(f"mobile_node.{key}[{index}]", f"{name} is not one of mobile_node.interfaces")
    if node.simultaneous and len(node.interfaces) == 1:
        yield _warning("mobile_node.simultaneous", "has no effect with one interface")
    if node.multicast == "tunnel" and not node.reverse_tunnel:
        yield Problem(
            "mobile_node.multicast",
            '"tunnel" needs reverse_tunnel: groups are joined through a tunnel that goes both ways (RFC 5944 s4.4)',
        )
    if node.encapsulating_delivery and not node.reverse_tunnel:
        yield Problem(
            "mobile_node.encapsulating_delivery",
            "needs reverse_tunnel: it is a way into that (RFC 3024 s3.3)",
        )
    wanted = node.encapsulation
    for index, kind in enumerate(wanted):
        if EncapsulationType.IPIP in wanted[:index]:
            where = f"mobile_node.encapsulation[{index}]"
            yield _warning(where, f"{kind} is never asked for: ipip before it is never denied")
        elif kind in wanted[:index]:
            yield Problem(f"mobile_node.encapsulation[{index}]", f"{kind} is there already")
    if node.replay is ReplayMethod.NONE:
        yield Problem("mobile_node.replay", '"none" is the home agent\'s: a node uses timestamps or nonces')
    yield from _key("mobile_node.key", node.key)
    if node.aaa is not None:
        yield from check_node_aaa("mobile_node.aaa", node.aaa)
    seen: dict[IPv4Address, int] = {}
    for index, agent in enumerate(node.foreign_agents):
        where = f"mobile_node.foreign_agents[{index}]"
        if (first := seen.setdefault(agent.address, index)) != index:
            yield Problem(
                f"{where}.address", f"{agent.address} is already mobile_node.foreign_agents[{first}]"
            )
        yield from _key(f"{where}.key", agent.key)


def _own_home(node: MobileNodeConfig) -> Iterator[Problem]:
    """Home address, home agent and name: what is missing has to be learned by means of the others."""
    home = node.home_address
    if home is None:
        if node.nai is None:
            yield Problem(
                "mobile_node.home_address",
                'is missing: the home address with the length of the home network\'s prefix, such as "10.1.0.5/24",'
                " or a nai by which the home agent gives one",
            )
        elif node.home_agent is None:
            yield Problem(
                "mobile_node.home_agent", "is missing: without home_address it cannot be discovered"
            )
        if node.home_gateway is not None:
            yield Problem("mobile_node.home_gateway", "makes no sense without home_address")
        return
    yield from _usable("mobile_node.home_address", home.ip, home.network)
    if node.home_agent == home.ip:
        yield Problem("mobile_node.home_agent", f"{node.home_agent} is the node's own home address")
    if node.home_agent is None and home.network.prefixlen > 30:
        yield Problem(
            "mobile_node.home_agent",
            f"is missing: {home} has no broadcast address to discover it by (RFC 5944 s3.6.1.2)",
        )
    if node.home_gateway is not None:
        if node.home_gateway == home.ip:
            yield Problem("mobile_node.home_gateway", f"{node.home_gateway} is the node's own home address")
        elif node.home_gateway not in home.network:
            yield Problem(
                "mobile_node.home_gateway", f"{node.home_gateway} is not in the home network {home.network}"
            )
        else:
            yield from _usable("mobile_node.home_gateway", node.home_gateway, home.network)


def _others(key: str, addresses: Sequence[IPv4Address], known: dict[IPv4Address, str]) -> Iterator[Problem]:
    """A list of home agents other than those that are ``known``."""
    for index, address in enumerate(addresses):
        if address in known:
            yield Problem(f"{key}[{index}]", f"{address} is {known[address]}")
        known[address] = "there already"


def _twice(key: str, associations: Sequence[tuple[Sequence[Peer], int]]) -> Iterator[Problem]:
    """The same peer and SPI in two tables of a list."""
    seen: dict[tuple[Peer, int], int] = {}
    for index, (peers, spi) in enumerate(associations):
        for peer in peers:
            if (earlier := seen.setdefault((_compared(peer), spi), index)) != index:
                yield Problem(f"{key}[{index}].spi", f"{peer} with spi {spi} is already {key}[{earlier}]")


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
    if advertise.on_solicitation_only or advertise.unsolicited is not None:
        if advertise.lifetime < _SHORTEST_GOOD_ANSWER:
            yield _warning(
                f"{key}.lifetime",
                f"{advertise.lifetime} s is short for an agent that does not go on unasked:"
                " so often its nodes lose it and have to ask again",
            )
    elif advertise.lifetime < advertise.interval:
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
