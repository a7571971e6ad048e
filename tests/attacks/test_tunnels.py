"""Attacks by packets: into tunnels, out of them, around in them (RFC 5944 s5, RFC 2003 s3.2 and s7, RFC 3024 s6)."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.lab.daemons import KEY, SPI
from mobileip.control.lab.hosts import Host
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    CORRESPONDENT,
    FOREIGN1,
    HOME_ADDRESS,
    HOME_AGENT,
    NEIGHBOUR,
    NODE_INTERFACE,
    UPLINK_INTERFACE,
)
from mobileip.control.lab.waiting import eventually
from mobileip.control.wire.icmp import checksum
from tests.attacks.state import State, drops, memory, reasons, works
from tests.netns.foreign.visiting import ip, link_address, send_packet, udp
from tests.netns.roles.asking import asker, request, signed

pytestmark = pytest.mark.netns

HOME, AGENT = HOME_ADDRESS.ip, FOREIGN1.router.ip
IPIP, GRE, MINIMAL, UDP, ICMP = 4, 47, 55, 17, 1
STRANGER = IPv4Address("198.51.100.129")  # the router of foreign3


def dropped(lab: Lab, host: Host, packet: bytes, target: str, reason: str, count: int = 1) -> None:
    """``host`` sends it, and the daemon of ``target`` counts it as dropped for ``reason``."""
    daemon = getattr(lab, target)
    before = drops(daemon)[reason]
    send_packet(host, packet)
    eventually(
        lambda: drops(daemon)[reason] - before,
        lambda more: more == count,
        what=f"{reason} at {target}",
        explain=lambda: str({name: n for name, n in drops(daemon).items() if n}),
    )


def test_a_stranger_reaches_no_visitor_by_its_care_of_address(away: Lab) -> None:
    """Only the home agent that it is registered with can tunnel to it, and only by what was agreed."""
    inner = ip(CORRESPONDENT, HOME, UDP, udp(b"from a stranger"))
    before = State.of(away.foreign1)
    with away.node.sniff(NODE_INTERFACE) as sniffer:
        dropped(
            away, away.correspondent, ip(CORRESPONDENT, AGENT, IPIP, inner), "foreign1", "wrong-outer-source"
        )
        gre = struct.pack("!HH", 0, 0x0800)
        send_packet(away.core, ip(HOME_AGENT, AGENT, GRE, gre + inner))
        to_nobody = ip(CORRESPONDENT, HOME + 1, UDP, udp(b"for somebody else"))
        dropped(away, away.core, ip(HOME_AGENT, AGENT, IPIP, to_nobody), "foreign1", "no-binding")
        works(away)
        assert not [p for p in sniffer.look() if b"from a stranger" in p or b"for somebody else" in p]
    assert State.of(away.foreign1) == before


def test_a_reverse_tunnel_carries_the_nodes_own_packets_only(away: Lab) -> None:
    """With a spoofed outer source nothing passes for another node, without it nothing for another's care-of address."""
    from_neighbour = ip(NEIGHBOUR, CORRESPONDENT, UDP, udp(b"spoofed inner"))
    with away.correspondent.sniff("eth0") as sniffer:
        dropped(away, away.core, ip(AGENT, HOME_AGENT, IPIP, from_neighbour), "home", "no-binding")
        from_node = ip(HOME, CORRESPONDENT, UDP, udp(b"spoofed inner"))
        dropped(
            away,
            away.correspondent,
            ip(CORRESPONDENT, HOME_AGENT, IPIP, from_node),
            "home",
            "wrong-outer-source",
        )
        works(away)
        assert not [p for p in sniffer.look() if b"spoofed inner" in p and p[9] == UDP]


def test_a_visitor_cannot_send_as_another(away: Lab) -> None:
    """At the foreign agent: what comes from the visited link with a source that is no visitor's is not tunnelled."""
    before = drops(away.foreign1)["encapsulated-packets"]
    mac = bytes.fromhex(link_address(away.foreign1.namespace).replace(":", ""))
    packet = ip(HOME + 7, CORRESPONDENT, UDP, udp(b"as another"))
    with (
        away.home.sniff(UPLINK_INTERFACE) as sniffer,
        away.node.namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as raw,
    ):
        raw.sendto(packet, (NODE_INTERFACE, 0x0800, 0, 0, mac))
        works(away)
        assert not [p for p in sniffer.look() if b"as another" in p]
    assert drops(away.foreign1)["encapsulated-packets"] > before  # what `works` sent


