"""Which encapsulation is asked for, granted and advertised (RFC 5944 s2.1.1, s3.3, s3.6.1.2, s4.1).

IP-in-IP is every agent's. The others are for those that have them: a node asks with the M or the G bit, and both ends
of the tunnel, in both directions (RFC 3024 s5), use what was accepted.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from mobileip.control.types import EncapsulationType
from mobileip.control.wire import AgentFlags, RequestFlags

Encapsulations = Set[EncapsulationType]

ONLY_IPIP: Final[Encapsulations] = frozenset({EncapsulationType.IPIP})
EVERY: Final[Encapsulations] = frozenset(EncapsulationType)


def asked(flags: RequestFlags, keyed: bool = False) -> EncapsulationType | None:
    """What a request is for. ``None``: for both others at once, of which two agents might choose differently.

    ``keyed``: it has a GRE key of the foreign agent, which is as good as the G bit (RFC 6245 s4.2).
    """
    if flags.gre or keyed:
        return None if flags.minimal else EncapsulationType.GRE
    return EncapsulationType.MINIMAL if flags.minimal else EncapsulationType.IPIP


def offered(flags: AgentFlags) -> Encapsulations:
    """What an agent's advertisement says that it has."""
    bits = {EncapsulationType.MINIMAL: flags.minimal, EncapsulationType.GRE: flags.gre}
    return ONLY_IPIP | {kind for kind, on in bits.items() if on}


def worth_asking(
    wanted: tuple[EncapsulationType, ...], among: Encapsulations
) -> tuple[EncapsulationType, ...]:
    """What to ask for, one after the other: of what is ``wanted`` that which can be had, IP-in-IP last."""
    before = wanted[: wanted.index(EncapsulationType.IPIP)] if EncapsulationType.IPIP in wanted else wanted
    return (*(kind for kind in before if kind in among), EncapsulationType.IPIP)
