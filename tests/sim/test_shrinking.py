"""Faults made on purpose: the oracle sees each, and the history that shows it becomes small."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from tests.sim.faults import FAULTS, Fault
from tests.sim.history import Script
from tests.sim.invariants import Invariant
from tests.sim.shrink import Failure, run, shrunk

ROOT = Path(__file__).parents[2]
MOST_HISTORIES = 600
MOST_STEPS = 10
MOST_ATTEMPTS = 3  # some histories have no short part that fails


def first_failure(fault: Fault, seed: int) -> tuple[Failure, int]:
    """The first history that breaks what ``fault`` breaks, and how many it took."""
    for tried in range(MOST_HISTORIES):
        failure = run(Script(seed + tried), fault=fault)
        if failure is not None and failure.violation.invariant is fault.breaks:
            return failure, tried + 1
    pytest.fail(f"{MOST_HISTORIES} histories from {seed} on do not show: {fault.name}")


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_fault_is_seen_and_becomes_small(fault: Fault, seed: int) -> None:
    for attempt in range(1, MOST_ATTEMPTS + 1):
        failure, tried = first_failure(fault, seed)
        small = shrunk(failure, fault)
        print(
            f"seen after {tried} histories, {len(failure.steps)} steps shrunk to {len(small.steps)}\n{small}"
        )
        if len(small.steps) <= MOST_STEPS:
            break
        seed += attempt * MOST_HISTORIES
    assert small.violation.invariant is fault.breaks
    assert len(small.steps) <= min(MOST_STEPS, len(failure.steps))
    again = run(Script(small.seed), small.kept, small.plain, fault)
    assert again is not None and again.violation.what == small.violation.what
    assert run(Script(small.seed), small.kept, small.plain) is None  # it is the fault that breaks it


def test_every_invariant_has_a_fault_that_breaks_it() -> None:
    assert {fault.breaks for fault in FAULTS} == set(Invariant)


def test_failure_tells_how_to_repeat_it(seed: int) -> None:
    fault = next(fault for fault in FAULTS if fault.breaks is Invariant.ROUTED)
    small = shrunk(first_failure(fault, seed)[0], fault)
    told = str(small)
    assert f"python -m tests.sim {small.seed}" in told and small.command in told
    assert all(str(step) in told for _, step in small.steps)
    assert "registration request" in str(small.violation)  # the trace is decoded


def test_command_runs_part_of_a_history(seed: int) -> None:
    number = next(number for number in count(seed) if len(Script(number).steps) > 3)
    asked = [str(number), "--only", "0,2", "--plain", "skews", "--trace"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim", *asked], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    script = Script(number)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(script.steps[0][1]) in done.stdout and "registration request" in done.stdout
    assert "skews=(0.0,)" in done.stdout
