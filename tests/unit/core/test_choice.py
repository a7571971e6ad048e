"""Which place the mobile node chooses: the R bit, agents behind an access point, prefixes, preferences (s2.4)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from mobileip.control.core.actions import Action, RouteThroughAgent, SendDatagram
from mobileip.control.core.attachment import CoLocated, ThroughAgent
from mobileip.control.core.events import LinkChanged, Tick
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.reasons import Reason
from mobileip.control.types import Endpoint
from tests.unit.core.factory import (
    AGENT,
    AGENT_MAC,
    HOME,
    HOME_AGENT,
    HOME_INTERFACE,
    OTHER_CARE_OF,
    OTHER_MAC,
    advertisement,
    at,
    home_advertisement,
    kinds,
    none,
    note,
    only,
    reasons,
    sent_request,
)
from tests.unit.core.mobile import (
    ADDRESS,
    SECOND_AGENT,
    answer,
    asked,
    denied,
    down,
    up,
    visiting,
    with_prefix,
)
from tests.unit.core.test_mobile import SETTINGS, node

REQUIRED = advertisement(required=True, lifetime=9000)


def co_located(machine: MobileNode, address: IPv4Interface = ADDRESS) -> None:
    up(machine, 0)
    answer(machine, asked(up(machine, 0, address)), 0.01)
    assert machine.state is State.REGISTERED


def visiting_with_prefix(prefix: str, lifetime: int = 3) -> MobileNode:
    machine = node()
    up(machine, 0)
    event = with_prefix(advertisement(lifetime=lifetime), prefix, 24)
    answer(machine, asked(machine.handle(event, at(0))), 0.1)
    return machine


# ---- our own address, through an agent (s2.4.1)


@pytest.mark.rfc("5944", "2.4.1", 1)
@pytest.mark.rfc("5944", "3.6.1.1", 1, 6, 7)
@pytest.mark.rfc("5944", "3.6.1.2", 1)
def test_agent_that_requires_registration_relays_that_of_a_co_located_node() -> None:
    machine = node()
    co_located(machine)
    actions = machine.handle(REQUIRED, at(1))
    out = only(actions, SendDatagram)
    assert (out.source, out.destination) == (Endpoint(ADDRESS.ip, 434), Endpoint(AGENT, 434))
    assert (out.interface, out.link_destination, out.ttl) == ("eth0", AGENT_MAC, 255)
    request = sent_request(actions)
    assert request.flags.decapsulation_by_mn and request.flags.reverse_tunnel
    assert (request.care_of_address, request.home_agent) == (ADDRESS.ip, HOME_AGENT)
    assert note(actions, Reason.MOVED_CO_LOCATED).fields["agent"] == AGENT
    assert kinds(actions) == ["SendDatagram", "InstallTunnel", "RouteThroughTunnel"]
    answer(machine, out.payload, 1.1)
    assert machine.state is State.REGISTERED
    rebooted = advertisement(required=True, lifetime=9000)
    machine.handle(advertisement(300, required=True, lifetime=9000), at(3))
    assert Reason.AGENT_REBOOTED in reasons(machine.handle(rebooted, at(4)))


def test_lifetime_and_reverse_tunnel_are_what_the_relaying_agent_offers() -> None:
    machine = node()
    co_located(machine)
    event = advertisement(required=True, registration_lifetime=40, reverse_tunnel=False)
    request = sent_request(machine.handle(event, at(1)))
    assert request.lifetime == 40 and not request.flags.reverse_tunnel


def test_co_located_node_goes_on_alone_when_the_relaying_agent_refuses_or_is_lost() -> None:
    machine = node()
    co_located(machine)
    actions = denied(machine, asked(machine.handle(REQUIRED, at(1))), 1.1, 65)
    assert only(actions, SendDatagram).destination == Endpoint(HOME_AGENT, 434)
    assert isinstance(machine.attachment, CoLocated) and machine.attachment.through is None
    machine = node()
    co_located(machine)
    answer(machine, asked(machine.handle(advertisement(required=True, lifetime=3), at(1))), 1.1)
    actions = machine.handle(Tick(), at(4))
    assert only(actions, SendDatagram).destination == Endpoint(HOME_AGENT, 434)


def test_agent_that_requires_nothing_does_not_relay() -> None:
    machine = node()
    co_located(machine)
    assert none(machine.handle(advertisement(), at(1)), SendDatagram)


# ---- behind the access point


@pytest.mark.rfc("5944", "2.4.2", 1)
@pytest.mark.rfc("5944", "3.6.1.1", 7)
def test_same_agent_address_with_another_link_address_is_another_link() -> None:
    machine, payload = visiting()
    answer(machine, payload, 0.1)
    actions = machine.handle(advertisement(7, mac=OTHER_MAC, lifetime=9000), at(5))
    assert only(actions, SendDatagram).link_destination == OTHER_MAC
    assert only(actions, RouteThroughAgent).link_address == OTHER_MAC


def behind(machine: MobileNode, time: float, link_address: bytes | None) -> list[Action]:
    """Netlink's report of the same link, address and gateway, and of the gateway's link-layer address."""
    return machine.handle(LinkChanged("eth0", True, (ADDRESS,), AGENT, link_address), at(time))


def test_gateway_with_another_link_address_is_another_link() -> None:
    """A co-located node asks anew, for agents and for its registration, though no carrier and no address changed."""
    machine = node()
    co_located(machine)
    assert none(behind(machine, 4, None) + behind(machine, 5, AGENT_MAC), SendDatagram), (
        "known for the first time"
    )
    assert none(behind(machine, 6, AGENT_MAC), SendDatagram)
    actions = behind(machine, 7, OTHER_MAC)
    assert reasons(actions)[0] is Reason.LINK_REPLACED
    assert Reason.SOLICITATION_SENT in reasons(actions) and none(actions, SendDatagram)
    assert machine.attachment is None
    answer(machine, asked(machine.handle(Tick(), at(7 + SETTINGS.agent_wait))), 8)
    assert isinstance(machine.attachment, CoLocated) and machine.state is State.REGISTERED
    assert Reason.LINK_REPLACED not in reasons(behind(machine, 9, OTHER_MAC))


def test_agent_behind_another_gateway_is_preferred_to_the_address_from_before() -> None:
    machine = node()
    co_located(machine)
    behind(machine, 5, AGENT_MAC)
    behind(machine, 7, OTHER_MAC)
    asked(machine.handle(advertisement(lifetime=9000), at(7.01)))
    assert isinstance(machine.attachment, ThroughAgent)


@pytest.mark.parametrize("case", ["forgotten meanwhile", "another gateway", "link down"])
def test_gateways_that_show_no_other_link(case: str) -> None:
    machine = node()
    co_located(machine)
    behind(machine, 5, AGENT_MAC)
    match case:
        case "forgotten meanwhile":  # a pinned entry, our own perhaps
            actions = behind(machine, 6, None) + behind(machine, 7, OTHER_MAC)
        case "another gateway":  # the host's routes changed, on the same link
            event = LinkChanged("eth0", True, (ADDRESS,), SECOND_AGENT, OTHER_MAC)
            actions = machine.handle(event, at(7))
        case _:
            actions = down(machine, 6) + behind(machine, 7, OTHER_MAC)
    assert Reason.LINK_REPLACED not in reasons(actions)


@pytest.mark.rfc("5944", "2.4.2.2", 1, 4)
def test_agent_with_another_prefix_shows_the_move_when_the_old_one_misses_a_turn() -> None:
    machine = visiting_with_prefix("203.0.113.1")
    other = with_prefix(
        advertisement(source=SECOND_AGENT, mac=OTHER_MAC, care_of=(OTHER_CARE_OF,)), "198.18.0.1", 24
    )
    assert none(machine.handle(other, at(0.9)), SendDatagram)  # two subnets on one link?
    assert sent_request(machine.handle(other, at(1.1))).care_of_address == OTHER_CARE_OF
    assert isinstance(machine.attachment, ThroughAgent) and machine.attachment.agent == SECOND_AGENT


@pytest.mark.rfc("5944", "2.4.2.2", 1)
@pytest.mark.parametrize("case", ["same prefix", "old one tells none", "new one tells none", "both heard"])
def test_prefixes_show_no_move(case: str) -> None:
    plain = advertisement(lifetime=3)
    machine = node()
    up(machine, 0)
    first = plain if case == "old one tells none" else with_prefix(plain, "203.0.113.1", 24)
    answer(machine, asked(machine.handle(first, at(0))), 0.1)
    other = advertisement(source=SECOND_AGENT, mac=OTHER_MAC, care_of=(OTHER_CARE_OF,))
    if case != "new one tells none":
        other = with_prefix(other, "203.0.113.2" if case == "same prefix" else "198.18.0.1", 24)
    for time in (0.5, 1.0, 1.5, 2.0, 2.5):
        if case == "both heard":
            machine.handle(first, at(time))
        assert none(machine.handle(other, at(time)), SendDatagram)


@pytest.mark.rfc("5944", "2.4.2.2", 3)
@pytest.mark.parametrize(("router", "moved"), [("203.0.113.1", False), ("198.18.0.1", True), (None, False)])
def test_co_located_address_of_another_prefix_is_left_over(router: str | None, moved: bool) -> None:
    machine = node()
    co_located(machine)
    event = advertisement(source=SECOND_AGENT, mac=OTHER_MAC)
    actions = machine.handle(event if router is None else with_prefix(event, router, 24), at(1))
    assert none(actions, SendDatagram) is not moved
    assert isinstance(machine.attachment, ThroughAgent) is moved


# ---- preferences


def test_preferred_agent_is_chosen_and_waited_for() -> None:
    settings = replace(SETTINGS, agents=(SECOND_AGENT, AGENT), hold_down=2.0)
    preferred = advertisement(source=SECOND_AGENT, mac=OTHER_MAC, care_of=(OTHER_CARE_OF,), lifetime=9000)
    machine, payload = visiting(settings)
    answer(machine, payload, 0.1)
    assert none(machine.handle(preferred, at(1)), SendDatagram)  # it may be a passing one
    assert none(machine.handle(Tick(), at(2.9)), SendDatagram)
    assert sent_request(machine.handle(Tick(), at(3))).care_of_address == OTHER_CARE_OF
    machine = node(settings)
    up(machine, 0)
    machine.handle(preferred, at(0))
    assert none(machine.handle(advertisement(lifetime=9000), at(0.1)), SendDatagram)


@pytest.mark.rfc("5944", "3.6", 7)
def test_without_preference_no_agent_is_left_for_another() -> None:
    machine, payload = visiting()
    answer(machine, payload, 0.1)
    other = advertisement(source=SECOND_AGENT, mac=OTHER_MAC, lifetime=9000)
    for time in range(1, 60, 5):
        assert none(machine.handle(other, at(time)), SendDatagram)


def test_preferred_agent_that_is_busy_is_not_waited_for() -> None:
    machine, payload = visiting(replace(SETTINGS, agents=(SECOND_AGENT,)))
    answer(machine, payload, 0.1)
    busy = advertisement(source=SECOND_AGENT, mac=OTHER_MAC, busy=True, lifetime=9000)
    machine.handle(busy, at(1))
    assert none(machine.handle(busy, at(10)), SendDatagram)


# ---- the operator's own home address


@pytest.mark.parametrize("length", [24, 32])
def test_home_address_that_an_operator_set_is_never_a_care_of_address(length: int) -> None:
    static = IPv4Interface((HOME, length))
    machine = node()
    up(machine, 0, static, gateway=HOME_AGENT)
    assert none(machine.handle(Tick(), at(1)), SendDatagram)
    answer(machine, asked(machine.handle(home_advertisement(), at(2))), 2.1, 0, lifetime=0)
    assert machine.state is State.HOME
    down(machine, 3)
    assert none(up(machine, 4, static, gateway=AGENT), SendDatagram)
    actions = up(machine, 4.1, static, ADDRESS)
    assert sent_request(actions).care_of_address == ADDRESS.ip


def test_home_network_is_told_by_the_prefix_while_no_home_agent_is_known() -> None:
    machine = node(replace(SETTINGS, home_agent=None))
    up(machine, 0)
    assert none(machine.handle(advertisement(home=True, foreign=False), at(0)), SendDatagram)
    actions = machine.handle(home_advertisement(), at(0.1))
    assert sent_request(actions).home_agent == HOME_INTERFACE.network.broadcast_address
    assert only(actions, SendDatagram).destination.address == IPv4Address("192.0.2.255")
