"""ICMP errors about tunnelled datagrams, with scapy as the other builder and reader."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Packet, Raw

from mobileip.control.reasons import Reason
from mobileip.control.wire import icmp_error
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.icmp_error import read_tunnel_error, write_unreachable
from mobileip.dataplane import Encapsulation, Flag, Side, Tunnel, encapsulate

LOCAL, REMOTE, HOME = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1"), IPv4Address("203.0.113.5")
SENDER = IPv4Address("192.0.2.130")
INNER = bytes(IP(src=str(SENDER), dst=str(HOME), ttl=60, flags="DF") / UDP(dport=9) / Raw(bytes(100)))


def error(quote: bytes, kind: int = 3, code: int = 1, mtu: int = 0, **fields: Any) -> bytes:
    return bytes(ICMP(type=kind, code=code, nexthopmtu=mtu, **fields) / Raw(quote))


def tunnelled(kind: Encapsulation, flags: Flag = Flag.NONE) -> bytes:
    tunnel = Tunnel(HOME, Side.HOME, LOCAL, REMOTE, 1400, kind, flags, key_out=77, key_in=78)
    return encapsulate(INNER, tunnel, 1)


GRE_OPTIONS = [
    Flag.NONE,
    Flag.GRE_KEY,
    Flag.GRE_CHECKSUM,
    Flag.GRE_SEQUENCE,
    Flag.GRE_KEY | Flag.GRE_CHECKSUM | Flag.GRE_SEQUENCE,
]


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        (Encapsulation.IPIP, Flag.NONE),
        (Encapsulation.MINIMAL, Flag.NONE),
        *((Encapsulation.GRE, flags) for flags in GRE_OPTIONS),
    ],
)
def test_the_inner_packet_is_found_in_a_quote_of_every_encapsulation(
    kind: Encapsulation, flags: Flag
) -> None:
    outer = tunnelled(kind, flags)
    read = read_tunnel_error(error(outer, 3, 4, 1006))
    assert (read.local, read.remote, read.encapsulation, read.total) == (LOCAL, REMOTE, kind, len(outer))
    assert (read.mtu, read.too_big, read.source, read.destination) == (1006, True, SENDER, HOME)
    assert (read.keyed, read.key) == ((True, 77) if Flag.GRE_KEY in flags else (False, None))
    assert read.inner == INNER
    assert read.inner_total == len(INNER)


@pytest.mark.parametrize("kind", Encapsulation)
def test_quotes_of_every_length_are_read_as_far_as_they_go(kind: Encapsulation) -> None:
    outer = tunnelled(kind, Flag.GRE_KEY if kind is Encapsulation.GRE else Flag.NONE)
    needed = len(outer) - len(INNER) + 28
    for length in range(28, len(outer)):
        read = read_tunnel_error(error(outer[:length]))
        assert (read.local, read.remote, read.total) == (LOCAL, REMOTE, len(outer))
        assert read.inner == (INNER[: length - needed + 28] if length >= needed else b""), length
    for length in range(28):
        with pytest.raises(WireError):
            read_tunnel_error(error(outer[:length]))


def test_extensions_behind_the_quote_are_no_part_of_it() -> None:
    quote = tunnelled(Encapsulation.IPIP)[:128]
    message = bytearray(error(quote.ljust(128, b"\0") + b"\x20\0\0\0extension"))
    message[5] = 32
    message[2:4] = bytes(2)
    rebuilt = bytes(ICMP(bytes(message), chksum=None))
    assert read_tunnel_error(_summed(rebuilt)).inner == INNER[: 128 - 20]


def _summed(message: bytes) -> bytes:
    from mobileip.control.wire.icmp import sealed

    return sealed(message[:2] + b"\0\0" + message[4:])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({0: 0}, Reason.UNKNOWN_MESSAGE_TYPE),  # echo reply
        ({8: 0x65}, Reason.BAD_VALUE),
        ({8: 0x44}, Reason.BAD_VALUE),
        ({10: 0, 11: 27}, Reason.BAD_VALUE),  # a total length without room for anything
        ({17: 6}, Reason.BAD_VALUE),  # TCP
        ({5: 6}, Reason.BAD_VALUE),  # a quote of 24 bytes
    ],
)
def test_what_cannot_be_about_a_tunnel_is_refused(change: dict[int, int], reason: Reason) -> None:
    message = bytearray(error(tunnelled(Encapsulation.IPIP)))
    for at, value in change.items():
        message[at] = value
    with pytest.raises(WireError) as caught:
        read_tunnel_error(_summed(bytes(message)))
    assert caught.value.reason is reason
    message[2] ^= 1
    with pytest.raises(WireError):
        read_tunnel_error(bytes(message))


def test_a_minimal_header_without_a_source_leaves_the_outer_one() -> None:
    """RFC 2004 s3.1, S bit 0: the entry of the tunnel is itself the sender."""
    inner = IP(src=str(LOCAL), dst=str(HOME), ttl=60) / UDP(dport=9) / Raw(bytes(300))
    whole = bytes(inner)
    forwarding = whole[9:10] + b"\0" + b"\0\0" + HOME.packed
    outer = bytes(IP(src=str(LOCAL), dst=str(REMOTE), ttl=60, proto=55) / Raw(forwarding + whole[20:]))
    read = read_tunnel_error(error(outer))
    assert (read.source, read.destination, read.inner_total) == (LOCAL, HOME, len(whole))
    assert read.inner == whole


def test_numbers_are_those_of_rfc_792_and_rfc_1191() -> None:
    assert (icmp_error.UNREACHABLE, icmp_error.HOST_UNREACHABLE, icmp_error.TOO_BIG) == (3, 1, 4)
    assert icmp_error.TIME_EXCEEDED == 11


def test_a_damaged_message_is_refused() -> None:
    message = bytearray(error(tunnelled(Encapsulation.IPIP)))
    message[-1] ^= 1
    with pytest.raises(WireError) as caught:
        read_tunnel_error(bytes(message))
    assert caught.value.reason is Reason.BAD_CHECKSUM


def test_a_damaged_inner_header_is_none() -> None:
    outer = bytearray(tunnelled(Encapsulation.IPIP))
    outer[20 + 12] ^= 1
    assert read_tunnel_error(error(bytes(outer))).inner == b""


@pytest.mark.parametrize(("code", "mtu"), [(0, 0), (1, 0), (4, 986)])
@pytest.mark.parametrize("size", [0, 100, 700])
def test_the_sender_gets_what_scapy_reads_back(code: int, mtu: int, size: int) -> None:
    inner = bytes(IP(src=str(SENDER), dst=str(HOME), tos=0xB8) / UDP() / Raw(bytes(size)))
    written = write_unreachable(inner, LOCAL, code, mtu)
    assert written is not None
    read = IP(written)
    assert (read.src, read.dst, read.proto, read.tos) == (str(LOCAL), str(SENDER), 1, 0xD8)
    assert (read[ICMP].type, read[ICMP].code, read[ICMP].nexthopmtu) == (3, code, mtu)
    quoted = bytes(read[ICMP].payload)
    assert inner.startswith(quoted)
    assert len(written) == min(576, 28 + len(inner))
    given = (read.chksum, read[ICMP].chksum)
    del read.chksum, read[ICMP].chksum
    again = IP(bytes(read))
    assert (again.chksum, again[ICMP].chksum) == given


def _packet(source: str = str(SENDER), destination: str = str(HOME), **fields: Any) -> Packet:
    return IP(src=source, dst=destination, **fields)


@pytest.mark.parametrize(
    ("packet", "allowed"),
    [
        (_packet() / ICMP(type=8), True),
        *((_packet() / ICMP(type=kind), False) for kind in (3, 4, 5, 11, 12)),
        (_packet(frag=1) / Raw(bytes(8)), False),
        (_packet(flags="MF") / UDP(), True),
        (_packet(destination="224.0.0.1") / UDP(), False),
        (_packet(destination="255.255.255.255") / UDP(), False),
        *(
            (_packet(source=source) / UDP(), False)
            for source in ("0.0.0.0", "127.0.0.1", "224.0.0.5", "240.0.0.1")
        ),
    ],
)
def test_errors_are_sent_only_where_rfc_1812_lets_them(packet: Packet, allowed: bool) -> None:
    assert (write_unreachable(bytes(packet), LOCAL, 1) is not None) == allowed
