"""The data plane as the cores see it: tunnel actions in, counters and events out.

The only module that imports :mod:`mobileip.dataplane`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

from mobileip.control.core.actions import InstallTunnel, RemoveTunnel, TunnelSide
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.dataplane import (
    MTU_MAX,
    MTU_MIN,
    Encapsulation,
    Engine,
    EventType,
    Flag,
    Side,
    Tunnel,
    TunnelStatus,
)

__all__ = ["OUTER_HEADER", "PathMtu", "TunnelStatus", "Tunnels"]

OUTER_HEADER = 20  # bytes of IP-in-IP overhead (RFC 2003)

_SIDES = {TunnelSide.HOME: Side.HOME, TunnelSide.CARE_OF: Side.CARE_OF}

PathMtu = Callable[[IPv4Address], int | None]
"""MTU in bytes of the route to an address, ``None`` if there is no route now."""


class Tunnels:
    """One engine on one tunnel device.

    ``mtu`` is the device's; a tunnel whose route is narrower gets a smaller one of its own, so that its packets are
    answered with ICMP fragmentation-needed or fragmented before encapsulation instead of being lost.

    :raises ActionError: the engine cannot be opened; one sentence.
    """

    def __init__(self, device: str, *, mtu: int, mark: int, path_mtu: PathMtu) -> None:
        self._mtu = mtu
        self._path_mtu = path_mtu
        try:
            self._engine = Engine(device, mtu=mtu, mark=mark)
        except OSError as error:
            raise ActionError(error.strerror or str(error)) from error

    @property
    def event_fd(self) -> int:
        """Readable when :meth:`events` has something."""
        return self._engine.event_fd

    def start(self) -> None:
        self._engine.start()

    def close(self) -> None:
        """Stop the threads and remove the device, and with it every route over it."""
        self._engine.close()

    def perform(self, action: InstallTunnel | RemoveTunnel) -> None:
        """:raises ActionError: the table is full, or the addresses cannot make a tunnel."""
        side = _SIDES[action.side]
        if isinstance(action, RemoveTunnel):
            self._engine.remove(action.home_address, side)
            return
        try:
            self._engine.install(
                Tunnel(
                    action.home_address,
                    side,
                    local=action.local,
                    remote=action.remote,
                    mtu=self._tunnel_mtu(action.remote),
                    encapsulation=Encapsulation(int(action.encapsulation)),
                    flags=Flag.REVERSE if action.reverse else Flag(0),
                )
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise ActionError(
                f"cannot install the tunnel {action.local} to {action.remote}: {why}"
            ) from error

    def status(self) -> list[TunnelStatus]:
        return self._engine.tunnels()

    def counters(self) -> dict[str, int]:
        return self._engine.counters()

    def events(self) -> Iterator[tuple[Reason, dict[str, object]]]:
        """What the engine told since the last call, as reasons with fields. DEVICE_LOST is the end of forwarding."""
        for event in self._engine.drain_events():
            match event.type:
                case EventType.THREAD_FAILED:
                    yield Reason.DEVICE_LOST, {"error": os.strerror(event.value)}
                case EventType.UNKNOWN_HOME:
                    yield Reason.PACKET_WITHOUT_BINDING, {"address": event.address}
                case EventType.TUNNEL_TOO_BIG:
                    yield Reason.TUNNEL_TOO_BIG, {"address": event.address, "value": event.value}

    def _tunnel_mtu(self, remote: IPv4Address) -> int:
        path = self._path_mtu(remote)
        mtu = self._mtu if path is None else min(self._mtu, path - OUTER_HEADER)
        return max(MTU_MIN, min(mtu, MTU_MAX))
