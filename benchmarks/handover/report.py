"""What the samples say: a table against the targets, a JSON file, a plot."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from benchmarks.handover.cases import CASES, Sample

P99_TARGET: Final = 100.0  # ms
DIRECTIONS: Final = ("down", "up")


def median_target(kind: str) -> float:
    """Milliseconds to the first packet: with a co-located care-of address, and on links that have an
    agent.
    """
    return 10.0 if kind.endswith("→ co-located") else 25.0


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of move under one kind of traffic in one direction; milliseconds. ``never``: moves without
    a packet.
    """

    case: str
    kind: str
    direction: str
    moves: int
    never: int
    registered_p50: float
    p50: float
    p99: float
    met: bool | None  # None: no target, because the figure contains TCP's own recovery


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank: the smallest value that at least ``share`` of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def kinds(samples: Sequence[Sample]) -> list[str]:
    """Those that were measured, in the order of the way."""
    return list(dict.fromkeys(sample.kind for sample in samples))


def lines(samples: Sequence[Sample]) -> list[Line]:
    return [
        line
        for case in CASES
        for kind in kinds(samples)
        for direction in DIRECTIONS
        if (line := _line([s for s in samples if (s.case, s.kind) == (case, kind)], case, kind, direction))
    ]


def _line(samples: Sequence[Sample], case: str, kind: str, direction: str) -> Line | None:
    if not samples or (direction == "up" and case != "both"):
        return None
    # A packet that never came is later than any other.
    gaps = [math.inf if gap is None else gap for gap in (getattr(sample, direction) for sample in samples)]
    registered = [math.inf if sample.registered is None else sample.registered for sample in samples]
    p50, p99 = percentile(gaps, 0.50), percentile(gaps, 0.99)
    return Line(
        case=case,
        kind=kind,
        direction=direction,
        moves=len(gaps),
        never=sum(map(math.isinf, gaps)),
        registered_p50=percentile(registered, 0.50),
        p50=p50,
        p99=p99,
        met=None if case == "download" else p50 <= median_target(kind) and p99 <= P99_TARGET,
    )


def table(samples: Sequence[Sample]) -> Table:
    shown = Table(
        box=SIMPLE_HEAD,
        title="ms from link-up to the first packet (reg.: to the registration, p50)",
        padding=(0, 1, 0, 0),
    )
    for heading in ("case", "move", ""):
        shown.add_column(heading, no_wrap=True)
    for heading in ("n", "reg.", "p50", "p99", "target"):
        shown.add_column(heading, justify="right", no_wrap=True)
    before = ""
    for line in lines(samples):
        if before and line.case != before:
            shown.add_section()
        shown.add_row(
            line.case if line.case != before else "",
            line.kind,
            line.direction,
            str(line.moves),
            f"{line.registered_p50:.1f}",
            f"{line.p50:.1f}",
            f"{line.p99:.1f}",
            _judged(line),
        )
        before = line.case
    return shown


def _judged(line: Line) -> Text:
    if line.met is None:
        return Text("none", "grey62")
    target = f"{median_target(line.kind):.0f}/{P99_TARGET:.0f}"
    return Text(f"{target} {'met' if line.met else 'MISSED'}", "green" if line.met else "bold red")


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    models = [s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("model name")]
    return {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processor": models[0].split(":", 1)[1].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
    }


def write_json(path: Path, samples: Sequence[Sample]) -> None:
    """Infinite figures, for what never happened, are written as null."""
    summary = [asdict(line) for line in lines(samples)]
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "summary": [{k: None if v == math.inf else v for k, v in line.items()} for line in summary],
        "samples": [asdict(sample) for sample in samples],
    }
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
