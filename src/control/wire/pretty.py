"""Messages for people: ``line`` for logs, ``tree`` for the terminal, ``fields`` for JSON.

Authenticators are shown, keys never come here. Text that came from the network is escaped, so that nobody
writes to a terminal or a log in our name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from mobileip.control.reasons import ReplyCode
from mobileip.control.types import NANOSECONDS, Identification, Lifetime
from mobileip.control.wire import (
    AdvertisedChallenge,
    AdvertisementExtension,
    AgentAdvertisement,
    AgentFlags,
    AgentSolicitation,
    Authentication,
    DynamicHomeAgent,
    Extension,
    ForeignAgentError,
    GreKey,
    MobileAaaAuthentication,
    MobileForeignChallenge,
    MobilityAgentAdvertisement,
    NetworkAccessIdentifier,
    PrefixLengths,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    UnknownExtension,
)

AnyMessage = RegistrationRequest | RegistrationReply | AgentAdvertisement | AgentSolicitation

_FLAG_LETTERS: Final = {
    RequestFlags: {
        "simultaneous": "S",
        "broadcast": "B",
        "decapsulation_by_mn": "D",
        "minimal": "M",
        "gre": "G",
        "reserved": "r",
        "reverse_tunnel": "T",
        "reserved_x": "x",
    },
    AgentFlags: {
        "registration_required": "R",
        "busy": "B",
        "home_agent": "H",
        "foreign_agent": "F",
        "minimal": "M",
        "gre": "G",
        "reserved": "r",
        "reverse_tunnel": "T",
        "udp_tunnel": "U",
        "revocation": "X",
        "regional_registration": "I",
    },
}

# IANA, "Extensions appearing in Mobile IP control messages"; also those that we only pass on.
_REGISTRATION_NAMES: Final = {
    0: "padding",
    32: "mobile-home authentication",
    33: "mobile-foreign authentication",
    34: "foreign-home authentication",
    36: "generalized authentication",
    45: "FA error",
    48: "GRE key",
    129: "SKIP firewall traversal",
    130: "encapsulating delivery style",
    131: "mobile node NAI",
    132: "MN-FA challenge",
    134: "vendor-specific",
    136: "NAI carrying",
    137: "revocation support",
    138: "link-layer address",
    139: "dynamic HA",
    140: "hierarchical foreign agent",
    141: "replay protection style",
    142: "regional registration lifetime",
    144: "UDP tunnel request",
    145: "message string",
    147: "PMIPv4 skippable",
    148: "mobile network",
    149: "trusted networks configured",
    151: "service selection",
    152: "dual stack",
    153: "mobile router route optimization",
    154: "multipath",
    255: "experimental",
}
# IANA, "Extensions appearing in ICMP Router Discovery messages": another numbering space (RFC 5944 s1.8).
_ADVERTISEMENT_NAMES: Final = {
    0: "padding",
    16: "mobility agent advertisement",
    19: "prefix lengths",
    24: "challenge",
    136: "NAI carrying",
    137: "CARD signature",
    138: "CARD request",
    139: "CARD reply",
    140: "link-layer address",
    255: "experimental",
}


def fields(message: AnyMessage) -> dict[str, object]:
    """The message as values for JSON, in the order of the wire. Flags are the names of those that are set."""
    match message:
        case RegistrationRequest():
            return {
                "type": "registration request",
                "flags": flag_names(message.flags),
                "lifetime_s": int(message.lifetime),
                "home_address": str(message.home_address),
                "home_agent": str(message.home_agent),
                "care_of_address": str(message.care_of_address),
                **_identification(message.identification),
                "extensions": _extensions(message.extensions, _REGISTRATION_NAMES),
            }
        case RegistrationReply():
            return {
                "type": "registration reply",
                "code": message.code,
                "code_name": code_name(message.reply_code),
                "lifetime_s": int(message.lifetime),
                "home_address": str(message.home_address),
                "home_agent": str(message.home_agent),
                **_identification(message.identification),
                "extensions": _extensions(message.extensions, _REGISTRATION_NAMES),
            }
        case AgentAdvertisement():
            return {
                "type": "agent advertisement",
                "code": message.code,
                "advertisement_lifetime_s": message.lifetime,
                "router_addresses": [str(router.address) for router in message.router_addresses],
                "preferences": [router.preference for router in message.router_addresses],
                "extensions": _extensions(message.extensions, _ADVERTISEMENT_NAMES),
            }
        case AgentSolicitation():
            return {"type": "agent solicitation"}


def tree(message: AnyMessage) -> str:
    """The whole message, a field a line, what belongs to an extension indented under it; no final newline."""
    return layout(fields(message))


def layout(described: Mapping[str, object]) -> str:
    """The tree of something that is already described by :func:`fields`."""
    rest = dict(described)
    return "\n".join([str(rest.pop("type")), *_lines(rest, "  ")])


def line(message: AnyMessage) -> str:
    """One line for a log."""
    match message:
        case RegistrationRequest():
            return (
                f"registration request home {message.home_address} agent {message.home_agent}"
                f" care-of {message.care_of_address} lifetime {message.lifetime}"
                f" flags {_letters(message.flags)} id {_hex(message.identification)}"
                f" extensions {_types(message.extensions)}"
            )
        case RegistrationReply():
            return (
                f"registration reply code {message.code} ({code_name(message.reply_code)})"
                f" home {message.home_address} agent {message.home_agent} lifetime {message.lifetime}"
                f" id {_hex(message.identification)} extensions {_types(message.extensions)}"
            )
        case AgentAdvertisement():
            mobility = message.mobility
            return (
                f"agent advertisement sequence {mobility.sequence} flags {_letters(mobility.flags)}"
                f" care-of {','.join(map(str, mobility.care_of_addresses)) or '-'}"
                f" valid {message.lifetime} s registration lifetime {mobility.registration_lifetime}"
            )
        case AgentSolicitation():
            return "agent solicitation"


def code_name(code: ReplyCode | None) -> str:
    """``FA_LIFETIME_TOO_LONG`` as ``fa-lifetime-too-long``."""
    return "unknown" if code is None else code.name.lower().replace("_", "-")


def flag_names(flags: RequestFlags | AgentFlags) -> list[str]:
    """Names of the flags that are set, from the highest bit on."""
    return [name for name in _FLAG_LETTERS[type(flags)] if getattr(flags, name)]


def _letters(flags: RequestFlags | AgentFlags) -> str:
    letters = _FLAG_LETTERS[type(flags)]
    return "".join([letters[name] for name in flag_names(flags)]) or "-"


def _hex(identification: Identification) -> str:
    return f"{identification.high:08x}.{identification.low:08x}"


def _types(extensions: tuple[Extension, ...]) -> str:
    return ",".join([str(extension.type) for extension in extensions]) or "-"


def _identification(identification: Identification) -> dict[str, object]:
    """Both readings: the bytes do not say whether they are a time or a nonce (RFC 5944 s5.7)."""
    whole, rest = divmod(identification.to_wall(), NANOSECONDS)
    time = f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}.{rest // 1000:06} UTC"
    return {"identification": _hex(identification), "identification_as_time": time}


def _extensions(
    extensions: tuple[Extension, ...] | tuple[AdvertisementExtension, ...], names: Mapping[int, str]
) -> list[dict[str, object]]:
    return [
        {
            "type": extension.type,
            "name": names.get(extension.type, "unassigned"),
            "offset": extension.offset,
            **_details(extension),
        }
        for extension in extensions
    ]


def _details(extension: Extension | AdvertisementExtension) -> dict[str, object]:
    match extension:
        case Authentication() | MobileAaaAuthentication():
            return {"spi": int(extension.spi), "authenticator": extension.authenticator.hex()}
        case NetworkAccessIdentifier():
            return {"nai": "".join([c if c.isprintable() else ascii(c)[1:-1] for c in extension.nai])}
        case ForeignAgentError():
            return {"status": extension.status, "status_name": code_name(extension.reply_code)}
        case DynamicHomeAgent():
            return {"use": extension.use.name.lower(), "home_agent": str(extension.address)}
        case AdvertisedChallenge() | MobileForeignChallenge():
            return {"challenge": extension.challenge.hex()}
        case GreKey():
            return {"key": extension.key}
        case MobilityAgentAdvertisement():
            return {
                "sequence": extension.sequence,
                "registration_lifetime_s": int(extension.registration_lifetime),
                "flags": flag_names(extension.flags),
                "care_of_addresses": [str(address) for address in extension.care_of_addresses],
            }
        case PrefixLengths():
            return {"lengths": list(extension.lengths)}
        case UnknownExtension(subtype=None):
            return {"data": extension.data.hex()}
        case UnknownExtension():
            return {"subtype": extension.subtype, "data": extension.data.hex()}
        case _:
            return {}


def _lines(described: Mapping[str, object], indent: str) -> Iterator[str]:
    for name, value in described.items():
        if name == "extensions" and isinstance(value, list):
            for extension in value:
                inner = dict(extension)
                number, title, offset = inner.pop("type"), inner.pop("name"), inner.pop("offset")
                yield f"{indent}extension {number} at byte {offset}: {title}"
                yield from _lines(inner, indent + "  ")
        else:
            yield f"{indent}{_words(name.removesuffix('_s'))}: {_text(name, value)}"


def _text(name: str, value: object) -> str:
    if isinstance(value, list):
        return ", ".join([_words(str(entry)) for entry in value]) or "none"
    if name.endswith("lifetime_s") and isinstance(value, int):
        # The lifetime of the advertisement itself is RFC 1256's, where 0xffff is just a number.
        return f"{value} s" if name.startswith("advertisement") else str(Lifetime(value))
    return str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
