"""The engine's events as reasons, with a scripted engine in place of the real one."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from socket import AF_UNIX, SOCK_SEQPACKET, socketpair
from typing import Any

import pytest

from mobileip.control import tunnels
from mobileip.control.core.actions import (
    BroadcastDelivery,
    DeliveryStyle,
    InstallMulticastTunnel,
    InstallTunnel,
    JoinGroup,
    LeaveGroup,
    RemoveMulticastTunnel,
    RemoveTunnel,
    TunnelSide,
    VisitorPlace,
)
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import Tunnels
from mobileip.control.types import EncapsulationType, GreKeys
from mobileip.dataplane import (
    STAGES,
    EngineEvent,
    EventType,
    Flag,
    Install,
    NextHop,
    Place,
    Quote,
    Remove,
    Side,
    Traffic,
    Tunnel,
    TunnelStatus,
    sends,
)

HOME, LOCAL, REMOTE = IPv4Address("10.1.0.5"), IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")


class Scripted:
    """An engine that remembers what it was told."""

    event_fd = -1

    def __init__(self, device: str, *, mtu: int, mark: int, capacity: int, underlay: str, **_: bool) -> None:
        self.changes: list[Install | Remove] = []
        self.watched: list[tuple[str | None, IPv4Network, bool]] = []
        self.told: list[EngineEvent] = []
        self.groups: list[tuple[str, IPv4Address, IPv4Address]] = []
        self.failure: Exception | None = None
        self.hops: list[NextHop] = []
        self.room = 2
        self.ports: set[int] = set()
        self.held: list[Tunnel] = []
        self.fitted: list[tuple[IPv4Address, int, int]] = []
        self.lost: list[tuple[IPv4Address, int, float]] = []

    def tunnels_of(self, home_address: IPv4Address, side: Side) -> list[TunnelStatus]:
        return [
            one
            for one in self.tunnels()
            if (one.tunnel.home_address, one.tunnel.side) == (home_address, side)
        ]

    def tunnels(self) -> list[TunnelStatus]:
        nothing = Traffic(0, 0, 0)
        return [TunnelStatus(one, nothing, nothing) for one in self.held]

    def sender(self, quote: Quote) -> Tunnel | None:
        return max((one for one in self.held if sends(one, quote)), key=lambda one: one.mtu, default=None)

    def fit(self, remote: IPv4Address, path: int, widest: int) -> int:
        self.fitted.append((remote, path, widest))
        return 3

    def unreached(self, remote: IPv4Address, code: int, seconds: float) -> None:
        self.lost.append((remote, code, seconds))

    def apply(self, changes: Iterable[Install | Remove]) -> None:
        if self.failure is not None:
            raise self.failure
        self.changes += changes

    def watch(self, interface: str | None, network: IPv4Network, *, multicasts: bool) -> None:
        if self.failure is not None:
            raise self.failure
        self.watched.append((interface, network, multicasts))

    def join(self, group: IPv4Address, home_address: IPv4Address) -> None:
        if self.failure is not None:
            raise self.failure
        self.groups.append(("join", group, home_address))

    def leave(self, group: IPv4Address, home_address: IPv4Address) -> None:
        self.groups.append(("leave", group, home_address))

    def set_next_hops(self, hops: Iterable[NextHop]) -> int:
        taken = list(hops)[: self.room]
        self.room -= len(taken)
        self.hops += taken
        return len(taken)

    def has_port(self, interface: int) -> bool:
        return interface in self.ports

    def take(self) -> list[Install | Remove]:
        taken, self.changes = self.changes, []
        return taken

    def drain_events(self) -> list[EngineEvent]:
        told, self.told = self.told, []
        return told


def opened(
    monkeypatch: pytest.MonkeyPatch, path_mtu: int | None = 1500, mtu: int = 1480, **options: Any
) -> tuple[Tunnels, Any]:
    monkeypatch.setattr(tunnels, "Engine", Scripted)
    made = Tunnels("mip0", mtu=mtu, mark=0, path_mtu=lambda _address: path_mtu, capacity=1000, **options)
    return made, made._engine


def action(remote: IPv4Address = REMOTE) -> InstallTunnel:
    return InstallTunnel(HOME, TunnelSide.HOME, local=LOCAL, remote=remote, reverse=True)


@pytest.mark.parametrize(("path", "mtu"), [(1500, 1480), (1400, 1380), (9000, 1480), (None, 1480), (60, 68)])
def test_a_tunnel_is_as_wide_as_its_path_allows(
    monkeypatch: pytest.MonkeyPatch, path: int | None, mtu: int
) -> None:
    made, engine = opened(monkeypatch, path)
    made.perform(action())
    tunnel = Tunnel(HOME, Side.HOME, LOCAL, REMOTE, mtu, flags=Flag.REVERSE)
    assert engine.take() == [Install(tunnel)]
    made.perform(RemoveTunnel(HOME, TunnelSide.HOME))
    assert engine.take() == [Remove(HOME, Side.HOME)]


GRE, MINIMAL, IPIP = EncapsulationType.GRE, EncapsulationType.MINIMAL, EncapsulationType.IPIP
BOTH_OPTIONS = {"gre_checksum": True, "gre_sequence": True}


@pytest.mark.parametrize(
    ("kind", "options", "path", "mtu", "flags"),
    [
        (IPIP, BOTH_OPTIONS, 1500, 1480, Flag.NONE),
        (MINIMAL, BOTH_OPTIONS, 1500, 1488, Flag.NONE),
        (GRE, {}, 1500, 1476, Flag.NONE),
        (GRE, {"gre_sequence": True}, 1500, 1472, Flag.GRE_SEQUENCE),
        (GRE, BOTH_OPTIONS, 1500, 1468, Flag.GRE_CHECKSUM | Flag.GRE_SEQUENCE),
        (GRE, {}, None, 1488, Flag.NONE),
        (IPIP, {}, 576, 556, Flag.NONE),
        (MINIMAL, {}, 576, 564, Flag.NONE),
        (GRE, {"gre_checksum": True}, 576, 548, Flag.GRE_CHECKSUM),
    ],
)
def test_every_encapsulation_takes_its_own_room(
    monkeypatch: pytest.MonkeyPatch,
    kind: EncapsulationType,
    options: dict[str, bool],
    path: int | None,
    mtu: int,
    flags: Flag,
) -> None:
    made, engine = opened(monkeypatch, path, 1488, **options)
    for side in TunnelSide:
        made.perform(replace(action(), side=side, encapsulation=kind))
        (change,) = engine.take()
        assert (change.tunnel.encapsulation, change.tunnel.mtu) == (int(kind), mtu)
        assert change.tunnel.flags == flags | Flag.REVERSE
    at_care_of = replace(
        action(), side=TunnelSide.CARE_OF, broadcast=BroadcastDelivery.DIRECT, encapsulation=kind
    )
    made.perform(at_care_of)
    node = engine.take()[-1].tunnel
    assert (node.side, node.encapsulation, node.flags) == (Side.NODE, int(kind), flags)
    made.perform(replace(at_care_of, broadcast=BroadcastDelivery.NESTED))
    nested = engine.take()[-1].tunnel
    assert (nested.side, nested.encapsulation, nested.flags) == (Side.NODE, 4, Flag.NONE)


def test_keys_of_gre_headers_take_room_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch, gre_checksum=True)
    made.perform(replace(action(), encapsulation=GRE, keys=GreKeys(out=7, into=0xFFFF_FFFF)))
    (change,) = engine.take()
    tunnel = change.tunnel
    assert (tunnel.key_out, tunnel.key_in, tunnel.mtu) == (7, 0xFFFF_FFFF, 1468)
    assert tunnel.flags == Flag.REVERSE | Flag.GRE_CHECKSUM | Flag.GRE_KEY


def test_the_widest_device_can_have_every_encapsulation(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in EncapsulationType:
        made, _ = opened(monkeypatch, None, 65515, **BOTH_OPTIONS)
        made.perform(replace(action(), encapsulation=kind))


@pytest.mark.parametrize(
    ("kind", "options", "mtu"),
    [(IPIP, BOTH_OPTIONS, 1480), (MINIMAL, BOTH_OPTIONS, 1488), (GRE, {}, 1476), (GRE, BOTH_OPTIONS, 1468)],
)
def test_the_device_is_as_wide_as_the_usual_tunnel(
    kind: EncapsulationType, options: dict[str, bool], mtu: int
) -> None:
    assert tunnels.device_mtu(1500, kind, **options) == mtu


def test_several_care_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    made.perform(replace(action(), beside=True))
    assert [change.beside for change in engine.take()] == [True]
    made.perform(RemoveTunnel(HOME, TunnelSide.HOME, REMOTE))
    assert engine.take() == [Remove(HOME, Side.HOME, REMOTE)]


@pytest.mark.parametrize(
    ("changed", "flags"),
    [
        ({"broadcast": BroadcastDelivery.DIRECT}, Flag.BROADCAST),
        ({"broadcast": BroadcastDelivery.NESTED}, Flag.BROADCAST | Flag.NESTED),
        ({"multicast": BroadcastDelivery.DIRECT}, Flag.MULTICAST),
        ({"multicast": BroadcastDelivery.NESTED}, Flag.MULTICAST | Flag.NESTED),
        ({"side": TunnelSide.CARE_OF, "delivery": DeliveryStyle.ENCAPSULATING}, Flag.ENCAPSULATED_DELIVERY),
    ],
)
def test_what_else_a_tunnel_carries(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], flags: Flag
) -> None:
    made, engine = opened(monkeypatch)
    made.perform(replace(action(), **changed))
    assert [change.tunnel.flags for change in engine.take()] == [Flag.REVERSE | flags]


def shared(remote: IPv4Address, mac: bytes) -> InstallTunnel:
    where = VisitorPlace("lo", mac, LOCAL)
    return replace(action(remote), side=TunnelSide.CARE_OF, beside=True, place=where)


def test_visitors_that_share_an_address_are_found_again_on_an_interface_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, engine = opened(monkeypatch)
    first, second = shared(REMOTE, b"\2\0\0\0\0\1"), shared(REMOTE + 1, b"\2\0\0\0\0\2")
    made.perform(first)
    made.perform(second)
    installed = engine.take()
    assert [one.place for one in installed] == [
        Place(1, one.place.link_address, LOCAL) for one in (first, second) if one.place is not None
    ]
    assert all(one.beside and Flag.SHARED in one.tunnel.flags for one in installed)
    assert made.refresh("lo") == [] and engine.take() == installed
    assert made.refresh("eth7") == [] and engine.take() == []
    made.perform(RemoveTunnel(HOME, TunnelSide.CARE_OF, REMOTE))
    engine.take()
    assert made.refresh("lo") == [] and engine.take() == installed[1:]
    made.perform(replace(action(REMOTE + 1), side=TunnelSide.CARE_OF))
    engine.take()
    assert made.refresh("lo") == [] and engine.take() == [], "alone, it goes by the kernel"


def test_a_visitor_on_an_interface_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = opened(monkeypatch)
    lost = shared(REMOTE, b"\2\0\0\0\0\1")
    made.perform(lost)
    monkeypatch.setattr(socket, "if_nametoindex", _no_interface)
    (sentence,) = made.refresh("lo")
    assert "No such device" in sentence


def _no_interface(_name: str) -> int:
    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))


def test_broadcasts_at_a_mobile_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry goes where the node goes, and with the tunnel."""
    made, engine = opened(monkeypatch)
    co_located = replace(action(), side=TunnelSide.CARE_OF, broadcast=BroadcastDelivery.DIRECT)
    tunnel = Tunnel(HOME, Side.CARE_OF, LOCAL, REMOTE, 1480, flags=Flag.REVERSE)
    at_care_of = Tunnel(LOCAL, Side.NODE, LOCAL, REMOTE, 1480)
    at_home = Tunnel(HOME, Side.NODE, HOME, REMOTE, 1480)
    made.perform(co_located)
    assert engine.take() == [Install(tunnel), Install(at_care_of)]
    nested = replace(co_located, broadcast=BroadcastDelivery.NESTED)
    made.perform(nested)
    assert engine.take() == [Remove(HOME, Side.CARE_OF), Remove(LOCAL, Side.NODE), Install(at_home)]
    made.perform(replace(co_located, broadcast=BroadcastDelivery.NONE, beside=True))
    assert engine.take() == [Install(tunnel)]
    made.perform(RemoveTunnel(HOME, TunnelSide.CARE_OF, LOCAL))
    assert engine.take() == [Remove(HOME, Side.CARE_OF, LOCAL)]
    made.perform(RemoveTunnel(HOME, TunnelSide.CARE_OF))
    assert engine.take() == [Remove(HOME, Side.CARE_OF), Remove(HOME, Side.NODE)]
    made.perform(RemoveTunnel(HOME, TunnelSide.CARE_OF))
    assert engine.take() == [Remove(HOME, Side.CARE_OF)]


