"""Registration messages: UDP port 434 with the destination address, interface and TTL of each (RFC 5944
s3.1).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from mobileip.control.core.actions import SendDatagram
from mobileip.control.core.events import DatagramReceived, UnreachableReceived
from mobileip.control.net import bpf, ipv4
from mobileip.control.net.batch import BatchReceiver, Received
from mobileip.control.net.failures import sentence
from mobileip.control.net.netlink import Netlink
from mobileip.control.net.packet import Frame, PacketSocket
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.types import REGISTRATION_PORT, ZERO_ADDRESS, Endpoint

_IP_PKTINFO, _IP_RECVERR, _IP_RECVTTL = 8, 11, 12
_SO_MARK: Final = 36
_PKTINFO: Final = struct.Struct("=i4s4s")  # interface index, local address, destination in the header
_EXTENDED_ERROR: Final = struct.Struct("=IBBBBII")
_ORIGIN_ICMP, _UNREACHABLE = 2, 3
_SENDER: Final = struct.Struct("!2xHI")  # of a struct sockaddr_in: port, address
_CONTROL: Final = struct.Struct("@Nii")  # struct cmsghdr: length with itself, level, type
_DEPTH: Final = 256  # datagrams that are received at once
_BATCHES: Final = (
    16  # before others get their turn: no crowd waits in the kernel, which cannot tell who is who
)
_TURN: Final = 64  # of unexpected datagrams that are delivered before looking for expected ones again
_WAITING: Final = 1024  # unexpected datagrams
_MOST_ARRIVALS: Final = 256
_MOST_ERRORS: Final = 64
_REMEMBERED: Final = 4096
_OWN_AGE: Final = 10.0  # s
_LOOPBACK: Final = "lo"
_TTL: Final = 64
_RECEIVE_BUFFER: Final = 4 << 20  # bytes: a burst of some 5000 requests, which are answered within a second
_SO_RCVBUFFORCE: Final = 33
_SPACE: Final = (
    socket.CMSG_SPACE(_PKTINFO.size) + socket.CMSG_SPACE(4) + socket.CMSG_SPACE(_EXTENDED_ERROR.size + 16)
)

Deliver = Callable[[DatagramReceived | UnreachableReceived], None]
Expects = Callable[[bytes, int, int], bool]
"""Whether a payload from an address and port, as numbers, seems to be somebody's who is known. It can be a lie."""
Addressed = tuple[list[tuple[int, int, bytes]], tuple[str, int]]
Note = Callable[[Reason, Mapping[str, object]], None]


