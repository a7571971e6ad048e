"""AF_PACKET sockets, one per interface: they know the link-layer source, and need no address on the
interface.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.net import bpf
from mobileip.control.net.failures import sentence
from mobileip.control.ports import ActionError

_ETH_P_IP: Final = 0x0800
_SOL_PACKET, _PACKET_AUXDATA = 263, 8
_CHECKSUM_NOT_READY: Final = 1 << 3  # TP_STATUS_CSUMNOTREADY
_TO_US: Final = 0  # PACKET_HOST; otherwise broadcast or multicast, the filter lets nothing else through
_BATCH: Final = 64
_RETRY: Final = 0.2  # seconds

LINK_BROADCAST: Final = b"\xff" * 6


@dataclass(frozen=True, slots=True)
class Frame:
    """An IPv4 packet and how it came. ``partial_checksum``: its transport checksum is not filled in yet."""

    interface: str
    packet: bytes
    link_source: bytes
    unicast: bool
    partial_checksum: bool


class PacketSocket:
    """Receives what ``accept`` lets through on one interface, a member there of the multicast ``groups``.

    It outlives the interface: when that is deleted or was not there yet, the socket is opened as soon as
    :meth:`refresh` is called (after a LinkChanged), and at the latest 0.2 s after the interface is back.
    """

    def __init__(
        self,
        interface: str,
        accept: list[bpf.Instruction],
        receive: Callable[[Frame], None],
        groups: Collection[IPv4Address] = (),
    ) -> None:
        self.interface = interface
        self.index: int | None = None
        self._accept = accept
        self._receive = receive
        self._groups = groups
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._member: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self.suspect = False  # was set down: a deletion that follows is not reported to the socket
        self.refresh()

    def refresh(self) -> None:
        """Makes the socket that of the interface which has our name now; keeps looking while there is none.

        Raises :class:`ActionError` when the interface is there but cannot be listened on.
        """
        try:
            index = socket.if_nametoindex(self.interface)
        except OSError:
            index = None
        if index != self.index or self._socket is None:
            self._shut()
            if index is not None:
                self._open(index)
        if self._socket is None or self.suspect:
            self._look_again()

    def send(self, packet: bytes, link_destination: bytes) -> None:
        """Raises :class:`ActionError` when the frame cannot leave."""
        what = f"cannot send on {self.interface}"
        if self._socket is None:
            self.refresh()
        if self._socket is None:
            raise ActionError(f"{what}: there is no such interface now; see `ip link`")
        try:
            self._socket.sendto(packet, (self.interface, _ETH_P_IP, 0, 0, link_destination))
        except OSError as error:
            raise ActionError(sentence(what, error.errno or 0)) from error

    def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._shut()

    def _open(self, index: int) -> None:
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        fresh = socket.socket(socket.AF_PACKET, kind, 0)  # protocol 0: nothing arrives before filter and bind
        member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            bpf.attach(fresh, self._accept)
            fresh.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            fresh.bind((self.interface, _ETH_P_IP))
            for group in self._groups:
                request = struct.pack("=4s4si", group.packed, bytes(4), index)
                member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        except OSError as error:
            fresh.close()
            member.close()
            if _vanished(self.interface):
                return
            what = f"cannot listen on {self.interface}"
            raise ActionError(sentence(what, error.errno or 0)) from error
        self._socket, self._member, self.index, self.suspect = fresh, member, index, False
        self._loop.add_reader(fresh, self._readable)

    def _shut(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        if self._member is not None:
            self._member.close()
        self._socket = self._member = self.index = None

    def _look_again(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = self._loop.call_later(_RETRY, self._again)

    def _again(self) -> None:
        try:
            self.refresh()
        except ActionError:
            self._look_again()

    def _readable(self) -> None:
        for _ in range(_BATCH):
            if self._socket is None:
                return  # closed by what was received
            try:
                packet, ancillary, _, address = self._socket.recvmsg(1 << 16, socket.CMSG_SPACE(20))
            except BlockingIOError:
                return
            except OSError:
                self.suspect = True  # ENETDOWN: watch the index until something arrives again
                self._look_again()
                return
            self.suspect = False
            status = 0
            for level, kind, data in ancillary:
                if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
                    (status,) = struct.unpack_from("=I", data)
            self._receive(
                Frame(
                    interface=self.interface,
                    packet=packet,
                    link_source=address[4],
                    unicast=address[2] == _TO_US,
                    partial_checksum=bool(status & _CHECKSUM_NOT_READY),
                )
            )


def _vanished(interface: str) -> bool:
    try:
        socket.if_nametoindex(interface)
    except OSError:
        return True
    return False
