"""IGMP between the tunnels of a home agent's nodes and the control plane (RFC 5944 4.4)."""

import os
from ipaddress import IPv4Address

from mobileip.dataplane._core import Engine

_LONGEST = 65535


def receive(engine: Engine) -> bytes | None:
    """The next IGMP packet, IP header included, of a node with Flag.MULTICAST; None if there is none.

    Its source is the node's home address: that was checked against the tunnel.
    """
    try:
        return os.read(engine.igmp_fd, _LONGEST)
    except BlockingIOError:
        return None


def send_to(engine: Engine, home_address: IPv4Address, packet: bytes) -> None:
    """An IP packet of this host, such as a query, into every tunnel of a node with Flag.MULTICAST.

    Raises OSError if the engine does not keep up.
    """
    os.write(engine.igmp_fd, home_address.packed + packet)
