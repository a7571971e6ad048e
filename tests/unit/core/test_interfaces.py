"""A mobile node with two interfaces: preference, hold-down, make before break (RFC 5944 s3.6.1.2)."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from mobileip.control.core.actions import RouteThroughAgent, SendDatagram
from mobileip.control.core.events import Stopping, Tick
from mobileip.control.core.mobile import State
from mobileip.control.reasons import Reason
from mobileip.control.types import Endpoint
from tests.unit.core.factory import (
    CARE_OF,
    HOME,
    OTHER_CARE_OF,
    OTHER_MAC,
    advertisement,
    at,
    home_advertisement,
    kinds,
    mono,
    none,
    note,
    only,
    reasons,
    sent_request,
)
from tests.unit.core.mobile import (
    ADDRESS,
    BESIDE,
    SECOND_AGENT,
    TWO,
    answer,
    asked,
    denied,
    down,
    on_second_interface,
    up,
)
from tests.unit.core.test_mobile import node, request_times

BETTER = advertisement(source=SECOND_AGENT, mac=OTHER_MAC, care_of=(OTHER_CARE_OF,), lifetime=9000)

# ---- preference and hold-down


def test_better_link_is_used_once_it_has_lasted() -> None:
    machine = on_second_interface()
    up(machine, 10)
    assert none(machine.handle(BETTER, at(10.5)), SendDatagram)
    assert machine.next_deadline() == mono(12.5)
    actions = machine.handle(Tick(), at(12.5))
    assert sent_request(actions).care_of_address == OTHER_CARE_OF
    assert only(actions, RouteThroughAgent).interface == "eth0"


def test_better_link_that_flaps_is_not_used() -> None:
    machine = on_second_interface()
    for start in range(10, 40, 2):
        up(machine, start)
        assert none(machine.handle(BETTER, at(start + 0.1)), SendDatagram)
        assert none(machine.handle(Tick(), at(start + 1.9)), SendDatagram)
        assert none(down(machine, start + 1.9), SendDatagram)


def test_better_link_is_used_at_once_when_the_other_fails() -> None:
    machine = on_second_interface()
    up(machine, 10)
    machine.handle(BETTER, at(10.1))
    assert sent_request(down(machine, 10.2, "eth1")).care_of_address == OTHER_CARE_OF


def test_better_link_is_used_at_once_while_the_other_is_not_registered() -> None:
    machine = node(TWO)
    up(machine, 0, interface="eth1")
    machine.handle(advertisement(interface="eth1", lifetime=9000), at(0))
    up(machine, 0.1)
    assert sent_request(machine.handle(BETTER, at(0.2))).care_of_address == OTHER_CARE_OF


def test_worse_link_is_used_at_once_when_the_better_fails() -> None:
    machine = node(TWO)
    up(machine, 0)
    answer(machine, asked(machine.handle(BETTER, at(0))), 0.1)
    up(machine, 0, interface="eth1")
    assert none(machine.handle(advertisement(interface="eth1", lifetime=9000), at(9)), SendDatagram)
    actions = down(machine, 10)
    assert sent_request(actions).care_of_address == CARE_OF
    assert only(actions, SendDatagram).interface == "eth1"


# ---- make before break


@pytest.mark.rfc("5944", "3.6.2.2", 1)
@pytest.mark.parametrize("code", [0, 1])
def test_new_binding_is_made_before_the_old_is_given_up(code: int) -> None:
    machine = on_second_interface(BESIDE)
    up(machine, 10)
    machine.handle(BETTER, at(10))
    actions = machine.handle(Tick(), at(12))
    assert kinds(actions) == ["SendDatagram"]  # no route is touched yet
    assert reasons(actions) == [Reason.REGISTERING_BESIDE, Reason.REQUEST_SENT]
    request = sent_request(actions)
    assert request.flags.simultaneous and request.care_of_address == OTHER_CARE_OF
    assert machine.state is State.REGISTERED and machine.coming is not None
    assert none(machine.handle(Tick(), at(12.5)), SendDatagram)
    actions = answer(machine, asked(actions), 12.6, code)
    assert machine.attachment is not None and machine.attachment.interface == "eth0"
    assert machine.coming is None and machine.state is State.REGISTERED
    assert only(actions, RouteThroughAgent).interface == "eth0"
    if code == 1:  # the home agent has replaced the old one itself
        assert kinds(actions) == ["RouteThroughAgent"]
        return
    assert kinds(actions) == ["RouteThroughAgent", "SendDatagram"]
    out, gone = only(actions, SendDatagram), sent_request(actions)
    assert (out.interface, gone.care_of_address, gone.lifetime) == ("eth1", CARE_OF, 0)
    assert not gone.flags.simultaneous
    assert reasons(answer(machine, out.payload, 12.7, 0, lifetime=0)) == [Reason.DEREGISTERED]
    assert machine.state is State.REGISTERED
    assert machine.registration is not None and machine.registration.care_of_address == OTHER_CARE_OF
    assert request_times(machine, 60) == []


def test_place_that_is_wanted_again_is_not_deregistered_any_more() -> None:
    """The farewell has not been answered; said again it would remove the binding that is asked for now."""
    machine = on_second_interface(BESIDE)
    up(machine, 10)
    machine.handle(BETTER, at(10))
    actions = answer(machine, asked(machine.handle(Tick(), at(12))), 12.1, code=0, lifetime=4)
    assert sent_request(actions).care_of_address == CARE_OF and sent_request(actions).lifetime == 0
    sent = []
    for step in range(13, 60):
        sent = [one for one in machine.handle(Tick(), at(step)) if isinstance(one, SendDatagram)]
        if any(one.interface == "eth0" for one in sent):
            break
    (renewal,) = (one for one in sent if one.interface == "eth0")
    assert machine.next_deadline() is not None
    wanted = sent_request(denied(machine, renewal.payload, step + 0.1, 65))
    assert wanted.care_of_address == CARE_OF and wanted.lifetime > 0 and wanted.flags.simultaneous
    later = [machine.handle(Tick(), at(step + 0.1 + wait / 4)) for wait in range(1, 40)]
    again = [sent_request([one]) for actions in later for one in actions if isinstance(one, SendDatagram)]
    assert again
    assert all(one.lifetime > 0 for one in again if one.care_of_address == CARE_OF)


def test_renewal_of_the_new_binding_replaces_whatever_is_left() -> None:
    machine = on_second_interface(BESIDE)
    up(machine, 10)
    machine.handle(BETTER, at(10))
    answer(machine, asked(machine.handle(Tick(), at(12))), 12.1)
    (renewal, *_) = request_times(machine, 90)
    assert renewal < 83
    assert machine.pending is not None and not machine.pending.simultaneous


def test_deregistration_of_the_old_place_is_repeated_a_few_times() -> None:
    machine = on_second_interface(BESIDE)
    up(machine, 10)
    machine.handle(BETTER, at(10))
    answer(machine, asked(machine.handle(Tick(), at(12))), 12, code=0)
    assert request_times(machine, 60) == [13, 15, 19]
    assert machine.state is State.REGISTERED


def test_co_located_places_are_made_before_broken() -> None:
    machine = on_second_interface(BESIDE)
    up(machine, 10, ADDRESS)
    actions = machine.handle(Tick(), at(12.2))
    out = only(actions, SendDatagram)
    assert "RouteThroughTunnel" not in kinds(actions) and out.source == Endpoint(ADDRESS.ip, 434)
    assert out.interface == "eth0"  # not by the route of the other link
    actions = answer(machine, out.payload, 12.3, code=0)
    assert kinds(actions) == ["InstallTunnel", "RouteThroughTunnel", "SendDatagram"]


def test_old_link_that_fails_meanwhile_is_left_without_another_request() -> None:
    machine = on_second_interface(BESIDE)
    up(machine, 10)
    machine.handle(BETTER, at(10))
    payload = asked(machine.handle(Tick(), at(12)))
    actions = down(machine, 12.1, "eth1")
    assert kinds(actions) == ["RouteThroughAgent"]
    assert machine.state is State.REGISTERING
    answer(machine, payload, 12.2)
    assert machine.state is State.REGISTERED


def test_new_link_that_fails_meanwhile_is_forgotten() -> None:
    """The home agent may have taken its request, so the present binding is made sure of."""
    machine = on_second_interface(BESIDE)
    up(machine, 10)
    machine.handle(BETTER, at(10))
    payload = asked(machine.handle(Tick(), at(12)))
    actions = down(machine, 12.1)
    assert sent_request(actions).care_of_address == CARE_OF
    assert not sent_request(actions).flags.simultaneous
    assert machine.coming is None and machine.state is State.REGISTERED
    assert reasons(answer(machine, payload, 12.2)) == [Reason.UNMATCHED_REPLY]


@pytest.mark.rfc("5944", "3.6.3", 3)
def test_new_link_that_flaps_is_asked_once_a_second() -> None:
    machine = on_second_interface(replace(BESIDE, hold_down=0))
    asked_at = []
    for step in range(30):
        time = 10 + step / 10
        sent = up(machine, time) + machine.handle(BETTER, at(time)) + machine.handle(Tick(), at(time + 0.05))
        down(machine, time + 0.06)
        asked_at += [time for one in sent if isinstance(one, SendDatagram) and one.interface == "eth0"]
    assert 1 <= len(asked_at) <= 4
    assert all(later - earlier >= 0.94 for earlier, later in itertools.pairwise(asked_at))


def test_new_agent_that_refuses_changes_nothing() -> None:
    machine = on_second_interface(BESIDE)
    up(machine, 10)
    machine.handle(BETTER, at(10))
    payload = asked(machine.handle(Tick(), at(12)))
    denied(machine, payload, 12.1, 65)
    assert machine.coming is None
    assert machine.attachment is not None and machine.attachment.interface == "eth1"


def test_too_many_bindings_is_repaired_by_replacing() -> None:
    machine = on_second_interface(BESIDE)
    up(machine, 10)
    machine.handle(BETTER, at(10))
    actions = answer(machine, asked(machine.handle(Tick(), at(12))), 12.1, code=135)
    assert not sent_request(actions).flags.simultaneous
    assert note(actions, Reason.RETRYING).fields["how"] == "in place of earlier bindings"
    assert kinds(answer(machine, asked(actions), 12.2, code=0)) == ["RouteThroughAgent"]


def test_renewal_while_registering_beside_keeps_the_other_binding() -> None:
    machine = on_second_interface(BESIDE)
    up(machine, 65)
    machine.handle(BETTER, at(65))
    machine.handle(Tick(), at(55.1))  # renewed before
    beside = machine.handle(Tick(), at(67))
    sent = [action for action in beside if isinstance(action, SendDatagram)]
    assert any(action.interface == "eth0" for action in sent)
    flags = [bool(action.payload[1] & 0x80) for action in sent]
    for time in (68, 69, 70, 71):
        for action in machine.handle(Tick(), at(time)):
            if isinstance(action, SendDatagram):
                flags.append(bool(action.payload[1] & 0x80))
    assert len(flags) >= 3 and all(flags)


def test_home_is_not_made_before_broken() -> None:
    machine = on_second_interface(replace(BESIDE, hold_down=0))
    up(machine, 10)
    actions = machine.handle(home_advertisement(), at(10))
    assert kinds(actions) == ["AttachHome", "SendDatagram"]
    assert sent_request(actions).care_of_address == HOME


@pytest.mark.rfc("5944", "3.6.1.2", 19)
def test_stop_in_the_middle_deregisters_everything() -> None:
    machine = on_second_interface(BESIDE)
    up(machine, 10)
    machine.handle(BETTER, at(10))
    machine.handle(Tick(), at(12))
    gone = sent_request(machine.handle(Stopping(), at(12.1)))
    assert (gone.care_of_address, gone.lifetime) == (HOME, 0)
