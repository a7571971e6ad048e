"""``python -m tests.sim SEED``: the history of a seed, or many of them; ``--shrink`` makes one that fails small."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque

from tests.sim.campaign import cores, run_everywhere
from tests.sim.history import History, Script
from tests.sim.invariants import Violation
from tests.sim.shrink import plainer, run, shrunk


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--histories", type=int, default=1, help="run so many, from SEED on, on every core")
    parser.add_argument("--shrink", action="store_true", help="if it fails, look for the smallest that does")
    parser.add_argument("--only", metavar="N,N,...", help="only these steps of the history, or none")
    parser.add_argument("--plain", metavar="NAME,...", default="", help="these fields of the plan by default")
    parser.add_argument(
        "--trace", action="store_true", help="print everything that happens, messages decoded"
    )
    asked = parser.parse_args()
    if asked.histories > 1:
        return _many(asked.seed, asked.histories)
    script = Script(asked.seed)
    numbers = range(len(script.steps)) if asked.only is None else _numbers(asked.only)
    kept, plain = tuple(numbers), tuple(name for name in asked.plain.split(",") if name)
    if asked.trace:
        return _trace(script, kept, plain)
    failure = run(script, kept, plain)
    if failure is None:
        print(f"history {asked.seed} holds, {len(kept)} steps")
        return 0
    print(shrunk(failure) if asked.shrink else failure)
    return 1


def _numbers(text: str) -> list[int]:
    return [] if text == "none" else [int(number) for number in text.split(",")]


def _trace(script: Script, kept: tuple[int, ...], plain: tuple[str, ...]) -> int:
    plan = plainer(script.plan, plain)
    history = History(script, plan=plan, steps=[script.steps[number] for number in kept])
    history.net.trace = deque(history.net.trace)  # without end
    print(plan)
    try:
        history.run()
    except Violation as violation:
        print(violation)
        return 1
    print(history.net.told())
    return 0


def _many(first: int, number: int) -> int:
    began, outcome = time.monotonic(), None
    for outcome in run_everywhere(first, number, cores()):
        rate, failed = outcome.histories / (time.monotonic() - began), ", ".join(map(str, outcome.failed))
        told = f"{outcome.histories} histories, {rate:.0f}/s, failed: {failed or 'none'}"
        print(f"\r{told}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(outcome)
    for seed, why in outcome.failed.items() if outcome is not None else ():
        print(f"{why}\n  python -m tests.sim {seed} --shrink")
    return 1 if outcome is None or outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())
