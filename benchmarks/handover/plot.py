"""The plot of a handover benchmark: every move a dot."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.handover.cases import CASES, Sample
from benchmarks.handover.report import P99_TARGET, kinds, machine, median_target, percentile

_TITLES: Final = {
    "both": "both ends send",
    "down": "only the correspondent sends",
    "download": "TCP download, bytes to the application",
}
_COLOURS: Final = {"down": "#1f6fb4", "up": "#d9730d"}
_FLOOR: Final = 0.5  # ms; what is quicker is drawn here


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Write a PNG or SVG, by the name's ending."""
    cases = [case for case in CASES if any(sample.case == case for sample in samples)]
    figure, axes = pyplot.subplots(1, len(cases), figsize=(4.6 * len(cases), 4.8), sharey=True, squeeze=False)
    for place, (case, axis) in enumerate(zip(cases, axes[0], strict=True)):
        _draw_case(axis, [sample for sample in samples if sample.case == case], _TITLES[case])
        if place == 0:
            axis.set_ylabel("ms from link-up to the first packet")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    facts = machine()
    figure.suptitle("Mobile IPv4 handovers", fontweight="bold")
    figure.text(
        0.5,
        0.905,
        f"{facts['processor']}, {facts['cores']} cores, Linux {facts['kernel']}",
        ha="center",
        size=8,
    )
    figure.tight_layout(rect=(0, 0.06, 1, 0.94))
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _draw_case(axis: Axes, samples: Sequence[Sample], title: str) -> None:
    jitter = random.Random(434)
    for place, kind in enumerate(kinds(samples)):
        for shift, direction in ((-0.16, "down"), (0.16, "up")):
            gaps = [getattr(sample, direction) for sample in samples if sample.kind == kind]
            gaps = [max(_FLOOR, gap) for gap in gaps if gap is not None]
            if not gaps:
                continue
            at = [place + shift + jitter.uniform(-0.09, 0.09) for _ in gaps]
            axis.scatter(
                at, gaps, s=14, alpha=0.6, color=_COLOURS[direction], label=direction if place == 0 else "_"
            )
            median = percentile(gaps, 0.5)
            axis.hlines(
                median, place + shift - 0.14, place + shift + 0.14, color=_COLOURS[direction], linewidth=2
            )
            side, align = (-11, "right") if direction == "down" else (11, "left")
            where = (place + shift, median)
            axis.annotate(f"{median:.1f}", where, (side, -3), textcoords="offset points", ha=align, size=8)
        if samples[0].case == "download":
            continue  # no target: TCP's own recovery is in it
        target = median_target(kind)
        label = "target of the median" if place == 0 else "_"
        axis.hlines(target, place - 0.4, place + 0.4, color="grey", linestyle="--", linewidth=1, label=label)
    if samples[0].case != "download":
        axis.axhline(P99_TARGET, color="firebrick", linestyle=":", linewidth=1, label="target of p99")
    axis.set_xlim(-0.6, len(kinds(samples)) - 0.4)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_xticks(
        range(len(kinds(samples))),
        [kind.replace(" → ", "\n→ ") for kind in kinds(samples)],
        size=8,
    )
    axis.grid(axis="y", alpha=0.3)
    axis.set_title(title, size=10)
