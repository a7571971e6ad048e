"""The engine's events as reasons, with a scripted engine in place of the real one."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address
from typing import Any

import pytest

from mobileip.control import tunnels
from mobileip.control.core.actions import InstallTunnel, RemoveTunnel, TunnelSide
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import Tunnels
from mobileip.dataplane import EngineEvent, EventType, Side, Tunnel

HOME, LOCAL, REMOTE = IPv4Address("10.1.0.5"), IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")


class Scripted:
    """An engine that remembers what it was told."""

    event_fd = -1

    def __init__(self, device: str, *, mtu: int, mark: int) -> None:
        self.installed: list[Tunnel] = []
        self.removed: list[tuple[IPv4Address, Side]] = []
        self.told: list[EngineEvent] = []
        self.failure: Exception | None = None

    def install(self, tunnel: Tunnel) -> None:
        if self.failure is not None:
            raise self.failure
        self.installed.append(tunnel)

    def remove(self, home_address: IPv4Address, side: Side) -> bool:
        self.removed.append((home_address, side))
        return True

    def drain_events(self) -> list[EngineEvent]:
        told, self.told = self.told, []
        return told


def opened(monkeypatch: pytest.MonkeyPatch, path_mtu: int | None = 1500) -> tuple[Tunnels, Any]:
    monkeypatch.setattr(tunnels, "Engine", Scripted)
    made = Tunnels("mip0", mtu=1480, mark=0, path_mtu=lambda _address: path_mtu)
    return made, made._engine


def action(remote: IPv4Address = REMOTE) -> InstallTunnel:
    return InstallTunnel(HOME, TunnelSide.HOME, local=LOCAL, remote=remote, reverse=True)


@pytest.mark.parametrize(("path", "mtu"), [(1500, 1480), (1400, 1380), (9000, 1480), (None, 1480), (60, 68)])
def test_a_tunnel_is_as_wide_as_its_path_allows(
    monkeypatch: pytest.MonkeyPatch, path: int | None, mtu: int
) -> None:
    made, engine = opened(monkeypatch, path)
    made.perform(action())
    assert [tunnel.mtu for tunnel in engine.installed] == [mtu]
    made.perform(RemoveTunnel(HOME, TunnelSide.HOME))
    assert engine.removed == [(HOME, Side.HOME)]


def test_what_the_engine_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    engine.failure = OSError(errno.ENOSPC, "the tunnel table is full")
    with pytest.raises(ActionError, match=r"192\.0\.2\.1 to 198\.51\.100\.1: the tunnel table is full"):
        made.perform(action())
    with pytest.raises(ActionError, match="must differ"):
        opened(monkeypatch)[0].perform(action(remote=LOCAL))


def test_every_event_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    engine.told = [EngineEvent(kind, HOME, errno.ENODEV) for kind in EventType]
    told = dict(made.events())
    assert set(told) == {Reason.DEVICE_LOST, Reason.PACKET_WITHOUT_BINDING, Reason.TUNNEL_TOO_BIG}
    assert told[Reason.DEVICE_LOST] == {"error": "No such device"}
    assert told[Reason.PACKET_WITHOUT_BINDING] == {"address": HOME}
    assert told[Reason.TUNNEL_TOO_BIG] == {"address": HOME, "value": errno.ENODEV}
