"""What ``mobileip show`` prints: snapshots of the machines and the engine as plain objects, one list per noun."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.attachment import AtHome, Attachment, CoLocated, ThroughAgent, relay_of
from mobileip.control.core.bindings import MobilityBinding
from mobileip.control.core.discovery import KnownAgent, agents, roles
from mobileip.control.core.mobile import MobileNode
from mobileip.control.core.multicast import Membership
from mobileip.control.core.tunnel_state import TunnelStates
from mobileip.control.core.visitors import PendingRegistration, Visitor
from mobileip.control.tunnels import DropCount, Tunnel, TunnelStatus
from mobileip.control.types import NANOSECONDS, Instant
from mobileip.control.wire import AgentFlags

Row = dict[str, Any]

_CONDITIONS: Final = (
    "home_address",
    "nai",
    "care_of_address",
    "foreign_agent",
    "home_agent",
    "interface",
)  # in the order of the columns


def bindings(machine: MobilityAgents, now: Instant) -> Iterator[Row]:
    if machine.home is not None:
        for binding in machine.home.bindings:
            yield _binding(binding, now)


def groups(machine: MobilityAgents, now: Instant) -> Iterator[Row]:
    if machine.home is not None and machine.home.groups is not None:
        for membership in machine.home.groups:
            yield _membership(membership, machine.home.groups.ends(membership), now)


def visitors(machine: MobilityAgents, now: Instant) -> Iterator[Row]:
    if machine.foreign is not None:
        for visitor in machine.foreign.visitors.visitors:
            yield _visitor(visitor, now)


def pending(machine: MobilityAgents, now: Instant) -> Iterator[Row]:
    if machine.foreign is not None:
        for pending in machine.foreign.visitors.pending:
            yield _pending(pending, now)


def filters(machine: MobilityAgents) -> Iterator[Row]:
    for role, agent in (("home_agent", machine.home), ("foreign_agent", machine.foreign)):
        for decision, rule, count in () if agent is None else agent.filters:
            row: Row = {"rule": f"{role}.{decision.by}", "action": decision.verdict}
            for name in _CONDITIONS:
                row[name] = None if rule is None else getattr(rule, name)
            yield {**row, "count": count}


def heard_agents(machine: MobileNode, now: Instant) -> Iterator[Row]:
    current = machine.attachment
    for interface, agent in agents(machine.table):
        yield _agent(interface, agent, current, now)


def registration(machine: MobileNode, now: Instant) -> Row:
    """One object. ``…_mono_ns`` are CLOCK_MONOTONIC, for measuring a handover from outside."""
    attachment, coming = machine.attachment, machine.coming
    relay = relay_of(attachment)
    granted = machine.registration
    row: Row = {
        "state": machine.state,
        "location": _location(attachment),
        "home_address": machine.home_address,
        "home_agent": machine.home_agent,
        "nai": machine.nai,
        "interface": None if attachment is None else attachment.interface,
        "foreign_agent": None if relay is None else relay.agent,
        "care_of_address": None if granted is None else granted.care_of_address,
        "lifetime_s": None if granted is None else granted.lifetime,
        "remaining_s": None if granted is None else _remaining(granted.expires, now),
        "clock_offset_s": round(machine.clock_offset / NANOSECONDS, 3),
        "reverse_tunnel": machine.tunnel.reverse,
        "encapsulation": machine.tunnel.encapsulation,
        "registering_on": None if coming is None else coming.interface,
        "pending": machine.pending is not None,
        "code": None if granted is None else granted.code,
        "registered_at_mono_ns": machine.settled_at,
        "link_up_mono_ns": None,
    }
    link = None if attachment is None else machine.table.link(attachment.interface)
    if link is not None:
        row["link_up_mono_ns"] = link.came_up
    return row


def tunnels(
    status: Iterable[TunnelStatus], underlay: Callable[[Tunnel], str], paths: TunnelStates, now: Instant
) -> Iterator[Row]:
    for one in status:
        tunnel = one.tunnel
        path = paths[tunnel.remote]
        yield {
            "home_address": tunnel.home_address,
            "side": tunnel.side.name.lower().replace("_", "-"),
            "local": tunnel.local,
            "remote": tunnel.remote,
            "encapsulation": tunnel.encapsulation.name.lower(),
            "underlay": underlay(tunnel),
            "mtu": tunnel.mtu,
            "path_mtu": path.mtu,
            "path_mtu_age_s": _age(None if path.mtu is None else path.mtu_at, now),
            "unreachable_s": _age(path.unreachable_at, now),
            "packets_in": one.into.packets,
            "bytes_in": one.into.bytes,
            "packets_out": one.out.packets,
            "bytes_out": one.out.bytes,
            "dropped": one.into.dropped + one.out.dropped,
            "dropped_packets_in": one.into.dropped,
            "dropped_bytes_in": one.into.dropped_bytes,
            "dropped_packets_out": one.out.dropped,
            "dropped_bytes_out": one.out.dropped_bytes,
            "flags": [flag.name.lower() for flag in type(tunnel.flags) if flag in tunnel.flags and flag.name],
        }


def drops(counts: Iterable[DropCount]) -> Iterator[Row]:
    for one in counts:
        yield {
            "reason": one.reason.label,
            "packets_in": one.into.packets,
            "bytes_in": one.into.bytes,
            "packets_out": one.out.packets,
            "bytes_out": one.out.bytes,
            "meaning": one.reason.meaning,
        }


def _binding(binding: MobilityBinding, now: Instant) -> Row:
    return {
        "home_address": binding.home_address,
        "care_of_address": binding.care_of_address,
        "home_agent": binding.home_agent,
        "lifetime_s": binding.lifetime,
        "remaining_s": _remaining(binding.expires, now),
        "reverse_tunnel": binding.reverse_tunnel,
        "encapsulation": binding.encapsulation,
        "co_located": binding.co_located,
        "broadcast": binding.broadcast,
        "nai": binding.nai,
        "relay": binding.relay,
        "identification": binding.identification,
        "registered_at": binding.registered.wall / NANOSECONDS,
    }


def _membership(membership: Membership, ends: int | None, now: Instant) -> Row:
    return {
        "home_address": membership.home_address,
        "group": membership.group,
        "interface": membership.interface,
        "version": membership.version,
        "sources": None if membership.sources is None else sorted(membership.sources),
        "leaving": membership.leaving,
        "remaining_s": _remaining(ends, now),
        "joined_at": membership.since.wall / NANOSECONDS,
    }


def _visitor(visitor: Visitor, now: Instant) -> Row:
    return {
        "home_address": visitor.home_address,
        "nai": visitor.nai,
        "home_agent": visitor.home_agent,
        "care_of_address": visitor.care_of_address,
        "interface": visitor.interface,
        "link_address": visitor.link_address,
        "lifetime_s": visitor.lifetime,
        "remaining_s": _remaining(visitor.expires, now),
        "reverse_tunnel": visitor.reverse_tunnel,
        "encapsulation": visitor.encapsulation,
        "co_located": visitor.co_located,
        "delivery": visitor.delivery,
        "state": "registered",
    }


def _pending(pending: PendingRegistration, now: Instant) -> Row:
    return {
        "home_address": pending.home_address,
        "nai": pending.nai,
        "home_agent": pending.home_agent,
        "interface": pending.interface,
        "link_address": pending.link_address,
        "source": pending.source,
        "identification": pending.identification,
        "lifetime_s": pending.lifetime,
        "remaining_s": _remaining(pending.expires, now),
        "reverse_tunnel": pending.reverse_tunnel,
        "co_located": pending.co_located,
        "state": "pending",
    }


def _agent(interface: str, agent: KnownAgent, current: Attachment | None, now: Instant) -> Row:
    mobility = agent.mobility
    through = current if isinstance(current, AtHome) else relay_of(current)
    used = through is not None and through.agent == agent.address
    return {
        "address": agent.address,
        "interface": interface,
        "roles": roles(agent.advertisement),
        "care_of_addresses": list(mobility.care_of_addresses),
        "prefixes": sorted(agent.prefixes),
        "sequence": mobility.sequence,
        "registration_lifetime_s": mobility.registration_lifetime,
        "remaining_s": _remaining(agent.expires, now),
        "flags": _flag_letters(mobility.flags),
        "link_address": agent.link_address,
        "current": used and current is not None and current.interface == interface,
    }


def _flag_letters(flags: AgentFlags) -> str:
    """The letters of RFC 5944 s2.1.1 in their order."""
    letters = (
        ("R", flags.registration_required),
        ("B", flags.busy),
        ("H", flags.home_agent),
        ("F", flags.foreign_agent),
        ("M", flags.minimal),
        ("G", flags.gre),
        ("T", flags.reverse_tunnel),
        ("U", flags.udp_tunnel),
        ("X", flags.revocation),
        ("I", flags.regional_registration),
    )
    return "".join(letter for letter, on in letters if on)


def _location(attachment: Attachment | None) -> str:
    match attachment:
        case AtHome():
            return "home"
        case ThroughAgent():
            return "foreign"
        case CoLocated():
            return "co-located"
        case None:
            return "disconnected"


def _age(since: int | None, now: Instant) -> float | None:
    return None if since is None else round((now.mono - since) / NANOSECONDS, 1)


def _remaining(expires: int | None, now: Instant) -> float | None:
    """Seconds; ``None`` for an infinite lifetime."""
    return None if expires is None else round((expires - now.mono) / NANOSECONDS, 1)
