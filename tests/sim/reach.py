"""Who can reach whom, told from what is installed alone: kernels, links and ARP, not what machines believe."""

from __future__ import annotations

from mobileip.control.core.actions import (
    BroadcastDelivery,
    DeliveryStyle,
    InstallTunnel,
    RouteThroughAgent,
    RouteThroughTunnel,
    TunnelSide,
)
from mobileip.control.types import ZERO_ADDRESS
from tests.sim.hosts import AgentHost, MobileHost
from tests.sim.internet import Internet


def obstacle(net: Internet, mobile: MobileHost) -> str | None:
    """What stops packets to or from a mobile node, or ``None``."""
    for way, found in (("down", why_not_down(net, mobile)), ("up", why_not_up(net, mobile))):
        if found is not None:
            return f"{way}: {found}"
    return None


def why_not_down(net: Internet, mobile: MobileHost) -> str | None:
    """What stops a packet from the correspondent, or ``None``. It enters the home link by a router there."""
    home = mobile.home_address
    if home == ZERO_ADDRESS:
        return "no home address"
    agent, link = net.home_agent_of(mobile), net.home_link(mobile)
    if link is not None:
        believed = link.arp.get(home)
        if believed is not None and believed != agent.mac:
            return _on_home_link(net, mobile, believed)
        if home not in agent.kernel.binding_routes:
            if believed is None and home in agent.kernel.proxies:
                return "a proxy entry without a route"
            return _on_home_link(net, mobile, mobile.mac)
    tunnels = agent.kernel.tunnels_of(home, TunnelSide.HOME)
    obstacles = [_through_tunnel(net, mobile, tunnel) for tunnel in tunnels]
    return None if None in obstacles else next(iter(obstacles), "no tunnel at the home agent")


def _through_tunnel(net: Internet, mobile: MobileHost, tunnel: InstallTunnel) -> str | None:
    agent = next((host for host in net.agents if host.owns(tunnel.remote)), None)
    if agent is not None:
        return _through_agent(mobile, agent, tunnel)
    if not mobile.owns(tunnel.remote):
        return f"nobody at {tunnel.remote}"
    exit_ = mobile.kernel.tunnel(mobile.home_address, TunnelSide.CARE_OF)
    if (
        exit_ is None
        or (exit_.local, exit_.remote) != (tunnel.remote, tunnel.local)
        or _differ(exit_, tunnel)
    ):
        return f"mobile node does not take tunnelled packets: {exit_}"
    return _broadcasts(mobile, tunnel)


def _broadcasts(mobile: MobileHost, tunnel: InstallTunnel) -> str | None:
    """Those that the home agent forwards have to be taken out of what they come in."""
    ends = mobile.kernel.tunnels_of(mobile.home_address, TunnelSide.CARE_OF)
    if tunnel.broadcast in (BroadcastDelivery.NONE, *(end.broadcast for end in ends)):
        return None
    return f"mobile node does not take broadcasts that are {tunnel.broadcast.value}: {ends}"


def _differ(one: InstallTunnel, other: InstallTunnel) -> bool:
    """Whether the two ends of a tunnel would not understand each other's packets."""
    return one.encapsulation is not other.encapsulation


def _on_home_link(net: Internet, mobile: MobileHost, mac: bytes) -> str | None:
    link = net.home_link(mobile)
    station = None if link is None else link.stations.get(mac)
    if station is None or station[0] is not mobile:
        return f"nobody with {mac.hex()} on the home link"
    if station[1] not in mobile.kernel.home:
        return "home address is not on the home link's interface"
    return None


def _through_agent(mobile: MobileHost, agent: AgentHost, tunnel: InstallTunnel) -> str | None:
    home = mobile.home_address
    exit_ = agent.kernel.tunnel(home, TunnelSide.CARE_OF)
    if not agent.running or exit_ is None or exit_.remote != tunnel.local or _differ(exit_, tunnel):
        return f"{agent.name} does not take tunnelled packets: {exit_}"
    interface = agent.kernel.visitor_routes.get(home)
    if interface is None:
        return f"{agent.name} has no route to its visitor"
    station = agent.links[interface].stations.get(agent.kernel.neighbours.get((home, interface), b""))
    if station is None or station[0] is not mobile:
        return f"visitor is not on {interface}"
    return _broadcasts(mobile, tunnel)


def why_not_up(net: Internet, mobile: MobileHost) -> str | None:
    """What stops a packet from the home address to the correspondent, or ``None``."""
    home = mobile.home_address
    match mobile.kernel.way_out:
        case None:
            link = net.home_link(mobile)
            here = any(link is not None and mobile.links.get(name) is link for name in mobile.kernel.home)
            return None if here else "no way out"
        case RouteThroughAgent() as route:
            visited = mobile.links.get(route.interface)
            station = None if visited is None else visited.stations.get(route.link_address)
            if station is None or not isinstance(station[0], AgentHost):
                return "agent is not on the link"
            agent, interface = station
            if (home, interface) not in agent.kernel.reverse_rules:
                return "no reverse rule" if mobile.machine.tunnel.reverse else None
            tunnel = agent.kernel.tunnel(home, TunnelSide.CARE_OF)
            if tunnel is None or not tunnel.reverse:
                return f"{agent.name} does not tunnel back: {tunnel}"
            return _accepted_back(net, mobile, tunnel)
        case RouteThroughTunnel(link_address=bytes()) as route:
            return _through_own_tunnel(net, mobile, route)
        case RouteThroughTunnel() as route:
            if not route.tunnel:
                return None if route.interface in mobile.links else "interface is down"
            tunnel = mobile.kernel.tunnel(home, TunnelSide.CARE_OF)
            if tunnel is None or not tunnel.reverse or not mobile.owns(tunnel.local):
                return f"mobile node does not tunnel back: {tunnel}"
            return _accepted_back(net, mobile, tunnel)


def _through_own_tunnel(net: Internet, mobile: MobileHost, route: RouteThroughTunnel) -> str | None:
    """To the foreign agent, which tunnels on what it takes out (RFC 3024 s5.2)."""
    home, visited = mobile.home_address, mobile.links.get(route.interface)
    station = None if visited is None else visited.stations.get(route.link_address or b"")
    if station is None or not isinstance(station[0], AgentHost):
        return "agent is not on the link"
    agent = station[0]
    own = mobile.kernel.tunnels_of(home, TunnelSide.CARE_OF)
    if not any(one.reverse and agent.owns(one.remote) for one in own):
        return f"mobile node does not tunnel to {agent.name}: {own}"
    tunnel = agent.kernel.tunnel(home, TunnelSide.CARE_OF)
    if tunnel is None or not tunnel.reverse or tunnel.delivery is not DeliveryStyle.ENCAPSULATING:
        return f"{agent.name} does not tunnel on: {tunnel}"
    return _accepted_back(net, mobile, tunnel)


def _accepted_back(net: Internet, mobile: MobileHost, tunnel: InstallTunnel) -> str | None:
    agent = net.home_agent_of(mobile)
    known = agent.kernel.tunnels_of(mobile.home_address, TunnelSide.HOME)
    there = [one for one in known if one.reverse and one.remote == tunnel.local]
    if agent.running and any(not _differ(one, tunnel) for one in there):
        return None
    return f"{agent.name} drops what {tunnel.local} tunnels back: {known}"
