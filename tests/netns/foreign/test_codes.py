"""Every code that a foreign agent denies with, from the real daemon, read off the link by tshark (RFC 5944 s3.4)."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

import pytest

from mobileip.control.lab.hosts import Sniffer
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import NODE_INTERFACE
from mobileip.control.lab.waiting import eventually
from mobileip.control.security import sign
from mobileip.control.types import REGISTRATION_PORT, Lifetime, Spi
from mobileip.control.wire import (
    EncapsulatingDelivery,
    ForeignAgentError,
    MobileAaaAuthentication,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    build,
    parse,
)
from tests.netns.codes.tshark import needs_both
from tests.netns.foreign.visiting import (
    AGENT,
    AGENTS,
    AGENTS_KEY,
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

NOBODY, WITH_KEY, UNREACHABLE, PROHIBITED = (HOME_AGENT + number for number in (1, 2, 3, 4))
NO_NETWORK = IPv4Address("9.9.9.9")
KEYED_HOME, FILTERED, ZERO = HOME + 1, HOME + 2, IPv4Address("0.0.0.0")
ALICE = NetworkAccessIdentifier("alice@example.net")
UDP: Final = 17
FIRST_PORT: Final = 5000  # each case asks from a port of its own, and from a link-layer address of its own

Answer = Callable[[RegistrationReply], bytes]


def signed(message: RegistrationRequest | RegistrationReply) -> bytes:
    return sign(NODE_HOME, build(message), MobileHomeAuthentication)


@dataclass(frozen=True)
class Case:
    """``code`` is expected: in the reply's own field, or ``behind`` what the home agent said."""

    code: int
    change: dict[str, Any] = field(default_factory=dict)
    ttl: int = 255
    after: bytes = b""
    answer: Answer | None = None
    behind: bool = False
    times: int = 1


FREE = (  # for a foreign agent that reverse-tunnels for whom wants it
    Case(65, {"home_address": FILTERED}),
    Case(65, {"home_address": ZERO, "extensions": (ALICE,)}, behind=True,
         answer=lambda reply: signed(replace(reply, home_address=FILTERED, extensions=(ALICE,)))),
    Case(67, {"home_address": KEYED_HOME}),
    Case(69, {"lifetime": Lifetime(0xFFFF)}),
    Case(70, {"home_address": AGENT}),
    Case(72, {"flags": RequestFlags(gre=True)}),
    Case(72, {"flags": RequestFlags(minimal=True)}),
    Case(76, ttl=254),
    Case(77, {"care_of_address": AGENT + 9}),
    Case(79, after=EncapsulatingDelivery().encode()),
    Case(96, {"home_address": ZERO}),
    Case(108, after=MobileAaaAuthentication(Spi(300), bytes(16)).encode()),
    Case(116, {"home_agent": AGENT}),
    Case(80, {"home_agent": NO_NETWORK}),
    Case(81, {"home_agent": UNREACHABLE}),
    Case(82, {"home_agent": NOBODY}),
    Case(88, {"home_agent": PROHIBITED}),
    Case(71, answer=build),
    Case(71, answer=lambda reply: signed(replace(reply, home_agent=NOBODY)), behind=True),
    Case(68, {"home_agent": WITH_KEY}, answer=signed, behind=True),
    Case(97, {"extensions": (ALICE,)}, answer=signed, behind=True),
    Case(98, {"extensions": (ALICE,)}, behind=True,
         answer=lambda reply: signed(replace(reply, home_agent=ZERO, extensions=(ALICE,)))),
    Case(99, {"home_address": ZERO, "extensions": (ALICE,)}, behind=True,
         answer=lambda reply: signed(replace(reply, extensions=(ALICE,)))),
    Case(78),
    Case(66, times=5),
)  # fmt: skip
REQUIRED = (Case(75, {"flags": RequestFlags()}),)
UNAVAILABLE = (Case(74),)


@pytest.fixture
def lab(networks: Lab) -> Iterator[Lab]:
    core, correspondent = networks.core.namespace, networks.correspondent.namespace
    core.ip(f"route add unreachable {UNREACHABLE}", f"route add prohibit {PROHIBITED}")
    core.set_sysctls(
        {"ipv4/icmp_ratelimit": 0}
    )  # three errors to one host in a second are more than it likes
    correspondent.ip(f"addr add {NOBODY}/25 dev eth0", f"addr add {WITH_KEY}/25 dev eth0")
    yield networks
    if networks.foreign1.running:
        networks.foreign1.stop()
    core.ip(f"route del {UNREACHABLE}", f"route del {PROHIBITED}")
    correspondent.ip(f"addr del {NOBODY}/25 dev eth0", f"addr del {WITH_KEY}/25 dev eth0")


