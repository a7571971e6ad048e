"""Second opinions: tshark's dissector on everything it knows, scapy on fixed parts and checksums."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.wire import (
    AgentSolicitation,
    Authentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
    parse,
    parse_icmp,
)
from tests.judges import need
from tests.vectors.load import octets, vectors

REGISTRATION, ADVERTISEMENT = vectors("registration"), vectors("advertisement")
# Where tshark 4.0 goes its own way and the RFCs are on our side: it expects a length after one-byte padding,
# knows the dynamic HA extension in the short format only and the multipath extension not at all, and takes
# every router address entry for two words. Fixed parts are compared all the same.
UNLIKE_TSHARK = (
    "dynamic HA extension in the long format",
    "multipath extension",
    "router address entries of three",
)


def capture(path: Path) -> None:
    """All vectors as raw IPv4 packets (link type 101), in order."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for vector in REGISTRATION:
            datagram = octets(vector["hex"])
            body = struct.pack("!HHHH", 40000, 434, 8 + len(datagram), 0) + datagram
            file.write(record(17, body))
        for vector in ADVERTISEMENT:
            file.write(record(1, octets(vector["hex"])))


def record(protocol: int, body: bytes) -> bytes:
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(body),
        0,
        0,
        64,
        protocol,
        0,
        b"\xc6\x33\x64\x05",
        b"\xc6\x33\x64\x01",
    )
    return struct.pack("<IIII", 1_795_503_600, 0, 20 + len(body), 20 + len(body)) + header + body


@pytest.fixture(scope="module")
def dissected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Per vector, every field of tshark's as a list of its values, flattened over the layers."""
    need("tshark")
    file = tmp_path_factory.mktemp("tshark") / "vectors.pcap"
    capture(file)
    shown = subprocess.run(
        ["tshark", "-n", "-r", str(file), "-T", "json", "--no-duplicate-keys"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    packets = json.loads(shown)
    assert len(packets) == len(REGISTRATION) + len(ADVERTISEMENT)
    return [flat(packet["_source"]["layers"]) for packet in packets]


def flat(layer: Any, into: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
    into = {} if into is None else into
    for name, value in layer.items():
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict):
                flat(entry, into)
            else:
                into.setdefault(name, []).append(entry)
    return into


def number(text: str) -> int:
    return int(text, 0)


@pytest.mark.parametrize("index", range(len(REGISTRATION)), ids=lambda index: REGISTRATION[index]["name"])
def test_tshark_agrees_on_registration(index: int, dissected: list[dict[str, Any]]) -> None:
    message, said = parse(octets(REGISTRATION[index]["hex"])), dissected[index]
    assert number(said["mip.type"][0]) == message.type
    assert number(said["mip.life"][0]) == message.lifetime
    assert said["mip.homeaddr"] == [str(message.home_address)]
    assert said["mip.haaddr"] == [str(message.home_agent)]
    if isinstance(message, RegistrationReply):
        assert number(said["mip.code"][0]) == message.code
    else:
        assert said["mip.coa"] == [str(message.care_of_address)]
        flags = message.flags
        ours = (flags.simultaneous, flags.broadcast, flags.decapsulation_by_mn, flags.minimal, flags.gre)
        theirs = [said[f"mip.{letter}"][0] for letter in "sbdmg"]
        assert [text in ("1", True) for text in theirs] == list(ours)
        assert (said["mip.v"][0] in ("1", True)) is flags.reserved
        assert (said["mip.t"][0] in ("1", True)) is flags.reverse_tunnel
        assert (said["mip.x"][0] in ("1", True)) is flags.reserved_x
    if REGISTRATION[index]["name"].startswith(UNLIKE_TSHARK):
        return
    kinds = [number(text) for text in said.get("mip.ext.type", [])]
    assert kinds == [extension.type for extension in message.extensions]
    authentications = [found for found in message.extensions if isinstance(found, Authentication)]
    assert [number(text) for text in said.get("mip.auth.spi", [])] == [found.spi for found in authentications]
    assert [text.replace(":", "") for text in said.get("mip.auth.auth", [])] == [
        found.authenticator.hex() for found in authentications
    ]
    nais = [found.nai for found in message.extensions if isinstance(found, NetworkAccessIdentifier)]
    assert said.get("mip.nai", []) == nais


@pytest.mark.parametrize("index", range(len(ADVERTISEMENT)), ids=lambda index: ADVERTISEMENT[index]["name"])
def test_tshark_agrees_on_router_discovery(index: int, dissected: list[dict[str, Any]]) -> None:
    message, said = parse_icmp(octets(ADVERTISEMENT[index]["hex"])), dissected[len(REGISTRATION) + index]
    assert number(said["icmp.type"][0]) == message.type
    assert said["icmp.checksum.status"] == ["1"]
    if isinstance(message, AgentSolicitation):
        return
    assert number(said["icmp.num_addrs"][0]) == len(message.router_addresses)
    assert number(said["icmp.addr_entry_size"][0]) == message.entry_words
    assert number(said["icmp.lifetime"][0]) == message.lifetime
    if ADVERTISEMENT[index]["name"].startswith(UNLIKE_TSHARK):
        return
    mobility = message.mobility
    assert number(said["icmp.mip.seq"][0]) == mobility.sequence
    assert number(said["icmp.mip.life"][0]) == mobility.registration_lifetime
    assert said.get("icmp.mip.coa", []) == [str(address) for address in mobility.care_of_addresses]
    assert [number(text) for text in said["icmp.mip.type"]] == [found.type for found in message.extensions]
    flags = mobility.flags
    ours = {
        "r": flags.registration_required,
        "b": flags.busy,
        "h": flags.home_agent,
        "f": flags.foreign_agent,
        "m": flags.minimal,
        "g": flags.gre,
        "v": flags.reserved,
        "rt": flags.reverse_tunnel,
        "u": flags.udp_tunnel,
        "x": flags.revocation,
    }
    assert {letter: said[f"icmp.mip.{letter}"][0] in ("1", True) for letter in ours} == ours
    if message.prefix_lengths is not None:
        assert [number(text) for text in said["icmp.mip.prefixlength"]] == list(message.prefix_lengths)


@pytest.mark.parametrize("vector", REGISTRATION, ids=lambda vector: vector["name"])
def test_scapy_agrees_on_the_fixed_part(vector: dict[str, Any]) -> None:
    from scapy.layers.mobileip import MobileIP, MobileIPRRP, MobileIPRRQ

    datagram = octets(vector["hex"])
    message = parse(datagram)
    theirs = MobileIP(datagram)
    assert theirs.type == message.type
    inner = theirs[MobileIPRRQ if isinstance(message, RegistrationRequest) else MobileIPRRP]
    assert (inner.lifetime, inner.homeaddr) == (message.lifetime, str(message.home_address))
    assert (inner.haaddr, inner.id) == (str(message.home_agent), message.identification.to_int())
    if isinstance(message, RegistrationRequest):
        assert (inner.coaddr, int(inner.flags)) == (str(message.care_of_address), int(message.flags))
    else:
        assert inner.code == message.code


@pytest.mark.parametrize("vector", ADVERTISEMENT, ids=lambda vector: vector["name"])
def test_scapy_agrees_on_the_checksum(vector: dict[str, Any]) -> None:
    from scapy.utils import checksum

    payload = octets(vector["hex"])
    assert checksum(payload) == 0
