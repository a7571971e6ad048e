"""The next hop of each tunnel, for an engine that hands its datagrams to the device and not to the kernel's routing.

Per pair of tunnel ends the kernel is asked once for the route; per neighbour that routes lead to, for its link-layer
address. Notifications say what may have changed: of a neighbour, the new state is in them; after a change of links,
routes or rules every route is asked for again, soon and a few at a time. What is not known is told as such, and goes by
the kernel's way.

A neighbour that nothing but the engine uses would grow stale unnoticed. So the kernel is told that a stale one is in
use (NTF_USE), and verifies it as it would for its own packets.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from mobileip.control.net import bpf, requests
from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.netlink import Netlink

_GROUPS: Final = 0x1 | 0x4 | 0x40 | 0x80  # RTMGRP_LINK, RTMGRP_NEIGH, RTMGRP_IPV4_ROUTE, of rules
_NEW_ROUTE, _DELETED_ROUTE, _NEW_NEIGHBOUR, _DELETED_NEIGHBOUR = 24, 25, 28, 29
_RECEIVE_BUFFER: Final = 1 << 20
_MOST: Final = 16_384  # pairs; the engine has room for twice as many
_SOON: Final = 0.02  # seconds from a change until routes are asked for again: changes come in groups
_AT_ONCE: Final = 64  # pairs looked at before other work has its turn

_ETHERNET: Final = 6  # bytes of a link-layer address


class Hop(NamedTuple):
    """Where datagrams from ``local`` to ``remote`` go next; ``address`` None: not known."""

    local: IPv4Address
    remote: IPv4Address
    interface: int
    address: bytes | None


class _Neighbour(NamedTuple):
    interface: int
    address: IPv4Address


_Pair = tuple[IPv4Address, IPv4Address]


class NextHops:
    """Tells ``tell`` the next hop of every pair that :meth:`want` named, and every change of it.

    ``mark`` is that of the engine's datagrams, for policy rules. ``ours``: whether routes that we install ourselves
    lead tunnels (those of a mobile node do; those of an agent lead into them, and come with every registration).
    """

    def __init__(
        self, netlink: Netlink, mark: int | None, tell: Callable[[Iterable[Hop]], None], *, ours: bool
    ) -> None:
        self._netlink = netlink
        self._mark = mark
        self._tell = tell
        self._pairs: dict[_Pair, _Neighbour | None] = {}
        self._users: dict[_Neighbour, set[_Pair]] = {}
        self._known: dict[_Neighbour, bytes | None] = {}
        self._lately: set[_Pair] = set()  # named since the latest :meth:`keep`
        self._again: list[_Pair] = []
        self._changed = False  # since the latest look at everything began
        self._timer: asyncio.TimerHandle | None = None
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if not ours:
            bpf.attach(self._socket, bpf.no_routes_of(_NEW_ROUTE, _DELETED_ROUTE, requests.PROTOCOL))

    def start(self) -> None:
        """Needs the running loop."""
        self._socket.bind((0, _GROUPS))
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def want(self, local: IPv4Address, remote: IPv4Address) -> None:
        """A tunnel from ``local`` to ``remote`` is there. The pair named longest ago is given up for one too many."""
        self._lately.add((local, remote))
        if (local, remote) in self._pairs:
            return
        if len(self._pairs) >= _MOST:
            self._give_up(next(iter(self._pairs)))
        self._resolve((local, remote))

    def keep(self, local: IPv4Address, remotes: Container[int]) -> None:
        """Give up the pairs of ``local`` whose other end is not among ``remotes``, nor was named since the last time:
        what there were tunnels to while they were gathered."""
        lately, self._lately = self._lately, set()
        for pair in [one for one in self._pairs if one[0] == local and one not in lately]:
            if int(pair[1]) not in remotes:
                self._give_up(pair)

    def _give_up(self, pair: _Pair) -> None:
        self._use(pair, None)
        del self._pairs[pair]
        self._lately.discard(pair)

    def _resolve(self, pair: _Pair) -> None:
        local, remote = pair
        neighbour = self._neighbour(local, remote)
        self._use(pair, neighbour)
        if neighbour is not None and neighbour not in self._known:
            self._known[neighbour] = self._ask(neighbour)
        self._told([pair])

    def _neighbour(self, local: IPv4Address, remote: IPv4Address) -> _Neighbour | None:
        """Who gets the datagrams, if that is on a link with Ethernet's addresses."""
        try:
            path = self._netlink.route_to(remote, source=local, mark=self._mark)
            link = self._netlink.link(path.device)
        except NetlinkFailure:
            return None
        if link is None or len(link.address) != _ETHERNET or not any(link.address):
            return None
        return _Neighbour(link.index, path.gateway or remote)

    def _ask(self, neighbour: _Neighbour) -> bytes | None:
        try:
            state, address = self._netlink.neighbour(neighbour.address, neighbour.interface)
        except NetlinkFailure:
            return None
        return self._judge(neighbour, state, address)

    def _judge(self, neighbour: _Neighbour, state: int, address: bytes) -> bytes | None:
        valid = state & requests.NUD_VALID and len(address) == _ETHERNET
        if not valid or state & requests.NUD_STALE:
            # Refused where the table of neighbours overflows (ENOBUFS), as any host on the link can bring about. The
            # datagrams go the kernel's way then, and it tells when it has found the neighbour for them.
            with suppress(NetlinkFailure):
                self._netlink.use_neighbour(neighbour.address, neighbour.interface)
        return address if valid else None

    def _use(self, pair: _Pair, neighbour: _Neighbour | None) -> None:
        old = self._pairs.get(pair)
        self._pairs[pair] = neighbour
        if old is not None and old != neighbour:
            self._users[old].discard(pair)
            if not self._users[old]:
                del self._users[old]
                self._known.pop(old, None)
        if neighbour is None:
            self._told([pair])
        else:
            self._users.setdefault(neighbour, set()).add(pair)

    def _told(self, pairs: Iterable[_Pair]) -> None:
        hops = []
        for pair in pairs:
            neighbour = self._pairs[pair]
            if neighbour is None:
                hops.append(Hop(*pair, 0, None))
            else:
                hops.append(Hop(*pair, neighbour.interface, self._known.get(neighbour)))
        self._tell(hops)

    # ---- changes

    def _readable(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._soon()
                continue
            kind, content = struct.unpack_from("=H", datagram, 4)[0], datagram[16:]
            if kind in (_NEW_NEIGHBOUR, _DELETED_NEIGHBOUR):
                self._on_neighbour(content, gone=kind == _DELETED_NEIGHBOUR)
            else:
                self._soon()

    def _on_neighbour(self, content: bytes, *, gone: bool) -> None:
        entry = requests.neighbour_entry(content)
        if entry is None:
            return
        neighbour = _Neighbour(entry.interface, entry.address)
        if neighbour not in self._users:
            return
        address = None if gone else self._judge(neighbour, entry.state, entry.link_address)
        if self._known.get(neighbour) != address:
            self._known[neighbour] = address
            self._told(self._users[neighbour])

    def _soon(self) -> None:
        """Look at everything again, when what is being looked at now is done: changes without end leave none out."""
        self._changed = True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SOON, self._begin)

    def _begin(self) -> None:
        self._changed = False
        self._known.clear()
        self._again = list(self._pairs)
        self._go_on()

    def _go_on(self) -> None:
        self._timer = None
        now, self._again = self._again[:_AT_ONCE], self._again[_AT_ONCE:]
        for pair in now:
            if pair in self._pairs:
                self._resolve(pair)
        if self._again:
            self._timer = asyncio.get_running_loop().call_later(0, self._go_on)
        elif self._changed:
            self._soon()
