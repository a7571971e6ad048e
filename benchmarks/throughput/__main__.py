"""The command: ``python -m benchmarks.throughput [--quick] [--only NAME,...] [--engine TREE]``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import build
from benchmarks.memory import batch
from benchmarks.throughput import document, peers, report
from benchmarks.throughput.contenders import Contender, Engine, Kind, Ours, Plain, Vxlan
from benchmarks.throughput.results import SERIES, Results
from benchmarks.throughput.session import Plan, opened
from mobileip.control.lab.namespaces import LabError
from mobileip.control.lab.waiting import NeverHappened

_MILLION: Final = 1_000_000
_CHANGES: Final = 50_000
_CHANGING: Final = 65_536  # tunnels


def main() -> None:
    options = _options()
    console = Console() if sys.stdout.isatty() else Console(width=140)
    started = time.monotonic()
    try:
        results = _measure(console, options)
    except (LabError, NeverHappened) as failure:
        sys.exit(f"throughput benchmark: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    results.facts |= report.machine() | {
        "minutes": round((time.monotonic() - started) / 60, 1),
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    for table in report.tables(results):
        console.print(table)
    for line in report.remarks(results):
        console.print(line, highlight=False)
    _write(console, results, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description="Measure tunnels beside each other, in network namespaces. Needs root.",
    )
    add = parser.add_argument
    add(
        "--only",
        metavar="NAME,...",
        help="only these contenders (ours: with every underlay), each measured in full; see --list",
    )
    add("--list", action="store_true", help="print the names of the contenders")
    add("--engine", type=Path, metavar="TREE", help="also the engine of this checkout, as `other`")
    add("--series", choices=tuple(SERIES), action="append", help="only this series")
    add("--rounds", type=int, default=3, metavar="N", help="measurements that the medians are of (3)")
    add("--seconds", type=float, default=1.0, metavar="S", help="length of one (1)")
    add("--quick", action="store_true", help="one round")
    add(
        "--document", type=Path, metavar="FILE", help="also write the page of the documentation, and its plot"
    )
    add("--output", type=Path, default=Path("build/throughput/results"), metavar="PREFIX")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    if options.list:
        for contender in _contenders(options.engine):
            print(f"{contender.name:12} {contender.title}")
        sys.exit()
    return options


def _contenders(other: Path | None) -> list[Contender]:
    """All, in the order of the tables."""
    engine = build.endpoint()
    chosen: list[Contender] = [
        Plain(),
        Vxlan(),
        *Ours.all(),
        *(peer() for peer in peers.ALL),
        Engine("ipip", "engine alone, IP-in-IP", engine),
        Engine("gre", "GRE", engine, encapsulation="gre"),
        Engine("minimal", "minimal encapsulation", engine, encapsulation="minimal"),
        Engine("million", "a million bindings", engine, bindings=_MILLION + 1),
        Engine("millions", "packets to a million bindings", engine, bindings=_MILLION + 1, spread=True),
        Engine("thousand", "packets to a thousand bindings", engine, bindings=1001, spread=True),
        Engine("changing", "bindings changing", engine, bindings=_CHANGING, changes=_CHANGES),
    ]
    if other is not None:
        chosen.append(Engine("other", f"the engine of {other.name}", build.endpoint(other.resolve())))
    return chosen


def _chosen(options: argparse.Namespace) -> tuple[list[Contender], frozenset[str]]:
    """The contenders, and those of which only what some row needs is measured."""
    everyone = _contenders(options.engine)
    if options.only is None:
        return everyone, frozenset(one.name for one in everyone if one.kind is Kind.VARIANT)
    names = options.only.split(",") + (["other"] if options.engine else [])
    if "ours" in names:
        names += [one.name for one in everyone if one.kind is Kind.OURS]
        names.remove("ours")
    unknown = set(names) - {one.name for one in everyone}
    if unknown:
        raise LabError(f"no contender is called {', '.join(sorted(unknown))}; --list prints the names")
    return [one for one in everyone if one.name in names], frozenset()


def _measure(console: Console, options: argparse.Namespace) -> Results:
    contenders, short = _chosen(options)
    series: Sequence[str] = options.series or tuple(SERIES)
    plan = Plan(options.rounds, options.seconds, series, short)
    with console.status("building") as status, opened(contenders, plan, status.update) as session:
        session.run(status.update)
    if options.only is None:
        status.update("in memory")
        session.results.memory = batch.headline()
    return session.results


def _write(console: Console, results: Results, options: argparse.Namespace) -> None:
    prefixes = [options.output, *([options.document] if options.document else [])]
    for prefix in prefixes:
        prefix.parent.mkdir(parents=True, exist_ok=True)
    data = options.output.with_suffix(".json")
    report.write_json(data, results)
    console.print(f"figures: {data}")
    if options.document:
        options.document.write_text(document.page(results, options.document.with_suffix(".svg").name))
        console.print(f"page: {options.document}")
    try:
        from benchmarks.throughput import plot
    except ImportError as missing:
        console.print(f"no plot: {missing}; pip install matplotlib")
        return
    for prefix in prefixes:
        plot.draw(results, prefix.with_suffix(".svg"))
        console.print(f"plot: {prefix.with_suffix('.svg')}")


if __name__ == "__main__":
    main()
