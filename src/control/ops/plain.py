"""Values of the protocol as plain ones (text, numbers, lists) for logs and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Final

from mobileip.control.reasons import Reason
from mobileip.control.security.secret import Secret
from mobileip.control.types import EncapsulationType, Endpoint, Identification, Lifetime

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

_ALREADY_PLAIN: Final = frozenset((str, int, float, bool, type(None)))
_LINK_ADDRESS: Final = 6  # bytes


def plain(value: object) -> Plain:
    """``value`` as JSON knows it. Addresses are text, bytes hexadecimal, link-layer addresses with colons.

    ``TypeError`` for anything unforeseen: an unknown type might show what must not be shown.
    """
    kind = type(value)
    if kind is IPv4Address:  # most values by far are of these few types
        return str(value)
    if kind in _ALREADY_PLAIN:
        return value  # type: ignore[return-value]
    match value:
        case Secret():
            return str(value)
        case Reason():
            return value.label
        case EncapsulationType():  # tunnels are known by name
            return str(value)
        case Enum() if not isinstance(
            value, int
        ):  # an IntEnum is a number of the standard: a code, a protocol
            return plain(value.value) if isinstance(value.value, str) else value.name.lower()
        case Lifetime() if value.is_infinite:
            return "infinite"
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case float():
            return value
        case IPv4Interface() | IPv4Address() | IPv4Network() | Endpoint() | Path():
            return str(value)
        case bytes():
            return value.hex(":") if len(value) == _LINK_ADDRESS else value.hex()
        case Identification():
            return f"{value.high:08x}.{value.low:08x}"
        case BaseException():
            return str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain(getattr(value, entry.name)) for entry in fields(value)}
    raise TypeError(f"{type(value).__name__} has no plain form")
