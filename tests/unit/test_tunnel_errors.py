"""Which tunnel an ICMP error is about, and how the tunnels of a path are made to fit."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from scapy.layers.inet import ICMP, IP

from mobileip.control.tunnels import TunnelEntry
from mobileip.control.wire.icmp_echo import write_echo_request
from mobileip.control.wire.icmp_error import TunnelError
from mobileip.dataplane import Encapsulation, Flag, Side, Tunnel, decapsulate
from tests.unit.test_tunnels import HOME, LOCAL, REMOTE, opened


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


def test_the_engine_makes_the_tunnels_of_a_path_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch, path_mtu=1006)
    assert made.fit(REMOTE) == 3
    unknown, other = opened(monkeypatch, path_mtu=None)
    unknown.fit(REMOTE)
    assert (engine.fitted, other.fitted) == ([(REMOTE, 1006, 1480)], [(REMOTE, 65535, 1480)])


def test_whom_a_lost_far_end_concerns_is_told_by_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    made.unreached(REMOTE, 1, 10.0)
    assert engine.lost == [(REMOTE, 1, 10.0)]


@pytest.mark.parametrize(
    "tunnel",
    [
        PLAIN,
        KEYED,
        replace(KEYED, flags=Flag.GRE_KEY | Flag.GRE_CHECKSUM | Flag.GRE_SEQUENCE, mtu=1464),
        replace(PLAIN, encapsulation=Encapsulation.MINIMAL, mtu=300),
        replace(PLAIN, side=Side.CARE_OF),
    ],
)
@pytest.mark.parametrize("size", [576, 577, 1500, 9000])
def test_a_probe_is_as_long_as_asked_for_and_goes_the_tunnels_way(
    monkeypatch: pytest.MonkeyPatch, tunnel: Tunnel, size: int
) -> None:
    made, engine = opened(monkeypatch)
    engine.held = [replace(tunnel, remote=NOBODY), tunnel]

    def ask(source: IPv4Address, destination: IPv4Address, length: int) -> bytes:
        return write_echo_request(source, destination, 7, b"nonce", length)

    datagram = made.probe(REMOTE, HOME, size, ask)
    assert datagram is not None
    whole = IP(datagram)
    assert (len(datagram), whole.len, whole.flags) == (size, size, "DF")
    assert (whole.src, whole.dst, whole.proto) == (str(LOCAL), str(REMOTE), tunnel.encapsulation)
    inside = IP(decapsulate(datagram, tunnel.encapsulation).packet)
    assert (inside.src, inside.dst, inside[ICMP].type) == (str(LOCAL), str(REMOTE), 8)
    assert made.probe(SENDER, HOME, size, ask) is None
    assert made.probe(REMOTE, SENDER, size, ask) is None


def test_a_node_that_tunnels_with_its_home_address_does_not_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    made, engine = opened(monkeypatch)
    engine.held = [Tunnel(HOME, Side.CARE_OF, HOME, REMOTE, 1480, flags=Flag.ENCAPSULATED_DELIVERY)]
    assert made.probe(REMOTE, HOME, 1500, lambda *_: b"") is None
