"""The foreign agent (RFC 5944 s3.7, s4.2.2; RFC 3024 s4.2).

It relays. What it may change is little: bytes up to the last authorization-enabling extension pass untouched in both
directions (s3.7.2.2, s3.7.3.2). A visitor's entry is made, changed or deleted only by a reply that the home agent sent
to a request still pending here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from mobileip.control.core.actions import (
    Action,
    InstallTunnel,
    InstallVisitorRoute,
    Noted,
    RemoveTunnel,
    RemoveVisitorRoute,
    SendDatagram,
    TunnelSide,
)
from mobileip.control.core.events import ActionFailed, DatagramReceived, UnreachableReceived
from mobileip.control.core.limits import TokenBucket
from mobileip.control.core.policy import ReverseTunnelPolicy, cap_lifetime
from mobileip.control.core.visitors import PendingRegistration, Visitor, VisitorList
from mobileip.control.reasons import Reason
from mobileip.control.types import (
    LIMITED_BROADCAST,
    REGISTRATION_PORT,
    ZERO_ADDRESS,
    Endpoint,
    Instant,
    Lifetime,
    seconds,
)
from mobileip.control.wire import (
    EncapsulatingDelivery,
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    build,
)

_REQUIRED_TTL = 255  # RFC 3024 s4.2.1
_DENIALS_PER_SECOND = 1.0  # to one node (s3.7.2; RFC 3024 s4.2.1)
_REMEMBERED_DENIALS = 1024

_UNREACHABLE = {  # ICMP destination unreachable code -> our reason (s3.7.2.2; spec of codes 80-88)
    0: Reason.FA_HOME_NETWORK_UNREACHABLE,
    1: Reason.FA_HOME_AGENT_UNREACHABLE,
    3: Reason.FA_HOME_AGENT_PORT_UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class VisitedLink:
    """A link where visitors are served; ``address`` is our own on it."""

    interface: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class ForeignAgentSettings:
    """Configuration of the foreign agent.

    ``own_addresses`` are all addresses of this host; ``home_agent`` is the address of a home agent in the same process.
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


