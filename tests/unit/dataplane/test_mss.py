"""The maximum segment size of TCP handshakes through a tunnel: against a twin, and through the engine."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileip.dataplane import Drop, clamp_mss
from tests.unit.dataplane.link import Link, counted
from tests.unit.dataplane.packets import CORRESPONDENT, HOME, IP, TCP, care_of_end, home_end
from tests.unit.dataplane.twins import clamped

PORT = 4001
_TCP_MAXSEG = 2


def syn(options: bytes, flags: str = "S", payload: bytes = b"", **fields: Any) -> bytes:
    """A TCP packet with these bytes of options, padded to whole words, and right checksums."""
    padded = options + bytes(-len(options) % 4)
    header = TCP(sport=1, dport=2, flags=flags, dataofs=5 + len(padded) // 4)
    made = IP(src=str(CORRESPONDENT), dst=str(HOME), ttl=9, **fields) / header / (padded + payload)
    return bytes(made)


_OPTION = st.one_of(
    st.just(b"\1"),
    st.integers(0, 65535).map(lambda size: b"\2\4" + size.to_bytes(2, "big")),
    st.builds(
        lambda kind, rest: bytes([kind, 2 + len(rest)]) + rest, st.integers(3, 255), st.binary(max_size=6)
    ),
    st.binary(min_size=1, max_size=3),
)


@given(
    st.lists(_OPTION, max_size=8).map(lambda options: b"".join(options)[:40]),
    st.sampled_from(["S", "SA", "A", "SEC", "R"]),
    st.binary(max_size=9),
    st.integers(41, 1600),
)
def test_clamping_is_the_twins(options: bytes, flags: str, payload: bytes, mtu: int) -> None:
    packet = syn(options, flags, payload)
    assert clamp_mss(packet, mtu) == clamped(packet, mtu)


@given(st.binary(min_size=1, max_size=80), st.integers(0, 1600))
def test_any_bytes_give_the_same_length_or_a_reason(data: bytes, mtu: int) -> None:
    with contextlib.suppress(Drop):
        assert len(clamp_mss(data, mtu)) == len(data)


def announced(packet: bytes) -> int:
    return dict(IP(packet)[TCP].options)["MSS"]  # type: ignore[no-any-return]


def handshake(cable: Link, clamp: bool) -> tuple[int, int, int]:
    """What both ends of a connection believe the other can take, through a tunnel of 1200 bytes, and the counter."""
    engines = []
    for space, tunnel in ((cable.home, home_end(1200)), (cable.away, care_of_end(1200))):
        engine = cable.engine(space, clamp_mss=clamp and space is cable.home)
        engine.install(tunnel)
        engine.start()
        engines.append(engine)
    listener = cable.socket(cable.away, socket.SOCK_STREAM)
    listener.bind((str(HOME), PORT))
    listener.listen()
    caller = cable.socket(cable.home, socket.SOCK_STREAM)
    caller.bind((str(CORRESPONDENT), 0))
    caller.connect((str(HOME), PORT))
    answerer, _ = listener.accept()
    with answerer:
        sizes = [end.getsockopt(socket.IPPROTO_TCP, _TCP_MAXSEG) for end in (caller, answerer)]
    if clamp:
        counted(engines[0], "mss-clamped", 2)
    return sizes[0], sizes[1], engines[0].counters()["mss-clamped"]


@pytest.mark.netns
def test_syn_and_syn_ack_are_lowered_by_one_end(cable: Link) -> None:
    timestamps = 12
    assert handshake(cable, True) == (1160 - timestamps, 1160 - timestamps, 2)


@pytest.mark.netns
def test_nothing_is_lowered_unless_asked_for(cable: Link) -> None:
    caller, answerer, count = handshake(cable, False)
    assert min(caller, answerer) > 1160 and count == 0
