"""What a mobile node does about each denial: one table (RFC 5944 s3.6.2.3, RFC 3024 s3.4, s4.1, RFC 4433 s4.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from mobileip.control.reasons import ReplyCode
from mobileip.control.types import EncapsulationType, Lifetime

_NO_LIMIT: Final = Lifetime(Lifetime.INFINITE)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the next request asks for and a denial may change."""

    reverse_tunnel: bool = False
    lifetime: Lifetime = _NO_LIMIT
    simultaneous: bool = False
    encapsulations: tuple[EncapsulationType, ...] = (EncapsulationType.IPIP,)
    encapsulating_delivery: bool = False

    @property
    def encapsulation(self) -> EncapsulationType:
        """The one to ask for; ``encapsulations`` are behind it those for when it is denied. IP-in-IP never is."""
        return self.encapsulations[0]


class TunnelAsked(NamedTuple):
    """What a request says of the tunnel.

    ``delivery_to`` is where what is to be reverse-tunnelled is tunnelled to first (RFC 3024 s5.2.2): the foreign agent.
    ``None``: nowhere, by direct delivery.
    """

    reverse: bool
    encapsulation: EncapsulationType
    delivery_to: IPv4Address | None = None


class Remedy(Enum):
    """Kinds of repair."""

    CHANGE = "change"  # ask again at once, for something else
    RESYNCHRONISE = "resynchronise"  # ask again at once, with the Identification that the reply allows
    HOME_AGENT = "home agent"  # ask the home agent that the reply names
    HOME_ADDRESS = "home address"  # ask for another one, if it was assigned
    REDIRECTION = "redirection"  # ask the home agent to which the reply redirects
    RETURN = "return"  # ask the configured home agent, if we were sent to another; else as ELSEWHERE
    CHALLENGE = "challenge"  # answer another challenge
    ELSEWHERE = "elsewhere"  # another care-of address, agent or link; here again only after a while
    LATER = "later"  # the same again, with growing waits


@dataclass(frozen=True, slots=True)
class Repair:
    """``said`` is for the log. ``change`` gets the wishes that were denied and the lifetime that the reply offers."""

    remedy: Remedy
    said: str
    change: Callable[[Wishes, Lifetime], Wishes] | None = None
    whole_agent: bool = True  # ELSEWHERE: not with another care-of address of this agent either


def _change(said: str, change: Callable[[Wishes, Lifetime], Wishes]) -> Repair:
    return Repair(Remedy.CHANGE, said, change)


def _next_encapsulation(wishes: Wishes, _: Lifetime) -> Wishes:
    return replace(wishes, encapsulations=wishes.encapsulations[1:] or wishes.encapsulations)


def _shorter(wishes: Wishes, offered: Lifetime) -> Wishes:
    return replace(wishes, lifetime=offered) if 0 < offered < wishes.lifetime else wishes


_ANOTHER_TUNNEL: Final = _change("with another encapsulation", _next_encapsulation)
_NO_REVERSE: Final = _change(
    "without reverse tunnel", lambda wishes, _: replace(wishes, reverse_tunnel=False)
)
_REVERSE: Final = _change("with reverse tunnel", lambda wishes, _: replace(wishes, reverse_tunnel=True))
_NAMED_AGENT: Final = Repair(Remedy.HOME_AGENT, "at the home agent named")
_RETURN: Final = Repair(Remedy.RETURN, "at the home agent configured")
_RESYNCHRONISE: Final = Repair(Remedy.RESYNCHRONISE, "with the home agent's clock or nonce")
_CHALLENGE: Final = Repair(Remedy.CHALLENGE, "by a new challenge")
_ELSEWHERE: Final = Repair(Remedy.ELSEWHERE, "elsewhere")
_LATER: Final = Repair(Remedy.LATER, "later")

REPAIRS: Final[Mapping[ReplyCode, Repair]] = {
    ReplyCode.FA_LIFETIME_TOO_LONG: _change("with the lifetime offered", _shorter),
    ReplyCode.FA_ENCAPSULATION_UNAVAILABLE: _ANOTHER_TUNNEL,
    ReplyCode.FA_REVERSE_TUNNEL_UNAVAILABLE: _NO_REVERSE,
    ReplyCode.FA_REVERSE_TUNNEL_MANDATORY: _REVERSE,
    ReplyCode.FA_INVALID_CARE_OF_ADDRESS: replace(_ELSEWHERE, whole_agent=False),
    ReplyCode.FA_DELIVERY_STYLE_UNSUPPORTED: _change(
        "with direct delivery", lambda wishes, _: replace(wishes, encapsulating_delivery=False)
    ),
    ReplyCode.FA_REGISTRATION_TIMEOUT: _RETURN,
    ReplyCode.FA_HOME_NETWORK_UNREACHABLE: _RETURN,
    ReplyCode.FA_HOME_AGENT_HOST_UNREACHABLE: _RETURN,
    ReplyCode.FA_HOME_AGENT_PORT_UNREACHABLE: _RETURN,
    ReplyCode.FA_HOME_AGENT_UNREACHABLE: _RETURN,
    ReplyCode.FA_UNKNOWN_CHALLENGE: _CHALLENGE,
    ReplyCode.FA_MISSING_CHALLENGE: _CHALLENGE,
    ReplyCode.FA_STALE_CHALLENGE: _CHALLENGE,
    ReplyCode.HA_WRONG_CHALLENGE: _CHALLENGE,
    ReplyCode.HA_PROHIBITED: Repair(Remedy.HOME_ADDRESS, "for another home address"),
    ReplyCode.HA_IDENTIFICATION_MISMATCH: _RESYNCHRONISE,
    ReplyCode.HA_TOO_MANY_BINDINGS: _change(
        "in place of earlier bindings", lambda wishes, _: replace(wishes, simultaneous=False)
    ),
    # What went to all home agents, the foreign agent could not sign for the one that now says so.
    ReplyCode.HA_FA_FAILED_AUTHENTICATION: _NAMED_AGENT,
    ReplyCode.HA_UNKNOWN_HOME_AGENT_ADDRESS: _NAMED_AGENT,
    ReplyCode.HA_REDIRECT: Repair(Remedy.REDIRECTION, "at the home agent it redirects to"),
    ReplyCode.HA_REVERSE_TUNNEL_UNAVAILABLE: _NO_REVERSE,
    ReplyCode.HA_REVERSE_TUNNEL_MANDATORY: _REVERSE,
    ReplyCode.HA_ENCAPSULATION_UNAVAILABLE: _ANOTHER_TUNNEL,
}

# RFC 4721 s10: after one of these no request answers the same challenge (s3.5).
CHALLENGE_ERRORS: Final = frozenset(
    {
        ReplyCode.FA_MN_FAILED_AUTHENTICATION,
        ReplyCode.FA_UNKNOWN_CHALLENGE,
        ReplyCode.FA_MISSING_CHALLENGE,
        ReplyCode.FA_STALE_CHALLENGE,
        ReplyCode.FA_BAD_AAA_AUTH,
        ReplyCode.HA_WRONG_CHALLENGE,
        ReplyCode.HA_BAD_AAA_AUTH,
    }
)


def repair_of(code: ReplyCode | None, by_foreign_agent: bool) -> Repair:
    """The table's row. For every other code: what one foreign agent refuses another may grant; a home agent is asked
    again later (resources come back, an operator corrects a key)."""
    found = None if code is None else REPAIRS.get(code)
    return found or (_ELSEWHERE if by_foreign_agent else _LATER)
