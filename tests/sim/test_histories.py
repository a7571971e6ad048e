"""Hundreds of random histories: invariants after every event, and everybody reachable once it is quiet.

MOBILEIP_SIM_HISTORIES=5000 in the environment runs that many.
"""

from __future__ import annotations

import os

import pytest

from tests.sim.history import History

CHUNKS = 10
HISTORIES = int(os.environ.get("MOBILEIP_SIM_HISTORIES", "300"))


@pytest.mark.rfc("5944", "3.2", 2)
@pytest.mark.rfc("5944", "3.3", 2)
@pytest.mark.rfc("5944", "3.4", 6)
@pytest.mark.rfc("5944", "3.6", 6)
@pytest.mark.rfc("5944", "3.6.1.3", 2)
@pytest.mark.rfc("5944", "3.6.3", 3)
@pytest.mark.rfc("5944", "3.7", 2, 3, 4, 5)
@pytest.mark.rfc("5944", "3.8", 1)
@pytest.mark.rfc("5944", "3.8.2.1", 5)
@pytest.mark.rfc("5944", "3.8.3.3", 2)
@pytest.mark.rfc("5944", "5.7", 6)
@pytest.mark.rfc("5944", "5.7.1", 7)
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.timeout(60 + HISTORIES)
def test_random_histories(chunk: int, seed: int) -> None:
    for number in range(chunk, HISTORIES, CHUNKS):
        history = (seed + number) & 0xFFFF_FFFF
        try:
            History(history).run()
        except Exception as error:
            raise AssertionError(f"history {history}: {error}") from error
