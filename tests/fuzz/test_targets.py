"""Every fuzz target over its corpus, what once broke it, and for a moment what chance makes of these."""

from __future__ import annotations

import random
import time
from itertools import chain, islice

import pytest

from tests.fuzz.mutation import mutations
from tests.fuzz.target import FOUND, Target, found
from tests.fuzz.targets import TARGETS

MOMENT = 1.5  # seconds for each target; `make fuzz` takes its time
MOST = 20_000


@pytest.mark.parametrize("name", TARGETS)
def test_target(name: str, rng: random.Random) -> None:
    target: Target = TARGETS[name]
    corpus = [*target.seeds().values(), *found(name).values()]
    assert corpus
    end = time.monotonic() + MOMENT
    for number, data in enumerate(islice(chain(corpus, mutations(corpus, rng, target.longest)), MOST)):
        if number >= len(corpus) and time.monotonic() > end:
            break
        try:
            target.run(data)
        except Exception as error:
            error.add_note(f"{name} is broken by {data.hex()}")
            raise


def test_inputs_that_were_found_are_of_targets() -> None:
    assert {path.name for path in FOUND.glob("*")} <= set(TARGETS)
