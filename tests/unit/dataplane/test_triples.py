"""Packets in, packets out, exact counters: one engine, and the test at the other end of its cable.

A triple fails if any counter moves that was not expected to.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from socket import SOCK_DGRAM

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Engine, EngineEvent, EventType, Flag, Side, Traffic, Tunnel, encapsulate
from tests.unit.dataplane.link import Link, counted, expect, moved
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    OTHER_AGENT,
    OTHER_HOME,
    STRANGER,
    TCP,
    UDP,
    Packet,
    Raw,
    care_of_end,
    home_end,
    inner,
    outer,
)

pytestmark = pytest.mark.netns

NOTHING = Traffic(0, 0, 0)


def same_but_for_id(seen: bytes, expected: bytes) -> bool:
    """Equal outer datagrams, apart from Identification and checksum, which the engine chooses."""
    return seen[:4] + seen[6:10] + seen[12:] == expected[:4] + expected[6:10] + expected[12:]


@pytest.mark.rfc("5944", "4.2.3", 4)
@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_outbound(cable: Link, count: int) -> None:
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.start()
    wire = cable.tap(cable.away, "wire")
    sizes = [28 + 7 * i for i in range(count)]
    packets = [inner(size=size, tos=i % 256, flags="DF" if i % 2 else "") for i, size in enumerate(sizes)]
    cable.send(cable.home, packets)
    seen = wire.take(count)
    for datagram, packet in zip(seen, packets, strict=True):
        assert same_but_for_id(datagram, encapsulate(bytes(packet), home_end(), 1))
    identifiers = [IP(datagram).id for datagram in seen]
    assert len(set(identifiers)) == count and 0 not in identifiers
    expect(
        engine,
        {
            "device-read-packets": count,
            "device-read-bytes": sum(sizes),
            "encapsulated-packets": count,
            "encapsulated-bytes": sum(sizes),
        },
        (Traffic(count, sum(sizes), 0), NOTHING),
    )
    assert [status.tunnel for status in engine.tunnels()] == [home_end()]


@pytest.mark.rfc("5944", "4.2.3", 6)
@pytest.mark.rfc("3024", "4.3.2", 6)
@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_inbound(cable: Link, count: int) -> None:
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.start()
    device = cable.tap(cable.home, "mip0")
    # Somebody must listen, or the kernel answers with ICMP errors through the engine.
    cable.socket(cable.home, SOCK_DGRAM).bind((str(CORRESPONDENT), 4000))
    sizes = [28 + 7 * i for i in range(count)]
    packets = [inner(HOME, CORRESPONDENT, size, tos=i % 256 & 0xFC) for i, size in enumerate(sizes)]
    cable.send(cable.away, [outer(packet, CARE_OF, AGENT, id=i) for i, packet in enumerate(packets)])
    assert device.take(count) == [bytes(packet) for packet in packets]
    expect(
        engine,
        {
            "received-packets": count,
            "received-bytes": sum(sizes) + 20 * count,
            "decapsulated-packets": count,
            "decapsulated-bytes": sum(sizes),
        },
        (NOTHING, Traffic(count, sum(sizes), 0)),
    )


@pytest.mark.rfc("3024", "4.3.2", 2, 4)
@pytest.mark.parametrize(
    ("datagram", "label", "known"),
    [
        (outer(inner(HOME, CORRESPONDENT), STRANGER, AGENT), "wrong-outer-source", True),
        (outer(inner(HOME, CORRESPONDENT), CARE_OF, OTHER_AGENT), "wrong-outer-destination", True),
        (outer(inner(STRANGER, CORRESPONDENT), CARE_OF, AGENT), "no-binding", False),
        (outer(inner(OTHER_HOME, CORRESPONDENT), CARE_OF, AGENT), "not-reverse", True),
        (outer(inner(HOME, CORRESPONDENT, ttl=0), CARE_OF, AGENT), "inner-ttl-zero", False),
        (outer(inner(HOME, CORRESPONDENT, tos=0), CARE_OF, AGENT, tos=3), "ecn-congestion", False),
        (outer(IP(bytes(inner(HOME, chksum=1))), CARE_OF, AGENT), "inner-bad-checksum", False),
        (outer(Raw(b"\x60" + bytes(39)), CARE_OF, AGENT), "inner-not-ipv4", False),
        (outer(Raw(b"\x45\0"), CARE_OF, AGENT), "inner-truncated", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_inbound_refusals(cable: Link, datagram: Packet, label: str, known: bool) -> None:
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.install(home_end(home=OTHER_HOME, flags=Flag.NONE))
    engine.start()
    device = cable.tap(cable.home, "mip0")
    cable.send(cable.away, [datagram])
    counted(engine, label, 1)
    expect(engine, {"received-packets": 1, "received-bytes": len(datagram), label: 1})
    dropped = eventually(
        lambda: sum(status.into.dropped for status in engine.tunnels()), lambda seen: seen == known
    )
    assert dropped == known and device.nothing_more()


def test_reassembled_datagrams_are_decapsulated(cable: Link) -> None:
    engine = cable.engine(cable.away)
    engine.install(care_of_end())
    engine.start()
    device = cable.tap(cable.away, "mip0")
    packet = inner(size=1480)
    whole = outer(packet, id=9)
    pieces = [whole.copy() for _ in range(2)]
    payload = bytes(whole.payload)
    for piece, (at, data) in zip(pieces, [(0, payload[:800]), (100, payload[800:])], strict=True):
        piece.remove_payload()
        del piece.len, piece.chksum
        piece.frag, piece.flags = at, "MF" if at == 0 else ""
        piece.add_payload(Raw(data))
    cable.send(cable.home, pieces)
    assert device.take(1) == [bytes(packet)]
    assert engine.counters()["received-packets"] == 1  # counted before the packet is delivered


@pytest.mark.rfc("1191", "4", 2)
def test_too_big_is_told_to_the_sender(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.install(home_end(mtu=1000))
    engine.start()
    wire, back = cable.tap(cable.away, "wire"), cable.tap(cable.home, "lo")
    cable.send(cable.home, [inner(size=1001, flags="DF"), inner(size=1000, flags="DF")])
    (datagram,) = wire.take(1)
    assert IP(datagram).payload.len == 1000
    error = IP(back.take(1)[0])
    assert (error.src, error.dst) == (str(AGENT), str(CORRESPONDENT))
    assert (error.payload.type, error.payload.code, error.payload.nexthopmtu) == (3, 4, 1000)
    expect(
        engine,
        {
            "device-read-packets": 2,
            "device-read-bytes": 2001,
            "encapsulated-packets": 1,
            "encapsulated-bytes": 1000,
            "too-big": 1,
            "icmp-sent": 1,
        },
        (Traffic(1, 1000, 1, 1001), NOTHING),
    )


@pytest.mark.rfc("1812", "4.3.2.8", 1)
def test_icmp_is_rate_limited_and_sometimes_forbidden(cable: Link) -> None:
    engine = cable.engine(cable.home, icmp_rate=5)
    engine.install(home_end(mtu=100))
    engine.start()
    cable.send(cable.home, [inner(size=200, flags="DF")] * 40 + [inner(size=200, flags="DF", frag=5)] * 3)
    counted(engine, "too-big", 43)
    counters = engine.counters()  # the message is counted before the drop
    assert counters["icmp-sent"] + counters["icmp-rate-limited"] == 40
    assert 5 <= counters["icmp-sent"] < 20
    assert counters["icmp-forbidden"] == 3


@pytest.mark.rfc("2003", "5.1", 1)
@pytest.mark.parametrize("mtu", [68, 576])
def test_too_big_without_df_is_fragmented_inside_the_tunnel(cable: Link, mtu: int) -> None:
    engine = cable.engine(cable.home)
    engine.install(home_end(mtu=mtu))
    engine.start()
    wire = cable.tap(cable.away, "wire")
    packet = inner(size=1480)
    per_fragment = (mtu - 20) // 8 * 8
    count = -(-1460 // per_fragment)
    cable.send(cable.home, [inner(size=40), packet, inner(size=41)])
    first, *pieces, last = [IP(datagram).payload for datagram in wire.take(count + 2)]
    assert (first.len, last.len) == (40, 41)
    assert all(piece.len <= mtu and piece.id == packet.id for piece in pieces)
    assert b"".join(bytes(piece.payload) for piece in pieces) == bytes(packet.payload)
    assert [piece.flags.MF for piece in pieces] == [True] * (count - 1) + [False]
    expect(
        engine,
        {
            "device-read-packets": 3,
            "device-read-bytes": 1561,
            "encapsulated-packets": count + 2,
            "encapsulated-bytes": 1561 + 20 * (count - 1),
            "fragmented-packets": 1,
            "fragments": count,
        },
    )


def test_a_device_with_a_smaller_mtu_is_told_of_and_survived(cable: Link) -> None:
    cable.home.ip("link set wire mtu 1200")
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.start()
    wire = cable.tap(cable.away, "wire")
    cable.send(cable.home, [inner(size=1181, flags="DF"), inner(size=1182), inner(size=1180)])
    assert IP(wire.take(1)[0]).len == 1200
    expect(
        engine,
        {
            "device-read-packets": 3,
            "device-read-bytes": 3543,
            "encapsulated-packets": 1,
            "encapsulated-bytes": 1180,
            "send-too-big": 2,
        },
        (Traffic(1, 1180, 2, 2363), NOTHING),
    )
    (event,) = engine.drain_events()
    assert (event.type, event.address, event.value) == (EventType.TUNNEL_TOO_BIG, CARE_OF, 1201)


def test_no_route_to_the_other_end(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.install(Tunnel(HOME, Side.HOME, AGENT, IPv4Address("203.0.113.200"), 1480))
    engine.start()
    cable.send(cable.home, [inner()])
    expect(
        engine,
        {"device-read-packets": 1, "device-read-bytes": 100, "send-unreachable": 1},
        (Traffic(0, 0, 1, 100), NOTHING),
    )


def test_unknown_home_address_is_counted_always_and_told_once_a_second(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.start()
    cable.send(cable.home, [inner(destination=OTHER_HOME)] * 20)
    expect(engine, {"device-read-packets": 20, "device-read-bytes": 2000, "no-binding": 20})
    events = eventually(engine.drain_events, what="an event")
    assert [(event.type, event.address) for event in events] == [(EventType.UNKNOWN_HOME, OTHER_HOME)]


@pytest.mark.rfc("3024", "4.3.2", 5)
def test_who_speaks_in_the_name_of_a_node_is_told_once_a_second_with_a_count(cable: Link) -> None:
    """RFC 3024 4.3.2: from a wrong care-of address, and as a node that has no binding."""
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.start()
    for source, inside in [(STRANGER, HOME)] * 5 + [(CARE_OF, OTHER_HOME)] * 3:
        cable.send(cable.away, [outer(inner(inside, CORRESPONDENT), source, AGENT)])
    counted(engine, "wrong-outer-source", 5)
    counted(engine, "no-binding", 3)
    (event,) = engine.drain_events()
    assert (event.type, event.address, event.inner) == (EventType.WRONG_SOURCE, STRANGER, HOME)
    assert event.value == 1

    def told() -> list[EngineEvent]:
        cable.send(cable.away, [outer(inner(OTHER_HOME, CORRESPONDENT), CARE_OF, AGENT)])
        return engine.drain_events()

    (event,) = eventually(told, what="the next event, a second later")
    assert (event.type, event.address, event.inner) == (EventType.WRONG_SOURCE, CARE_OF, OTHER_HOME)
    seen = moved(engine)
    assert event.value in range(8, seen["no-binding"] + seen["wrong-outer-source"])


def test_what_the_kernel_drops_for_us_is_counted(cable: Link) -> None:
    """The engine does not run, so its socket's buffer fills up."""
    engine = cable.engine(cable.home)
    datagram = outer(inner(HOME, CORRESPONDENT, size=1480), CARE_OF, AGENT)
    cable.send(cable.away, [datagram] * 6000)
    lost = eventually(lambda: engine.counters()["receive-overflow"], what="receive-overflow")
    assert moved(engine) == {"receive-overflow": lost}
    engine.start()
    counted(engine, "no-binding", 6000 - lost)
    assert engine.counters()["receive-overflow"] == lost


