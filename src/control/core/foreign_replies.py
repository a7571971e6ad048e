"""What a foreign agent sends to a mobile node, and what is noted of it (RFC 5944 s3.7.2.3, s3.7.3.2; RFC 4636 s4)."""

from __future__ import annotations

from mobileip.control.core.actions import Action, Noted, SendDatagram
from mobileip.control.core.admission import ForeignAgentSettings, peer_among
from mobileip.control.core.challenging import Challenging
from mobileip.control.core.denials import Buckets
from mobileip.control.core.filters import Filters
from mobileip.control.core.relay import to_mobile_node
from mobileip.control.core.visitors import PendingRegistration
from mobileip.control.reasons import Reason, ReplyCode
from mobileip.control.types import LIMITED_BROADCAST, REGISTRATION_PORT, ZERO_ADDRESS, Endpoint, Instant
from mobileip.control.wire import RegistrationReply, build

_DENIALS_PER_SECOND = 1  # to one node (s3.7.2; RFC 3024 s4.2.1)


class ForeignReplies:
    """Replies to mobile nodes: relayed, of our own, or relayed with our error behind them.

    ``filters`` are the agent's, which know the rule that decided last; ``challenging`` says what a node is to answer.
    """

    def __init__(self, settings: ForeignAgentSettings, filters: Filters, challenging: Challenging) -> None:
        self._settings = settings
        self._filters = filters
        self._challenging = challenging
        self._denials: Buckets[bytes] = Buckets(_DENIALS_PER_SECOND, burst=1)  # by link-layer address

    def reconfigure(self, settings: ForeignAgentSettings) -> None:
        self._settings = settings

    def relay(
        self,
        pending: PendingRegistration,
        reply: RegistrationReply,
        authorized: bytes,
        now: Instant,
        error: ReplyCode | None = None,
    ) -> SendDatagram:
        """To the link-layer address the request came from, never by ARP (s3.7.2.3, s4.2.2)."""
        address = LIMITED_BROADCAST if reply.home_address == ZERO_ADDRESS else reply.home_address
        nodes = self._settings.nodes
        peer = peer_among(nodes, pending.home_address, pending.nai)
        challenge = self._challenging.for_station(pending.link_address, now.mono)
        return SendDatagram(
            to_mobile_node(authorized, None if peer is None else nodes.preferred(peer), error, challenge),
            source=Endpoint(pending.destination, REGISTRATION_PORT),
            destination=Endpoint(address, pending.source.port),
            interface=pending.interface,
            link_destination=pending.link_address,
        )

    def deny(self, pending: PendingRegistration, reason: Reason, now: Instant) -> list[Action]:
        """A denial of our own (s3.7.2.3), at most one a second to one node (s3.7.2)."""
        code = _code(reason)
        noted = self._denied(pending, reason)
        if not self._denials.take(pending.link_address, now.mono):
            return [noted]
        too_long = reason is Reason.FA_LIFETIME_TOO_LONG
        reply = RegistrationReply(
            code=code,
            lifetime=self._settings.max_lifetime if too_long else pending.lifetime,
            home_address=pending.home_address,
            home_agent=pending.home_agent,
            identification=pending.identification,
        )
        return [self.relay(pending, reply, build(reply), now), noted]

    def relay_error(
        self,
        pending: PendingRegistration,
        reply: RegistrationReply,
        authorized: bytes,
        now: Instant,
        reason: Reason,
    ) -> list[Action]:
        """The home agent's reply as it is, and why we do not honour it (RFC 4636 s4)."""
        return [self.relay(pending, reply, authorized, now, _code(reason)), self._denied(pending, reason)]

    def _denied(self, pending: PendingRegistration, reason: Reason) -> Noted:
        fields: dict[str, object] = {
            "home_address": pending.home_address,
            "home_agent": pending.home_agent,
            "interface": pending.interface,
            "link_address": pending.link_address,
            "code": int(_code(reason)),
        }
        if reason is Reason.FA_FILTERED:
            fields["rule"] = self._filters.decided
        return Noted(reason, fields)


def relayed(pending: PendingRegistration, reply: RegistrationReply) -> Noted:
    """What is noted of a reply that the home agent sent and the node gets."""
    return Noted(
        Reason.REPLY_RELAYED,
        {
            "home_address": reply.home_address,
            "home_agent": pending.home_agent,
            "code": reply.code,
            "lifetime": reply.lifetime,
        },
    )


def _code(reason: Reason) -> ReplyCode:
    code = reason.info.code
    if code is None:
        raise ValueError(f"{reason.label} has no reply code")
    return code
