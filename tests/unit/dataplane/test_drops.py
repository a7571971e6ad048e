"""What is dropped is counted in packets and bytes, for its reason and its tunnel, each way apart."""

from __future__ import annotations

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Amount, DropReason, Engine, Traffic
from tests.unit.dataplane.link import Link, counted
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    OTHER_HOME,
    STRANGER,
    care_of_end,
    home_end,
    inner,
    outer,
)

pytestmark = pytest.mark.netns

NOTHING = Amount(0, 0)


def dropped(engine: Engine) -> dict[DropReason, tuple[Amount, Amount]]:
    """By reason, out and in; the packets are what the counters say too."""
    counters, found = engine.counters(), {}
    for one in engine.drops():
        assert one.out.packets + one.into.packets == counters[one.reason.label], one.reason
        if (one.out, one.into) != (NOTHING, NOTHING):
            found[one.reason] = one.out, one.into
    return found


def carried(engine: Engine) -> list[tuple[Traffic, Traffic]]:
    return [(status.out, status.into) for status in engine.tunnels()]


def test_on_the_way_into_tunnels(cable: Link) -> None:
    engine = cable.engine(cable.home, mtu=1480)
    engine.install(home_end(1000))
    engine.start()
    cable.send(cable.home, [inner(destination=OTHER_HOME, size=size) for size in (100, 1400)])
    cable.send(cable.home, [inner(size=size, flags="DF") for size in (1001, 1480)])
    cable.send(cable.home, [inner(source=CARE_OF, size=500), inner(size=1000, flags="DF")])
    counted(engine, "encapsulated-packets", 1)
    assert dropped(engine) == {
        DropReason.NO_BINDING: (Amount(2, 1500), NOTHING),
        DropReason.TOO_BIG: (Amount(2, 2481), NOTHING),
        DropReason.LOOP_SOURCE_IS_EXIT: (Amount(1, 500), NOTHING),
    }
    assert carried(engine) == [(Traffic(1, 1000, 3, 2981), Traffic(0, 0, 0, 0))]


def test_on_the_way_out_of_tunnels(cable: Link) -> None:
    """What could not be unpacked with its outer header, everything else without."""
    engine = cable.engine(cable.home)
    engine.install(home_end())
    engine.start()
    back = inner(HOME, CORRESPONDENT, size=300)
    wrong = IP(src=str(CARE_OF), dst=str(AGENT), proto=4) / back
    wrong[IP].payload.chksum = 1
    cable.send(cable.away, [outer(back, STRANGER, AGENT), outer(back, CARE_OF, AGENT), IP(bytes(wrong))])
    cable.send(cable.away, [outer(inner(OTHER_HOME, size=200), CARE_OF, AGENT)] * 2)
    counted(engine, "no-binding", 2)
    assert dropped(engine) == {
        DropReason.NO_BINDING: (NOTHING, Amount(2, 400)),
        DropReason.WRONG_OUTER_SOURCE: (NOTHING, Amount(1, 300)),
        DropReason.INNER_CHECKSUM: (NOTHING, Amount(1, 320)),
    }
    assert [into for _, into in carried(engine)] == [Traffic(1, 300, 1, 300)]


def test_a_new_tunnel_begins_at_nothing(cable: Link) -> None:
    engine = cable.engine(cable.away)
    engine.install(care_of_end(1000))
    engine.start()
    cable.send(cable.away, [inner(HOME, CORRESPONDENT, size=1200, flags="DF")])
    eventually(
        lambda: carried(engine),
        lambda seen: seen == [(Traffic(0, 0, 1, 1200), Traffic(0, 0, 0))],
        what="drop",
    )
    tunnel = care_of_end(1000)
    engine.remove(tunnel.home_address, tunnel.side)
    engine.install(tunnel)
    assert carried(engine) == [(Traffic(0, 0, 0), Traffic(0, 0, 0))]
    assert dropped(engine)[DropReason.TOO_BIG] == (Amount(1, 1200), NOTHING), "the engine's own goes on"
