"""The kinds of value in a configuration file: each turns what TOML gives into the type the daemon uses.

Every refusal is a ``ValueError`` that says what is allowed; :mod:`~mobileip.control.config.load` puts the key
path and the value that was given in front of it. Nothing is converted silently: ``"5"`` is no number, ``1``
is no boolean.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import PlainValidator

from mobileip.control.security.association import Algorithm, ReplayMethod
from mobileip.control.security.secret import KEY_LENGTHS, Secret
from mobileip.control.types import EncapsulationType, Lifetime, Spi, is_unicast

FIRST_SPI: Final = 256  # RFC 5944 s1.6: 0-255 are reserved
LONGEST_FINITE_LIFETIME: Final = 0xFFFE  # RFC 5944 s3.3
LONGEST_NAI: Final = 255  # bytes; the Length of extension 131 (RFC 2794 s2)
LONGEST_SECRET: Final = 128
LONGEST_SHORT_TEXT: Final = 64
LONGEST_SOCKET_PATH: Final = 107  # bytes; sockaddr_un has 108 with the terminating zero
LONGEST_INTERFACE_NAME: Final = 15  # IFNAMSIZ - 1

_LOOPBACK: Final = IPv4Network("127.0.0.0/8")
_NO_HOSTS_OF_LOOPBACK: Final = (_LOOPBACK.network_address, _LOOPBACK.broadcast_address)

Converter = Callable[[Any], Any]


def integer(lowest: int, highest: int, unit: str = "", note: str = "") -> PlainValidator:
    """A whole number in a closed range."""
    allowed = _sentence(f"must be a whole number from {lowest} to {highest}", unit, note)

    def convert(value: object) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise ValueError(allowed)
        return value

    return PlainValidator(convert)


def number(lowest: float, highest: float, unit: str = "", note: str = "") -> PlainValidator:
    """A number in a closed range, as float; NaN and infinities are outside every range."""
    allowed = _sentence(f"must be a number from {lowest:g} to {highest:g}", unit, note)

    def convert(value: object) -> float:
        if type(value) not in (int, float) or not lowest <= value <= highest:  # type: ignore[operator]
            raise ValueError(allowed)
        return float(value)  # type: ignore[arg-type]

    return PlainValidator(convert)


def choice(*allowed: str) -> PlainValidator:
    """One of a few words."""
    sentence = "must be " + _alternatives([f'"{word}"' for word in allowed])

    def convert(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(sentence)
        return value

    return PlainValidator(convert)


def _sentence(allowed: str, unit: str, note: str) -> str:
    return allowed + (f" {unit}" if unit else "") + (f" ({note})" if note else "")


def _alternatives(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false, without quotes")
    return value


def _text(value: object, sentence: str) -> str:
    if not isinstance(value, str):
        raise ValueError(sentence)
    return value


def _address(value: object) -> IPv4Address:
    sentence = 'must be the IPv4 address of a host, in quotes, such as "192.0.2.1"'
    try:
        address = IPv4Address(_text(value, sentence))
    except ValueError:
        raise ValueError(sentence) from None
    if not is_unicast(address):
        raise ValueError(f"{sentence}; not a loopback, multicast, unspecified or reserved one")
    return address


def _server_address(value: object) -> IPv4Address:
    sentence = 'must be the IPv4 address of a host, or of this one: "127.0.0.1", in quotes'
    try:
        address = IPv4Address(_text(value, sentence))
    except ValueError:
        raise ValueError(sentence) from None
    if not (is_unicast(address) or address in _LOOPBACK) or address in _NO_HOSTS_OF_LOOPBACK:
        raise ValueError(f"{sentence}; not a multicast, broadcast, unspecified or reserved one")
    return address


def _network(value: object) -> IPv4Network:
    sentence = 'must be an IPv4 prefix, in quotes, such as "10.1.0.0/24"'
    text = _text(value, sentence)
    if "/" not in text:
        raise ValueError(f"{sentence}: the length after the slash is missing")
    try:
        interface = IPv4Interface(text)
    except ValueError:
        raise ValueError(sentence) from None
    if interface.ip != interface.network.network_address:
        raise ValueError(f'has bits set behind the prefix length; meant is perhaps "{interface.network}"')
    if not is_unicast(interface.ip) or interface.network.prefixlen == 0:
        raise ValueError(f"{sentence}; not a loopback, multicast or default one")
    return interface.network


def _address_or_network(value: object) -> IPv4Network:
    sentence = 'must be an IPv4 address or prefix, in quotes, such as "10.1.0.5" or "10.1.0.0/24"'
    text = _text(value, sentence)
    if "/" in text:
        return _network(text)
    try:
        return IPv4Network(_address(text))
    except ValueError:
        raise ValueError(sentence) from None


def _interface_address(value: object) -> IPv4Interface:
    sentence = 'must be an IPv4 address with the length of its prefix, in quotes, such as "10.1.0.5/24"'
    text = _text(value, sentence)
    if "/" not in text:
        raise ValueError(f'{sentence}; "/32" if the home network is virtual')
    try:
        interface = IPv4Interface(text)
    except ValueError:
        raise ValueError(sentence) from None
    if not is_unicast(interface.ip) or interface.network.prefixlen == 0:
        raise ValueError(f"{sentence}; not a loopback, multicast, unspecified or reserved one")
    return interface


def _interface_name(value: object) -> str:
    sentence = f"must be the name of a network interface, 1 to {LONGEST_INTERFACE_NAME} characters"
    name = _text(value, sentence)
    # The kernel's own rule, dev_valid_name(); and no per cent sign, for which it would put a number.
    if not re.fullmatch(rf"[^/:\s%\x00]{{1,{LONGEST_INTERFACE_NAME}}}", name) or name in (".", ".."):
        raise ValueError(f"{sentence}, none of them a blank, '/', ':' or '%'")
    return name


def _daemon_name(value: object) -> str:
    sentence = "must be 1 to 32 letters, digits, '-', '_' or '.', the first a letter or digit"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", _text(value, sentence)):
        raise ValueError(sentence)
    return str(value)


def _group_name(value: object) -> str:
    sentence = "must be the name of a group: letters, digits, '-', '_' or '.', at most 32"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9._-]{0,31}", _text(value, sentence)):
        raise ValueError(sentence)
    return str(value)


def _absolute_path(value: object) -> Path:
    sentence = "must be an absolute path, in quotes"
    text = _text(value, sentence)
    if not text.startswith("/") or "\x00" in text:
        raise ValueError(sentence)
    return Path(text)


def _socket_path(value: object) -> Path:
    path = _absolute_path(value)
    if len(bytes(path)) > LONGEST_SOCKET_PATH:
        raise ValueError(f"must be at most {LONGEST_SOCKET_PATH} bytes long, as every path of a socket")
    return path


def _lifetime(value: object) -> Lifetime:
    if value == "infinite":
        return Lifetime(Lifetime.INFINITE)
    if type(value) is not int or not 1 <= value <= LONGEST_FINITE_LIFETIME:
        raise ValueError(f'must be a whole number from 1 to {LONGEST_FINITE_LIFETIME} s, or "infinite"')
    return Lifetime(value)


def _spi(value: object) -> Spi:
    if type(value) is not int or not FIRST_SPI <= value <= 0xFFFF_FFFF:
        raise ValueError(
            f"must be a whole number from {FIRST_SPI} to {0xFFFF_FFFF} (0 to 255 are reserved, RFC 5944 s1.6)"
        )
    return Spi(value)


def parse_key(value: object) -> Secret:
    """A shared key from hexadecimal digits; blanks, line ends and colons between them do not count.

    A :class:`Secret` (read from a key file before) passes. ``ValueError`` never repeats what was given.
    """
    if isinstance(value, Secret):
        return value
    sentence = (
        f"must be {KEY_LENGTHS[0]} to {KEY_LENGTHS[-1]} bytes as hexadecimal digits, in quotes;"
        " 16 random ones: openssl rand -hex 16"
    )
    try:
        key = bytes.fromhex(re.sub(r"[\s:]", "", _text(value, sentence)))
    except ValueError:
        raise ValueError(sentence) from None
    if len(key) not in KEY_LENGTHS:
        raise ValueError(f"{sentence}; here are {len(key)}")
    return Secret(key)


def parse_secret(value: object) -> Secret:
    """What an AAA server and we share: a text. ``ValueError`` never repeats what was given."""
    if isinstance(value, Secret):
        return value
    sentence = f"must be a text of 1 to {LONGEST_SECRET} characters, in quotes, without line ends"
    text = _text(value, sentence)
    if not 1 <= len(text) <= LONGEST_SECRET or not text.isprintable():
        raise ValueError(sentence)
    return Secret(text.encode())


def _short_text(value: object) -> str:
    sentence = f"must be a text of 1 to {LONGEST_SHORT_TEXT} characters, in quotes"
    text = _text(value, sentence)
    if not 1 <= len(text.encode()) <= LONGEST_SHORT_TEXT or not text.isprintable():
        raise ValueError(sentence)
    return text


def _algorithm(value: object) -> Algorithm:
    words = [algorithm.value for algorithm in Algorithm]
    if value not in words:
        raise ValueError("must be " + _alternatives([f'"{word}"' for word in words]))
    return Algorithm(str(value))


def _replay(value: object) -> ReplayMethod:
    words = [method.value for method in ReplayMethod]
    if value not in words:
        raise ValueError("must be " + _alternatives([f'"{word}"' for word in words]))
    return ReplayMethod(value)


def _encapsulation(*allowed: EncapsulationType) -> PlainValidator:
    kinds = {str(kind): kind for kind in allowed}
    sentence = "must be " + _alternatives([f'"{word}"' for word in kinds])

    def convert(value: object) -> EncapsulationType:
        if not isinstance(value, str) or value not in kinds:
            raise ValueError(sentence)
        return kinds[value]

    return PlainValidator(convert)


def parse_nai(value: object) -> str:
    """A Network Access Identifier, or ``*@realm`` (RFC 2794)."""
    sentence = (
        'must be a Network Access Identifier, in quotes, such as "user@example.net",'
        ' or "*@example.net" for every user of a realm'
    )
    text = _text(value, sentence)
    user, at, realm = text.rpartition("@")
    name = user if at else realm
    if not 1 <= len(text.encode()) <= LONGEST_NAI or re.search(r"[\x00-\x20\x7f-\x9f]", text):
        raise ValueError(f"{sentence}; at most {LONGEST_NAI} bytes, without blanks")
    if not name or (at and not realm) or ("*" in name and (name != "*" or not at)):
        raise ValueError(sentence)
    return text


Boolean = Annotated[bool, PlainValidator(_boolean)]
Address = Annotated[IPv4Address, PlainValidator(_address)]
ServerAddress = Annotated[IPv4Address, PlainValidator(_server_address)]
Network = Annotated[IPv4Network, PlainValidator(_network)]
AddressOrNetwork = Annotated[IPv4Network, PlainValidator(_address_or_network)]
InterfaceAddress = Annotated[IPv4Interface, PlainValidator(_interface_address)]
InterfaceName = Annotated[str, PlainValidator(_interface_name)]
GroupName = Annotated[str, PlainValidator(_group_name)]
DaemonName = Annotated[str, PlainValidator(_daemon_name)]
AbsolutePath = Annotated[Path, PlainValidator(_absolute_path)]
SocketPath = Annotated[Path, PlainValidator(_socket_path)]
RegistrationLifetime = Annotated[Lifetime, PlainValidator(_lifetime)]
SpiValue = Annotated[Spi, PlainValidator(_spi)]
Key = Annotated[Secret, PlainValidator(parse_key)]
SharedSecret = Annotated[Secret, PlainValidator(parse_secret)]
ShortText = Annotated[str, PlainValidator(_short_text)]
AlgorithmName = Annotated[Algorithm, PlainValidator(_algorithm)]
ReplayName = Annotated[ReplayMethod, PlainValidator(_replay)]
Nai = Annotated[str, PlainValidator(parse_nai)]
Alternative = Annotated[EncapsulationType, _encapsulation(EncapsulationType.GRE, EncapsulationType.MINIMAL)]
AnyEncapsulation = Annotated[
    EncapsulationType,
    _encapsulation(EncapsulationType.GRE, EncapsulationType.MINIMAL, EncapsulationType.IPIP),
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"], choice("debug", "info", "warning", "error")
]
FilterAction = Annotated[Literal["allow", "deny"], choice("allow", "deny")]
Underlay = Annotated[Literal["auto", "raw", "packet", "xdp"], choice("auto", "raw", "packet", "xdp")]
LogFormat = Annotated[Literal["text", "json"], choice("text", "json")]
HomeReverseTunnel = Annotated[
    Literal["optional", "required", "forbidden"], choice("optional", "required", "forbidden")
]
MulticastWayName = Annotated[Literal["none", "local", "tunnel"], choice("none", "local", "tunnel")]
AdvertisementDestination = Annotated[Literal["multicast", "broadcast"], choice("multicast", "broadcast")]
ForeignReverseTunnel = Annotated[
    Literal["optional", "required", "unavailable"], choice("optional", "required", "unavailable")
]
