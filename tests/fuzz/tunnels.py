"""ICMP about tunnels: any bytes give an error, an answer to a probe or a WireError; what is told is a whole packet."""

from __future__ import annotations

from ipaddress import IPv4Address

from mobileip.control.wire import WireError
from mobileip.control.wire.icmp import checksum, sealed
from mobileip.control.wire.icmp_echo import read_echo_reply
from mobileip.control.wire.icmp_error import TOO_BIG, read_tunnel_error, write_unreachable
from tests.fuzz.target import Target

_LONGEST = 576  # RFC 1812 s4.3.2.3
_HERE, _THERE = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")


def icmp_about_tunnels(data: bytes) -> None:
    """With the checksum made right, which chance will not do; sometimes as it came."""
    given = sealed(data[:2] + b"\0\0" + data[4:]) if len(data) >= 4 and data[2:4] != b"\0\0" else data
    try:
        reply = read_echo_reply(given, 16)
    except WireError as refused:
        assert 0 <= refused.offset <= len(given) and str(refused).isprintable()
    else:
        assert reply.data == given[8:24]
    try:
        error = read_tunnel_error(given)
    except WireError as refused:
        assert 0 <= refused.offset <= len(given) and str(refused).isprintable()
        return
    if not error.inner:
        return
    assert len(error.inner) >= 20
    told = write_unreachable(error.inner, _HERE, TOO_BIG, 1280)
    if told is not None:
        assert len(told) == int.from_bytes(told[2:4]) <= _LONGEST
        assert told[16:20] == error.source.packed
        assert checksum(told[:10] + b"\0\0" + told[12:20]) == int.from_bytes(told[10:12])
        assert checksum(told[20:22] + b"\0\0" + told[24:]) == int.from_bytes(told[22:24])


def _header(protocol: int, source: IPv4Address, destination: IPv4Address, more: bytes) -> bytes:
    length = (20 + len(more)).to_bytes(2)
    header = (
        b"\x45\0"
        + length
        + b"\0\1\x40\0\x40"
        + bytes([protocol])
        + b"\0\0"
        + source.packed
        + destination.packed
    )
    return header[:10] + checksum(header).to_bytes(2) + header[12:] + more


def _seeds() -> dict[str, bytes]:
    inner = _header(17, IPv4Address("192.0.2.130"), IPv4Address("203.0.113.5"), bytes(40))
    quotes = {
        "ipip": _header(4, _HERE, _THERE, inner),
        "gre with key": _header(47, _HERE, _THERE, b"\x20\0\x08\0\0\0\0\7" + inner),
        "minimal": _header(55, _HERE, _THERE, b"\x11\0\0\0\xcb\0\x71\5" + bytes(40)),
        "short": _header(4, _HERE, _THERE, inner[:8]),
    }
    seeds = {
        f"{name} {kind}": sealed(bytes([kind, code, 0, 0, 0, 0, 4, 0]) + quote)
        for name, quote in quotes.items()
        for kind, code in ((3, 4), (11, 0))
    }
    return seeds | {"echo reply": sealed(bytes(8) + bytes(range(16)))}


TARGETS = {
    "icmp-about-tunnels": Target(icmp_about_tunnels, _seeds, (b"\x80\0\x08\0", b"\x20\0\x08\0"), longest=600)
}
