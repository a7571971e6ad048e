"""The mobile node's moves: where it is, what it does in which order, and what it does when that fails."""

from __future__ import annotations

import itertools
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from mobileip.control.core.actions import (
    Action,
    AttachHome,
    InstallTunnel,
    RouteThroughAgent,
    RouteThroughTunnel,
    SendDatagram,
    SendIcmp,
    TunnelSide,
)
from mobileip.control.core.attachment import AtHome, CoLocated, ThroughAgent
from mobileip.control.core.events import LinkChanged, Tick
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_ROUTERS, Endpoint
from tests.unit.core.factory import (
    AGENT,
    AGENT_MAC,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_INTERFACE,
    OTHER_CARE_OF,
    OTHER_MAC,
    advertisement,
    at,
    datagram,
    home_advertisement,
    kinds,
    mono,
    none,
    note,
    only,
    reasons,
    reply,
    sent_request,
)
from tests.unit.core.test_mobile import SETTINGS, node

ADDRESS = IPv4Interface("203.0.113.77/24")
OTHER_ADDRESS = IPv4Interface("203.0.113.78/24")
SECOND_AGENT = IPv4Address("203.0.113.2")


def up(
    machine: MobileNode, time: float, *addresses: IPv4Interface, gateway: IPv4Address | None = AGENT
) -> list[Action]:
    return machine.handle(LinkChanged("eth0", True, addresses, gateway), at(time))


def down(machine: MobileNode, time: float) -> list[Action]:
    return machine.handle(LinkChanged("eth0", False), at(time))


def answer(machine: MobileNode, actions: list[Action], time: float, lifetime: int = 100) -> list[Action]:
    """The home agent accepts the request among ``actions``."""
    asked = only(actions, SendDatagram).payload
    granted = min(lifetime, sent_request(actions).lifetime)
    return machine.handle(datagram(reply(int(granted > 0), to=asked, lifetime=granted)), at(time))


def at_home(machine: MobileNode, time: float = 0.0) -> None:
    up(machine, time)
    answer(machine, machine.handle(home_advertisement(), at(time)), time + 0.01)
    assert machine.state is State.HOME


def through_agent(machine: MobileNode, time: float = 0.0) -> None:
    up(machine, time)
    answer(machine, machine.handle(advertisement(), at(time)), time + 0.01)
    assert machine.state is State.REGISTERED


def co_located(machine: MobileNode, time: float = 0.0) -> None:
    up(machine, time)
    answer(machine, up(machine, time, ADDRESS), time + 0.01)
    assert machine.state is State.REGISTERED


# ---- order (s4.6)


@pytest.mark.rfc("5944", "3.6", 3)
@pytest.mark.rfc("5944", "3.6.2.2", 1)
@pytest.mark.rfc("5944", "4.6", 20)
@pytest.mark.rfc("3024", "5.1.1", 1)
def test_leaving_home_for_an_agent() -> None:
    machine = node()
    at_home(machine)
    actions = down(machine, 1)
    assert kinds(actions) == ["DetachHome", "Unroute"]
    assert reasons(actions) == [Reason.LINK_DOWN, Reason.DISCONNECTED]
    assert reasons(up(machine, 1.1)) == [Reason.LINK_UP, Reason.SOLICITATION_SENT]
    actions = machine.handle(advertisement(), at(1.2))
    assert kinds(actions) == ["SendDatagram", "RouteThroughAgent"]
    assert only(actions, RouteThroughAgent) == RouteThroughAgent(HOME, "eth0", AGENT, AGENT_MAC)
    assert note(actions, Reason.MOVED_FOREIGN).fields["care_of_address"] == CARE_OF


@pytest.mark.rfc("5944", "4.6", 20)
def test_leaving_home_without_a_link_event_stops_arp_before_the_request() -> None:
    machine = node()
    at_home(machine)
    machine.handle(advertisement(), at(1))  # a foreign agent on the link: home is preferred
    assert machine.state is State.HOME
    actions = machine.handle(Tick(), at(3))  # the home agent's advertisement is over
    assert kinds(actions) == ["DetachHome", "SendDatagram", "RouteThroughAgent"]
    assert Reason.AGENT_LOST in reasons(actions)


