"""Where a mobile node is: the points of attachment and the pure choice among them (RFC 5944 s2.4, s3.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.core.discovery import AgentTable, KnownAgent, Link, is_home_agent
from mobileip.control.core.encapsulations import ONLY_IPIP, Encapsulations, offered
from mobileip.control.core.refusals import Refusals
from mobileip.control.types import Lifetime, seconds

_SILENCE = 3  # an agent that said nothing for a third of its advertisement's lifetime missed a turn (s2.3)


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
    encapsulations: Encapsulations = ONLY_IPIP  # offered (M and G bits)


@dataclass(frozen=True, slots=True)
class CoLocated:
    """On a foreign link with an address of our own there. ``through`` is the agent that wants to relay our requests
    all the same (R bit, s2.4.1)."""

    interface: str
    care_of_address: IPv4Address
    gateway: IPv4Address | None
    through: ThroughAgent | None = None
    advertised: bool = False  # the gateway is, and is not the host's own choice


Attachment = AtHome | ThroughAgent | CoLocated


def relay_of(attachment: Attachment | None) -> ThroughAgent | None:
    """The foreign agent that requests from there pass, if any."""
    match attachment:
        case ThroughAgent():
            return attachment
        case CoLocated():
            return attachment.through
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Choice:
    """The attachment to use now, and when (monotonic ns) the answer may change by mere waiting."""

    attachment: Attachment | None
    look_again: int | None = None


@dataclass(frozen=True, slots=True)
class ChoiceRules:
    """What the choice depends on beside the links. ``agent_wait`` and ``hold_down`` in ns.

    ``agents`` are preferred to others, the first most. A link or agent that is better than a working one is used only
    after it has been usable for ``hold_down`` without a break.
    """

    home_address: IPv4Interface | None
    home_agent: IPv4Address | None
    co_located: bool
    agent_wait: int
    agents: tuple[IPv4Address, ...] = ()
    hold_down: int = 0


@dataclass(frozen=True, slots=True)
class Situation:
    """Where the node is now, and whether that works."""

    current: Attachment | None
    works: bool
    mono: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    """``since``: monotonic ns from which it is usable."""

    attachment: Attachment
    since: int


def choose(table: AgentTable, rules: ChoiceRules, refusals: Refusals, situation: Situation) -> Choice:
    """The best attachment: links in the configured order; on a link home, then an agent, then our own address there.

    Where an agent refused us, or let our requests go unanswered, we look only if there is nothing else.
    """
    candidates = [
        candidate
        for link in table.links
        if link.up
        for candidate in _on_link(link, rules, refusals, situation)
    ]
    again = {candidate.attachment: _refused_until(candidate.attachment, refusals) for candidate in candidates}
    welcome = [candidate for candidate in candidates if again[candidate.attachment] <= situation.mono]
    choice = _first(welcome, rules, situation)
    if choice.attachment is None:
        choice = _first(candidates, rules, situation)
    if choice.attachment is None and isinstance(situation.current, AtHome):
        # At home a node needs no agent (s4.2.1): one that fell silent is no reason to give up the home link.
        link = table.link(situation.current.interface)
        if link is not None and link.up:
            choice = Choice(situation.current, choice.look_again)
    waits = [until for until in again.values() if until > situation.mono]
    waits += [
        router.expires
        for link in table.links
        for router in link.routers.values()
        if router.expires > situation.mono
    ]
    if choice.look_again is not None:
        waits.append(choice.look_again)
    return Choice(choice.attachment, min(waits, default=None))


def _first(candidates: list[_Candidate], rules: ChoiceRules, situation: Situation) -> Choice:
    """The first of which the time has come."""
    stays = situation.works and any(
        is_same_place(candidate.attachment, situation.current) for candidate in candidates
    )
    look_again: int | None = None
    for candidate in candidates:
        ready = candidate.since
        if is_same_place(candidate.attachment, situation.current):
            ready = situation.mono
        elif stays and _is_held_down(candidate.attachment, situation.current):
            ready += rules.hold_down
        if ready <= situation.mono:
            return Choice(candidate.attachment, look_again)
        look_again = ready if look_again is None else min(look_again, ready)
    return Choice(None, look_again)


def is_same_place(one: Attachment | None, other: Attachment | None) -> bool:
    """Whether only details differ, such as what the agent advertises."""
    if one is None or other is None or type(one) is not type(other) or one.interface != other.interface:
        return False
    match one, other:
        case ThroughAgent(), ThroughAgent():
            return (one.agent, one.care_of_address) == (other.agent, other.care_of_address)
        case CoLocated(), CoLocated():
            return one.care_of_address == other.care_of_address
        case _:
            return True


def _is_held_down(better: Attachment, current: Attachment | None) -> bool:
    """Whether leaving a working ``current`` for it is a matter of taste only."""
    if current is None or better.interface != current.interface:
        return True
    return isinstance(better, ThroughAgent) and isinstance(current, ThroughAgent)


def _refused_until(attachment: Attachment, refusals: Refusals) -> int:
    if isinstance(attachment, AtHome):
        # Home, where nobody answers, on a link that a moment ago was a foreign one: that may be a lie.
        known = refusals.is_foreign(attachment.interface)
        return refusals.until(attachment.interface, attachment.agent, None) if known else 0
    relay = relay_of(attachment)
    if relay is None:
        return 0
    return refusals.until(attachment.interface, relay.agent, attachment.care_of_address)


def is_usable(table: AgentTable, attachment: Attachment) -> bool:
    """Whether its link is up and has the agent or the address still."""
    link = table.link(attachment.interface)
    if link is None or not link.up:
        return False
    match attachment:
        case AtHome():
            return True
        case ThroughAgent():
            return attachment.agent in link.agents
        case CoLocated():
            return any(address.ip == attachment.care_of_address for address in link.addresses)


# ---- one link


def _on_link(
    link: Link, rules: ChoiceRules, refusals: Refusals, situation: Situation
) -> Iterator[_Candidate]:
    """Everything usable on ``link``, the best first."""
    yield from _at_home(link, rules)
    here = situation.current if situation.current and situation.current.interface == link.interface else None
    agents = _foreign_agents(link, rules, refusals, here, situation.mono)
    through = [
        _Candidate(_through(link, agent, care_of_address), agent.since)
        for agent in agents
        for care_of_address in _care_of_addresses(agent, here)
    ]
    address = _own_address(link, rules, situation.mono)
    if address is None:
        yield from through
        return
    own = list(_co_located(link, rules, address, agents, situation.mono))
    if isinstance(here, CoLocated) and not any(_ends_co_located(agent, address) for agent in agents):
        # An agent heard late does not disturb a co-located registration, unless it requires one.
        yield from own
        yield from through
    else:
        yield from through
        yield from own


def _at_home(link: Link, rules: ChoiceRules) -> Iterator[_Candidate]:
    if rules.home_address is None:
        return  # without an address there is nothing to return to
    for agent in link.agents.values():
        if is_home_agent(agent, rules.home_agent, rules.home_address.network):
            yield _Candidate(AtHome(link.interface, agent.address, agent.link_address), agent.since)
            return


def _foreign_agents(
    link: Link, rules: ChoiceRules, refusals: Refusals, here: Attachment | None, mono: int
) -> list[KnownAgent]:
    """Those that can be asked, without one that we have moved away from. Preferred ones first, then those that have
    served us here, then the one we use already (s3.6: no change for a new one), then those heard first."""
    relay = relay_of(here)
    used = None if relay is None else relay.agent
    usable = [
        agent
        for agent in link.agents.values()
        if agent.serves and (agent.address == used or not agent.mobility.flags.busy)
    ]

    def rank(agent: KnownAgent) -> tuple[int, bool, bool]:
        address = agent.address
        preference = rules.agents.index(address) if address in rules.agents else len(rules.agents)
        return preference, not refusals.has_served(link.interface, address), address != used

    return sorted(
        (agent for agent in usable if not any(_has_moved(agent, other, mono) for other in usable)), key=rank
    )


def _has_moved(old: KnownAgent, new: KnownAgent, mono: int) -> bool:
    """Move detection by prefixes (s2.4.2.2, algorithm 2): ``new`` is heard on another subnet, where ``old`` is silent.

    Only if both tell their prefixes. The silence, of one turn, is what tells a move from two subnets on one link.
    """
    if not old.prefixes or not new.prefixes or old.prefixes & new.prefixes:
        return False
    return new.heard > old.heard and mono - old.heard > seconds(old.advertisement.lifetime) // _SILENCE


def _care_of_addresses(agent: KnownAgent, here: Attachment | None) -> list[IPv4Address]:
    """s2.4: the first address for the initial attempt, and no other while that works."""
    addresses = list(agent.mobility.care_of_addresses)
    if isinstance(here, ThroughAgent) and here.agent == agent.address:
        addresses.sort(key=lambda address: address != here.care_of_address)
    return addresses


def _through(link: Link, agent: KnownAgent, care_of_address: IPv4Address) -> ThroughAgent:
    mobility = agent.mobility
    return ThroughAgent(
        link.interface,
        agent.address,
        agent.link_address,
        care_of_address,
        mobility.registration_lifetime,
        mobility.flags.reverse_tunnel,
        offered(mobility.flags),
    )


def _co_located(
    link: Link, rules: ChoiceRules, address: IPv4Interface, agents: list[KnownAgent], mono: int
) -> Iterator[_Candidate]:
    """With our own address on the link: through each agent of its subnet that requires it (s2.4.1), then directly.

    An address set since the link came up belongs to this link and is used at once. One that was there before may be a
    leftover of the link we came from, so agents get ``agent_wait`` to answer and the host's address client to act.
    """
    gateway = link.router_for(address, mono)
    advertised = gateway != link.gateway
    ready = link.came_up + (0 if address in link.fresh else rules.agent_wait)
    for agent in agents:
        if agent.mobility.flags.registration_required and _is_of_subnet(agent, address):
            relay = _through(link, agent, agent.mobility.care_of_addresses[0])
            yield _Candidate(CoLocated(link.interface, address.ip, gateway, relay, advertised), ready)
    yield _Candidate(CoLocated(link.interface, address.ip, gateway, None, advertised), ready)


def _own_address(link: Link, rules: ChoiceRules, mono: int) -> IPv4Interface | None:
    """The one from which the home agent can be asked; never the home address, which an operator may have put there."""
    if not rules.co_located:
        return None
    home = None if rules.home_address is None else rules.home_address.ip
    for address in sorted(link.addresses, key=lambda address: address not in link.fresh):
        if address.ip == home or address.ip.is_link_local or address.ip.is_loopback:
            continue
        on_link = rules.home_agent is not None and rules.home_agent in address.network
        if not on_link and link.router_for(address, mono) is None:
            continue
        return address
    return None


def _is_of_subnet(agent: KnownAgent, address: IPv4Interface) -> bool:
    if agent.prefixes:
        return any(address.ip in prefix for prefix in agent.prefixes)
    return agent.address in address.network


def _ends_co_located(agent: KnownAgent, address: IPv4Interface) -> bool:
    """Whether ``agent`` is reason to give up a co-located ``address``: it requires registration and is not of its
    subnet, or tells that the link's prefix is another now (s2.4.2.2)."""
    if _is_of_subnet(agent, address):
        return False
    return agent.mobility.flags.registration_required or bool(agent.prefixes)
