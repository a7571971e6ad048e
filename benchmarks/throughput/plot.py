"""The plot of a throughput benchmark: bars of medians, and a dot for every round."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.throughput.report import shown
from benchmarks.throughput.results import FIGURES, VETH, WIRE, Results

_PANELS: Final = (
    (WIRE, "tcp1_down", "TCP, 1 stream, 1500-byte packets on the wire"),
    (VETH, "tcp1_down", "TCP, 1 stream, links that take 64 KB"),
    (VETH, "udp64", "64-byte packets without loss"),
    (VETH, "rtt_p50", "round trip, median"),
    (VETH, "cpu_added", "CPU added to a 64-byte packet"),
    (WIRE, "cpu_per_gigabit", "CPU of everything for a gigabit of TCP"),
)
_COLOURS: Final = {
    "limit": "#888888",
    "kernel": "#b0b0b0",
    "ours": "#d9730d",
    "peer": "#1f6fb4",
    "variant": "#f0b070",
}


def draw(results: Results, path: Path) -> None:
    """Write an SVG or PNG, by the name's ending."""
    figure, axes = pyplot.subplots(2, 3, figsize=(14, 7.5))
    for axis, (series, name, title) in zip(axes.flat, _PANELS, strict=True):
        _draw_panel(axis, results, series, name, title)
    facts = results.facts
    figure.suptitle("Tunnels beside each other", fontweight="bold")
    if facts:
        where = f"{facts['processor']}, {facts['cores']} cores for both ends and all traffic, Linux {facts['kernel']}"
        figure.text(0.5, 0.935, where, ha="center", size=8)
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    with matplotlib.rc_context({"svg.fonttype": "none"}):  # letters, not their outlines
        figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _draw_panel(axis: Axes, results: Results, series: str, name: str, title: str) -> None:
    figure = FIGURES[name]
    axis.set_title(title, size=10)
    axis.set_xlabel(f"{figure.unit}, {'more' if figure.larger_is_better else 'less'} is better", size=8)
    found = [
        (contender, median * figure.scale)
        for contender in results.titles
        if (median := results.median(series, contender, name)) is not None
    ]
    for place, (contender, median) in enumerate(found):
        axis.barh(place, median, color=_COLOURS[results.kinds[contender]], height=0.7)
        samples = results.samples[series][contender].get(name, [])
        axis.plot([s * figure.scale for s in samples], [place] * len(samples), "k.", markersize=3)
        axis.annotate(f" {shown(median)}", (max(median, 0), place), va="center", size=8)
    axis.set_yticks(range(len(found)), [results.titles[contender] for contender, _ in found], size=8)
    axis.invert_yaxis()
    axis.margins(x=0.18)
    axis.grid(axis="x", alpha=0.3)
