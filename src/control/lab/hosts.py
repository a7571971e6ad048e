"""A host of the laboratory, seen as someone sitting at it would: ping, sending and capturing single
packets.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.lab.namespaces import LabError, Namespace

_ECHO_REQUEST: Final = 8
_ECHO_REPLY: Final = 0
_ECHO: Final = struct.Struct("!BBHHH")
_ETH_P_ALL: Final = 3  # outgoing packets are shown only to those who want every protocol
_ETH_P_IP: Final = 0x0800


class Host:
    """One host: a namespace and what can be tried from there."""

    def __init__(self, space: Namespace) -> None:
        self.namespace = space
        self.name = space.role

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    def ping(
        self,
        address: IPv4Address | str,
        *,
        source: IPv4Address | str | None = None,
        within: float = 3.0,
        size: int = 56,
    ) -> float:
        """Send ICMP echo requests until one is answered; returns its round trip in seconds.

        A request goes out every 50 ms. LabError if none is answered ``within`` so many seconds.
        """
        with self.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp:
            if source is not None:
                icmp.bind((str(source), 0))
            identifier = os.getpid() & 0xFFFF
            sent: dict[int, float] = {}
            deadline = time.monotonic() + within
            while time.monotonic() < deadline:
                number = len(sent)
                sent[number] = time.monotonic()
                try:
                    icmp.sendto(_echo(identifier, number, size), (str(address), 0))
                except OSError:
                    time.sleep(0.05)  # no route: not yet, perhaps
                    continue
                answered = _await_reply(icmp, str(address), identifier, sent[number] + 0.05)
                if answered is not None:
                    return time.monotonic() - sent[answered]
        raise LabError(f"{self.name} got no echo reply from {address} within {within:g} s")

    def reaches(
        self, address: IPv4Address | str, *, source: IPv4Address | str | None = None, within: float = 0.5
    ) -> bool:
        """Whether a ping is answered; to show that something is *not* reachable."""
        try:
            self.ping(address, source=source, within=within)
        except LabError:
            return False
        return True

    def send_udp(
        self, source: IPv4Address, destination: IPv4Address, payload: bytes = b"probe", port: int = 9
    ) -> None:
        """Send one datagram with any source address at all, along this host's own routes."""
        udp = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
        header = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source.packed, destination.packed
        )
        with self.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(header + udp, (str(destination), 0))

    @contextmanager
    def sniff(self, interface: str) -> Iterator[Sniffer]:
        """Capture IPv4 packets of ``interface``, in both directions, from now on."""
        with self.namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL)) as packets:
            packets.bind((interface, _ETH_P_ALL))
            packets.setblocking(False)
            yield Sniffer(packets)


class Sniffer:
    """IPv4 packets, headers first, as they pass."""

    def __init__(self, packets: socket.socket) -> None:
        self._socket = packets
        self.packets: list[bytes] = []

    def look(self) -> list[bytes]:
        """All packets so far."""
        while True:
            try:
                packet, (_, protocol, *_) = self._socket.recvfrom(65536)
            except BlockingIOError:
                return self.packets
            if protocol == _ETH_P_IP:
                self.packets.append(packet)

    def between(self, source: IPv4Address, destination: IPv4Address) -> list[bytes]:
        """The packets so far whose outer header has these addresses."""
        return [p for p in self.look() if p[12:16] == source.packed and p[16:20] == destination.packed]


def _echo(identifier: int, number: int, size: int) -> bytes:
    payload = bytes(size)
    header = _ECHO.pack(_ECHO_REQUEST, 0, 0, identifier, number & 0xFFFF)
    return _ECHO.pack(_ECHO_REQUEST, 0, _checksum(header + payload), identifier, number & 0xFFFF) + payload


def _checksum(data: bytes) -> int:
    total: int = sum(word for (word,) in struct.iter_unpack("!H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _await_reply(icmp: socket.socket, address: str, identifier: int, until: float) -> int | None:
    """The number of the request that is answered before ``until``."""
    while (left := until - time.monotonic()) > 0:
        icmp.settimeout(left)
        try:
            packet, source = icmp.recvfrom(65536)
        except TimeoutError:
            return None
        kind, _, _, identity, number = _ECHO.unpack_from(packet, (packet[0] & 0x0F) * 4)
        if source[0] == address and kind == _ECHO_REPLY and identity == identifier:
            return int(number)
    return None
