"""How much of the daemon's time ICMP errors may take, with stand-ins for the tunnels and the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Address

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from mobileip.control.agent import clock, tunnel_errors
from mobileip.control.core.tunnel_state import REFLECTED, TunnelStates
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import TunnelEntry
from mobileip.control.types import NANOSECONDS, Instant
from mobileip.dataplane import Side, Tunnel, encapsulate

ROUTER = IPv4Address("192.0.2.254")
LOCAL, REMOTE, HOME = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1"), IPv4Address("203.0.113.5")
INNER = bytes(IP(src="192.0.2.130", dst=str(HOME)) / UDP(dport=9) / Raw(bytes(100)))
ERROR = bytes(ICMP(type=3, code=1) / Raw(encapsulate(INNER, Tunnel(HOME, Side.HOME, LOCAL, REMOTE, 1480), 1)))


class World:
    """A clock, and tunnels among which to look takes ``walk`` ns; none of them is the one that is asked for."""

    def __init__(self) -> None:
        self.mono = 0
        self.walk = 0
        self.looked = 0
        self.found: TunnelEntry | None = None
        self.lost: list[tuple[IPv4Address, int, float]] = []
        self.notes: list[tuple[Reason, object]] = []

    def now(self) -> Instant:
        return Instant(self.mono, 0)

    def entry(self, error: object) -> TunnelEntry | None:
        self.looked += 1
        self.mono += self.walk
        return self.found

    def unreached(self, remote: IPv4Address, code: int, seconds: float) -> None:
        self.lost.append((remote, code, seconds))

    def note(self, reason: Reason, fields: Mapping[str, object]) -> None:
        self.notes.append((reason, fields.get("why")))


class Socket:
    def __init__(
        self, receive: Callable[[IPv4Address, bytes], None], wanted: object, mark: int | None
    ) -> None:
        self.receive = partial(receive, ROUTER)

    def close(self) -> None:
        return


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(clock, "now", made.now)
    monkeypatch.setattr(tunnel_errors, "RawIcmpSocket", Socket)
    return made


def receiver(world: World) -> Callable[[bytes], None]:
    errors = tunnel_errors.TunnelErrors(TunnelStates(), world, world.note, lambda: None, None)  # type: ignore[arg-type]
    return errors._socket.receive  # type: ignore[attr-defined,no-any-return]


def test_after_a_long_walk_errors_rest_nineteen_times_as_long(world: World) -> None:
    receive = receiver(world)
    world.walk = 40_000_000
    for _ in range(1000):  # a flood, for ten seconds
        receive(ERROR)
        world.mono += 10_000_000
    assert (world.looked - 1) * world.walk <= world.mono / 20
    assert world.looked >= 10
    assert set(world.notes) == {
        (Reason.TUNNEL_ERROR_IGNORED, "no tunnel"),
        (Reason.TUNNEL_ERROR_IGNORED, "too many"),
    }


def test_ten_a_second_are_looked_at_when_looking_costs_nothing(world: World) -> None:
    receive = receiver(world)
    for _ in range(1000):
        receive(ERROR)
        world.mono += NANOSECONDS // 100
    assert 100 <= world.looked <= 120 + 1


@pytest.mark.parametrize(("code", "told"), [(0, 0), (1, 1), (2, 1), (3, None), (4, None), (5, None), (13, 1)])
def test_the_data_plane_tells_the_next_sender_where_the_quote_names_none(
    world: World, code: int, told: int | None
) -> None:
    async def hear() -> None:
        states = TunnelStates()
        errors = tunnel_errors.TunnelErrors(states, world, world.note, lambda: None, None)  # type: ignore[arg-type]
        outer = encapsulate(INNER, Tunnel(HOME, Side.HOME, LOCAL, REMOTE, 1480), 1)
        errors._socket.receive(bytes(ICMP(type=3, code=code, nexthopmtu=1500) / Raw(outer[:28])))  # type: ignore[attr-defined]
        errors.close()

    world.found = TunnelEntry(1480, 1500, False)
    asyncio.run(hear())
    assert world.lost == ([] if told is None else [(REMOTE, told, REFLECTED)])
