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
"""Largest MTU of an IP-in-IP tunnel, bytes: with the outer header, the longest IPv4 datagram."""


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
    NODE, the mobile node, beside CARE_OF if it has one: nothing goes in; what the home agent
    tunnels to the address itself, broadcasts, comes out (RFC 5944 4.3). ``home_address`` and
    ``local`` are then the home address, or the co-located care-of address.
    """

    HOME = 0
    CARE_OF = 1
    NODE = 2


class Encapsulation(IntEnum):
    """How packets are tunnelled; the value is the IP protocol number."""

    IPIP = 4
    """IP encapsulation within IP (RFC 2003)."""

    GRE = 47
    """Generic routing encapsulation (RFC 2784, RFC 2890)."""

    MINIMAL = 55
    """Minimal encapsulation within IP (RFC 2004); fragments, which it cannot carry, go by IP-in-IP."""


class Flag(IntFlag):
    """Behaviour of one tunnel."""

    NONE = 0

    REVERSE = 1
    """Packets from the home address may use the tunnel (RFC 3024); without it they are dropped."""

    ECN_COMPAT = 2
    """The outer header says Not-ECT: for a peer that ignores RFC 6040 (its section 4.3)."""

    BROADCAST = 4
    """HOME: broadcasts of the home link go into the tunnel too (RFC 5944 4.3)."""

    NESTED = 8
    """HOME: broadcasts and multicasts go in a datagram to the home address first, for a foreign agent there."""

    ENCAPSULATED_DELIVERY = 16
    """CARE_OF: the node tunnels its packets to the foreign agent, from its home address (RFC 3024 5.2).

    At the foreign agent, such packets come out as well. At the node, ``local`` is the home address.
    """

    MULTICAST = 512
    """HOME: what the node sends to a group goes to its home link and to other nodes, and not to the device.

    It may then come from the home address itself (RFC 5944 4.4).  NODE, with the home address as ``local``: what
    this host sends to a group goes into this tunnel, which goes the way of what the home address sends.
    """

    GRE_KEY = 32
    """GRE: ``key_out`` is sent, ``key_in`` is asked for (RFC 2890, RFC 6245)."""

    GRE_CHECKSUM = 64
    """GRE: a checksum is sent; one that comes is always verified."""

    GRE_SEQUENCE = 128
    """GRE: numbers are sent, and what comes out of sequence is dropped (RFC 2890 2.2)."""

    SHARED = 256
    """CARE_OF: visitors of other home agents have the same home address (RFC 3024 A.3); needs a :class:`Place`."""


GRE_FLAGS = Flag.GRE_KEY | Flag.GRE_CHECKSUM | Flag.GRE_SEQUENCE


def overhead(encapsulation: Encapsulation, flags: Flag = Flag.NONE) -> int:
    """Bytes that an encapsulation adds to a packet."""
    match encapsulation:
        case Encapsulation.IPIP:
            return 20
        case Encapsulation.GRE:
            return 24 + 4 * (flags & GRE_FLAGS).bit_count()
        case Encapsulation.MINIMAL:
            return 12


_ALLOWED = {
    Side.HOME: Flag.REVERSE | Flag.ECN_COMPAT | Flag.BROADCAST | Flag.NESTED | Flag.MULTICAST,
    Side.CARE_OF: Flag.REVERSE | Flag.ECN_COMPAT | Flag.ENCAPSULATED_DELIVERY | Flag.SHARED,
    Side.NODE: Flag.ECN_COMPAT | Flag.MULTICAST,
}


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One tunnel for one home address, seen from one end.

    ``local`` and ``remote`` are the outer source and destination as this end
    sends; ``mtu`` is the largest inner packet, in bytes. Raises ValueError for
    what cannot be: an MTU out of range, an address of 0.0.0.0, a flag of another
    side, or two equal addresses, which would be a tunnel that leads to its own entry.
    """

    home_address: IPv4Address
    side: Side
    local: IPv4Address
    remote: IPv4Address
    mtu: int
    encapsulation: Encapsulation = Encapsulation.IPIP
    flags: Flag = Flag.NONE
    key_out: int = 0
    key_in: int = 0

    def __post_init__(self) -> None:
        largest = 65535 - overhead(self.encapsulation, self.flags)
        if not MTU_MIN <= self.mtu <= largest:
            raise ValueError(f"tunnel MTU {self.mtu} is not between {MTU_MIN} and {largest}")
        if not all(0 <= key < 1 << 32 for key in (self.key_out, self.key_in)):
            raise ValueError("a GRE key is a number of 32 bits")
        addresses = (self.home_address, self.local, self.remote)
        if any(int(address) == 0 for address in addresses):
            raise ValueError("a tunnel cannot use the address 0.0.0.0")
        if self.remote in (self.home_address, self.local) or self._ends_at_home() != (
            self.home_address == self.local
        ):
            raise ValueError("home address, local and remote end of a tunnel must differ")
        allowed = _ALLOWED[self.side] | (GRE_FLAGS if self.encapsulation is Encapsulation.GRE else Flag.NONE)
        asked = self.flags & (Flag.BROADCAST | Flag.MULTICAST)
        if self.flags & ~allowed or (self.flags & Flag.NESTED and not asked):
            raise ValueError(f"{self.flags!r} is not for side {self.side.name}")

    def _ends_at_home(self) -> bool:
        """Whether ``local`` is the home address, as only the mobile node's may be."""
        delivery = bool(self.flags & Flag.ENCAPSULATED_DELIVERY)
        return self.side is Side.NODE or (delivery and self.home_address == self.local)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a visitor is that shares its home address: an interface, by number, and a link-layer address.

    ``agent`` is the foreign agent's address there; what is sent to it is not tunnelled.
    Raises ValueError for a link-layer address of another length than Ethernet's.
    """

    interface: int
    link_address: bytes
    agent: IPv4Address

    def __post_init__(self) -> None:
        if len(self.link_address) != 6 or not 0 < self.interface < 1 << 31:
            raise ValueError(f"interface {self.interface} has no link-layer address {self.link_address!r}")


@dataclass(frozen=True, slots=True)
class Install:
    """A tunnel to insert in the place of all with its home address and side.

    ``beside``: only of the one with the same remote end: simultaneous bindings, or visitors with Flag.SHARED,
    for which ``place`` is needed.
    """

    tunnel: Tunnel
    beside: bool = False
    place: Place | None = None

    def __post_init__(self) -> None:
        if (self.place is not None) != (Flag.SHARED in self.tunnel.flags):
            raise ValueError("a tunnel needs a place if its home address is shared, and only then")


@dataclass(frozen=True, slots=True)
class Remove:
    """The tunnel towards ``remote`` to take out, or all of them; nothing happens if there is none."""

    home_address: IPv4Address
    side: Side
    remote: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Packets and bytes, without outer headers, that went through; and that were dropped."""

    packets: int
    bytes: int
    dropped: int
    dropped_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Amount:
    """Packets, and their bytes: without outer headers, unless what was dropped could not be unpacked."""

    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture that goes on: its number, and the descriptor of the memory that its packets come by."""

    number: int
    descriptor: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What an ICMP error quotes of a datagram that is said to be a tunnel's.

    ``local``, ``remote`` and ``encapsulation``, the IP protocol, are of its outer header. ``keyed``: a GRE key is in
    it; ``key`` is None, and so are the addresses of the inner packet, source first, if the quote ends before them.
    """

    local: IPv4Address
    remote: IPv4Address
    encapsulation: int
    keyed: bool = False
    key: int | None = None
    inner: tuple[IPv4Address, IPv4Address] | None = None


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where datagrams from ``local`` to ``remote`` go next: the index of an Ethernet-like interface, the address there.

    ``address`` None: not known, the kernel shall find it.
    """

    local: IPv4Address
    remote: IPv4Address
    interface: int = 0
    address: bytes | None = None


@dataclass(frozen=True, slots=True)
class TunnelStatus:
    """A tunnel and what it carried since it was installed: out into it, in from it."""

    tunnel: Tunnel
    out: Traffic
    into: Traffic


@dataclass(frozen=True, slots=True)
class Decapsulated:
    """An inner packet, and the outer addresses and GRE numbers it came with."""

    packet: bytes
    outer_source: IPv4Address
    outer_destination: IPv4Address
    key: int | None = None
    sequence: int | None = None
