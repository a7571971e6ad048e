"""The mobile node when its kernel refuses: moves are made again, renewals left to their timers."""

from __future__ import annotations

import pytest

from mobileip.control.core.actions import (
    Action,
    AttachHome,
    DetachHome,
    InstallTunnel,
    RouteThroughAgent,
    RouteThroughTunnel,
    SendDatagram,
    SendIcmp,
)
from mobileip.control.core.events import ActionFailed, Tick
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.reasons import Reason
from tests.unit.core.factory import advertisement, at, home_advertisement, kinds, mono, only, reasons
from tests.unit.core.test_mobile import node
from tests.unit.core.test_moves import ADDRESS, answer, at_home, co_located, down, up


def fail(machine: MobileNode, action: Action, time: float) -> None:
    actions = machine.handle(ActionFailed(action, "refused"), at(time))
    assert reasons(actions) == [Reason.ACTION_FAILED] and kinds(actions) == []


@pytest.mark.parametrize("kind", [InstallTunnel, RouteThroughTunnel, SendDatagram])
def test_move_that_failed_is_made_again_after_a_second(kind: type[Action]) -> None:
    """Also when the request could not leave: what follows it in the list was not done."""
    machine = node()
    up(machine, 0)
    fail(machine, only(up(machine, 0.1, ADDRESS), kind), 0.1)
    actions = machine.handle(Tick(), at(1.1))
    assert [name for name in kinds(actions) if name not in ("SendIcmp", "DetachHome")] == [
        "SendDatagram",
        "InstallTunnel",
        "RouteThroughTunnel",
    ]


def test_move_after_a_failure_does_not_wait() -> None:
    machine = node()
    up(machine, 0)
    fail(machine, only(machine.handle(advertisement(), at(0)), RouteThroughAgent), 0)
    assert "Unroute" in kinds(down(machine, 0.2))
    assert machine.state is State.DISCONNECTED


def test_after_a_failure_everything_that_may_be_left_is_removed() -> None:
    machine = node()
    co_located(machine)
    failed = only(machine.handle(home_advertisement(), at(2)), AttachHome)
    fail(machine, failed, 2)  # so the tunnel was not removed either
    assert kinds(down(machine, 2.5)) == ["DetachHome", "RemoveTunnel", "Unroute"]
    machine = node()
    at_home(machine)
    machine.handle(advertisement(lifetime=9000), at(1))
    request_ = only(machine.handle(Tick(), at(3)), SendDatagram)
    fail(machine, request_, 3)
    actions = machine.handle(Tick(), at(4))
    assert kinds(actions) == ["DetachHome", "SendDatagram", "RouteThroughAgent", "RemoveTunnel"]
    assert only(actions, DetachHome).interface == "eth0"


def test_failed_renewal_is_left_to_its_timer() -> None:
    machine = node()
    up(machine, 0)
    answer(machine, machine.handle(advertisement(lifetime=9000), at(0)), 0.1)
    deadline = machine.next_deadline()
    assert deadline is not None
    time = (deadline - mono(0)) / 1e9
    fail(machine, only(machine.handle(Tick(), at(time)), SendDatagram), time)
    actions = machine.handle(Tick(), at(time + 1))
    assert kinds(actions) == ["SendDatagram"] and machine.state is State.REGISTERED


def test_failed_solicitation_is_left_to_the_next() -> None:
    machine = node()
    fail(machine, only(up(machine, 0), SendIcmp), 0)
    assert machine.next_deadline() is not None and machine.state is State.DISCONNECTED
