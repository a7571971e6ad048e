"""Soft state of tunnel paths: what each ICMP error teaches, who is told of it, and when it is forgotten."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.tunnel_state import FLOOR, PLATEAUS, PathState, TunnelStates, reflected, relayed
from mobileip.control.types import Instant, seconds
from mobileip.control.wire.icmp_error import TunnelError

REMOTE, OTHER = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.65")
TOO_BIG = TunnelError(
    kind=3,
    code=4,
    mtu=1006,
    local=IPv4Address("192.0.2.1"),
    remote=REMOTE,
    encapsulation=4,
    total=1500,
    keyed=False,
    key=None,
    inner=b"",
)
HOST = replace(TOO_BIG, code=1)


def at(second: float) -> Instant:
    return Instant(seconds(second), 0)


@pytest.mark.parametrize(
    ("mtu", "total", "believed", "learned"),
    [
        (1006, 1500, 1500, 1006),
        (1006, 1500, 1006, 1006),  # again: nothing narrower, but younger
        (1400, 1500, 1006, None),  # never more than is believed (RFC 1191 s3)
        (1500, 1500, 1500, None),  # what fits is not refused
        (1600, 1500, 1500, None),
        (67, 1500, 1500, None),
        (68, 1500, 1500, FLOOR),
        (575, 1500, 1500, FLOOR),
        (577, 1500, 1500, 577),
        (0, 1500, 1500, 1492),
        (0, 1492, 1500, 1006),
        (0, 1493, 1500, 1492),
        (0, 1500, 1006, FLOOR),
        (0, 9000, 9000, 8166),
        (0, 600, 1500, FLOOR),
        (0, 1500, 570, 570),
    ],
)
def test_too_big_is_believed_within_reason(mtu: int, total: int, believed: int, learned: int | None) -> None:
    states = TunnelStates()
    narrower = states.on_error(replace(TOO_BIG, mtu=mtu, total=total), believed, at(1))
    assert states[REMOTE].mtu == learned
    assert narrower == (learned is not None and learned < believed)
    assert states[OTHER] == PathState()


def test_old_routers_lead_down_the_plateaus_to_the_floor() -> None:
    states, believed, seen = TunnelStates(), 65535, []
    while states.on_error(replace(TOO_BIG, mtu=0, total=believed), believed, at(1)):
        believed = states[REMOTE].mtu or 0
        seen.append(believed)
    assert seen == [*(plateau for plateau in PLATEAUS if FLOOR < plateau < 65535), FLOOR]


def test_more_is_tried_ten_minutes_after_the_last_error() -> None:
    states = TunnelStates()
    assert states.next_deadline() is None
    assert states.on_error(TOO_BIG, 1500, at(0))
    assert not states.on_error(TOO_BIG, 1006, at(300))
    assert states.next_deadline() == seconds(901)
    assert states.forget(at(900.9)) == []
    assert states[REMOTE].mtu == 1006
    assert states.forget(at(901)) == [REMOTE]
    assert states[REMOTE] == PathState()
    assert states.next_deadline() is None


def test_reachability_and_mtu_are_forgotten_apart() -> None:
    states = TunnelStates()
    states.on_error(TOO_BIG, 1500, at(0))
    assert not states.on_error(HOST, 1006, at(10))
    assert states[REMOTE] == PathState(1006, 0, seconds(10))
    assert states.next_deadline() == seconds(70)
    assert states.forget(at(70)) == []
    assert states[REMOTE] == PathState(1006, 0, None)
    states.on_error(HOST, 1006, at(590))
    assert states.forget(at(601)) == [REMOTE]
    assert states[REMOTE].mtu is None
    assert states[REMOTE].unreachable_at == seconds(590)
    assert states.forget(at(650)) == []
    assert states.next_deadline() is None


def test_only_so_many_paths_are_remembered() -> None:
    states = TunnelStates()
    for number in range(5000):
        states.on_error(replace(TOO_BIG, remote=REMOTE + number), 1500, at(number / 1000))
    assert states[REMOTE].mtu is None
    assert states[REMOTE + 903].mtu is None
    assert states[REMOTE + 904].mtu == 1006
    assert len(states.forget(at(10_000))) == 4096


TOLD = {
    (3, 0): 0,
    (3, 1): 1,
    (3, 2): 1,
    (3, 4): 4,
    **{(3, code): 1 for code in (6, 7, 8, 9, 10, 11, 12, 13)},
    **{(11, code): 1 for code in range(256)},
}


@pytest.mark.parametrize("kind", [3, 4, 5, 11, 12])
def test_the_sender_is_told_as_rfc_2003_says(kind: int) -> None:
    for code in range(256):
        assert relayed(replace(TOO_BIG, kind=kind, code=code)) == TOLD.get((kind, code)), code


@pytest.mark.rfc("5944", "4.2.3", 5)
@pytest.mark.parametrize("kind", [3, 4, 5, 11, 12])
@pytest.mark.parametrize("encapsulation", [4, 47, 55])
def test_the_next_sender_is_told_what_is_the_tunnels_and_not_one_datagrams(
    kind: int, encapsulation: int
) -> None:
    for code in range(256):
        error = replace(TOO_BIG, kind=kind, code=code, encapsulation=encapsulation)
        lost_alone = (kind, code) == (3, 4) or (kind == 11 and (code > 0 or encapsulation == 55))
        assert reflected(error) == (None if lost_alone else TOLD.get((kind, code))), code
        states = TunnelStates()
        states.on_error(error, 1500, at(1))
        assert (states[REMOTE].unreachable_at is None) == (reflected(error) is None), code


def test_what_probes_found_is_believed_as_long_as_it_is_found_again() -> None:
    states = TunnelStates()
    states.on_error(HOST, 1500, at(0))
    states.on_probe(REMOTE, 1400, at(1))
    assert states[REMOTE] == PathState(1400, seconds(1), seconds(0))
    states.on_probe(REMOTE, 100, at(500))
    assert states[REMOTE].mtu == FLOOR
    assert states.forget(at(1100)) == []
    assert states.forget(at(1101)) == [REMOTE]