def test_what_was_refused_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next change begins from what the engine has."""
    made, engine = opened(monkeypatch)
    refused = OSError(errno.ENOSPC, "the tunnel table is full")
    co_located = replace(action(), side=TunnelSide.CARE_OF, broadcast=BroadcastDelivery.DIRECT)
    nested = replace(co_located, broadcast=BroadcastDelivery.NESTED)
    tunnel = Tunnel(HOME, Side.CARE_OF, LOCAL, REMOTE, 1480, flags=Flag.REVERSE)
    at_care_of = Tunnel(LOCAL, Side.NODE, LOCAL, REMOTE, 1480)

    def refuses(*what: InstallTunnel | RemoveTunnel, why: str) -> None:
        engine.failure = refused
        for one in what:
            with pytest.raises(ActionError, match=why):
                made.perform(one)
        engine.failure = None

    refuses(co_located, why="cannot install the tunnel")
    made.perform(RemoveTunnel(HOME, TunnelSide.CARE_OF))
    assert engine.take() == [Remove(HOME, Side.CARE_OF)]  # and nothing of broadcasts
    made.perform(co_located)
    assert engine.take() == [Install(tunnel), Install(at_care_of)]
    refuses(nested, why="cannot install the tunnel")
    refuses(
        RemoveTunnel(HOME, TunnelSide.CARE_OF), why=f"cannot remove the tunnel of {HOME}: the tunnel table"
    )
    made.perform(RemoveTunnel(HOME, TunnelSide.CARE_OF))
    assert engine.take() == [Remove(HOME, Side.CARE_OF), Remove(LOCAL, Side.NODE)]


def test_a_tunnel_for_multicasts_that_was_not_removed_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    made.perform_group(GROUPS)
    engine.take()
    engine.failure = OSError(errno.EIO, "the engine is gone")
    with pytest.raises(ActionError, match="the engine is gone"):
        made.perform_group(RemoveMulticastTunnel(HOME))
    engine.failure = None
    made.perform_group(RemoveMulticastTunnel(HOME))
    assert engine.take() == [Remove(HOME, Side.NODE)]


GROUPS = InstallMulticastTunnel(HOME, REMOTE)
FROM_HOME = Tunnel(HOME, Side.NODE, HOME, REMOTE, 1460, flags=Flag.MULTICAST)
"""20 bytes less than others: what it makes goes through these."""


def test_multicasts_at_a_mobile_node(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    made.perform_group(GROUPS)
    assert engine.take() == [Install(FROM_HOME)]
    made.perform_group(RemoveMulticastTunnel(HOME))
    assert engine.take() == [Remove(HOME, Side.NODE)]
    made.perform_group(RemoveMulticastTunnel(HOME))
    assert engine.take() == []


def test_multicasts_and_broadcasts_share_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither takes the other's entry away, in whichever order they come and go."""
    made, engine = opened(monkeypatch)
    nested = replace(action(), side=TunnelSide.CARE_OF, broadcast=BroadcastDelivery.NESTED)
    broadcasts = Install(Tunnel(HOME, Side.NODE, HOME, REMOTE, 1480))
    made.perform(nested)
    engine.take()
    made.perform_group(GROUPS)
    assert engine.take() == [Install(FROM_HOME)]
    made.perform(nested)
    assert engine.take() == [Remove(HOME, Side.CARE_OF), Install(FROM_HOME), Install(FROM_HOME)]
    made.perform_group(RemoveMulticastTunnel(HOME))
    assert engine.take() == [broadcasts]
    made.perform_group(GROUPS)
    made.perform(RemoveTunnel(HOME, TunnelSide.CARE_OF))
    assert engine.take() == [Install(FROM_HOME), Remove(HOME, Side.CARE_OF), Install(FROM_HOME)]


