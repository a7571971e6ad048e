"""Which router a mobile node with a co-located address uses (RFC 5944 s4.2.1, RFC 1256 s5.3)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import Action, RouteThroughTunnel
from mobileip.control.core.events import IcmpReceived, Tick
from mobileip.control.core.mobile import MobileNode
from mobileip.control.reasons import Reason
from mobileip.control.wire.icmp import sealed
from tests.unit.core.factory import AGENT, OTHER_MAC, advertisement, at, kinds, mono, none, only, reasons
from tests.unit.core.mobile import ADDRESS, SECOND_AGENT, answer, asked, down, up
from tests.unit.core.test_mobile import node

THIRD, ELSEWHERE = IPv4Address("203.0.113.3"), IPv4Address("198.51.100.99")
NEVER = -0x8000_0000


def routers(*entries: tuple[IPv4Address, int], lifetime: int = 1800, code: int = 0) -> IcmpReceived:
    """A plain router advertisement of RFC 1256."""
    fixed = struct.pack("!BBHBBH", 9, code, 0, len(entries), 2, lifetime)
    body = b"".join(address.packed + struct.pack("!i", preference) for address, preference in entries)
    return IcmpReceived(sealed(fixed + body), SECOND_AGENT, IPv4Address("224.0.0.1"), "eth0", OTHER_MAC)


def co_located(gateway: IPv4Address | None = AGENT) -> tuple[MobileNode, list[Action]]:
    machine = node()
    up(machine, 0, gateway=gateway)
    return machine, up(machine, 0.05, ADDRESS, gateway=gateway)


def gateway_of(actions: list[Action]) -> tuple[IPv4Address | None, bool]:
    """Of the route that is asked for: the router, and whether the tunnel's own packets take it too."""
    route = only(actions, RouteThroughTunnel)
    return route.gateway, route.outer


@pytest.mark.rfc("5944", "4.2.1", 2)
def test_the_preferred_one_of_those_advertised_under_our_prefix() -> None:
    machine, actions = co_located()
    assert gateway_of(actions) == (AGENT, False)
    heard = routers((ELSEWHERE, 9), (SECOND_AGENT, 1), (THIRD, 2), (ADDRESS.ip, 5))
    assert gateway_of(machine.handle(heard, at(2))) == (THIRD, True)
    none(machine.handle(heard, at(3)), RouteThroughTunnel)
    gone = machine.handle(routers((THIRD, 2), lifetime=0), at(4))
    assert gateway_of(gone) == (SECOND_AGENT, True)


@pytest.mark.rfc("5944", "4.2.1", 2)
def test_the_hosts_own_choice_wins_among_equals_and_when_there_is_no_other() -> None:
    machine, _ = co_located()
    none(machine.handle(routers((SECOND_AGENT, 0), (AGENT, 0)), at(2)), RouteThroughTunnel)
    none(machine.handle(routers((SECOND_AGENT, NEVER), (THIRD, NEVER)), at(3)), RouteThroughTunnel)
    actions = machine.handle(routers((SECOND_AGENT, 1), lifetime=10), at(4))
    assert gateway_of(actions) == (SECOND_AGENT, True)
    answer(machine, asked(actions), 4.1)
    assert machine.next_deadline() == mono(14)
    assert gateway_of(machine.handle(Tick(), at(14))) == (AGENT, False)


@pytest.mark.rfc("5944", "4.2.1", 2)
def test_a_host_without_default_route_gets_one_before_it_asks() -> None:
    machine, actions = co_located(gateway=None)
    assert machine.attachment is None and none(actions, RouteThroughTunnel)
    actions = machine.handle(routers((SECOND_AGENT, 0)), at(0.5))
    assert kinds(actions) == ["InstallTunnel", "RouteThroughTunnel", "SendDatagram"]
    assert gateway_of(actions) == (SECOND_AGENT, True)


def test_what_agents_advertise_counts_too() -> None:
    machine, _ = co_located()
    event = advertisement(
        source=SECOND_AGENT, mac=OTHER_MAC, foreign=False, home=True, routers=(SECOND_AGENT,)
    )
    assert gateway_of(machine.handle(event, at(2))) == (SECOND_AGENT, True)


@pytest.mark.rfc("1256", "5.2", 1)
@pytest.mark.parametrize("broken", [routers((SECOND_AGENT, 9), code=1), routers()])
def test_invalid_advertisements_are_discarded(broken: IcmpReceived) -> None:
    machine, _ = co_located()
    assert reasons(machine.handle(broken, at(2))) == [Reason.NOT_AN_AGENT]


@pytest.mark.rfc("1256", "5.3", 3)
def test_another_link_has_other_routers_and_not_too_many_are_kept() -> None:
    machine, _ = co_located()
    many = [(IPv4Address("203.0.113.100") + number, number) for number in range(40)]
    assert gateway_of(machine.handle(routers(*many), at(2))) == (many[-1][0], True)
    link = machine.table.link("eth0")
    assert link is not None and len(link.routers) == 16
    machine.handle(routers(), at(3))
    down(machine, 4)
    assert link.routers == {}
