"""Everything a machine can be told: one closed union."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.core.actions import Action, VerifyProof
from mobileip.control.security import MobilitySecurityAssociation
from mobileip.control.types import Endpoint, Spi


@dataclass(frozen=True, slots=True)
class Started:
    """The shell is ready: descriptors are open, links are known."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The operator wants the daemon to end: deregister, withdraw, undo."""


@dataclass(frozen=True, slots=True)
class DatagramReceived:
    """A UDP datagram came to port 434 (or to the mobile node's own port).

    ``link_source`` is the sender's 6-byte link-layer address where the receiving socket can know it (visited links).
    ``interface`` is a name such as ``eth1``; ``ttl`` is the IP TTL on arrival.
    """

    payload: bytes
    source: Endpoint
    destination: Endpoint
    interface: str
    ttl: int
    link_source: bytes | None = None


@dataclass(frozen=True, slots=True)
class IcmpReceived:
    """An ICMP router advertisement or solicitation (checksum already verified); ``payload`` starts at the type."""

    payload: bytes
    source: IPv4Address
    destination: IPv4Address
    interface: str
    link_source: bytes


@dataclass(frozen=True, slots=True)
class IgmpReceived:
    """An IGMP message that an absent node tunnelled to us; ``payload`` is that of the IP packet (RFC 5944 s4.4)."""

    payload: bytes
    home_address: IPv4Address


@dataclass(frozen=True, slots=True)
class UnreachableReceived:
    """ICMP destination unreachable about a datagram we sent to ``destination`` (RFC 5944 s3.7.2.2)."""

    destination: Endpoint
    code: int


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """State of one interface after a netlink notification.

    ``up`` means administratively up and with carrier. ``addresses`` are those now set (with prefix length), without
    the ones this daemon put there itself. ``gateway`` is the next hop of the main table's default route over this
    interface, ``None`` without one; ``gateway_link`` is its link-layer address as last resolved, ``None`` while that
    is not known or not watched.
    """

    interface: str
    up: bool
    addresses: tuple[IPv4Interface, ...] = ()
    gateway: IPv4Address | None = None
    gateway_link: bytes | None = None


@dataclass(frozen=True, slots=True)
class ActionFailed:
    """The kernel or the data plane refused ``action``; ``error`` is one sentence for the operator."""

    action: Action
    error: str


@dataclass(frozen=True, slots=True)
class ClearBinding:
    """The operator wants the bindings of ``home_address`` removed, or only the one with ``care_of_address``."""

    home_address: IPv4Address
    care_of_address: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class ClearVisitor:
    """The operator wants the visitors with ``home_address`` removed, or only the one of ``home_agent``."""

    home_address: IPv4Address
    home_agent: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class TunnelTraffic:
    """Home and care-of address (numbers) of some of a home agent's tunnels, and packets that went through each since
    it was installed. ``last``: with this and what came before it, every tunnel was told.
    """

    tunnels: tuple[tuple[int, int, int], ...]
    last: bool


@dataclass(frozen=True, slots=True)
class KeysFound:
    """What ``source`` says of ``peer``: its associations, at least one, to be used for ``lifetime_s`` seconds.

    ``lifetime_s`` is ``None`` when the source does not say. ``spi``: it told of that one alone and may have others;
    ``None``: these are all. ``home_address``: the one that the source has given to a peer with a name.
    """

    peer: IPv4Address | str
    associations: tuple[MobilitySecurityAssociation, ...]
    source: str
    lifetime_s: float | None = None
    spi: Spi | None = None
    home_address: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class KeysUnknown:
    """No source knows ``peer``; with ``spi``, that association of it: others were not asked for."""

    peer: IPv4Address | str
    spi: Spi | None = None


@dataclass(frozen=True, slots=True)
class KeysUnavailable:
    """It cannot be said now whether there are associations with ``peer``; ``why`` is one sentence for the operator."""

    peer: IPv4Address | str
    why: str


@dataclass(frozen=True, slots=True)
class ProofAccepted:
    """An AAA server says that the proof of ``question`` is right; ``keys`` are associations that it told with that."""

    question: VerifyProof
    keys: KeysFound | None = None


@dataclass(frozen=True, slots=True)
class ProofRejected:
    """An AAA server says that the proof of ``question`` is wrong, or that there is no such user."""

    question: VerifyProof


@dataclass(frozen=True, slots=True)
class ProofUnverified:
    """It cannot be said now whether the proof of ``question`` is right; ``why`` is one sentence for the operator."""

    question: VerifyProof
    why: str


@dataclass(frozen=True, slots=True)
class Tick:
    """The deadline that the machine gave is reached."""


Event = (
    Started
    | Stopping
    | DatagramReceived
    | IcmpReceived
    | IgmpReceived
    | UnreachableReceived
    | LinkChanged
    | ActionFailed
    | ClearBinding
    | ClearVisitor
    | TunnelTraffic
    | KeysFound
    | KeysUnknown
    | KeysUnavailable
    | ProofAccepted
    | ProofRejected
    | ProofUnverified
    | Tick
)
