"""The command: ``python -m benchmarks.handover [--moves N] [--case both|down|download]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.handover import cases, report
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.namespaces import LabError
from mobileip.control.lab.waiting import NeverHappened


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.handover",
        description="Measure handovers of the real daemons, in network namespaces. Needs root.",
    )
    parser.add_argument(
        "--moves", type=int, default=20, metavar="N", help="moves of each kind in each case (20)"
    )
    parser.add_argument(
        "--case", action="append", choices=cases.CASES, help="only this case; may be repeated"
    )
    parser.add_argument("--all-kinds", action="store_true", help="also the less usual kinds of moves")
    parser.add_argument("--stay", type=float, default=0.8, metavar="S", help="seconds on each link (0.8)")
    parser.add_argument("--output", type=Path, default=Path("build/handover"), metavar="PREFIX")
    options = parser.parse_args()
    wanted = options.case or cases.CASES
    console = Console() if sys.stdout.isatty() else Console(width=100)
    try:
        way = cases.LONG_ROUND if options.all_kinds else cases.ROUND
        samples = _measure(console, wanted, way, options.moves, options.stay)
    except (LabError, NeverHappened, AssertionError) as failure:
        sys.exit(f"handover benchmark: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    _write(console, samples, options.output)


def _measure(
    console: Console, wanted: Sequence[str], way: Sequence[str], moves: int, stay: float
) -> list[cases.Sample]:
    samples: list[cases.Sample] = []
    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Lab() as lab, Progress(*columns, console=console, refresh_per_second=1) as progress:
        lab.start()
        lab.wait_registered(within=15)
        for case in wanted:
            task = progress.add_task(case, total=moves * len(way))
            for sample in cases.run(lab, case, way, moves, stay):
                samples.append(sample)
                progress.advance(task)
    return samples


def _write(console: Console, samples: list[cases.Sample], prefix: Path) -> None:
    console.print(report.table(samples))
    facts = report.machine()
    console.print(
        ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items()), highlight=False
    )
    prefix.parent.mkdir(parents=True, exist_ok=True)
    data, picture = prefix.with_suffix(".json"), prefix.with_suffix(".svg")
    report.write_json(data, samples)
    console.print(f"figures: {data}")
    try:
        from benchmarks.handover import plot
    except ImportError as missing:
        console.print(f"no plot: {missing}; pip install matplotlib")
        return
    plot.draw(samples, picture)
    console.print(f"plot: {picture}")


if __name__ == "__main__":
    main()