@pytest.mark.rfc("5944", "2.4.3", 1, 2, 3)
@pytest.mark.rfc("5944", "3.1", 4)
@pytest.mark.rfc("5944", "3.6.1.1", 3, 8)
@pytest.mark.rfc("5944", "3.6.1.2", 19)
@pytest.mark.rfc("5944", "3.6.2.2", 2)
@pytest.mark.rfc("5944", "4.6", 9, 21)
def test_returning_home_from_an_agent() -> None:
    machine = node()
    through_agent(machine)
    down(machine, 1)
    up(machine, 1.1)
    actions = machine.handle(home_advertisement(), at(1.2))
    assert kinds(actions) == ["AttachHome", "SendDatagram"]
    assert only(actions, AttachHome) == AttachHome(HOME_INTERFACE, "eth0", HOME_AGENT)
    asked = sent_request(actions)
    assert (asked.lifetime, asked.care_of_address) == (0, HOME)
    assert not asked.flags.reverse_tunnel and not asked.flags.decapsulation_by_mn
    out = only(actions, SendDatagram)
    assert (out.source, out.destination) == (Endpoint(HOME, 434), Endpoint(HOME_AGENT, 434))
    assert out.link_destination is not None
    assert machine.state is State.RETURNING
    assert reasons(answer(machine, actions, 1.3)) == [Reason.DEREGISTERED]
    assert machine.state is State.HOME and machine.registration is None


def test_at_home_nothing_expires_any_more() -> None:
    machine = node()
    through_agent(machine)
    down(machine, 1)
    up(machine, 1.1)
    answer(machine, machine.handle(home_advertisement(lifetime=9000), at(1.2)), 1.3)
    assert machine.state is State.HOME and machine.registration is None
    assert machine.next_deadline() == mono(3)  # the foreign agent's advertisement, forgotten with its link
    assert machine.handle(Tick(), at(3)) == []
    assert machine.next_deadline() == mono(9001.2)


def test_configured_gateway_at_home_comes_before_the_home_agent() -> None:
    gateway = IPv4Address("192.0.2.254")
    machine = node(replace(SETTINGS, home_gateway=gateway))
    up(machine, 0)
    assert only(machine.handle(home_advertisement(), at(0)), AttachHome).gateway == gateway


def test_returning_home_removes_the_tunnel_after_the_request() -> None:
    machine = node()
    co_located(machine)
    actions = machine.handle(home_advertisement(), at(1))
    assert kinds(actions) == ["AttachHome", "SendDatagram", "RemoveTunnel"]


@pytest.mark.rfc("5944", "3.6.2.2", 1)
def test_co_located_installs_its_end_of_the_tunnel() -> None:
    machine = node()
    up(machine, 0)
    actions = up(machine, 0.05, ADDRESS)
    assert kinds(actions) == ["SendDatagram", "InstallTunnel", "RouteThroughTunnel"]
    tunnel = InstallTunnel(HOME, TunnelSide.CARE_OF, ADDRESS.ip, HOME_AGENT, reverse=True)
    assert only(actions, InstallTunnel) == tunnel
    assert only(actions, RouteThroughTunnel) == RouteThroughTunnel(HOME, "eth0", AGENT, True)


def test_co_located_without_reverse_tunnel_leaves_directly() -> None:
    machine = node(replace(SETTINGS, reverse_tunnel=False))
    up(machine, 0)
    actions = up(machine, 0.05, ADDRESS)
    assert not only(actions, RouteThroughTunnel).tunnel and not only(actions, InstallTunnel).reverse


@pytest.mark.rfc("5944", "2.4.1", 1)
@pytest.mark.rfc("5944", "3.1", 2)
def test_from_co_located_to_an_agent_removes_the_tunnel_last() -> None:
    machine = node()
    co_located(machine)
    assert kinds(down(machine, 1)) == ["RemoveTunnel", "Unroute"]
    assert machine.state is State.DISCONNECTED
    up(machine, 1.1)
    assert kinds(machine.handle(advertisement(required=True), at(1.2))) == [
        "SendDatagram",
        "RouteThroughAgent",
    ]
    machine = node()
    co_located(machine)
    elsewhere = advertisement(source=IPv4Address("198.51.100.1"), required=True)  # of another subnet
    actions = machine.handle(elsewhere, at(1))
    assert kinds(actions) == ["SendDatagram", "RouteThroughAgent", "RemoveTunnel"]


# ---- addresses old and new


def test_address_set_on_the_new_link_is_used_at_once() -> None:
    machine = node()
    up(machine, 0)
    assert not none(up(machine, 0.001, ADDRESS), SendDatagram)


def test_address_from_before_waits_for_agents() -> None:
    machine = node()
    assert none(up(machine, 0, ADDRESS), SendDatagram)
    assert none(machine.handle(Tick(), at(0.199)), SendDatagram)
    assert sent_request(machine.handle(Tick(), at(0.2))).care_of_address == ADDRESS.ip


def test_agent_heard_meanwhile_is_preferred() -> None:
    machine = node()
    up(machine, 0, ADDRESS)
    assert sent_request(machine.handle(advertisement(), at(0.1))).care_of_address == CARE_OF


def test_new_address_does_not_wait_for_the_one_left_over() -> None:
    machine = node()
    up(machine, 0, ADDRESS)
    assert sent_request(up(machine, 0.05, ADDRESS, OTHER_ADDRESS)).care_of_address == OTHER_ADDRESS.ip
    assert none(machine.handle(Tick(), at(0.2)), SendDatagram)  # and the old one does not win later


