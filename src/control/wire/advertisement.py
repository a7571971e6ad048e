"""Agent advertisement and solicitation: router discovery with mobility extensions (RFC 5944 s2.1, s2.2)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import ClassVar, Final, Self

from mobileip.control.reasons import Reason
from mobileip.control.types import Lifetime
from mobileip.control.wire.challenge import AdvertisedChallenge
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.extensions import (
    ExtensionSpace,
    Padding,
    UnknownExtension,
    bad_length,
    encode_all,
    simple,
)
from mobileip.control.wire.icmp import (
    ENTRY_WORDS,
    ROUTER_ADVERTISEMENT,
    ROUTER_SOLICITATION,
    RouterAddress,
    open_message,
    read_router_advertisement,
    sealed,
    write_router_advertisement,
)

CODE_COMMON_TRAFFIC: Final = 0
CODE_MOBILE_NODES_ONLY: Final = 16  # s2.1: the agent does not route common traffic

_LONGEST_PREFIX: Final = 32
_MOBILITY: Final = struct.Struct("!HHH")
_SOLICITATION: Final = struct.Struct("!BBHI")


@dataclass(frozen=True, slots=True)
class AgentFlags:
    """Flag bits of extension 16, R B H F M G r T U X I from the highest on (s2.1.1, not the drawing of RFC
    4857).

    ``reserved`` (r) and the five bits of ``undefined`` are sent as zero and ignored on reception.
    """

    registration_required: bool = False
    busy: bool = False
    home_agent: bool = False
    foreign_agent: bool = False
    minimal: bool = False
    gre: bool = False
    reserved: bool = False
    reverse_tunnel: bool = False
    udp_tunnel: bool = False
    revocation: bool = False
    regional_registration: bool = False
    undefined: int = 0

    @classmethod
    def from_int(cls, bits: int) -> Self:
        return cls(*[bool(bits & 0x8000 >> place) for place in range(11)], bits & 0x1F)  # type: ignore[call-arg]

    def __int__(self) -> int:
        return (
            self.registration_required << 15
            | self.busy << 14
            | self.home_agent << 13
            | self.foreign_agent << 12
            | self.minimal << 11
            | self.gre << 10
            | self.reserved << 9
            | self.reverse_tunnel << 8
            | self.udp_tunnel << 7
            | self.revocation << 6
            | self.regional_registration << 5
            | self.undefined
        )


@dataclass(frozen=True, slots=True)
class MobilityAgentAdvertisement:
    """Extension 16 (s2.1.1). ``registration_lifetime`` is the longest that the agent accepts."""

    type: ClassVar[int] = 16
    sequence: int
    registration_lifetime: Lifetime
    flags: AgentFlags
    care_of_addresses: tuple[IPv4Address, ...] = ()
    offset: int = field(default=0, compare=False)

    @classmethod
    def decode(cls, data: bytes, offset: int) -> Self:
        addresses = len(data) - _MOBILITY.size
        if addresses < 0 or addresses % 4:
            raise bad_length(cls.type, len(data), offset, "6 + 4*N")
        sequence, lifetime, bits = _MOBILITY.unpack_from(data)
        care_of = tuple(map(IPv4Address, struct.unpack_from(f"!{addresses // 4}I", data, _MOBILITY.size)))
        advertised = cls(sequence, Lifetime(lifetime), AgentFlags.from_int(bits), care_of, offset)
        fault = advertised.fault()
        if fault:
            raise WireError(Reason.BAD_VALUE, offset, f"extension 16 at byte {offset}: {fault}")
        return advertised

    def fault(self) -> str | None:
        """What s2.1.1 forbids in this combination of flags and addresses."""
        flags = self.flags
        if not flags.foreign_agent:
            if not flags.home_agent:
                return "neither home agent (H) nor foreign agent (F)"
            if flags.busy or flags.registration_required:
                return "B or R is set without F"
        elif not self.care_of_addresses:
            return "F is set without a care-of address"
        return None

    def encode(self) -> bytes:
        """:raises ValueError: the combination is forbidden, see :meth:`fault`."""
        fault = self.fault()
        if fault:
            raise ValueError(fault)
        fixed = _MOBILITY.pack(self.sequence, self.registration_lifetime, int(self.flags))
        return simple(self.type, fixed + b"".join([address.packed for address in self.care_of_addresses]))


@dataclass(frozen=True, slots=True)
class PrefixLengths:
    """Extension 19 (s2.1.2): the prefix length of each router address, not of care-of addresses."""

    type: ClassVar[int] = 19
    lengths: tuple[int, ...]
    offset: int = field(default=0, compare=False)

    @classmethod
    def decode(cls, data: bytes, offset: int) -> Self:
        if any(length > _LONGEST_PREFIX for length in data):
            raise WireError(Reason.BAD_VALUE, offset, f"prefix lengths at byte {offset} go beyond 32 bits")
        return cls(tuple(data), offset)

    def encode(self) -> bytes:
        """:raises ValueError: a length goes beyond 32 bits."""
        if any(length > _LONGEST_PREFIX for length in self.lengths):
            raise ValueError(f"a prefix length of {self.lengths} goes beyond 32 bits")
        return simple(self.type, bytes(self.lengths))


KnownAdvertisementExtension = MobilityAgentAdvertisement | PrefixLengths | AdvertisedChallenge
AdvertisementExtension = KnownAdvertisementExtension | Padding | UnknownExtension
_DECODERS: Final[dict[int, Callable[[bytes, int], KnownAdvertisementExtension]]] = {
    MobilityAgentAdvertisement.type: MobilityAgentAdvertisement.decode,
    PrefixLengths.type: PrefixLengths.decode,
    AdvertisedChallenge.type: AdvertisedChallenge.decode,
}
ADVERTISEMENT_EXTENSIONS: Final = ExtensionSpace(_DECODERS)


@dataclass(frozen=True, slots=True)
class AgentAdvertisement:
    """A router advertisement with exactly one extension 16 (s2.1).

    ``lifetime`` is in seconds and says how long the advertisement itself is valid; ``entry_words`` is RFC
    1256's Addr Entry Size, always 2 in what we send.
    """

    type: ClassVar[int] = ROUTER_ADVERTISEMENT
    lifetime: int
    extensions: tuple[AdvertisementExtension, ...]
    router_addresses: tuple[RouterAddress, ...] = ()
    code: int = CODE_COMMON_TRAFFIC
    entry_words: int = ENTRY_WORDS

    @property
    def mobility(self) -> MobilityAgentAdvertisement:
        return next(found for found in self.extensions if isinstance(found, MobilityAgentAdvertisement))

    @property
    def prefix_lengths(self) -> tuple[int, ...] | None:
        """One for each router address, or ``None`` if the agent does not say (s2.4.2.2)."""
        return next((found.lengths for found in self.extensions if isinstance(found, PrefixLengths)), None)


@dataclass(frozen=True, slots=True)
class AgentSolicitation:
    """A router solicitation (s2.2). Both fields are ignored on reception, empty in ours (RFC 1256 s4.2)."""

    type: ClassVar[int] = ROUTER_SOLICITATION
    reserved: int = 0
    rest: bytes = b""


def parse_icmp(payload: bytes) -> AgentAdvertisement | AgentSolicitation:
    """Message in an ICMP payload, which starts at the ICMP type; the checksum is verified.

    :raises WireError: anything else; ``NOT_AN_AGENT`` for a plain router advertisement of RFC 1256.
    """
    cursor, kind, code = open_message(payload)
    if kind == ROUTER_SOLICITATION:
        if code != 0:
            raise WireError(Reason.BAD_VALUE, 1, f"solicitation has code {code}, not 0")
        *_, reserved = cursor.fields(_SOLICITATION, "solicitation")
        return AgentSolicitation(reserved, cursor.rest())
    lifetime, words, routers = read_router_advertisement(cursor)
    extensions = ADVERTISEMENT_EXTENSIONS.read(cursor)
    _check(code, routers, extensions)
    return AgentAdvertisement(lifetime, extensions, routers, code, words)


def parse_routers(payload: bytes) -> tuple[int, tuple[RouterAddress, ...]]:
    """Lifetime in seconds and routers of a plain router advertisement, by the checks of RFC 1256 s5.2.

    :raises WireError: anything else.
    """
    cursor, kind, code = open_message(payload)
    if kind != ROUTER_ADVERTISEMENT:
        raise WireError(Reason.UNKNOWN_MESSAGE_TYPE, 0, f"ICMP type {kind} is no router advertisement")
    lifetime, _, routers = read_router_advertisement(cursor)
    if code != CODE_COMMON_TRAFFIC or not routers:
        raise WireError(
            Reason.BAD_VALUE, 1, f"router advertisement with code {code} and {len(routers)} addresses"
        )
    return lifetime, routers


def _check(
    code: int, routers: tuple[RouterAddress, ...], extensions: tuple[AdvertisementExtension, ...]
) -> None:
    mobility = prefixes = 0
    for found in extensions:
        if isinstance(found, MobilityAgentAdvertisement):
            mobility += 1
        elif isinstance(found, PrefixLengths):
            prefixes += 1
            if len(found.lengths) != len(routers):
                raise bad_length(
                    found.type, len(found.lengths), found.offset, f"the {len(routers)} of Num Addrs"
                )
        if mobility > 1 or prefixes > 1:
            raise WireError(
                Reason.BAD_VALUE, found.offset, f"second extension {found.type} at byte {found.offset}"
            )
    if not mobility:
        raise WireError(Reason.NOT_AN_AGENT, 0, "router advertisement without mobility extension")
    if code not in (CODE_COMMON_TRAFFIC, CODE_MOBILE_NODES_ONLY):
        raise WireError(Reason.BAD_VALUE, 1, f"agent advertisement has code {code}, not 0 or 16")


def build_icmp(message: AgentAdvertisement | AgentSolicitation) -> bytes:
    """ICMP payload with its checksum.

    :raises ValueError: the message breaks a rule of RFC 5944 s2.1, or a value does not fit its field.
    """
    try:
        if isinstance(message, AgentSolicitation):
            return sealed(_SOLICITATION.pack(message.type, 0, 0, message.reserved) + message.rest)
        _check(message.code, message.router_addresses, message.extensions)
        fixed = write_router_advertisement(
            message.code, message.lifetime, message.entry_words, message.router_addresses
        )
        return sealed(fixed + encode_all(message.extensions))
    except (struct.error, WireError) as error:
        raise ValueError(str(error)) from None
