"""The kernel's routes, rules, neighbours, addresses and links, as verbs. The only module that imports
pyroute2.

rtnetlink does its work inside ``sendmsg``: when that returns, the answer is already in the socket's queue. So
the verbs are plain functions which wait for nothing but the kernel's own lock, and a list of them is not
interleaved with other work of the event loop. Requests come in a few fixed forms and are packed by hand, because
a home agent changes routes at the rate of its registrations: 25 us a change here, 80 us with
``rtmsg.encode()`` and 275 us through ``AsyncIPRoute`` (measured on one machine). So are the answers read that a
handover waits for; the others, which have many forms and are read seldom, are decoded by pyroute2.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, Final, Self, Unpack

from pyroute2.netlink import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    rtnl,
)
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from mobileip.control.net import requests
from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.requests import (
    MAIN_TABLE,
    NTF_PROXY,
    NUD_PERMANENT,
    PROTOCOL,
    Link,
    Path,
    Selectors,
)

_REPLACE: Final = NLM_F_CREATE | NLM_F_REPLACE
_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _GET_STRICT = 270, 10, 11, 12
_ANSWER_TIMEOUT: Final = struct.pack("@ll", 5, 0)
_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ABSENT: Final = (errno.ESRCH, errno.ENOENT, errno.EADDRNOTAVAIL, errno.ENODEV)


class Netlink:
    """A conversation with the kernel of the network namespace in which it is opened.

    ``replace_…`` and ``add_…`` are idempotent; ``remove_…`` of something absent is success. Every other
    refusal raises :class:`NetlinkFailure`. Devices are named; one that does not exist is ENODEV.
    """

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _ANSWER_TIMEOUT)
        for option in (_CAP_ACK, _EXT_ACK, _GET_STRICT):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._sequence = 0
        # Kernels before 5.18 do not keep IFA_PROTO, by which later ones tell our addresses.
        self._own_addresses: set[tuple[str, IPv4Interface]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    # routes

    def replace_route(
        self,
        network: IPv4Network,
        *,
        device: str,
        gateway: IPv4Address | None = None,
        onlink: bool = False,
        source: IPv4Address | None = None,
        table: int = MAIN_TABLE,
        metric: int = 0,
        broadcast: bool = False,
        mtu: int = 0,
    ) -> None:
        """Unicast route, or one of a broadcast address; takes the place of one with the same network, table, metric.

        ``mtu`` in bytes; 0: the interface's.
        """
        what = f"cannot install route {_route_text(network, device, gateway, table)}"
        body = requests.route(
            network, index=_index(device, what), gateway=gateway, onlink=onlink, source=source, table=table,
            metric=metric, broadcast=broadcast, mtu=mtu,
        )  # fmt: skip
        self._change(rtnl.RTM_NEWROUTE, _REPLACE, body, what)

    def remove_route(
        self, network: IPv4Network, *, device: str, table: int = MAIN_TABLE, metric: int = 0
    ) -> None:
        """Our route only: one with another protocol number stays."""
        if (index := _index_or_none(device)) is None:
            return  # the kernel removed the routes with the device
        what = f"cannot remove route {_route_text(network, device, None, table)}"
        body = requests.route_removal(network, index=index, table=table, metric=metric)
        self._change(rtnl.RTM_DELROUTE, 0, body, what, harmless=_ABSENT)

    # policy rules

    def replace_rule(self, priority: int, *, table: int | None, **selectors: Unpack[Selectors]) -> None:
        """Rule with exactly these selectors; one that is there already stays. ``iif`` need not exist yet.

        ``source`` 0.0.0.0/32 selects look-ups for sockets that have not chosen a source address. ``table``
        None makes unreachable what the rule selects.
        """
        body, what = requests.rule(priority, table, **selectors), f"cannot install policy rule {priority}"
        self._change(rtnl.RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, body, what, harmless=(errno.EEXIST,))

    def remove_rule(self, priority: int, *, table: int | None, **selectors: Unpack[Selectors]) -> None:
        body, what = requests.rule(priority, table, **selectors), f"cannot remove policy rule {priority}"
        self._change(rtnl.RTM_DELRULE, 0, body, what, harmless=_ABSENT)

    # neighbours

    def replace_neighbour(self, address: IPv4Address, device: str, link_address: bytes) -> None:
        """Permanent entry: the kernel neither asks for nor ages this link-layer address."""
        what = f"cannot pin neighbour {address} on {device}"
        body = requests.neighbour(
            address, index=_index(device, what), state=NUD_PERMANENT, link_address=link_address
        )
        self._change(rtnl.RTM_NEWNEIGH, _REPLACE, body, what)

    def neighbour(self, address: IPv4Address, index: int) -> tuple[int, bytes]:
        """NUD_ flags and link-layer address of the entry on the interface with ``index``; (0, b"") if there is none."""
        body, what = requests.neighbour_lookup(address, index=index), f"cannot look up neighbour {address}"
        for answer in self._ask(rtnl.RTM_GETNEIGH, 0, body, what, harmless=_ABSENT):
            if (entry := requests.neighbour_entry(answer)) is not None:
                return entry.state, entry.link_address
        return 0, b""

    def use_neighbour(self, address: IPv4Address, index: int) -> None:
        """The kernel resolves or verifies the entry, as if it had a packet for ``address``."""
        body, what = (
            requests.neighbour_lookup(address, index=index, flags=requests.NTF_USE),
            f"cannot use neighbour {address}",
        )
        self._change(rtnl.RTM_NEWNEIGH, NLM_F_CREATE, body, what, harmless=(*_ABSENT, errno.ENETDOWN))

    def remove_neighbour(self, address: IPv4Address, device: str) -> None:
        self._remove_neighbour(address, device, 0)

    def add_proxy_neighbour(self, address: IPv4Address, device: str) -> None:
        """The kernel answers ARP for ``address`` on ``device``, if it forwards there and routes elsewhere."""
        what = f"cannot answer ARP for {address} on {device}"
        body = requests.neighbour(address, index=_index(device, what), state=NUD_PERMANENT, flags=NTF_PROXY)
        self._change(rtnl.RTM_NEWNEIGH, _REPLACE, body, what)

    def remove_proxy_neighbour(self, address: IPv4Address, device: str) -> None:
        self._remove_neighbour(address, device, NTF_PROXY)

    def _remove_neighbour(self, address: IPv4Address, device: str, flags: int) -> None:
        if (index := _index_or_none(device)) is not None:
            body = requests.neighbour(address, index=index, flags=flags)
            what = f"cannot remove neighbour {address} on {device}"
            self._change(rtnl.RTM_DELNEIGH, 0, body, what, harmless=_ABSENT)

    # addresses and links

    def add_address(self, interface: IPv4Interface, device: str, noprefixroute: bool = True) -> None:
        what = f"cannot put address {interface} on {device}"
        body = requests.address(interface, index=_index(device, what), noprefixroute=noprefixroute)
        self._change(rtnl.RTM_NEWADDR, _REPLACE, body, what)
        self._own_addresses.add((device, interface))

    def remove_address(self, interface: IPv4Interface, device: str) -> None:
        """Whoever put it there. If it was the device's last, the kernel drops every route over the device."""
        if (index := _index_or_none(device)) is not None:
            body = requests.address_removal(interface, index=index)
            what = f"cannot remove address {interface} from {device}"
            self._change(rtnl.RTM_DELADDR, 0, body, what, harmless=_ABSENT)
        self._own_addresses.discard((device, interface))

    def set_link_up(self, device: str) -> None:
        what = f"cannot set {device} up"
        self._change(rtnl.RTM_NEWLINK, 0, requests.link_up(_index(device, what)), what)

    # reading

    def link(self, device: str) -> Link | None:
        """Facts of one interface; ``None`` if there is none of that name."""
        if (index := _index_or_none(device)) is None:
            return None
        try:
            return self._link_of(index)
        except NetlinkFailure as failure:
            if failure.errno == errno.ENODEV:
                return None
            raise

    def _link_of(self, index: int) -> Link:
        what = f"cannot read interface number {index}"
        return requests.link(self._ask(rtnl.RTM_GETLINK, 0, requests.link_reading(index), what)[0])

    def links(self) -> tuple[Link, ...]:
        answers = self._ask(rtnl.RTM_GETLINK, NLM_F_DUMP, requests.link_reading(), "cannot list interfaces")
        return tuple(requests.link(answer) for answer in answers)

    def addresses(self, device: str, *, ours: bool = True) -> tuple[IPv4Interface, ...]:
        """IPv4 addresses of ``device``; with ``ours`` false without those that this daemon put there."""
        if (index := _index_or_none(device)) is None:
            return ()
        what, listing = f"cannot read addresses of {device}", requests.address_listing(index)
        found = []
        for answer in self._ask(rtnl.RTM_GETADDR, NLM_F_DUMP, listing, what, harmless=_ABSENT):
            message = _decode(ifaddrmsg, answer)
            interface = IPv4Interface((message.get_attr("IFA_LOCAL"), message["prefixlen"]))
            own = message.get_attr("IFA_PROTO") == PROTOCOL or (device, interface) in self._own_addresses
            if ours or not own:
                found.append(interface)
        return tuple(found)

    def default_gateway(self, device: str) -> IPv4Address | None:
        """Next hop of the main table's default route over ``device`` with the lowest metric."""
        if (index := _index_or_none(device)) is None:
            return None
        return next(iter(self.default_gateways(index)), None)

    def default_gateways(self, index: int = 0) -> list[IPv4Address]:
        """Next hops of the main table's default routes, those with the lowest metric first; 0: over any device."""
        found: list[tuple[int, IPv4Address]] = []
        listing, what = requests.route_listing(table=MAIN_TABLE, index=index), "cannot read the main table"
        for answer in self._ask(rtnl.RTM_GETROUTE, NLM_F_DUMP, listing, what, harmless=_ABSENT):
            if answer[1]:
                continue  # rtm_dst_len: no default route, not worth decoding
            message = _decode(rtmsg, answer)
            gateway, metric = message.get_attr("RTA_GATEWAY"), message.get_attr("RTA_PRIORITY") or 0
            if gateway is not None:
                found.append((metric, IPv4Address(gateway)))
        return [gateway for _, gateway in sorted(found, key=lambda one: one[0])]

    def route_to(
        self, address: IPv4Address, *, source: IPv4Address | None = None, mark: int | None = None
    ) -> Path:
        """What the kernel would do with a packet to ``address``; ENETUNREACH when there is no way."""
        (answer,) = self._ask(
            rtnl.RTM_GETROUTE, 0, requests.route_lookup(address, source, mark), f"no way to {address}"
        )
        return requests.path(answer, self._link_of, source)

    def is_local(self, address: IPv4Address) -> bool:
        """Whether a packet to ``address`` is for this machine."""
        lookup = requests.route_lookup(address, None, None)
        try:
            (answer,) = self._ask(rtnl.RTM_GETROUTE, 0, lookup, f"no way to {address}")
        except NetlinkFailure:
            return False
        return requests.leads_here(answer)

    def purge(self) -> list[str]:
        """Removes everything that carries our protocol number and says what it was.

        Call it before anything is installed: it is for what a killed run left behind.
        """
        removed = []
        for text, deletion, body in list(self._leftovers()):
            self._change(deletion, 0, body, f"cannot remove {text}", harmless=_ABSENT)
            removed.append(text)
        return removed

    def _leftovers(self) -> Iterator[tuple[str, int, bytes]]:
        """Text, delete request and its body: a dumped entry is its own delete request, as in `ip … flush`."""
        what = "cannot look for what an earlier run left"
        for body in self._ask(rtnl.RTM_GETRULE, NLM_F_DUMP, requests.rule_listing(), what):
            rule = _decode(fibmsg, body)
            if rule.get_attr("FRA_PROTOCOL") == PROTOCOL:
                yield f"policy rule {rule.get_attr('FRA_PRIORITY')}", rtnl.RTM_DELRULE, body
        for body in self._ask(rtnl.RTM_GETROUTE, NLM_F_DUMP, requests.route_listing(protocol=PROTOCOL), what):
            route = _decode(rtmsg, body)
            network = f"{route.get_attr('RTA_DST') or '0.0.0.0'}/{route['dst_len']}"
            yield f"route {network} in table {route.get_attr('RTA_TABLE')}", rtnl.RTM_DELROUTE, body
        for flags, kind in ((0, "neighbour"), (NTF_PROXY, "proxy ARP entry")):
            for body in self._ask(rtnl.RTM_GETNEIGH, NLM_F_DUMP, requests.neighbour_listing(flags), what):
                neighbour = _decode(ndmsg, body)
                if neighbour.get_attr("NDA_PROTOCOL") == PROTOCOL:
                    yield f"{kind} {neighbour.get_attr('NDA_DST')}", rtnl.RTM_DELNEIGH, body
        for body in self._ask(rtnl.RTM_GETADDR, NLM_F_DUMP, requests.address_listing(), what):
            address = _decode(ifaddrmsg, body)
            if address.get_attr("IFA_PROTO") == PROTOCOL:
                text = f"address {address.get_attr('IFA_LOCAL')}/{address['prefixlen']}"
                yield text, rtnl.RTM_DELADDR, body

    # the conversation

    def _change(self, kind: int, flags: int, body: bytes, what: str, harmless: tuple[int, ...] = ()) -> None:
        self._ask(kind, flags | NLM_F_ACK, body, what, harmless)

    def _ask(
        self, kind: int, flags: int, body: bytes, what: str, harmless: tuple[int, ...] = ()
    ) -> list[bytes]:
        """Bodies of the answers; none for an errno in ``harmless``. A dump that changed meanwhile is
        repeated.
        """
        for _ in range(8):
            try:
                answers = self._converse(kind, flags, body, what)
            except NetlinkFailure as failure:
                if failure.errno in harmless:
                    return []
                raise
            except OSError as error:  # the socket itself: full, closed, or no answer for five seconds
                raise NetlinkFailure(error.errno or errno.EIO, what) from error
            if answers is not None:
                return answers
        raise NetlinkFailure(errno.EAGAIN, what, "the kernel's table changed during each of 8 readings")

    def _converse(self, kind: int, flags: int, body: bytes, what: str) -> list[bytes] | None:
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        length = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(length, kind, flags | NLM_F_REQUEST, self._sequence, 0) + body)
        bodies: list[bytes] = []
        interrupted = False
        while True:
            datagram = self._socket.recv(1 << 16)
            offset = 0
            while offset < len(datagram):
                length, answer, answer_flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
                content = datagram[offset + _HEADER.size : offset + length]
                offset += (length + 3) & ~3
                if sequence != self._sequence:
                    continue  # left over from a request that was given up
                interrupted |= bool(answer_flags & NLM_F_DUMP_INTR)
                if answer in (NLMSG_ERROR, NLMSG_DONE):
                    code = -struct.unpack_from("=i", content)[0]
                    if code:
                        raise NetlinkFailure(code, what, _kernels_words(content, answer))
                    return None if interrupted else bodies
                bodies.append(content)
            if bodies and not flags & (NLM_F_DUMP | NLM_F_ACK):
                return bodies


def _kernels_words(answer: bytes, kind: int) -> str:
    """The kernel's own explanation (NLMSGERR_ATTR_MSG) after the code and, in an error, the capped header."""
    found = requests.attributes(answer, 4 + (_HEADER.size if kind == NLMSG_ERROR else 0))
    return found.get(1, b"").rstrip(b"\0").decode(errors="replace").rstrip(".")


def _decode(message_type: Any, body: bytes) -> Any:
    message = message_type(_HEADER.pack(_HEADER.size + len(body), 0, 0, 0, 0) + body)
    message.decode()
    return message


def _index(device: str, what: str) -> int:
    index = _index_or_none(device)
    if index is None:
        raise NetlinkFailure(errno.ENODEV, what)
    return index


def _index_or_none(device: str) -> int | None:
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return None


def _route_text(network: IPv4Network, device: str, gateway: IPv4Address | None, table: int) -> str:
    via = f" via {gateway}" if gateway else ""
    return f"{network}{via} dev {device}" + ("" if table == MAIN_TABLE else f" table {table}")
