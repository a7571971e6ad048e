"""The figures of the handover benchmark, from made-up samples."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest

from benchmarks.handover import cases, report
from benchmarks.handover.cases import Sample


def samples(gaps: list[float | None], *, case: str = "both", kind: str = "home → agent") -> list[Sample]:
    return [Sample(case, kind, registered=4.0, down=gap, up=gap, outage=2.0) for gap in gaps]


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(n) for n in range(1, 101)]
    random.Random(1).shuffle(values)
    assert report.percentile(values, 0.5) == 50
    assert report.percentile(values, 0.99) == 99
    assert report.percentile(values[:20], 0.99) == max(values[:20])
    assert report.percentile([7.0], 0.5) == 7.0


@pytest.mark.parametrize(
    ("gaps", "kind", "met"),
    [
        ([5.0] * 20, "home → agent", True),
        ([26.0] * 20, "home → agent", False),
        ([11.0] * 20, "agent → co-located", False),
        ([11.0] * 20, "co-located → home", True),
        ([5.0] * 19 + [101.0], "home → agent", False),
        ([5.0] * 19 + [None], "home → agent", False),
    ],
)
def test_targets(gaps: list[float | None], kind: str, met: bool) -> None:
    found = report.lines(samples(gaps, kind=kind))
    assert [line.direction for line in found] == ["down", "up"]
    assert {line.met for line in found} == {met}
    assert found[0].never == gaps.count(None)


def test_a_download_has_no_target() -> None:
    assert [line.met for line in report.lines(samples([1.0], case="download"))] == [None]


def test_up_is_measured_only_when_the_node_sends() -> None:
    assert [line.direction for line in report.lines(samples([1.0], case="down"))] == ["down"]


def test_json_says_null_of_what_never_happened(tmp_path: Path) -> None:
    file = tmp_path / "handover.json"
    report.write_json(file, samples([1.0, None]))
    content = json.loads(file.read_text())
    assert content["summary"][0]["p50"] == 1.0
    assert content["summary"][0]["p99"] is None and content["summary"][0]["never"] == 1
    assert content["machine"]["cores"] >= 1


def test_the_long_way_has_every_kind_once() -> None:
    stops = ["home", *cases.LONG_ROUND]
    moves = [cases.kind(a, b) for a, b in itertools.pairwise(stops)]
    assert len(set(moves)) == len(moves) == 7
    assert cases.LONG_ROUND[-1] == cases.ROUND[-1] == "home"
