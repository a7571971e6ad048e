"""What the results say: tables, the rows of targets, a JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.throughput.results import FIGURES, SERIES, Results, Target, targets


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    models = [s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("model name")]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processor": models[0].split(":", 1)[1].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 1),
    }


def shown(value: float | None, scale: float = 1.0) -> str:
    """Three digits, as much as such figures are good for."""
    if value is None:
        return ""
    value *= scale
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def grid(results: Results, series: str) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a series: medians."""
    figures = [
        name
        for name in FIGURES
        if any(results.median(series, contender, name) is not None for contender in results.titles)
    ]
    headings = [f"{FIGURES[name].title}, {FIGURES[name].unit}" for name in figures]
    rows = [
        [title, *(shown(results.median(series, contender, name), FIGURES[name].scale) for name in figures)]
        for contender, title in results.titles.items()
        if contender in results.samples.get(series, {})
    ]
    return headings, rows


def tables(results: Results) -> Iterator[Table]:
    for series, title in SERIES.items():
        headings, rows = grid(results, series)
        if not rows:
            continue
        table = Table("", title=f"{series}: {title}", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for heading in headings:
            table.add_column(heading.replace(", ", "\n"), justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        yield table
    table = Table("ratio", "measured", "target", "", "", title="against the targets", box=SIMPLE_HEAD)
    for target in targets(results):
        table.add_row(target.text, shown(target.value), bound(target), verdict(target), target.remark)
    yield table


def bound(target: Target) -> str:
    return f"{'≥' if target.at_least else '≤'} {target.bound:g}"


def verdict(target: Target) -> str:
    return {None: "not measured", True: "met", False: "not met"}[target.met]


def remarks(results: Results) -> Iterator[str]:
    for title, reason in results.left_out.items():
        yield f"left out: {title}: {reason}"
    for failure in results.failures:
        yield f"failed: {failure}"
    yield ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in results.facts.items())


def write_json(path: Path, results: Results) -> None:
    medians = {
        series: {
            contender: {
                figure: value
                for figure in FIGURES
                if (value := results.median(series, contender, figure)) is not None
            }
            for contender in of_series
        }
        for series, of_series in results.samples.items()
    }
    rows = [{**asdict(target), "met": target.met} for target in targets(results)]
    content = {**asdict(results), "medians": medians, "targets": rows}
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
