"""Every code that a home agent answers with, from the real daemon, captured by tcpdump and read by tshark (s3.4)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.lab.capture import captured
from mobileip.control.lab.daemons import KEY, SPI
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, HOME_ADDRESS, HOME_AGENT, UPLINK_INTERFACE
from mobileip.control.security import sign
from mobileip.control.types import Lifetime, Spi
from mobileip.control.wire import (
    ForeignHomeAuthentication,
    MobileAaaAuthentication,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    build,
)
from tests.netns.codes.tshark import needs_both, read
from tests.netns.roles.asking import ASSOCIATION, Asker, another_key, identification, request, signed

pytestmark = [pytest.mark.netns, needs_both]

PLAIN = HOME_ADDRESS.ip
SEVERAL, NEVER_REVERSE, ALWAYS_REVERSE = PLAIN + 1, PLAIN + 2, PLAIN + 3
LATE = PLAIN + 20  # the fourth that is away, where there is room for three
SIGNING_AGENT = CORRESPONDENT + 1
ALICES = replace(ASSOCIATION, spi=Spi(300))
NAMED, NAME = PLAIN + 21, "alice@example.net"
TUNNELLED = RequestFlags(decapsulation_by_mn=True, reverse_tunnel=True)
THROUGH_AGENT = {"care_of_address": SIGNING_AGENT, "flags": RequestFlags(reverse_tunnel=True)}
BESIDE = replace(TUNNELLED, simultaneous=True)


@dataclass(frozen=True)
class Case:
    code: int
    change: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[RegistrationRequest], bytes] = signed
    source: IPv4Address = CORRESPONDENT


def by_agent(message: RegistrationRequest) -> bytes:
    """With the foreign agent's signature behind the node's, by the one key that all share here."""
    return sign(ASSOCIATION, signed(message), ForeignHomeAuthentication)


def for_nobody(message: RegistrationRequest) -> bytes:
    """With a proof for an AAA server that none of them could verify (RFC 4721 s8): nobody has to be asked."""
    return signed(message) + MobileAaaAuthentication(Spi(300), bytes(16)).encode()


def by_name(name: str) -> Callable[[RegistrationRequest], bytes]:
    def made(message: RegistrationRequest) -> bytes:
        named = replace(message, extensions=(NetworkAccessIdentifier(name),))
        return sign(ALICES, build(named), MobileHomeAuthentication)

    return made


CASES = (
    Case(1),
    Case(0, {"home_address": SEVERAL, "flags": BESIDE}),
    Case(0, {"home_address": SEVERAL, "flags": BESIDE, "care_of_address": CORRESPONDENT + 5}),
    Case(135, {"home_address": SEVERAL, "flags": BESIDE, "care_of_address": CORRESPONDENT + 6}),
    Case(129, {"home_address": PLAIN}, by_name(NAME)),  # the address of another
    Case(129, {"home_address": SEVERAL, "care_of_address": CORRESPONDENT + 7}),  # by a filter
    Case(131, sign=another_key),
    Case(132, THROUGH_AGENT, source=SIGNING_AGENT),
    Case(1, THROUGH_AGENT, by_agent, SIGNING_AGENT),
    Case(133, {"identification": identification(-3600)}),
    Case(134, {"care_of_address": IPv4Address("224.0.0.9")}),
    Case(134, {"care_of_address": PLAIN}),
    Case(136, {"home_agent": HOME_AGENT + 1}),
    Case(137, {"home_address": NEVER_REVERSE}),
    Case(138, {"home_address": ALWAYS_REVERSE, "flags": RequestFlags(decapsulation_by_mn=True)}),
    Case(1, {"home_address": ALWAYS_REVERSE}),
    Case(130, {"home_address": LATE}),
    Case(139, {"flags": replace(TUNNELLED, gre=True)}),
    Case(139, {"flags": replace(TUNNELLED, minimal=True)}),
    Case(144, sign=for_nobody),
    Case(0, {"lifetime": Lifetime(0), "care_of_address": PLAIN}),
)


@pytest.fixture
def lab(networks: Lab) -> Iterator[Lab]:
    space = networks.correspondent.namespace
    space.ip(f"addr add {SIGNING_AGENT}/25 dev eth0")
    node = {"spi": SPI, "key": KEY}
    table = networks.home.configuration["home_agent"]
    table["max_bindings"] = 3
    table["encapsulations"] = []
    table["nodes"] += [
        {"home_address": str(SEVERAL), "max_simultaneous": 2, **node},
        {"home_address": str(NEVER_REVERSE), "reverse_tunnel": "forbidden", **node},
        {"home_address": str(ALWAYS_REVERSE), "reverse_tunnel": "required", **node},
        {"home_address": str(LATE), **node},
        {"nai": NAME, "home_address": str(NAMED), "spi": ALICES.spi, "key": KEY},
    ]
    table["aaa"] = {"servers": [{"address": str(CORRESPONDENT), "secret": "no question reaches it"}]}
    table["filters"] = [{"action": "deny", "care_of_address": str(CORRESPONDENT + 7)}]
    table["foreign_agents"] = [{"address": str(SIGNING_AGENT), **node}]
    networks.home.start()
    yield networks
    networks.home.stop()
    space.ip(f"addr del {SIGNING_AGENT}/25 dev eth0")


@pytest.mark.rfc("5944", "3.4", 6)
def test_every_code_is_seen_on_the_wire(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "home-agent.pcap"
    replies: list[RegistrationReply] = []
    ports: list[int] = []
    with ExitStack() as stack:
        stack.enter_context(
            captured(lab.processes, lab.home.namespace, UPLINK_INTERFACE, file, "udp port 434")
        )
        for case in CASES:
            bound = stack.enter_context(lab.correspondent.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM))
            bound.bind((str(case.source), 0))
            ports.append(bound.getsockname()[1])
            asked = replace(request(CORRESPONDENT), **case.change)
            replies.append(Asker(bound).ask(case.sign(asked)))
    assert [reply.code for reply in replies] == [case.code for case in CASES]
    seen = {message.port: message for message in read(file) if message.kind == 3}
    assert set(seen) == set(ports)
    for port, case in zip(ports, CASES, strict=True):
        message = seen[port]
        assert message.code == case.code
        expected = (34,) if case.source == SIGNING_AGENT else ()
        named = (131,) if case.change == {"home_address": PLAIN} else ()
        assert message.extensions == (*named, 32, *expected)
