"""Everything a machine can ask for: one closed union. The shell performs a list in its order.

An ``Install…`` of something that exists replaces it; a ``Remove…`` of something absent does nothing. What cannot be
done comes back as :class:`~mobileip.control.core.events.ActionFailed`; the actions after it in the same list are then
not performed, unless it is one of :data:`INDEPENDENT`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from mobileip.control.reasons import Reason
from mobileip.control.security import Chap
from mobileip.control.types import EncapsulationType, Endpoint, GreKeys, Spi


class BroadcastDelivery(Enum):
    """How broadcasts of the home network reach a node that asked for them (B bit, RFC 5944 s4.3)."""

    NONE = "none"
    DIRECT = "direct"  # co-located: encapsulated once, to the care-of address
    NESTED = "nested"  # foreign agent: first to the home address, then to the care-of address


class MulticastWay(Enum):
    """Which way a mobile node's host joins and sends to multicast groups while it is away (RFC 5944 s4.4)."""

    NONE = "none"
    LOCAL = "local"  # on the visited link, with a co-located care-of address as source; else no way
    TUNNEL = "tunnel"  # at the home network, through a tunnel to the home agent


class DeliveryStyle(Enum):
    """How a visitor's packets come to its foreign agent (RFC 3024 s5)."""

    DIRECT = "direct"  # as they are; all are reverse-tunnelled
    ENCAPSULATING = "encapsulating"  # in a tunnel to the agent; only those are reverse-tunnelled


class TunnelSide(Enum):
    """Which end of the tunnel we are: the home agent's, or the care-of end (foreign agent, co-located node)."""

    HOME = "home"
    CARE_OF = "care-of"


@dataclass(frozen=True, slots=True)
class VisitorPlace:
    """Where a visitor is on a link; ``agent`` is our own address there."""

    interface: str
    link_address: bytes
    agent: IPv4Address


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """Send UDP from ``source`` (our address and port) to ``destination``.

    ``interface`` forces the outgoing link (a reply to a node at home ignores its binding, RFC 5944 s3.8.3).
    With ``link_destination`` the frame goes to that link-layer address on ``interface`` without ARP (s3.7.2.3, s4.2.2).
    """

    payload: bytes
    source: Endpoint
    destination: Endpoint
    interface: str | None = None
    link_destination: bytes | None = None
    ttl: int = 64


@dataclass(frozen=True, slots=True)
class SendIcmp:
    """Send an ICMP message with TTL 1 on ``interface``; unicast to ``link_destination`` when that is given."""

    payload: bytes
    interface: str
    source: IPv4Address | None  # None: the interface's first address, or 0.0.0.0 without one
    destination: IPv4Address
    link_destination: bytes | None = None


@dataclass(frozen=True, slots=True)
class InstallTunnel:
    """Data plane entry for ``home_address``: encapsulate towards ``remote`` from ``local``, accept the way back.

    It takes the place of every entry of the same home address and side, or with ``beside`` only of the one with the
    same ``remote`` (simultaneous bindings, S bit; shared home addresses). ``broadcast`` is the home agent's, for the
    B bit.

    ``delivery`` is the foreign agent's (RFC 3024 s5). With ENCAPSULATING, what the visitor tunnels to us leaves for
    ``remote`` with our header in the place of the visitor's. It must not pass the tunnel device on the way: there it
    could not be told from what a home agent tunnels to another visitor of ours, and would loop.

    With ``place`` visitors of other home agents have the same home address (RFC 3024 sA.3): the data plane delivers to
    that link-layer address and takes what comes from it, ``beside`` those of the others.
    """

    home_address: IPv4Address
    side: TunnelSide
    local: IPv4Address
    remote: IPv4Address
    reverse: bool
    encapsulation: EncapsulationType = EncapsulationType.IPIP
    beside: bool = False
    broadcast: BroadcastDelivery = BroadcastDelivery.NONE
    delivery: DeliveryStyle = DeliveryStyle.DIRECT
    place: VisitorPlace | None = None
    keys: GreKeys | None = None
    multicast: BroadcastDelivery = BroadcastDelivery.NONE  # the home agent's: groups, likewise (s4.4)


