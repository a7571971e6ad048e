"""Messages as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mobileip.control.wire import (
    AgentAdvertisement,
    NetworkAccessIdentifier,
    RegistrationReply,
    parse,
    parse_icmp,
    pretty,
)
from tests.vectors.load import octets, vectors

BY_NAME = {
    vector["name"]: octets(vector["hex"]) for vector in vectors("registration") + vectors("advertisement")
}
REQUEST = BY_NAME["request through a foreign agent with every extension a mobile node may add"]
REPLY = BY_NAME["accepted reply that the foreign agent does not honour: FA error after the signed part"]
ADVERTISEMENT = BY_NAME["foreign agent on a link with one router and its prefix length"]


def test_tree_of_a_request() -> None:
    assert (
        pretty.tree(parse(REQUEST))
        == """\
registration request
  flags: broadcast, minimal, gre, reverse tunnel
  lifetime: 1800 s
  home address: 192.0.2.1
  home agent: 192.0.2.2
  care of address: 198.51.100.3
  identification: eeafb470.1f9aabcd
  identification as time: 2026-11-24 07:00:00.123453 UTC
  extension 131 at byte 24: mobile node NAI
    nai: user@realm1
  extension 32 at byte 37: mobile-home authentication
    spi: 256
    authenticator: 000102030405060708090a0b0c0d0e0f
  extension 130 at byte 59: encapsulating delivery style
  extension 33 at byte 61: mobile-foreign authentication
    spi: 4294967295
    authenticator: f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"""
    )


def test_tree_of_a_reply() -> None:
    assert (
        pretty.tree(parse(REPLY))
        == """\
registration reply
  code: 0
  code name: accepted
  lifetime: 300 s
  home address: 192.0.2.1
  home agent: 192.0.2.2
  identification: eeafb470.1f9aabcd
  identification as time: 2026-11-24 07:00:00.123453 UTC
  extension 32 at byte 20: mobile-home authentication
    spi: 256
    authenticator: 000102030405060708090a0b0c0d0e0f
  extension 45 at byte 42: FA error
    status: 68
    status name: fa-ha-failed-authentication
  extension 33 at byte 46: mobile-foreign authentication
    spi: 512
    authenticator: f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"""
    )


def test_tree_of_an_advertisement() -> None:
    assert (
        pretty.tree(parse_icmp(ADVERTISEMENT))
        == """\
agent advertisement
  code: 0
  advertisement lifetime: 3 s
  router addresses: 198.51.100.1
  preferences: 0
  extension 16 at byte 16: mobility agent advertisement
    sequence: 7
    registration lifetime: 1800 s
    flags: foreign agent, reverse tunnel
    care of addresses: 198.51.100.1
  extension 19 at byte 28: prefix lengths
    lengths: 24"""
    )


def test_lines() -> None:
    assert pretty.line(parse(REQUEST)) == (
        "registration request home 192.0.2.1 agent 192.0.2.2 care-of 198.51.100.3 lifetime 1800 s"
        " flags BMGT id eeafb470.1f9aabcd extensions 131,32,130,33"
    )
    assert pretty.line(parse(REPLY)) == (
        "registration reply code 0 (accepted) home 192.0.2.1 agent 192.0.2.2 lifetime 300 s"
        " id eeafb470.1f9aabcd extensions 32,45,33"
    )
    assert pretty.line(parse_icmp(ADVERTISEMENT)) == (
        "agent advertisement sequence 7 flags FT care-of 198.51.100.1 valid 3 s registration lifetime 1800 s"
    )
    assert pretty.line(parse_icmp(BY_NAME["solicitation"])) == "agent solicitation"


def test_infinity_is_said_only_where_it_is_meant() -> None:
    payload = BY_NAME["home agent that routes nothing else and advertises no router: code 16, Num Addrs 0"]
    message = parse_icmp(payload)
    assert isinstance(message, AgentAdvertisement)
    shown = pretty.tree(replace(message, lifetime=65535))
    assert "advertisement lifetime: 65535 s\n" in shown
    assert "registration lifetime: infinite\n" in shown
    assert "router addresses: none\n" in shown


def test_long_extension_shows_its_subtype() -> None:
    shown = pretty.tree(parse(BY_NAME["multipath extension, long format in the skippable range"]))
    assert "extension 154 at byte 24: multipath\n    subtype: 1\n    data: 01020300\n" in shown
    assert "extension 255 at byte 32: experimental\n    data: aa" in shown


def test_code_without_a_name() -> None:
    reply = parse(REPLY)
    assert isinstance(reply, RegistrationReply)
    assert "code 250 (unknown)" in pretty.line(replace(reply, code=250))
    assert "code 194 (fa-invalid-home-agent-address)" in pretty.line(replace(reply, code=194))


@pytest.mark.parametrize("trick", ["\u202euser", "user\u2028@realm", "a\u200bb"])
def test_text_from_the_network_is_escaped(trick: str) -> None:
    message = replace(parse(REQUEST), extensions=(NetworkAccessIdentifier(trick),))
    shown = pretty.tree(message)
    assert trick not in shown and "\\u20" in shown


@pytest.mark.parametrize("name", BY_NAME)
def test_fields_are_json_and_each_stands_in_the_tree(name: str) -> None:
    message: Any = (parse if BY_NAME[name][0] in (1, 3) else parse_icmp)(BY_NAME[name])
    described = pretty.fields(message)
    assert json.loads(json.dumps(described)) == described
    shown = pretty.tree(message)
    assert shown.startswith(str(described["type"]))
    for field in described.keys() - {"type", "extensions"}:
        assert f"\n  {field.removesuffix('_s').replace('_', ' ')}: " in shown
    assert shown.count("\n  extension ") == len(getattr(message, "extensions", ()))
