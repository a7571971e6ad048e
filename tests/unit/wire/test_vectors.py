"""Every codec against bytes written by hand, both ways, and every way to be refused."""

from __future__ import annotations

from typing import Any

import pytest

from mobileip.control.reasons import Reason
from mobileip.control.wire import WireError, build, build_icmp, parse, parse_icmp
from tests.vectors.load import message, octets, offsets, vectors

REASONS = {reason.label: reason for reason in Reason}


def named(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors(name), ids=lambda vector: vector["name"])


@named("registration")
def test_registration_message_is_parsed(vector: dict[str, Any]) -> None:
    datagram = octets(vector["hex"])
    parsed = parse(datagram)
    assert parsed == message(vector["message"])
    assert parsed.raw == datagram
    assert [extension.offset for extension in parsed.extensions] == offsets(vector["message"])


@pytest.mark.rfc("5944", "1.11", 1)
@named("registration")
def test_registration_message_is_built(vector: dict[str, Any]) -> None:
    assert build(message(vector["message"])).hex() == octets(vector["hex"]).hex()


@named("advertisement")
def test_router_discovery_message_is_parsed(vector: dict[str, Any]) -> None:
    parsed = parse_icmp(octets(vector["hex"]))
    assert parsed == message(vector["message"])
    assert [found.offset for found in getattr(parsed, "extensions", ())] == offsets(vector["message"])


@named("advertisement")
def test_router_discovery_message_is_built(vector: dict[str, Any]) -> None:
    assert build_icmp(message(vector["message"])).hex() == octets(vector["hex"]).hex()


@pytest.mark.rfc("5944", "1.6", 9)
@pytest.mark.rfc("5944", "1.11", 1)
@pytest.mark.rfc("5944", "2.1.1", 2, 4, 5, 6)
@pytest.mark.rfc("1256", "4.2", 1)
@pytest.mark.rfc("1256", "5.2", 1)
@named("hostile")
def test_hostile_bytes_are_refused_with_reason_and_place(vector: dict[str, Any]) -> None:
    read = {"udp": parse, "icmp": parse_icmp}[vector["layer"]]
    with pytest.raises(WireError) as caught:
        read(octets(vector["hex"]))
    assert (caught.value.reason, caught.value.offset) == (REASONS[vector["reason"]], vector["offset"])
    assert len(caught.value.args) == 1 and str(caught.value).count("\n") == 0


def test_every_reason_of_this_layer_is_met() -> None:
    wanted = {
        Reason.TRUNCATED,
        Reason.TRAILING_BYTES,
        Reason.UNKNOWN_MESSAGE_TYPE,
        Reason.UNKNOWN_EXTENSION,
        Reason.BAD_EXTENSION_LENGTH,
        Reason.BAD_VALUE,
        Reason.BAD_CHECKSUM,
        Reason.NOT_AN_AGENT,
    }
    assert {REASONS[vector["reason"]] for vector in vectors("hostile")} == wanted
