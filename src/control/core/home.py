"""The home agent (RFC 5944 s3.8, s4.2.3, s4.6; RFC 3024 s4.3).

A request is checked in the order of s3.8.2.1: authentication first, so that nothing an unauthenticated sender says can
change state or cost a signature beyond the one of a denial. Acceptance is a list of actions that ends with the reply:
if the kernel refuses one of them, the reply is not sent and :class:`ActionFailed` comes back; the binding is then
undone and the node hears code 130.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from mobileip.control.core.actions import (
    Action,
    ClaimAddress,
    InstallBindingRoute,
    InstallNetworkRoute,
    InstallTunnel,
    Noted,
    ReleaseAddress,
    RemoveBindingRoute,
    RemoveTunnel,
    SendDatagram,
    TunnelSide,
)
from mobileip.control.core.bindings import BindingList, MobilityBinding
from mobileip.control.core.events import ActionFailed, DatagramReceived
from mobileip.control.core.policy import ReverseTunnelPolicy, cap_lifetime
from mobileip.control.reasons import Reason
from mobileip.control.security import (
    AssociationTable,
    MobilitySecurityAssociation,
    check,
    resynchronise,
    sign,
    verify,
)
from mobileip.control.types import (
    LIMITED_BROADCAST,
    REGISTRATION_PORT,
    Endpoint,
    Identification,
    Instant,
    Lifetime,
    seconds,
)
from mobileip.control.wire import (
    ForeignHomeAuthentication,
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    build,
)


@dataclass(frozen=True, slots=True)
class HomeNetwork:
    """A home network; ``interface`` is its physical link, ``None`` for a virtual network (s1.6)."""

    prefix: IPv4Network
    interface: str | None


@dataclass(frozen=True, slots=True)
class HomeAgentSettings:
    """Configuration of the home agent. ``associations`` are by home address and SPI."""

    address: IPv4Address
    networks: tuple[HomeNetwork, ...]
    associations: AssociationTable
    max_lifetime: Lifetime
    reverse_tunnel: ReverseTunnelPolicy = ReverseTunnelPolicy.OPTIONAL
    max_bindings: int = 100_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request being answered: all that a reply needs."""

    request: RegistrationRequest
    datagram: DatagramReceived
    association: MobilitySecurityAssociation
    previous: MobilityBinding | None  # the binding the node has already


