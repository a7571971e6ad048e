"""Bytes to frozen messages and back; no state, no clock. Everything others need is imported from here.

Any bytes give either a message or one :class:`WireError`, and what was accepted builds to the same bytes
again (of IGMP: but for what is reserved or additional there).
"""

from __future__ import annotations

import struct

from mobileip.control.reasons import Reason
from mobileip.control.wire.advertisement import (
    AdvertisementExtension,
    AgentAdvertisement,
    AgentFlags,
    AgentSolicitation,
    MobilityAgentAdvertisement,
    PrefixLengths,
    build_icmp,
    parse_icmp,
    parse_routers,
)
from mobileip.control.wire.authentication import (
    Authentication,
    ForeignHomeAuthentication,
    MobileForeignAuthentication,
    MobileHomeAuthentication,
)
from mobileip.control.wire.challenge import (
    AdvertisedChallenge,
    MobileAaaAuthentication,
    MobileForeignChallenge,
)
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.dynamic_home_agent import DynamicHomeAgent, DynamicHomeAgentUse
from mobileip.control.wire.extensions import Padding, UnknownExtension
from mobileip.control.wire.foreign_error import ForeignAgentError
from mobileip.control.wire.gre_key import GreKey
from mobileip.control.wire.icmp import NOT_A_DEFAULT_ROUTER, RouterAddress
from mobileip.control.wire.igmp import (
    GroupRecord,
    IgmpMessage,
    LeaveGroup,
    MembershipQuery,
    MembershipReport,
    MembershipReportV3,
    RecordType,
    build_igmp,
    parse_igmp,
)
from mobileip.control.wire.nai import NetworkAccessIdentifier
from mobileip.control.wire.registration import (
    Extension,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    build_reply,
    build_request,
    parse_reply,
    parse_request,
)
from mobileip.control.wire.reverse import EncapsulatingDelivery

Message = RegistrationRequest | RegistrationReply

__all__ = [
    "NOT_A_DEFAULT_ROUTER",
    "AdvertisedChallenge",
    "AdvertisementExtension",
    "AgentAdvertisement",
    "AgentFlags",
    "AgentSolicitation",
    "Authentication",
    "DynamicHomeAgent",
    "DynamicHomeAgentUse",
    "EncapsulatingDelivery",
    "Extension",
    "ForeignAgentError",
    "ForeignHomeAuthentication",
    "GreKey",
    "GroupRecord",
    "IgmpMessage",
    "LeaveGroup",
    "MembershipQuery",
    "MembershipReport",
    "MembershipReportV3",
    "Message",
    "MobileAaaAuthentication",
    "MobileForeignAuthentication",
    "MobileForeignChallenge",
    "MobileHomeAuthentication",
    "MobilityAgentAdvertisement",
    "NetworkAccessIdentifier",
    "Padding",
    "PrefixLengths",
    "RecordType",
    "RegistrationReply",
    "RegistrationRequest",
    "RequestFlags",
    "RouterAddress",
    "UnknownExtension",
    "WireError",
    "build",
    "build_icmp",
    "build_igmp",
    "parse",
    "parse_icmp",
    "parse_igmp",
    "parse_routers",
]


def parse(datagram: bytes) -> Message:
    """Registration message in a UDP payload (RFC 5944 s3.3, s3.4).

    :raises WireError: it is none that we accept; the datagram should be dropped silently (s1.8).
    """
    kind = datagram[:1]
    if kind == b"\x01":
        return parse_request(datagram)
    if kind == b"\x03":
        return parse_reply(datagram)
    if not kind:
        raise WireError(Reason.TRUNCATED, 0, "empty datagram")
    raise WireError(Reason.UNKNOWN_MESSAGE_TYPE, 0, f"message type {kind[0]} is not handled")


def build(message: Message) -> bytes:
    """UDP payload of a registration message, from its fields (``raw`` is not looked at).

    :raises ValueError: a value does not fit its field.
    """
    try:
        return build_request(message) if isinstance(message, RegistrationRequest) else build_reply(message)
    except struct.error as error:
        raise ValueError(str(error)) from None
