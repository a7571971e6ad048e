"""Super-packets on the TUN device: into the tunnel as the packets they stand for, out of it from those of a batch."""

from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Encapsulation, Engine, Flag, Traffic
from tests.unit.dataplane.link import Link, counted, expect
from tests.unit.dataplane.packets import CORRESPONDENT, HOME, IP, care_of_end, home_end, inner, outer

pytestmark = pytest.mark.netns

UDP_SEGMENT = 103  # linux/udp.h
IP_MTU_DISCOVER, PMTUDISC_DONT, PMTUDISC_DO = 10, 0, 2
HEADERS = 28


def super_sender(cable: Link, size: int, discover: int) -> socket.socket:
    """A UDP socket whose every send is cut into datagrams of ``size`` bytes: by the engine, not the kernel."""
    sender = cable.socket(cable.home, socket.SOCK_DGRAM)
    sender.bind((str(CORRESPONDENT), 0))
    sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
    sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, discover)
    return sender


def payload(size: int) -> bytes:
    return bytes(i * 31 % 251 for i in range(size))


def pair(
    cable: Link, mtu: int = 1480, kind: Encapsulation = Encapsulation.IPIP, flags: Flag = Flag.NONE
) -> tuple[Engine, Engine]:
    home, away = cable.engine(cable.home), cable.engine(cable.away)
    home.install(replace(home_end(mtu), encapsulation=kind, flags=Flag.REVERSE | flags))
    away.install(replace(care_of_end(mtu), encapsulation=kind, flags=Flag.REVERSE | flags))
    home.start()
    away.start()
    return home, away