def test_nested_tunnels_lead_nowhere(away: Lab) -> None:
    """A tunnelled packet inside a tunnelled packet is judged again, by what it says itself."""
    innermost = ip(NEIGHBOUR, CORRESPONDENT, UDP, udp(b"nested"))
    within = ip(HOME, HOME_AGENT, IPIP, innermost)
    with away.correspondent.sniff("eth0") as sniffer:
        before = drops(away.home)
        send_packet(away.core, ip(AGENT, HOME_AGENT, IPIP, within))
        for _ in range(20):
            within = ip(HOME, HOME_AGENT, IPIP, within)
        send_packet(away.core, ip(AGENT, HOME_AGENT, IPIP, within))
        works(away)
        assert not [p for p in sniffer.look() if b"nested" in p]
    after = drops(away.home)
    assert after["received-packets"] - before["received-packets"] < 40


@pytest.fixture
def insiders(lab: Lab) -> Iterator[Lab]:
    """Two more nodes of the home agent, both with keys and bad intentions."""
    lab.node.stop()
    lab.home.stop()
    lab.home.configuration["home_agent"]["nodes"] += [
        {"home_address": str(HOME + number), "spi": SPI, "key": KEY} for number in (1, 2)
    ]
    lab.home.start()
    yield lab


@pytest.mark.parametrize("ends", [(2, 1), (1, 1)])
def test_tunnels_that_lead_into_each_other_end(insiders: Lab, ends: tuple[int, int]) -> None:
    """Nodes 1 and 2 name each other's home address, or one address both, as care-of address: no packet goes round."""
    lab = insiders
    with asker(lab.correspondent) as ask:
        for number, end in zip((1, 2), ends, strict=True):
            asked = replace(request(HOME + end), home_address=HOME + number)
            assert ask.ask(signed(asked)).code == (134 if number == end else 1)
    counted = drops(lab.home)
    for number in (1, 2):
        lab.correspondent.send_udp(CORRESPONDENT, HOME + number, b"round and round")
    looks = [counted]

    def still() -> bool:
        """Whether all that moved did so before the last look; what goes round would never stop."""
        looks.append(drops(lab.home))
        moves = [[look[one] for look in looks] for one in ("encapsulated-packets", "received-packets")]
        return looks[-1] != counted and all(seen[-1] == seen[-2] for seen in moves)

    eventually(still, bool, every=0.2, what="packets to come to rest")
    moved = looks[-1]["encapsulated-packets"] - counted["encapsulated-packets"]
    assert 0 < moved < 140, "at most a TTL's worth each"


@pytest.mark.parametrize("inner_source", [AGENT, HOME_AGENT])
def test_a_packet_that_pretends_to_come_from_a_tunnels_end_is_not_tunnelled(
    away: Lab, inner_source: IPv4Address
) -> None:
    """RFC 2003 s3.2: the source is the tunnel's exit, or our own entry."""
    before = drops(away.home)
    send_packet(away.core, ip(inner_source, HOME, UDP, udp(b"loop")))
    with away.node.sniff(NODE_INTERFACE) as sniffer:
        works(away)
        assert not [p for p in sniffer.look() if b"loop" in p]
    after = drops(away.home)
    if inner_source == AGENT:
        assert after["loop-source-is-exit"] == before["loop-source-is-exit"] + 1


def too_big(mtu: int, source: IPv4Address, destination: IPv4Address, inner: bytes, code: int = 4) -> bytes:
    """ICMP "fragmentation needed" about a datagram that was never sent."""
    quote = ip(source, destination, IPIP, inner + bytes(1200))[: 20 + 28]
    body = struct.pack("!BBHHH", 3, code, 0, 0, mtu) + quote
    total = sum(word for (word,) in struct.iter_unpack("!H", body))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]


