"""Ten thousand random histories: invariants after every event, and everybody reachable once it is quiet.

They are the same ones at each run, so that a change is judged by itself; `make sim SEED=...` runs others.
MOBILEIP_SIM_HISTORIES=50000 in the environment runs that many. A history that fails is printed as small as it gets.
"""

from __future__ import annotations

import os

import pytest

from tests.sim import campaign
from tests.sim.campaign import Outcome
from tests.sim.history import Script
from tests.sim.shrink import run, shrunk

HISTORIES = int(os.environ.get("MOBILEIP_SIM_HISTORIES", "10000"))
FIRST_SEED, SEEDS = 1, 1 << 32

# What has to happen in so many histories; otherwise they do not show what they are run for.
MANY = 5_000
STEPS = {"move", "flap", "detach", "address", "restart", "reboot", "isolate", "weather", "clock", "refuse"}
STEPS |= {"attack", "rekey", "reload", "clear", "ask"}
NETWORK = {"lost", "duplicated", "overtaken", "refused by a kernel"}
CODES = {0, 1, 66, 67, 68, 69, 70, 71, 72, 74, 75, 76, 77, 78, 79, 80, 81, 82, 88, 96, 116}
CODES |= {130, 131, 132, 133, 134, 135, 136, 137, 138, 139}
REASONS = {
    "agent-lost",
    "agent-rebooted",
    "binding-cleared",
    "binding-expired",
    "clock-jumped",
    "clock-resynchronised",
    "deregistered",
    "home-address-assigned",
    "home-agent-discovered",
    "identification-mismatch",
    "moved-co-located",
    "moved-foreign",
    "moved-home",
    "registering-beside",
    "registration-expired",
    "reply-bad-authenticator",
    "request-retransmitted",
    "retrying",
    "unmatched-reply",
    "visitor-cleared",
    "visitor-expired",
}


def explained(outcome: Outcome) -> str:
    """The first history that failed, in small, and the seeds of the others."""
    first, *others = outcome.failed
    failure = run(Script(first))
    told = "only beside others" if failure is None else str(shrunk(failure))
    return "\n".join([told, *(f"history {seed}: {outcome.failed[seed]}" for seed in others)])


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
@pytest.mark.slow
@pytest.mark.timeout(120 + HISTORIES // 4)
def test_random_histories(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome()
    for outcome in campaign.run_everywhere(FIRST_SEED, HISTORIES, campaign.cores()):
        if outcome.failed:
            break
    with capsys.disabled():
        print(f"\n{outcome}")
    assert not outcome.failed, explained(outcome)
    assert outcome.histories == HISTORIES
    if HISTORIES >= MANY:
        seen = outcome.tally
        assert {name for name in STEPS if seen[f"step: {name}"] < HISTORIES // 20} == set()
        assert {name for name in NETWORK if seen[f"network: {name}"] < HISTORIES // 20} == set()
        assert {code for code in CODES if not seen[f"code: {code}"]} == set()
        assert {name for name in REASONS if not seen[f"reason: {name}"]} == set()


def test_some_random_histories() -> None:
    outcome = campaign.run(range(FIRST_SEED, FIRST_SEED + 100))
    assert not outcome.failed, explained(outcome)


def test_history_is_repeated_by_its_seed(seed: int) -> None:
    one, other = (campaign.run([seed % SEEDS]) for _ in range(2))
    assert one.tally == other.tally
