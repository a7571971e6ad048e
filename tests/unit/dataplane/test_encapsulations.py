"""GRE and minimal encapsulation as pure functions: held to naive twins, to scapy and to tcpdump."""

from __future__ import annotations

import itertools
import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.l2 import GRE
from scapy.utils import wrpcap

from mobileip.control.lab.namespaces import require
from mobileip.dataplane import (
    Drop,
    DropReason,
    Encapsulation,
    Flag,
    Tunnel,
    decapsulate,
    encapsulate,
    overhead,
)
from tests.unit.dataplane import twins
from tests.unit.dataplane.packets import AGENT, CARE_OF, CORRESPONDENT, HOME, IP, home_end, inner

KEY, CHECK, NUMBER = Flag.GRE_KEY, Flag.GRE_CHECKSUM, Flag.GRE_SEQUENCE
EVERY_GRE = [
    key | check | number
    for key, check, number in itertools.product(*((Flag.NONE, f) for f in (KEY, CHECK, NUMBER)))
]


def gre_end(flags: Flag = Flag.NONE, mtu: int = 1460, **changes: object) -> Tunnel:
    fields = {"key_out": 0xDEADBEEF, "key_in": 7} if flags & KEY else {}
    made = replace(home_end(), mtu=mtu, encapsulation=Encapsulation.GRE, flags=flags)
    return replace(made, **{**fields, **changes})  # type: ignore[arg-type]


def minimal_end(mtu: int = 1480, **changes: object) -> Tunnel:
    fields = {"encapsulation": Encapsulation.MINIMAL, "mtu": mtu, **changes}
    return replace(home_end(), **fields)  # type: ignore[arg-type]


def random_packet(rng: random.Random, most: int = 1400) -> bytes:
    """A packet with options now and then, any flags, any payload."""
    options = rng.randrange(11) if rng.random() < 0.3 else 0
    packet = IP(
        src=f"203.0.113.{rng.randrange(1, 255)}",
        dst=str(HOME),
        tos=rng.randrange(256),
        id=rng.randrange(65536),
        ttl=rng.randrange(1, 256),
        flags=rng.choice(["", "DF", "", "DF", "MF"]),
        frag=rng.choice([0, 0, 0, 0, 100]),
        proto=rng.randrange(256),
        options=bytes([1] * 4 * options),
    )
    return bytes(packet / rng.randbytes(rng.randrange(most - 60)))


@pytest.mark.parametrize("flags", EVERY_GRE)
def test_gre_is_its_twins(flags: Flag, rng: random.Random) -> None:
    tunnel = gre_end(flags)
    for _ in range(100):
        packet, ident, sequence = random_packet(rng), rng.randrange(65536), rng.getrandbits(32)
        datagram = encapsulate(packet, tunnel, ident, sequence)
        assert datagram == twins.gre(packet, tunnel, ident, sequence)
        assert len(datagram) - len(packet) == overhead(Encapsulation.GRE, flags)
        seen = decapsulate(datagram, Encapsulation.GRE)
        assert seen.packet == packet
        assert seen.key == (0xDEADBEEF if flags & KEY else None)
        assert seen.sequence == (sequence if flags & NUMBER else None)


@pytest.mark.parametrize("flags", EVERY_GRE)
def test_gre_is_scapys(flags: Flag) -> None:
    packet = inner(tos=0xB9, flags="DF", size=301)
    header = GRE(
        proto=0x0800,
        chksum_present=bool(flags & CHECK),
        key_present=bool(flags & KEY),
        seqnum_present=bool(flags & NUMBER),
        key=0xDEADBEEF,
        sequence_number=99,
    )
    outside = IP(src=str(AGENT), dst=str(CARE_OF), proto=47, id=5, tos=0xB9, flags="DF", ttl=64)
    assert encapsulate(bytes(packet), gre_end(flags), 5, 99) == bytes(outside / header / packet)


@pytest.mark.parametrize("flags", [Flag.NONE, Flag.ECN_COMPAT])
def test_gre_and_ecn(flags: Flag) -> None:
    """As with IP-in-IP: marked inside when marked outside, dropped without ECN inside (RFC 6040)."""
    datagram = bytearray(encapsulate(bytes(inner(tos=0xBA)), gre_end(flags), 1))
    assert datagram[1] == (0xB8 if flags else 0xBA)
    datagram[1] |= 3
    datagram[10:12] = bytes(2)
    datagram[10:12] = twins.naive_checksum(datagram[:20]).to_bytes(2, "big")
    assert IP(decapsulate(datagram, Encapsulation.GRE).packet).tos == 0xBB


def refused(datagram: bytes, encapsulation: Encapsulation) -> DropReason:
    with pytest.raises(Drop) as drop:
        decapsulate(datagram, encapsulation)
    return drop.value.reason


def wrapped(payload: bytes, protocol: int) -> bytes:
    return bytes(IP(src=str(AGENT), dst=str(CARE_OF), proto=protocol) / payload)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", DropReason.GRE_TRUNCATED),
        ("000008", DropReason.GRE_TRUNCATED),
        ("20000800", DropReason.GRE_TRUNCATED),
        ("b0000800 00000000 00000000 000000", DropReason.GRE_TRUNCATED),
        ("40000800", DropReason.GRE_HEADER),  # routing (RFC 1701)
        ("08000800", DropReason.GRE_HEADER),
        ("04000800", DropReason.GRE_HEADER),
        ("00010800", DropReason.GRE_HEADER),  # version 1: PPTP
        ("000086dd", DropReason.GRE_PROTOCOL),
        ("80000800 12340000", DropReason.GRE_CHECKSUM),
        ("00000800", DropReason.INNER_TRUNCATED),
    ],
)
def test_malformed_gre(header: str, reason: DropReason) -> None:
    assert refused(wrapped(bytes.fromhex(header), 47), Encapsulation.GRE) is reason