@dataclass(frozen=True, slots=True)
class RemoveTunnel:
    """Every entry of a home address and side, or only the one towards ``remote``.

    ``why`` a home agent's ends is for those who give account of it; it is the same action whatever it says.
    """

    home_address: IPv4Address
    side: TunnelSide
    remote: IPv4Address | None = None
    why: Reason | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class InstallBindingRoute:
    """Home agent: the host route that draws the absent node's packets into the tunnel device (RFC 5944 s4.2.3)."""

    home_address: IPv4Address


@dataclass(frozen=True, slots=True)
class RemoveBindingRoute:
    home_address: IPv4Address


@dataclass(frozen=True, slots=True)
class InstallNetworkRoute:
    """Home agent: a virtual home network, wholly routed into the tunnel device."""

    network: IPv4Network


@dataclass(frozen=True, slots=True)
class RemoveNetworkRoute:
    network: IPv4Network


@dataclass(frozen=True, slots=True)
class ClaimAddress:
    """Home agent: proxy ARP and repeated gratuitous ARP for an absent node on its home link (RFC 5944 s4.6)."""

    home_address: IPv4Address
    interface: str


@dataclass(frozen=True, slots=True)
class ReleaseAddress:
    """Home agent: stop proxy ARP; with ``link_address`` announce the returned node's own address (s4.6)."""

    home_address: IPv4Address
    interface: str
    link_address: bytes | None


@dataclass(frozen=True, slots=True)
class JoinGroup:
    """Home agent: datagrams to ``group`` on the node's home link go to the node too (RFC 5944 s4.4)."""

    home_address: IPv4Address
    group: IPv4Address


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    home_address: IPv4Address
    group: IPv4Address


@dataclass(frozen=True, slots=True)
class HoldGroup:
    """Home agent: be a member of ``group`` on a home link, so that its switches and routers bring it there."""

    interface: str
    group: IPv4Address


@dataclass(frozen=True, slots=True)
class DropGroup:
    interface: str
    group: IPv4Address


@dataclass(frozen=True, slots=True)
class SendQuery:
    """Home agent: an IGMP query into the tunnels of one node; ``group`` 0.0.0.0: about every group (RFC 3376 s4.1)."""

    home_address: IPv4Address
    group: IPv4Address
    payload: bytes


@dataclass(frozen=True, slots=True)
class InstallVisitorRoute:
    """Foreign agent: host route to the visitor on ``interface`` and a permanent neighbour entry (s4.2.2).

    With ``reverse`` and direct delivery also the policy rule that sends the visitor's packets into the tunnel device
    (RFC 3024 s5.1). With encapsulating delivery the data plane has what is to be reverse-tunnelled, and the rest is
    forwarded as anybody's (s5.2.1).
    """

    home_address: IPv4Address
    interface: str
    link_address: bytes
    reverse: bool
    delivery: DeliveryStyle = DeliveryStyle.DIRECT


@dataclass(frozen=True, slots=True)
class ShareVisitorAddress:
    """Foreign agent: several visitors have this home address, on these links, and the data plane has them all.

    Takes the place of the route of the one that had it alone: the kernel has none to the address, and forwards nothing
    that comes from it (RFC 3024 sA.4).
    """

    home_address: IPv4Address
    interfaces: frozenset[str]


@dataclass(frozen=True, slots=True)
class RemoveVisitorRoute:
    """The route of a visitor on ``interface``, or what stands there for several with one address."""

    home_address: IPv4Address
    interface: str


@dataclass(frozen=True, slots=True)
class AdoptHomeAddress:
    """Mobile node: this is the home address now, on the tunnel device and in the policy rules (RFC 2794)."""

    home_address: IPv4Interface


@dataclass(frozen=True, slots=True)
class AttachHome:
    """Mobile node: home address and prefix on ``interface``, routes as any host of the home link, gratuitous ARP."""

    home_address: IPv4Interface
    interface: str
    gateway: IPv4Address | None


@dataclass(frozen=True, slots=True)
class DetachHome:
    """Mobile node: home address off ``interface`` (it stays on the tunnel device); no ARP for it there (s4.6)."""

    home_address: IPv4Interface
    interface: str


@dataclass(frozen=True, slots=True)
class RouteThroughAgent:
    """Mobile node: the foreign agent is the default router, its link-layer address pinned (s4.2.1).

    ``broadcast``: the home network's broadcast address, which the tunnel device stands for while the node is away.
    ``multicast``: where groups are joined and sent to, unless the application says where.
    """

    home_address: IPv4Address
    interface: str
    agent: IPv4Address
    link_address: bytes
    broadcast: IPv4Address | None = None
    multicast: MulticastWay = MulticastWay.NONE


