"""What a kernel and a data plane would hold, at the level of "which routes, tunnels, proxies and visitors exist"."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from mobileip.control.core.actions import (
    Action,
    AdoptHomeAddress,
    AttachHome,
    ClaimAddress,
    DeliveryStyle,
    DetachHome,
    InstallBindingRoute,
    InstallNetworkRoute,
    InstallTunnel,
    InstallVisitorRoute,
    ReleaseAddress,
    RemoveBindingRoute,
    RemoveNetworkRoute,
    RemoveTunnel,
    RemoveVisitorRoute,
    RouteThroughAgent,
    RouteThroughTunnel,
    ShareVisitorAddress,
    TunnelSide,
    Unroute,
)


@dataclass(slots=True)
class Kernel:
    """State of one host. :meth:`apply` replaces what is installed again and forgives removing what is absent."""

    tunnels: dict[tuple[IPv4Address, TunnelSide], dict[IPv4Address, InstallTunnel]] = field(
        default_factory=dict
    )  # inside by the other end
    network_routes: set[IPv4Network] = field(default_factory=set)
    binding_routes: set[IPv4Address] = field(default_factory=set)
    proxies: dict[IPv4Address, str] = field(default_factory=dict)
    # A /32 route is replaced by a later one; neighbour entries and policy rules are one per interface.
    visitor_routes: dict[IPv4Address, str] = field(default_factory=dict)
    neighbours: dict[tuple[IPv4Address, str], bytes] = field(default_factory=dict)
    reverse_rules: set[tuple[IPv4Address, str]] = field(default_factory=set)
    home: dict[str, IPv4Interface] = field(default_factory=dict)
    adopted: IPv4Interface | None = None  # on the tunnel device
    way_out: RouteThroughAgent | RouteThroughTunnel | None = None

    def tunnels_of(self, home_address: IPv4Address, side: TunnelSide) -> list[InstallTunnel]:
        """The newest last."""
        return list(self.tunnels.get((home_address, side), {}).values())

    def tunnel(self, home_address: IPv4Address, side: TunnelSide) -> InstallTunnel | None:
        """The newest."""
        return next(reversed(self.tunnels_of(home_address, side)), None)

    def apply(self, action: Action) -> None:
        match action:
            case InstallTunnel():
                key = action.home_address, action.side
                others = self.tunnels.get(key, {}) if action.beside else {}
                rest = {remote: one for remote, one in others.items() if remote != action.remote}
                self.tunnels[key] = {**rest, action.remote: action}
            case RemoveTunnel():
                self._untunnel(action)
            case InstallNetworkRoute():
                self.network_routes.add(action.network)
            case RemoveNetworkRoute():
                self.network_routes.discard(action.network)
            case InstallBindingRoute():
                self.binding_routes.add(action.home_address)
            case RemoveBindingRoute():
                self.binding_routes.discard(action.home_address)
            case ClaimAddress():
                self.proxies[action.home_address] = action.interface
            case ReleaseAddress():
                self.proxies.pop(action.home_address, None)
            case InstallVisitorRoute():
                self._visit(action)
            case ShareVisitorAddress():
                self._leave(action.home_address, self.visitor_routes.get(action.home_address, ""))
            case RemoveVisitorRoute():
                self._leave(action.home_address, action.interface)
            case AttachHome():
                self.home[action.interface] = action.home_address
                self.way_out = None
            case DetachHome():
                self.home.pop(action.interface, None)
            case RouteThroughAgent() | RouteThroughTunnel():
                self.way_out = action
            case Unroute():
                self.way_out = None
            case AdoptHomeAddress():
                self.adopted = action.home_address
            case _:
                raise AssertionError(f"no kernel does {action}")

    def _untunnel(self, action: RemoveTunnel) -> None:
        key = action.home_address, action.side
        rest = dict(self.tunnels.get(key, {}))
        if action.remote is None:
            rest.clear()
        else:
            rest.pop(action.remote, None)
        if rest:
            self.tunnels[key] = rest
        else:
            self.tunnels.pop(key, None)

    def _visit(self, action: InstallVisitorRoute) -> None:
        key = action.home_address, action.interface
        self.visitor_routes[action.home_address] = action.interface
        self.neighbours[key] = action.link_address
        if action.reverse and action.delivery is DeliveryStyle.DIRECT:
            self.reverse_rules.add(key)
        else:
            self.reverse_rules.discard(key)

    def _leave(self, home_address: IPv4Address, interface: str) -> None:
        if self.visitor_routes.get(home_address) == interface:
            del self.visitor_routes[home_address]
        self.neighbours.pop((home_address, interface), None)
        self.reverse_rules.discard((home_address, interface))
