"""ICMP errors about datagrams that this host tunnelled, and those it sends on to who sent what was inside."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from mobileip.control.net import bpf
from mobileip.control.net.failures import sentence
from mobileip.control.ports import ActionError

_BATCH: Final = 64

Receive = Callable[[bytes], None]
"""Takes an ICMP message, from its header on."""


class IcmpErrorSocket:
    """One raw socket on the running loop; what is not about an encapsulated datagram does not wake the daemon.

    ``mark``: of what is sent, as the data plane's.

    :raises ActionError: it cannot be opened.
    """

    def __init__(self, receive: Receive, mark: int | None) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        try:
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
        except OSError as error:
            raise ActionError(sentence("cannot listen for ICMP errors", error.errno or 0)) from error
        try:
            bpf.attach(self._socket, bpf.icmp_errors_about_tunnels())
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
            if mark is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        except OSError as error:
            self._socket.close()
            raise ActionError(sentence("cannot listen for ICMP errors", error.errno or 0)) from error
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def send(self, datagram: bytes) -> bool:
        """A whole IPv4 datagram; whether the kernel took it."""
        to = socket.inet_ntoa(datagram[16:20])
        try:
            self._socket.sendto(datagram, (to, 0))
        except OSError:
            return False
        return True

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                packet = self._socket.recv(1 << 16)
            except OSError:
                return
            self._receive(packet[4 * (packet[0] & 0xF) :])
