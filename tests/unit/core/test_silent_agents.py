"""Agents that advertise and do not answer, dead or made up: the node asks others, first those that served it."""

from __future__ import annotations

import pytest

from mobileip.control.core.actions import Action, SendDatagram
from mobileip.control.core.events import Tick
from mobileip.control.core.mobile import MobileNode, State
from tests.unit.core.factory import AGENT, OTHER_CARE_OF, OTHER_MAC, advertisement, at, home_advertisement
from tests.unit.core.mobile import SECOND_AGENT, answer, asked, down, up, visiting
from tests.unit.core.test_mobile import node

OTHER = advertisement(source=SECOND_AGENT, mac=OTHER_MAC, care_of=(OTHER_CARE_OF,), lifetime=9000)


def ticks(machine: MobileNode, start: float, end: float) -> list[Action]:
    """What it does in that time by itself."""
    actions: list[Action] = []
    time = start
    while (due := machine.next_deadline()) is not None and due <= at(end).mono:
        time = max(time, (due - at(0).mono) / 1e9)
        actions += machine.handle(Tick(), at(time))
    return actions


def agents_asked(actions: list[Action]) -> list[object]:
    return [one.destination.address for one in actions if isinstance(one, SendDatagram)]


def test_an_agent_that_does_not_answer_is_left_for_another() -> None:
    machine, _ = visiting()
    machine.handle(OTHER, at(0.1))
    sent = agents_asked(ticks(machine, 0.1, 40))
    assert sent[:5] == [AGENT, AGENT, AGENT, AGENT, SECOND_AGENT], "after 1, 2, 4 and 8 s; the other at once"


def test_without_another_it_is_asked_on_and_less_and_less_often() -> None:
    machine, _ = visiting()
    sent = agents_asked(ticks(machine, 0, 400))
    assert set(sent) == {AGENT} and len(sent) == 11


def test_several_that_do_not_answer_are_asked_in_turns_and_less_and_less_often() -> None:
    machine, _ = visiting()
    machine.handle(OTHER, at(0.1))
    sent = agents_asked(ticks(machine, 0.1, 3600))
    assert {*sent} == {AGENT, SECOND_AGENT} and len(sent) < 3 * 60, "less than three a minute"


def test_a_working_place_is_kept_while_renewals_go_unanswered() -> None:
    machine, payload = visiting()
    answer(machine, payload, 0.1, lifetime=100)
    machine.handle(OTHER, at(1))
    assert set(agents_asked(ticks(machine, 1, 99))) == {AGENT}
    assert SECOND_AGENT in agents_asked(ticks(machine, 99, 200)), "when it has run out, another is asked"


def test_a_node_comes_back_to_the_agent_that_served_it_as_soon_as_it_hears_it() -> None:
    machine, payload = visiting()
    answer(machine, payload, 0.1)
    machine.handle(OTHER, at(1))
    gone = machine.handle(advertisement(lifetime=0), at(2))  # said by anybody
    assert agents_asked(gone) == [SECOND_AGENT]
    assert agents_asked(machine.handle(advertisement(), at(2.5))) == [AGENT]


def test_on_another_link_it_is_an_agent_like_others() -> None:
    machine, payload = visiting()
    answer(machine, payload, 0.1)
    down(machine, 1)
    up(machine, 2)
    assert agents_asked(machine.handle(OTHER, at(2.1))) == [SECOND_AGENT]
    assert agents_asked(machine.handle(advertisement(), at(2.2))) == []


@pytest.mark.parametrize("served", [True, False])
def test_a_home_that_does_not_answer_is_doubted_where_a_foreign_agent_served_us(served: bool) -> None:
    """Who pretends to be the home agent takes a node's agent away for seconds, not for as long as he likes."""
    machine, payload = visiting()
    if served:
        answer(machine, payload, 0.1)
    machine.handle(home_advertisement(lifetime=9000), at(1))
    assert machine.state is State.RETURNING
    sent = ticks(machine, 1, 30)
    machine.handle(advertisement(lifetime=9000), at(30))
    sent += ticks(machine, 30, 60)
    assert (AGENT in agents_asked(sent)) is served


def test_at_home_the_answer_counts() -> None:
    machine = node()
    up(machine, 0)
    answer(machine, asked(machine.handle(home_advertisement(lifetime=9000), at(0))), 0.1, 0, lifetime=0)
    machine.handle(OTHER, at(1))
    assert ticks(machine, 1, 60) == [] and machine.state is State.HOME
