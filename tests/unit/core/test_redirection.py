"""A home agent without room sends nodes to another one, and nodes go there (RFC 4433)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from itertools import pairwise

import pytest

from mobileip.control.core.actions import Action, InstallTunnel, Noted, SendDatagram
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation
from mobileip.control.wire import (
    DynamicHomeAgent,
    DynamicHomeAgentUse,
    Extension,
    MobileHomeAuthentication,
    RegistrationRequest,
    parse,
)
from tests.unit.core.factory import (
    ASSOCIATION,
    HOME,
    HOME_AGENT,
    OTHER_CARE_OF,
    WRONG_ASSOCIATION,
    at,
    datagram,
    home_advertisement,
    is_signed,
    mono,
    none,
    note,
    only,
    reasons,
    reply,
    request,
    sent_reply,
    sent_request,
)
from tests.unit.core.homes import ask, home
from tests.unit.core.mobile import ADDRESS, answer, asked, denied, up, visiting
from tests.unit.core.test_mobile import SETTINGS, node, request_times, tick

NEIGHBOUR = IPv4Address("192.0.2.11")
SECOND, THIRD = IPv4Address("192.0.2.2"), IPv4Address("192.0.2.3")
TABLE = AssociationTable([(HOME, ASSOCIATION), (NEIGHBOUR, ASSOCIATION)])
KNOWING = replace(SETTINGS, home_agents=(SECOND, THIRD))


def sends(use: DynamicHomeAgentUse, address: IPv4Address) -> tuple[Extension, ...]:
    return (DynamicHomeAgent(use, address),)


# ---- the home agent


def test_who_has_no_room_sends_newcomers_on_by_turn_and_serves_the_others() -> None:
    agent = home(max_bindings=1, redirect_to=(SECOND, THIRD), associations=TABLE)
    ask(agent, request(0))
    for time, to in ((1, SECOND), (2, THIRD), (3, SECOND)):
        actions = ask(agent, request(time, home_address=NEIGHBOUR), time)
        answered = sent_reply(actions)
        assert (answered.code, answered.home_agent) == (143, HOME_AGENT)
        extension, signature = answered.extensions
        assert extension == DynamicHomeAgent(DynamicHomeAgentUse.REDIRECTED, to)
        assert isinstance(signature, MobileHomeAuthentication)
        assert is_signed(answered, ASSOCIATION)
        fields = note(actions, Reason.HA_REDIRECTED).fields
        assert (fields["home_address"], fields["redirected_to"], fields["code"]) == (NEIGHBOUR, to, 143)
    assert sent_reply(ask(agent, request(4, care_of=OTHER_CARE_OF), 4)).code == 1  # it has a binding
    assert sent_reply(ask(agent, request(5, lifetime=0, home_address=NEIGHBOUR), 5)).code == 0


def test_too_many_newcomers_a_second_are_sent_on_too() -> None:
    agent = home(max_new_rate=1, redirect_to=(SECOND,), associations=TABLE)
    assert sent_reply(ask(agent, request(0))).code == 1
    assert sent_reply(ask(agent, request(0, home_address=NEIGHBOUR))).code == 143
    assert sent_reply(ask(agent, request(1, home_address=NEIGHBOUR), 1)).code == 1


def test_what_is_wrong_otherwise_is_denied_as_ever() -> None:
    agent = home(max_bindings=0, redirect_to=(SECOND,))
    assert sent_reply(ask(agent, request(0, association=WRONG_ASSOCIATION))).code == 131
    assert sent_reply(ask(agent, request(0, home_agent=THIRD))).code == 136
    agent.reconfigure(replace(agent.settings, redirect_to=()))
    assert sent_reply(ask(agent, request(1), 1)).code == 130


def test_a_node_that_wished_for_another_home_agent_is_not_ours() -> None:
    """RFC 4433 s5.3. A wish behind the node's signature is nobody's."""
    requested = DynamicHomeAgentUse.REQUESTED
    assert sent_reply(ask(home(), request(before=sends(requested, SECOND)))).code == 136
    assert sent_reply(ask(home(), request(before=sends(requested, HOME_AGENT)))).code == 1
    assert sent_reply(ask(home(), request(after=sends(requested, SECOND)))).code == 1
    assert sent_reply(ask(home(), request(before=sends(DynamicHomeAgentUse.REDIRECTED, SECOND)))).code == 1


# ---- the mobile node


def redirected(
    machine: MobileNode,
    payload: bytes,
    time: float,
    *before: DynamicHomeAgent,
    after: tuple[DynamicHomeAgent, ...] = (),
    association: MobilitySecurityAssociation = ASSOCIATION,
) -> list[Action]:
    """The answer 143 of the home agent that ``payload`` asks, with extensions before and after the signature."""
    message = parse(payload)
    assert isinstance(message, RegistrationRequest)
    answered = reply(
        143, to=payload, home_agent=message.home_agent, before=before, after=after, association=association
    )
    return machine.handle(datagram(answered), at(time))


def to(address: IPv4Address) -> DynamicHomeAgent:
    return DynamicHomeAgent(DynamicHomeAgentUse.REDIRECTED, address)


def asks(actions: list[Action]) -> tuple[IPv4Address, IPv4Address | None]:
    """The home agent that is asked, and that of the Requested HA extension."""
    message = sent_request(actions)
    wish = message.first(DynamicHomeAgent)
    assert wish is None or wish.use is DynamicHomeAgentUse.REQUESTED
    return message.home_agent, None if wish is None else wish.address


def sent_on() -> tuple[MobileNode, list[Action]]:
    """A node away, and what it did when its home agent had sent it to SECOND."""
    machine, payload = visiting(KNOWING)
    return machine, redirected(machine, payload, 0.1, to(SECOND))


def test_a_node_asks_where_it_is_sent_and_stays_there_until_it_is_home() -> None:
    machine, actions = sent_on()
    assert reasons(actions) == [Reason.REDIRECTED, Reason.RETRYING, Reason.REQUEST_SENT]
    assert note(actions, Reason.REDIRECTED).fields == {"home_agent": HOME_AGENT, "redirected_to": SECOND}
    assert asks(actions) == (SECOND, SECOND)
    answer(machine, asked(actions), 0.2)
    assert (machine.state, machine.home_agent) == (State.REGISTERED, SECOND)
    assert asks(tick(machine, 80)) == (SECOND, None)  # the wish is for the time before (RFC 4433 s4.1)
    actions = machine.handle(home_advertisement(), at(81))
    assert asks(actions) == (SECOND, None)  # which has the binding to be removed
    assert (
        only(actions, SendDatagram).link_destination == b"\xff" * 6
    )  # it is another station than the one heard
    answer(machine, asked(actions), 81.1)
    assert (machine.state, machine.home_agent) == (State.HOME, HOME_AGENT)


def test_a_co_located_node_tunnels_to_the_home_agent_that_accepted() -> None:
    machine = node(KNOWING)
    up(machine, 0)
    actions = up(machine, 0.1, ADDRESS)
    assert only(actions, InstallTunnel).remote == HOME_AGENT
    actions = redirected(machine, asked(actions), 0.2, to(SECOND))
    assert only(actions, SendDatagram).destination.address == SECOND
    assert only(actions, InstallTunnel).remote == SECOND
    assert none(answer(machine, asked(actions), 0.3), InstallTunnel)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ((to(IPv4Address("192.0.2.4")),), "not in mobile_node.home_agents"),
        ((), "no home agent is named"),
        ((DynamicHomeAgent(DynamicHomeAgentUse.REQUESTED, SECOND),), "no home agent is named"),
        ((to(HOME_AGENT),), "that one sent us away too"),
    ],
)
def test_where_a_node_does_not_go(named: tuple[DynamicHomeAgent, ...], why: str) -> None:
    machine, payload = visiting(KNOWING)
    actions = redirected(machine, payload, 0.1, *named)
    assert none(actions, SendDatagram)
    assert reasons(actions) == [Reason.DENIED, Reason.REDIRECT_REFUSED]
    assert note(actions, Reason.REDIRECT_REFUSED).fields["why"] == why
    assert asks(tick(machine, 1.2)) == (HOME_AGENT, None)  # later, from the beginning


def test_a_node_that_knows_no_other_goes_nowhere() -> None:
    machine, payload = visiting()
    assert none(redirected(machine, payload, 0.1, to(SECOND)), SendDatagram)


def test_a_name_behind_the_signature_is_nobodys() -> None:
    machine, payload = visiting(KNOWING)
    actions = redirected(machine, payload, 0.1, after=(to(SECOND),))
    assert note(actions, Reason.REDIRECT_REFUSED).fields["why"] == "no home agent is named"


def test_a_forged_redirection_is_not_heard() -> None:
    machine, payload = visiting(KNOWING)
    actions = redirected(machine, payload, 0.1, to(SECOND), association=WRONG_ASSOCIATION)
    assert reasons(actions) == [Reason.REPLY_BAD_AUTHENTICATOR]
    assert machine.home_agent == HOME_AGENT


def test_a_circle_ends_and_is_tried_again_more_and_more_seldom() -> None:
    """RFC 4433 s4.2, step 5."""
    onward = {HOME_AGENT: SECOND, SECOND: THIRD, THIRD: HOME_AGENT}
    machine, payload = visiting(KNOWING)
    asked_at, seen, time = [0.0], [], 0.0
    while time < 60:
        message = parse(payload)
        assert isinstance(message, RegistrationRequest)
        actions = redirected(machine, payload, time, to(onward[message.home_agent]))
        seen += [
            action.fields["why"] for action in actions if isinstance(action, Noted) and "why" in action.fields
        ]
        if none(actions, SendDatagram):
            deadline = machine.next_deadline()
            assert deadline is not None
            time = (deadline - mono(0)) / 1e9
            actions = tick(machine, time)
        payload = asked(actions)
        asked_at.append(time)
    assert set(seen) == {"that one sent us away too"} and len(seen) >= 2
    waits = [after - before for before, after in pairwise(asked_at) if after > before]
    assert waits == sorted(waits) and waits[0] == 1
    assert len(asked_at) < 15


def test_one_that_does_not_answer_is_given_up_for_the_configured_one() -> None:
    machine, _ = sent_on()
    for time in request_times(machine, 30):
        assert time > 0.1
    assert machine.home_agent == HOME_AGENT


@pytest.mark.parametrize("code", [78, 80, 81, 82, 88])
def test_one_that_a_foreign_agent_cannot_reach_is_given_up_at_once(code: int) -> None:
    machine, actions = sent_on()
    actions = denied(machine, asked(actions), 0.2, code)
    assert note(actions, Reason.RETRYING).fields["how"] == "at the home agent configured"
    assert asks(actions) == (HOME_AGENT, None)


def test_one_that_has_our_binding_is_not_given_up_for_a_silence() -> None:
    machine, actions = sent_on()
    answer(machine, asked(actions), 0.2)
    actions = denied(machine, asked(tick(machine, 80)), 80.1, 78)
    assert none(actions, SendDatagram) and machine.home_agent == SECOND


def test_other_home_agents_may_be_configured_while_the_node_runs() -> None:
    machine, payload = visiting()
    machine.reconfigure(KNOWING)
    assert asks(redirected(machine, payload, 0.1, to(THIRD))) == (THIRD, THIRD)
