"""The measuring programs, over a plain routed path: they must notice what they are there to notice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.namespaces import LabError
from mobileip.control.lab.stream import Pattern
from mobileip.control.lab.topology import HOME_ADDRESS, HOME_AGENT, NODE_INTERFACE
from mobileip.control.lab.traffic import Flow, Probes, Transfer
from mobileip.control.lab.waiting import NeverHappened, contains, eventually

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def path(networks: Lab) -> Iterator[Lab]:
    """The node at home as any host is."""
    networks.move_to("home")
    networks.node.namespace.ip(
        f"addr add {HOME_ADDRESS} dev {NODE_INTERFACE}", f"route add default via {HOME_AGENT}"
    )
    yield networks


def test_probes_both_ways(path: Lab) -> None:
    path.correspondent.ping(HOME_ADDRESS.ip)  # every neighbour on the way is resolved now
    probes = Probes(path.processes, path.topology)
    probes.send(down_us=1000, up_us=2000)
    eventually(probes.counts, lambda c: c[0][1] > 200 and c[1][1] > 100)
    probes.send(down_us=0, up_us=0)
    eventually(
        probes.counts, lambda c: all(sent == received for sent, received in c), what="every probe to come"
    )
    down, up = probes.take()
    probes.stop()
    for flow in (down, up):
        assert flow.lost(0, time.monotonic_ns()) == 0
        delays = [came - sent for _, sent, came in flow.received]
        assert min(delays) > 0
        assert sorted(delays)[len(delays) // 2] < 5_000_000
    assert abs(len(down.sent) - 2 * len(up.sent)) < 0.2 * len(down.sent)


def test_probes_count_what_is_lost(path: Lab) -> None:
    probes = Probes(path.processes, path.topology)
    probes.send(down_us=1000, up_us=1000)
    eventually(probes.counts, lambda c: c[0][1] > 20 and c[1][1] > 20)
    down_at = path.leave()
    before = probes.counts()
    eventually(
        probes.counts, lambda c: all(now[0] >= then[0] + 100 for now, then in zip(c, before, strict=True))
    )
    move = path.move_to("home")
    assert probes.newest()
    # Probes of the new link, sent well after it came: those that a neighbour's queue held back are in by then.
    eventually(probes.newest, lambda newest: min(newest) > move.up_at + 50_000_000)
    down, up = probes.take()
    probes.stop()
    outage = (move.up_at - down_at) / 1e6
    assert down.lost(down_at, move.up_at) >= 50
    assert 0.5 * outage <= down.lost(down_at, move.up_at) <= outage + 5
    # Not counted: a host's kernel keeps packets for a router that it is asking for, and sends them later.
    assert len([at for _, at in up.sent if down_at <= at < move.up_at]) > 0.5 * outage
    for flow in (down, up):
        first = flow.first_received(down_at)
        # The watcher reads its clock after the kernel told it of the link; a probe may be quicker by that much.
        assert first is not None and first >= move.up_at - 1_000_000


def test_transfer_arrives_whole_over_a_lost_link(path: Lab) -> None:
    transfer = Transfer(path.processes, path.topology)
    transfer.send(down=8192, up=4096, every_us=5000)
    eventually(transfer.received, lambda r: min(r) > 100_000)
    path.leave()
    path.move_to("home")
    before = transfer.received()
    eventually(transfer.received, lambda r: r[0] > before[0] + 100_000 and r[1] > before[1] + 50_000)
    verdict = transfer.finish()
    assert verdict.survived and verdict.checksum_ok and not verdict.reason
    assert verdict.bytes > 350_000


def test_transfer_notices_a_wrong_byte(path: Lab) -> None:
    """Two ends that disagree about the seed are two ends between which bytes change."""
    transfer = Transfer(path.processes, path.topology, seed=1, node_seed=2)
    transfer.send(down=1000, up=0, every_us=5000)
    eventually(transfer.received, lambda r: r[0] > 5000)
    verdict = transfer.finish()
    assert verdict.survived and not verdict.checksum_ok
    assert "byte 0" in verdict.reason


def test_transfer_notices_a_dead_connection(path: Lab) -> None:
    transfer = Transfer(path.processes, path.topology)
    transfer.send(down=1000, up=1000, every_us=5000)
    eventually(transfer.received, lambda r: min(r) > 5000)
    transfer.node.stop()
    verdict = transfer.finish(within=1)
    assert not verdict.survived and not verdict.checksum_ok and verdict.reason


def test_transfer_needs_a_way(path: Lab) -> None:
    path.leave()
    try:
        with pytest.raises(LabError):
            Transfer(path.processes, path.topology, within=1)
    finally:
        path.move_to("home")


def test_pattern_does_not_depend_on_how_it_is_taken() -> None:
    whole, parts = Pattern(5), Pattern(5)
    assert whole.take(200_000) == b"".join(parts.take(n) for n in (1, 65535, 65537, 7, 68920))


def test_flow_counts_by_number_and_time() -> None:
    flow = Flow(sent=[(1, 10), (2, 20), (3, 30), (4, 40)], received=[(1, 10, 15), (4, 40, 48)])
    assert flow.lost(0, 100) == 2
    assert flow.lost(25, 40) == 1
    assert flow.first_received(11) == 48
    assert flow.first_received(41) is None


def test_eventually_says_what_it_saw() -> None:
    with pytest.raises(NeverHappened, match=r"the moon: not within 0.05 s; last seen: 'cheese'\nlog"):
        eventually(lambda: "cheese", lambda _: False, within=0.05, what="the moon", explain=lambda: "log")


def test_contains_is_a_subset_comparison() -> None:
    seen = {"a": 1, "list": [{"x": 1, "y": 2}, {"x": 3}]}
    assert contains(seen, {"list": [{"x": 3}, {"y": 2}]})
    assert not contains(seen, {"list": [{"x": 3, "y": 2}]})
    assert not contains(seen, {"b": None})
