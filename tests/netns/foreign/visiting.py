"""A hand-made node on a foreign agent's link and a hand-made home agent far away; the real daemon between them."""

from __future__ import annotations

import itertools
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Final, TypeVar

from mobileip.control.lab.hosts import Host
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.namespaces import Namespace
from mobileip.control.lab.topology import ACCESS_INTERFACE, CORRESPONDENT, FOREIGN1, NODE_INTERFACE
from mobileip.control.security import MobilitySecurityAssociation, Secret, sign
from mobileip.control.types import REGISTRATION_PORT, Identification, Lifetime, Spi
from mobileip.control.wire import (
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    build,
    parse,
)

HOME: Final = IPv4Address("203.0.113.5")
AGENT: Final = FOREIGN1.router.ip
SECOND_CARE_OF: Final = AGENT + 1
HOME_AGENT: Final = CORRESPONDENT
NODE_KEY, AGENTS_KEY = "6d1f0b7c2e9a4835b0c7d1e2f3948576", "a3c5e70912b4d6f8817263544536271a"
NODE_HOME: Final = MobilitySecurityAssociation(Spi(256), Secret(b"node and home agent"))
NODE_AGENT: Final = MobilitySecurityAssociation(Spi(300), Secret(bytes.fromhex(NODE_KEY)))
AGENTS: Final = MobilitySecurityAssociation(Spi(400), Secret(bytes.fromhex(AGENTS_KEY)))

_used = itertools.count(1)
M = TypeVar("M", RegistrationRequest, RegistrationReply)


def identification() -> Identification:
    """A timestamp of now, never the same twice."""
    return Identification.from_wall(time.time_ns(), next(_used))


def request(lifetime: int = 60, care_of: IPv4Address = AGENT) -> bytes:
    """Signed for the home agent only."""
    message = RegistrationRequest(
        HOME,
        HOME_AGENT,
        care_of,
        identification(),
        Lifetime(lifetime),
        RequestFlags(reverse_tunnel=True),
    )
    return sign(NODE_HOME, build(message), MobileHomeAuthentication)


def reply(to: bytes, code: int = 0) -> bytes:
    """Signed for the node only."""
    asked = _parsed(to, RegistrationRequest)
    message = RegistrationReply(
        code, asked.lifetime, asked.home_address, asked.home_agent, asked.identification
    )
    return sign(NODE_HOME, build(message), MobileHomeAuthentication)


def _parsed(payload: bytes, kind: type[M]) -> M:
    message = parse(payload)
    assert isinstance(message, kind)
    return message


class End:
    """A UDP socket at one end."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._socket.settimeout(3.0)

    def send(self, payload: bytes, to: IPv4Address) -> None:
        self._socket.sendto(payload, (str(to), REGISTRATION_PORT))

    def datagram(self) -> tuple[bytes, tuple[str, int]]:
        """The next one as it came, and from where."""
        received: tuple[bytes, tuple[str, int]] = self._socket.recvfrom(2048)
        return received

    def request(self) -> tuple[RegistrationRequest, IPv4Address]:
        payload, (source, _) = self.datagram()
        return _parsed(payload, RegistrationRequest), IPv4Address(source)

    def reply(self) -> RegistrationReply:
        return _parsed(self._socket.recv(2048), RegistrationReply)


@contextmanager
def visitor(lab: Lab) -> Iterator[End]:
    """The node's socket: from its home address to the foreign agent, by the agent's link-layer address."""
    space = lab.node.namespace
    space.ip(
        f"addr replace {HOME}/32 dev {NODE_INTERFACE}",
        f"route replace default via {AGENT} dev {NODE_INTERFACE} onlink src {HOME}",
        f"neigh replace {AGENT} lladdr {link_address(lab.foreign1.namespace)} dev {NODE_INTERFACE} nud permanent",
    )
    try:
        with space.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
            bound.bind((str(HOME), 0))
            yield End(bound)
    finally:
        space.ip(
            f"addr del {HOME}/32 dev {NODE_INTERFACE}", f"neigh flush dev {NODE_INTERFACE} nud permanent"
        )


@contextmanager
def home_agent(lab: Lab) -> Iterator[End]:
    with lab.correspondent.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((str(HOME_AGENT), REGISTRATION_PORT))
        yield End(bound)


def link_address(space: Namespace, interface: str = ACCESS_INTERFACE) -> str:
    with space.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as probe:
        probe.bind((interface, 0))
        address: bytes = probe.getsockname()[4]
    return address.hex(":")


def ip(source: IPv4Address, destination: IPv4Address, protocol: int, body: bytes, ttl: int = 64) -> bytes:
    """An IPv4 packet; the kernel fills in the checksum of the outermost header."""
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, ttl, protocol, 0, source.packed, destination.packed
    )
    total = sum(word for (word,) in struct.iter_unpack("!H", head))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:] + body


def udp(payload: bytes, port: int = 9) -> bytes:
    return struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload


def send_packet(host: Host, packet: bytes) -> None:
    """One packet as it stands, along the host's routes for its destination."""
    with host.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        raw.sendto(packet, (str(IPv4Address(packet[16:20])), 0))
