"""The values the data plane is spoken to in: tunnels, changes, events, reasons.

Plain data; nothing here touches the extension module, so it can be imported,
compared and printed anywhere.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address
from typing import Self

MTU_MIN = 68
"""Smallest tunnel MTU, bytes: what every IPv4 module must forward whole (RFC 791)."""

MTU_MAX = 65535 - 20
"""Largest tunnel MTU, bytes: with the outer header, the longest IPv4 datagram."""


class Named(IntEnum):
    """A number with a kebab-case label, as counters and logs show it, and its meaning in a sentence."""

    label: str
    meaning: str

    def __new__(cls, value: int, label: str = "", meaning: str = "") -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.label = label
        member.meaning = meaning
        return member


class Side(IntEnum):
    """Which end of a tunnel this process is, for one home address.

    HOME, the home agent: packets to the home address go into the tunnel.
    CARE_OF, the foreign agent or a co-located mobile node: packets from it do.
    """

    HOME = 0
    CARE_OF = 1


class Encapsulation(IntEnum):
    """How packets are tunnelled; the value is the IP protocol number."""

    IPIP = 4
    """IP encapsulation within IP (RFC 2003)."""


class Flag(IntFlag):
    """Behaviour of one tunnel."""

    NONE = 0

    REVERSE = 1
    """Packets from the home address may use the tunnel (RFC 3024); without it they are dropped."""

    ECN_COMPAT = 2
    """The outer header says Not-ECT: for a peer that ignores RFC 6040 (its section 4.3)."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One tunnel for one home address, seen from one end.

    ``local`` and ``remote`` are the outer source and destination as this end
    sends; ``mtu`` is the largest inner packet, in bytes. Raises ValueError for
    what cannot be: an MTU out of range, an address of 0.0.0.0, or two equal
    addresses, which would be a tunnel that leads to its own entry.
    """

    home_address: IPv4Address
    side: Side
    local: IPv4Address
    remote: IPv4Address
    mtu: int
    encapsulation: Encapsulation = Encapsulation.IPIP
    flags: Flag = Flag.NONE

    def __post_init__(self) -> None:
        if not MTU_MIN <= self.mtu <= MTU_MAX:
            raise ValueError(f"tunnel MTU {self.mtu} is not between {MTU_MIN} and {MTU_MAX}")
        addresses = (self.home_address, self.local, self.remote)
        if any(int(address) == 0 for address in addresses):
            raise ValueError("a tunnel cannot use the address 0.0.0.0")
        if len(set(addresses)) < len(addresses):
            raise ValueError("home address, local and remote end of a tunnel must differ")


@dataclass(frozen=True, slots=True)
class Install:
    """A tunnel to insert, or to put in place of the one with the same home address and side."""

    tunnel: Tunnel


@dataclass(frozen=True, slots=True)
class Remove:
    """A tunnel to take out; nothing happens if there is none."""

    home_address: IPv4Address
    side: Side


@dataclass(frozen=True, slots=True)
class Traffic:
    """Packets and bytes, without outer headers, that went through; and packets that were dropped."""

    packets: int
    bytes: int
    dropped: int


@dataclass(frozen=True, slots=True)
class TunnelStatus:
    """A tunnel and what it carried since it was installed: out into it, in from it."""

    tunnel: Tunnel
    out: Traffic
    into: Traffic


@dataclass(frozen=True, slots=True)
class Decapsulated:
    """An inner packet and the outer addresses it came with."""

    packet: bytes
    outer_source: IPv4Address
    outer_destination: IPv4Address
