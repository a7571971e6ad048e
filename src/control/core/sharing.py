"""Tunnels and routes for all the visitors that have one home address (RFC 3024 appendix A).

One alone has the kernel's route to its home address. Several, of different home agents, are told apart by the tunnel's
other end and by their link-layer addresses (sA.2, sA.3), which only the data plane can see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from mobileip.control.core.actions import (
    Action,
    InstallTunnel,
    InstallVisitorRoute,
    RemoveTunnel,
    RemoveVisitorRoute,
    ShareVisitorAddress,
    TunnelSide,
    VisitorPlace,
)
from mobileip.control.core.visitors import Visitor


def arrange(
    before: Sequence[Visitor], after: Sequence[Visitor], agents: Mapping[str, IPv4Address]
) -> list[Action]:
    """What leads from the visitors ``before`` to those ``after``, all with one home address.

    ``agents`` are our own addresses by interface. A node that decapsulates itself has neither tunnel nor route here.
    """
    was = [one for one in before if not one.co_located]
    now = [one for one in after if not one.co_located]
    if was == now:
        return []
    if len(now) > 1:
        return _share(was, now, agents)
    if not now:
        return _undo(was[0]) if was else []
    (alone,) = now
    if len(was) > 1:
        # The route first: until the tunnel is told, the data plane has both directions.
        return [_route(alone), _tunnel(alone)]
    moved = was and was[0].interface != alone.interface  # what is installed would not take its place
    return [*(_undo(was[0]) if moved else ()), _tunnel(alone), _route(alone)]


def _share(was: list[Visitor], now: list[Visitor], agents: Mapping[str, IPv4Address]) -> list[Action]:
    """The data plane first, then the kernel lets go: a packet has one of the two ways."""
    here = {one.home_agent for one in now}
    home_address = now[0].home_address
    gone = [
        RemoveTunnel(home_address, TunnelSide.CARE_OF, one.home_agent)
        for one in was
        if one.home_agent not in here
    ]
    fresh = [one for one in now if len(was) < 2 or one not in was]
    return [
        *gone,
        *(_tunnel(one, agents[one.interface]) for one in fresh),
        ShareVisitorAddress(home_address, frozenset(one.interface for one in now)),
    ]


def _tunnel(visitor: Visitor, agent: IPv4Address | None = None) -> InstallTunnel:
    """``agent``: our address on the link, if the visitor shares its own address."""
    return InstallTunnel(
        visitor.home_address,
        TunnelSide.CARE_OF,
        local=visitor.care_of_address,
        remote=visitor.home_agent,
        reverse=visitor.reverse_tunnel,
        encapsulation=visitor.encapsulation,
        keys=visitor.gre_keys,
        beside=agent is not None,
        delivery=visitor.delivery,
        place=None if agent is None else VisitorPlace(visitor.interface, visitor.link_address, agent),
    )


def _route(visitor: Visitor) -> InstallVisitorRoute:
    return InstallVisitorRoute(
        visitor.home_address,
        visitor.interface,
        visitor.link_address,
        visitor.reverse_tunnel,
        visitor.delivery,
    )


def _undo(visitor: Visitor) -> list[Action]:
    return [
        RemoveVisitorRoute(visitor.home_address, visitor.interface),
        RemoveTunnel(visitor.home_address, TunnelSide.CARE_OF),
    ]
