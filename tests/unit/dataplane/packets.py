"""Packets for the data plane's tests, built and read by scapy: an opinion independent of the C core's."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Packet, Raw

from mobileip.dataplane import Flag, Side, Tunnel

HOME = IPv4Address("198.51.100.7")
OTHER_HOME = IPv4Address("198.51.100.8")
AGENT = IPv4Address("192.0.2.1")
CARE_OF = IPv4Address("192.0.2.2")
OTHER_AGENT = IPv4Address("192.0.2.11")
STRANGER = IPv4Address("192.0.2.66")
CORRESPONDENT = IPv4Address("203.0.113.9")

__all__ = ["ICMP", "IP", "TCP", "UDP", "Packet", "Raw"]


def home_end(mtu: int = 1480, flags: Flag = Flag.REVERSE, home: IPv4Address = HOME) -> Tunnel:
    """The home agent's end."""
    return Tunnel(home, Side.HOME, AGENT, CARE_OF, mtu, flags=flags)


def care_of_end(mtu: int = 1480, flags: Flag = Flag.REVERSE, home: IPv4Address = HOME) -> Tunnel:
    """The other end of the same tunnel."""
    return Tunnel(home, Side.CARE_OF, CARE_OF, AGENT, mtu, flags=flags)


def inner(
    source: IPv4Address = CORRESPONDENT,
    destination: IPv4Address = HOME,
    size: int = 100,
    port: int = 4000,
    **fields: Any,
) -> Packet:
    """A UDP packet of ``size`` bytes in all; ``fields`` are those of scapy's IP."""
    header = IP(src=str(source), dst=str(destination), **{"ttl": 9, "id": 77, **fields})
    packet = header / UDP(sport=port, dport=port) / Raw(bytes(i & 0xFF for i in range(size - 28)))
    return IP(bytes(packet))


def outer(
    packet: Packet, source: IPv4Address = AGENT, destination: IPv4Address = CARE_OF, **fields: Any
) -> Packet:
    """The packet inside an IP-in-IP datagram; ``fields`` are those of the outer header."""
    header = IP(src=str(source), dst=str(destination), **{"proto": 4, "ttl": 64, **fields})
    return IP(bytes(header / packet))
