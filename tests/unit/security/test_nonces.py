"""Nonces (RFC 5944 s5.7.2): the two sides together, without any clock."""

from __future__ import annotations

import random

import pytest

from mobileip.control.security import (
    Algorithm,
    IssuedNonces,
    MobilitySecurityAssociation,
    Nonces,
    Secret,
    draw,
)
from mobileip.control.types import Identification, Instant, Spi

KEY = MobilitySecurityAssociation(Spi(256), Secret(b"0123456789abcdef"))
OTHER = MobilitySecurityAssociation(Spi(256), Secret(b"fedcba9876543210"))
NOW = Instant(1, 1_800_000_000 * 10**9)
ASKED = Identification(1, 2)


def test_first_request_holds_a_nonce_of_our_own() -> None:
    first, nonces = Nonces().next_identification(0, 0x1234_5678)
    assert first.low == 0x1234_5678
    assert nonces.theirs is None and nonces.ours == first.low


@pytest.mark.rfc("5944", "5.7", 3)
@pytest.mark.rfc("5944", "5.7.2", 1)
def test_reply_tells_the_nonce_of_the_next_request() -> None:
    for told in (Nonces.on_reply, lambda nonces, reply: Nonces.on_mismatch(nonces, reply, 0)):
        first, nonces = Nonces().next_identification(0, 7)
        second, nonces = told(nonces, Identification(99, first.low)).next_identification(0, 8)
        assert second == Identification(99, 8)
        assert second.high != first.high and second.low != first.low
        third, _ = told(nonces, Identification(100, second.low)).next_identification(0, 9)
        assert third == Identification(100, 9)


@pytest.mark.rfc("5944", "5.7", 4)
def test_two_new_requests_never_have_one_identification() -> None:
    """Also when chance gives the same bits twice, and no reply came between."""
    first, nonces = Nonces(theirs=5).next_identification(0, 0xFFFF_FFFF)
    second, _ = nonces.next_identification(0, 0xFFFF_FFFF)
    assert first != second and second.high == 5 and 0 <= second.low <= 0xFFFF_FFFF


def test_only_32_bits_of_chance_are_used() -> None:
    identification, _ = Nonces().next_identification(0, 0xAAAA_BBBB_CCCC_DDDD)
    assert identification.low == 0xCCCC_DDDD and 0 <= identification.high <= 0xFFFF_FFFF


def test_issued_nonce_is_admitted_once() -> None:
    issued = IssuedNonces()
    assert not issued.admit(Identification(0, 0))
    issued = issued.issue(10, void=False)
    assert issued.admit(Identification(10, 5)) and not issued.admit(Identification(11, 5))
    issued = issued.issue(20, void=True)
    assert not issued.admit(Identification(10, 5)) and issued.admit(Identification(20, 5))


def test_nonces_told_to_a_replayer_leave_those_told_to_the_node() -> None:
    issued = IssuedNonces().issue(10, void=True)
    for replay in range(7):
        issued = issued.issue(100 + replay, void=False)
    assert issued.admit(Identification(10, 0))
    issued = issued.issue(200, void=False)
    assert not issued.admit(Identification(10, 0))  # but there is an end to what is remembered
    assert len(issued.unused) == 8


def test_drawn_nonces_cannot_be_foretold_and_do_not_repeat() -> None:
    moments = [Instant(NOW.mono + step, NOW.wall + step) for step in range(200)]
    drawn = [draw(KEY, ASKED, moment) for moment in moments]
    assert len(set(drawn)) == len(drawn)
    assert all(0 <= nonce <= 0xFFFF_FFFF for nonce in drawn)
    assert drawn[0] != draw(OTHER, ASKED, NOW) and drawn[0] != draw(KEY, Identification(1, 3), NOW)
    ones = sum(nonce.bit_count() for nonce in drawn)
    assert 2900 < ones < 3500  # of 6400 bits about half


def test_drawn_nonce_differs_from_the_one_of_the_request() -> None:
    """s5.7.2: values should differ from the previous ones, even if chance wills otherwise."""
    nonce = draw(KEY, ASKED, NOW)
    assert draw(KEY, Identification(5, 2), NOW) == nonce  # whatever the half that the node only returns
    assert draw(KEY, Identification(nonce, 2), NOW) == nonce ^ 1


@pytest.mark.parametrize("algorithm", Algorithm)
def test_both_sides_agree_over_a_lossy_network(algorithm: Algorithm) -> None:
    """Whatever is lost, the second of two exchanges in a row that both arrive is accepted."""
    rng = random.Random(5944)
    key = MobilitySecurityAssociation(Spi(256), Secret(b"0123456789abcdef"), algorithm)
    nonces, issued, accepted, arrived = Nonces(), IssuedNonces(), 0, 0
    for step in range(500):
        request, nonces = nonces.next_identification(0, rng.getrandbits(32))
        if rng.random() < 0.3:  # lost on the way there
            arrived = 0
            continue
        good = issued.admit(request)
        issued = issued.issue(draw(key, request, Instant(step, step)), void=good)
        if rng.random() < 0.3:  # lost on the way back
            arrived = 0
            continue
        reply = Identification(issued.unused[-1], request.low)
        nonces = nonces.on_reply(reply) if good else nonces.on_mismatch(reply, 0)
        accepted += good
        arrived += 1
        assert good or arrived < 2, f"step {step}"
    assert accepted > 100
