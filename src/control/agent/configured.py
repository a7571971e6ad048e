"""What ``mobileip show`` says of the configuration: the nodes and the security associations. Never of keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Any

from mobileip.control.config.model import Config
from mobileip.control.core.bindings import MobilityBinding
from mobileip.control.core.keyring import KeyRing
from mobileip.control.security.peers import PeerMap

Row = dict[str, Any]


def hosts(config: Config, bindings: Iterable[MobilityBinding]) -> Iterator[Row]:
    """The nodes in the order of the file, each with how many of its home addresses are bound."""
    nodes = () if config.home_agent is None else config.home_agent.nodes
    bound: PeerMap[set[IPv4Address]] = PeerMap()
    for node in nodes:
        for peer in node.peers:
            bound.setdefault(peer, set())
    for binding in bindings:
        of_node = None if binding.nai is None else bound.find(binding.nai)
        if of_node is None:
            of_node = bound.find(binding.home_address)
        if of_node is not None:
            of_node.add(binding.home_address)
    for node in nodes:
        yield {
            "home_address": node.home_address or node.home_addresses,
            "nai": node.nai,
            "spi": node.spi,
            "algorithm": node.algorithm,
            "replay": node.replay,
            "bound": len(set[IPv4Address]().union(*(bound.setdefault(peer, set()) for peer in node.peers))),
        }


def associations(config: Config) -> Iterator[Row]:
    """Every mobility security association, by kind (RFC 5944 s3.5.2 to s3.5.4)."""
    if home := config.home_agent:
        for node in home.nodes:
            for peer in node.peers:
                yield _association(peer, "mobile-home", node)
        for agent in home.foreign_agents:
            yield _association(agent.address, "foreign-home", agent)
    if foreign := config.foreign_agent:
        for visiting in foreign.nodes:
            for peer in visiting.peers:
                yield _association(peer, "mobile-foreign", visiting)
        for agent in foreign.home_agents:
            yield _association(agent.address, "foreign-home", agent)
    if mobile := config.mobile_node:
        for home_agent in (mobile.home_agent, *mobile.home_agents):
            yield _association(home_agent, "mobile-home", mobile)
        for agent in mobile.foreign_agents:
            yield _association(agent.address, "mobile-foreign", agent)


def learned(keys: KeyRing) -> Iterator[Row]:
    """The associations that sources of keys gave a home agent, each under the name of its source."""
    for peer, known, stale in keys.learned():
        for one in known.associations:
            yield {**_association(peer, "mobile-home", one), "source": known.source, "stale": stale}


def _association(peer: object, kind: str, keyed: Any) -> Row:
    """``keyed`` is a table with ``spi``, ``spi_out`` and ``algorithm``; only those with nodes know of replays."""
    return {
        "peer": peer,
        "kind": kind,
        "spi": keyed.spi,
        "spi_out": keyed.spi if keyed.spi_out is None else keyed.spi_out,
        "algorithm": keyed.algorithm,
        "replay": getattr(keyed, "replay", None),
        "source": "configuration",
        "stale": False,
    }
