"""How a mobile node's request looks and where it goes (RFC 5944 s3.6.1, RFC 3024 s4.1, RFC 2794 s2)."""

from __future__ import annotations

from ipaddress import IPv4Address

from mobileip.control.core.actions import SendDatagram
from mobileip.control.core.attachment import AtHome, Attachment, CoLocated, ThroughAgent, relay_of
from mobileip.control.core.identity import Identity, MobileNodeSettings
from mobileip.control.core.repairs import Wishes
from mobileip.control.security import sign
from mobileip.control.types import (
    REGISTRATION_PORT,
    ZERO_ADDRESS,
    EncapsulationType,
    Endpoint,
    Identification,
    Lifetime,
)
from mobileip.control.wire import (
    DynamicHomeAgent,
    DynamicHomeAgentUse,
    EncapsulatingDelivery,
    Extension,
    MobileForeignAuthentication,
    MobileForeignChallenge,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationRequest,
    RequestFlags,
    build,
)

_TTL = 255  # of every request (RFC 3024 s3.2); a foreign agent checks it (s4.2.1)
_LINK_BROADCAST = b"\xff" * 6


def care_of_address(attachment: Attachment, home_address: IPv4Address) -> IPv4Address:
    """What to register there; the home address deregisters everything (s3.6.1.2)."""
    return home_address if isinstance(attachment, AtHome) else attachment.care_of_address


def compose(
    settings: MobileNodeSettings,
    identity: Identity,
    attachment: Attachment,
    wishes: Wishes,
    care_of: IPv4Address,
    lifetime: Lifetime,
    identification: Identification,
    challenge: bytes | None = None,
) -> bytes:
    """The signed message. Extensions in the order of s3.6.1.3: for the home agent, authorization, for the foreign
    agent, Mobile-Foreign authentication. The ``challenge`` that is answered comes after the authorization, and before
    what answers it; without a foreign agent there is none, and only CHAP proves something then (RFC 4721 s3.1)."""
    extensions: tuple[Extension, ...] = ()
    if settings.nai is not None:
        extensions = (NetworkAccessIdentifier(settings.nai),)
    if identity.is_redirected:  # RFC 4433 s5.1: where we were sent
        extensions += (DynamicHomeAgent(DynamicHomeAgentUse.REQUESTED, identity.asked_home_agent),)
    request = RegistrationRequest(
        home_address=identity.home_address,
        home_agent=identity.asked_home_agent,
        care_of_address=care_of,
        identification=identification,
        lifetime=lifetime,
        flags=RequestFlags(
            simultaneous=wishes.simultaneous and lifetime > 0,
            broadcast=settings.broadcasts and lifetime > 0,
            decapsulation_by_mn=isinstance(attachment, CoLocated),
            minimal=wishes.encapsulation is EncapsulationType.MINIMAL,
            gre=wishes.encapsulation is EncapsulationType.GRE,
            reverse_tunnel=wishes.reverse_tunnel,
        ),
        extensions=extensions,
    )
    payload = sign(settings.association, build(request), MobileHomeAuthentication)
    relay, aaa = relay_of(attachment), settings.aaa
    if challenge is not None:
        payload += MobileForeignChallenge(challenge).encode()
    if aaa is not None and (challenge is not None or (relay is None and aaa.is_chap)):
        payload = aaa.sign(payload, challenge)
    if relay is None:
        return payload
    if wishes.encapsulating_delivery and wishes.reverse_tunnel:
        payload += EncapsulatingDelivery().encode()
    shared = settings.foreign_agents.get(relay.agent)
    return payload if shared is None else sign(shared, payload, MobileForeignAuthentication)


def addressed(payload: bytes, identity: Identity, attachment: Attachment) -> SendDatagram:
    """Addresses by s3.6.1.1. At home and to a foreign agent the frame goes to the agent's link-layer address as its
    advertisement gave it: away from home there is no ARP, at home none is needed."""
    home = Endpoint(identity.home_address, REGISTRATION_PORT)  # 0.0.0.0 if we have none
    to_home_agent = Endpoint(identity.asked_home_agent, REGISTRATION_PORT)
    interface = attachment.interface
    match attachment:
        case AtHome():
            to = _LINK_BROADCAST if identity.is_elsewhere_at_home else attachment.link_address
            return SendDatagram(payload, home, to_home_agent, interface, to, _TTL)
        case ThroughAgent():
            return _to_agent(payload, home, attachment)
        case CoLocated():
            source = Endpoint(attachment.care_of_address, REGISTRATION_PORT)
            if attachment.through is not None:
                return _to_agent(payload, source, attachment.through)
            return SendDatagram(payload, source, to_home_agent, interface, ttl=_TTL)


def _to_agent(payload: bytes, source: Endpoint, relay: ThroughAgent) -> SendDatagram:
    agent = Endpoint(relay.agent, REGISTRATION_PORT)
    return SendDatagram(payload, source, agent, relay.interface, relay.link_address, _TTL)


def names_an_agent(address: IPv4Address, identity: Identity) -> bool:
    """Whether the Home Agent field of a reply tells us something: a host other than the one we asked."""
    return address not in (ZERO_ADDRESS, identity.asked_home_agent)
