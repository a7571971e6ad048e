"""Where a mobile node is: the points of attachment and the pure choice among them (RFC 5944 s2.4, s3.6)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.core.discovery import AgentTable, KnownAgent, Link, is_home_agent
from mobileip.control.types import Lifetime


@dataclass(frozen=True, slots=True)
class AtHome:
    """On the home link. ``agent`` is the home agent's address there, ``link_address`` its frames' source."""

    interface: str
    agent: IPv4Address
    link_address: bytes


@dataclass(frozen=True, slots=True)
class ThroughAgent:
    """On a foreign link with a foreign agent and its care-of address."""

    interface: str
    agent: IPv4Address
    link_address: bytes
    care_of_address: IPv4Address
    lifetime_limit: Lifetime
    reverse_tunnel: bool  # offered (T bit of the advertisement)


@dataclass(frozen=True, slots=True)
class CoLocated:
    """On a foreign link with an address of our own there."""

    interface: str
    care_of_address: IPv4Address
    gateway: IPv4Address | None


Attachment = AtHome | ThroughAgent | CoLocated


@dataclass(frozen=True, slots=True)
class Choice:
    """The attachment to use now, and when (monotonic ns) the answer may change by mere waiting."""

    attachment: Attachment | None
    look_again: int | None = None


@dataclass(frozen=True, slots=True)
class ChoiceRules:
    """What the choice depends on beside the links. ``agent_wait`` in ns."""

    home_address: IPv4Interface
    home_agent: IPv4Address
    co_located: bool
    agent_wait: int


def choose(table: AgentTable, rules: ChoiceRules, current: Attachment | None, mono: int) -> Choice:
    """The best attachment: links in the configured order; on a link home, then an agent, then our own address there."""
    look_again: int | None = None
    for link in table.links:
        if not link.up:
            continue
        found = _at_home(link, rules) or _through_agent(link, current)
        if found is not None and not _keeps_co_located(found, link, current):
            return Choice(found, look_again)
        choice = _co_located(link, rules, mono)
        if choice.attachment is not None:
            return Choice(choice.attachment, look_again)
        if found is not None:
            return Choice(found, look_again)
        if choice.look_again is not None:
            look_again = min(choice.look_again, look_again or choice.look_again)
    if isinstance(current, AtHome) and _is_up(table, current.interface):
        # At home a node needs no agent (s4.2.1): one that fell silent is no reason to give up the home link.
        return Choice(current, look_again)
    return Choice(None, look_again)


def _is_up(table: AgentTable, interface: str) -> bool:
    link = table.link(interface)
    return link is not None and link.up


def _at_home(link: Link, rules: ChoiceRules) -> AtHome | None:
    for agent in link.agents.values():
        if is_home_agent(agent, rules.home_agent, rules.home_address.network):
            return AtHome(link.interface, agent.address, agent.link_address)
    return None


def _through_agent(link: Link, current: Attachment | None) -> ThroughAgent | None:
    """The foreign agent we use already while it is heard (s3.6: no change for a new one), else the first with room."""
    usable = [agent for agent in link.agents.values() if _serves(agent)]
    if isinstance(current, ThroughAgent) and current.interface == link.interface:
        for agent in usable:
            if agent.address == current.agent:
                return _attachment(link, agent)
    free = [agent for agent in usable if not agent.mobility.flags.busy]
    return _attachment(link, free[0]) if free else None


def _serves(agent: KnownAgent) -> bool:
    """A foreign agent whose longest registration is 0 s could only be asked to deregister."""
    return agent.mobility.flags.foreign_agent and agent.mobility.registration_lifetime > 0


def _attachment(link: Link, agent: KnownAgent) -> ThroughAgent:
    mobility = agent.mobility
    return ThroughAgent(
        link.interface,
        agent.address,
        agent.link_address,
        mobility.care_of_addresses[0],  # s2.4: the first address for the initial attempt
        mobility.registration_lifetime,
        mobility.flags.reverse_tunnel,
    )


def _keeps_co_located(found: Attachment, link: Link, current: Attachment | None) -> bool:
    """An agent heard late does not disturb a co-located registration on its link, unless it requires one (R bit)."""
    if not isinstance(found, ThroughAgent) or not isinstance(current, CoLocated):
        return False
    required = link.agents[found.agent].mobility.flags.registration_required
    return current.interface == link.interface and not required


def _co_located(link: Link, rules: ChoiceRules, mono: int) -> Choice:
    """Our own address on the link, if there is one from which the home agent can be asked.

    An address set since the link came up belongs to this link and is used at once. One that was there before may be a
    leftover of the link we came from, so agents get ``agent_wait`` to answer and the host's address client to act.
    """
    if not rules.co_located:
        return Choice(None)
    for address in sorted(link.addresses, key=lambda address: address not in link.fresh):
        if address.ip == rules.home_address.ip or address.ip.is_link_local or address.ip.is_loopback:
            continue
        if link.gateway is None and rules.home_agent not in address.network:
            continue
        ready = link.came_up + (0 if address in link.fresh else rules.agent_wait)
        if mono >= ready:
            return Choice(CoLocated(link.interface, address.ip, link.gateway))
        return Choice(None, ready)
    return Choice(None)