class ForeignAgent:
    """Machine: requests from visited links, replies from home agents, time in; actions out."""

    def __init__(self, settings: ForeignAgentSettings) -> None:
        self._settings = settings
        self._links: Mapping[str, VisitedLink] = {link.interface: link for link in settings.links}
        self._visitors = VisitorList()
        self._admitted: dict[IPv4Address, PendingRegistration] = {}  # what to answer if an installation fails
        self._denials: dict[bytes, TokenBucket] = {}  # by link-layer address; the oldest is forgotten first

    @property
    def visitors(self) -> VisitorList:
        return self._visitors

    @property
    def busy(self) -> bool:
        """B bit: no room for another visitor (s2.1.1)."""
        return self._visitors.visitor_count() >= self._settings.max_visitors

    def serves_link(self, interface: str) -> bool:
        return interface in self._links

    # ---- requests

    def on_request(
        self, request: RegistrationRequest, datagram: DatagramReceived, now: Instant
    ) -> list[Action]:
        """Check and relay, or deny (s3.7.2)."""
        if datagram.link_source is None or datagram.interface not in self._links:
            return [
                Noted(Reason.BAD_DESTINATION, {"source": datagram.source, "interface": datagram.interface})
            ]
        covered = _authorized_length(request)
        if covered is None:
            # The home agent would have to discard it (s3.8.2.1 a); relaying would only cost a pending entry.
            return [Noted(Reason.NO_AUTHORIZATION_EXTENSION, _fields(request, datagram))]
        pending = PendingRegistration(
            home_address=request.home_address,
            home_agent=request.home_agent,
            identification=request.identification,
            lifetime=request.lifetime,
            reverse_tunnel=request.flags.reverse_tunnel,
            co_located=request.flags.decapsulation_by_mn,
            interface=datagram.interface,
            link_address=datagram.link_source,
            source=datagram.source,
            destination=self._asked_address(datagram),
            expires=now.mono + seconds(self._pending_time(request.lifetime)),
        )
        refusal = self._refusal(request, datagram)
        if refusal is not None:
            return self._deny(pending, refusal, now)
        self._visitors.add_pending(pending)
        return [
            SendDatagram(
                request.raw[:covered],
                source=Endpoint(self._settings.care_of_address, REGISTRATION_PORT),
                destination=Endpoint(request.home_agent, REGISTRATION_PORT),
            ),
            Noted(Reason.REQUEST_RELAYED, _fields(request, datagram)),
        ]

    def _refusal(self, request: RegistrationRequest, datagram: DatagramReceived) -> Reason | None:
        """The reason to deny, or ``None`` (s3.7.2.1; RFC 3024 s4.2.1), in the order of the standard."""
        settings = self._settings
        flags = request.flags
        if request.home_address == ZERO_ADDRESS:
            return Reason.FA_NONZERO_HOME_ADDRESS
        if not self._can_visit(request.home_address):
            return Reason.FA_POORLY_FORMED
        if request.lifetime > settings.max_lifetime:
            return Reason.FA_LIFETIME_TOO_LONG
        if flags.minimal or flags.gre:
            return Reason.FA_ENCAPSULATION_UNAVAILABLE
        if flags.reverse_tunnel:
            if datagram.ttl != _REQUIRED_TTL:
                return Reason.FA_MN_TOO_DISTANT
            if settings.reverse_tunnel is ReverseTunnelPolicy.UNAVAILABLE:
                return Reason.FA_REVERSE_TUNNEL_UNAVAILABLE
        elif settings.reverse_tunnel is ReverseTunnelPolicy.REQUIRED and request.lifetime != 0:
            return Reason.FA_REVERSE_TUNNEL_MANDATORY
        if request.first(EncapsulatingDelivery) is not None:
            return Reason.FA_DELIVERY_STYLE
        co_located = flags.decapsulation_by_mn
        if not co_located and request.lifetime != 0 and request.care_of_address != settings.care_of_address:
            return Reason.FA_INVALID_CARE_OF
        if request.home_agent in settings.own_addresses and request.home_agent != settings.home_agent:
            return Reason.FA_INVALID_HOME_AGENT
        if not _is_unicast(request.home_agent):
            return Reason.FA_INVALID_HOME_AGENT
        if self._visitors.pending_count() >= settings.max_pending:
            return Reason.FA_BUSY
        if self.busy and self._visitors.get(request.home_address) is None:
            return Reason.FA_BUSY
        return None

    # ---- replies

    def on_reply(self, reply: RegistrationReply, datagram: DatagramReceived, now: Instant) -> list[Action]:
        """Match, act on an acceptance, relay (s3.7.3)."""
        pending = self._visitors.get_pending(reply.home_address, reply.identification.low)
        if pending is None or datagram.source.address != pending.home_agent:
            fields = {"home_address": reply.home_address, "source": datagram.source}
            return [Noted(Reason.UNMATCHED_REPLY, fields)]
        self._visitors.pop_pending(pending.home_address, pending.identification.low)
        covered = _authorized_length(reply)
        if covered is None:
            return self._deny(pending, Reason.FA_POORLY_FORMED_REPLY, now)
        actions: list[Action] = []
        accepted = reply.reply_code is not None and reply.reply_code.accepted
        if accepted and reply.lifetime == 0:
            actions += self._remove(pending.home_address)
        elif accepted:
            actions += self._admit(pending, reply, now)
        # A denial leaves an existing visitor entry as it is (s3.7.2).
        actions.append(self._to_node(pending, reply.raw[:covered]))
        actions.append(Noted(Reason.REPLY_RELAYED, _reply_fields(pending, reply)))
        return actions

    def _admit(self, pending: PendingRegistration, reply: RegistrationReply, now: Instant) -> list[Action]:
        visitor = Visitor(
            home_address=pending.home_address,
            home_agent=reply.home_agent,
            interface=pending.interface,
            link_address=pending.link_address,
            lifetime=cap_lifetime(reply.lifetime, self._settings.max_lifetime),
            registered=now,
            reverse_tunnel=pending.reverse_tunnel,
            co_located=pending.co_located,
        )
        previous = self._visitors.get(visitor.home_address)
        self._visitors.put(visitor)
        self._admitted[visitor.home_address] = pending
        actions: list[Action] = []
        if previous is not None and (visitor.co_located or previous.interface != visitor.interface):
            actions += self._undo(previous)  # what is installed below would not replace it
        if visitor.co_located:
            return actions  # the node decapsulates itself; it registered through us because of the R bit
        return [
            *actions,
            InstallTunnel(
                visitor.home_address,
                TunnelSide.CARE_OF,
                local=self._settings.care_of_address,
                remote=visitor.home_agent,
                reverse=visitor.reverse_tunnel,
            ),
            InstallVisitorRoute(
                visitor.home_address, visitor.interface, visitor.link_address, visitor.reverse_tunnel
            ),
        ]

    # ---- time, errors

    def on_unreachable(self, event: UnreachableReceived, now: Instant) -> list[Action]:
        """An ICMP error instead of a reply: tell the node which (s3.7.3)."""
        reason = _UNREACHABLE.get(event.code, Reason.FA_HOME_AGENT_UNREACHABLE_OTHER)
        actions: list[Action] = []
        for pending in self._visitors.pending_towards(event.destination.address):
            self._visitors.pop_pending(pending.home_address, pending.identification.low)
            actions += self._deny(pending, reason, now)
        return actions

    def on_tick(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        for visitor in self._visitors.expire(now.mono):
            self._admitted.pop(visitor.home_address, None)
            actions += self._undo(visitor)
            actions.append(
                Noted(
                    Reason.VISITOR_EXPIRED,
                    {"home_address": visitor.home_address, "interface": visitor.interface},
                )
            )
        # Last: a denial that cannot be sent must not keep what has expired in the kernel.
        for pending in self._visitors.time_out(now.mono):
            actions += self._deny(pending, Reason.FA_REGISTRATION_TIMEOUT, now)
        return actions

    def on_action_failed(self, event: ActionFailed, now: Instant) -> list[Action]:
        """A visitor that could not be installed is none: undo, and tell the node with code 66.

        The home agent keeps a binding that leads here until the node registers elsewhere or its lifetime ends; what it
        tunnels meanwhile is dropped and counted, as for any address not in the visitor list (s4.2.2).
        """
        match event.action:
            case InstallTunnel(side=TunnelSide.CARE_OF) | InstallVisitorRoute():
                pending = self._admitted.get(event.action.home_address)
            case _:
                return []
        if pending is None:
            return []
        undo = self._remove(pending.home_address)
        return [*undo, *self._deny(pending, Reason.FA_INSUFFICIENT_RESOURCES, now)]

    def next_deadline(self) -> int | None:
        return self._visitors.next_deadline()

    # ---- parts

    def _remove(self, home_address: IPv4Address) -> list[Action]:
        visitor = self._visitors.pop(home_address)
        self._admitted.pop(home_address, None)
        return [] if visitor is None else self._undo(visitor)

    def _undo(self, visitor: Visitor) -> list[Action]:
        if visitor.co_located:
            return []
        return [
            RemoveVisitorRoute(visitor.home_address, visitor.interface),
            RemoveTunnel(visitor.home_address, TunnelSide.CARE_OF),
        ]

    def _deny(self, pending: PendingRegistration, reason: Reason, now: Instant) -> list[Action]:
        """A denial of our own (s3.7.2.3), at most one a second to one node (s3.7.2)."""
        code = reason.info.code
        if code is None:
            raise ValueError(f"{reason.label} has no reply code")
        noted = Noted(
            reason,
            {
                "home_address": pending.home_address,
                "home_agent": pending.home_agent,
                "interface": pending.interface,
                "code": int(code),
            },
        )
        if not self._may_deny(pending.link_address, now.mono):
            return [noted]
        too_long = reason is Reason.FA_LIFETIME_TOO_LONG
        payload = build(
            RegistrationReply(
                code=code,
                lifetime=self._settings.max_lifetime if too_long else pending.lifetime,
                home_address=pending.home_address,
                home_agent=pending.home_agent,
                identification=pending.identification,
            )
        )
        return [self._to_node(pending, payload), noted]

    def _may_deny(self, link_address: bytes, mono: int) -> bool:
        bucket = self._denials.pop(link_address, None) or TokenBucket(_DENIALS_PER_SECOND, 1)
        self._denials[link_address] = bucket
        if len(self._denials) > _REMEMBERED_DENIALS:
            del self._denials[next(iter(self._denials))]
        return bucket.take(mono)

    def _to_node(self, pending: PendingRegistration, payload: bytes) -> SendDatagram:
        """To the link-layer address the request came from, never by ARP (s3.7.2.3, s4.2.2)."""
        address = LIMITED_BROADCAST if pending.home_address == ZERO_ADDRESS else pending.home_address
        return SendDatagram(
            payload,
            source=Endpoint(pending.destination, REGISTRATION_PORT),
            destination=Endpoint(address, pending.source.port),
            interface=pending.interface,
            link_destination=pending.link_address,
        )

    def _pending_time(self, lifetime: Lifetime) -> float:
        """Seconds that a request may wait: the requested lifetime is over no later (s3.7.2.2)."""
        return min(self._settings.pending_timeout, lifetime or self._settings.pending_timeout)

    def _can_visit(self, home_address: IPv4Address) -> bool:
        """An accepted visitor gets a host route, which must not lead our own or group addresses onto a link."""
        return _is_unicast(home_address) and home_address not in self._settings.own_addresses

    def _asked_address(self, datagram: DatagramReceived) -> IPv4Address:
        """Where our replies come from: the address that was asked, or ours when that was a multicast (s3.7.2.3)."""
        asked = datagram.destination.address
        return asked if _is_unicast(asked) else self._links[datagram.interface].address


def _authorized_length(message: RegistrationRequest | RegistrationReply) -> int | None:
    """Length of the message up to the end of its last authorization-enabling extension, ``None`` without one."""
    end: int | None = None
    for extension in message.extensions:
        if isinstance(extension, MobileHomeAuthentication):
            end = extension.end
    return end


def _is_unicast(address: IPv4Address) -> bool:
    return not (address.is_multicast or address.is_unspecified or address.is_reserved or address.is_loopback)


def _fields(request: RegistrationRequest, datagram: DatagramReceived) -> dict[str, object]:
    return {
        "home_address": request.home_address,
        "home_agent": request.home_agent,
        "source": datagram.source,
        "interface": datagram.interface,
    }


def _reply_fields(pending: PendingRegistration, reply: RegistrationReply) -> dict[str, object]:
    return {
        "home_address": pending.home_address,
        "home_agent": pending.home_agent,
        "code": reply.code,
        "lifetime": reply.lifetime,
    }
