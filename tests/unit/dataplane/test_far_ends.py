"""What concerns all tunnels to one far end, among many to others: fitting a path, errors about it, its reachability."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.dataplane import Encapsulation, Engine, Flag, Install, Quote, Side, Tunnel
from tests.unit.dataplane.link import Link, counted, moved
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    ICMP,
    IP,
    OTHER_AGENT,
    UDP,
    Raw,
    care_of_end,
    home_end,
    inner,
)

pytestmark = pytest.mark.netns

FIRST, CROWD = IPv4Address("10.64.0.1"), 20_000
GRE = Encapsulation.GRE


@pytest.fixture
def crowded(cable: Link) -> Engine:
    """Every tenth of many tunnels, and one with all that a tunnel may have, leads to CARE_OF."""
    engine = cable.engine(cable.home)
    others = IPv4Address("198.18.0.1")
    engine.apply(
        Install(Tunnel(FIRST + i, Side.HOME, AGENT, CARE_OF if i % 10 == 0 else others + i % 500, 1480))
        for i in range(CROWD)
    )
    keyed = Flag.REVERSE | Flag.GRE_KEY | Flag.GRE_CHECKSUM
    engine.install(replace(home_end(), encapsulation=GRE, flags=keyed, mtu=1400, key_out=7, key_in=8))
    engine.install(replace(home_end(), remote=others), beside=True)
    return engine


def test_only_those_of_the_path_are_made_to_fit(crowded: Engine) -> None:
    before = {status.tunnel for status in crowded.tunnels()}
    assert crowded.fit(CARE_OF, 1006, 1480) == CROWD // 10 + 1
    after = {status.tunnel for status in crowded.tunnels()}
    assert {one for one in before if one.remote != CARE_OF} == {one for one in after if one.remote != CARE_OF}
    expected = {
        replace(one, mtu=974 if one.encapsulation is GRE else 986) for one in before if one.remote == CARE_OF
    }
    assert {one for one in after if one.remote == CARE_OF} == expected
    assert crowded.fit(CARE_OF, 1006, 1480) == 0
    assert crowded.fit(IPv4Address("203.0.113.77"), 1006, 1480) == 0
    # A tunnel that has gone is in no ring, one that leads elsewhere now in another.
    crowded.remove(FIRST, Side.HOME)
    crowded.install(Tunnel(FIRST + 10, Side.HOME, AGENT, CARE_OF + 50, 986))
    assert crowded.fit(CARE_OF, 1500, 1480) == CROWD // 10 + 1 - 2
    assert crowded.fit(CARE_OF + 50, 1500, 1480) == 1


def test_a_node_keeps_its_other_bindings_and_what_was_counted(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.install(replace(home_end(), remote=CARE_OF + 7), beside=True)
    engine.start()
    cable.send(cable.home, [inner(size=100)])
    counted(engine, "encapsulated-packets", 2)
    assert engine.fit(CARE_OF, 600, 1480) == 1
    found = {
        one.tunnel.remote: (one.tunnel.mtu, one.out.packets) for one in engine.tunnels_of(HOME, Side.HOME)
    }
    assert found == {CARE_OF: (580, 1), CARE_OF + 7: (1480, 1)}


def test_an_error_that_quotes_no_inner_header_finds_a_tunnel_of_its_far_end(crowded: Engine) -> None:
    found = crowded.sender(Quote(AGENT, CARE_OF, 4))
    assert found is not None
    assert (found.remote, found.encapsulation) == (CARE_OF, Encapsulation.IPIP)
    found = crowded.sender(Quote(AGENT, CARE_OF, 47, True, 7))
    assert found is not None
    assert found.home_address == HOME
    for quote in (
        Quote(AGENT, CARE_OF, 47, True, 8),
        Quote(AGENT, CARE_OF, 55),
        Quote(AGENT + 1, CARE_OF, 4),
        Quote(AGENT, CARE_OF + 1, 4),
        Quote(AGENT, CARE_OF, 4, inner=(CORRESPONDENT, HOME)),  # of its tunnels none is IP-in-IP to there
    ):
        assert crowded.sender(quote) is None, quote
    assert crowded.sender(Quote(AGENT, CARE_OF, 4, inner=(CORRESPONDENT, FIRST))) is not None


def told(cable: Link, engine: Engine, ask: Callable[[], None]) -> list[bytes]:
    """ICMP that comes to the correspondent's address after that, on the engine's own host."""
    listener = cable.socket(cable.home, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    before = moved(engine).get("unreachable-sent", 0)
    ask()
    listener.settimeout(0.5)
    return [listener.recv(65536) for _ in range(moved(engine).get("unreachable-sent", 0) - before)]


KINDS = [
    {},
    {"encapsulation": GRE},
    {"encapsulation": Encapsulation.MINIMAL},
]


@pytest.mark.rfc("5944", "4.2.3", 5)
@pytest.mark.parametrize("fields", KINDS)
@pytest.mark.parametrize("code", [0, 1])
def test_a_sender_hears_that_the_far_end_is_out_of_reach_and_its_packet_goes_all_the_same(
    cable: Link, fields: dict[str, Encapsulation], code: int
) -> None:
    engine = cable.engine(cable.home)
    engine.install(replace(home_end(), **fields))  # type: ignore[arg-type]
    engine.start()
    wire = cable.tap(cable.away, "wire")
    packet = inner(size=400)

    def send(count: int = 1) -> None:
        sent = moved(engine).get("encapsulated-packets", 0)
        cable.send(cable.home, [packet] * count)
        wire.take(count)
        counted(engine, "encapsulated-packets", sent + count)

    assert told(cable, engine, send) == []
    engine.unreached(OTHER_AGENT, code, 60.0)
    assert told(cable, engine, send) == []
    engine.unreached(CARE_OF, code, 60.0)
    (error,) = told(cable, engine, send)
    assert error[12:20] == AGENT.packed + CORRESPONDENT.packed
    assert error[20:22] == bytes([3, code])
    assert error[28:] == bytes(packet)
    # No more than the limit, and that not to the cost of "too big".
    assert 95 <= len(told(cable, engine, lambda: send(300))) <= 200
    assert moved(engine)["icmp-rate-limited"] >= 100
    assert engine.counters()["icmp-sent"] == 0
    engine.unreached(CARE_OF, code, 0.0)
    assert told(cable, engine, send) == []


def test_an_error_is_never_answered_nor_a_super_packet_quoted_as_one(cable: Link) -> None:
    engine = cable.engine(cable.away)
    engine.install(care_of_end())
    engine.unreached(AGENT, 1, 60.0)
    engine.start()
    cable.away.ip(f"route replace {CORRESPONDENT}/32 dev mip0")
    listener = cable.socket(cable.away, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    error = (
        IP(src=str(HOME), dst=str(CORRESPONDENT))
        / ICMP(type=3, code=1)
        / IP(src="9.9.9.9")
        / UDP()
        / Raw(bytes(8))
    )
    cable.send(cable.away, [error])
    counted(engine, "icmp-forbidden", 1)
    assert "unreachable-sent" not in moved(engine)
    segments = cable.socket(cable.away, socket.SOCK_DGRAM, 0)
    segments.bind((str(HOME), 0))
    segments.setsockopt(socket.SOL_UDP, 103, 500)  # UDP_SEGMENT
    segments.sendto(bytes(5000), (str(CORRESPONDENT), 9))
    counted(engine, "super-packets", 1)
    counted(engine, "unreachable-sent", 1)
    listener.settimeout(2.0)
    while IP(message := listener.recv(65536)).src != str(CARE_OF):  # the other host has no tunnel
        continue
    quoted = IP(message[28:])
    assert (quoted.src, quoted.len) == (str(HOME), 528)
