"""A datagram of a given size that goes the way of a tunnel's, to ask the other end whether so much passes."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

from mobileip.dataplane._core import encapsulate
from mobileip.dataplane.model import Tunnel, overhead

AskFarEnd = Callable[[IPv4Address, IPv4Address, int], bytes]
"""Makes an IP packet of so many bytes from our end of a tunnel to the other."""

_LONGEST = 65535


def probe(tunnel: Tunnel, size: int, ask: AskFarEnd) -> bytes:
    """``size`` bytes, with DF if what ``ask`` makes has it; Flag.GRE_SEQUENCE sends 0."""
    added = overhead(tunnel.encapsulation, tunnel.flags)
    widest = replace(tunnel, mtu=_LONGEST - added)
    inside = ask(tunnel.local, tunnel.remote, size - added)
    datagram = encapsulate(inside, widest, 0)
    if len(datagram) == size:
        return datagram
    # Minimal encapsulation does not repeat a source that is its own (RFC 2004 3.1).
    inside = ask(tunnel.local, tunnel.remote, len(inside) + size - len(datagram))
    return encapsulate(inside, widest, 0)
