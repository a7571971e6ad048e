"""The cores' routing actions, performed on the kernel.

Home agent. A binding is a host route into the tunnel device, and on a physical home link a proxy ARP entry.

Foreign agent. A visitor is a host route to its link, a pinned neighbour entry, and with reverse tunnelling of
what it sends directly a policy rule that takes that to a table whose default route is the tunnel device.
Several visitors with one home address are policy rules that forward nothing from it: the data plane does.

Mobile node. The home address is always on the tunnel device, so sockets bound to it survive every move; what
is sent from it follows a table of its own. The policy rules, in their order:

    to a group, from no  main without its default, else unreachable; unless groups are joined and sent to in the
    address yet          own table's way
    our mark             the outer table, then main, else unreachable: tunnel packets and our requests never
                         enter the tunnel again; the outer table is empty unless a node has several interfaces
    from home address    own table: the way that the present registration gives
    from no address yet  main without its default: neighbours on a visited link are reached directly
    from no address yet  own table: everything else takes the home address, once there is a way

An empty own table lets packets fall through to main: before the first registration the host works as any
other.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, Final

from mobileip.control.core.actions import (
    Action,
    AdoptHomeAddress,
    AttachHome,
    ClaimAddress,
    DeliveryStyle,
    DetachHome,
    InstallBindingRoute,
    InstallNetworkRoute,
    InstallVisitorRoute,
    MulticastWay,
    ReleaseAddress,
    RemoveBindingRoute,
    RemoveNetworkRoute,
    RemoveVisitorRoute,
    RouteThroughAgent,
    RouteThroughTunnel,
    ShareVisitorAddress,
    Unroute,
)
from mobileip.control.net.arp import Announcer
from mobileip.control.net.desired import Address, Desired, Entry, Neighbour, ProxyNeighbour, Route, Rule
from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.netlink import Netlink
from mobileip.control.net.requests import LOCAL_TABLE, MAIN_TABLE
from mobileip.control.net.sysctl import Sysctls
from mobileip.control.ports import ActionError

_DEFAULT: Final = IPv4Network("0.0.0.0/0")
_UNBOUND: Final = IPv4Network("0.0.0.0/32")  # the source address of a socket that has not chosen one
_METRIC: Final = 434
"""Of our routes in main that must not displace an operator's; lower is preferred, and a visitor's route has
0: when a node of ours visits a link of ours, direct delivery wins over the tunnel.
"""
_PRIORITY: Final = 4340  # of the first policy rule; ours are 4340 to 4345, and three before them:
_OUTER_PRIORITY: Final = 4339
_GROUPS: Final = IPv4Network("224.0.0.0/4")
_GROUPS_PRIORITY: Final = 4337  # and 4338
_TUNNEL_OVERHEAD: Final = 20  # bytes of an IP header


class Kernel:
    """Performs routing actions and remembers them, to put them back and to withdraw them.

    ``table`` is the mobile node's own, ``outer_table`` that of its tunnel, ``visitor_table`` the
    foreign agent's, ``mark`` that of our own sockets.
    """

    def __init__(
        self,
        netlink: Netlink,
        tunnel_device: str,
        *,
        sysctls: Sysctls,
        announcer: Announcer,
        table: int = 434,
        visitor_table: int = 435,
        outer_table: int = 436,
        mark: int = 434,
    ) -> None:
        self._netlink = netlink
        self._tunnel = tunnel_device
        self._sysctls = sysctls
        self._announcer = announcer
        self._table = table
        self._visitor_table = visitor_table
        self._outer_table = outer_table
        self._mark = mark
        self._desired = Desired(netlink)
        self._reverse: set[IPv4Address] = set()  # visitors whose packets go to the visitors' table
        self._home_ways: tuple[Entry, ...] = ()
        self._verbs: dict[type[Any], Callable[[Any], None]] = {
            InstallBindingRoute: self._install_binding_route,
            RemoveBindingRoute: self._remove_binding_route,
            InstallNetworkRoute: self._install_network_route,
            RemoveNetworkRoute: self._remove_network_route,
            ClaimAddress: self._claim_address,
            ReleaseAddress: self._release_address,
            InstallVisitorRoute: self._install_visitor_route,
            ShareVisitorAddress: self._share_visitor_address,
            RemoveVisitorRoute: self._remove_visitor_route,
            AdoptHomeAddress: self._adopt_home_address,
            AttachHome: self._attach_home,
            DetachHome: self._detach_home,
            RouteThroughAgent: self._route_through_agent,
            RouteThroughTunnel: self._route_through_tunnel,
            Unroute: self._unroute,
        }

    def performs(self, action: Action) -> bool:
        """Whether ``action`` is one of ours."""
        return type(action) in self._verbs

    def perform(self, action: Action) -> None:
        """Does it, or raises :class:`ActionError`; of what failed nothing is left behind. Never waits."""
        try:
            self._verbs[type(action)](action)
        except NetlinkFailure as failure:
            raise ActionError(str(failure)) from failure

    def prepare_mobile(self, home: IPv4Interface) -> None:
        """At the mobile node's start, or once it has a home address: that on the tunnel device, and policy rules."""
        host = IPv4Network(home.ip)
        first = _PRIORITY
        self._desired.put(
            "mobile node",
            (
                Address(IPv4Interface(home.ip), self._tunnel),
                Rule(first, MAIN_TABLE, fwmark=self._mark),
                Rule(first + 1, None, fwmark=self._mark),
                Rule(first + 2, self._table, source=host),
                Rule(first + 3, MAIN_TABLE, source=_UNBOUND, suppress_prefixlength=0),
                Rule(first + 4, self._table, source=_UNBOUND),
            ),
        )

    def reassert(self, device: str | None = None) -> list[str]:
        """Puts back what the kernel lost: after a netlink overrun, and when ``device`` came back.

        Addresses that we stand in for on ``device`` are announced again: who is on the link now may not have heard.
        Returns a sentence for each entry that the kernel refused.
        """
        refused = [str(failure) for failure in self._desired.reassert(device)]
        for entry in self._desired.all():
            if isinstance(entry, ProxyNeighbour) and entry.device == device:
                try:
                    self._announcer.announce(entry.address, entry.device, self._link_address(entry.device))
                except ActionError as error:
                    refused.append(str(error))
        return refused

    def withdraw(self) -> list[str]:
        """Removes everything that was installed; a sentence for each entry that could not be removed."""
        return [str(failure) for failure in self._desired.withdraw()]

    # home agent

    def _install_binding_route(self, action: InstallBindingRoute) -> None:
        host = IPv4Network(action.home_address)
        self._desired.put(("binding", action.home_address), (Route(host, self._tunnel, metric=_METRIC),))

    def _remove_binding_route(self, action: RemoveBindingRoute) -> None:
        self._desired.drop(("binding", action.home_address))

    def _install_network_route(self, action: InstallNetworkRoute) -> None:
        """With its broadcast address: by that a node far away asks who is home agent there (RFC 5944 s3.6.1.2)."""
        network, entries = action.network, [Route(action.network, self._tunnel, metric=_METRIC)]
        if network.prefixlen <= 30:
            entries.append(self._everybody(network.broadcast_address))
        self._desired.put(("network", network), entries)

    def _remove_network_route(self, action: RemoveNetworkRoute) -> None:
        self._desired.drop(("network", action.network))

    def _claim_address(self, action: ClaimAddress) -> None:
        group = ("claim", action.home_address, action.interface)
        own = self._link_address(action.interface)
        self._desired.put(group, (ProxyNeighbour(action.home_address, action.interface),))
        self._announcer.announce(action.home_address, action.interface, own)

    def _release_address(self, action: ReleaseAddress) -> None:
        self._announcer.cancel(action.home_address, action.interface)
        self._desired.drop(("claim", action.home_address, action.interface))
        if action.link_address is not None:
            self._announcer.announce(action.home_address, action.interface, action.link_address)

    # foreign agent

    def _install_visitor_route(self, action: InstallVisitorRoute) -> None:
        host, device = IPv4Network(action.home_address), action.interface
        entries: list[Neighbour | Route | Rule] = [
            Neighbour(action.home_address, device, action.link_address),
            Route(host, device),
        ]
        if action.reverse and action.delivery is DeliveryStyle.DIRECT:
            if not self._reverse:
                self._desired.put("visitors", (Route(_DEFAULT, self._tunnel, table=self._visitor_table),))
            entries.append(Rule(_PRIORITY + 5, self._visitor_table, source=host, iif=device))
        try:
            self._desired.put(("visitor", action.home_address), entries)
        finally:
            self._count_reverse(action.home_address)

    def _share_visitor_address(self, action: ShareVisitorAddress) -> None:
        host = IPv4Network(action.home_address)
        rules = [
            Rule(_PRIORITY + 5, None, source=host, iif=interface, silent=True)
            for interface in sorted(action.interfaces)
        ]
        try:
            self._desired.put(("visitor", action.home_address), rules)
        finally:
            self._count_reverse(action.home_address)

    def _remove_visitor_route(self, action: RemoveVisitorRoute) -> None:
        group = ("visitor", action.home_address)
        links = {
            entry.iif if isinstance(entry, Rule) else entry.device for entry in self._desired.entries(group)
        }
        if action.interface in links:
            self._desired.drop(group)  # otherwise it has moved to another of our links since
            self._count_reverse(action.home_address)

    def _count_reverse(self, home_address: IPv4Address) -> None:
        """The visitors' table has its default route only while some visitor is sent there."""
        entries = self._desired.entries(("visitor", home_address))
        if any(isinstance(entry, Rule) and entry.table == self._visitor_table for entry in entries):
            self._reverse.add(home_address)
        else:
            self._reverse.discard(home_address)
        if not self._reverse:
            self._desired.drop("visitors")

    # mobile node

    def _adopt_home_address(self, action: AdoptHomeAddress) -> None:
        self.prepare_mobile(action.home_address)

    def _attach_home(self, action: AttachHome) -> None:
        home, device = action.home_address, action.interface
        link: list[Address | Route] = []
        if home not in self._netlink.addresses(device, ours=False):  # an operator's stays when we stop
            link.append(Address(home, device))
        ways = []
        if home.network.prefixlen < 32:
            link.append(Route(home.network, device, source=home.ip, metric=_METRIC))
            ways.append(Route(home.network, device, source=home.ip, table=self._table))
        if action.gateway is not None:
            ways.append(
                Route(
                    _DEFAULT, device, gateway=action.gateway, onlink=True, source=home.ip, table=self._table
                )
            )
        own = self._link_address(device)
        self._heed_arp(device, True)
        self._desired.put("home link", link)
        self._desired.put("ways", ways)
        self._home_ways = self._desired.entries("ways")
        self._announcer.announce(home.ip, device, own)

    def _detach_home(self, action: DetachHome) -> None:
        home, device = action.home_address, action.interface
        self._announcer.cancel(home.ip, device)
        if self._desired.entries("ways") == self._home_ways:
            self._desired.drop("ways")
        self._desired.drop("home link")
        self._heed_arp(device, False)
        self._netlink.remove_address(home, device)  # also one that the operator had put there
        self._desired.reassert(device)  # with its last address the kernel drops every route over the link

    def _route_through_agent(self, action: RouteThroughAgent) -> None:
        route = Route(
            _DEFAULT, action.interface, gateway=action.agent, onlink=True, source=action.home_address,
            table=self._table,
        )  # fmt: skip
        neighbour = Neighbour(action.agent, action.interface, action.link_address)
        self._desired.put("ways", (neighbour, *self._broadcast(action), *self._multicasts(action), route))

    def _route_through_tunnel(self, action: RouteThroughTunnel) -> None:
        if action.tunnel:
            route = Route(_DEFAULT, self._tunnel, source=action.home_address, table=self._table)
        else:
            route = Route(
                _DEFAULT,
                action.interface,
                gateway=action.gateway,
                source=action.home_address,
                table=self._table,
            )
        extras = *self._outer(action), *self._broadcast(action), *self._multicasts(action)
        self._desired.put("ways", (*extras, route))

    def _outer(self, action: RouteThroughTunnel) -> tuple[Entry, ...]:
        """With several interfaces: what leaves from the care-of address leaves by its link (RFC 3704 s2.2). To a
        foreign agent: over the link where it is, without ARP.

        A raw socket that writes its own header is routed without regard to the source in it, so the mark has to do.
        Requests over another link name that link, which no route here is for.
        """
        if not action.outer:
            return ()
        gateway, device, agent = action.gateway, action.interface, action.link_address
        onlink = gateway is not None and agent is not None
        pinned = (Neighbour(gateway, device, agent),) if gateway is not None and agent is not None else ()
        return (
            *pinned,
            Route(_DEFAULT, device, gateway=gateway, onlink=onlink, table=self._outer_table),
            Rule(_OUTER_PRIORITY, self._outer_table, fwmark=self._mark),
        )

    def _broadcast(self, action: RouteThroughAgent | RouteThroughTunnel) -> tuple[Entry, ...]:
        """The home network's broadcast address: what the home agent sends on is for this host, and what the host sends
        there goes to the home agent, as if the tunnel device were an interface on the home link (RFC 5944 s4.3)."""
        if action.broadcast is None:
            return ()
        return (self._everybody(action.broadcast),)

    def _everybody(self, broadcast: IPv4Address) -> Route:
        """A broadcast address of which the tunnel device is the link."""
        network = IPv4Network(broadcast)
        return Route(network, self._tunnel, table=LOCAL_TABLE, metric=_METRIC, broadcast=True)

    def _multicasts(self, action: RouteThroughAgent | RouteThroughTunnel) -> tuple[Entry, ...]:
        """Where groups are joined and sent to by sockets that name no interface (RFC 5944 s4.4).

        Without a way of their own they must not take that of the home address, over a visited link. Through the tunnel
        a packet gets a header more than others do: the device's MTU less that.
        """
        if action.multicast is MulticastWay.TUNNEL:
            device = self._netlink.link(self._tunnel)
            mtu = 0 if device is None else device.mtu - _TUNNEL_OVERHEAD
            return (Route(_GROUPS, self._tunnel, source=action.home_address, table=self._table, mtu=mtu),)
        if isinstance(action, RouteThroughTunnel) and action.care_of_address is not None:
            source = action.care_of_address
            return (Route(_GROUPS, action.interface, source=source, table=self._table),)
        first = _GROUPS_PRIORITY
        return (
            Rule(first, MAIN_TABLE, source=_UNBOUND, suppress_prefixlength=0, destination=_GROUPS),
            Rule(first + 1, None, source=_UNBOUND, destination=_GROUPS),
        )

    def _unroute(self, action: Unroute) -> None:
        self._desired.drop("ways")

    def _heed_arp(self, device: str, at_home: bool) -> None:
        """Away, the node neither answers nor asks ARP with its home address on ``device`` (RFC 5944 s4.6)."""
        away = {f"conf/{device}/arp_ignore": "1", f"conf/{device}/arp_announce": "2"}
        if at_home:
            self._sysctls.forget(*away)
        elif all(self._sysctls.get(name) is not None for name in away):  # else the interface is gone
            self._sysctls.apply(away)

    def _link_address(self, interface: str) -> bytes:
        link = self._netlink.link(interface)
        if link is None or len(link.address) != 6:
            raise ActionError(f"interface {interface} is gone or has no Ethernet address; see `ip link`")
        return link.address
