"""Probes of a path: the request as scapy reads it, the reply as scapy writes it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.packet import Raw

from mobileip.control.reasons import Reason
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.icmp_echo import EchoReply, read_echo_reply, write_echo_request

HERE, THERE = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")


@given(st.integers(0, 65535), st.binary(max_size=32), st.integers(60, 1600))
def test_the_request_is_the_one_scapy_builds(identifier: int, data: bytes, size: int) -> None:
    made = (
        IP(src=str(HERE), dst=str(THERE), flags="DF", id=0, ttl=64)
        / ICMP(id=identifier)
        / Raw(data.ljust(size - 28, b"\0"))
    )
    assert write_echo_request(HERE, THERE, identifier, data, size) == bytes(made)


def test_there_must_be_room_for_the_data() -> None:
    assert len(write_echo_request(HERE, THERE, 1, bytes(16), 44)) == 44
    with pytest.raises(ValueError, match="16 bytes of data do not fit into an echo request of 43 bytes"):
        write_echo_request(HERE, THERE, 1, bytes(16), 43)


@given(st.integers(0, 65535), st.binary(min_size=4, max_size=40))
def test_a_reply_gives_back_its_beginning(identifier: int, data: bytes) -> None:
    message = bytes(ICMP(type=0, id=identifier, seq=3) / Raw(data))
    assert read_echo_reply(message, 4) == EchoReply(identifier, data[:4])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (bytes(ICMP(type=0) / Raw(bytes(15))), Reason.TRUNCATED),
        (bytes(ICMP(type=8) / Raw(bytes(16))), Reason.UNKNOWN_MESSAGE_TYPE),
        (bytes(ICMP(type=0, code=1) / Raw(bytes(16))), Reason.UNKNOWN_MESSAGE_TYPE),
        (bytes(ICMP(type=0, chksum=1) / Raw(bytes(16))), Reason.BAD_CHECKSUM),
    ],
)
def test_what_is_no_reply_is_refused(message: bytes, reason: Reason) -> None:
    with pytest.raises(WireError) as refused:
        read_echo_reply(message, 16)
    assert refused.value.reason is reason