def test_groups_of_a_home_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    group = IPv4Address("239.1.2.3")
    made.perform_group(JoinGroup(HOME, group))
    made.perform_group(LeaveGroup(HOME, group))
    assert engine.groups == [("join", group, HOME), ("leave", group, HOME)]
    engine.failure = OSError(errno.ENOSPC, "no room for another membership")
    with pytest.raises(ActionError, match="no room for another membership"):
        made.perform_group(JoinGroup(HOME, group))


def test_igmp_comes_and_goes_through_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        engine.igmp_fd = made._engine.igmp_fd = ours.fileno()
        theirs.send(b"first")
        theirs.send(b"second")
        assert made.igmp_fd == ours.fileno() and list(made.igmp()) == [b"first", b"second"]
        made.send_to(HOME, b"query")
        assert theirs.recv(100) == HOME.packed + b"query"
        theirs.close()
        with pytest.raises(ActionError, match=f"cannot send to {HOME}"):
            made.send_to(HOME, b"query")


def test_watching_a_home_link(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    made.watch("home0", IPv4Network("10.1.0.0/24"))
    assert engine.watched == [("home0", IPv4Network("10.1.0.0/24"), False)]
    engine.failure = OSError(errno.ENODEV, "there is no interface home0")
    with pytest.raises(ActionError, match="there is no interface home0"):
        made.watch("home0", IPv4Network("10.1.0.0/24"))


def test_what_the_engine_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    engine.failure = OSError(errno.ENOSPC, "the tunnel table is full")
    with pytest.raises(ActionError, match=r"192\.0\.2\.1 to 198\.51\.100\.1: the tunnel table is full"):
        made.perform(action())
    with pytest.raises(ActionError, match="must differ"):
        opened(monkeypatch)[0].perform(action(remote=LOCAL))


def test_every_event_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch, underlay="packet")
    others = [kind for kind in EventType if kind is not EventType.PORT_LOST]
    engine.told = [EngineEvent(kind, HOME, errno.ENODEV, REMOTE) for kind in others]
    told = dict(made.events())
    assert set(told) == {
        Reason.DEVICE_LOST,
        Reason.PACKET_WITHOUT_BINDING,
        Reason.TUNNEL_TOO_BIG,
        Reason.TUNNEL_SOURCE_REFUSED,
        Reason.UNDERLAY_FELL_BACK,
    }
    assert told[Reason.UNDERLAY_FELL_BACK] == {"error": "No such device"}
    assert told[Reason.DEVICE_LOST] == {"error": "No such device"}
    assert told[Reason.PACKET_WITHOUT_BINDING] == {"address": HOME}
    assert told[Reason.TUNNEL_TOO_BIG] == {"address": HOME, "value": errno.ENODEV}
    refused = {"source": HOME, "home_address": REMOTE, "packets": errno.ENODEV}
    assert told[Reason.TUNNEL_SOURCE_REFUSED] == refused