def test_visitor_without_reverse_tunnel(cable: Link) -> None:
    engine = cable.engine(cable.away)
    engine.install(care_of_end(flags=Flag.NONE))
    engine.start()
    cable.send(cable.away, [inner(HOME, CORRESPONDENT)])
    expect(
        engine,
        {"device-read-packets": 1, "device-read-bytes": 100, "not-reverse": 1},
        (Traffic(0, 0, 1, 100), NOTHING),
    )


def pending(packet: Packet) -> Packet:
    """The packet as a card would be given it: the checksum field holds the pseudo-header's sum only."""
    proto, check = (6, 16) if TCP in packet else (17, 6)
    data = bytearray(bytes(packet))
    words = bytes(data[12:20]) + bytes([0, proto]) + (len(data) - 20).to_bytes(2, "big")
    total = sum(int.from_bytes(words[i : i + 2], "big") for i in range(0, len(words), 2))
    total = (total & 0xFFFF) + (total >> 16)
    data[20 + check : 22 + check] = total.to_bytes(2, "big")
    return IP(bytes(data))


def test_unfinished_checksum_reaches_its_socket(cable: Link) -> None:
    engine: Engine = cable.engine(cable.away)
    engine.install(care_of_end())
    engine.start()
    listener = cable.socket(cable.away, SOCK_DGRAM)
    listener.bind((str(HOME), 4000))
    packet = pending(inner(size=500))
    cable.send(cable.home, [outer(packet)])
    assert listener.recv(2000) == bytes(packet[UDP].payload)
    expect(
        engine,
        {
            "received-packets": 1,
            "received-bytes": 520,
            "decapsulated-packets": 1,
            "decapsulated-bytes": 500,
            "checksum-pending": 1,
        },
    )


def test_merged_segments_are_cut_again(cable: Link) -> None:
    """A merged datagram, as a network card hands up, must go on over a link it is too long for."""
    cable.home.ip("link set wire mtu 9000")
    cable.away.ip(
        "link set wire mtu 9000",
        "link add out type veth peer name far",
        "link set out up",
        "link set far up",
        f"route add {CORRESPONDENT}/32 dev out",
        f"neigh add {CORRESPONDENT} lladdr 02:00:00:00:00:01 dev out",
    )
    engine = cable.away.inside(Engine)
    with engine:
        engine.install(care_of_end(home=CORRESPONDENT))
        engine.start()
        far = cable.tap(cable.away, "far")
        segments = pending(
            IP(bytes(IP(src=str(OTHER_HOME), dst=str(CORRESPONDENT)) / TCP(flags="A", seq=1) / bytes(5000)))
        )
        cable.send(cable.home, [outer(segments)])
        got = 0
        while got < 5000:
            (packet,) = far.take(1)
            got += len(IP(packet)[TCP].payload)
        counted(engine, "merged-received", 1)
        assert got == 5000