def test_agent_heard_late_does_not_disturb_a_co_located_registration() -> None:
    machine = node()
    co_located(machine)
    assert none(machine.handle(advertisement(), at(1)), SendDatagram)
    assert isinstance(machine.attachment, CoLocated)


def test_lost_address_leaves_the_agent() -> None:
    machine = node()
    co_located(machine)
    machine.handle(advertisement(lifetime=9000), at(1))
    assert isinstance(machine.attachment, CoLocated)
    assert sent_request(up(machine, 2)).care_of_address == CARE_OF


@pytest.mark.rfc("5944", "2.4.2", 1)
@pytest.mark.rfc("5944", "3.6", 3)
def test_changed_address_moves_the_tunnel() -> None:
    machine = node()
    co_located(machine)
    actions = up(machine, 5, OTHER_ADDRESS)
    assert kinds(actions) == ["SendDatagram", "InstallTunnel", "RouteThroughTunnel"]
    assert only(actions, InstallTunnel).local == OTHER_ADDRESS.ip


@pytest.mark.parametrize("unusable", ["192.0.2.10/24", "169.254.3.4/16", "127.0.0.2/8"])
def test_addresses_that_are_no_care_of_address(unusable: str) -> None:
    machine = node()
    up(machine, 0)
    assert none(up(machine, 0.1, IPv4Interface(unusable)), SendDatagram)
    assert none(machine.handle(Tick(), at(1)), SendDatagram)


def test_address_without_gateway_is_no_way_to_the_home_agent() -> None:
    machine = node()
    up(machine, 0)
    assert none(up(machine, 0.1, ADDRESS, gateway=None), SendDatagram)
    assert not none(up(machine, 0.2, ADDRESS), SendDatagram)


def test_co_located_can_be_forbidden() -> None:
    machine = node(replace(SETTINGS, co_located=False))
    up(machine, 0)
    assert none(up(machine, 0.1, ADDRESS), SendDatagram)


# ---- agents that come and go


@pytest.mark.rfc("5944", "2.4.2", 1)
@pytest.mark.rfc("5944", "3.6", 5)
def test_current_agent_is_kept_while_it_is_heard() -> None:
    """s3.6: a new agent is no reason to move."""
    machine = node()
    through_agent(machine)
    other = advertisement(source=SECOND_AGENT, mac=OTHER_MAC, care_of=(OTHER_CARE_OF,), lifetime=9000)
    assert none(machine.handle(other, at(1)), SendDatagram)
    actions = machine.handle(Tick(), at(3))
    assert sent_request(actions).care_of_address == OTHER_CARE_OF
    assert Reason.AGENT_LOST in reasons(actions)


def test_busy_agent_keeps_its_visitors_and_gets_no_new_ones() -> None:
    machine = node()
    up(machine, 0)
    assert none(machine.handle(advertisement(busy=True), at(0)), SendDatagram)
    through_agent(machine, 1)
    assert none(machine.handle(advertisement(2, busy=True), at(2)), SendDatagram)
    assert isinstance(machine.attachment, ThroughAgent)


@pytest.mark.parametrize("answered", [True, False], ids=["renewal", "retransmission"])
def test_move_makes_the_timers_of_the_place_before_void(answered: bool) -> None:
    machine = node()
    up(machine, 0)
    actions = machine.handle(advertisement(), at(0))
    if answered:
        answer(machine, actions, 0.1)
    down(machine, 0.5)
    told = [machine.handle(Tick(), at(time)) for time in (1, 3, 60, 75, 99.9)]
    assert told == [[]] * 5
    expired = [Reason.REGISTRATION_EXPIRED] if answered else []
    assert reasons(machine.handle(Tick(), at(100))) == expired
    assert machine.next_deadline() is None


@pytest.mark.rfc("5944", "2.4.2.1", 2, 3)
@pytest.mark.rfc("5944", "2.4.2.2", 4)
def test_lost_agent_disconnects_and_solicits_once() -> None:
    machine = node()
    through_agent(machine)
    actions = machine.handle(Tick(), at(3))
    assert kinds(actions) == ["Unroute", "SendIcmp"]
    assert machine.state is State.DISCONNECTED
    assert only(actions, SendIcmp).destination == ALL_ROUTERS


def test_node_that_loses_its_last_address_solicits_again() -> None:
    machine = node()
    co_located(machine)
    actions = up(machine, 5)
    assert kinds(actions) == ["RemoveTunnel", "Unroute", "SendIcmp"]
    assert none(up(machine, 5.5), SendIcmp)  # the next is not due for a second


