"""The throughput benchmark on small lines: its C programs fit the engine, and its packets take the way they should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import build
from benchmarks.throughput.contenders import OTHERS, Contender, Engine, Ours, Plain
from benchmarks.throughput.line import HOME_ADDRESS
from benchmarks.throughput.measures import Meter
from mobileip.control.lab.namespaces import Namespaces
from mobileip.control.lab.processes import Processes

pytestmark = pytest.mark.netns

CONTENDERS = {
    "plain": (lambda: Plain(), 0),
    "raw": (lambda: Ours("raw"), 0),
    "packet": (lambda: Ours("packet"), 0),
    "gre": (lambda: Engine("gre", "GRE", build.endpoint(), encapsulation="gre"), 1),
    "many": (lambda: Engine("many", "101 tunnels", build.endpoint(), bindings=101, spread=True), 100),
    "changing": (lambda: Engine("changing", "changes", build.endpoint(), bindings=50, changes=3000), 1),
}


@pytest.fixture(params=CONTENDERS)
def measured(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Contender, Meter]]:
    make, addresses = CONTENDERS[request.param]
    contender: Contender = make()
    with Namespaces() as spaces, Processes(tmp_path) as processes:
        meter = Meter(contender.build(spaces, processes), processes, build.packets(), 2.0)
        assert meter.line.small_packets_to == (OTHERS if addresses > 1 else HOME_ADDRESS, addresses)
        yield contender, meter


def test_packets_are_counted_at_the_other_end(measured: tuple[Contender, Meter]) -> None:
    contender, meter = measured
    trial = meter.trial(64, rate=2000, seconds=0.2)
    assert trial.lossless
    assert 0 < meter.round_trips()["rtt_p50"] < 1e6
    if contender.name == "changing":
        assert 0 < contender.finish()["changes_per_s"] <= 3000 * 1.1
