"""Whom a foreign agent serves: settings and validity checks (RFC 5944 s3.7.2.1, s3.7.3.1; RFC 3024 s4.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from mobileip.control.core.challenges import ChallengeSettings
from mobileip.control.core.encapsulations import ONLY_IPIP, Encapsulations
from mobileip.control.core.encapsulations import asked as asked_encapsulation
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.filters import NO_FILTERS, Applicant, FilterSettings
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.core.relay import is_authentic
from mobileip.control.core.visitors import PendingRegistration, Visitor
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable
from mobileip.control.types import ZERO_ADDRESS, Lifetime, is_unicast
from mobileip.control.wire import (
    EncapsulatingDelivery,
    MobileForeignAuthentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
)

_REQUIRED_TTL: Final = 255  # RFC 3024 s4.2.1
_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))  # RFC 1918


@dataclass(frozen=True, slots=True)
class VisitedLink:
    """A link where visitors are served; ``address`` is our own on it."""

    interface: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class ForeignAgentSettings:
    """Configuration of the foreign agent.

    ``own_addresses`` are all addresses of this host; ``home_agent`` is the address of a home agent in the same process.
    ``nodes`` are the associations with mobile nodes, by home address or NAI, ``home_agents`` those with home agents.
    ``care_of_address`` is the first that is advertised, ``more_care_of_addresses`` are the others. ``challenge`` says
    how nodes are challenged (RFC 4721), ``None``: not at all. ``gateways`` are the default routers of this host.
    """

    care_of_address: IPv4Address
    links: tuple[VisitedLink, ...]
    max_lifetime: Lifetime
    own_addresses: frozenset[IPv4Address]
    home_agent: IPv4Address | None = None
    reverse_tunnel: ReverseTunnelPolicy = ReverseTunnelPolicy.OPTIONAL
    max_visitors: int = 1000
    max_pending: int = 64
    pending_timeout: float = 7.0
    more_care_of_addresses: tuple[IPv4Address, ...] = ()
    nodes: AssociationTable = field(default_factory=AssociationTable)
    home_agents: AssociationTable = field(default_factory=AssociationTable)
    encapsulating_delivery: bool = False
    encapsulations: Encapsulations = ONLY_IPIP
    gre_keys: bool = False
    filters: FilterSettings = NO_FILTERS
    proof_rate: int | None = None
    challenge: ChallengeSettings | None = None
    gateways: frozenset[IPv4Address] = frozenset()

    def offers(self, care_of_address: IPv4Address) -> bool:
        """Is it one of the addresses that we advertise?"""
        return care_of_address == self.care_of_address or care_of_address in self.more_care_of_addresses


def request_refusal(
    settings: ForeignAgentSettings, request: RegistrationRequest, datagram: DatagramReceived
) -> Reason | None:
    """The reason to deny ``request``, or ``None``; who it is comes first, then what is asked, in the RFCs' order."""
    return (
        _authentication_refusal(settings, request)
        or _home_address_refusal(settings, request)
        or _service_refusal(settings, request)
        or _reverse_tunnel_refusal(settings, request, datagram)
        or _address_refusal(settings, request)
    )


def reply_refusal(
    settings: ForeignAgentSettings,
    asked_home_agent: IPv4Address,
    asked_nai: str | None,
    reply: RegistrationReply,
) -> Reason | None:
    """The reason why we cannot honour what the home agent accepted, or ``None`` (RFC 2794 s3, RFC 5944 s3.7.3.1).

    The tunnel will lead to the address in the reply, which nobody may turn to another host than the one asked.
    """
    if asked_nai is not None and reply.first(NetworkAccessIdentifier) is None:
        return Reason.FA_MISSING_NAI
    if reply.home_agent == ZERO_ADDRESS:
        return Reason.FA_MISSING_HOME_AGENT
    if reply.home_address == ZERO_ADDRESS:
        return Reason.FA_MISSING_HOME_ADDRESS
    if not _can_visit(settings, reply.home_address) or reply.home_agent != asked_home_agent:
        return Reason.FA_POORLY_FORMED_REPLY
    return None


def sharing_refusal(pending: PendingRegistration, others: Sequence[Visitor]) -> Reason | None:
    """Why a node cannot have the home address that ``others`` have, or ``None`` (RFC 3024 sA.4).

    What is not reverse-tunnelled would be answered to any of them. So each needs a reverse tunnel; if one of the others
    has none, it has the address alone.
    """
    sharing = [one for one in others if not one.co_located]
    if sharing and not pending.reverse_tunnel:
        return Reason.FA_REVERSE_TUNNEL_MANDATORY
    return None if all(one.reverse_tunnel for one in sharing) else Reason.FA_HOME_ADDRESS_TAKEN


def claimed(request: RegistrationRequest, datagram: DatagramReceived) -> dict[str, object]:
    """What a request says, for the log."""
    return {
        "home_address": request.home_address,
        "home_agent": request.home_agent,
        "source": datagram.source,
        "interface": datagram.interface,
    }