class HomeAgent:
    """Machine: requests and time in, actions out."""

    def __init__(self, settings: HomeAgentSettings) -> None:
        self._settings = settings
        self._bindings = BindingList()
        # Outlives the binding: s5.7.1 wants each Identification greater than *all* accepted before. Bounded by the
        # number of configured nodes, since only authenticated requests get here.
        self._accepted: dict[IPv4Address, Identification] = {}
        self._answering: dict[
            IPv4Address, _Asked
        ] = {}  # accepted and being installed; consulted when that fails

    @property
    def bindings(self) -> BindingList:
        return self._bindings

    def start(self) -> list[Action]:
        """Virtual home networks are drawn into the tunnel device as a whole, so bindings need no route of their own."""
        return [InstallNetworkRoute(net.prefix) for net in self._settings.networks if net.interface is None]

    def serves(self, address: IPv4Address) -> bool:
        """Is ``address`` this home agent's own?"""
        return address == self._settings.address

    def on_request(
        self, request: RegistrationRequest, datagram: DatagramReceived, now: Instant
    ) -> list[Action]:
        """Check, then accept or deny (s3.8.2)."""
        fields = {"home_address": request.home_address, "source": datagram.source}
        extension = _only_mobile_home(request)
        if extension is None:
            return [Noted(Reason.NO_AUTHORIZATION_EXTENSION, fields)]
        association = self._settings.associations.find(request.home_address, extension.spi)
        if association is None:
            return [Noted(Reason.UNKNOWN_ASSOCIATION, {**fields, "spi": extension.spi})]
        if request.first(ForeignHomeAuthentication) is not None:
            # s3.8.2.1 d: no association with the foreign agent, yet its extension is there.
            return [Noted(Reason.UNEXPECTED_FOREIGN_HOME, fields)]
        previous = self._bindings.get(request.home_address)
        asked = _Asked(request, datagram, association, previous)
        if not verify(association, request, extension):
            return self._deny(asked, Reason.MN_FAILED_AUTHENTICATION, request.identification)
        last = self._accepted.get(request.home_address)
        tolerance = seconds(association.replay_tolerance_s)
        if not check(request.identification, now.wall, last, tolerance):
            return self._deny(
                asked, Reason.IDENTIFICATION_MISMATCH, resynchronise(request.identification, now.wall)
            )
        refusal = self._refusal(request, datagram)
        if refusal is not None:
            return self._deny(asked, refusal, request.identification)
        self._accepted[request.home_address] = request.identification
        self._answering[request.home_address] = asked
        if request.lifetime == 0:
            return self._deregister(asked)
        return self._register(asked, now)

    def on_action_failed(self, event: ActionFailed, now: Instant) -> list[Action]:
        """The kernel or the data plane refused part of a binding: back to what was before, and deny with 130."""
        match event.action:
            case InstallTunnel(side=TunnelSide.HOME) | InstallBindingRoute() | ClaimAddress():
                asked = self._answering.get(event.action.home_address)
            case _:
                return []  # what cannot be removed now is removed by the next reconciliation
        if asked is None or (asked.previous is not None and isinstance(event.action, ClaimAddress)):
            return []  # an address that is claimed already was only to be announced once more
        home_address = asked.request.home_address
        del self._answering[home_address]  # whatever fails later, a request has one reply (s3.8)
        if asked.previous is not None:
            self._bindings.put(asked.previous)  # its tunnel is untouched, and a denial changes nothing
            undo: list[Action] = []
        else:
            undo = self._withdraw(home_address, None)
        return [*undo, *self._deny(asked, Reason.HA_INSUFFICIENT_RESOURCES, asked.request.identification)]

    def on_tick(self, now: Instant) -> list[Action]:
        """Remove bindings whose lifetime is over. No reply is ever sent for that (s3.8)."""
        actions: list[Action] = []
        for binding in self._bindings.expire(now.mono):
            actions += self._undo(binding.home_address, None)
            actions.append(Noted(Reason.BINDING_EXPIRED, _describe(binding)))
        return actions

    def next_deadline(self) -> int | None:
        return self._bindings.next_expiry()

    # ---- checks

    def _refusal(self, request: RegistrationRequest, datagram: DatagramReceived) -> Reason | None:
        """The reason to deny an authenticated, fresh request, or ``None`` (s3.8.2.1, s3.8.2.3, RFC 3024 s4.3.1)."""
        settings = self._settings
        if request.home_agent != settings.address or self._is_group(datagram.destination.address):
            return Reason.UNKNOWN_HOME_AGENT  # a request sent to all home agents is denied by each (s3.8.2.1)
        if self._network_of(request.home_address) is None:
            return Reason.HA_PROHIBITED
        if request.lifetime == 0:
            return None
        if not _is_usable_care_of(request):
            return Reason.HA_POORLY_FORMED
        if request.flags.minimal or request.flags.gre:
            return Reason.HA_ENCAPSULATION_UNAVAILABLE
        reverse = request.flags.reverse_tunnel
        if reverse and settings.reverse_tunnel is ReverseTunnelPolicy.UNAVAILABLE:
            return Reason.HA_REVERSE_TUNNEL_UNAVAILABLE
        if not reverse and settings.reverse_tunnel is ReverseTunnelPolicy.REQUIRED:
            return Reason.HA_REVERSE_TUNNEL_MANDATORY
        if self._bindings.get(request.home_address) is None and len(self._bindings) >= settings.max_bindings:
            return Reason.HA_INSUFFICIENT_RESOURCES
        return None

    def _network_of(self, home_address: IPv4Address) -> HomeNetwork | None:
        return next((net for net in self._settings.networks if home_address in net.prefix), None)

    def _home_link(self, home_address: IPv4Address) -> str | None:
        network = self._network_of(home_address)
        return None if network is None else network.interface

    # ---- acceptance

    def _register(self, asked: _Asked, now: Instant) -> list[Action]:
        request = asked.request
        binding = MobilityBinding(
            home_address=request.home_address,
            care_of_address=request.care_of_address,
            home_agent=self._settings.address,
            identification=request.identification,
            lifetime=cap_lifetime(request.lifetime, self._settings.max_lifetime),
            registered=now,
            reverse_tunnel=request.flags.reverse_tunnel,
            co_located=request.flags.decapsulation_by_mn,
            relay=asked.datagram.source,
        )
        previous = asked.previous
        self._bindings.put(binding)
        actions: list[Action] = [
            InstallTunnel(
                binding.home_address,
                TunnelSide.HOME,
                local=binding.home_agent,
                remote=binding.care_of_address,
                reverse=binding.reverse_tunnel,
            )
        ]
        link = self._home_link(binding.home_address)
        if previous is None and link is not None:
            actions += [InstallBindingRoute(binding.home_address), ClaimAddress(binding.home_address, link)]
        # s3.8.3.2: code 1 says that we keep no simultaneous bindings.
        reason = Reason.REGISTERED_NO_SIMULTANEOUS
        actions.append(self._reply(asked, reason, binding.lifetime, request.identification))
        actions.append(Noted(reason, {**_describe(binding), "moved": _moved(previous, binding)}))
        if previous is not None and link is not None:
            # Once more at each acceptance: a node that was home for a moment, too short for its deregistration to
            # arrive, has turned every ARP cache of the link to itself (s4.6).
            actions.append(ClaimAddress(binding.home_address, link))
        return actions

    def _deregister(self, asked: _Asked) -> list[Action]:
        """Lifetime 0: all bindings when the care-of address is the home address, else the named one (s3.8.2.2)."""
        request = asked.request
        home_address = request.home_address
        binding = self._bindings.get(home_address)
        everything = request.care_of_address == home_address
        at_home = everything and asked.datagram.source.address == home_address
        known = binding is not None and (everything or binding.care_of_address == request.care_of_address)
        actions: list[Action] = []
        if known or at_home:  # at home it is announced without a binding too (s4.6): we may have lost it
            actions += self._withdraw(home_address, asked.datagram.link_source if at_home else None)
        actions.append(self._reply(asked, Reason.DEREGISTERED, Lifetime(0), request.identification))
        actions.append(
            Noted(
                Reason.DEREGISTERED,
                {"home_address": home_address, "care_of_address": request.care_of_address},
            )
        )
        return actions

    def _withdraw(self, home_address: IPv4Address, link_address: bytes | None) -> list[Action]:
        self._bindings.pop(home_address)
        return self._undo(home_address, link_address)

    def _undo(self, home_address: IPv4Address, link_address: bytes | None) -> list[Action]:
        """The actions of :meth:`_register` backwards. ``link_address``: announce the node that came home (s4.6)."""
        actions: list[Action] = []
        link = self._home_link(home_address)
        if link is not None:
            actions += [RemoveBindingRoute(home_address), ReleaseAddress(home_address, link, link_address)]
        actions.append(RemoveTunnel(home_address, TunnelSide.HOME))
        return actions

    # ---- replies

    def _deny(self, asked: _Asked, reason: Reason, identification: Identification) -> list[Action]:
        request = asked.request
        return [
            self._reply(asked, reason, request.lifetime, identification),
            Noted(
                reason,
                {
                    "home_address": request.home_address,
                    "care_of_address": request.care_of_address,
                    "source": asked.datagram.source,
                    "code": int(reason.info.code or 0),
                },
            ),
        ]

    def _reply(
        self, asked: _Asked, reason: Reason, lifetime: Lifetime, identification: Identification
    ) -> SendDatagram:
        """Build and sign a reply; addresses and ports are the request's, turned round (s3.8.3.1)."""
        request, datagram = asked.request, asked.datagram
        if reason.info.code is None:
            raise ValueError(f"{reason.label} has no reply code")
        unsigned = build(
            RegistrationReply(
                code=reason.info.code,
                lifetime=lifetime,
                home_address=request.home_address,
                home_agent=self._settings.address,
                identification=identification,
            )
        )
        payload = sign(asked.association, unsigned, MobileHomeAuthentication)
        # A node that asks from its home address is on its home link, whatever its binding says (s3.8.3.1). There its
        # frame's link-layer source is where the answer goes: no route, no ARP, no tunnel can interfere.
        link = self._home_link(request.home_address)
        at_home = datagram.source.address == request.home_address and link == datagram.interface
        return SendDatagram(
            payload,
            source=Endpoint(self._own_address(datagram), REGISTRATION_PORT),
            destination=datagram.source,
            interface=datagram.interface if at_home else None,
            link_destination=datagram.link_source if at_home else None,
        )

    def _own_address(self, datagram: DatagramReceived) -> IPv4Address:
        """The address that was asked, unless that was a broadcast or multicast address (s3.8.3.1)."""
        asked = datagram.destination.address
        return self._settings.address if self._is_group(asked) else asked

    def _is_group(self, address: IPv4Address) -> bool:
        """Multicast, limited broadcast, or the broadcast address of a home network."""
        if address.is_multicast or address == LIMITED_BROADCAST:
            return True
        return any(address == net.prefix.broadcast_address for net in self._settings.networks)


def _only_mobile_home(request: RegistrationRequest) -> MobileHomeAuthentication | None:
    """The Mobile-Home Authentication Extension, if there is exactly one (s3.5.2)."""
    found = [one for one in request.extensions if isinstance(one, MobileHomeAuthentication)]
    return found[0] if len(found) == 1 else None


def _is_usable_care_of(request: RegistrationRequest) -> bool:
    """A care-of address has to be a unicast address that is not the home address itself."""
    address = request.care_of_address
    unusable = address.is_multicast or address.is_unspecified or address.is_loopback or address.is_reserved
    return not unusable and address != request.home_address


def _moved(previous: MobilityBinding | None, binding: MobilityBinding) -> str:
    if previous is None:
        return "new"
    return (
        "renewed"
        if previous.care_of_address == binding.care_of_address
        else f"from {previous.care_of_address}"
    )


def _describe(binding: MobilityBinding) -> dict[str, object]:
    return {
        "home_address": binding.home_address,
        "care_of_address": binding.care_of_address,
        "lifetime": binding.lifetime,
        "co_located": binding.co_located,
        "reverse_tunnel": binding.reverse_tunnel,
    }