class RegistrationSockets:
    """One UDP socket, and on each of the ``visited`` interfaces a packet socket that learns link-layer
    sources.

    A mobile node's request may have a source that the kernel has no route back to, and its UDP copy be
    dropped by the reverse path filter or not: on a visited interface only the packet socket's copy counts. The packet
    socket gets nothing of what we send to an address of such an interface, or broadcast there: that comes as over
    ``lo``. So the foreign agent asks the home agent in its own process (s3.6.1.2).
    ``note`` is told of every message that is dropped here. ``mark`` (SO_MARK) lets policy rules know our own
    packets. A mobile node is no router (``routes`` false): every frame to its link-layer address is for it,
    also one to the home address that the message is about to give it (RFC 2794).

    While more comes than can be handled, what ``expects`` says no to waits, and is dropped when too much waits:
    strangers, or who pretends to be many, shall not keep out those who are known.
    """

    def __init__(
        self,
        deliver: Deliver,
        note: Note,
        *,
        visited: Iterable[str] = (),
        mark: int | None = None,
        port: int = REGISTRATION_PORT,
        routes: bool = True,
        expects: Expects = lambda payload, address, port: True,
    ) -> None:
        self._deliver = deliver
        self._note = note
        self._port = port
        self._routes = routes
        self._nowhere = Endpoint(ZERO_ADDRESS, port)
        self._names: dict[int, str] = {}
        self._from: dict[int, list[tuple[int, int, bytes]]] = {}
        self._own: dict[int, bool] = {}
        self._own_until = 0.0
        self._arrivals: dict[bytes, tuple[int, Endpoint, int]] = {}
        self._expects = expects
        self._waiting: deque[Received] = deque()
        self._serving = False
        self._loop = asyncio.get_running_loop()
        self._socket = _bound(port, mark)
        self._batch = BatchReceiver(self._socket, depth=_DEPTH, control=_SPACE)
        self._netlink = Netlink()
        try:
            accept = bpf.udp_to_port(port)
            self._visited = {name: PacketSocket(name, accept, self._frame) for name in visited}
        except ActionError:
            self._socket.close()
            self._netlink.close()
            raise
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._waiting.clear()
        self._socket.close()
        self._netlink.close()
        for link in self._visited.values():
            link.close()

    def refresh(self, interface: str) -> None:
        """After a LinkChanged: an interface that was deleted and made anew is listened on again."""
        self._names.clear()
        self._own.clear()
        if interface in self._visited:
            self._visited[interface].refresh()

    def send(self, action: SendDatagram) -> None:
        """Raises :class:`ActionError` with one sentence when it cannot leave."""
        if action.source.port != self._port:
            raise ActionError(f"cannot send from port {action.source.port}: it listens on {self._port}")
        if action.link_destination is not None:
            self._send_frame(action, action.link_destination)
            return
        if action.interface is None and action.ttl == _TTL:
            ancillary, destination = self._plain(action)
        else:
            ancillary, destination = self._particular(action)
        try:
            self._socket.sendmsg([action.payload], ancillary, 0, destination)
        except OSError:
            # It may be the error of an earlier datagram, which the kernel reports on the next call, once.
            try:
                self._socket.sendmsg([action.payload], ancillary, 0, destination)
            except OSError as error:
                raise ActionError(sentence(_sending(action), error.errno or 0)) from error

    def _plain(self, action: SendDatagram) -> Addressed:
        """The source address in bytes hardly ever changes, so its ancillary data is kept."""
        number = int(action.source.address)
        ancillary = self._from.get(number)
        if ancillary is None:
            pktinfo = _PKTINFO.pack(0, action.source.address.packed, bytes(4))
            ancillary = self._from[number] = [(socket.IPPROTO_IP, _IP_PKTINFO, pktinfo)]
        # Through bytes: str() of an IPv4Address, and IPv4Address of text, are Python of 1 to 3 microseconds.
        return ancillary, (socket.inet_ntoa(action.destination.address.packed), action.destination.port)

    def _particular(self, action: SendDatagram) -> Addressed:
        index = 0
        if action.interface is not None:
            try:
                index = socket.if_nametoindex(action.interface)
            except OSError as error:
                raise ActionError(sentence(_sending(action), errno.ENODEV)) from error
        ancillary = [
            (socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO.pack(index, action.source.address.packed, bytes(4))),
            (socket.IPPROTO_IP, socket.IP_TTL, struct.pack("=i", action.ttl)),
        ]
        return ancillary, (str(action.destination.address), action.destination.port)

    def _send_frame(self, action: SendDatagram, link_destination: bytes) -> None:
        link = self._visited.get(action.interface or "")
        if link is None:
            raise ActionError(f"{_sending(action)}: {action.interface} is not a visited interface")
        link.send(
            ipv4.build_udp(action.source, action.destination, action.ttl, action.payload), link_destination
        )

    # receiving

    def _readable(self) -> None:
        for _ in range(_BATCHES):
            try:
                received = self._batch.receive()
            except OSError:
                break  # an ICMP error; its details are in the error queue
            crowd = len(received) == _DEPTH
            for one in self._expected(received) if crowd or self._waiting else received:
                self._datagram(one)
            if not crowd:
                break
        self._read_errors()

    def _expected(self, received: list[Received]) -> list[Received]:
        """There is more than can be handled at once: these first, the others wait."""
        expected = []
        for one in received:
            payload, sender, _ = one
            port, address = _SENDER.unpack_from(sender)
            if self._expects(payload, address, port):
                expected.append(one)
            elif len(self._waiting) < _WAITING:
                self._waiting.append(one)
            else:
                self._note(Reason.OVERLOADED, {})
        if self._waiting and not self._serving:
            self._serving = True
            self._loop.call_soon(self._serve)
        return expected

    def _serve(self) -> None:
        """Some of those that wait. The next turn is arranged first: what one of them brings about stops no other."""
        turn = [self._waiting.popleft() for _ in range(min(_TURN, len(self._waiting)))]
        self._serving = bool(self._waiting)
        if self._serving:
            self._loop.call_soon(self._serve)
        for one in turn:
            self._datagram(one)

    def _datagram(self, received: Received) -> None:
        payload, _, control = received
        index, destination, ttl = self._arrivals.get(control) or self._arrival(control)
        source = _source(received)
        if not self._visited or index not in [link.index for link in self._visited.values()]:
            interface = self._name(index)
        elif source.address != ZERO_ADDRESS and self._is_own(source.address):
            interface = _LOOPBACK
        else:
            return  # the packet socket has it, with its link-layer source
        if interface is None:
            return  # it came over an interface that is gone
        self._deliver(DatagramReceived(payload, source, destination, interface, ttl))

    def _is_own(self, address: IPv4Address) -> bool:
        """Whether the kernel calls ``address`` local. The question costs as much as the rest of a datagram, so the
        answer is believed until a link changes, or for ten seconds: addresses come and go on other links too.
        """
        number, now = int(address), self._loop.time()
        if now >= self._own_until or len(self._own) > _REMEMBERED:
            self._own.clear()
            self._own_until = now + _OWN_AGE
        known = self._own.get(number)
        if known is None:
            known = self._own[number] = self._netlink.is_local(address)
        return known

    def _arrival(self, control: bytes) -> tuple[int, Endpoint, int]:
        """Interface, destination and TTL; most datagrams have the same, so they are looked up by the bytes of all."""
        index, destination, ttl = 0, self._nowhere, 0
        at = 0
        while at + _CONTROL.size <= len(control):
            length, level, kind = _CONTROL.unpack_from(control, at)
            data = control[at + _CONTROL.size : at + length]
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                index, _, address = _PKTINFO.unpack(data)
                destination = Endpoint(IPv4Address(address), self._port)
            elif level == socket.IPPROTO_IP and kind == socket.IP_TTL:
                ttl = int.from_bytes(data, sys.byteorder)
            at += socket.CMSG_SPACE(len(data))
        if len(self._arrivals) >= _MOST_ARRIVALS:
            self._arrivals.clear()
        self._arrivals[control] = index, destination, ttl
        return index, destination, ttl

    def _name(self, index: int) -> str | None:
        """Asked once: the question costs more than the rest of a datagram, and an index is not used twice."""
        if index not in self._names:
            try:
                self._names[index] = socket.if_indextoname(index)
            except OSError:
                return None
        return self._names[index]

    def _frame(self, frame: Frame) -> None:
        packet = ipv4.parse(frame.packet)
        datagram = (
            packet if isinstance(packet, Reason) else ipv4.parse_udp(packet, partial=frame.partial_checksum)
        )
        if isinstance(datagram, Reason):
            self._note(datagram, {"interface": frame.interface, "link_source": frame.link_source.hex(":")})
        elif not (self._routes and frame.unicast) or self._is_own(datagram.destination.address):
            self._deliver(  # otherwise it is being routed through us, and not our business
                DatagramReceived(
                    payload=datagram.payload,
                    source=datagram.source,
                    destination=datagram.destination,
                    interface=frame.interface,
                    ttl=datagram.ttl,
                    link_source=frame.link_source,
                )
            )

    def _read_errors(self) -> None:
        """ICMP destination unreachable about what we sent; other errors of the queue concern nobody."""
        for _ in range(_MOST_ERRORS):
            try:
                _, ancillary, _, destination = self._socket.recvmsg(0, _SPACE, socket.MSG_ERRQUEUE)
            except OSError:
                return
            for level, kind, data in ancillary:
                if level == socket.IPPROTO_IP and kind == _IP_RECVERR:
                    _, origin, icmp_type, code, _, _, _ = _EXTENDED_ERROR.unpack_from(data)
                    if origin == _ORIGIN_ICMP and icmp_type == _UNREACHABLE:
                        about = Endpoint(IPv4Address(destination[0]), destination[1])
                        self._deliver(UnreachableReceived(about, code))


