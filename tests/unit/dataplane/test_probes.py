"""What asks for the width of a path: echo requests in a tunnel for its end itself, and events about large packets."""

from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Encapsulation, Engine, EventType, Flag, Tunnel, encapsulate
from tests.unit.dataplane.link import Link, counted, moved
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    ICMP,
    IP,
    OTHER_AGENT,
    STRANGER,
    Packet,
    Raw,
    care_of_end,
    home_end,
    inner,
    outer,
)

pytestmark = pytest.mark.netns

KINDS = [
    {},
    {"encapsulation": Encapsulation.GRE},
    {"encapsulation": Encapsulation.GRE, "flags": Flag.REVERSE | Flag.GRE_KEY, "key_out": 1, "key_in": 2},
    {"encapsulation": Encapsulation.MINIMAL},
]


def echo(source: IPv4Address, destination: IPv4Address, size: int, kind: int = 8) -> bytes:
    header = IP(src=str(source), dst=str(destination), flags="DF")
    return bytes(header / ICMP(type=kind, id=7) / Raw(bytes(size - 28)))


@pytest.mark.parametrize("fields", KINDS)
@pytest.mark.parametrize("here", ["home agent", "care-of address"])
def test_the_end_of_a_tunnel_answers_outside_it(cable: Link, fields: dict[str, object], here: str) -> None:
    """Whatever the tunnels there are: a foreign agent has some, a node at home none."""
    if here == "home agent":
        space, there, local, remote, end = cable.home, cable.away, AGENT, CARE_OF, care_of_end()
        engine = cable.engine(space)
        engine.install(home_end())
    else:
        space, there, local, remote, end = cable.away, cable.home, CARE_OF, AGENT, home_end()
        engine = cable.engine(space)
        engine.install(care_of_end())
    # What the other end sends: the encapsulation may be another one than that of the tunnels here.
    engine.install(Tunnel(STRANGER, end.side, local, remote, 1400, Encapsulation.GRE))
    engine.install(Tunnel(STRANGER + 1, end.side, local, remote, 1400, Encapsulation.MINIMAL))
    engine.start()
    answers = cable.socket(there, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    probe = echo(remote, local, 1400)
    cable.send(there, [IP(encapsulate(probe, replace(end, **fields), 0))])  # type: ignore[arg-type]
    reply = IP(answers.recv(65536))
    assert (reply.src, reply.dst, reply.len) == (str(local), str(remote), 1400)
    assert (reply[ICMP].type, reply[ICMP].id) == (0, 7)
    counted(engine, "probes-received", 1)
    assert {name for name in moved(engine) if name != "received-bytes"} == {
        "received-packets",
        "probes-received",
    }


HOSTILE = {
    "from another than outside": outer(IP(echo(OTHER_AGENT, CARE_OF, 100))),
    "to another than outside": outer(IP(echo(AGENT, CORRESPONDENT, 100))),
    "no request": outer(IP(echo(AGENT, CARE_OF, 100, kind=0))),
    "no ICMP": outer(inner(AGENT, CARE_OF)),
    "a fragment": outer(IP(src=str(AGENT), dst=str(CARE_OF), proto=1, flags="MF") / Raw(b"\x08" + bytes(15))),
    "too short": outer(IP(src=str(AGENT), dst=str(CARE_OF), proto=1) / Raw(b"\x08" + bytes(6))),
}


@pytest.mark.parametrize("datagram", HOSTILE.values(), ids=HOSTILE)
def test_nothing_else_gets_past_the_source_check(cable: Link, datagram: Packet) -> None:
    engine = cable.engine(cable.away)
    engine.install(care_of_end())
    engine.start()
    cable.send(cable.home, [datagram])
    counted(engine, "no-binding", 1)
    assert engine.counters()["probes-received"] == 0


def told(engine: Engine) -> list[tuple[IPv4Address, IPv4Address, int]]:
    return [
        (event.address, event.inner, event.value)
        for event in engine.drain_events()
        if event.type is EventType.LARGE_PACKET
    ]


def test_large_packets_with_df_are_told_of_once_and_again_when_they_grow(cable: Link) -> None:
    engine = cable.engine(cable.home, tell_largest=True)
    tunnel = home_end()
    engine.install(tunnel)
    engine.start()
    sizes = [100, 556, 1200, 1200, 800, 1400, 1400]
    cable.send(cable.home, [inner(size=1480)] + [inner(size=size, flags="DF") for size in sizes])
    counted(engine, "encapsulated-packets", 1 + len(sizes))
    seen: list[tuple[IPv4Address, IPv4Address, int]] = []
    eventually(lambda: seen.extend(told(engine)) or len(seen), lambda count: count >= 2, what="two events")
    assert seen == [(CARE_OF, tunnel.home_address, 1220), (CARE_OF, tunnel.home_address, 1420)]


def test_nobody_is_told_without_the_switch(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.start()
    cable.send(cable.home, [inner(size=1400, flags="DF")])
    counted(engine, "encapsulated-packets", 1)
    assert told(engine) == []
