"""Pure decisions from configuration that both agents share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mobileip.control.core.encapsulations import ONLY_IPIP, Encapsulations
from mobileip.control.types import Lifetime


class ReverseTunnelPolicy(Enum):
    """What an agent says to the T bit (RFC 3024 s4.2.1, s4.3.1)."""

    OPTIONAL = "optional"
    REQUIRED = "required"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class NodePolicy:
    """What the home agent grants one mobile node.

    ``max_simultaneous`` is how many bindings it may have at a time; 1 means that the S bit is not supported.
    ``encapsulations`` are those that it may ask for. ``idle_timeout``: seconds without a packet after which its binding
    ends; ``None``: that it is not used ends no binding.
    """

    max_lifetime: Lifetime
    reverse_tunnel: ReverseTunnelPolicy = ReverseTunnelPolicy.OPTIONAL
    max_simultaneous: int = 1
    encapsulations: Encapsulations = ONLY_IPIP
    idle_timeout: int | None = None


def cap_lifetime(requested: Lifetime, maximum: Lifetime) -> Lifetime:
    """The lifetime to grant: never above what was asked (RFC 5944 s3.8.2.2). Infinity (0xffff) is the largest."""
    return min(requested, maximum)
