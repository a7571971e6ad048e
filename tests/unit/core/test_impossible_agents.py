"""Advertisements of agents that there cannot be: no node tries one, and each is counted."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import SendDatagram
from mobileip.control.core.mobile import State
from mobileip.control.reasons import Reason
from tests.unit.core.factory import (
    CARE_OF,
    HOME,
    OTHER_CARE_OF,
    advertisement,
    at,
    none,
    note,
    reasons,
)
from tests.unit.core.mobile import answer, asked, up, visiting
from tests.unit.core.test_mobile import node

NOBODY = [
    IPv4Address(text)
    for text in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.11", "240.0.0.1", "255.255.255.255")
]


@pytest.mark.parametrize("address", [HOME, *NOBODY], ids=str)
def test_from_an_address_that_no_agent_has(address: IPv4Address) -> None:
    machine = node()
    up(machine, 0)
    actions = machine.handle(advertisement(source=address, routers=(OTHER_CARE_OF,)), at(1))
    assert reasons(actions) == [Reason.IMPOSSIBLE_AGENT]
    assert note(actions, Reason.IMPOSSIBLE_AGENT).fields["address"] == address
    none(actions, SendDatagram)


@pytest.mark.parametrize("address", [HOME, *NOBODY], ids=str)
def test_with_a_care_of_address_that_no_agent_has(address: IPv4Address) -> None:
    machine = node()
    up(machine, 0)
    actions = machine.handle(advertisement(care_of=(CARE_OF, address)), at(1))
    assert reasons(actions) == [Reason.IMPOSSIBLE_AGENT]
    assert note(actions, Reason.IMPOSSIBLE_AGENT).fields["address"] == address
    none(actions, SendDatagram)


def test_the_real_agent_is_kept_beside_them_and_heard_after_them() -> None:
    machine, payload = visiting()
    answer(machine, payload, 0.1)
    machine.handle(advertisement(care_of=(NOBODY[1],), lifetime=9000), at(1))
    assert machine.state is State.REGISTERED
    fresh = node()
    up(fresh, 0)
    fresh.handle(advertisement(source=HOME), at(1))
    assert asked(fresh.handle(advertisement(), at(2)))