def test_a_forged_too_big_makes_no_tunnel_useless(away: Lab) -> None:
    """Who guesses both ends of a tunnel, without having seen a packet of it, makes its packets 576 bytes at the least,
    for ten minutes; of anybody else's tunnel he makes nothing.
    """
    inner = ip(CORRESPONDENT, HOME, UDP, udp(bytes(20)))
    mtu = {row["remote"]: row["mtu"] for row in away.home.show("tunnels")}[str(AGENT)]
    ignored = reasons(away.home)["tunnel-error-ignored"]
    for source, destination in ((HOME_AGENT, AGENT + 1), (AGENT, HOME_AGENT), (CORRESPONDENT, AGENT)):
        error = too_big(576, source, destination, inner)
        send_packet(away.core, ip(CORRESPONDENT, HOME_AGENT, ICMP, error))
    eventually(lambda: reasons(away.home)["tunnel-error-ignored"] - ignored, lambda more: more == 3)
    assert [row["mtu"] for row in away.home.show("tunnels")] == [mtu]
    for told in (0, 1, 67, 68, 100, 575):
        send_packet(away.core, ip(CORRESPONDENT, HOME_AGENT, ICMP, too_big(told, HOME_AGENT, AGENT, inner)))
    works(away)
    (tunnel,) = away.home.show("tunnels")
    assert tunnel["mtu"] >= 576 - 20
    away.correspondent.ping(HOME, size=1400)
    away.node.ping(CORRESPONDENT, source=HOME, size=1400)


def test_a_flood_of_forged_errors_leaves_time_for_the_nodes(away: Lab) -> None:
    inner = ip(CORRESPONDENT, HOME, UDP, udp(bytes(20)))
    error = ip(CORRESPONDENT, HOME_AGENT, ICMP, too_big(1000, HOME_AGENT, AGENT + 1, inner))
    with away.core.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(3000):
            raw.sendto(error, (str(HOME_AGENT), 0))
    lines = [line for line in away.home.log_lines() if line.get("event") == "tunnel-error-ignored"]
    assert len(lines) <= 400
    away.go("foreign2")
    works(away)
    away.go("foreign1")


def test_a_flood_of_fragments_is_bounded(away: Lab) -> None:
    """First fragments in the name of the home agent that the rest of never comes: the kernel keeps so much and no more.

    Last in this file: they wait there for half a minute.
    """
    agent = away.foreign1
    space = agent.namespace

    def waiting() -> int:
        """Bytes of fragments that the kernel keeps."""
        table = space.inside(lambda: Path("/proc/thread-self/net/sockstat").read_text())
        return int(re.findall(r"^FRAG: inuse \d+ memory (\d+)", table, re.MULTILINE)[0])

    before, held, received = State.of(agent), memory(agent), drops(agent)["received-packets"]
    most = space.inside(lambda: int(Path("/proc/sys/net/ipv4/ipfrag_high_thresh").read_text()))
    inner = ip(CORRESPONDENT, HOME, UDP, udp(bytes(1400)))
    more = struct.pack("!H", 0x2000)
    with away.core.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for number in range(6000):
            outer = ip(HOME_AGENT, AGENT, IPIP, inner)
            raw.sendto(outer[:4] + struct.pack("!H", number + 1) + more + outer[8:], (str(AGENT), 0))
    assert most / 2 < waiting() < most + 65536
    works(away)
    assert drops(agent)["received-packets"] - received < 1000, "none of them came to the daemon"
    assert State.of(agent) == before
    assert memory(agent) < 1.05 * held + 512


def minimal(source: IPv4Address, destination: IPv4Address, payload: bytes) -> bytes:
    """The header with the original source in it, and what it carries."""
    rest = destination.packed + source.packed
    return struct.pack("!BBH", UDP, 0x80, checksum(struct.pack("!BBH", UDP, 0x80, 0) + rest)) + rest + payload


@pytest.fixture
def minimally(lab: Lab) -> Iterator[Lab]:
    """The node is away, with minimal encapsulation agreed on."""
    lab.node.stop()
    lab.node.configuration["mobile_node"]["encapsulation"] = ["minimal"]
    lab.node.start()
    lab.go("foreign1")
    yield lab


def test_a_forged_source_in_a_minimal_header_passes_nowhere(minimally: Lab) -> None:
    """Neither another's from the right care-of address, nor the node's from a wrong one."""
    lab = minimally
    with lab.correspondent.sniff("eth0") as sniffer:
        others = minimal(NEIGHBOUR, CORRESPONDENT, udp(b"forged within"))
        dropped(lab, lab.core, ip(AGENT, HOME_AGENT, MINIMAL, others), "home", "no-binding")
        nodes = minimal(HOME, CORRESPONDENT, udp(b"forged within"))
        packet = ip(CORRESPONDENT, HOME_AGENT, MINIMAL, nodes)
        dropped(lab, lab.correspondent, packet, "home", "wrong-outer-source")
        works(lab)
        assert not [p for p in sniffer.look() if b"forged within" in p and p[9] == UDP]
