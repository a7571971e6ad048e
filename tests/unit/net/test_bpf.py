"""Which packets wake the daemon, judged by the kernel itself: the filters on a pair of local sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Packet, Raw

from mobileip.control.net import bpf

HERE, THERE = "192.0.2.1", "198.51.100.1"
TUNNELLED = (4, 47, 55)
ERRORS = (3, 4, 5, 11, 12)


class Filtered:
    """A socket with a filter: what is put in may come out. Packets begin with the IP header, as a raw socket's do."""

    def __init__(self, program: list[bpf.Instruction]) -> None:
        self._in, self._out = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._out.setblocking(False)
        bpf.attach(self._out, program)

    def close(self) -> None:
        self._in.close()
        self._out.close()

    def passes(self, packet: Packet | bytes) -> bool:
        self._in.send(bytes(packet))
        try:
            return self._out.recv(65536) == bytes(packet)
        except BlockingIOError:
            return False


@pytest.fixture
def errors() -> Iterator[Filtered]:
    made = Filtered(bpf.icmp_errors_about_tunnels())
    yield made
    made.close()


def about(
    protocol: int, kind: int = 3, code: int = 4, options: bytes = b"", quoted: bytes = bytes(8)
) -> Packet:
    """An ICMP message that quotes a datagram of ``protocol``; ``options`` are of the header in front of it."""
    quote = IP(src=HERE, dst=THERE, proto=protocol) / Raw(quoted)
    return (
        IP(src=THERE, dst=HERE, options=[Raw(options)] if options else [])
        / ICMP(type=kind, code=code)
        / quote
    )


def test_errors_about_an_encapsulation_pass_and_nothing_else(errors: Filtered) -> None:
    packet = bytearray(bytes(about(4)))
    for kind in range(256):
        for protocol in (*TUNNELLED, 0, 1, 3, 5, 6, 17, 46, 48, 54, 56, 255):
            packet[20], packet[28 + 9] = kind, protocol
            assert errors.passes(bytes(packet)) == (kind in ERRORS and protocol in TUNNELLED)


def test_options_in_front_do_not_hide_what_is_quoted(errors: Filtered) -> None:
    for words in range(1, 11):
        assert errors.passes(about(4, options=b"\1" * 4 * words))
        assert not errors.passes(about(17, options=b"\1" * 4 * words))


def test_what_is_too_short_to_be_judged_does_not_pass(errors: Filtered) -> None:
    whole = bytes(about(4))
    for length in range(1, 20 + 8 + 10):
        assert not errors.passes(whole[:length])
    assert errors.passes(whole[: 20 + 8 + 10])


def test_the_length_of_a_long_error_is_not_cut(errors: Filtered) -> None:
    assert errors.passes(about(4, quoted=bytes(60_000)))


def test_a_port_beside_the_one_wanted_does_not_pass() -> None:
    wanted = Filtered(bpf.udp_to_port(434))
    try:
        # The kind of packet (to us, by us) is of packet sockets; here it reads as 0, to us.
        assert wanted.passes(IP(src=THERE, dst=HERE) / UDP(sport=9, dport=434))
        for packet in (
            IP(src=THERE, dst=HERE) / UDP(sport=434, dport=435),
            IP(src=THERE, dst=HERE, frag=1) / UDP(sport=9, dport=434),
            IP(src=THERE, dst=HERE, flags="MF") / UDP(sport=9, dport=434),
            IP(src=THERE, dst=HERE, proto=6) / Raw(bytes(UDP(sport=9, dport=434))),
        ):
            assert not wanted.passes(packet)
    finally:
        wanted.close()


def test_only_answers_to_our_own_echo_requests_pass() -> None:
    ours = Filtered(bpf.echo_replies(0x1234))
    try:
        for kind in range(256):
            for identifier in (0x1234, 0x1235, 0x3412, 0):
                reply = IP(src=THERE, dst=HERE) / ICMP(type=0, id=identifier)
                packet = bytearray(bytes(reply))
                packet[20] = kind
                assert ours.passes(bytes(packet)) == ((kind, identifier) == (0, 0x1234))
        assert ours.passes(IP(src=THERE, dst=HERE, options=[Raw(b"\1" * 8)]) / ICMP(type=0, id=0x1234))
    finally:
        ours.close()
