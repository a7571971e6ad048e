"""What is advertised, when, and to whom (RFC 5944 s2.1, s2.3)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import SendIcmp
from mobileip.control.core.advertiser import AdvertisedLink, Advertiser
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_SYSTEMS, LIMITED_BROADCAST, Lifetime, seconds
from mobileip.control.wire import AgentFlags
from tests.unit.core.factory import (
    AGENT,
    CARE_OF,
    HOME,
    NODE_MAC,
    kinds,
    mono,
    only,
    reasons,
    sent_advertisement,
    solicitation,
)

LINK = AdvertisedLink(
    "eth1",
    AGENT,
    interval=1.0,
    lifetime=3,
    registration_lifetime=Lifetime(300),
    flags=AgentFlags(foreign_agent=True, reverse_tunnel=True),
    care_of_addresses=(CARE_OF,),
)


def advertiser(link: AdvertisedLink = LINK, draw: int = 0) -> Advertiser:
    return Advertiser(link, lambda size: draw.to_bytes(size))


def test_periodic_advertisement() -> None:
    actions = advertiser().multicast(busy=False)
    out = only(actions, SendIcmp)
    assert (out.interface, out.source, out.destination) == ("eth1", AGENT, ALL_SYSTEMS)
    assert out.link_destination is None
    message = sent_advertisement(actions)
    assert message.lifetime == 3 and message.code == 0
    assert [(router.address, router.preference) for router in message.router_addresses] == [(AGENT, 0)]
    assert message.mobility.registration_lifetime == 300
    assert message.mobility.care_of_addresses == (CARE_OF,)
    assert message.mobility.flags == LINK.flags
    assert reasons(actions) == [Reason.ADVERTISED]


@pytest.mark.rfc("5944", "2.3.2", 1)
def test_sequence_numbers_start_at_zero_and_skip_the_first_256_after_rollover() -> None:
    machine = advertiser()
    numbers = [sent_advertisement(machine.multicast(False)).mobility.sequence for _ in range(0x10000 + 3)]
    assert numbers[:3] == [0, 1, 2]
    assert numbers[0xFFFF] == 0xFFFF
    assert numbers[0x10000:] == [256, 257, 258]


def test_answers_take_sequence_numbers_too() -> None:
    machine = advertiser()
    machine.multicast(False)
    answer = machine.answer(solicitation(), mono(0), False)
    assert sent_advertisement(answer).mobility.sequence == 1
    assert sent_advertisement(machine.multicast(False)).mobility.sequence == 2


def test_busy_is_said_only_by_a_foreign_agent() -> None:
    assert sent_advertisement(advertiser().multicast(True)).mobility.flags.busy
    assert not sent_advertisement(advertiser().multicast(False)).mobility.flags.busy
    home = replace(LINK, flags=AgentFlags(home_agent=True), care_of_addresses=())
    assert not sent_advertisement(advertiser(home).multicast(True)).mobility.flags.busy


def test_agent_that_is_no_default_router() -> None:
    message = sent_advertisement(advertiser(replace(LINK, default_router=False)).multicast(False))
    assert message.code == 16
    assert message.router_addresses[0].preference == -(2**31)


@pytest.mark.rfc("5944", "2.3", 1)
@pytest.mark.parametrize(
    ("source", "destination"),
    [
        (HOME, HOME),
        (IPv4Address("0.0.0.0"), LIMITED_BROADCAST),
        (IPv4Address("10.9.8.7"), IPv4Address("10.9.8.7")),
    ],
)
def test_solicitation_is_answered_to_its_link_address(source: IPv4Address, destination: IPv4Address) -> None:
    """Whoever asks: the source need not be a neighbour, nor an address at all."""
    actions = advertiser().answer(solicitation(source), mono(0), False)
    out = only(actions, SendIcmp)
    assert (out.destination, out.link_destination) == (destination, NODE_MAC)
    assert reasons(actions) == [Reason.SOLICITED]


def test_flood_of_solicitations_is_answered_at_a_limited_rate() -> None:
    machine = advertiser()
    answered = sum(bool(kinds(machine.answer(solicitation(), mono(0), False))) for _ in range(1000))
    assert answered == 20
    refused = machine.answer(solicitation(), mono(0), False)
    assert reasons(refused) == [Reason.RATE_LIMITED] and kinds(refused) == []
    answered = sum(
        bool(kinds(machine.answer(solicitation(), mono(1 + step / 1000), False))) for step in range(2000)
    )
    assert 100 <= answered <= 125


@pytest.mark.parametrize(("draw", "share"), [(0, 0.75), (0xFFFF, 1.0), (0x8000, 0.875)])
def test_interval_is_spread_below_the_nominal_one(draw: int, share: float) -> None:
    machine = advertiser(replace(LINK, interval=4.0), draw)
    assert machine.next_interval() == pytest.approx(seconds(4 * share), abs=seconds(0.001))
