"""Agent discovery: ICMP router advertisements and solicitations, types 9 and 10 (RFC 1256, RFC 5944 s2)."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.core.actions import SendIcmp
from mobileip.control.core.events import IcmpReceived
from mobileip.control.net import bpf, ipv4
from mobileip.control.net.packet import LINK_BROADCAST, Frame, PacketSocket
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.types import (
    ALL_MOBILITY_AGENTS,
    ALL_ROUTERS,
    ALL_SYSTEMS,
    LIMITED_BROADCAST,
    ZERO_ADDRESS,
)

_ADVERTISEMENT, _SOLICITATION = 9, 10
_ONE_HOP: Final = 1  # RFC 5944 s2.1: TTL 1; solicitations as well
_SIOCGIFADDR: Final = 0x8915
_GROUPS: Final = (ALL_SYSTEMS, ALL_ROUTERS, ALL_MOBILITY_AGENTS)

Note = Callable[[Reason, Mapping[str, object]], None]


class AgentDiscoverySocket:
    """Sends and receives on each of ``interfaces``, also where there is no address yet.

    ``note`` is told of every message that is dropped here.
    """

    def __init__(
        self, deliver: Callable[[IcmpReceived], None], note: Note, interfaces: Iterable[str]
    ) -> None:
        self._deliver = deliver
        self._note = note
        accept = bpf.icmp_of_types(_ADVERTISEMENT, _SOLICITATION)
        self._links: dict[str, PacketSocket] = {}
        self._probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            for name in interfaces:
                self._links[name] = PacketSocket(name, accept, self._frame, _GROUPS)
        except ActionError:
            self.close()
            raise

    def close(self) -> None:
        self._probe.close()
        for link in self._links.values():
            link.close()

    def refresh(self, interface: str) -> None:
        """After a LinkChanged: an interface that was deleted and made anew is listened on again."""
        if interface in self._links:
            self._links[interface].refresh()

    def suspects(self, interface: str) -> bool:
        """Whether ``interface`` was set down, so that it may have been deleted unseen since."""
        return self._links[interface].suspect

    def send(self, action: SendIcmp) -> None:
        """Raises :class:`ActionError` with one sentence when it cannot leave."""
        link = self._links.get(action.interface)
        if link is None:
            raise ActionError(f"cannot send ICMP on {action.interface}: not a configured interface")
        to = action.link_destination or _link_destination(action.destination)
        if to is None:
            raise ActionError(f"cannot send ICMP to {action.destination}: no link-layer address given")
        source = action.source if action.source is not None else self._first_address(action.interface)
        link.send(ipv4.build(source, action.destination, ipv4.ICMP, _ONE_HOP, action.payload), to)

    def _frame(self, frame: Frame) -> None:
        packet = ipv4.parse(frame.packet)
        if isinstance(packet, Reason):
            self._drop(packet, frame)
        elif not ipv4.is_whole(packet.body):
            self._drop(Reason.BAD_CHECKSUM, frame)
        else:
            self._deliver(
                IcmpReceived(
                    packet.body, packet.source, packet.destination, frame.interface, frame.link_source
                )
            )

    def _drop(self, reason: Reason, frame: Frame) -> None:
        self._note(reason, {"interface": frame.interface, "link_source": frame.link_source.hex(":")})

    def _first_address(self, interface: str) -> IPv4Address:
        """RFC 1256 s5.1: the interface's address, or 0.0.0.0 when it has none yet."""
        request = struct.pack("16sH22x", interface.encode()[:15], socket.AF_INET)
        try:
            return IPv4Address(fcntl.ioctl(self._probe, _SIOCGIFADDR, request)[20:24])
        except OSError:
            return ZERO_ADDRESS


def _link_destination(destination: IPv4Address) -> bytes | None:
    """RFC 1112 s6.4: the low 23 bits of a group address in 01:00:5e:00:00:00."""
    if destination.is_multicast:
        return b"\x01\x00\x5e" + (int(destination) & 0x7F_FFFF).to_bytes(3, "big")
    return LINK_BROADCAST if destination == LIMITED_BROADCAST else None
