"""ICMP about tunnels: errors, answers to probes; and whole datagrams that are sent as they are."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.net import bpf
from mobileip.control.net.failures import sentence
from mobileip.control.ports import ActionError

_BATCH: Final = 64

Receive = Callable[[IPv4Address, bytes], None]
"""Takes the source of an ICMP message, and the message from its header on."""


class RawIcmpSocket:
    """One raw socket on the running loop; what ``wanted``, a filter of bpf.py, refuses does not wake the daemon.

    ``mark``: of what is sent, as the data plane's.

    :raises ActionError: it cannot be opened.
    """

    def __init__(self, receive: Receive, wanted: Sequence[bpf.Instruction], mark: int | None) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        try:
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
        except OSError as error:
            raise ActionError(sentence("cannot listen for ICMP", error.errno or 0)) from error
        try:
            bpf.attach(self._socket, list(wanted))
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
            if mark is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        except OSError as error:
            self._socket.close()
            raise ActionError(sentence("cannot listen for ICMP", error.errno or 0)) from error
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
            self._receive(IPv4Address(packet[12:16]), packet[4 * (packet[0] & 0xF) :])