@dataclass(frozen=True, slots=True)
class RouteThroughTunnel:
    """Mobile node that tunnels by itself: everything from the home address enters the tunnel device.

    Without reverse tunnelling (``tunnel`` false) packets leave directly through ``gateway`` on ``interface``. With
    ``outer`` the tunnel's own packets take that way too, whatever the main table prefers.

    With ``link_address`` the gateway is a foreign agent, at which the tunnel ends (encapsulating delivery, RFC 3024
    s5.2), and its link-layer address is pinned. ``broadcast`` and ``multicast`` as in :class:`RouteThroughAgent`;
    without a foreign agent LOCAL leads to ``interface``, where ``care_of_address`` is the source.
    """

    home_address: IPv4Address
    interface: str
    gateway: IPv4Address | None
    tunnel: bool
    outer: bool = False
    link_address: bytes | None = None
    broadcast: IPv4Address | None = None
    multicast: MulticastWay = MulticastWay.NONE
    care_of_address: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class InstallMulticastTunnel:
    """Mobile node: what its host sends to groups on the tunnel device goes to the home agent, with the home address in
    both headers; what the home agent tunnels to the home address comes out (s4.4)."""

    home_address: IPv4Address
    home_agent: IPv4Address


@dataclass(frozen=True, slots=True)
class RemoveMulticastTunnel:
    home_address: IPv4Address


@dataclass(frozen=True, slots=True)
class Unroute:
    """Mobile node: no link; packets from the home address have nowhere to go until the next registration."""

    home_address: IPv4Address


@dataclass(frozen=True, slots=True)
class LookupKey:
    """Home agent: ask the sources of keys for the associations of ``peer``, a home address or a normalised NAI.

    ``spi`` is the one that is needed. Answered, later and once, by ``KeysFound``, ``KeysUnknown`` or
    ``KeysUnavailable``.
    """

    peer: IPv4Address | str
    spi: Spi


class Asker(Enum):
    """The agent whose AAA servers are asked."""

    HOME_AGENT = "home_agent"
    FOREIGN_AGENT = "foreign_agent"


@dataclass(frozen=True, slots=True)
class VerifyProof:
    """An agent: ask its AAA servers whether ``user``, a home address or a normalised NAI, has made ``chap``
    (RFC 4721 s8). ``spi`` names its key at the home agent, ``home_address`` is the one that it wants to register, if it
    says which.

    Answered, later and once, by ``ProofAccepted``, ``ProofRejected`` or ``ProofUnverified``.
    """

    asker: Asker
    user: IPv4Address | str
    chap: Chap
    spi: Spi
    home_address: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """The core's only voice: becomes a log line, a counter, and in trace mode a decoded message."""

    reason: Reason
    fields: Mapping[str, object] = field(default_factory=dict)


Action = (
    SendDatagram
    | SendIcmp
    | InstallTunnel
    | RemoveTunnel
    | InstallBindingRoute
    | RemoveBindingRoute
    | InstallNetworkRoute
    | RemoveNetworkRoute
    | ClaimAddress
    | ReleaseAddress
    | JoinGroup
    | LeaveGroup
    | HoldGroup
    | DropGroup
    | SendQuery
    | InstallVisitorRoute
    | ShareVisitorAddress
    | RemoveVisitorRoute
    | AdoptHomeAddress
    | AttachHome
    | DetachHome
    | RouteThroughAgent
    | RouteThroughTunnel
    | InstallMulticastTunnel
    | RemoveMulticastTunnel
    | Unroute
    | LookupKey
    | VerifyProof
    | Noted
)

INDEPENDENT = (
    SendDatagram,
    SendIcmp,
    RemoveTunnel,
    RemoveBindingRoute,
    RemoveNetworkRoute,
    ReleaseAddress,
    JoinGroup,
    LeaveGroup,
    HoldGroup,
    DropGroup,
    SendQuery,
    RemoveVisitorRoute,
    DetachHome,
    RemoveMulticastTunnel,
    Unroute,
    LookupKey,
    VerifyProof,
    Noted,
)
"""Actions on which nothing later in a list depends: one node's undoing must not stop at another's failure."""
