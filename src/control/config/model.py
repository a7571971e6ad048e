"""What may stand in the configuration file, as frozen models; a role is present when its table is.

Lengths of time are seconds. A ``description`` is what ``mobileip check`` says of a value that is missing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from mobileip.control.config.aaa import ForeignAaaConfig, HomeAaaConfig
from mobileip.control.config.challenge import ChallengeConfig, NodeAaaConfig
from mobileip.control.config.filters import ForeignFilterConfig, HomeFilterConfig
from mobileip.control.config.keys import KeysConfig
from mobileip.control.config.paths import DEFAULT_NAME, RUN_DIRECTORY, default_socket
from mobileip.control.config.servers import AccountingConfig
from mobileip.control.config.table import Table
from mobileip.control.config.values import (
    AbsolutePath,
    Address,
    AdvertisementDestination,
    AlgorithmName,
    Alternative,
    AnyEncapsulation,
    Boolean,
    DaemonName,
    FilterAction,
    ForeignReverseTunnel,
    GroupName,
    HomeReverseTunnel,
    InterfaceAddress,
    InterfaceName,
    Key,
    LogFormat,
    LogLevel,
    MulticastWayName,
    Nai,
    Network,
    RegistrationLifetime,
    ReplayName,
    SocketPath,
    SpiValue,
    Underlay,
    integer,
    number,
)
from mobileip.control.security.association import Algorithm, ReplayMethod
from mobileip.control.security.peers import Peer
from mobileip.control.types import EncapsulationType, Lifetime

MULTIPLES_OF_INTERVAL: Final = 3  # RFC 5944 s2.1: the interval should be no more than a third of the lifetime

_LIFETIME_OF_ANSWERS: Final = 1800  # s; RFC 1256's default: nothing will refresh it until the node asks again
_AS_NODE: Final = "the same as in the mobile node's file"
_AS_HOME: Final = "the same as in the home agent's file"

MAX_SIMULTANEOUS: Final = integer(1, 8, "bindings", "the data plane copies a packet to no more")
IDLE_TIMEOUT: Final = integer(10, 31_536_000, "s", "tunnels are looked at every 10 s")

AdvertisementInterval = Annotated[float, number(0.05, 1800, "s", "the upper end is RFC 1256's")]
AdvertisementLifetime = Annotated[int, integer(1, 9000, "s", "RFC 1256 s4.1")]


class AdvertiseConfig(Table):
    """Agent advertisements on one link (RFC 5944 s2.1, RFC 1256)."""

    interval: AdvertisementInterval = 1.0
    """Time between two advertisements; each comes up to a quarter earlier (RFC 1256 s4.1)."""
    lifetime: AdvertisementLifetime = 3
    """How long nodes believe a silent agent; three intervals, rounded up, when only ``interval`` is given."""
    registration_lifetime: RegistrationLifetime | None = None
    """The longest lifetime that is offered; ``None``: the role's ``max_lifetime``."""
    router: Boolean = True
    """Whether the agent offers itself as a default router (RFC 1256 preference)."""
    destination: AdvertisementDestination = "multicast"
    """To whom: 224.0.0.1, or 255.255.255.255 where hosts hear no multicast (RFC 1256 AdvertisementAddress)."""
    prefix_lengths: Boolean = False
    """Whether to tell the prefix length of the link; all agents of a link or none (RFC 5944 s2.1.2, s2.3)."""
    on_solicitation_only: Boolean = False
    """Whether to advertise only to those who ask (RFC 5944 s2.3); ``lifetime`` is then 1800 s if it is left out."""
    unsolicited: Annotated[int | None, integer(1, 1000, "advertisements")] = None
    """How many advertisements a link gets unasked when it comes up; after them only those who ask are told. For links
    such as PPP, where each byte counts. ``lifetime`` is then 1800 s if it is left out. ``None``: no end."""

    @model_validator(mode="before")
    @classmethod
    def _lifetime_of_three_intervals(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "lifetime" in data:
            return data
        if data.get("on_solicitation_only") is True or data.get("unsolicited") is not None:
            return {**data, "lifetime": _LIFETIME_OF_ANSWERS}
        interval = data.get("interval")
        if not isinstance(interval, int | float) or not 0 < interval <= 1800:
            return data
        return {**data, "lifetime": math.ceil(MULTIPLES_OF_INTERVAL * interval)}


class DaemonConfig(Table):
    """What is the same for every role."""

    name: DaemonName = DEFAULT_NAME
    """Names the control socket and the files in ``state_directory``; give each daemon on a host its own."""
    control_socket: SocketPath = default_socket(DEFAULT_NAME)
    """``/run/mobileip/NAME.sock`` when it is left out."""
    control_group: GroupName | None = None
    """The group whose members may use the control socket, to ask the daemon and to order it about; ``None``: only the
    daemon's own user may, and root."""
    state_directory: AbsolutePath = RUN_DIRECTORY
    """Where kernel settings are kept as they were, for the case that the daemon is killed; and the latest timestamp of
    each node (RFC 5944 s5.7.1), so that a home agent that is started again takes no old request for a new one. ``/run``
    ends with the machine; on disk the timestamps outlive that too."""
    tunnel_device: InterfaceName = "mip0"
    """The TUN device that the daemon makes; give each daemon on a host its own."""
    tunnel_mtu: Annotated[int | None, integer(576, 65515, "bytes")] = None
    """``None``: the underlay's MTU less 20, the outer header (RFC 2003); a mobile node's less what its preferred
    encapsulation adds: 24 or more for GRE, 12 for minimal. Tunnels that add more are narrower."""
    gre_checksum: Boolean = False
    """Whether GRE headers that we send have a checksum (RFC 2784); one that comes is always verified."""
    gre_sequence: Boolean = False
    """Whether GRE headers that we send have sequence numbers, and what then comes late is dropped (RFC 2890)."""
    propagate_ecn: Boolean = True
    """Whether outer headers have the ECN field of the packet in them (RFC 6040 normal mode). ``false``, compatibility
    mode, is for other ends of RFC 2003's time, which lose the congestion marks that outer headers get on their way."""
    probe_mtu: Boolean = False
    """Whether paths on which large packets go are probed for what they carry (RFC 8899), so that tunnels fit even where
    firewalls drop the ICMP that would tell: an echo request in the tunnel every ten seconds, for its other end."""
    clamp_mss: Boolean = False
    """Whether what TCP connections through the tunnels announce as their maximum segment size is lowered to what fits,
    both ways: for senders that never hear that a packet was too big. Only of handshakes that pass the tunnel."""
    underlay: Underlay = "auto"
    """How tunnelled datagrams leave: ``raw`` through the kernel's routing; ``packet`` straight to the next hop, for
    less CPU, but unseen by netfilter's OUTPUT and POSTROUTING and by the routing they change; ``xdp`` so too, for less
    still, and what comes from the other ends is taken before netfilter's PREROUTING and INPUT, by a program on each
    interface that tunnels go over; ``auto``: ``packet`` on agents where it can be had, ``raw`` on a mobile node."""
    log_level: LogLevel = "info"
    """The least that is logged; ``debug`` has each message, and the contents of what is discarded."""
    log_format: LogFormat = "text"
    """``text`` for people, ``json`` for machines; one line an event, on standard error."""
    log_rate: Annotated[int, integer(0, 1_000_000, "lines a second")] = 50
    """Lines a second of one reason, with twice as many at once; the next line says how many were left out.
    0: every line. Counters miss nothing."""
    manage_sysctls: Boolean = True
    """Whether the daemon sets ``ip_forward``, ``rp_filter`` and so on, and restores them at its end."""

    @property
    def sysctl_file(self) -> Path:
        """Where kernel settings are kept as they were before the daemon, in case it is killed."""
        return self.state_directory / f"{self.name}.sysctl.json"

    @property
    def accepted_file(self) -> Path:
        """Where a home agent keeps the timestamps that it has accepted, so that none is accepted twice."""
        return self.state_directory / f"{self.name}.accepted"

    @model_validator(mode="before")
    @classmethod
    def _socket_of_name(cls, data: Any) -> Any:
        name = data.get("name") if isinstance(data, dict) else None
        if not isinstance(name, str) or "control_socket" in data:
            return data
        return {**data, "control_socket": str(default_socket(name))}


class HomeNetworkConfig(Table):
    """A home network; without ``interface`` it is a virtual one (RFC 5944 s1.6)."""

    prefix: Network = Field(description='the prefix of the home network, such as "10.1.0.0/24"')
    interface: InterfaceName | None = None
    """Its link. ``None``: a virtual home network, at which no node is ever at home."""
    advertise: AdvertiseConfig | None = None
    """Tells nodes that they are at home. ``None``: no advertisements, also no answers to solicitations."""
    pool: Network | None = None
    """The part of the prefix from which nodes with a ``nai`` get a home address (RFC 2794)."""


class NodeConfig(Table):
    """Mobile nodes we are home agent of: one mobility security association (RFC 5944 s1.6).

    One node by ``home_address``; several with one key by ``home_addresses``; or by ``nai``, with a ``home_address``
    of its own or one from a pool. Nodes that share a key can register each other's addresses.
    """

    home_address: Address | None = None
    """The node's home address, such as "10.1.0.5"."""
    home_addresses: Network | None = None
    """A range of home addresses whose nodes share the key, such as "10.1.0.16/28"."""
    nai: Nai | None = None
    """The node's name, such as "user@example.net"; "*@example.net" for every user of that realm (RFC 2794)."""
    spi: SpiValue = Field(description=f"the Security Parameter Index, 256 or more, {_AS_NODE}")
    key: Key = Field(description=f"key (hexadecimal digits) or key_file, {_AS_NODE}")
    spi_out: SpiValue | None = None
    """The SPI of what we send, if it is another than ``spi``, that of what we receive: the peer's own ``spi``."""
    algorithm: AlgorithmName = Algorithm.HMAC_MD5
    """How authenticators are computed: HMAC-MD5 (RFC 5944); HMAC-SHA-1 or HMAC-SHA-256 between
    peers that both have it; or keyed MD5 for peers that follow RFC 2002, to the letter ``keyed-md5-no-spi``."""
    ignore_spi: Boolean = False
    """Whether a SPI that no table of this node has is let pass, and answered with itself. What it weakens: a key that
    was replaced under another SPI works on as long as its table is here."""
    any_algorithm: Boolean = False
    """Whether authenticators by another ``algorithm`` with this key are let pass, and answered by the same. What it
    weakens: the worst algorithm is enough for a forger, and each wrong authenticator costs a digest by each."""
    replay: ReplayName = ReplayMethod.TIMESTAMPS
    """How replayed requests are told from fresh ones, the same as in the mobile node's file (RFC 5944 s5.7)."""
    replay_tolerance: Annotated[float, number(0.1, 3600, "s")] = 7.0  # RFC 5944 s5.7.1
    """How far a timestamp may be from our clock."""
    max_lifetime: RegistrationLifetime | None = None
    """The longest lifetime for this node; ``None``: the home agent's."""
    reverse_tunnel: HomeReverseTunnel | None = None
    """``None``: the home agent's."""
    max_simultaneous: Annotated[int | None, MAX_SIMULTANEOUS] = None
    """``None``: the home agent's."""
    encapsulations: tuple[Alternative, ...] | None = None
    """``None``: the home agent's."""

    idle_timeout: Annotated[int | None, IDLE_TIMEOUT] = None
    """``None``: the home agent's."""

    @property
    def peers(self) -> tuple[Peer, ...]:
        """What the association is found by: an address or a range, a name, or a name and its own address."""
        return tuple(peer for peer in (self.nai, self.home_address, self.home_addresses) if peer is not None)

    @property
    def policy(self) -> tuple[object, ...]:
        """What is other than the home agent's, where it is not ``None``."""
        limits = self.max_lifetime, self.reverse_tunnel, self.max_simultaneous
        return *limits, self.encapsulations, self.idle_timeout


class PeerAgentConfig(Table):
    """Another mobility agent that we share a key with (RFC 5944 s3.5.4)."""

    address: Address = Field(description="the address that the other agent sends from, and is reached by")
    spi: SpiValue = Field(description="the Security Parameter Index, 256 or more, the same at both agents")
    key: Key = Field(description="key (hexadecimal digits) or key_file, the same at both agents")
    spi_out: SpiValue | None = None
    """The SPI of what we send, if it is another than ``spi``, that of what we receive: the peer's own ``spi``."""
    algorithm: AlgorithmName = Algorithm.HMAC_MD5
    """How authenticators are computed: HMAC-MD5 (RFC 5944); HMAC-SHA-1 or HMAC-SHA-256 between
    peers that both have it; or keyed MD5 for peers that follow RFC 2002, to the letter ``keyed-md5-no-spi``."""


class HomeAgentConfig(Table):
    """The home agent's role."""

    address: Address = Field(
        description="the address that nodes register with and that tunnels start from, one of this host"
    )
    max_lifetime: RegistrationLifetime = Lifetime(600)
    """The longest lifetime that is granted; nodes that ask for more get this."""
    reverse_tunnel: HomeReverseTunnel = "optional"
    """What is said to the T bit (RFC 3024): granted if asked for, demanded (code 138), or refused (137)."""
    max_bindings: Annotated[int, integer(1, 10_000_000)] = 100_000
    """Nodes away at one time."""
    max_new_rate: Annotated[int | None, integer(1, 1_000_000, "nodes a second")] = None
    """Nodes without a binding that are accepted a second, as many at once; others are denied (code 130) and try again.
    Renewals and moves are not limited. ``None``: no limit."""
    redirect_to: tuple[Address, ...] = ()
    """Home agents to which nodes without a binding are sent, each in its turn, when ``max_bindings`` or
    ``max_new_rate`` leave no room for them (code 143, RFC 4433). Empty: they are denied (code 130)."""
    reject_static_addresses: Boolean = False
    """Whether a node that gets its address from a pool is denied (code 129) when it asks for one that it was not given.
    Then nodes get new addresses after a restart of the home agent, which forgets who had which."""
    max_simultaneous: Annotated[int, MAX_SIMULTANEOUS] = 1
    """Bindings that one node may have at one time (the S bit); packets go to each. 1: unsupported."""
    idle_timeout: Annotated[int | None, IDLE_TIMEOUT] = None
    """A binding is removed when its tunnel has carried no packet for so long, up to 20 s later; the node gets it back
    when it renews. ``None``: never."""
    encapsulations: tuple[Alternative, ...] = (EncapsulationType.GRE, EncapsulationType.MINIMAL)
    """What nodes may ask for beside IP-in-IP (the G and M bits, RFC 5944 s4.1); anything else is denied (code 139)."""
    broadcasts: Boolean = False
    """Whether broadcasts of a home link are sent on to nodes that ask for them (the B bit, RFC 5944 s4.3)."""
    multicast: Boolean = False
    """Whether absent nodes may join multicast groups of their home link through their reverse tunnels, and send to
    groups there (RFC 5944 s4.4)."""
    multicast_query_interval: Annotated[float, number(1, 3600, "s")] = 125.0
    """Time between two IGMP queries to a node that is in groups (RFC 3376 s8.2)."""
    max_node_groups: Annotated[int, integer(1, 1000)] = 32
    """Groups that one absent node may be in at one time."""
    max_memberships: Annotated[int, integer(1, 65536)] = 10_000
    """The same for all absent nodes together: a group counts once for each node that is in it."""
    gratuitous_arp_count: Annotated[int, integer(1, 100)] = 3
    """How often the home link is told that a node's address has moved (RFC 5944 s4.6)."""
    gratuitous_arp_interval: Annotated[float, number(0.05, 60, "s")] = 1.0
    """Time between these."""
    networks: tuple[HomeNetworkConfig, ...] = Field(
        description="at least one [[home_agent.networks]] table", min_length=1
    )
    nodes: tuple[NodeConfig, ...] = ()
    """The mobile nodes; a request of any other is discarded, unless ``keys`` says who else knows nodes."""
    keys: KeysConfig | None = None
    """Where the keys of nodes are that are not in ``nodes``. ``None``: nowhere."""
    accounting: AccountingConfig | None = None
    """Who is told what bindings there are and what they carry. ``None``: nobody."""
    aaa: HomeAaaConfig | None = None
    """Who says whether nodes are who they say they are. ``None``: nobody; Mobile-AAA authentications are ignored."""
    foreign_agents: tuple[PeerAgentConfig, ...] = ()
    """Foreign agents that we share a key with: requests through them are accepted only with their signature."""
    filters: tuple[HomeFilterConfig, ...] = ()
    """Who may register from where, among the nodes."""
    filter_default: FilterAction = "allow"
    """What is done with a registration that no filter matches."""


class VisitingNodeConfig(Table):
    """A security association with a mobile node: it has to authenticate to us, and we to it (RFC 5944 s3.5.3).

    The node is known by its ``home_address`` or its ``nai``, or both.
    """

    home_address: Address | None = None
    """The node's home address, such as "10.1.0.5"."""
    nai: Nai | None = None
    """The node's name, such as "user@example.net"; "*@example.net" for every user of that realm (RFC 2794)."""
    spi: SpiValue = Field(description=f"the Security Parameter Index, 256 or more, {_AS_NODE}")
    key: Key = Field(description=f"key (hexadecimal digits) or key_file, {_AS_NODE}")
    spi_out: SpiValue | None = None
    """The SPI of what we send, if it is another than ``spi``, that of what we receive: the peer's own ``spi``."""
    algorithm: AlgorithmName = Algorithm.HMAC_MD5
    """How authenticators are computed: HMAC-MD5 (RFC 5944); HMAC-SHA-1 or HMAC-SHA-256 between
    peers that both have it; or keyed MD5 for peers that follow RFC 2002, to the letter ``keyed-md5-no-spi``."""

    @property
    def peers(self) -> tuple[Peer, ...]:
        """What the association is found by."""
        return tuple(peer for peer in (self.home_address, self.nai) if peer is not None)


class VisitedInterfaceConfig(Table):
    """A link on which the foreign agent serves visitors."""

    name: InterfaceName = Field(description='the name of the interface that visitors come to, such as "eth1"')
    advertise: AdvertiseConfig = AdvertiseConfig()
    """How the link is told of us; the defaults when it is left out."""


class ForeignAgentConfig(Table):
    """The foreign agent's role."""

    care_of_address: Address = Field(
        description="the address where tunnels to visitors end, one of this host that home agents can reach"
    )
    care_of_addresses: tuple[Address, ...] = ()
    """Further care-of addresses of this host, advertised behind ``care_of_address`` in this order."""
    max_lifetime: RegistrationLifetime = Lifetime(600)
    """The longest lifetime that is accepted and advertised; requests for more are denied (code 69)."""
    max_visitors: Annotated[int, integer(1, 1_000_000)] = 1000
    """Visitors at one time; when it is reached, the B bit is advertised and others are denied (code 66)."""
    max_pending: Annotated[int, integer(1, 100_000)] = 500
    """Requests that wait for home agents at one time; when it is reached, the one of a stranger that waited longest
    gives way (code 66). One link-layer address has a quarter of them at most."""
    pending_timeout: Annotated[float, number(0.5, 300, "s")] = 7.0  # RFC 5944 s3.7.1
    """How long a home agent has to answer; then the node is told so (code 78)."""
    reverse_tunnel: ForeignReverseTunnel = "optional"
    """What is said to the T bit (RFC 3024): granted if asked for, demanded (code 75), or refused (74)."""
    encapsulating_delivery: Boolean = True
    """Whether nodes may tunnel what is to be reverse-tunnelled to us, and send the rest directly (RFC 3024 s5.2);
    if not, requests that ask for it are denied (code 79)."""
    encapsulations: tuple[Alternative, ...] = (EncapsulationType.GRE, EncapsulationType.MINIMAL)
    """What is advertised beside IP-in-IP (the G and M bits, RFC 5944 s2.1.1) and accepted; others get code 72."""
    gre_keys: Boolean = False
    """Whether to agree on keys for GRE headers (RFC 6245). Home agents that do not know it discard such requests."""
    registration_required: Boolean = True
    """The R bit: nodes register here even with a co-located care-of address (RFC 5944 s2.1.1)."""
    nodes: tuple[VisitingNodeConfig, ...] = ()
    """Mobile nodes that we share a key with: their requests are accepted only with their signature for us."""
    home_agents: tuple[PeerAgentConfig, ...] = ()
    """Home agents that we share a key with: requests to them are signed, replies have to be."""
    challenge: ChallengeConfig | None = None
    """What nodes are challenged with, so that no recorded request passes (RFC 4721). ``None``: nothing."""
    filters: tuple[ForeignFilterConfig, ...] = ()
    """Whose registrations are relayed, and to where."""
    filter_default: FilterAction = "allow"
    """What is done with a registration that no filter matches."""
    aaa: ForeignAaaConfig | None = None
    """Who says whether visitors are who they say they are. ``None``: nobody; only their home agents look."""
    interfaces: tuple[VisitedInterfaceConfig, ...] = Field(
        description="at least one [[foreign_agent.interfaces]] table", min_length=1
    )


class MobileNodeConfig(Table):
    """The mobile node's role."""

    home_address: InterfaceAddress | None = Field(
        default=None,
        description='the home address with the length of the home network\'s prefix, such as "10.1.0.5/24"',
    )
    """May be left out with ``nai``: the home agent gives one (RFC 2794)."""
    home_agent: Address | None = Field(default=None, description="the home agent's address")
    """May be left out with ``home_address``: the node asks its home network who is one (RFC 5944 s3.6.1.2)."""
    home_agents: tuple[Address, ...] = ()
    """Other home agents that have the same ``spi`` and ``key`` for this node. It goes there when a home agent that has
    no room sends it (code 143, RFC 4433), and to no others."""
    home_gateway: Address | None = None
    """Default router while at home. ``None``: the home agent."""
    nai: Nai | None = None
    """The node's name, ``user@realm``, in every request (RFC 2794)."""
    interfaces: tuple[InterfaceName, ...] = Field(
        description='the interfaces to roam with, the preferred one first, such as ["eth0", "wlan0"]',
        min_length=1,
    )
    lifetime: RegistrationLifetime = Lifetime(120)
    """The lifetime to ask for; renewed after about 60 % of what is granted."""
    spi: SpiValue = Field(description=f"the Security Parameter Index, 256 or more, {_AS_HOME}")
    key: Key = Field(description=f"key (hexadecimal digits) or key_file, {_AS_HOME}")
    spi_out: SpiValue | None = None
    """The SPI of what we send, if it is another than ``spi``, that of what we receive: the peer's own ``spi``."""
    algorithm: AlgorithmName = Algorithm.HMAC_MD5
    """How authenticators are computed: HMAC-MD5 (RFC 5944); HMAC-SHA-1 or HMAC-SHA-256 between
    peers that both have it; or keyed MD5 for peers that follow RFC 2002, to the letter ``keyed-md5-no-spi``."""
    replay: ReplayName = ReplayMethod.TIMESTAMPS
    """Replay protection, the same as in the home agent's file; ``nonces`` need no clock (RFC 5944 s5.7)."""
    reverse_tunnel: Boolean = True
    """Whether to send through the tunnel too (T bit, RFC 3024); needed where routers check sources."""
    encapsulating_delivery: Boolean = False
    """Whether to tunnel to a foreign agent what it is to reverse-tunnel (RFC 3024 s5.2): the only way by which
    broadcasts and multicasts of this host reach the home network through an agent. Agents need not support it."""
    multicast: MulticastWayName = "none"
    """Where multicast groups are joined and sent to while away, unless an application names an interface (RFC 5944
    s4.4): ``local``, on the visited link with a co-located care-of address; ``tunnel``, at the home network, if the
    home agent forwards multicasts; or ``none``."""
    broadcasts: Boolean = False
    """Whether to ask the home agent for the broadcasts of the home network while away (B bit, RFC 5944 s4.3)."""
    co_located: Boolean = True
    """Whether to register directly from a link that gives an address but has no agent (RFC 5944 s1.6)."""
    agent_wait: Annotated[float, number(0, 60, "s")] = 0.2
    """How long to wait for an agent on a link with an address before that becomes the care-of address."""
    encapsulation: tuple[AnyEncapsulation, ...] = (EncapsulationType.IPIP,)
    """How to be tunnelled to, the best first (the G and M bits): of a foreign agent only what it advertises is asked
    for, and what is denied (codes 72 and 139) gives way to the next. IP-in-IP is always the last resort."""
    agents: tuple[Address, ...] = ()
    """Agents preferred to others on the same link, the best first, by the source of their advertisements."""
    no_router_discovery: tuple[InterfaceName, ...] = ()
    """Those of ``interfaces`` on which agents are neither asked for nor heard, also not the home agent (RFC 1256
    PerformRouterDiscovery): there the node registers with an address of its own, or not at all."""
    solicit_by_broadcast: tuple[InterfaceName, ...] = ()
    """Those of ``interfaces`` on which agents are asked for at 255.255.255.255, where not all hear 224.0.0.2 (RFC 1256
    SolicitationAddress)."""
    solicitation_delay: Annotated[float, number(0, 1, "s")] = 1.0
    """Within how long, at random, agents are first asked for when the daemon starts, so that nodes that are switched on
    together do not ask together (RFC 1256 s5.3). After a move they are asked at once."""
    hold_down: Annotated[float, number(0, 3600, "s")] = 2.0
    """How long a better link or agent must last before a working one is left for it, so that nothing flaps."""
    simultaneous: Boolean = False
    """Whether to register over a better link before leaving the present one (S bit, RFC 5944 s3.6.1.2)."""
    foreign_agents: tuple[PeerAgentConfig, ...] = ()
    """Foreign agents that we share a key with (RFC 5944 s3.5.3)."""
    aaa: NodeAaaConfig | None = None
    """What we prove ourselves by to an AAA server, which answers the challenges of foreign agents (RFC 4721)."""


class Config(Table):
    """A whole configuration file; at least one role is present."""

    daemon: DaemonConfig = DaemonConfig()
    home_agent: HomeAgentConfig | None = None
    foreign_agent: ForeignAgentConfig | None = None
    mobile_node: MobileNodeConfig | None = None