def test_how_datagrams_leave_is_told_by_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past routing only where the engine has taken a next hop; not at all once a thread fell back, told once."""
    made, engine = opened(monkeypatch, underlay="packet")
    ends = [(LOCAL, IPv4Address(int(REMOTE) + i)) for i in range(3)]
    ways = [Tunnel(HOME, Side.HOME, *pair, 1480) for pair in ends]

    def seen() -> list[str]:
        return [made.underlay(way) for way in ways]

    assert seen() == ["raw"] * 3
    made.set_next_hops((*pair, 7, bytes(6)) for pair in ends)
    assert engine.hops == [NextHop(*pair, 7, bytes(6)) for pair in ends[:2]], "the third found no room"
    assert seen() == ["packet", "packet", "raw"]
    engine.room = 1
    made.set_next_hops([(*ends[0], 0, None)])
    assert seen() == ["raw", "packet", "raw"]
    engine.told = [EngineEvent(EventType.UNDERLAY_FELL_BACK, HOME, errno.EPERM)] * 2
    assert [reason for reason, _ in made.events()] == [Reason.UNDERLAY_FELL_BACK]
    assert seen() == ["raw"] * 3


def test_of_af_xdp_each_interface_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has no port, datagrams still go to the next hop; why not is one line for each interface."""
    made, engine = opened(monkeypatch, underlay="xdp")
    ways = [Tunnel(HOME, Side.HOME, LOCAL, IPv4Address(int(REMOTE) + i), 1480) for i in range(2)]
    engine.ports = {7}
    made.set_next_hops((way.local, way.remote, 7 + i, bytes(6)) for i, way in enumerate(ways))
    assert [made.underlay(way) for way in ways] == ["xdp", "packet"]
    engine.ports = set()
    assert [made.underlay(way) for way in ways] == ["packet", "packet"]

    loopback, nobody = 1, (1 << 31) - 1
    engine.told = [
        EngineEvent(EventType.PORT_LOST, IPv4Address(index), error, IPv4Address(stage(name)))
        for index, error, name in (
            (loopback, errno.EBUSY, "XDP_PROGRAM"),
            (nobody, errno.ENODEV, "XDP_SEND"),
            (loopback, errno.EINVAL, "XDP_SOCKET"),
        )
    ]
    assert [(reason, fields["interface"], fields["error"]) for reason, fields in made.events()] == [
        (Reason.UNDERLAY_FELL_BACK, "lo", "the interface has another XDP program, which stays"),
        (Reason.UNDERLAY_FELL_BACK, f"number {nobody}", "the interface is gone"),
        (Reason.UNDERLAY_FELL_BACK, "lo", "opening AF_XDP sockets: Invalid argument"),
    ]


def stage(name: str) -> int:
    return STAGES.index(name)
