"""What the tunnels of one home address have carried, without a look at those of others."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.dataplane import Side
from tests.unit.dataplane.link import Link, counted
from tests.unit.dataplane.packets import HOME, home_end, inner

pytestmark = pytest.mark.netns

SECOND = IPv4Address("192.0.2.3")


def test_only_its_own_and_only_of_the_side(cable: Link) -> None:
    cable.away.ip(f"addr add {SECOND}/24 dev wire")
    engine = cable.engine(cable.home)
    assert engine.tunnels_of(HOME, Side.HOME) == []
    engine.install(home_end())
    engine.install(replace(home_end(), remote=SECOND), beside=True)
    engine.install(replace(home_end(), home_address=IPv4Address("10.1.0.99")))
    engine.start()
    wire = cable.tap(cable.away, "wire")
    cable.send(cable.home, [inner(size=100)] * 3)
    wire.take(6)
    counted(engine, "encapsulated-packets", 6)
    found = engine.tunnels_of(HOME, Side.HOME)
    assert {status.tunnel.remote for status in found} == {home_end().remote, SECOND}
    assert [(status.out.packets, status.out.bytes) for status in found] == [(3, 300), (3, 300)]
    assert found == [status for status in engine.tunnels() if status.tunnel.home_address == HOME]
    assert engine.tunnels_of(HOME, Side.CARE_OF) == []
    engine.install(replace(home_end(), remote=SECOND))
    (kept,) = engine.tunnels_of(HOME, Side.HOME)
    assert kept.out.packets == 3, "what takes the place of others keeps the counts of one"
