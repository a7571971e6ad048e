"""The home agent's multicasts outside the core: IGMP in and out of the tunnels, groups joined on home links."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from itertools import islice
from typing import Final

from mobileip.control.core.actions import DropGroup, HoldGroup, JoinGroup, LeaveGroup, SendQuery
from mobileip.control.core.events import IgmpReceived
from mobileip.control.net.multicast import Memberships, message_of, query_packet
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import Tunnels

_AT_ONCE: Final = (
    16  # IGMP packets before other work has its turn: they can come faster than they are handled
)

GroupAction = JoinGroup | LeaveGroup | HoldGroup | DropGroup | SendQuery


class GroupTraffic:
    """Performs the actions of :mod:`~mobileip.control.core.multicast` and brings it what nodes report.

    ``source`` is the address that queries come from.
    """

    def __init__(
        self,
        tunnels: Tunnels,
        source: IPv4Address,
        deliver: Callable[[IgmpReceived], None],
        note: Callable[[Reason, Mapping[str, object]], None],
    ) -> None:
        self._tunnels = tunnels
        self._source = source
        self._deliver = deliver
        self._note = note
        self._memberships = Memberships()
        self._loop = asyncio.get_running_loop()
        self._fd = tunnels.igmp_fd
        self._loop.add_reader(self._fd, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        self._memberships.close()

    def refresh(self, interface: str) -> None:
        """A home link is up, perhaps made anew."""
        try:
            self._memberships.refresh(interface)
        except ActionError as error:
            self._note(Reason.ACTION_FAILED, {"action": "join groups", "error": str(error)})

    def perform(self, action: GroupAction) -> None:
        """:raises ActionError: it cannot be done; one sentence."""
        match action:
            case JoinGroup() | LeaveGroup():
                self._tunnels.perform_group(action)
            case HoldGroup():
                self._memberships.hold(action.interface, action.group)
            case DropGroup():
                self._memberships.drop(action.interface, action.group)
            case SendQuery():
                packet = query_packet(self._source, action.group, action.payload)
                self._tunnels.send_to(action.home_address, packet)

    def _readable(self) -> None:
        for packet in islice(self._tunnels.igmp(), _AT_ONCE):
            message = message_of(packet)
            if isinstance(message, Reason):
                self._note(message, {"interface": "the tunnel device"})
            else:
                source, payload = message
                self._deliver(IgmpReceived(payload, source))
