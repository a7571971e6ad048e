"""The command: ``python -m benchmarks.registration [--full] [--case rate|sizes|storm]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks.registration import cases, report
from mobileip.control.lab.namespaces import LabError, terminable
from mobileip.control.lab.waiting import NeverHappened

_CASES: Final = ("rate", "sizes", "storm")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.registration",
        description="Load the real home agent, in network namespaces, and FreeRADIUS beside it. Needs root,"
        " and the Debian package freeradius.",
    )
    add = parser.add_argument
    add("--case", action="append", choices=_CASES, help="only this case; may be repeated")
    add("--full", action="store_true", help="sizes up to a million bindings, not to a hundred thousand")
    add("--rounds", type=int, default=5, metavar="N", help="measurements that the medians are of (5)")
    add("--seconds", type=float, default=2.0, metavar="S", help="length of one (2)")
    add("--hostile", type=float, default=50_000, metavar="R", help="hostile requests a second (50000)")
    add("--legitimate", type=float, default=500, metavar="R", help="legitimate ones beside them (500)")
    add("--output", type=Path, default=Path("build/registration.json"), metavar="FILE")
    options = parser.parse_args()
    console = Console()
    try:
        with terminable():
            results = _measure(console, options)
    except (LabError, NeverHappened, RuntimeError) as failure:
        sys.exit(f"registration benchmark: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    console.print(report.table(results))
    report.write(results, options.output)
    console.print(f"written: {options.output}")


def _measure(console: Console, options: argparse.Namespace) -> dict[str, Any]:
    wanted = options.case or _CASES
    results: dict[str, Any] = {}
    if "rate" in wanted:
        console.print("registrations and FreeRADIUS in turn")
        results["rate"] = cases.rate(1000, options.rounds, options.seconds)
    if "sizes" in wanted:
        results["sizes"] = []
        for nodes in (1000, 100_000, 1_000_000)[: 3 if options.full else 2]:
            console.print(f"{nodes:,} bindings")
            results["sizes"].append(cases.size(nodes, options.rounds, options.seconds))
    if "storm" in wanted:
        console.print(f"a storm of {options.hostile:,.0f} a second")
        results["storm"] = cases.storm(1000, 10.0, options.hostile, options.legitimate)
    return results


if __name__ == "__main__":
    main()
