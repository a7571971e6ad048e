"""Bindings that end because their tunnels carry nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mobileip.control.core.actions import Action, RemoveTunnel
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import TunnelTraffic
from mobileip.control.core.home import HomeAgent
from mobileip.control.core.policy import NodePolicy
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, PeerMap
from mobileip.control.types import Lifetime
from mobileip.control.wire import RequestFlags
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    OTHER_CARE_OF,
    at,
    kinds,
    only,
    reasons,
    request,
)
from tests.unit.core.homes import SETTINGS, ask, home
from tests.unit.core.test_home import NEIGHBOUR, UNDO

HOME_TUNNEL, MOVED_TUNNEL = (int(HOME), int(CARE_OF)), (int(HOME), int(OTHER_CARE_OF))
NEXT_TUNNEL = (int(NEIGHBOUR), int(CARE_OF))
BOTH = AssociationTable([(HOME, ASSOCIATION), (NEIGHBOUR, ASSOCIATION)])


def watched(**changes: Any) -> HomeAgent:
    return home(**{"associations": BOTH, "idle_timeout": 60, "shortest_idle_timeout": 60} | changes)


def told(
    agent: HomeAgent, time: float, packets: dict[tuple[int, int], int], last: bool = True
) -> list[Action]:
    tunnels = tuple((home, care_of, count) for (home, care_of), count in packets.items())
    agents = MobilityAgents(home=agent, foreign=None, links=(), entropy=bytes)
    return agents.handle(TunnelTraffic(tunnels, last), at(time))


def test_a_binding_ends_when_its_tunnel_has_carried_nothing_for_so_long() -> None:
    agent = watched()
    ask(agent, request(0))
    assert told(agent, 5, {HOME_TUNNEL: 0}) == []
    assert told(agent, 60, {HOME_TUNNEL: 7}) == []
    ask(agent, request(100), 100)  # a renewal is no packet
    assert told(agent, 119.9, {HOME_TUNNEL: 7}) == []
    actions = told(agent, 120, {HOME_TUNNEL: 7})
    assert kinds(actions) == UNDO and reasons(actions) == [Reason.BINDING_IDLE]
    assert len(agent.bindings) == 0
    assert told(agent, 130, {HOME_TUNNEL: 7}) == []


def test_a_new_binding_has_its_own_time() -> None:
    agent = watched()
    ask(agent, request(0))
    for time in (5, 65):
        actions = told(agent, time, {HOME_TUNNEL: 0})
    assert reasons(actions) == [Reason.BINDING_IDLE]
    ask(agent, request(70), 70)  # with the tunnel that there was
    assert told(agent, 75, {HOME_TUNNEL: 0}) == [] == told(agent, 134, {HOME_TUNNEL: 0})
    assert reasons(told(agent, 135, {HOME_TUNNEL: 0})) == [Reason.BINDING_IDLE]
    ask(agent, request(140), 140)
    told(agent, 141, {HOME_TUNNEL: 3})
    ask(agent, request(150, care_of=OTHER_CARE_OF), 150)
    ask(agent, request(160), 160)  # and back before anybody looked
    assert told(agent, 205, {HOME_TUNNEL: 3}) == []


def test_counters_that_begin_anew_are_no_packets() -> None:
    agent = watched()
    ask(agent, request(0))
    told(agent, 0, {HOME_TUNNEL: 9})
    told(agent, 30, {HOME_TUNNEL: 0})
    assert reasons(told(agent, 60, {HOME_TUNNEL: 0})) == [Reason.BINDING_IDLE]
    ask(agent, request(70), 70)
    told(agent, 70, {HOME_TUNNEL: 9})
    told(agent, 100, {HOME_TUNNEL: 4})
    assert told(agent, 159, {HOME_TUNNEL: 4}) == []


def test_a_round_may_come_in_pages() -> None:
    agent = watched()
    ask(agent, request(0))
    ask(agent, request(0, home_address=NEIGHBOUR))
    for time, packets in ((0, 1), (30, 2)):
        told(agent, time, {HOME_TUNNEL: 1}, last=False)
        assert told(agent, time + 1, {NEXT_TUNNEL: packets}) == []
    actions = told(agent, 60, {HOME_TUNNEL: 1}, last=False)
    assert only(actions, RemoveTunnel).home_address == HOME
    assert told(agent, 61, {NEXT_TUNNEL: 2}) == []
    assert reasons(told(agent, 91, {NEXT_TUNNEL: 2})) == [Reason.BINDING_IDLE]


def test_only_the_silent_one_of_simultaneous_bindings_ends() -> None:
    agent = watched(max_simultaneous=2)
    both = RequestFlags(simultaneous=True)
    ask(agent, request(0, flags=both))
    ask(agent, request(1, flags=both, care_of=OTHER_CARE_OF), 1)
    told(agent, 1, {HOME_TUNNEL: 0, MOVED_TUNNEL: 0})
    actions = told(agent, 61, {HOME_TUNNEL: 0, MOVED_TUNNEL: 1})
    assert kinds(actions) == ["RemoveTunnel"] and only(actions, RemoveTunnel).remote == CARE_OF
    assert [one.care_of_address for one in agent.bindings] == [OTHER_CARE_OF]


def test_each_node_may_have_its_own_time_and_without_any_nothing_ends() -> None:
    policies: PeerMap[NodePolicy] = PeerMap()
    policies.setdefault(HOME, NodePolicy(Lifetime(1000), idle_timeout=20))
    agent = watched(policies=policies, shortest_idle_timeout=20)
    ask(agent, request(0))
    ask(agent, request(0, home_address=NEIGHBOUR))
    told(agent, 0, {HOME_TUNNEL: 0, NEXT_TUNNEL: 0})
    actions = told(agent, 20, {HOME_TUNNEL: 0, NEXT_TUNNEL: 0})
    assert [one.home_address for one in agent.bindings] == [NEIGHBOUR] and reasons(actions)
    agent.reconfigure(replace(SETTINGS, associations=BOTH))
    assert told(agent, 1000, {NEXT_TUNNEL: 0}) == []
    agent.reconfigure(replace(SETTINGS, associations=BOTH, idle_timeout=900, shortest_idle_timeout=900))
    assert reasons(told(agent, 1001, {NEXT_TUNNEL: 0})) == [Reason.BINDING_IDLE]
