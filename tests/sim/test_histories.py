"""Hundreds of random histories: invariants after every event, and everybody reachable once it is quiet.

MOBILEIP_SIM_HISTORIES=5000 in the environment runs that many.
"""

from __future__ import annotations

import os

import pytest

from tests.sim.history import History

CHUNKS = 10
HISTORIES = int(os.environ.get("MOBILEIP_SIM_HISTORIES", "300"))


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.timeout(60 + HISTORIES)
def test_random_histories(chunk: int, seed: int) -> None:
    for number in range(chunk, HISTORIES, CHUNKS):
        history = (seed + number) & 0xFFFF_FFFF
        try:
            History(history).run()
        except Exception as error:
            raise AssertionError(f"history {history}: {error}") from error
