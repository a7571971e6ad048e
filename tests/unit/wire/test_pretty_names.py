"""Names of extensions, held against IANA's two registries (mobileip-numbers)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address

import pytest

from mobileip.control.types import Lifetime, Spi
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentFlags,
    DynamicHomeAgent,
    DynamicHomeAgentUse,
    ForeignAgentError,
    ForeignHomeAuthentication,
    GreKey,
    MobilityAgentAdvertisement,
    NetworkAccessIdentifier,
    Padding,
    PrefixLengths,
    RegistrationReply,
    RegistrationRequest,
    UnknownExtension,
    parse,
    pretty,
)
from tests.unit.core.factory import request

BARE = parse(request())
OURS = (
    Padding(),
    ForeignHomeAuthentication(Spi(256), bytes(16)),
    ForeignAgentError(64),
    GreKey(1),
    DynamicHomeAgent(DynamicHomeAgentUse.REQUESTED, IPv4Address("192.0.2.1")),
    NetworkAccessIdentifier("a"),
)
REGISTRATION = {
    0: "One-byte Padding",
    34: "Foreign-Home Authentication",
    45: "FA Error Extension",
    48: "GRE Key Extension",
    129: "SKIP Firewall Traversal Extension",
    130: "Encapsulating Delivery Style Extension",
    131: "Mobile Node NAI",
    132: "MN-FA Challenge Extension",
    134: "Normal Vendor/Organization Specific Extension (NVSE)",
    136: "NAI Carrying Extension",
    137: "Revocation Support",
    138: "Generalized Link Layer Address Registration Extension",
    139: "Dynamic HA Extension",
    140: "Hierarchical Foreign Agent Extension",
    141: "Replay Protection Style",
    142: "Regional Registration Lifetime Extension",
    144: "UDP Tunnel Request Extension",
    145: "Message String Extension",
    147: "PMIPv4 Skippable Extension",
    148: "Mobile Network Extension",
    149: "Trusted Networks Configured (TNC) Extension",
    151: "Service Selection Extension",
    152: "Dual Stack (DSMIPv4) Extension",
    153: "Mobile Router Route Optimization Indication",
    154: "Multipath-Extension",
    255: "Skippable Extension for Experimental use",
}
ADVERTISEMENT = {
    0: "One-byte Padding (encoded with no Length nor Data field)",
    16: "Mobility Agent Advertisement",
    19: "Prefix-Lengths",
    136: "NAI Carrying Extension",
    137: "CARD MN-AR signature option",
    138: "CARD Request option",
    139: "CARD Reply option",
    140: "Generalized Link Layer Address Advertisement Extension",
    255: "Skippable Adv. Extension for Experimental use",
}


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def named(extensions: Sequence[object], message: RegistrationRequest | AgentAdvertisement) -> dict[int, str]:
    rows = pretty.fields(message)["extensions"]
    assert isinstance(rows, list) and len(rows) == len(extensions)
    return {row["type"]: row["name"] for row in rows}


def check(names: dict[int, str], registry: dict[int, str]) -> None:
    for number, name in names.items():
        if number in registry:
            assert words(name) <= words(registry[number]), number
        else:
            assert name == "unassigned", number


def test_registration_extensions() -> None:
    assert isinstance(BARE, RegistrationRequest)
    known = {one.type for one in OURS}
    extensions = (*OURS, *(UnknownExtension(kind, b"") for kind in range(128, 256) if kind not in known))
    message = RegistrationRequest(
        BARE.home_address, BARE.home_agent, BARE.care_of_address, BARE.identification, BARE.lifetime,
        extensions=extensions,
    )  # fmt: skip
    check(named(extensions, message), REGISTRATION)


def test_advertisement_extensions() -> None:

    mobility = MobilityAgentAdvertisement(1, Lifetime(60), AgentFlags(home_agent=True))
    extensions = (
        mobility,
        Padding(),
        PrefixLengths(()),
        *(UnknownExtension(kind, b"") for kind in range(128, 256)),
    )
    check(named(extensions, AgentAdvertisement(3, extensions)), ADVERTISEMENT)


@pytest.mark.parametrize(
    ("nai", "shown"), [("a\x1bb@c", r"a\x1bb@c"), ("\n@\u202e", r"\n@\u202e"), ("ä@c", "ä@c")]
)
def test_a_name_cannot_do_anything_to_a_terminal(nai: str, shown: str) -> None:
    assert isinstance(BARE, RegistrationRequest)
    message = RegistrationReply(
        0,
        BARE.lifetime,
        BARE.home_address,
        BARE.home_agent,
        BARE.identification,
        (NetworkAccessIdentifier(nai),),
    )
    (row,) = pretty.fields(message)["extensions"]  # type: ignore[misc]
    assert row["nai"] == shown
