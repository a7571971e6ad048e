"""TACACS+ authorization packets (RFC 8907 s4, s6): bytes of a request, and what a reply says. Opens nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from mobileip.control.aaa.avpairs import Read, Unsaid, read
from mobileip.control.security import Secret

HEADER_LENGTH: Final = 12
LONGEST_BODY: Final = 1 << 16  # s4.1, recommended
SERVICE: Final = "service=mobileip"
_HEADER: Final = Struct("!BBBBII")
_VERSION: Final = 0xC0  # major 0xc, minor default
_AUTHORIZATION: Final = 2
_REQUEST_NUMBER, _REPLY_NUMBER = 1, 2  # seq_no: a session of authorization is one request and one reply
_UNENCRYPTED, _SINGLE_CONNECT = 0x01, 0x04
_REQUEST: Final = Struct("!BBBBBBBB")
_REPLY: Final = Struct("!BBHH")
_METHOD_NONE: Final = 1  # authen_method: nobody authenticated the node yet; its key is what we ask for
_PRIVILEGE_USER: Final = 1
_NOT_SET: Final = 0  # authen_type and authen_service
_PORT: Final = b"mobileip"
_LONGEST: Final = 255  # bytes of each field
_MINUTE: Final = 60


class Status(IntEnum):
    """How a server decided (s6.2)."""

    PASS_ADD = 0x01
    PASS_REPL = 0x02
    FAIL = 0x10
    ERROR = 0x11
    FOLLOW = 0x21  # a redirection, which s10.5.5 has clients treat as FAIL


class BadPacket(Exception):
    """What came is no reply to what we asked, or another secret hides it; one clause that says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What all packets begin with (s4.1), of a reply to an authorization request."""

    session: int
    length: int
    single_connect: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """``message`` is for people; ``arguments`` are of the form ``name=value``, or ``name*value`` if optional."""

    status: Status
    arguments: tuple[str, ...]
    message: str


def request(session: int, secret: Secret, user: str) -> bytes:
    """An authorization request of service ``mobileip`` that offers single connection mode (s4.3).

    :raises ValueError: ``user`` does not fit.
    """
    name, argument = user.encode(), SERVICE.encode()
    if len(name) > _LONGEST:
        raise ValueError(f"a name of {len(name)} bytes does not fit: at most {_LONGEST}")
    fixed = _REQUEST.pack(_METHOD_NONE, _PRIVILEGE_USER, _NOT_SET, _NOT_SET, len(name), len(_PORT), 0, 1)
    body = fixed + bytes([len(argument)]) + name + _PORT + argument
    header = _HEADER.pack(_VERSION, _AUTHORIZATION, _REQUEST_NUMBER, _SINGLE_CONNECT, session, len(body))
    return header + obfuscated(body, session, secret, _VERSION, _REQUEST_NUMBER)


def obfuscated(body: bytes, session: int, secret: Secret, version: int, number: int) -> bytes:
    """``body`` under the pad of s4.5, and back again. It hides, and proves nothing: MD5 in counter-like use."""
    seed = session.to_bytes(4) + secret.reveal() + bytes([version, number])
    pad, block = b"", b""
    while len(pad) < len(body):
        block = hashlib.md5(seed + block).digest()
        pad += block
    return (int.from_bytes(body) ^ int.from_bytes(pad[: len(body)])).to_bytes(len(body))


def reply_header(data: bytes) -> Header:
    """:raises BadPacket: the packet that begins with these 12 bytes is no reply to an authorization request."""
    version, kind, number, flags, session, length = _HEADER.unpack(data)
    if version != _VERSION:
        raise BadPacket(f"its version is 0x{version:02x}, not 0x{_VERSION:02x}")
    if kind != _AUTHORIZATION or number != _REPLY_NUMBER:
        raise BadPacket(f"packet {number} of type {kind} is no reply to a request for authorization")
    if flags & _UNENCRYPTED:
        raise BadPacket(
            "it is not obfuscated"
        )  # s4.5: else whoever is on the path could do without the secret
    if length > LONGEST_BODY:
        raise BadPacket(f"it has {length} bytes, more than {LONGEST_BODY}")
    return Header(session, length, bool(flags & _SINGLE_CONNECT))


def reply(header: Header, body: bytes, secret: Secret) -> Reply:
    """What the body after ``header`` says.

    :raises BadPacket: its lengths do not add up (s4.5): nearly always because the secrets differ.
    """
    plain = obfuscated(body, header.session, secret, _VERSION, _REPLY_NUMBER)
    if len(plain) < _REPLY.size:
        raise BadPacket("its body is too short")
    status, count, message_length, data_length = _REPLY.unpack_from(plain)
    lengths = plain[_REPLY.size : _REPLY.size + count]
    start = _REPLY.size + count
    if start + message_length + data_length + sum(lengths) != len(plain) or len(lengths) != count:
        raise BadPacket("its lengths do not add up: the secrets differ")
    if status not in Status.__members__.values():
        raise BadPacket(f"it has the unknown status 0x{status:02x}")
    message = plain[start : start + message_length].decode("utf-8", "replace")
    return Reply(
        Status(status), tuple(_split(plain[start + message_length + data_length :], lengths)), message
    )


def _split(data: bytes, lengths: Iterable[int]) -> Iterable[str]:
    for length in lengths:
        yield data[:length].decode("utf-8", "replace")
        data = data[length:]


def associations(arguments: Sequence[str], unsaid: Unsaid) -> tuple[Read, float | None]:
    """The associations among the arguments of a reply, and for how many seconds they may be used.

    ``timeout`` is in minutes (s8.2). One argument that must be understood and is not spoils the whole (s6.1).
    """
    lifetime: float | None = None
    for number, argument in enumerate(arguments):
        name, separator, value = _parted(argument)
        if name == "timeout" and value.isascii() and value.isdecimal() and len(value) < 8:
            lifetime = _MINUTE * float(value) or None
        elif separator == "=" and not name.startswith("spi#") and argument != SERVICE:
            # Not the argument's name: what is mangled may have a key in it.
            return Read(refused=(f"argument {number} must be understood and is not (RFC 8907 s6.1)",)), None
    return read(arguments, unsaid), lifetime


def _parted(argument: str) -> tuple[str, str, str]:
    """Up to the first separator, it, and what is behind."""
    places = [place for place in (argument.find("="), argument.find("*")) if place >= 0]
    if not places:
        return argument, "", ""
    place = min(places)
    return argument[:place], argument[place], argument[place + 1 :]
