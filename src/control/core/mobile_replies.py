"""What a mobile node reads in a reply: whether to believe it, and who denied (RFC 5944 s3.6.2.1, RFC 4636)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from mobileip.control.core.actions import Noted
from mobileip.control.core.attachment import ThroughAgent
from mobileip.control.core.identity import MobileNodeSettings
from mobileip.control.reasons import REASON_BY_CODE, Reason, ReplyCode
from mobileip.control.security import MobilitySecurityAssociation, verify
from mobileip.control.wire import (
    Authentication,
    DynamicHomeAgent,
    DynamicHomeAgentUse,
    ForeignAgentError,
    MobileForeignAuthentication,
    MobileHomeAuthentication,
    RegistrationReply,
)


@dataclass(frozen=True, slots=True)
class Denial:
    """``accepted_by_home_agent``: only the foreign agent's error extension says no, the home agent has a binding."""

    code: int
    reply_code: ReplyCode | None
    by_foreign_agent: bool
    accepted_by_home_agent: bool = False

    @property
    def cause(self) -> str:
        reason = None if self.reply_code is None else REASON_BY_CODE.get(self.reply_code)
        return "unknown code" if reason is None else reason.label

    def said(self, how: str | None = None) -> Noted:
        """Its one log line (s3.6.2.3); with ``how`` it is repaired, if it is."""
        fields = {"by": "foreign agent" if self.by_foreign_agent else "home agent", "code": self.code}
        if how is None:
            return Noted(Reason.DENIED, {**fields, "cause": self.cause})
        return Noted(Reason.RETRYING, {**fields, "repaired": self.cause, "how": how})


def denial_of(reply: RegistrationReply) -> Denial | None:
    """``None`` if the registration is accepted, by both agents."""
    code = reply.reply_code
    error = reply.first(ForeignAgentError)
    if code is None or not code.accepted:
        return Denial(reply.code, code, _by_foreign_agent(reply))
    if error is None:
        return None
    return Denial(error.status, error.reply_code, True, True)


def authentic(reply: RegistrationReply, settings: MobileNodeSettings, relay: ThroughAgent | None) -> bool:
    """s3.6.2.1 a: whoever shares a key with us has to prove himself; b: so has whatever says it is the home agent's."""
    foreign = None if relay is None else settings.foreign_agents.get(relay.agent)
    if foreign is not None and not _proven(reply, foreign, MobileForeignAuthentication):
        return False
    return _by_foreign_agent(reply) or _proven(reply, settings.association, MobileHomeAuthentication)


def redirected_to(reply: RegistrationReply) -> IPv4Address | None:
    """The home agent to ask instead (RFC 4433 s3.4.2), if the home agent's signature covers its name."""
    for extension in reply.extensions:
        if isinstance(extension, MobileHomeAuthentication):
            return None
        if isinstance(extension, DynamicHomeAgent) and extension.use is DynamicHomeAgentUse.REDIRECTED:
            return extension.address
    return None


def _proven(
    reply: RegistrationReply, association: MobilitySecurityAssociation, kind: type[Authentication]
) -> bool:
    found = [one for one in reply.extensions if isinstance(one, kind)]
    return len(found) == 1 and found[0].spi == association.spi and verify(association, reply, found[0])


def _by_foreign_agent(reply: RegistrationReply) -> bool:
    """By the code's meaning where we know it: RFC 5944 prints 194 for the foreign agent's 116."""
    code = reply.reply_code
    return code.from_foreign_agent if code is not None else 64 <= reply.code <= 127
