"""Two namespaces and a cable, for engines and for the test itself at the other end.

::

      correspondent 203.0.113.9 (lo)                home address 198.51.100.7 (mip0)
    ┌───────────────────────────────┐             ┌──────────────────────────────┐
    │ home   mip0     wire 192.0.2.1├─────────────┤192.0.2.2 wire     mip0  away │
    └───────────────────────────────┘             └──────────────────────────────┘
             home agent's end                          co-located mobile node

Nothing filters: what a test forges must reach the engine.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from mobileip.control.lab.namespaces import Namespace, Namespaces
from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Engine, Traffic
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    OTHER_AGENT,
    OTHER_HOME,
    Packet,
)

SETTINGS = {
    "ipv4/ip_forward": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/icmp_ratelimit": 0,
}


class Tap:
    """Everything that a device receives, or sends, as bytes of IPv4 packets."""

    def __init__(self, space: Namespace, device: str) -> None:
        self._socket = space.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind((device, 0x0800))  # all IPv4 that comes in through it
        self._socket.settimeout(2)

    def close(self) -> None:
        self._socket.close()

    def take(self, count: int) -> list[bytes]:
        """The next ``count`` packets; TimeoutError if fewer come."""
        return [self._socket.recv(65536) for _ in range(count)]

    def nothing_more(self) -> bool:
        """True if no further packet has come, once the caller knows all was handled."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(65536)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(2)
        return False


@dataclass
class Link:
    """The network of the picture; engines are opened by the test, where it wants them."""

    home: Namespace
    away: Namespace
    _stack: ExitStack = field(default_factory=ExitStack)

    def engine(self, space: Namespace, **options: Any) -> Engine:
        """An engine with a started device ``mip0``, and the routes of the picture."""
        engine = self._stack.enter_context(space.inside(lambda: Engine(**options)))
        if space is self.home:
            space.ip(
                *(f"route add {address}/32 dev mip0 src {CORRESPONDENT}" for address in (HOME, OTHER_HOME))
            )
        else:
            space.ip(f"addr add {HOME}/32 dev mip0", f"route add {CORRESPONDENT}/32 dev mip0 src {HOME}")
        return engine

    def tap(self, space: Namespace, device: str) -> Tap:
        tap = Tap(space, device)
        self._stack.callback(tap.close)
        return tap

    def socket(self, space: Namespace, kind: int, protocol: int = 0) -> socket.socket:
        made = self._stack.enter_context(space.socket(socket.AF_INET, kind, protocol))
        made.settimeout(3)
        return made

    def send(self, space: Namespace, packets: list[Packet]) -> None:
        """Sends whole packets as they are, from ``space``, wherever its routes lead."""
        with space.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
            for packet in packets:
                raw.sendto(bytes(packet), (packet[IP].dst, 0))


@contextmanager
def link() -> Iterator[Link]:
    with Namespaces() as spaces, ExitStack() as stack:
        home, away = spaces.add("dphome", "dpaway")
        for space in (home, away):
            space.set_sysctls(SETTINGS)
        home.ip(f"link add wire type veth peer name wire netns {away.name}")
        for space, address in ((home, AGENT), (away, CARE_OF)):
            space.ip(f"addr add {address}/24 dev wire", "link set wire up")
        home.ip(f"addr add {CORRESPONDENT}/32 dev lo", f"addr add {OTHER_AGENT}/24 dev wire")
        yield Link(home, away, stack)


def moved(engine: Engine) -> dict[str, int]:
    """The counters that are not zero."""
    return {label: count for label, count in engine.counters().items() if count}


def expect(engine: Engine, counters: dict[str, int], *tunnels: tuple[Traffic, Traffic]) -> None:
    """Waits until exactly these counters have moved, by exactly this, and the tunnels carried this (out, into).

    Threads count after they have sent, so a test that has the packet may be too early for the count.
    """

    def look() -> tuple[dict[str, int], list[tuple[Traffic, Traffic]]]:
        return moved(engine), [(status.out, status.into) for status in engine.tunnels()]

    def accept(seen: tuple[dict[str, int], list[tuple[Traffic, Traffic]]]) -> bool:
        return seen[0] == counters and (not tunnels or seen[1] == list(tunnels))

    eventually(look, accept, what=f"{counters} {tunnels}")


def counted(engine: Engine, label: str, count: int) -> None:
    """Waits until a counter has reached ``count``."""
    eventually(lambda: engine.counters()[label], lambda seen: seen >= count, what=f"{label} >= {count}")
