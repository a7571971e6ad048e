"""Small frozen values that every layer shares; the only module with no imports of its own.

Addresses are :class:`ipaddress.IPv4Address` everywhere above the data plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Final, Self

NANOSECONDS: Final = 1_000_000_000
REGISTRATION_PORT: Final = 434  # RFC 5944 s3.1

ZERO_ADDRESS: Final = IPv4Address("0.0.0.0")
LIMITED_BROADCAST: Final = IPv4Address("255.255.255.255")
ALL_SYSTEMS: Final = IPv4Address("224.0.0.1")  # RFC 1256
ALL_ROUTERS: Final = IPv4Address("224.0.0.2")  # RFC 1256
ALL_MOBILITY_AGENTS: Final = IPv4Address("224.0.0.11")  # RFC 5944 s2.3


def is_unicast(address: IPv4Address) -> bool:
    """Whether it can be a host's on a link: not of 0/8, loopback, multicast or class E (RFC 1812 s5.3.7)."""
    network = int(address) >> 24
    return network not in (0, 127) and network < 224


_NTP_TO_UNIX: Final = 2_208_988_800  # seconds from 1900-01-01 to 1970-01-01


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on two clocks, in nanoseconds.

    Every deadline runs on ``mono``. ``wall`` (since 1970) is only for Identification timestamps
    (RFC 5944 s5.7.1) and for expiries that are shown or stored.
    """

    mono: int
    wall: int


def seconds(value: float) -> int:
    """Seconds to nanoseconds."""
    return round(value * NANOSECONDS)


class Spi(int):
    """Security Parameter Index, 256 to 2**32 - 1 for configured associations (0-255 are reserved, RFC 5944 s1.6)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Identification:
    """The 64-bit Identification of a request or reply, as two halves (RFC 5944 s5.7)."""

    high: int
    low: int

    @classmethod
    def from_wall(cls, wall: int, entropy: int) -> Self:
        """NTP timestamp of ``wall`` (ns since 1970) whose 16 lowest fraction bits come from ``entropy``.

        RFC 5944 s5.7.1: fraction bits the clock cannot give should be random; a nanosecond is 2**2.1 units of the
        fraction, and 2**16 units are 15 microseconds, below the spacing of any two requests.
        """
        whole, rest = divmod(wall, NANOSECONDS)
        fraction = (rest << 32) // NANOSECONDS
        return cls((whole + _NTP_TO_UNIX) & 0xFFFF_FFFF, (fraction & 0xFFFF_0000) | (entropy & 0xFFFF))

    def to_wall(self) -> int:
        """Nanoseconds since 1970 of an NTP timestamp; values below 2**31 are in era 1 (after 2036-02-07)."""
        era = 0 if self.high & 0x8000_0000 else 1 << 32
        return (self.high + era - _NTP_TO_UNIX) * NANOSECONDS + ((self.low * NANOSECONDS) >> 32)

    @classmethod
    def from_int(cls, number: int) -> Self:
        return cls(number >> 32, number & 0xFFFF_FFFF)

    def to_int(self) -> int:
        return self.high << 32 | self.low


class Lifetime(int):
    """A lifetime in seconds, 0 to 0xfffe; 0xffff is infinity, 0 deregisters (RFC 5944 s3.3)."""

    __slots__ = ()
    INFINITE: Final = 0xFFFF

    @property
    def is_infinite(self) -> bool:
        return self == Lifetime.INFINITE

    def __str__(self) -> str:
        return "infinite" if self.is_infinite else f"{int(self)} s"


class EncapsulationType(IntEnum):
    """Tunnel encapsulations that registration can ask for, by IP protocol number (RFC 5944 s4.1)."""

    IPIP = 4  # RFC 2003: without a bit
    GRE = 47  # RFC 2784: the G bit
    MINIMAL = 55  # RFC 2004: the M bit

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class GreKeys:
    """What the GRE headers of a tunnel carry (RFC 2890, RFC 6245): those that are sent, those that come."""

    out: int
    into: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A UDP endpoint."""

    address: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class ReplyCode(IntEnum):
    """Codes of the Registration Reply (RFC 5944 s3.4; numbers by IANA)."""

    ACCEPTED = 0
    ACCEPTED_NO_SIMULTANEOUS = 1
    FA_UNSPECIFIED = 64
    FA_PROHIBITED = 65
    FA_INSUFFICIENT_RESOURCES = 66
    FA_MN_FAILED_AUTHENTICATION = 67
    FA_HA_FAILED_AUTHENTICATION = 68
    FA_LIFETIME_TOO_LONG = 69
    FA_POORLY_FORMED_REQUEST = 70
    FA_POORLY_FORMED_REPLY = 71
    FA_ENCAPSULATION_UNAVAILABLE = 72
    FA_RESERVED_UNAVAILABLE = 73
    FA_REVERSE_TUNNEL_UNAVAILABLE = 74
    FA_REVERSE_TUNNEL_MANDATORY = 75
    FA_MN_TOO_DISTANT = 76
    FA_INVALID_CARE_OF_ADDRESS = 77
    FA_REGISTRATION_TIMEOUT = 78
    FA_DELIVERY_STYLE_UNSUPPORTED = 79
    FA_HOME_NETWORK_UNREACHABLE = 80
    FA_HOME_AGENT_HOST_UNREACHABLE = 81
    FA_HOME_AGENT_PORT_UNREACHABLE = 82
    FA_HOME_AGENT_UNREACHABLE = 88
    FA_NONZERO_HOME_ADDRESS_REQUIRED = 96
    FA_MISSING_NAI = 97
    FA_MISSING_HOME_AGENT = 98
    FA_MISSING_HOME_ADDRESS = 99
    FA_UNKNOWN_CHALLENGE = 104
    FA_MISSING_CHALLENGE = 105
    FA_STALE_CHALLENGE = 106
    FA_MISSING_MN_FA = 107
    FA_BAD_AAA_AUTH = 108
    HA_WRONG_CHALLENGE = 109
    FA_INVALID_HOME_AGENT_ADDRESS = (
        116  # RFC 5944 prints 194; IANA assigned 116 (both are understood on receipt)
    )
    HA_UNSPECIFIED = 128
    HA_PROHIBITED = 129
    HA_INSUFFICIENT_RESOURCES = 130
    HA_MN_FAILED_AUTHENTICATION = 131
    HA_FA_FAILED_AUTHENTICATION = 132
    HA_IDENTIFICATION_MISMATCH = 133
    HA_POORLY_FORMED_REQUEST = 134
    HA_TOO_MANY_BINDINGS = 135
    HA_UNKNOWN_HOME_AGENT_ADDRESS = 136
    HA_REVERSE_TUNNEL_UNAVAILABLE = 137
    HA_REVERSE_TUNNEL_MANDATORY = 138
    HA_ENCAPSULATION_UNAVAILABLE = 139
    HA_UDP_ENCAPSULATION_UNAVAILABLE = 142
    HA_REDIRECT = 143
    HA_BAD_AAA_AUTH = 144

    @property
    def accepted(self) -> bool:
        return self <= 8

    @property
    def from_foreign_agent(self) -> bool:
        """Codes 64-127 are the foreign agent's (RFC 5944 s3.4)."""
        return 64 <= self <= 127
