"""Registration Request and Reply (RFC 5944 s3.3, s3.4)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import ClassVar, Final, Self, TypeVar

from mobileip.control.reasons import ReplyCode
from mobileip.control.types import Identification, Lifetime
from mobileip.control.wire.authentication import (
    ForeignHomeAuthentication,
    MobileForeignAuthentication,
    MobileHomeAuthentication,
)
from mobileip.control.wire.challenge import MobileAaaAuthentication, MobileForeignChallenge
from mobileip.control.wire.codes import reply_code
from mobileip.control.wire.cursor import Cursor
from mobileip.control.wire.dynamic_home_agent import DynamicHomeAgent
from mobileip.control.wire.extensions import Encodable, ExtensionSpace, Padding, UnknownExtension, encode_all
from mobileip.control.wire.foreign_error import ForeignAgentError
from mobileip.control.wire.gre_key import GreKey
from mobileip.control.wire.nai import NetworkAccessIdentifier
from mobileip.control.wire.reverse import EncapsulatingDelivery

KnownExtension = (
    MobileHomeAuthentication
    | MobileForeignAuthentication
    | ForeignHomeAuthentication
    | NetworkAccessIdentifier
    | EncapsulatingDelivery
    | ForeignAgentError
    | GreKey
    | DynamicHomeAgent
    | MobileForeignChallenge
    | MobileAaaAuthentication
)
Extension = KnownExtension | Padding | UnknownExtension
X = TypeVar("X", bound=Encodable)

_DECODERS: Final[dict[int, Callable[[bytes, int], KnownExtension]]] = {
    MobileHomeAuthentication.type: MobileHomeAuthentication.decode,
    MobileForeignAuthentication.type: MobileForeignAuthentication.decode,
    ForeignHomeAuthentication.type: ForeignHomeAuthentication.decode,
    NetworkAccessIdentifier.type: NetworkAccessIdentifier.decode,
    EncapsulatingDelivery.type: EncapsulatingDelivery.decode,
    ForeignAgentError.type: ForeignAgentError.decode,
    MobileForeignChallenge.type: MobileForeignChallenge.decode,
}
_LONG_DECODERS: Final[dict[int, Callable[[int, bytes, int], KnownExtension]]] = {
    GreKey.type: GreKey.decode,
    MobileAaaAuthentication.type: MobileAaaAuthentication.decode,
}
REGISTRATION_EXTENSIONS: Final = ExtensionSpace(
    _DECODERS,
    long_marks={
        # Both are defined in the long format though their types are skippable; read as Type, Length they
        # would put us out of step. Dynamic HA (RFC 4433 s3.4) always holds one address.
        DynamicHomeAgent.type: (b"\x01\x00\x04", b"\x02\x00\x04"),
        # Multipath and Flow-Binding (RFC 7629 s4.1); none is longer than 255 bytes.
        154: (b"\x01\x00", b"\x02\x00"),
    },
    long_decoders=_LONG_DECODERS,
    marked_decoders={DynamicHomeAgent.type: DynamicHomeAgent.decode},
)

_REQUEST: Final = struct.Struct("!BBHIIIII")
_REPLY: Final = struct.Struct("!BBHIIII")


@dataclass(frozen=True, slots=True)
class RequestFlags:
    """The flag bits of a request, S B D M G r T x from the highest on (s3.3, RFC 3024 s3.2).

    ``reserved`` (r) and ``reserved_x`` (x) are sent as zero and ignored on reception.
    """

    simultaneous: bool = False
    broadcast: bool = False
    decapsulation_by_mn: bool = False
    minimal: bool = False
    gre: bool = False
    reserved: bool = False
    reverse_tunnel: bool = False
    reserved_x: bool = False

    @classmethod
    def from_int(cls, bits: int) -> Self:
        return cls(*[bool(bits & 0x80 >> place) for place in range(8)])

    def __int__(self) -> int:
        return (
            self.simultaneous << 7
            | self.broadcast << 6
            | self.decapsulation_by_mn << 5
            | self.minimal << 4
            | self.gre << 3
            | self.reserved << 2
            | self.reverse_tunnel << 1
            | self.reserved_x
        )


_FLAGS: Final = tuple(map(RequestFlags.from_int, range(256)))


class _Registration:
    """What a request and a reply can both be asked."""

    __slots__ = ()
    extensions: tuple[Extension, ...]

    def first(self, kind: type[X]) -> X | None:
        """The first extension of a class, in the order of the message."""
        for extension in self.extensions:
            if isinstance(extension, kind):
                return extension
        return None


@dataclass(frozen=True, slots=True)
class RegistrationRequest(_Registration):
    """A request (s3.3), type 1.

    ``raw`` is the datagram it was parsed from, empty when it was built here: authenticators cover bytes, not
    fields.
    """

    type: ClassVar[int] = 1
    home_address: IPv4Address
    home_agent: IPv4Address
    care_of_address: IPv4Address
    identification: Identification
    lifetime: Lifetime
    flags: RequestFlags = _FLAGS[0]
    extensions: tuple[Extension, ...] = ()
    raw: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RegistrationReply(_Registration):
    """A reply (s3.4), type 3. ``code`` is kept as it came; ``reply_code`` is ``None`` if we know no name."""

    type: ClassVar[int] = 3
    code: int
    lifetime: Lifetime
    home_address: IPv4Address
    home_agent: IPv4Address
    identification: Identification
    extensions: tuple[Extension, ...] = ()
    raw: bytes = field(default=b"", compare=False, repr=False)

    @property
    def reply_code(self) -> ReplyCode | None:
        return reply_code(self.code)


def parse_request(datagram: bytes) -> RegistrationRequest:
    cursor = Cursor(datagram)
    _, flags, lifetime, home, agent, care_of, high, low = cursor.fields(_REQUEST, "registration request")
    return RegistrationRequest(
        IPv4Address(home),
        IPv4Address(agent),
        IPv4Address(care_of),
        Identification(high, low),
        Lifetime(lifetime),
        _FLAGS[flags],
        REGISTRATION_EXTENSIONS.read(cursor),
        datagram,
    )


def parse_reply(datagram: bytes) -> RegistrationReply:
    cursor = Cursor(datagram)
    _, code, lifetime, home, agent, high, low = cursor.fields(_REPLY, "registration reply")
    return RegistrationReply(
        code,
        Lifetime(lifetime),
        IPv4Address(home),
        IPv4Address(agent),
        Identification(high, low),
        REGISTRATION_EXTENSIONS.read(cursor),
        datagram,
    )


def build_request(request: RegistrationRequest) -> bytes:
    fixed = _REQUEST.pack(
        request.type,
        int(request.flags),
        request.lifetime,
        int(request.home_address),
        int(request.home_agent),
        int(request.care_of_address),
        request.identification.high,
        request.identification.low,
    )
    return fixed + encode_all(request.extensions)


def build_reply(reply: RegistrationReply) -> bytes:
    fixed = _REPLY.pack(
        reply.type,
        reply.code,
        reply.lifetime,
        int(reply.home_address),
        int(reply.home_agent),
        reply.identification.high,
        reply.identification.low,
    )
    return fixed + encode_all(reply.extensions)