def applicant(pending: PendingRegistration, home_address: IPv4Address) -> Applicant:
    """As filters see a request, or an acceptance that gives the node ``home_address``."""
    return Applicant(
        interface=pending.interface,
        care_of_address=pending.care_of_address,
        home_address=None if home_address == ZERO_ADDRESS else home_address,
        nai=pending.nai,
        home_agent=pending.home_agent,
    )


def peer_among(
    associations: AssociationTable, home_address: IPv4Address, nai: str | None
) -> IPv4Address | str | None:
    """By what the node is known in ``associations``: its home address, else its NAI; ``None``: we share no key."""
    names = (home_address,) if nai is None else (home_address, nai)
    return next((name for name in names if associations.preferred(name) is not None), None)


def _authentication_refusal(settings: ForeignAgentSettings, request: RegistrationRequest) -> Reason | None:
    extension = request.first(NetworkAccessIdentifier)
    peer = peer_among(settings.nodes, request.home_address, None if extension is None else extension.nai)
    if peer is None:
        return None  # without an association its extension says nothing to us
    if not is_authentic(request, MobileForeignAuthentication, settings.nodes, peer):
        return Reason.FA_MN_FAILED_AUTHENTICATION
    return None


def _home_address_refusal(settings: ForeignAgentSettings, request: RegistrationRequest) -> Reason | None:
    """The bits r and x are no reserved fields in the sense of s3.7.2.1: s3.3 has them ignored on reception."""
    if request.home_address == ZERO_ADDRESS:
        named = request.first(NetworkAccessIdentifier) is not None
        return None if named else Reason.FA_NONZERO_HOME_ADDRESS
    return None if _can_visit(settings, request.home_address) else Reason.FA_POORLY_FORMED


def _service_refusal(settings: ForeignAgentSettings, request: RegistrationRequest) -> Reason | None:
    if request.lifetime > settings.max_lifetime:
        return Reason.FA_LIFETIME_TOO_LONG
    # The tunnel of a co-located node does not end here (s3.6.1.2), and what is deregistered needs none.
    ours = not request.flags.decapsulation_by_mn and request.lifetime != 0
    if ours and asked_encapsulation(request.flags) not in settings.encapsulations:
        return Reason.FA_ENCAPSULATION_UNAVAILABLE
    return None


def _reverse_tunnel_refusal(
    settings: ForeignAgentSettings, request: RegistrationRequest, datagram: DatagramReceived
) -> Reason | None:
    """In the order of RFC 3024 s4.2.1: 79, 75, 76, and 74 "as a last check"."""
    policy, reverse = settings.reverse_tunnel, request.flags.reverse_tunnel
    if request.first(EncapsulatingDelivery) is not None:
        if not settings.encapsulating_delivery:
            return Reason.FA_DELIVERY_STYLE
        if not reverse:
            return Reason.FA_POORLY_FORMED  # s3.3: it must not be there without the T bit
    if not reverse:
        mandatory = policy is ReverseTunnelPolicy.REQUIRED or _cannot_send_directly(settings, request)
        return Reason.FA_REVERSE_TUNNEL_MANDATORY if mandatory and request.lifetime != 0 else None
    if datagram.ttl != _REQUIRED_TTL:
        return Reason.FA_MN_TOO_DISTANT
    return Reason.FA_REVERSE_TUNNEL_UNAVAILABLE if policy is ReverseTunnelPolicy.UNAVAILABLE else None


def _cannot_send_directly(settings: ForeignAgentSettings, request: RegistrationRequest) -> bool:
    """A private address leads nowhere from a public network, which is where the care-of address is (RFC 3024 sA.4)."""
    return (
        settings.reverse_tunnel is ReverseTunnelPolicy.OPTIONAL
        and _is_private(request.home_address)
        and not _is_private(request.care_of_address)
    )


def _address_refusal(settings: ForeignAgentSettings, request: RegistrationRequest) -> Reason | None:
    ours = request.flags.decapsulation_by_mn or settings.offers(request.care_of_address)
    if not ours and request.lifetime != 0:
        return Reason.FA_INVALID_CARE_OF
    return None if _can_be_home_agent(settings, request.home_agent) else Reason.FA_INVALID_HOME_AGENT


def _can_visit(settings: ForeignAgentSettings, home_address: IPv4Address) -> bool:
    """An accepted visitor gets a host route, which must not lead our own or group addresses onto a link."""
    return is_unicast(home_address) and home_address not in settings.own_addresses


def _can_be_home_agent(settings: ForeignAgentSettings, home_agent: IPv4Address) -> bool:
    """Any host but ourselves, unless we are home agent too (s3.7.2)."""
    return is_unicast(home_agent) and (
        home_agent == settings.home_agent or home_agent not in settings.own_addresses
    )


def _is_private(address: IPv4Address) -> bool:
    return any(address in network for network in _PRIVATE)