def test_home_agent_that_falls_silent_does_not_take_the_home_link_away() -> None:
    machine = node()
    at_home(machine)
    actions = machine.handle(Tick(), at(3))
    assert reasons(actions) == [Reason.AGENT_LOST, Reason.SOLICITATION_SENT]
    assert machine.state is State.HOME and isinstance(machine.attachment, AtHome)
    assert kinds(down(machine, 4)) == ["DetachHome", "Unroute"]


@pytest.mark.rfc("5944", "2.4.4", 1, 2)
@pytest.mark.rfc("5944", "3.6", 4)
@pytest.mark.parametrize(
    ("sequences", "again"),
    [
        ((300, 0), True),
        ((300, 255), True),
        ((300, 256), False),
        ((0xFFFF, 256), False),
        ((5, 6), False),
        ((5, 5), False),
    ],
)
def test_rebooted_agent_is_asked_again(sequences: tuple[int, int], again: bool) -> None:
    machine = node()
    up(machine, 0)
    first, second = sequences
    answer(machine, machine.handle(advertisement(first), at(0)), 0.1)
    actions = machine.handle(advertisement(second), at(2))
    assert (Reason.AGENT_REBOOTED in reasons(actions)) is again
    assert none(actions, SendDatagram) is not again


@pytest.mark.rfc("5944", "2.4.2", 2)
@pytest.mark.rfc("5944", "3.6", 6)
@pytest.mark.rfc("5944", "3.6.3", 3)
def test_agent_that_reboots_again_and_again_is_asked_once_a_second() -> None:
    machine = node()
    through_agent(machine)
    sent = []
    for step in range(1, 40):
        time = step / 10
        sequence = 100 - step
        actions = machine.handle(advertisement(sequence, lifetime=9000), at(time))
        deadline = machine.next_deadline()
        if deadline is not None and deadline <= mono(time):
            actions += machine.handle(Tick(), at(time))
        if not none(actions, SendDatagram):
            sent.append(time)
            answer(machine, actions, time)
    assert len(sent) >= 3
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(sent))


def test_reboot_of_another_agent_does_not_matter() -> None:
    machine = node()
    through_agent(machine)
    for sequence in (300, 0):
        other = advertisement(sequence, source=SECOND_AGENT, mac=OTHER_MAC, lifetime=9000)
        assert none(machine.handle(other, at(2)), SendDatagram)


@pytest.mark.rfc("5944", "2.4.2", 2)
@pytest.mark.rfc("5944", "3.6", 6)
def test_carrier_flap_asks_again_but_not_within_a_second() -> None:
    machine = node()
    through_agent(machine)
    down(machine, 0.3)
    up(machine, 0.4)
    actions = machine.handle(advertisement(1, lifetime=9000), at(0.41))
    assert kinds(actions) == ["RouteThroughAgent"]
    assert none(machine.handle(Tick(), at(0.999)), SendDatagram)
    assert not none(machine.handle(Tick(), at(1)), SendDatagram)


@pytest.mark.rfc("5944", "2.4", 1, 3, 4, 5, 7, 8)
def test_solicitations_are_at_most_one_a_second_and_back_off() -> None:
    machine = node()
    times = [0.0] if not none(up(machine, 0), SendIcmp) else []
    while (deadline := machine.next_deadline()) is not None and deadline <= mono(400):
        time = (deadline - mono(0)) / 1e9
        if not none(machine.handle(Tick(), at(time)), SendIcmp):
            times.append(time)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    nominal = [1, 1, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert len(gaps) >= 10
    assert all(want <= gap <= want * 1.25 + 1e-6 for gap, want in zip(gaps, nominal, strict=False))


def test_move_makes_a_retransmission_due_at_the_same_moment_void() -> None:
    machine = node()
    through_agent(machine)
    down(machine, 5)
    up(machine, 5)
    machine.handle(advertisement(lifetime=1), at(5))  # asks, and is not answered
    other = advertisement(source=SECOND_AGENT, mac=OTHER_MAC, care_of=(OTHER_CARE_OF,), lifetime=9000)
    machine.handle(other, at(5.5))
    actions = machine.handle(Tick(), at(6))
    assert sent_request(actions).care_of_address == OTHER_CARE_OF


def test_second_interface_serves_when_the_first_has_nothing() -> None:
    machine = node(replace(SETTINGS, interfaces=("eth0", "eth1"), hold_down=0))
    machine.handle(LinkChanged("eth1", True), at(0))
    actions = machine.handle(advertisement(interface="eth1", lifetime=9000), at(0))
    assert only(actions, SendDatagram).interface == "eth1"
    answer(machine, actions, 0.1)
    up(machine, 1, ADDRESS)  # preferred, but its address has to wait
    assert isinstance(machine.attachment, ThroughAgent)
    actions = machine.handle(Tick(), at(1.2))
    assert sent_request(actions).care_of_address == ADDRESS.ip
    assert sent_request(down(machine, 5)).care_of_address == CARE_OF