def _source(received: Received) -> Endpoint:
    port, address = _SENDER.unpack_from(received[1])
    return Endpoint(IPv4Address(address), port)


def _bound(port: int, mark: int | None) -> socket.socket:
    fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        fresh.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _TTL)
        fresh.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        for option in (_IP_PKTINFO, _IP_RECVTTL, _IP_RECVERR):
            fresh.setsockopt(socket.IPPROTO_IP, option, 1)
        if mark is not None:
            fresh.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
        fresh.bind(("0.0.0.0", port))
    except OSError as error:
        fresh.close()
        what = f"cannot listen on UDP port {port}"
        if error.errno == errno.EADDRINUSE:
            holder = port_holder(port)
            by = f"{holder} has it" if holder else "another program has it: see `ss -lunp`"
            raise ActionError(f"{what}: {by}; stop that program first") from error
        raise ActionError(sentence(what, error.errno or 0)) from error
    return fresh


def port_holder(port: int) -> str | None:
    """Name and process id of who has a UDP ``port`` in this network namespace; ``None`` if /proc does not
    tell.
    """
    inodes = set()
    for table in (Path("/proc/net/udp"), Path("/proc/net/udp6")):
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[1].endswith(f":{port:04X}"):
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if any(os.readlink(descriptor) in inodes for descriptor in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue  # it ended, or is not ours to look into
    return None


def _sending(action: SendDatagram) -> str:
    over = f" over {action.interface}" if action.interface else ""
    return f"cannot send from {action.source} to {action.destination}{over}"
