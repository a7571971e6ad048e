"""Who asks: the mobile nodes of a home agent by address, range or name (RFC 5944 s3.8.2.1 a, RFC 2794)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from mobileip.control.core.encapsulations import ONLY_IPIP, Encapsulations
from mobileip.control.core.filters import NO_FILTERS, FilterSettings
from mobileip.control.core.keyring import AskedBy, KeyRing, KeySettings
from mobileip.control.core.multicast import MulticastSettings
from mobileip.control.core.networks import HomeNetwork, HomeNetworks
from mobileip.control.core.policy import NodePolicy, ReverseTunnelPolicy
from mobileip.control.core.pool import AddressPool
from mobileip.control.core.proofs import ProofSettings
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, PeerMap
from mobileip.control.security.peers import normalised
from mobileip.control.types import ZERO_ADDRESS, Lifetime
from mobileip.control.wire import (
    DynamicHomeAgent,
    DynamicHomeAgentUse,
    ForeignHomeAuthentication,
    GreKey,
    MobileAaaAuthentication,
    MobileForeignChallenge,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationRequest,
)


@dataclass(frozen=True, slots=True)
class HomeAgentSettings:
    """Configuration of the home agent.

    ``associations`` and ``policies`` are by home address, range of home addresses, or name; a node without a policy
    of its own has the one made of ``max_lifetime``, ``reverse_tunnel``, ``max_simultaneous``, ``encapsulations`` and
    ``idle_timeout`` (s); ``shortest_idle_timeout`` is the shortest of all policies.
    ``addresses`` are the home addresses of names that have a fixed one; such a node is in ``associations`` by both.
    ``foreign_agents`` are the associations with other agents, by address. ``broadcasts`` says whether the B bit is
    honoured (s4.3), ``multicast`` that absent nodes may join groups through their tunnels, and how many (s4.4).
    ``reject_static_addresses``: which address of a pool a node gets is said here and not by the node.
    ``keys``: how others are asked for the associations of nodes that are not in ``associations``; ``None``: nobody is.
    ``proofs``: how AAA servers are asked about Mobile-AAA authentications; ``None``: these are ignored.
    ``max_new_rate``: nodes without a binding that are accepted a second; ``None``: any number. ``redirect_to``: home
    agents that those are sent to for whom there is no room (RFC 4433); empty: they are denied.
    """

    address: IPv4Address
    networks: tuple[HomeNetwork, ...]
    associations: AssociationTable
    max_lifetime: Lifetime
    reverse_tunnel: ReverseTunnelPolicy = ReverseTunnelPolicy.OPTIONAL
    max_bindings: int = 100_000
    max_simultaneous: int = 1
    foreign_agents: AssociationTable = field(default_factory=AssociationTable)
    policies: PeerMap[NodePolicy] = field(default_factory=PeerMap)
    addresses: Mapping[str, IPv4Address] = field(default_factory=dict)
    broadcasts: bool = False
    encapsulations: Encapsulations = ONLY_IPIP
    multicast: MulticastSettings | None = None
    reject_static_addresses: bool = False
    max_new_rate: int | None = None
    redirect_to: tuple[IPv4Address, ...] = ()
    idle_timeout: int | None = None
    shortest_idle_timeout: int | None = None
    keys: KeySettings | None = None
    proofs: ProofSettings | None = None
    filters: FilterSettings = NO_FILTERS


@dataclass(slots=True)
class Marks:
    """What a request says of its senders. Not frozen, as that makes for each request what should cost nothing."""

    mobile_home: MobileHomeAuthentication | None  # if there is exactly one (s3.5.2)
    foreign_home: tuple[ForeignHomeAuthentication, ...]
    nai: NetworkAccessIdentifier | None  # only from where the authenticator covers it (RFC 2794 s2)
    gre_key: GreKey | None = None  # of the foreign agent (RFC 6245)
    requested: IPv4Address | None = None  # the home agent that the node wishes for (RFC 4433)
    challenge: MobileForeignChallenge | None = None  # between node and foreign agent (RFC 4721)
    mobile_aaa: MobileAaaAuthentication | None = (
        None  # the last, behind what is between node and home agent (s6)
    )


def read(request: RegistrationRequest) -> Marks:
    """The extensions that matter to a home agent, in one pass."""
    mobile_home: MobileHomeAuthentication | None = None
    foreign_home: tuple[ForeignHomeAuthentication, ...] = ()
    nai: NetworkAccessIdentifier | None = None
    gre_key: GreKey | None = None
    requested: IPv4Address | None = None
    challenge: MobileForeignChallenge | None = None
    mobile_aaa: MobileAaaAuthentication | None = None
    twice = False
    for extension in request.extensions:
        if isinstance(extension, MobileHomeAuthentication):
            twice = mobile_home is not None
            mobile_home = extension
        elif isinstance(extension, ForeignHomeAuthentication):
            foreign_home = (*foreign_home, extension)
        elif isinstance(extension, NetworkAccessIdentifier) and mobile_home is None and nai is None:
            nai = extension
        elif isinstance(extension, GreKey) and mobile_home is not None:
            gre_key = extension  # behind what the node signed: an agent's (RFC 6245 s4.1)
        elif isinstance(extension, DynamicHomeAgent) and mobile_home is None:
            wished = extension.use is DynamicHomeAgentUse.REQUESTED
            requested = extension.address if wished else requested
        elif isinstance(extension, MobileForeignChallenge) and mobile_home is not None:
            challenge = extension
        elif isinstance(extension, MobileAaaAuthentication) and mobile_home is not None:
            mobile_aaa = extension
    return Marks(None if twice else mobile_home, foreign_home, nai, gre_key, requested, challenge, mobile_aaa)


@dataclass(slots=True)
class KnownNode:
    """The node that a request is of; ``name`` when it is known by its NAI and not by its address."""

    association: MobilitySecurityAssociation
    name: str | None


class Nodes:
    """Finds nodes, and home addresses for those that have only a name."""

    def __init__(
        self,
        settings: HomeAgentSettings,
        keys: KeyRing,
        networks: HomeNetworks,
        on_new_holder: Callable[[IPv4Address], None],
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._networks = networks
        self._default = default_policy(settings)
        ranges = [net.pool for net in settings.networks if net.pool is not None]
        reserved = networks.no_hosts | {int(settings.address)}
        self.pool = AddressPool(ranges, reserved, settings.associations.has_address, on_new_holder)

    def reconfigure(self, settings: HomeAgentSettings) -> None:
        """Other associations and policies; address, networks and pools are the same."""
        self._settings = settings
        self._default = default_policy(settings)
        self.pool.is_taken = settings.associations.has_address

    def identify(self, home_address: IPv4Address, marks: Marks) -> KnownNode | None:
        """The node with which we share the association that ``marks`` names, or ``None`` (s3.8.2.1 a).

        A home address that is configured says who it is; a name counts for all others. Who says a name is nobody else,
        though another may hold the address that it asks for.
        """
        associations, extension = self._keys, marks.mobile_home
        if extension is None:
            return None
        name = None if marks.nai is None else normalised(marks.nai.nai)
        association = associations.find(home_address, extension.spi)
        if association is not None:
            own = name is not None and self._settings.addresses.get(name) == home_address
            return KnownNode(association, name if own else None)
        if name is None:
            name = self.pool.holder(home_address)  # it may leave its name out once it has an address
        association = None if name is None else associations.find(name, extension.spi)
        return None if association is None else KnownNode(association, name)

    def to_ask_for(self, home_address: IPv4Address, marks: Marks) -> IPv4Address | str | None:
        """By what another who keeps keys would know the sender of a request; ``None``: by nothing."""
        keys, holder = self._settings.keys, self.pool.holder(home_address)
        name = holder if marks.nai is None else normalised(marks.nai.nai)
        match AskedBy.AUTO if keys is None else keys.asked_by:
            case AskedBy.AUTO:
                by_address = home_address not in self.pool
            case AskedBy.NAI:
                by_address = name is None and home_address not in self.pool
            case AskedBy.HOME_ADDRESS:
                by_address = holder is None
        return home_address if by_address and self._networks.has_host(home_address) else name

    def home_address(self, node: KnownNode, asked: IPv4Address, mono: int) -> IPv4Address | Reason:
        """The home address of an authenticated node, or why it gets none (s3.8.3.2)."""
        if node.name is None:
            return asked
        fixed = self._settings.addresses.get(node.name)
        if fixed is not None:
            return fixed if asked in (fixed, ZERO_ADDRESS) else Reason.HA_PROHIBITED
        given = self._keys.address_of(node.name)
        if given is not None:
            return given if self._may_have(node.name, given, asked, mono) else Reason.HA_PROHIBITED
        if asked != ZERO_ADDRESS:
            if self._settings.reject_static_addresses:
                granted = self.pool.holder(asked) == node.name
            else:
                granted = self.pool.claim(node.name, asked, mono)
            return asked if granted else Reason.HA_PROHIBITED
        if not self.pool:
            return Reason.HA_PROHIBITED
        return self.pool.lease(node.name, mono) or Reason.POOL_EXHAUSTED

    def _may_have(self, name: str, given: IPv4Address, asked: IPv4Address, mono: int) -> bool:
        """Whether a name may have the address ``given`` to it by whoever keeps its key.

        It is no other name's, and no configured node's unless those who give it go before the configuration.
        """
        if asked not in (given, ZERO_ADDRESS):
            return False
        if given in self.pool:
            return self.pool.claim(name, given, mono)
        keys = self._settings.keys
        behind = keys is not None and not keys.configured_first
        return behind or not self._settings.associations.has_address(given)

    def policy(self, name: str | None, home_address: IPv4Address) -> NodePolicy:
        """Of a node that is known by ``name``, or by its address."""
        policies = self._settings.policies
        if not policies:
            return self._default
        found = policies.find(home_address if name is None else name)
        return self._default if found is None else found


def default_policy(settings: HomeAgentSettings) -> NodePolicy:
    return NodePolicy(
        settings.max_lifetime,
        settings.reverse_tunnel,
        settings.max_simultaneous,
        settings.encapsulations,
        settings.idle_timeout,
    )
