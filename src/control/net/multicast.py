"""Membership of multicast groups on home links, and the IP packets that IGMP travels in (RFC 3376 s4)."""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.net import ipv4
from mobileip.control.net.failures import sentence
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_SYSTEMS, ZERO_ADDRESS

IGMP: Final = 2
_ROUTER_ALERT: Final = b"\x94\x04\x00\x00"  # RFC 2113
_INTERNETWORK_CONTROL: Final = 0xC0  # type of service of IGMP (RFC 3376 s4)
_HEADER: Final = struct.Struct("!BBHHHBBH4s4s4s")


def query_packet(source: IPv4Address, group: IPv4Address, payload: bytes) -> bytes:
    """A query to ``group``, or to all systems if that is 0.0.0.0 (s4.1.12): TTL 1, with the router alert option."""
    destination = ALL_SYSTEMS if group == ZERO_ADDRESS else group
    words = _HEADER.size // 4
    fields = 0x40 | words, _INTERNETWORK_CONTROL, _HEADER.size + len(payload), 0, 0x4000, 1, IGMP
    ends = source.packed, destination.packed, _ROUTER_ALERT
    return _HEADER.pack(*fields, ipv4.checksum(_HEADER.pack(*fields, 0, *ends)), *ends) + payload


def message_of(packet: bytes) -> tuple[IPv4Address, bytes] | Reason:
    """Source and payload of an IP packet that holds IGMP, or why it does not."""
    parsed = ipv4.parse(packet)
    if isinstance(parsed, Reason):
        return parsed
    return (parsed.source, parsed.body) if parsed.protocol == IGMP else Reason.UNKNOWN_MESSAGE_TYPE


@dataclass(slots=True)
class _Link:
    """The sockets that keep one interface in its groups: the kernel lets one socket be in twenty or so."""

    index: int | None = None  # of the interface they are members on
    sockets: list[tuple[socket.socket, set[IPv4Address]]] = field(default_factory=list)
    wanted: set[IPv4Address] = field(default_factory=set)

    def close(self) -> None:
        for one, _ in self.sockets:
            one.close()
        self.sockets.clear()


class Memberships:
    """Keeps interfaces in groups; the kernel answers the queries of the link, and tells it when it joins and leaves."""

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}

    def close(self) -> None:
        """Leave everything."""
        for link in self._links.values():
            link.close()
        self._links.clear()

    def hold(self, interface: str, group: IPv4Address) -> None:
        """Be a member of ``group`` on ``interface``; once it is there, if it is not yet (see :meth:`refresh`).

        :raises ActionError: the kernel refuses.
        """
        link = self._links.setdefault(interface, _Link(_index(interface)))
        link.wanted.add(group)
        if link.index is not None:
            _join(link, interface, group)

    def drop(self, interface: str, group: IPv4Address) -> None:
        """Be one no longer; nothing happens if it was none."""
        link = self._links.get(interface)
        if link is None:
            return
        link.wanted.discard(group)
        for place, (one, groups) in enumerate(link.sockets):
            if group in groups:
                groups.remove(group)
                if groups:
                    _change(one, socket.IP_DROP_MEMBERSHIP, group, link.index or 0)
                else:
                    one.close()
                    del link.sockets[place]
                break
        if not link.wanted:
            del self._links[interface]

    def refresh(self, interface: str) -> None:
        """An interface that was deleted and made anew has forgotten its groups: join them again.

        :raises ActionError: the kernel refuses.
        """
        link = self._links.get(interface)
        index = _index(interface)
        if link is None or link.index == index:
            return
        link.close()
        link.index = index
        if index is not None:
            for group in sorted(link.wanted):
                _join(link, interface, group)


def _join(link: _Link, interface: str, group: IPv4Address) -> None:
    if any(group in groups for _, groups in link.sockets):
        return
    what = f"cannot join {group} on {interface}"
    for one, groups in link.sockets:
        if _change(one, socket.IP_ADD_MEMBERSHIP, group, link.index or 0) == 0:
            groups.add(group)
            return
    fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    failure = _change(fresh, socket.IP_ADD_MEMBERSHIP, group, link.index or 0)
    if failure:
        fresh.close()
        raise ActionError(sentence(what, failure))
    link.sockets.append((fresh, {group}))


def _change(member: socket.socket, option: int, group: IPv4Address, index: int) -> int:
    """0 or an errno: ENOBUFS when the socket is in as many groups as one may be (igmp_max_memberships)."""
    try:
        member.setsockopt(socket.IPPROTO_IP, option, struct.pack("=4s4si", group.packed, bytes(4), index))
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _index(interface: str) -> int | None:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return None
