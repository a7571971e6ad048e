"""Agents that take their leave, and how a mobile node asks for agents (RFC 1256 s4.3, s5.1, s5.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mobileip.control.core.actions import SendDatagram, SendIcmp
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import LinkChanged, Stopping, Tick
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_ROUTERS, LIMITED_BROADCAST
from tests.unit.core.factory import (
    AGENT,
    HOME,
    OTHER_MAC,
    advertisement,
    at,
    home_advertisement,
    kinds,
    mono,
    none,
    only,
    reasons,
    sent_advertisement,
    solicitation,
)
from tests.unit.core.mobile import SECOND_AGENT, TWO, answer, asked, down, up, visiting
from tests.unit.core.test_agents import LINK, agents
from tests.unit.core.test_mobile import SETTINGS, node

ALL_ONES = b"\xff" * 8

# ---- agents


@pytest.mark.rfc("1256", "4.3", 9)
def test_a_stopping_agent_tells_its_links_to_forget_it() -> None:
    machine = agents()
    machine.handle(LinkChanged("eth1", True), at(0))
    before = only(machine.handle(Tick(), at(0)), SendIcmp)
    actions = machine.handle(Stopping(), at(1))
    final = only(actions, SendIcmp)
    assert (final.interface, final.source, final.destination) == ("eth1", AGENT, before.destination)
    told, previous = sent_advertisement(actions), sent_advertisement([before])
    assert told.lifetime == 0 and told.router_addresses == previous.router_addresses
    assert told.mobility.sequence == previous.mobility.sequence + 1
    assert machine.next_deadline() is None
    assert none(machine.handle(Tick(), at(2)), SendIcmp)
    assert machine.handle(solicitation(), at(2)) == []


def test_a_link_that_is_down_is_not_told() -> None:
    machine = agents()
    machine.handle(LinkChanged("eth1", True), at(0))
    machine.handle(LinkChanged("eth1", False), at(0.5))
    assert machine.handle(Stopping(), at(1)) == []


@pytest.mark.rfc("1256", "4.3", 12)
def test_an_address_that_is_taken_out_is_taken_back() -> None:
    machine = MobilityAgents(home=None, foreign=None, links=(LINK,), entropy=bytes)
    machine.handle(LinkChanged("eth1", True), at(0))
    machine.handle(Tick(), at(0))
    other = replace(LINK, address=SECOND_AGENT)
    machine.reconfigure(None, None, (other,), at(0.5))
    old, new = [one for one in machine.handle(Tick(), at(0.5)) if isinstance(one, SendIcmp)]
    assert (old.source, sent_advertisement([old]).lifetime) == (AGENT, 0)
    assert [entry.address for entry in sent_advertisement([old]).router_addresses] == [AGENT]
    assert (new.source, sent_advertisement([new]).lifetime) == (SECOND_AGENT, LINK.lifetime)
    machine.reconfigure(None, None, (replace(other, lifetime=9),), at(1))
    assert sent_advertisement(machine.handle(Tick(), at(1))).lifetime == 9


# ---- mobile node


@pytest.mark.rfc("5944", "2.4.2.1", 1)
def test_an_agent_that_takes_its_leave_is_lost_at_once() -> None:
    machine, payload = visiting()
    answer(machine, payload, 0.1)
    machine.handle(advertisement(source=SECOND_AGENT, mac=OTHER_MAC, lifetime=9000), at(0.2))
    actions = machine.handle(advertisement(sequence=1, lifetime=0), at(1))
    assert Reason.AGENT_LOST in reasons(actions)
    assert only(actions, SendDatagram).destination.address == SECOND_AGENT
    answer(machine, asked(actions), 1.1)
    machine.handle(advertisement(source=SECOND_AGENT, mac=OTHER_MAC, lifetime=0), at(2))
    assert machine.state is State.DISCONNECTED
    assert only(machine.handle(Tick(), at(2)), SendIcmp).destination == ALL_ROUTERS


def test_what_comes_to_the_node_alone_counts_only_as_an_answer() -> None:
    """From anywhere in the Internet, also through the tunnel, an agent could be taken away or made up."""
    machine, payload = visiting()
    answer(machine, payload, 0.1)
    leave = replace(advertisement(sequence=1, lifetime=0), destination=HOME)
    made_up = replace(advertisement(source=SECOND_AGENT, mac=OTHER_MAC), destination=HOME)
    for forged in (leave, made_up):
        assert reasons(machine.handle(forged, at(20))) == [Reason.BAD_DESTINATION]
    assert machine.state is State.REGISTERED

    asking = node()
    assert only(up(asking, 1), SendIcmp).destination == ALL_ROUTERS
    answered = asking.handle(replace(advertisement(), destination=HOME), at(6))
    assert Reason.AGENT_DISCOVERED in reasons(answered)


def test_the_leave_of_an_agent_that_nobody_knew_is_nothing() -> None:
    machine = node()
    up(machine, 0)
    assert machine.handle(advertisement(lifetime=0), at(0.1)) == []
    assert machine.attachment is None


def test_at_home_it_is_no_reason_to_go() -> None:
    machine = node()
    up(machine, 0)
    answer(machine, asked(machine.handle(home_advertisement(), at(0))), 0.1, lifetime=0)
    machine.handle(home_advertisement(lifetime=0), at(1))
    assert machine.state is State.HOME


@pytest.mark.rfc("1256", "5.1", 1)
def test_where_discovery_is_off_nobody_is_asked_or_heard() -> None:
    machine = node(replace(TWO, no_router_discovery=frozenset({"eth0"})))
    none(up(machine, 0), SendIcmp)
    assert only(up(machine, 0, interface="eth1"), SendIcmp).interface == "eth1"
    assert machine.handle(advertisement(), at(0.1)) == [] and machine.attachment is None
    assert not none(machine.handle(advertisement(interface="eth1"), at(0.1)), SendDatagram)


@pytest.mark.rfc("1256", "5.1", 1)
def test_the_solicitation_address_of_each_interface() -> None:
    machine = node(replace(TWO, solicit_by_broadcast=frozenset({"eth1"})))
    for interface, destination in (("eth0", ALL_ROUTERS), ("eth1", LIMITED_BROADCAST)):
        assert only(up(machine, 0, interface=interface), SendIcmp).destination == destination


@pytest.mark.rfc("1256", "5.3", 6, 8)
def test_when_it_starts_a_node_asks_after_a_random_time_and_after_a_move_at_once() -> None:
    settings = replace(SETTINGS, solicitation_delay=1.0)
    waits = set()
    for draw in (0, 1 << 30, 3 << 30, 0xFFFF_FFFF):
        machine = MobileNode(settings, lambda size, draw=draw: (draw & (1 << 8 * size) - 1).to_bytes(size))
        assert kinds(up(machine, 0)) == ([] if draw else ["SendIcmp"])
        deadline = machine.next_deadline()
        assert deadline is not None
        waits.add(deadline - mono(0) if draw else 0)
        machine.handle(Tick(), at(1))
        down(machine, 5)
        assert kinds(up(machine, 6)) == ["SendIcmp"]
    assert waits == {0, (1 << 30) * 10**9 // 0xFFFF_FFFF, (3 << 30) * 10**9 // 0xFFFF_FFFF, 10**9}
