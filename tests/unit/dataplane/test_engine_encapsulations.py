"""GRE and minimal encapsulation through the engine: on the wire, off the wire, and from end to end."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
from scapy.layers.l2 import GRE

from mobileip.dataplane import Encapsulation, Engine, Flag, Traffic, Tunnel, encapsulate, fragment, overhead
from tests.unit.dataplane.link import Link, counted, expect, moved
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    OTHER_HOME,
    Packet,
    Raw,
    care_of_end,
    home_end,
    inner,
    outer,
)

pytestmark = pytest.mark.netns

EVERYTHING = Flag.GRE_KEY | Flag.GRE_CHECKSUM | Flag.GRE_SEQUENCE
KINDS = {
    "gre": {"encapsulation": Encapsulation.GRE},
    "gre-all": {
        "encapsulation": Encapsulation.GRE,
        "flags": Flag.REVERSE | EVERYTHING,
        "key_out": 1,
        "key_in": 2,
    },
    "minimal": {"encapsulation": Encapsulation.MINIMAL},
}
NOTHING = Traffic(0, 0, 0)


def ends(kind: str, mtu: int = 1440) -> tuple[Tunnel, Tunnel]:
    """The home agent's end and the other one."""
    fields = KINDS[kind]
    swapped = {**fields, "key_out": fields.get("key_in", 0), "key_in": fields.get("key_out", 0)}
    return replace(home_end(mtu), **fields), replace(care_of_end(mtu), **swapped)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 63, 64, 65])
def test_outbound(cable: Link, kind: str, count: int) -> None:
    tunnel, _ = ends(kind)
    engine = cable.engine(cable.home)
    engine.install(tunnel)
    engine.start()
    wire = cable.tap(cable.away, "wire")
    packets = [inner(size=28 + i, tos=i % 256, flags="DF" if i % 2 else "") for i in range(count)]
    cable.send(cable.home, packets)
    for number, (datagram, packet) in enumerate(zip(wire.take(count), packets, strict=True)):
        ident = IP(datagram).id
        assert datagram == encapsulate(bytes(packet), tunnel, ident, number)
    size = sum(packet.len for packet in packets)
    expect(
        engine,
        {
            "device-read-packets": count,
            "device-read-bytes": size,
            "encapsulated-packets": count,
            "encapsulated-bytes": size,
        },
        (Traffic(count, size, 0), NOTHING),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 63, 64, 65])
def test_inbound(cable: Link, kind: str, count: int) -> None:
    home, away = ends(kind)
    engine = cable.engine(cable.home)
    engine.install(home)
    engine.start()
    device = cable.tap(cable.home, "mip0")
    cable.socket(cable.home, socket.SOCK_DGRAM).bind((str(CORRESPONDENT), 4000))
    packets = [bytes(inner(HOME, CORRESPONDENT, 28 + i)) for i in range(count)]
    datagrams = [IP(encapsulate(packet, away, i + 1, i)) for i, packet in enumerate(packets)]
    cable.send(cable.away, datagrams)
    assert device.take(count) == packets
    size = sum(map(len, packets))
    expect(
        engine,
        {
            "received-packets": count,
            "received-bytes": sum(datagram.len for datagram in datagrams),
            "decapsulated-packets": count,
            "decapsulated-bytes": size,
        },
        (NOTHING, Traffic(count, size, 0)),
    )


def gre(packet: Packet, **fields: object) -> Packet:
    header = IP(src=str(CARE_OF), dst=str(AGENT), proto=47) / GRE(proto=0x0800, **fields)
    return IP(bytes(header / packet))


PACKET = inner(HOME, CORRESPONDENT)


