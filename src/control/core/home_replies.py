"""The home agent's replies: fields, extensions in their order, and where they go (RFC 5944 s3.8.3); what is noted."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from mobileip.control.core.actions import Action, Noted, SendDatagram
from mobileip.control.core.bindings import MobilityBinding, gre_key_for
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.filters import Applicant
from mobileip.control.core.networks import HomeNetworks
from mobileip.control.core.nodes import KnownNode, Marks
from mobileip.control.core.policy import NodePolicy
from mobileip.control.reasons import Reason
from mobileip.control.security import MobilitySecurityAssociation, sign
from mobileip.control.types import (
    LIMITED_BROADCAST,
    REGISTRATION_PORT,
    ZERO_ADDRESS,
    Endpoint,
    Identification,
    Lifetime,
)
from mobileip.control.wire import (
    DynamicHomeAgent,
    DynamicHomeAgentUse,
    Extension,
    ForeignHomeAuthentication,
    GreKey,
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    build,
)


@dataclass(slots=True)
class Asked:
    """A request being answered: all that a reply needs. It lives as long as its request, and gathers what is learnt.

    ``home_address`` is the one of the request, later the one that the node was given. ``foreign`` is the association
    with the agent that relayed it. ``previous`` are the node's bindings before.
    """

    request: RegistrationRequest
    datagram: DatagramReceived
    marks: Marks
    node: KnownNode
    home_address: IPv4Address
    foreign: MobilitySecurityAssociation | None
    policy: NodePolicy
    previous: tuple[MobilityBinding, ...] = ()

    @property
    def needs_agent(self) -> bool:
        """Whether the foreign agent has to sign: with an association, for a care-of address of its own (s3.8.2.1 c).

        It must not sign deregistrations, nor what it relays for a node with a co-located care-of address (s3.5.4).
        """
        request = self.request
        if self.foreign is None or request.lifetime == 0:
            return False
        co_located = request.flags.decapsulation_by_mn
        return not co_located or request.care_of_address == self.datagram.source.address

    @property
    def stays_beside(self) -> bool:
        """Whether the node wants its other bindings kept and may have several (s3.8.2.2)."""
        return self.request.flags.simultaneous and self.policy.max_simultaneous > 1

    @property
    def others(self) -> list[MobilityBinding]:
        """The node's bindings with other care-of addresses."""
        care_of_address = self.request.care_of_address
        return [one for one in self.previous if one.care_of_address != care_of_address]


def reply(
    asked: Asked,
    reason: Reason,
    lifetime: Lifetime,
    identification: Identification,
    *,
    home_agent: IPv4Address,
    networks: HomeNetworks,
    redirected_to: IPv4Address | None = None,
) -> SendDatagram:
    """Build and sign a reply; addresses and ports are the request's, turned round (s3.8.3.1).

    ``redirected_to``: the home agent to ask instead (RFC 4433 s3.4.2).

    :raises ValueError: ``reason`` has no reply code.
    """
    datagram = asked.datagram
    if reason.info.code is None:
        raise ValueError(f"{reason.label} has no reply code")
    nai = asked.marks.nai
    extensions: tuple[Extension, ...] = (
        () if nai is None else (nai,)
    )  # "MUST include" the request's (RFC 2794 s3)
    if redirected_to is not None:
        extensions += (DynamicHomeAgent(DynamicHomeAgentUse.REDIRECTED, redirected_to),)
    payload = build(
        RegistrationReply(
            code=reason.info.code,
            lifetime=lifetime,
            home_address=asked.home_address,
            home_agent=home_agent,
            identification=identification,
            extensions=extensions,
        )
    )
    payload = sign(asked.node.association, payload, MobileHomeAuthentication)
    if asked.marks.gre_key is not None and reason.info.code.accepted:
        payload += GreKey(gre_key_for(asked.home_address)).encode()  # RFC 6245 s4.2: for the foreign agent
    if asked.marks.challenge is not None:
        payload += asked.marks.challenge.encode()  # RFC 4721 s3.4: the foreign agent's, which it gets back
    if asked.foreign is not None and asked.request.lifetime != 0:
        # Not to a deregistration, whose request has none either (s3.5.4).
        payload = sign(asked.foreign, payload, ForeignHomeAuthentication)
    destination = datagram.destination.address
    own = home_agent if networks.is_group(destination) else destination
    # A node that asks from its home address is on its home link, whatever its binding says (s3.8.3.1). There its
    # frame's link-layer source is where the answer goes: no route, no ARP, no tunnel can interfere.
    on_link = is_at_home(asked, networks)
    to = datagram.source
    if to.address == ZERO_ADDRESS:
        to = Endpoint(
            LIMITED_BROADCAST, to.port
        )  # it has no address yet; as a foreign agent answers it (s3.7.2.3)
    return SendDatagram(
        payload,
        source=Endpoint(own, REGISTRATION_PORT),
        destination=to,
        interface=datagram.interface if on_link else None,
        link_destination=datagram.link_source if on_link else None,
    )


def is_at_home(asked: Asked, networks: HomeNetworks) -> bool:
    """Whether the node itself asks on its home link: from its home address, or with none yet."""
    datagram = asked.datagram
    source = datagram.source.address
    if source != asked.home_address and source != ZERO_ADDRESS:
        return False
    return networks.link(asked.home_address) == datagram.interface


def seen(request: RegistrationRequest, datagram: DatagramReceived, marks: Marks) -> dict[str, object]:
    """What a request claims, for the log."""
    fields: dict[str, object] = {"home_address": request.home_address, "source": datagram.source}
    if marks.nai is not None:
        fields["nai"] = marks.nai.nai
    return fields


def spi_of(marks: Marks, reason: Reason) -> int | None:
    """By which the request names the association that ``reason`` is about."""
    if reason is Reason.FA_FAILED_AUTHENTICATION:
        return marks.foreign_home[0].spi if marks.foreign_home else None
    return None if marks.mobile_home is None else marks.mobile_home.spi


def applicant(asked: Asked) -> Applicant:
    """As filters see the request. No foreign agent relayed it, as far as its addresses tell, if it comes from the
    node's home address or from its own care-of address.
    """
    request, source = asked.request, asked.datagram.source.address
    itself = source == asked.home_address or (
        request.flags.decapsulation_by_mn and source == request.care_of_address
    )
    return Applicant(
        interface=asked.datagram.interface,
        care_of_address=request.care_of_address,
        home_address=asked.home_address,
        nai=asked.node.name,
        foreign_agent=None if itself else source,
    )


def suppressed(asked: Asked, reason: Reason) -> list[Action]:
    fields = {**seen(asked.request, asked.datagram, asked.marks), "cause": reason.label}
    return [Noted(Reason.DENIAL_SUPPRESSED, fields)]
