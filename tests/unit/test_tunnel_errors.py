"""Which tunnel an ICMP error is about, and how the tunnels of a path are made to fit."""

from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import TunnelSide, VisitorPlace
from mobileip.control.tunnels import TunnelEntry
from mobileip.control.wire.icmp_error import TunnelError
from mobileip.dataplane import Encapsulation, Flag, Install, Side, Tunnel
from tests.unit.test_tunnels import HOME, LOCAL, REMOTE, action, opened


def quoting(
    inner: bytes = b"", protocol: int = 4, key: int | None = None, keyed: bool = False
) -> TunnelError:
    return TunnelError(3, 4, 1006, LOCAL, REMOTE, protocol, 1500, keyed, key, inner)


def inner(source: IPv4Address, destination: IPv4Address) -> bytes:
    return bytes(12) + source.packed + destination.packed


SENDER, NOBODY = IPv4Address("192.0.2.130"), IPv4Address("192.0.2.131")
KEYED = Tunnel(HOME, Side.HOME, LOCAL, REMOTE, 1472, Encapsulation.GRE, Flag.GRE_KEY, key_out=7, key_in=8)
PLAIN = Tunnel(HOME, Side.HOME, LOCAL, REMOTE, 1480, flags=Flag.REVERSE)


@pytest.mark.parametrize(
    ("tunnel", "error", "entry"),
    [
        (PLAIN, quoting(), TunnelEntry(1480, 1500, False)),
        (PLAIN, quoting(inner(SENDER, HOME)), TunnelEntry(1480, 1500, False)),
        (PLAIN, quoting(inner(HOME, SENDER)), None),
        (PLAIN, quoting(inner(SENDER, NOBODY)), None),
        (
            replace(PLAIN, flags=Flag.BROADCAST),
            quoting(inner(SENDER, NOBODY)),
            TunnelEntry(1480, 1500, False),
        ),
        (replace(PLAIN, side=Side.CARE_OF), quoting(inner(HOME, SENDER)), TunnelEntry(1480, 1500, False)),
        (replace(PLAIN, side=Side.CARE_OF), quoting(inner(SENDER, HOME)), None),
        (replace(PLAIN, side=Side.CARE_OF, flags=Flag.SHARED), quoting(), TunnelEntry(1480, 1500, True)),
        (replace(PLAIN, local=NOBODY), quoting(), None),
        (replace(PLAIN, remote=NOBODY), quoting(), None),
        (PLAIN, quoting(protocol=55), None),
        (replace(PLAIN, encapsulation=Encapsulation.MINIMAL), quoting(), TunnelEntry(1480, 1492, False)),
        (replace(PLAIN, encapsulation=Encapsulation.MINIMAL), quoting(protocol=47), None),
        (Tunnel(LOCAL, Side.NODE, LOCAL, REMOTE, 1480), quoting(), None),
        (KEYED, quoting(protocol=47, keyed=True, key=7), TunnelEntry(1472, 1500, False)),
        (KEYED, quoting(protocol=47, keyed=True), TunnelEntry(1472, 1500, False)),
        (KEYED, quoting(protocol=47, keyed=True, key=8), None),
        (KEYED, quoting(protocol=47), None),
        (replace(KEYED, flags=Flag.NONE), quoting(protocol=47, keyed=True, key=0), None),
    ],
)
def test_an_error_is_believed_if_it_quotes_what_a_tunnel_sends(
    monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel, error: TunnelError, entry: TunnelEntry | None
) -> None:
    made, engine = opened(monkeypatch)
    engine.held = [tunnel]
    assert made.entry(error) == entry


def test_all_tunnels_of_a_path_are_made_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch, path_mtu=1006)
    visitor = Tunnel(NOBODY, Side.CARE_OF, LOCAL, REMOTE, 1480)
    fits = Tunnel(SENDER, Side.HOME, LOCAL, REMOTE, 986)
    engine.held = [PLAIN, KEYED, visitor, fits, replace(PLAIN, remote=NOBODY)]
    assert made.fit(REMOTE) == 3
    assert engine.take() == [
        Install(replace(PLAIN, mtu=986), beside=True),
        Install(replace(KEYED, mtu=978), beside=True),
        Install(replace(visitor, mtu=986)),
    ]


def test_a_visitor_with_a_shared_address_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "if_nametoindex", lambda _name: 3)
    made, engine = opened(monkeypatch)
    place = VisitorPlace("lan0", b"\2\0\0\0\0\1", LOCAL)
    made.perform(replace(action(), side=TunnelSide.CARE_OF, place=place))
    (before,) = engine.take()
    engine.held = [replace(before.tunnel, mtu=1400)]
    assert made.fit(REMOTE) == 1
    assert engine.take() == [before]
