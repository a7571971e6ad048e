"""What a foreign agent may do to the bytes that it relays (RFC 5944 s3.7.2.2, s3.7.3.2; RFC 4636).

Everything up to the end of the last authorization-enabling extension is between mobile node and home agent and passes
untouched in both directions. What follows it was meant for the foreign agent and is consumed; in its place the foreign
agent puts what it has to say, an authentication extension last.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from mobileip.control.reasons import Reason, ReplyCode
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, sign, verify
from mobileip.control.wire import (
    Authentication,
    ForeignAgentError,
    ForeignHomeAuthentication,
    GreKey,
    Message,
    MobileAaaAuthentication,
    MobileForeignAuthentication,
    MobileForeignChallenge,
    MobileHomeAuthentication,
)

# ICMP destination unreachable code (RFC 1122 s3.2.2.1) -> our reason. Codes 80 to 82 of s3.4 name network, host and
# port; "unknown" and "unreachable for this type of service" are kinds of those. Everything else is 88.
UNREACHABLE: Final = {
    0: Reason.FA_HOME_NETWORK_UNREACHABLE,
    6: Reason.FA_HOME_NETWORK_UNREACHABLE,
    11: Reason.FA_HOME_NETWORK_UNREACHABLE,
    1: Reason.FA_HOME_AGENT_UNREACHABLE,
    7: Reason.FA_HOME_AGENT_UNREACHABLE,
    12: Reason.FA_HOME_AGENT_UNREACHABLE,
    3: Reason.FA_HOME_AGENT_PORT_UNREACHABLE,
}


def authorized_length(message: Message) -> int | None:
    """Bytes up to the end of the last authorization-enabling extension, ``None`` without one.

    A Mobile-AAA authentication behind it stays too, with the challenge that it answers (RFC 4721 s3.2).
    """
    end: int | None = None
    for extension in message.extensions:
        if isinstance(extension, MobileHomeAuthentication):
            end = extension.end
        if isinstance(extension, MobileAaaAuthentication) and end is not None:
            end = extension.end
    return end


def is_authentic(
    message: Message, kind: type[Authentication], associations: AssociationTable, peer: IPv4Address | str
) -> bool:
    """Whether there is exactly one extension of ``kind``, by an association with ``peer`` and right (s3.7.2.1)."""
    found = [extension for extension in message.extensions if isinstance(extension, kind)]
    if len(found) != 1:
        return False
    association = associations.find(peer, found[0].spi)
    return association is not None and verify(association, message, found[0])


def to_home_agent(
    authorized: bytes, association: MobilitySecurityAssociation | None, gre_key: int | None = None
) -> bytes:
    """The request to send on, with a Foreign-Home Authentication Extension where an association is given.

    ``gre_key`` stands between the two authentications (RFC 6245 s4.1).
    """
    payload = authorized if gre_key is None else authorized + GreKey(gre_key).encode()
    return payload if association is None else sign(association, payload, ForeignHomeAuthentication)


def to_mobile_node(
    authorized: bytes,
    association: MobilitySecurityAssociation | None,
    error: ReplyCode | None = None,
    challenge: bytes | None = None,
) -> bytes:
    """A reply to send on. ``error``: we do not honour what the home agent accepted (RFC 4636 s4).

    The home agent's code stays as it was signed, and the node still learns who refuses. ``challenge`` is for its next
    request; one that came from the home agent is not among what is ``authorized`` (RFC 4721 s3.3).
    """
    payload = authorized if challenge is None else authorized + MobileForeignChallenge(challenge).encode()
    if error is not None:
        payload += ForeignAgentError(int(error)).encode()
    return payload if association is None else sign(association, payload, MobileForeignAuthentication)
