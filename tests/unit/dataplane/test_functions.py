"""The pure functions, held to what scapy builds."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import defragment
from scapy.utils import checksum as scapy_checksum

from mobileip.dataplane import (
    STAGES,
    Drop,
    DropReason,
    EngineEvent,
    EventType,
    Flag,
    Tunnel,
    checksum,
    decapsulate,
    encapsulate,
    fragment,
    icmp_fragmentation_needed,
    port_lost,
)
from mobileip.dataplane._core import decapsulate_into, encapsulate_into
from tests.unit.dataplane.packets import AGENT, CARE_OF, HOME, ICMP, IP, home_end, inner, outer


@pytest.mark.parametrize("size", [0, 1, 2, 19, 20, 1499, 1500, 65535])
def test_checksum_is_scapys(size: int, rng: random.Random) -> None:
    data = rng.randbytes(size)
    assert checksum(data) == scapy_checksum(data)


@pytest.mark.rfc("5944", "4.1", 1)
@pytest.mark.rfc("3024", "5.1.2", 1)
@pytest.mark.rfc("2003", "3.1", 1)
@pytest.mark.parametrize("tos", range(256))
def test_outer_header_is_the_one_scapy_builds(tos: int) -> None:
    for flags in ("", "DF", "MF"):
        packet = inner(tos=tos, flags=flags)
        expected = outer(packet, id=4711, tos=tos, flags="DF" if flags == "DF" else "")
        assert encapsulate(bytes(packet), home_end(), 4711) == bytes(expected)


@pytest.mark.rfc("6040", "4.3", 1)
def test_compatibility_mode_hides_ecn_and_keeps_dscp() -> None:
    packet = inner(tos=0xBB)
    datagram = IP(encapsulate(bytes(packet), home_end(flags=Flag.ECN_COMPAT), 1))
    assert (datagram.tos, datagram.payload.tos) == (0xB8, 0xBB)


EGRESS = {  # RFC 6040 figure 4: inner, then outer Not-ECT, ECT(0), ECT(1), CE
    0b00: (0b00, 0b00, 0b00, None),
    0b10: (0b10, 0b10, 0b01, 0b11),
    0b01: (0b01, 0b01, 0b01, 0b11),
    0b11: (0b11, 0b11, 0b11, 0b11),
}


@pytest.mark.rfc("6040", "4.2", 1)
@pytest.mark.parametrize("inner_ecn", EGRESS)
@pytest.mark.parametrize("column", range(4))
def test_ecn_at_the_exit(inner_ecn: int, column: int) -> None:
    outer_ecn, expected = (0b00, 0b10, 0b01, 0b11)[column], EGRESS[inner_ecn][column]
    datagram = bytes(outer(inner(tos=0x28 | inner_ecn), tos=0xFC | outer_ecn))
    if expected is None:
        with pytest.raises(Drop) as refused:
            decapsulate(datagram)
        assert refused.value.reason is DropReason.ECN_CONGESTION
    else:
        assert decapsulate(datagram).packet == bytes(inner(tos=0x28 | expected))


def test_round_trip(rng: random.Random) -> None:
    for _ in range(300):
        packet = bytes(inner(size=rng.randrange(28, 1480), tos=rng.randrange(256), id=rng.randrange(65536)))
        result = decapsulate(encapsulate(packet, home_end(), rng.randrange(65536)))
        assert (result.packet, result.outer_source, result.outer_destination) == (packet, AGENT, CARE_OF)


def refused(datagram: bytes) -> DropReason:
    with pytest.raises(Drop) as caught:
        decapsulate(datagram)
    assert str(caught.value) == caught.value.reason.meaning
    return caught.value.reason


@pytest.mark.rfc("5944", "4.2.3", 12)
@pytest.mark.parametrize(
    ("packet", "tunnel", "reason"),
    [
        (inner(ttl=0), home_end(), DropReason.INNER_TTL),
        (inner(size=1481, flags="DF"), home_end(), DropReason.TOO_BIG),
        (inner(size=1481), home_end(), DropReason.NEEDS_FRAGMENTATION),
        (inner(source=CARE_OF), home_end(), DropReason.LOOP_SOURCE_IS_EXIT),
        (outer(inner()), home_end(), DropReason.LOOP_OWN_TUNNEL),
    ],
    ids=lambda value: value.label if isinstance(value, DropReason) else "",
)
def test_what_may_not_be_tunnelled(packet: IP, tunnel: Tunnel, reason: DropReason) -> None:
    with pytest.raises(Drop) as caught:
        encapsulate(bytes(packet), tunnel, 1)
    assert caught.value.reason is reason


def test_malformed_datagrams_have_each_their_reason() -> None:
    good = bytes(outer(inner()))
    assert refused(b"") is DropReason.OUTER_TRUNCATED
    assert refused(good[:-1]) is DropReason.OUTER_TRUNCATED
    assert refused(b"\x60" + good[1:]) is DropReason.OUTER_NOT_IPV4
    assert refused(bytes(outer(inner(), proto=47))) is DropReason.OUTER_PROTOCOL
    assert refused(bytes(outer(inner(), flags="MF"))) is DropReason.OUTER_FRAGMENT
    assert refused(good[:8] + b"\x00" + good[9:]) is DropReason.OUTER_CHECKSUM
    assert refused(good[:28] + b"\x01" + good[29:]) is DropReason.INNER_CHECKSUM
    assert refused(bytes(IP(src="192.0.2.1", dst="192.0.2.2", proto=4))) is DropReason.INNER_TRUNCATED
    assert refused(bytes(outer(inner(ttl=0)))) is DropReason.INNER_TTL


@given(st.binary(max_size=200))
def test_any_bytes_give_a_packet_or_a_reason(data: bytes) -> None:
    for function in (decapsulate, lambda packet: encapsulate(packet, home_end(), 1)):
        try:
            function(data)
        except Drop as drop:
            assert drop.reason in DropReason


@given(st.data())
def test_damaged_datagrams_give_a_packet_or_a_reason(data: st.DataObject) -> None:
    datagram = bytearray(bytes(outer(inner())))
    for _ in range(data.draw(st.integers(1, 4))):
        datagram[data.draw(st.integers(0, 47))] = data.draw(st.integers(0, 255))
    datagram[10:12] = b"\0\0"
    datagram[10:12] = scapy_checksum(bytes(datagram[: (datagram[0] & 15) * 4])).to_bytes(2, "big")
    try:
        packet = decapsulate(datagram).packet
    except Drop:
        return
    assert scapy_checksum(packet[: (packet[0] & 15) * 4]) == 0
    assert int.from_bytes(packet[2:4], "big") == len(packet)


@pytest.mark.rfc("1191", "4", 1)
@pytest.mark.rfc("1812", "4.3.2.3", 1)
@pytest.mark.parametrize("size", [100, 548, 549, 1500])
def test_icmp_is_the_one_scapy_builds(size: int) -> None:
    packet = inner(size=size, flags="DF", tos=0xFF)
    expected = (
        IP(src=str(AGENT), dst=str(packet.src), tos=0xDC, ttl=64, id=5)
        / ICMP(type=3, code=4, nexthopmtu=1380)
        / bytes(packet)[:548]
    )
    assert icmp_fragmentation_needed(bytes(packet), AGENT, 1380, 5) == bytes(expected)


@pytest.mark.rfc("1812", "4.3.2.7", 1)
def test_no_icmp_about_what_may_not_be_answered() -> None:
    about_error = IP(bytes(IP(src="203.0.113.9", dst="198.51.100.7") / ICMP(type=11) / bytes(inner())))
    for packet in (about_error, inner(frag=1), inner(destination=IPv4Address("224.0.0.9"))):
        assert icmp_fragmentation_needed(bytes(packet), AGENT, 1380) is None
    assert icmp_fragmentation_needed(b"", AGENT, 1380) is None


@pytest.mark.rfc("791", "3.2", 1)
@pytest.mark.parametrize("mtu", [68, 576, 1000, 1479])
def test_fragments_are_what_scapy_reassembles(mtu: int) -> None:
    packet = inner(size=1480)
    pieces = [IP(piece) for piece in fragment(bytes(packet), mtu)]
    assert all(piece.len <= mtu for piece in pieces) and len(pieces) > 1
    (whole,) = defragment(pieces)
    assert bytes(IP(bytes(whole)).payload) == bytes(packet.payload)
    assert [bytes(packet)] == fragment(bytes(packet), 1480)


def test_fragment_refuses() -> None:
    for packet, mtu in ((inner(flags="DF"), 68), (inner(), 27)):
        with pytest.raises(ValueError, match="cannot be fragmented"):
            fragment(bytes(packet), mtu)


def test_into_leaves_the_buffer_alone_when_it_refuses() -> None:
    packet = bytes(inner(ttl=0))
    buffer = bytearray(b"\xa5" * 40 + packet)
    before = bytes(buffer)
    with pytest.raises(Drop):
        encapsulate_into(buffer, 40, len(packet), home_end(), 1)
    assert buffer == before


def test_into_works_in_place_and_within_bounds() -> None:
    packet = bytes(inner())
    buffer = bytearray(b"\xa5" * 40 + packet + b"\xa5" * 8)
    offset, size = encapsulate_into(buffer, 40, len(packet), home_end(), 9)
    assert (offset, size) == (20, len(packet) + 20)
    assert bytes(buffer[offset : offset + size]) == encapsulate(packet, home_end(), 9)
    assert buffer[:20] == b"\xa5" * 20 and buffer[-8:] == b"\xa5" * 8
    assert decapsulate_into(buffer, offset, size) == (40, len(packet), None, None)
    for offset, size in ((-1, 10), (0, -1), (0, len(buffer) + 1), (len(buffer), 1)):
        with pytest.raises(ValueError, match="does not lie in the buffer"):
            decapsulate_into(buffer, offset, size)
    with pytest.raises(Drop) as caught:
        encapsulate_into(bytearray(packet), 0, len(packet), home_end(), 9)
    assert caught.value.reason is DropReason.NO_HEADROOM


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mtu": 67}, "tunnel MTU 67 is not between 68 and 65515"),
        ({"mtu": 65516}, "tunnel MTU 65516"),
        ({"remote": IPv4Address("0.0.0.0")}, "0.0.0.0"),
        ({"remote": AGENT}, "must differ"),
        ({"remote": HOME}, "must differ"),
        ({"local": HOME}, "must differ"),
    ],
)
def test_impossible_tunnels_cannot_be_written_down(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(home_end(), **change)  # type: ignore[arg-type]


def test_the_stub_lists_what_the_c_header_lists() -> None:
    """The enums are made from mip.h when the extension is built; the stub is written by hand."""
    from mobileip.dataplane import Counter, EventType, _core

    stub = Path(_core.__file__).with_name("_core.pyi").read_text()
    for enum in (DropReason, Counter, EventType):
        body = re.search(rf"class {enum.__name__}\(Named\):\n(.*?)\n(?:class|@)", stub, re.DOTALL)
        assert body is not None
        listed = re.findall(r"^    ([A-Z0-9_]+) = (\d+)$", body[1], re.MULTILINE)
        assert [(name, int(value)) for name, value in listed] == [(m.name, int(m)) for m in enum]
        assert all(member.label and member.meaning for member in enum)


def test_only_events_of_ports_tell_of_ports() -> None:
    for event in (
        EngineEvent(EventType.WRONG_SOURCE, HOME, 1, HOME),
        EngineEvent(EventType.PORT_LOST, IPv4Address(1), 1, IPv4Address(len(STAGES))),
    ):
        with pytest.raises(ValueError, match="not of a port"):
            port_lost(event)
