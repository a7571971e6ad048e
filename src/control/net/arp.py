"""Gratuitous ARP (RFC 5944 s4.6): tells a link which link-layer address an IP address now has."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.net.failures import sentence
from mobileip.control.ports import ActionError

_ETH_P_ARP: Final = 0x0806
_BROADCAST: Final = b"\xff" * 6
_REQUEST, _REPLY = 1, 2
_PACKET: Final = struct.Struct("!HHBBH6s4s6s4s")


def gratuitous(operation: int, address: IPv4Address, link_address: bytes) -> bytes:
    """ARP packet whose sender and target are both ``address``.

    The target hardware address is filled in a reply and not used in a request (s4.6).
    """
    target = link_address if operation == _REPLY else bytes(6)
    return _PACKET.pack(1, 0x0800, 6, 4, operation, link_address, address.packed, target, address.packed)


class Announcer:
    """Sends each announcement ``count`` times, ``spacing`` seconds apart; the first before :meth:`announce`
    returns.

    Both forms that the RFC allows are sent each time, because hosts differ in which of them they heed. A new
    announcement of an address ends the repetitions of the one before: two claimants never alternate.
    """

    def __init__(self, count: int = 3, spacing: float = 1.0) -> None:
        self._count = count
        self._spacing = spacing
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
        self._timers: dict[tuple[IPv4Address, str], asyncio.TimerHandle] = {}

    def announce(self, address: IPv4Address, interface: str, link_address: bytes) -> None:
        """``link_address`` is what the link shall believe: ours, or that of the node which came home.

        On a link that is down nobody is there to be told: :meth:`Kernel.reassert` announces again when it comes up.
        """
        self.cancel(address, interface)
        try:
            self._send(address, interface, link_address)
        except OSError as error:
            if error.errno == errno.ENETDOWN:
                return
            what = f"cannot send gratuitous ARP for {address} on {interface}"
            raise ActionError(sentence(what, error.errno or 0)) from error
        self._repeat(self._count - 1, address, interface, link_address)

    def cancel(self, address: IPv4Address, interface: str) -> None:
        timer = self._timers.pop((address, interface), None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._socket.close()

    def _send(self, address: IPv4Address, interface: str, link_address: bytes) -> None:
        for operation in (_REQUEST, _REPLY):
            packet = gratuitous(operation, address, link_address)
            self._socket.sendto(packet, (interface, _ETH_P_ARP, 0, 0, _BROADCAST))

    def _repeat(self, left: int, address: IPv4Address, interface: str, link_address: bytes) -> None:
        if left <= 0:
            self._timers.pop((address, interface), None)
            return
        loop = asyncio.get_running_loop()
        self._timers[address, interface] = loop.call_later(
            self._spacing, self._again, left, address, interface, link_address
        )

    def _again(self, left: int, address: IPv4Address, interface: str, link_address: bytes) -> None:
        try:
            self._send(address, interface, link_address)
        except OSError:
            # Repetitions only raise the odds that every neighbour heard (s4.6); if the link is down or gone
            # nobody is there to hear, and whoever brings it back announces anew.
            self._timers.pop((address, interface), None)
            return
        self._repeat(left - 1, address, interface, link_address)
