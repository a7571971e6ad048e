"""What a foreign agent remembers of a request that it relays and of an acceptance (RFC 5944 s3.7.1)."""

from __future__ import annotations

from mobileip.control.core.actions import DeliveryStyle
from mobileip.control.core.admission import ForeignAgentSettings, VisitedLink, peer_among
from mobileip.control.core.challenges import answer_of
from mobileip.control.core.encapsulations import asked as asked_encapsulation
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.policy import cap_lifetime
from mobileip.control.core.visitors import PendingRegistration, Visitor
from mobileip.control.types import EncapsulationType, GreKeys, Instant, is_unicast, seconds
from mobileip.control.wire import (
    EncapsulatingDelivery,
    GreKey,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
)


def pending_entry(
    settings: ForeignAgentSettings,
    request: RegistrationRequest,
    datagram: DatagramReceived,
    link_address: bytes,
    link: VisitedLink,
    covered: int,
    now: Instant,
) -> PendingRegistration:
    """Of a request that came on ``link`` from ``link_address``, whose first ``covered`` bytes the home agent gets."""
    nai = request.first(NetworkAccessIdentifier)
    encapsulating = request.first(EncapsulatingDelivery) is not None
    # s3.5.4: never on a deregistration, nor for a care-of address that is not in our advertisement.
    to_authenticate = (
        request.lifetime != 0
        and request.care_of_address != request.home_address
        and settings.offers(request.care_of_address)
    )
    waiting = min(settings.pending_timeout, request.lifetime or settings.pending_timeout)  # s3.7.2.2
    asked = datagram.destination.address
    answer = answer_of(request)
    name = None if nai is None else nai.nai
    known = peer_among(settings.nodes, request.home_address, name) is not None
    return PendingRegistration(
        home_address=request.home_address,
        home_agent=request.home_agent,
        identification=request.identification,
        lifetime=request.lifetime,
        reverse_tunnel=request.flags.reverse_tunnel,
        co_located=request.flags.decapsulation_by_mn,
        interface=datagram.interface,
        link_address=link_address,
        source=datagram.source,
        destination=asked if is_unicast(asked) else link.address,  # s3.7.2.3
        expires=now.mono + seconds(waiting),
        care_of_address=request.care_of_address,
        delivery=DeliveryStyle.ENCAPSULATING if encapsulating else DeliveryStyle.DIRECT,
        nai=name,
        authenticated_to_home=to_authenticate
        and settings.home_agents.preferred(request.home_agent) is not None,
        encapsulation=asked_encapsulation(request.flags) or EncapsulationType.IPIP,
        gre_key=_gre_key_sent(settings, request),
        answer=answer,
        proven=known and answer is not None and answer.mobile_foreign is not None,
        relayed_challenge=None if answer is None or answer.offset >= covered else answer.challenge,
    )


def visitor_entry(
    settings: ForeignAgentSettings, pending: PendingRegistration, reply: RegistrationReply, now: Instant
) -> Visitor:
    """Of a pending registration that ``reply`` accepts."""
    return Visitor(
        home_address=reply.home_address,
        home_agent=reply.home_agent,
        interface=pending.interface,
        link_address=pending.link_address,
        lifetime=cap_lifetime(reply.lifetime, settings.max_lifetime),
        registered=now,
        reverse_tunnel=pending.reverse_tunnel,
        co_located=pending.co_located,
        care_of_address=pending.care_of_address,
        delivery=pending.delivery,
        nai=pending.nai,
        encapsulation=pending.encapsulation,
        gre_keys=_gre_keys(pending.gre_key, reply),
    )


def _gre_key_sent(settings: ForeignAgentSettings, request: RegistrationRequest) -> int | None:
    """The GRE key for the tunnel that ends here: the node's address, 0 (the home agent's choice) if it has none yet.

    In every request for GRE, deregistrations too (RFC 6245 s4.1). ``None``: none is sent.
    """
    keyed = settings.gre_keys and not request.flags.decapsulation_by_mn
    return int(request.home_address) if keyed and request.flags.gre else None


def _gre_keys(sent: int | None, reply: RegistrationReply) -> GreKeys | None:
    """What was agreed (RFC 6245 s5); ``None``: GRE headers have no keys."""
    chosen = reply.first(GreKey)
    return None if sent is None or chosen is None else GreKeys(out=chosen.key, into=sent or chosen.key)
