"""Challenges of the real foreign agent, read off the visited link by tshark (RFC 4721).

A hand-made node and a hand-made home agent play both ends; the recorded request is also played from the link-layer
address of somebody else.
"""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.lab.hosts import Sniffer
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import NODE_INTERFACE
from mobileip.control.lab.waiting import eventually
from mobileip.control.security import Secret, sign
from mobileip.control.security.mobile_aaa import MobileAaaAssociation
from mobileip.control.types import REGISTRATION_PORT, Lifetime, Spi
from mobileip.control.wire import (
    AdvertisedChallenge,
    AgentAdvertisement,
    ForeignAgentError,
    MobileForeignAuthentication,
    MobileForeignChallenge,
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    build,
    parse,
    parse_icmp,
)
from tests.netns.codes.tshark import needs_both
from tests.netns.foreign.visiting import (
    AGENT,
    HOME,
    HOME_AGENT,
    NODE_AGENT,
    NODE_HOME,
    NODE_KEY,
    End,
    identification,
    ip,
    link_address,
)

pytestmark = pytest.mark.netns

CODES = (104, 105, 106, 109)
"""That are seen here; tests/arch/test_codes.py sees that no code is missing."""
AAA = MobileAaaAssociation(Spi(2), Secret(b"the password of the node"))
SHARES_A_KEY = HOME + 1
ICMP, UDP = 1, 17
NODE, SOMEBODY = b"\x02\x00\x00\x00\x88\x01", b"\x02\x00\x00\x00\x88\x02"


@pytest.fixture
def lab(networks: Lab) -> Iterator[Lab]:
    agent = networks.foreign1
    agent.reset()
    agent.configuration["foreign_agent"] |= {
        "challenge": {"window": 2, "interval": 1.0},
        "nodes": [{"home_address": str(SHARES_A_KEY), "spi": NODE_AGENT.spi, "key": NODE_KEY}],
    }
    networks.start(agent, at="foreign1")
    yield networks
    agent.stop()


class Node:
    """On the visited link: hears what is told there, and asks from whatever link-layer address it likes."""

    def __init__(self, lab: Lab, sniffer: Sniffer) -> None:
        self._lab = lab
        self._sniffer = sniffer
        self._agent = bytes.fromhex(link_address(lab.foreign1.namespace).replace(":", ""))
        self._port = 6000
        self.seen: list[bytes] = []  # packets, for tshark

    def advertised(self, known: tuple[bytes, ...] = ()) -> bytes:
        """A challenge that is told to the link, none of ``known``."""

        def latest() -> tuple[bytes, bytes] | None:
            for packet in reversed(self._sniffer.look()):
                if packet[9] != ICMP or packet[20] != 9:
                    continue
                message = parse_icmp(packet[20:])
                assert isinstance(message, AgentAdvertisement)
                for one in message.extensions:
                    if isinstance(one, AdvertisedChallenge):
                        return packet, one.challenge
            return None

        found = eventually(
            latest,
            lambda heard: heard is not None and heard[1] not in known,
            what="an advertised challenge",
            explain=self._lab.foreign1.explain,
        )
        assert found is not None
        self.seen.append(found[0])
        return found[1]

    def ask(self, payload: bytes, source: bytes = NODE) -> None:
        """From a port of its own each time, by which the reply is known."""
        self._port += 1
        ports = struct.pack("!HHHH", self._port, REGISTRATION_PORT, 8 + len(payload), 0)
        frame = self._agent + source + b"\x08\x00" + ip(HOME, AGENT, UDP, ports + payload, 255)
        with self._lab.node.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((NODE_INTERFACE, 0))
            raw.send(frame)

    def reply(self) -> tuple[RegistrationReply, bytes]:
        """To the request sent last, and the challenge it tells."""
        port = struct.pack("!H", self._port)
        packets = eventually(
            lambda: [one for one in self._sniffer.look() if one[9] == UDP and one[22:24] == port],
            bool,
            what="a reply",
            explain=self._lab.foreign1.explain,
        )
        self.seen.append(packets[0])
        message = parse(packets[0][28:])
        assert isinstance(message, RegistrationReply)
        told = message.first(MobileForeignChallenge)
        assert told is not None
        return message, told.challenge


def request(**change: Any) -> bytes:
    message = RegistrationRequest(
        HOME, HOME_AGENT, AGENT, identification(), Lifetime(60), RequestFlags(reverse_tunnel=True)
    )
    return sign(NODE_HOME, build(replace(message, **change)), MobileHomeAuthentication)