def test_gre_flags_that_are_ignored() -> None:
    """RFC 2784 2.2: bits 6 to 12."""
    packet = bytes(inner())
    assert decapsulate(wrapped(bytes.fromhex("03f80800") + packet, 47), Encapsulation.GRE).packet == packet


def test_every_flipped_bit_fails_the_gre_checksum() -> None:
    datagram = encapsulate(bytes(inner(size=40)), gre_end(CHECK), 1)
    for bit in range(24 * 8, len(datagram) * 8):
        broken = bytearray(datagram)
        broken[bit // 8] ^= 1 << bit % 8
        assert refused(broken, Encapsulation.GRE) is DropReason.GRE_CHECKSUM


def test_minimal_is_its_twins(rng: random.Random) -> None:
    fragments = 0
    for _ in range(500):
        packet, ident = random_packet(rng), rng.randrange(65536)
        datagram = encapsulate(packet, minimal_end(), ident)
        assert datagram == twins.minimal(packet, minimal_end(), ident)
        fragment = datagram[9] == 4
        fragments += fragment
        kind = Encapsulation.IPIP if fragment else Encapsulation.MINIMAL
        seen = decapsulate(datagram, kind)
        assert seen.packet == packet
        assert (seen.outer_source, seen.outer_destination) == (AGENT, CARE_OF)
        if not fragment:
            assert twins.minimal_inside(datagram) == packet
    assert 50 < fragments < 450


def test_minimal_without_the_source() -> None:
    """Eight bytes if the encapsulator is the source."""
    packet = bytes(inner(AGENT, HOME))
    datagram = encapsulate(packet, minimal_end(), 1)
    assert len(datagram) == len(packet) + 8 and datagram == twins.minimal(packet, minimal_end(), 1)
    assert decapsulate(datagram, Encapsulation.MINIMAL).packet == packet


def test_tcpdump_reads_minimal(tmp_path: Path) -> None:
    capture = tmp_path / "minimal.pcap"
    packets = [inner(CORRESPONDENT), inner(AGENT)]
    wrpcap(str(capture), [IP(encapsulate(bytes(packet), minimal_end(), 1)) for packet in packets])
    command = [require("tcpdump", "tcpdump"), "-n", "-v", "-r", str(capture)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"{AGENT} > {CARE_OF}: mobile: [S] {CORRESPONDENT} > {HOME} (oproto=17)" in said
    assert f"{AGENT} > {CARE_OF}: mobile: [] > {HOME} (oproto=17)" in said
    assert "bad" not in said


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", DropReason.MINIMAL_TRUNCATED),
        ("11000000 000000", DropReason.MINIMAL_TRUNCATED),
        ("11800000 00000000 000000", DropReason.MINIMAL_TRUNCATED),
        ("11000000 c6336407", DropReason.MINIMAL_CHECKSUM),
    ],
)
def test_malformed_minimal(payload: str, reason: DropReason) -> None:
    assert refused(wrapped(bytes.fromhex(payload), 55), Encapsulation.MINIMAL) is reason


def test_every_flipped_bit_fails_a_checksum() -> None:
    datagram = encapsulate(bytes(inner(size=40)), minimal_end(), 1)
    for bit in range(20 * 8, 32 * 8):
        broken = bytearray(datagram)
        broken[bit // 8] ^= 1 << bit % 8
        # A header without its source is another, shorter one.
        assert refused(broken, Encapsulation.MINIMAL) is DropReason.MINIMAL_CHECKSUM


@pytest.mark.parametrize("tunnel", [gre_end(KEY | CHECK | NUMBER, 1000), minimal_end(1000)])
def test_sizes(tunnel: Tunnel) -> None:
    assert len(encapsulate(bytes(inner(size=1000)), tunnel, 1)) == 1000 + overhead(
        tunnel.encapsulation, tunnel.flags
    )
    for flags, reason in (("DF", DropReason.TOO_BIG), ("", DropReason.NEEDS_FRAGMENTATION)):
        with pytest.raises(Drop) as drop:
            encapsulate(bytes(inner(size=1001, flags=flags)), tunnel, 1)
        assert drop.value.reason is reason


def test_a_fragment_must_leave_room_for_a_whole_header() -> None:
    """Minimal: 1000 bytes and 12 are what the path takes, so a fragment may have 992."""
    tunnel = minimal_end(1000)
    assert len(encapsulate(bytes(inner(size=992, flags="MF")), tunnel, 1)) == 1012
    with pytest.raises(Drop):
        encapsulate(bytes(inner(size=993, flags="MF")), tunnel, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": Flag.GRE_KEY, "encapsulation": Encapsulation.IPIP},
        {"mtu": 65524, "encapsulation": Encapsulation.MINIMAL},
        {"mtu": 65500, "encapsulation": Encapsulation.GRE, "flags": KEY | CHECK | NUMBER},
        {"key_in": 1 << 32},
        {"key_out": -1},
    ],
)
def test_impossible_tunnels(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is not for side|is not between|32 bits"):
        replace(home_end(), **changes)  # type: ignore[arg-type]


def test_largest_datagrams() -> None:
    for tunnel in (gre_end(KEY | CHECK | NUMBER, 65499), minimal_end(65523)):
        packet = bytes(inner(size=tunnel.mtu))
        datagram = encapsulate(packet, tunnel, 1)
        assert len(datagram) == 65535
        assert decapsulate(datagram, tunnel.encapsulation).packet == packet
