"""Makes a failing history small: as few steps and as plain an internet as still break the same invariant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from tests.sim.chance import Timed
from tests.sim.faults import HONEST, Fault
from tests.sim.history import History, Script
from tests.sim.invariants import Violation
from tests.sim.plan import Plan


@dataclass(frozen=True, slots=True)
class Failure:
    """A history that fails: ``kept`` are the numbers of the script's steps, ``plain`` what the plan has by default."""

    seed: int
    kept: tuple[int, ...]
    plain: tuple[str, ...]
    steps: tuple[Timed, ...]
    plan: Plan
    violation: Violation

    @property
    def command(self) -> str:
        kept = ",".join(map(str, self.kept)) or "none"
        plain = f" --plain {','.join(self.plain)}" if self.plain else ""
        return f"python -m tests.sim {self.seed} --only {kept}{plain} --trace"

    def __str__(self) -> str:
        invariant = self.violation.invariant
        different = [
            f"  {field.name} = {getattr(self.plan, field.name)}"
            for field in fields(Plan)
            if getattr(self.plan, field.name) != field.default
        ]
        return "\n".join(
            [
                f"history {self.seed} breaks {invariant.name}: {invariant.value}",
                f"  {self.violation.what}",
                f"repeat it whole: python -m tests.sim {self.seed} --trace",
                f"in small: {self.command}",
                "the internet is plain but for:" if different else "the internet is plain",
                *different,
                f"{len(self.steps)} steps, then calm:",
                *(
                    f"  {number:3} at {at:7.3f} s: {step}"
                    for number, (at, step) in zip(self.kept, self.steps, strict=True)
                ),
            ]
        )


def run(
    script: Script, kept: tuple[int, ...] | None = None, plain: tuple[str, ...] = (), fault: Fault = HONEST
) -> Failure | None:
    """Run a script or part of it; what fails, if anything."""
    kept = tuple(range(len(script.steps))) if kept is None else kept
    plan = plainer(script.plan, plain)
    steps = tuple(script.steps[number] for number in kept)
    try:
        History(script, plan=plan, steps=steps, fault=fault).run()
    except Violation as violation:
        return Failure(script.seed, kept, plain, steps, plan, violation)
    return None


def plainer(plan: Plan, names: tuple[str, ...]) -> Plan:
    """``plan`` with the default of each field that is named."""
    defaults: dict[str, Any] = {field.name: field.default for field in fields(Plan)}
    return replace(plan, **{name: defaults[name] for name in names})


def shrunk(failure: Failure, fault: Fault = HONEST) -> Failure:
    """The smallest that is found: steps, then the plan, then steps again."""
    script, best = Script(failure.seed), failure

    def same(kept: tuple[int, ...], plain: tuple[str, ...]) -> bool:
        nonlocal best
        found = run(script, kept, plain, fault)
        if found is None or found.violation.invariant is not failure.violation.invariant:
            return False
        best = found
        return True

    _fewest(failure.kept, lambda kept: same(kept, ()))
    for field in fields(Plan):
        if getattr(best.plan, field.name) != field.default and _can_be_plain(script, best, field.name):
            same(best.kept, (*best.plain, field.name))
    _fewest(best.kept, lambda kept: same(kept, best.plain))
    return best


def _can_be_plain(script: Script, failure: Failure, name: str) -> bool:
    """Steps that are left name hosts, interfaces and links, which then have to be there still."""
    plan = plainer(script.plan, (*failure.plain, name))
    told = " ".join(str(step) for _, step in failure.steps)
    numbers = range(plan.mobiles, script.plan.mobiles)
    gone = [name for number in numbers for name in (f"mobile={number}", f"'mn{number}'")]
    gone += ["'hb'", "'home1'"] if len(plan.homes) == 1 else []
    gone += ["'eth1'"] if len(plan.interfaces) == 1 else []
    special = plan.wrong_keys | plan.named | plan.known_to_agent
    return all(one not in told for one in gone) and all(number < plan.mobiles for number in special)


def _fewest(kept: tuple[int, ...], fails: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    """Delta debugging (Zeller's ddmin): leave out ever smaller chunks as long as it still fails."""
    if kept and fails(()):
        return ()
    size = max(1, len(kept) // 2)
    while kept:
        smaller = next(
            (
                rest
                for start in range(0, len(kept), size)
                if fails(rest := kept[:start] + kept[start + size :])
            ),
            None,
        )
        if smaller is not None:
            kept = smaller
            size = min(size, max(1, len(kept)))
        elif size == 1:
            break
        else:
            size //= 2
    return kept