def by_aaa(payload: bytes, challenge: bytes) -> bytes:
    return AAA.sign(payload + MobileForeignChallenge(challenge).encode(), challenge)


def by_key(payload: bytes, challenge: bytes) -> bytes:
    return sign(NODE_AGENT, payload + MobileForeignChallenge(challenge).encode(), MobileForeignAuthentication)


def accept(home: End, after: bytes = b"") -> RegistrationRequest:
    """The home agent accepts what the foreign agent has sent on."""
    asked, agent = home.request()
    answer = RegistrationReply(0, asked.lifetime, asked.home_address, HOME_AGENT, asked.identification)
    home.send(sign(NODE_HOME, build(answer), MobileHomeAuthentication) + after, agent)
    return asked


def visitors(lab: Lab) -> list[str]:
    return [row["link_address"] for row in lab.foreign1.show("visitors")]


def read_by_tshark(packets: list[bytes], file: Path) -> list[tuple[str, ...]]:
    with file.open("wb") as capture:
        capture.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for packet in packets:
            capture.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
    fields = ("icmp.type", "icmp.mip.challenge", "mip.code", "mip.ext.type")
    command = ["tshark", "-r", str(file), "-T", "fields", *(part for name in fields for part in ("-e", name))]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [tuple(line.split("\t")) for line in run.stdout.splitlines()]


@needs_both
def test_each_challenge_registers_a_node_once(lab: Lab, tmp_path: Path) -> None:
    with ExitStack() as stack:
        sniffer = stack.enter_context(lab.node.sniff(NODE_INTERFACE))
        bound = stack.enter_context(lab.correspondent.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM))
        bound.bind((str(HOME_AGENT), REGISTRATION_PORT))
        home, node = End(bound), Node(lab, sniffer)

        first = node.advertised()
        node.ask(request())
        missing, told = node.reply()
        recorded = by_aaa(request(), told)
        node.ask(recorded)
        asked = accept(home)
        assert asked.raw == recorded  # nothing is taken out that the AAA server has to verify
        accepted, own = node.reply()
        assert own not in (told, first)
        was = visitors(lab)

        # Somebody has recorded it and repeats it, as itself and as the node.
        node.ask(recorded, source=SOMEBODY)
        stale, _ = node.reply()
        latest = node.advertised(known=(first, told, node.advertised(known=(first, told))))
        node.ask(recorded, source=SOMEBODY[:-1] + b"\x03")
        unknown, _ = node.reply()
        assert visitors(lab) == was == [NODE.hex(":")]

        # The node renews by the challenge of its reply, however long ago that was.
        renewal = by_aaa(request(), own)
        node.ask(renewal)
        accept(home, MobileForeignChallenge(own).encode())  # as home agents return it
        renewed, another = node.reply()
        assert another not in (own, latest)

        # Another node, which shares a key with the agent; its home agent returns another challenge.
        node.ask(by_key(request(home_address=SHARES_A_KEY), latest), source=SOMEBODY[:-1] + b"\x04")
        asked = accept(home, MobileForeignChallenge(b"another").encode())
        assert asked.first(MobileForeignChallenge) is None
        wrong, _ = node.reply()
        error = wrong.first(ForeignAgentError)
        assert (error and error.status) == 109

    replies = (missing, accepted, stale, unknown, renewed, wrong)
    assert [one.code for one in replies] == [105, 0, 106, 104, 0, 0]
    rows = read_by_tshark(node.seen, tmp_path / "challenges.pcap")
    assert (rows[0][0], rows[0][1].replace(":", "")) == ("9", first.hex())
    answers = [(row[2], row[3].split(",")) for row in rows if row[2]]
    assert [code for code, _ in answers] == ["105", "0", "106", "104", "0", "0"]
    assert all("132" in types for _, types in answers)
    reasons = lab.foreign1.show("counters")["reasons"]
    assert reasons["fa-stale-challenge"] == reasons["fa-unknown-challenge"] == 1


def test_an_answer_without_authentication_gets_no_reply(lab: Lab) -> None:
    with lab.node.sniff(NODE_INTERFACE) as sniffer:
        node = Node(lab, sniffer)
        node.ask(request() + MobileForeignChallenge(node.advertised()).encode())
        eventually(
            lambda: lab.foreign1.show("counters")["reasons"].get("challenge-unauthenticated"),
            lambda count: count == 1,
            explain=lab.foreign1.explain,
        )
        assert not [one for one in sniffer.look() if one[9] == UDP and one[20:22] == b"\x01\xb2"]