@pytest.mark.parametrize("total", [1000 + 1, 11 * 1000, 60 * 1000 + 17])
@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        (Encapsulation.IPIP, Flag.NONE),
        (Encapsulation.MINIMAL, Flag.NONE),
        (Encapsulation.GRE, Flag.GRE_CHECKSUM | Flag.GRE_SEQUENCE),
    ],
    ids=["ipip", "minimal", "gre"],
)
def test_datagrams_of_a_super_packet_arrive_one_by_one(
    cable: Link, kind: Encapsulation, flags: Flag, total: int
) -> None:
    mtu = 1460  # what GRE with two options leaves
    home, away = pair(cable, mtu, kind, flags)
    receiver = cable.socket(cable.away, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    receiver.bind((str(HOME), 4000))
    sent = payload(total)
    super_sender(cable, 1000, PMTUDISC_DO).sendto(sent, (str(HOME), 4000))
    count = -(-total // 1000)
    received = [receiver.recv(65536) for _ in range(count)]
    assert received == [sent[at : at + 1000] for at in range(0, total, 1000)]
    size = total + count * HEADERS
    expect(
        home,
        {
            "device-read-packets": count,
            "device-read-bytes": size,
            "super-packets": 1,
            "encapsulated-packets": count,
            "encapsulated-bytes": size,
        },
        (Traffic(count, size, 0), Traffic(0, 0, 0)),
    )
    eventually(
        lambda: away.tunnels()[0].into, lambda seen: seen == Traffic(count, size, 0), what="all of it counted"
    )


def test_super_packet_wider_than_the_tunnel_is_refused_once(cable: Link) -> None:
    """Its sender learns the tunnel's MTU as from a router (RFC 1191 4), by one message for all ten."""
    home, _ = pair(cable, 900)
    sender = super_sender(cable, 1000, PMTUDISC_DO)
    sender.connect((str(HOME), 4000))
    sender.send(payload(10_000))
    expect(
        home,
        {
            "device-read-packets": 10,
            "device-read-bytes": 10 * 1028,
            "super-packets": 1,
            "too-big": 10,
            "icmp-sent": 1,
        },
        (Traffic(0, 0, 10, 10 * 1028), Traffic(0, 0, 0)),
    )
    with pytest.raises(OSError, match="Message too long"):
        sender.send(payload(10_000))
    assert sender.getsockopt(socket.IPPROTO_IP, 14) == 900  # IP_MTU


def test_segments_wider_than_the_tunnel_are_fragmented_if_they_may_be(cable: Link) -> None:
    home, _ = pair(cable, 900)
    receiver = cable.socket(cable.away, socket.SOCK_DGRAM)
    receiver.bind((str(HOME), 4000))
    sent = payload(3 * 1000 + 50)
    super_sender(cable, 1000, PMTUDISC_DONT).sendto(sent, (str(HOME), 4000))
    assert [receiver.recv(65536) for _ in range(4)] == [
        sent[at : at + 1000] for at in range(0, len(sent), 1000)
    ]
    read, fragment_header = len(sent) + 4 * HEADERS, 20
    expect(
        home,
        {
            "device-read-packets": 4,
            "device-read-bytes": read,
            "super-packets": 1,
            "fragmented-packets": 3,
            "fragments": 6,
            "encapsulated-packets": 7,
            "encapsulated-bytes": read + 3 * fragment_header,
        },
    )


def test_super_packet_without_a_tunnel_counts_as_what_it_stands_for(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.start()
    super_sender(cable, 1000, PMTUDISC_DO).sendto(payload(9999), (str(HOME), 4000))
    counted(engine, "no-binding", 10)
    assert engine.counters()["device-read-packets"] == 10


def test_super_packet_to_several_care_of_addresses(cable: Link) -> None:
    cable.away.ip("addr add 192.0.2.3/24 dev wire")
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.install(replace(home_end(), remote=IPv4Address("192.0.2.3")), beside=True)
    engine.start()
    tap = cable.tap(cable.away, "wire")
    super_sender(cable, 1000, PMTUDISC_DO).sendto(payload(2500), (str(HOME), 4000))
    packets = tap.take(6)
    bodies: dict[bytes, list[bytes]] = {}
    for packet in packets:
        bodies.setdefault(packet[16:20], []).append(packet[20:])
    one, other = bodies.values()
    assert one == other and [len(body) for body in one] == [1028, 1028, 528]
    counted(engine, "copied-packets", 3)


def test_what_comes_out_in_one_batch_is_written_at_once_and_arrives_one_by_one(cable: Link) -> None:
    """A socket that did not ask for merged datagrams gets each, whole; the counters know only the single ones."""
    home, away = pair(cable)
    receiver = cable.socket(cable.away, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    receiver.bind((str(HOME), 4000))
    sender = super_sender(cable, 1000, PMTUDISC_DO)
    sent = [payload(20_500)[at : at + 1000] for at in range(0, 20_500, 1000)]
    for _ in range(200):
        sender.sendto(b"".join(sent), (str(HOME), 4000))
        assert [receiver.recv(65536) for _ in sent] == sent
        if away.counters()["coalesced-packets"] > 0:
            break
    else:
        raise AssertionError("no two datagrams were ever merged")
    eventually(
        lambda: (home.tunnels()[0].out, away.tunnels()[0].into),
        lambda seen: seen[0] == seen[1],
        what="the same packets and bytes into the tunnel and out of it",
    )


def test_corrupted_datagrams_are_not_blessed(cable: Link) -> None:
    """Merged packets get new checksums: a wrong one must stay wrong, or the receiver would take it."""
    engine = cable.engine(cable.away)
    engine.install(care_of_end())
    engine.start()
    receiver = cable.socket(cable.away, socket.SOCK_DGRAM)
    receiver.bind((str(HOME), 4000))
    good = [inner(size=500, id=7 + i, flags="DF") for i in range(8)]
    spoiled = [bytes(outer(packet)) for packet in good]
    spoiled[3] = spoiled[3][:-1] + bytes([spoiled[3][-1] ^ 1])
    cable.send(cable.home, [IP(datagram) for datagram in spoiled] * 8)
    counted(engine, "decapsulated-packets", 64)
    body = bytes(good[0])[28:]
    assert [receiver.recv(65536) for _ in range(7 * 8)] == [body] * 7 * 8
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(65536)