@pytest.mark.parametrize(
    ("kind", "datagram", "label", "known"),
    [
        ("gre", outer(PACKET, CARE_OF, AGENT), "wrong-encapsulation", True),
        ("gre", gre(PACKET, key_present=1, key=2), "gre-wrong-key", True),
        ("gre", gre(inner(OTHER_HOME, CORRESPONDENT)), "no-binding", False),
        ("gre", gre(PACKET, chksum_present=1, chksum=1), "gre-bad-checksum", False),
        ("gre-all", gre(PACKET), "gre-wrong-key", True),
        ("gre-all", gre(PACKET, key_present=1, key=1), "gre-wrong-key", True),
        ("minimal", gre(PACKET), None, False),
        ("minimal", outer(PACKET, CARE_OF, AGENT), "wrong-encapsulation", True),
        (
            "minimal",
            IP(src=str(CARE_OF), dst=str(AGENT), proto=55) / Raw(bytes(12)),
            "minimal-bad-checksum",
            False,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals(cable: Link, kind: str, datagram: Packet, label: str | None, known: bool) -> None:
    """What no tunnel uses is not even received: a host may have GRE traffic of another kind."""
    engine = cable.engine(cable.home)
    engine.install(ends(kind)[0])
    engine.start()
    cable.send(cable.away, [datagram, outer(inner(OTHER_HOME), CARE_OF, AGENT)])
    counted(engine, "no-binding", 1 + (label == "no-binding"))
    seen = moved(engine)
    if label is None:
        assert seen == {"received-packets": 1, "received-bytes": 120, "no-binding": 1}
    else:
        expect(engine, {**seen, "received-packets": 2, label: 1 + (label == "no-binding")})
        assert engine.tunnels()[0].into.dropped == known


def test_sequence_numbers(cable: Link) -> None:
    """The same again and older ones are dropped; what has none is not; a new peer begins again."""
    home, away = ends("gre-all")
    engine = cable.engine(cable.home)
    engine.install(home)
    engine.start()
    device = cable.tap(cable.home, "mip0")
    cable.socket(cable.home, socket.SOCK_DGRAM).bind((str(CORRESPONDENT), 4000))

    def send(*numbers: int | None) -> None:
        for number in numbers:
            plain = replace(away, flags=away.flags & ~Flag.GRE_SEQUENCE)
            cable.send(
                cable.away,
                [IP(encapsulate(bytes(PACKET), plain if number is None else away, 1, number or 0))],
            )

    send(0, 1, 1, 0, None, 5, 4, 6, 0x80000006, 0x80000005, 0x80000007)
    device.take(7)
    counted(engine, "gre-out-of-sequence", 4)
    assert engine.counters()["decapsulated-packets"] == 7
    engine.install(replace(home, mtu=1000))  # registered again: the peer may have begun anew
    send(3, 2)
    device.take(1)
    counted(engine, "gre-out-of-sequence", 5)
    engine.install(replace(home, key_out=9))
    send(0)
    device.take(1)


def test_a_peer_that_was_restarted_is_heard_again_after_a_few_packets(cable: Link) -> None:
    home, away = ends("gre-all")
    engine = cable.engine(cable.home)
    engine.install(home)
    engine.start()
    device = cable.tap(cable.home, "mip0")
    cable.socket(cable.home, socket.SOCK_DGRAM).bind((str(CORRESPONDENT), 4000))
    for number in (700, 0, 1, 2, 701, 0, 1, 2, 3, 4, 5):
        cable.send(cable.away, [IP(encapsulate(bytes(PACKET), away, 1, number))])
    device.take(4)  # 700, 701, and from 4 on
    counted(engine, "gre-out-of-sequence", 7)


@pytest.mark.parametrize("kind", KINDS)
def test_fragments(cable: Link, kind: str) -> None:
    """Minimal encapsulation sends them by IP-in-IP, and takes them so."""
    home, away = ends(kind, 600)
    sender = cable.engine(cable.home)
    sender.install(home)
    sender.start()
    wire = cable.tap(cable.away, "wire")
    packet = inner(size=1400)
    cable.send(cable.home, [packet])
    limit = 592 if kind == "minimal" else 600
    pieces = fragment(bytes(packet), limit)
    seen = wire.take(len(pieces))
    for number, (datagram, piece) in enumerate(zip(seen, pieces, strict=True)):
        number += 1  # one number went to the packet that did not fit
        assert datagram == encapsulate(piece, home, IP(datagram).id, number)
        assert IP(datagram).proto == (4 if kind == "minimal" else 47)
        assert len(datagram) <= 600 + overhead(home.encapsulation, home.flags)
    receiver = cable.engine(cable.away)
    receiver.install(away)
    receiver.start()
    listener = cable.socket(cable.away, socket.SOCK_DGRAM)
    listener.bind((str(HOME), 4000))
    cable.send(cable.home, [packet])
    assert listener.recv(2000) == bytes(packet.payload.payload)
    counted(receiver, "decapsulated-packets", len(pieces))


@pytest.mark.parametrize("kind", KINDS)
def test_tcp_both_ways(cable: Link, kind: str) -> None:
    home, away = ends(kind)
    engines: list[Engine] = []
    for space, tunnel in ((cable.home, home), (cable.away, away)):
        engines.append(cable.engine(space, mtu=1440))
        engines[-1].install(tunnel)
        engines[-1].start()
    sent = bytes(range(256)) * 4096
    listener = cable.socket(cable.home, socket.SOCK_STREAM)
    listener.bind((str(CORRESPONDENT), 5000))
    listener.listen()
    client = cable.socket(cable.away, socket.SOCK_STREAM)
    client.bind((str(HOME), 0))
    client.connect((str(CORRESPONDENT), 5000))
    server, _ = listener.accept()
    for source, sink in ((client, server), (server, client)):
        sink.settimeout(10)
        writer = threading.Thread(target=source.sendall, args=(sent,))
        writer.start()
        received = bytearray()
        while len(received) < len(sent):
            received += sink.recv(1 << 16)
        writer.join()
        assert received == sent
    server.close()
    assert all(engine.counters()["wrong-encapsulation"] == 0 for engine in engines)
