"""The exact time at which the mobile node's link went away and was usable again.

``python -m mobileip.control.lab.linkwatch eth0`` runs in the node's namespace, listens to rtnetlink as the
daemon does, and stamps every change when it is told, ahead of all others (SCHED_FIFO). So the time is that of
the event, not of the command that caused it, and it does not contain the daemon's own delay.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from mobileip.control.lab.helpers import Helper, run_before_others, say, serve
from mobileip.control.lab.namespaces import LabError, Namespace
from mobileip.control.lab.processes import Processes

# linux/netlink.h, linux/rtnetlink.h, linux/if.h
_NETLINK_ROUTE: Final = 0
_RTMGRP_LINK: Final = 0x1
_RTMGRP_IPV4_IFADDR: Final = 0x10
_RTM_NEWLINK: Final = 16
_RTM_NEWADDR: Final = 20
_RTM_DELADDR: Final = 21
_IFA_LOCAL: Final = 2
_IFF_LOWER_UP: Final = 0x1_0000

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr
_LINK: Final = struct.Struct("=BxHiII")  # ifinfomsg
_ADDRESS: Final = struct.Struct("=BBBBI")  # ifaddrmsg
_ATTRIBUTE: Final = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """``kind`` is ``up`` or ``down`` (carrier), ``added`` or ``removed`` (``address``); ``at`` is
    CLOCK_MONOTONIC ns.
    """

    at: int
    kind: str
    address: str = ""


class LinkWatch:
    """Collects the events of one interface."""

    def __init__(self, processes: Processes, space: Namespace, interface: str) -> None:
        self._changed = threading.Condition()
        self._events: list[LinkEvent] = []
        self._helper = Helper(processes, "linkwatch", space, "linkwatch", interface, on_event=self._on_event)
        self._helper.ask("ready")

    def _on_event(self, message: dict[str, Any]) -> None:
        with self._changed:
            self._events.append(LinkEvent(**message))
            self._changed.notify_all()

    def wait(self, kind: str, *, since: int, address: str = "", within: float = 5.0) -> int:
        """The time of the first such event after ``since``; LabError if there is none for ``within``
        seconds.
        """

        def found() -> LinkEvent | None:
            wanted = (e for e in self._events if e.at >= since and e.kind == kind and e.address == address)
            return next(wanted, None)

        with self._changed:
            event = self._changed.wait_for(found, within)
        if event is None:
            raise LabError(f"no link event {kind!r} {address} within {within:g} s")
        return event.at


def _changes(messages: bytes, index: int) -> Iterator[tuple[str, str]]:
    """Kind and address of each rtnetlink message about interface ``index``."""
    offset = 0
    while offset < len(messages):
        length, kind, *_ = _HEADER.unpack_from(messages, offset)
        body = offset + _HEADER.size
        if kind == _RTM_NEWLINK:
            _family, _type, subject, flags, _change = _LINK.unpack_from(messages, body)
            if subject == index:
                yield ("up" if flags & _IFF_LOWER_UP else "down"), ""
        elif kind in (_RTM_NEWADDR, _RTM_DELADDR):
            *_, subject = _ADDRESS.unpack_from(messages, body)
            if subject == index:
                address = _local_address(messages[body + _ADDRESS.size : offset + length])
                yield ("added" if kind == _RTM_NEWADDR else "removed"), address
        offset += (length + 3) & ~3


def _local_address(attributes: bytes) -> str:
    offset = 0
    while offset < len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, offset)
        if kind == _IFA_LOCAL:
            return str(IPv4Address(attributes[offset + 4 : offset + 8]))
        offset += (length + 3) & ~3
    return ""


def main(interface: str) -> None:
    run_before_others()
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE)
    netlink.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR))
    index = socket.if_nametoindex(interface)
    threading.Thread(target=serve, args=({"ready": lambda: True},), daemon=True).start()
    state = ""
    while True:
        messages = netlink.recv(65536)
        now = time.monotonic_ns()
        for kind, address in _changes(messages, index):
            # A link message may be about anything; only a changed carrier is an event.
            if kind in ("up", "down"):
                if kind == state:
                    continue
                state = kind
            say({"at": now, "kind": kind, "address": address})


if __name__ == "__main__":
    main(sys.argv[1])
