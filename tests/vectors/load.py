"""Known-answer vectors: bytes written by hand from the drawings in the RFCs, and what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from mobileip.control import wire
from mobileip.control.types import Identification, Lifetime, Spi

HERE = Path(__file__).parent


def vectors(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((HERE / f"{name}.json").read_text())
    return loaded


def octets(digits: str | list[str]) -> bytes:
    return bytes.fromhex("".join(digits))


def message(described: Mapping[str, Any]) -> Any:
    """The message object that a vector describes."""
    ((kind, said),) = described.items()
    if kind == "solicitation":
        return wire.AgentSolicitation(said["reserved"], bytes.fromhex(said["rest"]))
    extensions = tuple(_extension(*entry) for entry in said["extensions"])
    if kind == "advertisement":
        routers = tuple(
            wire.RouterAddress(IPv4Address(address), preference, bytes.fromhex(rest))
            for address, preference, rest in said["router_addresses"]
        )
        return wire.AgentAdvertisement(
            lifetime=said["lifetime"],
            extensions=extensions,
            router_addresses=routers,
            code=said["code"],
            entry_words=said["entry_words"],
        )
    common: dict[str, Any] = {
        "lifetime": Lifetime(said["lifetime"]),
        "home_address": IPv4Address(said["home_address"]),
        "home_agent": IPv4Address(said["home_agent"]),
        "identification": Identification(*[int(half, 16) for half in said["identification"]]),
        "extensions": extensions,
    }
    if kind == "reply":
        return wire.RegistrationReply(code=said["code"], **common)
    flags = wire.RequestFlags(**dict.fromkeys(said["flags"], True))
    return wire.RegistrationRequest(
        care_of_address=IPv4Address(said["care_of_address"]), flags=flags, **common
    )


def offsets(described: Mapping[str, Any]) -> list[int]:
    (said,) = described.values()
    return [offset for _, _, offset in said.get("extensions", [])]


def _extension(kind: str, said: Mapping[str, Any], offset: int) -> Any:
    made = dict(said)
    for name in ("authenticator", "data"):
        if name in made:
            made[name] = bytes.fromhex(made[name])
    if "spi" in made:
        made["spi"] = Spi(made["spi"])
    if kind == "DynamicHomeAgent":
        made |= {"use": wire.DynamicHomeAgentUse(made["use"]), "address": IPv4Address(made["address"])}
    if kind == "PrefixLengths":
        made["lengths"] = tuple(made["lengths"])
    if kind == "MobilityAgentAdvertisement":
        made["care_of_addresses"] = tuple(map(IPv4Address, made["care_of_addresses"]))
        made["registration_lifetime"] = Lifetime(made["registration_lifetime"])
        flags: dict[str, Any] = dict.fromkeys(made["flags"], True)
        made["flags"] = wire.AgentFlags(**flags, undefined=made.pop("undefined", 0))
    return getattr(wire, kind)(**made, offset=offset)
