"""Pure decisions from configuration that both agents share."""

from __future__ import annotations

from enum import Enum

from mobileip.control.types import Lifetime


class ReverseTunnelPolicy(Enum):
    """What an agent says to the T bit (RFC 3024 s4.2.1, s4.3.1)."""

    OPTIONAL = "optional"
    REQUIRED = "required"
    UNAVAILABLE = "unavailable"


def cap_lifetime(requested: Lifetime, maximum: Lifetime) -> Lifetime:
    """The lifetime to grant: never above what was asked (RFC 5944 s3.8.2.2). Infinity (0xffff) is the largest."""
    return min(requested, maximum)
