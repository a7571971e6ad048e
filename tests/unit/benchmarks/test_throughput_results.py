"""Medians, ratios and targets, from figures that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.throughput import document, iperf, plot, report
from benchmarks.throughput.results import VETH, WIRE, Results, targets
from benchmarks.throughput.usage import Moment, idle_seconds

KINDS = {
    "plain": "limit",
    "vxlan": "kernel",
    "ours": "ours",
    "ours2": "ours",
    "quick": "peer",
    "slow": "peer",
    "ipip": "variant",
    "gre": "variant",
    "minimal": "variant",
    "million": "variant",
    "millions": "variant",
    "thousand": "variant",
    "changing": "variant",
}


def full() -> Results:
    results = Results(titles={name: name for name in KINDS}, kinds=dict(KINDS))
    tcp = {"plain": 10.0, "vxlan": 9.0, "ours": 6.0, "ours2": 9.0, "quick": 2.0, "slow": 1.0}
    for name, rate in tcp.items():
        for series in (VETH, WIRE):
            results.add(series, name, {"tcp1_down": rate, "tcp1_up": rate})
    for name, rate in {"plain": 500e3, "ours": 400e3, "ours2": 300e3, "quick": 100e3, "slow": 200e3}.items():
        results.add(VETH, name, {"udp64": rate, "rtt_p50": 1e7 / rate})
    for name, ns in {"plain": 1000, "ours": 3000, "ours2": 2000, "quick": 6000, "slow": 9000}.items():
        results.add(VETH, name, {"cpu_packet": ns})
    for name, rate in {
        "ipip": 100.0,
        "gre": 95.0,
        "minimal": 80.0,
        "million": 99.0,
        "thousand": 50.0,
        "millions": 48.5,
        "changing": 50.0,
    }.items():
        results.add(VETH, name, {"udp64": rate, "tcp1_down": rate})
    results.memory = {"encapsulate_million_ns": 10.0, "copy_512_ns": 20.0}
    return results


def test_medians_are_of_the_rounds() -> None:
    results = Results(titles={"a": "A"}, kinds={"a": "ours"})
    for value in (3.0, 1.0, 100.0):
        results.add(VETH, "a", {"udp64": value})
    assert results.median(VETH, "a", "udp64") == 3.0
    assert results.median(WIRE, "a", "udp64") is None


def test_cpu_is_what_is_added_to_plain_forwarding() -> None:
    results = full()
    assert results.median(VETH, "ours", "cpu_added") == 2000
    assert results.median(VETH, "plain", "cpu_added") is None
    assert results.best(VETH, ["quick", "slow"], "cpu_added") == ("quick", 5000)


def test_targets_take_our_best_back_end_and_the_best_peer() -> None:
    rows = targets(full())
    assert [row.value for row in rows] == pytest.approx(
        [0.9, 1.0, 4.5, 0.8, 2.0, 0.2, 0.8, 0.97, 0.5, 10.0, 0.5, 0.5]
    )
    assert [row.met for row in rows] == [
        True, True, True, False, True, True, False, True, False, True, True, True
    ]  # fmt: skip
    assert "ours 0.60, ours2 0.90" in rows[0].remark and "slow" in rows[4].remark


def test_negative_cpu_time_is_no_victory() -> None:
    results = full()
    results.add(VETH, "ours2", {"cpu_packet": -9000})
    assert targets(results)[5].value == pytest.approx(2000 / 5000)
    results.add(VETH, "quick", {"cpu_packet": -9000})
    assert targets(results)[5].met is None


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    results = full()
    del results.samples[WIRE]
    del results.samples[VETH]["minimal"]
    rows = targets(results)
    assert [row.met for row in rows[:2]] == [None, None]
    assert rows[6].value is None and rows[7].value is not None
    assert all(row.met is None for row in targets(Results()))


def test_page_and_plot(tmp_path: Path) -> None:
    results = full()
    results.facts = {**report.machine(), "rounds": 3, "seconds": 1.0}
    results.failures.append("ours, veth: nothing arrived")
    text = document.page(results, "plot.svg")
    assert "| ours | 6 | 6 | 400 | 25 | 2000 |" in text
    assert "| lossless 64-byte UDP, to the best user-space peer | 2 | ≥ 2 | met |" in text
    assert "nothing arrived" in text and "{" not in text
    plot.draw(results, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text().count("<svg") == 1


def test_written_and_shown(tmp_path: Path) -> None:
    results = full()
    results.left_out["tinc"] = "the program `tincd` is missing"
    report.write_json(tmp_path / "r.json", results)
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["medians"]["veth"]["ours"]["cpu_added"] == 2000
    assert content["targets"][3]["met"] is False
    headings, rows = report.grid(results, VETH)
    assert headings[0] == "TCP 1 ↓, Gbit/s" and ["plain", "10", "10", "500", "20", ""] in rows
    assert any("tincd" in line for line in report.remarks(results))


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (1234.5, "1234"), (12.345, "12.3"), (0.0123, "0.0123")]
)
def test_three_digits(value: float | None, text: str) -> None:
    assert report.shown(value) == text


def test_iperf_answer() -> None:
    received, sent = {"bytes": 2_500_000_000, "seconds": 2.0}, {"retransmits": 7}
    flow = iperf.parse(json.dumps({"end": {"sum_received": received, "sum_sent": sent}}))
    assert (flow.rate, flow.retransmits) == (10.0, 7)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "iperf3 said"),
        ('{"error": "unable to connect"}', "unable to connect"),
        ('{"end": {}}', "sum_received"),
        ('{"end": {"sum_received": {"bytes": 0, "seconds": 1}, "sum_sent": {"retransmits": 0}}}', "nothing"),
    ],
)
def test_iperf_failures(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        iperf.parse(text)


def test_busy_is_what_was_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    line = "cpu  10 0 20 {idle} 5 1 2 {steal} 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n"
    before = Moment.now(line.format(idle=1000, steal=0), at=50.0)
    after = Moment.now(line.format(idle=1100, steal=20), at=51.0)
    assert idle_seconds(line.format(idle=1000, steal=0)) == pytest.approx(10.05)
    assert after.busy_since(before) == pytest.approx(2 - 1.2)
