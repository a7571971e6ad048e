"""What is advertised, when, and to whom (RFC 5944 s2.1, s2.3)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import SendIcmp
from mobileip.control.core.advertiser import AdvertisedLink, Advertiser
from mobileip.control.reasons import Level, Reason
from mobileip.control.types import ALL_SYSTEMS, LIMITED_BROADCAST, Lifetime, seconds
from mobileip.control.wire import AgentFlags, MobilityAgentAdvertisement, Padding, PrefixLengths
from tests.unit.core.factory import (
    AGENT,
    CARE_OF,
    HOME,
    NODE_MAC,
    OTHER_CARE_OF,
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


@pytest.mark.rfc("5944", "2.1", 3)
@pytest.mark.rfc("5944", "2.3.1", 1)
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


@pytest.mark.rfc("5944", "2.3.2", 1, 2, 3)
def test_sequence_numbers_start_at_zero_and_skip_the_first_256_after_rollover() -> None:
    machine = advertiser()
    numbers = [sent_advertisement(machine.multicast(False)).mobility.sequence for _ in range(0x10000 + 3)]
    assert numbers[:3] == [0, 1, 2]
    assert numbers[0xFFFF] == 0xFFFF
    assert numbers[0x10000:] == [256, 257, 258]


@pytest.mark.rfc("5944", "2.3.2", 2)
def test_answers_take_sequence_numbers_too() -> None:
    machine = advertiser()
    machine.multicast(False)
    answer = machine.answer(solicitation(), mono(0), False)
    assert sent_advertisement(answer).mobility.sequence == 1
    assert sent_advertisement(machine.multicast(False)).mobility.sequence == 2


@pytest.mark.rfc("5944", "2.1.1", 3, 4)
def test_busy_is_said_only_by_a_foreign_agent() -> None:
    assert sent_advertisement(advertiser().multicast(True)).mobility.flags.busy
    assert not sent_advertisement(advertiser().multicast(False)).mobility.flags.busy
    home = replace(LINK, flags=AgentFlags(home_agent=True), care_of_addresses=())
    assert not sent_advertisement(advertiser(home).multicast(True)).mobility.flags.busy


def test_agent_that_is_no_default_router() -> None:
    message = sent_advertisement(advertiser(replace(LINK, default_router=False)).multicast(False))
    assert message.code == 16
    assert message.router_addresses[0].preference == -(2**31)


@pytest.mark.rfc("5944", "2.1", 1, 4)
@pytest.mark.rfc("5944", "2.3", 4, 7)
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


@pytest.mark.rfc("5944", "2.3", 5, 6)
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


@pytest.mark.rfc("5944", "2.1", 7)
@pytest.mark.rfc("1256", "4.3", 2)
@pytest.mark.parametrize(("draw", "share"), [(0, 0.75), (0xFFFF, 1.0), (0x8000, 0.875)])
def test_interval_is_spread_below_the_nominal_one(draw: int, share: float) -> None:
    machine = advertiser(replace(LINK, interval=4.0), draw)
    assert machine.next_interval() == pytest.approx(seconds(4 * share), abs=seconds(0.001))


# ---- what a link may be told besides


@pytest.mark.rfc("5944", "2.1.1", 2)
def test_several_care_of_addresses_in_their_order() -> None:
    several = (CARE_OF, OTHER_CARE_OF, AGENT)
    message = sent_advertisement(advertiser(replace(LINK, care_of_addresses=several)).multicast(False))
    assert message.mobility.care_of_addresses == several


@pytest.mark.rfc("5944", "2.1.3", 1, 2)
@pytest.mark.rfc("5944", "2.3", 11)
@pytest.mark.parametrize("care_of", [(CARE_OF,), (CARE_OF, OTHER_CARE_OF)])
def test_prefix_length_of_the_router_address_and_one_byte_of_padding_at_the_end(
    care_of: tuple[IPv4Address, ...],
) -> None:
    told = replace(LINK, prefix_length=26, care_of_addresses=care_of)
    for actions in (
        advertiser(told).multicast(False),
        advertiser(told).answer(solicitation(), mono(0), False),
    ):
        message = sent_advertisement(actions)
        assert message.prefix_lengths == (26,) and len(message.router_addresses) == 1
        assert [type(extension) for extension in message.extensions] == [
            MobilityAgentAdvertisement,
            PrefixLengths,
            Padding,
        ]
        assert len(only(actions, SendIcmp).payload) % 2 == 0


@pytest.mark.rfc("5944", "2.1.3", 1)
@pytest.mark.rfc("5944", "2.3", 11)
def test_without_prefix_length_the_message_is_even_and_not_padded() -> None:
    actions = advertiser().multicast(False)
    assert [type(extension) for extension in sent_advertisement(actions).extensions] == [
        MobilityAgentAdvertisement
    ]
    assert len(only(actions, SendIcmp).payload) % 2 == 0


@pytest.mark.rfc("5944", "2.1", 3)
@pytest.mark.rfc("1256", "4.1", 1)
def test_advertisement_address_may_be_the_limited_broadcast() -> None:
    machine = advertiser(replace(LINK, destination=LIMITED_BROADCAST))
    assert only(machine.multicast(False), SendIcmp).destination == LIMITED_BROADCAST
    answer = machine.answer(solicitation(), mono(0), False)
    assert only(answer, SendIcmp).destination == HOME  # who asks is answered alone all the same


@pytest.mark.rfc("1256", "4.3", 5)
@pytest.mark.parametrize(
    ("asked_at", "told_to", "reason"),
    [
        ("255.255.255.255", ALL_SYSTEMS, Reason.SOLICITED_BY_BROADCAST),
        ("255.255.255.255", LIMITED_BROADCAST, Reason.SOLICITED),
        ("224.0.0.2", ALL_SYSTEMS, Reason.SOLICITED),
        ("224.0.0.11", ALL_SYSTEMS, Reason.SOLICITED),
        ("224.0.0.2", LIMITED_BROADCAST, Reason.SOLICITED),
    ],
)
def test_solicitation_to_any_address_is_answered_and_an_unexpected_one_logged(
    asked_at: str, told_to: IPv4Address, reason: Reason
) -> None:
    event = replace(solicitation(), destination=IPv4Address(asked_at))
    actions = advertiser(replace(LINK, destination=told_to)).answer(event, mono(0), False)
    assert kinds(actions) == ["SendIcmp"] and reasons(actions) == [reason]
    assert Reason.SOLICITED_BY_BROADCAST.info.level is Level.INFO


@pytest.mark.rfc("1256", "4.3", 3, 7)
def test_first_intervals_are_short_again_whenever_the_link_comes_up() -> None:
    machine = advertiser(replace(LINK, interval=600.0), draw=0xFFFF)
    for _ in range(2):
        assert [machine.next_interval() for _ in range(5)] == [seconds(16)] * 3 + [seconds(600)] * 2
        machine.restart()
    quick = advertiser(replace(LINK, interval=0.05), draw=0xFFFF)
    assert [quick.next_interval() for _ in range(5)] == [seconds(0.05)] * 5
