"""Carrier, address and default-route changes of the interfaces that matter, as LinkChanged events.

A notification says only where to look: the state is then read afresh and compared with what was last told. So
a lost notification costs nothing that the next reading does not mend, and an overrun of the socket (ENOBUFS)
is one reading of everything.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.core.events import LinkChanged
from mobileip.control.net import bpf
from mobileip.control.net.netlink import Netlink
from mobileip.control.net.requests import MAIN_TABLE, NUD_VALID, neighbour_entry

_GROUPS: Final = 0x1 | 0x10 | 0x40  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE
_NEIGHBOURS: Final = 0x4  # RTMGRP_NEIGH
_PERMANENT: Final = 0x80  # NUD_PERMANENT: set by somebody, perhaps ourselves, and not heard on the link
_NEW_NEIGHBOUR, _DELETED_NEIGHBOUR = 28, 29
_NEW_LINK, _DELETED_LINK, _NEW_ADDRESS, _DELETED_ADDRESS, _NEW_ROUTE, _DELETED_ROUTE = 16, 17, 20, 21, 24, 25
_RUNNING: Final = 0x1 | 0x40  # IFF_UP, IFF_RUNNING
_RECEIVE_BUFFER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _State:
    index: int | None
    carrier_losses: int
    told: LinkChanged


class LinkWatch:
    """Tells ``deliver`` the state of each interface at :meth:`start` and after every change.

    An interface that went down and up again, or was deleted and made anew, faster than we could look is told
    as down and then up: whatever hung on it may be gone. ``resync`` is called after an overrun, when entries
    of ours may have been removed unseen. With ``gateways`` the link-layer address of each default gateway is told too:
    it shows another network behind an access point.
    """

    def __init__(
        self,
        netlink: Netlink,
        interfaces: Iterable[str],
        deliver: Callable[[LinkChanged], None],
        resync: Callable[[], None],
        gateways: bool = False,
    ) -> None:
        self._netlink = netlink
        self._gateways = gateways
        self._interfaces = tuple(interfaces)
        self._deliver = deliver
        self._resync = resync
        self._states: dict[str, _State] = {}
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        bpf.attach(self._socket, bpf.no_routes_but_default(_NEW_ROUTE, _DELETED_ROUTE, MAIN_TABLE))

    def start(self) -> None:
        """Needs the running loop. Every interface's state is told before this returns."""
        self._socket.bind(
            (0, _GROUPS | (_NEIGHBOURS if self._gateways else 0))
        )  # before the first reading, so that no change falls in between
        for name in self._interfaces:
            self._states[name] = self._read(name)
            self._deliver(self._states[name].told)
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        if self._states:
            asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def state(self, interface: str) -> LinkChanged:
        """What was last told of ``interface``."""
        return self._states[interface].told

    def _readable(self) -> None:
        touched: set[int] = set()
        fallen: set[int] = set()
        everything = overrun = False
        while True:
            try:
                datagram = self._socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                overrun = True
                continue
            kind, content = struct.unpack_from("=H", datagram, 4)[0], memoryview(datagram)[16:]
            if kind in (_NEW_ROUTE, _DELETED_ROUTE):
                everything = True
            elif kind in (_NEW_NEIGHBOUR, _DELETED_NEIGHBOUR):
                self._on_neighbour(bytes(content), touched)
            elif kind in (_NEW_ADDRESS, _DELETED_ADDRESS, _NEW_LINK, _DELETED_LINK):
                index = struct.unpack_from("=I", content, 4)[0]
                touched.add(index)
                flags = struct.unpack_from("=I", content, 8)[0] if kind == _NEW_LINK else _RUNNING
                if kind == _DELETED_LINK or flags & _RUNNING != _RUNNING:
                    fallen.add(index)
        for name in self._interfaces:
            index = self._states[name].index
            if everything or overrun or index is None or index in touched:
                self._look(name, fallen)
        if overrun:
            self._resync()

    def _on_neighbour(self, content: bytes, touched: set[int]) -> None:
        entry = neighbour_entry(content)
        if entry is not None and any(
            (state.index, state.told.gateway) == (entry.interface, entry.address)
            for state in self._states.values()
        ):
            touched.add(entry.interface)

    def _look(self, name: str, fallen: set[int]) -> None:
        old, new = self._states[name], self._read(name)
        self._states[name] = new
        interrupted = (
            old.index != new.index or new.carrier_losses != old.carrier_losses or old.index in fallen
        )
        if old.told.up and new.told.up and interrupted:
            # With the addresses it had: those are the ones that may be leftovers of the link that is gone.
            self._deliver(LinkChanged(name, up=False, addresses=old.told.addresses))
            self._deliver(new.told)
        elif new.told != old.told:
            self._deliver(new.told)

    def _read(self, name: str) -> _State:
        link = self._netlink.link(name)
        if link is None:
            return _State(None, 0, LinkChanged(name, up=False))
        gateway = self._netlink.default_gateway(name)
        told = LinkChanged(
            name,
            up=link.running,
            addresses=self._netlink.addresses(name, ours=False),
            gateway=gateway,
            gateway_link=self._gateway_link(name, link.index, gateway) if link.running else None,
        )
        return _State(link.index, link.carrier_losses, told)

    def _gateway_link(self, name: str, index: int, gateway: IPv4Address | None) -> bytes | None:
        """Of an entry that is being resolved anew, the address that it had."""
        if not self._gateways or gateway is None:
            return None
        state, address = self._netlink.neighbour(gateway, index)
        if state & NUD_VALID:
            return None if state & _PERMANENT else address
        before = self._states.get(name)
        same = before is not None and (before.index, before.told.gateway) == (index, gateway)
        return before.told.gateway_link if before is not None and same else None
