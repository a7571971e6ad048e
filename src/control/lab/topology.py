"""The internet of the demonstration.

::

                          correspondent 192.0.2.130
                                  |
                                  | 192.0.2.128/25
                                  |
      .------------------------ core ---------------------------.
      | 192.0.2.0/30     192.0.2.4/30 |    192.0.2.8/30         | 192.0.2.12/30
      |                  .------------+------------.            |
    home                 |                         |            |
    home agent       foreign1                  foreign2      foreign3
    203.0.113.1      foreign agent             foreign agent a plain router
      |              198.51.100.1              198.51.100.65 198.51.100.129
      |                  |                         |            |
      | 203.0.113.0/24   | 198.51.100.0/26         | .64/26     | .128/26
      |                  |                         |            |
    [home]           [foreign1]                [foreign2]    [foreign3]       access links
      |                  :                         :            :
      |                  '- - - - - - - - - - - - -+ - - - - - -'
      |                                            :
    neighbour 203.0.113.9                  node 203.0.113.5 (home address)

Every box is a namespace. The access links are bridges in a namespace of their own (``access``), and the
mobile node's ``eth0`` is like a Wi-Fi card: one interface whose far end is taken off one link, at which the
node loses carrier, and put onto another. On the link of foreign3 the laboratory gives the node an address and
a default route, as DHCP would.

The core's filter is strict towards every site (RFC 3704, ``rp_filter`` 1): a packet whose source is not the
site's own prefix does not get out of it. Without reverse tunnelling a node abroad could not send from its
home address.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from mobileip.control.lab.namespaces import Namespace, Namespaces

HOME_ADDRESS: Final = IPv4Interface("203.0.113.5/24")
HOME_AGENT: Final = IPv4Address("203.0.113.1")
NEIGHBOUR: Final = IPv4Address("203.0.113.9")
CORRESPONDENT: Final = IPv4Address("192.0.2.130")

NODE_INTERFACE: Final = "eth0"
ACCESS_INTERFACE: Final = "lan0"  # of the site's router, towards its access link
UPLINK_INTERFACE: Final = "wan0"  # of the site's router, towards the core

_AIR: Final = "air"  # the far end of the node's interface
_CABLE, _PORT = "cable", "port"  # the pair of interfaces that leads from there to the bridge of a link


@dataclass(frozen=True, slots=True)
class Site:
    """A network at the edge: a router with an uplink to the core and one access link.

    ``own`` is the address that a node gets there by itself; None where an agent serves it, or its home
    address.
    """

    name: str
    title: str
    router: IPv4Interface  # on the access link
    uplink: IPv4Interface  # the core has the address below
    own: IPv4Interface | None = None

    @property
    def prefix(self) -> IPv4Network:
        return self.router.network

    @property
    def care_of_address(self) -> IPv4Address:
        """Where a tunnel to a node here ends; not meant for the home site."""
        return (self.own or self.router).ip


HOME: Final = Site("home", "home", IPv4Interface("203.0.113.1/24"), IPv4Interface("192.0.2.2/30"))
FOREIGN1: Final = Site(
    "foreign1", "foreign 1", IPv4Interface("198.51.100.1/26"), IPv4Interface("192.0.2.6/30")
)
FOREIGN2: Final = Site(
    "foreign2", "foreign 2", IPv4Interface("198.51.100.65/26"), IPv4Interface("192.0.2.10/30")
)
FOREIGN3: Final = Site(
    "foreign3",
    "co-located",
    IPv4Interface("198.51.100.129/26"),
    IPv4Interface("192.0.2.14/30"),
    own=IPv4Interface("198.51.100.140/26"),
)
SITES: Final = {site.name: site for site in (HOME, FOREIGN1, FOREIGN2, FOREIGN3)}


@dataclass(frozen=True, slots=True)
class Topology:
    """The namespaces of a built internet, by role."""

    core: Namespace
    correspondent: Namespace
    neighbour: Namespace
    node: Namespace
    access: Namespace
    sites: dict[str, Namespace]

    @classmethod
    def build(cls, spaces: Namespaces) -> Topology:
        """Make and join everything; the node's interface is up but on no link."""
        core, correspondent, neighbour, node, access = spaces.add(
            "core", "correspondent", "neighbour", "node", "access"
        )
        topology = cls(
            core, correspondent, neighbour, node, access, dict(zip(SITES, spaces.add(*SITES), strict=True))
        )
        topology._build_core()
        for site in SITES.values():
            topology._build_site(site)
        topology._build_hosts()
        return topology

    def _build_core(self) -> None:
        gateway = IPv4Interface("192.0.2.129/25")
        self.core.set_sysctls(
            {"ipv4/ip_forward": 1, "ipv4/conf/all/rp_filter": 1, "ipv4/conf/default/rp_filter": 1}
        )
        self.core.ip(
            f"link add cn type veth peer name eth0 netns {self.correspondent.name}",
            f"addr add {gateway} dev cn",
            "link set cn up",
        )
        self.correspondent.ip(
            f"addr add {CORRESPONDENT}/25 dev eth0", "link set eth0 up", f"route add default via {gateway.ip}"
        )

    def _build_site(self, site: Site) -> None:
        router, bridge = self.sites[site.name], site.name
        core_side = IPv4Interface(f"{site.uplink.ip - 1}/30")
        self.core.ip(
            f"link add {site.name} type veth peer name {UPLINK_INTERFACE} netns {router.name}",
            f"addr add {core_side} dev {site.name}",
            f"link set {site.name} up",
            f"route add {site.prefix} via {site.uplink.ip}",
        )
        self.access.ip(
            # Neither spanning tree nor snooping: a link that can be used the moment it is up.
            f"link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link add {bridge}r type veth peer name {ACCESS_INTERFACE} netns {router.name}",
            f"link set {bridge}r master {bridge} up",
            f"link set {bridge} up",
        )
        router.set_sysctls({"ipv4/ip_forward": 1})
        router.ip(
            f"addr add {site.uplink} dev {UPLINK_INTERFACE}",
            f"link set {UPLINK_INTERFACE} up",
            f"addr add {site.router} dev {ACCESS_INTERFACE}",
            f"link set {ACCESS_INTERFACE} up",
            f"route add default via {core_side.ip}",
        )

    def _build_hosts(self) -> None:
        self.access.ip(
            f"link add {HOME.name}n type veth peer name eth0 netns {self.neighbour.name}",
            f"link set {HOME.name}n master {HOME.name} up",
            # An interface tells a lost carrier at once only if its index differs from its far end's; else the
            # kernel may sit on the news for a second (linkwatch_urgent_event). So both are chosen.
            f"link add {_AIR} index 1000 type veth"
            f" peer name {NODE_INTERFACE} index 2000 netns {self.node.name}",
            f"link add {_CABLE} type veth peer name {_PORT}",
            f"link set {_CABLE} up",
            f"link set {_PORT} up",
        )
        # The node's far end is no port of a bridge itself: such a port forwards only some time after the node
        # has carrier, and the first packet of one move in three hundred was lost. A port that is always up
        # forwards from the moment it is put onto a bridge; from there to the node every frame is passed on by
        # tc.
        self.access.tc(
            *(
                command
                for here, there in ((_AIR, _CABLE), (_CABLE, _AIR))
                for command in (
                    f"qdisc add dev {here} ingress",
                    f"filter add dev {here} parent ffff: protocol all u32 match u32 0 0"
                    f" action mirred egress redirect dev {there}",
                )
            )
        )
        self.neighbour.ip(
            f"addr add {NEIGHBOUR}/{HOME.prefix.prefixlen} dev eth0",
            "link set eth0 up",
            f"route add default via {HOME_AGENT}",
        )
        self.node.ip(f"link set {NODE_INTERFACE} up")

    def unplug(self) -> None:
        """Take the node off its link: it loses carrier."""
        self.access.ip(f"link set {_AIR} down", f"link set {_PORT} nomaster")

    def plug(self, site: Site) -> None:
        """Put the node onto a site's access link: it gets carrier."""
        self.access.ip(f"link set {_PORT} master {site.name}", f"link set {_AIR} up")

    def give_address(self, site: Site) -> None:
        """What a DHCP client does on a link without agent: address and default route."""
        assert site.own is not None
        self.node.ip(
            f"addr add {site.own} broadcast + dev {NODE_INTERFACE}",
            f"route add default via {site.router.ip} dev {NODE_INTERFACE}",
        )

    def take_address(self, site: Site) -> None:
        """What a DHCP client does when the link is gone."""
        assert site.own is not None
        self.node.ip(
            f"route del default via {site.router.ip} dev {NODE_INTERFACE}",
            f"addr del {site.own} dev {NODE_INTERFACE}",
        )