def start(lab: Lab, policy: str) -> None:
    agent = lab.foreign1
    if agent.running:
        agent.stop()
    agent.reset()
    agent.configuration["foreign_agent"] |= {
        "aaa": {"servers": [{"address": str(NOBODY), "secret": "no question reaches it"}]},
        "reverse_tunnel": policy,
        "encapsulating_delivery": False,
        "encapsulations": [],
        "filters": [{"action": "deny", "home_address": str(FILTERED)}],
        "pending_timeout": 0.5,
        "max_pending": 4,
        "nodes": [{"home_address": str(KEYED_HOME), "spi": NODE_AGENT.spi, "key": NODE_KEY}],
        "home_agents": [{"address": str(WITH_KEY), "spi": AGENTS.spi, "key": AGENTS_KEY}],
    }
    lab.start(agent, at="foreign1")


def send(lab: Lab, number: int, payload: bytes, ttl: int) -> None:
    """A frame to the agent from the node's interface, with the link-layer address and port of a case."""
    agent = bytes.fromhex(link_address(lab.foreign1.namespace).replace(":", ""))
    datagram = struct.pack("!HHHH", FIRST_PORT + number, REGISTRATION_PORT, 8 + len(payload), 0) + payload
    frame = (
        agent + b"\x02\x00\x00\x00\x77" + bytes((number,)) + b"\x08\x00" + ip(HOME, AGENT, UDP, datagram, ttl)
    )
    with lab.node.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((NODE_INTERFACE, 0))
        raw.send(frame)


def play(lab: Lab, number: int, case: Case, ends: dict[IPv4Address, End], sniffer: Sniffer) -> bytes:
    """One case to its end; returns the IP packet of the reply."""
    for _ in range(case.times):
        message = RegistrationRequest(
            HOME, HOME_AGENT, AGENT, identification(), Lifetime(60), RequestFlags(reverse_tunnel=True)
        )
        asked = replace(message, **case.change)
        send(lab, number, signed(asked) + case.after, case.ttl)
    if case.answer is not None:
        relayed, source = ends[asked.home_agent].request()
        assert relayed.identification == asked.identification
        answered = RegistrationReply(
            0, asked.lifetime, asked.home_address, asked.home_agent, asked.identification
        )
        ends[asked.home_agent].send(case.answer(answered), source)
    replies = eventually(
        lambda: [
            p for p in sniffer.look() if p[9] == UDP and p[22:24] == struct.pack("!H", FIRST_PORT + number)
        ],
        bool,
        what=f"a reply with {case.code}",
        explain=lab.foreign1.explain,
    )
    return replies[0]


def read_by_tshark(packets: list[bytes], file: Path) -> list[tuple[int, int, list[int]]]:
    """Port, code and extension types of each."""
    with file.open("wb") as capture:
        capture.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for packet in packets:
            capture.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
    fields = ("udp.dstport", "mip.code", "mip.ext.type")
    command = ["tshark", "-r", str(file), "-T", "fields", *(part for name in fields for part in ("-e", name))]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    return [(int(port), int(code), [int(t) for t in types.split(",") if t]) for port, code, types in rows]


@needs_both
def test_every_code_is_seen_on_the_link(lab: Lab, tmp_path: Path) -> None:
    seen, played = [], []
    with ExitStack() as stack:
        ends: dict[IPv4Address, End] = {}
        for address in (HOME_AGENT, WITH_KEY):
            bound = stack.enter_context(lab.correspondent.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM))
            bound.bind((str(address), REGISTRATION_PORT))
            ends[address] = End(bound)
        for policy, cases in (("optional", FREE), ("required", REQUIRED), ("unavailable", UNAVAILABLE)):
            start(lab, policy)
            with lab.node.sniff(NODE_INTERFACE) as sniffer:
                for case in cases:
                    seen.append(play(lab, len(played), case, ends, sniffer))
                    played.append(case)
    for packet, case, (port, code, types) in zip(
        seen, played, read_by_tshark(seen, tmp_path / "codes.pcap"), strict=True
    ):
        reply = parse(packet[28:])
        assert isinstance(reply, RegistrationReply)
        error = reply.first(ForeignAgentError)
        told = reply.code if error is None else error.status
        assert (told, error is not None) == (case.code, case.behind)
        assert port == FIRST_PORT + played.index(case)
        assert code == (0 if case.behind else case.code)
        assert (ForeignAgentError.type in types) == case.behind
    assert lab.foreign1.show("visitors") == []
