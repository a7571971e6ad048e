"""What the mobile node does about each denial (RFC 5944 s3.6.2.3, RFC 3024 s3.4, RFC 4636)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import InstallTunnel, RouteThroughTunnel, SendDatagram
from mobileip.control.core.attachment import CoLocated, ThroughAgent
from mobileip.control.core.events import Tick
from mobileip.control.core.mobile import State
from mobileip.control.core.repairs import REPAIRS, Remedy, Wishes, repair_of
from mobileip.control.reasons import REASON_BY_CODE, Reason, ReplyCode
from mobileip.control.types import EncapsulationType, Lifetime
from mobileip.control.wire import ForeignAgentError
from tests.unit.core.factory import (
    CARE_OF,
    HOME_AGENT,
    OTHER_CARE_OF,
    OTHER_MAC,
    advertisement,
    at,
    datagram,
    kinds,
    none,
    note,
    only,
    reasons,
    reply,
    sent_request,
)
from tests.unit.core.mobile import (
    ADDRESS,
    SECOND_AGENT,
    TWO,
    answer,
    asked,
    denied,
    down,
    up,
    visiting,
)
from tests.unit.core.test_mobile import SETTINGS, node, request_times

GRE, MINIMAL, IPIP = EncapsulationType.GRE, EncapsulationType.MINIMAL, EncapsulationType.IPIP
NO_REVERSE = replace(SETTINGS, reverse_tunnel=False)

# ---- the table


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        (69, Wishes(lifetime=Lifetime(100)), Wishes(lifetime=Lifetime(30))),
        (72, Wishes(encapsulations=(MINIMAL, IPIP)), Wishes()),
        (139, Wishes(encapsulations=(GRE, IPIP)), Wishes()),
        (74, Wishes(reverse_tunnel=True), Wishes()),
        (137, Wishes(reverse_tunnel=True), Wishes()),
        (75, Wishes(), Wishes(reverse_tunnel=True)),
        (138, Wishes(), Wishes(reverse_tunnel=True)),
        (79, Wishes(encapsulating_delivery=True), Wishes()),
        (135, Wishes(simultaneous=True), Wishes()),
    ],
)
def test_repairs_that_change_the_request(code: int, before: Wishes, after: Wishes) -> None:
    repair = REPAIRS[ReplyCode(code)]
    assert repair.remedy is Remedy.CHANGE and repair.change is not None
    assert repair.change(before, Lifetime(30)) == after
    assert repair.change(after, Lifetime(30)) == after  # nothing more to try


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (133, Remedy.RESYNCHRONISE),
        (132, Remedy.HOME_AGENT),
        (136, Remedy.HOME_AGENT),
        (77, Remedy.ELSEWHERE),
        (131, Remedy.LATER),
    ]
    + [(code, Remedy.ELSEWHERE) for code in (64, 65, 66, 67, 68, 70, 76, 96, 97, 116)]
    + [(code, Remedy.RETURN) for code in (78, 80, 81, 82, 88)]
    + [(143, Remedy.REDIRECTION)]
    + [(code, Remedy.LATER) for code in (128, 130, 134)],
)
def test_repairs_that_do_not(code: int, remedy: Remedy) -> None:
    known = ReplyCode(code)
    assert repair_of(known, known.from_foreign_agent).remedy is remedy


@pytest.mark.parametrize(("by_foreign_agent", "remedy"), [(True, Remedy.ELSEWHERE), (False, Remedy.LATER)])
def test_unknown_codes(by_foreign_agent: bool, remedy: Remedy) -> None:
    assert repair_of(None, by_foreign_agent).remedy is remedy


# ---- on the wire


@pytest.mark.parametrize(
    ("code", "wanted", "then"), [(74, True, False), (75, False, True), (137, True, False), (138, False, True)]
)
def test_reverse_tunnel_as_the_agent_wants_it(code: int, wanted: bool, then: bool) -> None:
    machine, payload = visiting(replace(SETTINGS, reverse_tunnel=wanted))
    actions = denied(machine, payload, 0.1, code) if code < 128 else answer(machine, payload, 0.1, code)
    assert sent_request(actions).flags.reverse_tunnel is then
    assert note(actions, Reason.RETRYING).fields == {
        "by": "foreign agent" if code < 128 else "home agent",
        "code": code,
        "repaired": REASON_BY_CODE[ReplyCode(code)].label,
        "how": "with reverse tunnel" if then else "without reverse tunnel",
    }
    assert reasons(actions) == [Reason.RETRYING, Reason.REQUEST_SENT]  # one line for denial and repair


def test_what_the_home_agent_wants_is_known_at_the_next_place() -> None:
    machine, payload = visiting(NO_REVERSE)
    answer(machine, asked(answer(machine, payload, 0.1, 138)), 0.2)
    down(machine, 1)
    up(machine, 2)
    other = advertisement(source=SECOND_AGENT, mac=OTHER_MAC)
    assert sent_request(machine.handle(other, at(2))).flags.reverse_tunnel


def test_what_a_foreign_agent_wants_is_its_own_affair() -> None:
    machine, payload = visiting()
    answer(machine, asked(denied(machine, payload, 0.1, 74)), 0.2)
    assert machine.state is State.REGISTERED and not machine.tunnel.reverse
    down(machine, 1)
    up(machine, 2)
    other = advertisement(source=SECOND_AGENT, mac=OTHER_MAC)
    assert sent_request(machine.handle(other, at(2))).flags.reverse_tunnel


@pytest.mark.parametrize(("code", "wanted"), [(138, False), (137, True)])
def test_co_located_node_changes_its_own_end_of_the_tunnel(code: int, wanted: bool) -> None:
    machine = node(replace(SETTINGS, reverse_tunnel=wanted))
    up(machine, 0)
    actions = up(machine, 0.1, ADDRESS)
    assert only(actions, InstallTunnel).reverse is wanted
    actions = answer(machine, asked(actions), 0.2, code)
    assert kinds(actions) == ["SendDatagram", "InstallTunnel", "RouteThroughTunnel"]
    assert only(actions, InstallTunnel).reverse is not wanted
    assert only(actions, RouteThroughTunnel).tunnel is not wanted
    assert kinds(answer(machine, asked(actions), 0.3)) == []


def test_quarrel_of_two_agents_about_the_reverse_tunnel_ends() -> None:
    machine, payload = visiting(NO_REVERSE, reverse_tunnel=False)
    sent = 0
    for step in range(10):
        actions = answer(machine, payload, 0.1, 138) if step % 2 == 0 else denied(machine, payload, 0.1, 74)
        if none(actions, SendDatagram):
            break
        payload = asked(actions)
        sent += 1
    assert sent == 4
    assert request_times(machine, 1.2) == [1.1]


# ---- elsewhere


@pytest.mark.rfc("5944", "3.6.2.3", 1)
@pytest.mark.parametrize("code", [64, 65, 66, 67, 68, 70, 76, 78, 80, 81, 82, 88, 116])
def test_another_agent_on_the_link_is_asked(code: int) -> None:
    machine, payload = visiting()
    machine.handle(advertisement(source=SECOND_AGENT, mac=OTHER_MAC, care_of=(OTHER_CARE_OF,)), at(0.05))
    actions = denied(machine, payload, 0.1, code)
    assert kinds(actions) == ["SendDatagram", "RouteThroughAgent"]
    assert sent_request(actions).care_of_address == OTHER_CARE_OF
    assert note(actions, Reason.RETRYING).fields == {
        "by": "foreign agent",
        "code": code,
        "repaired": REASON_BY_CODE[ReplyCode(code)].label,
        "how": "elsewhere",
    }
    assert Reason.DENIED not in reasons(actions)


def test_another_care_of_address_of_the_same_agent_only_after_77() -> None:
    for code, then in ((77, OTHER_CARE_OF), (65, None)):
        machine, payload = visiting(care_of=(CARE_OF, OTHER_CARE_OF))
        actions = denied(machine, payload, 0.1, code)
        if then is None:
            assert none(actions, SendDatagram)
        else:
            assert sent_request(actions).care_of_address == then
            answer(machine, asked(actions), 0.2)
            repeated = advertisement(1, lifetime=9000, care_of=(CARE_OF, OTHER_CARE_OF))
            assert none(machine.handle(repeated, at(20)), SendDatagram)  # no going back without need


def test_own_address_serves_when_the_agent_refuses() -> None:
    machine, payload = visiting()
    up(machine, 0.05, ADDRESS)
    assert isinstance(machine.attachment, ThroughAgent)
    actions = denied(machine, payload, 0.1, 65)
    assert sent_request(actions).care_of_address == ADDRESS.ip
    assert isinstance(machine.attachment, CoLocated)


def test_another_link_serves_when_the_agent_refuses_and_the_refusal_is_remembered_with_doubling() -> None:
    machine, payload = visiting(TWO)
    up(machine, 0, interface="eth1")
    machine.handle(advertisement(interface="eth1", care_of=(OTHER_CARE_OF,), lifetime=9000), at(0.05))
    answer(machine, asked(denied(machine, payload, 0.1, 66)), 0.2, lifetime=9000)
    assert machine.attachment is not None and machine.attachment.interface == "eth1"
    tries = []
    for _ in range(400):
        deadline = machine.next_deadline()
        assert deadline is not None
        time = deadline / 1e9 - 1000
        if time > 100:
            break
        actions = machine.handle(Tick(), at(time))
        if none(actions, SendDatagram):
            continue
        if only(actions, SendDatagram).interface == "eth0":
            tries.append(round(time))
            answer(machine, asked(denied(machine, asked(actions), time, 66)), time, lifetime=9000)
        else:
            answer(machine, asked(actions), time)
    assert tries == [10, 30, 70]


def test_refusal_alone_changes_nothing_and_is_asked_again() -> None:
    machine, payload = visiting()
    assert kinds(denied(machine, payload, 0.1, 66)) == []
    assert request_times(machine, 8) == [1.1, 3.1, 7.1]


def test_refusal_ends_with_the_link() -> None:
    machine, payload = visiting()
    up(machine, 0.05, ADDRESS)
    denied(machine, payload, 0.1, 65)
    down(machine, 1)
    up(machine, 2)
    assert sent_request(machine.handle(advertisement(), at(2))).care_of_address == CARE_OF


# ---- the foreign agent's error beside the home agent's acceptance


@pytest.mark.rfc("4636", "4", 1)
@pytest.mark.rfc("4636", "5", 1)
def test_foreign_agents_error_in_an_accepting_reply_is_a_denial() -> None:
    machine, payload = visiting()
    told = reply(0, to=payload, after=(ForeignAgentError(66),))
    actions = machine.handle(datagram(told), at(0.1))
    denial = note(actions, Reason.DENIED).fields
    assert (denial["by"], denial["code"]) == ("foreign agent", 66)
    assert machine.state is State.REGISTERING and machine.registration is None
    gone = sent_request(actions)  # the home agent must not keep what the foreign agent does not honour
    assert (gone.lifetime, gone.care_of_address) == (0, CARE_OF)
    assert reasons(answer(machine, asked(actions), 0.2, 0, lifetime=0)) == [Reason.DEREGISTERED]
    assert machine.state is State.REGISTERING
    assert request_times(machine, 5) == [1.2, 3.2]
    assert machine.pending is not None and machine.pending.lifetime == 100


def test_foreign_agents_error_sends_the_node_elsewhere() -> None:
    machine, payload = visiting()
    machine.handle(advertisement(source=SECOND_AGENT, mac=OTHER_MAC, care_of=(OTHER_CARE_OF,)), at(0.05))
    told = reply(0, to=payload, after=(ForeignAgentError(66),))
    sent = [one for one in machine.handle(datagram(told), at(0.1)) if isinstance(one, SendDatagram)]
    assert len(sent) == 2  # gone there, asked here
    answer(machine, sent[1].payload, 0.2)
    assert machine.state is State.REGISTERED
    assert machine.registration is not None and machine.registration.care_of_address == OTHER_CARE_OF


@pytest.mark.rfc("5944", "3.6.2.1", 14)
def test_forged_error_needs_the_true_reply() -> None:
    machine, payload = visiting()
    told = reply(0, to=payload, association=None, after=(ForeignAgentError(66),))
    assert reasons(machine.handle(datagram(told), at(0.1))) == [Reason.REPLY_BAD_AUTHENTICATOR]


def test_another_obstacle_does_not_wait_as_long_as_the_one_before() -> None:
    """A home agent whose clock went back answers 133 until it has caught up, and only then looks at the rest."""
    machine, payload = visiting(replace(SETTINGS, encapsulations=(GRE, IPIP)), gre=True)
    time = 0.1
    while time < 10:
        actions = answer(machine, payload, time, 133)
        if none(actions, SendDatagram):
            deadline = machine.next_deadline()
            assert deadline is not None
            time = deadline / 1e9
            actions = machine.handle(Tick(), at(time))
        payload, time = asked(actions), time + 0.01
    actions = answer(machine, payload, time, 139)
    assert sent_request(actions).flags.gre is False


# ---- 136


@pytest.mark.rfc("5944", "3.6.2.3", 4)
def test_home_agent_named_by_136_is_asked_and_given_up_when_it_is_silent() -> None:
    other = IPv4Address("192.0.2.2")
    machine, payload = visiting()
    actions = machine.handle(datagram(reply(136, to=payload, home_agent=other)), at(0.1))
    assert sent_request(actions).home_agent == other and machine.home_agent == other
    assert note(actions, Reason.HOME_AGENT_DISCOVERED).fields == {"home_agent": other}
    assert request_times(machine, 16) == [1.1, 3.1, 7.1, 15.1]
    assert machine.home_agent == HOME_AGENT
