"""What holds for every test: a fresh extension, a seed that can be repeated, root where it is needed."""

from __future__ import annotations

import os
import random
import runpy
import sys
import zlib
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
EXTENSION = "mobileip.dataplane._core"

# A shared machine stalls for longer than Hypothesis' default deadline without anything being wrong.
hypothesis.settings.register_profile("mobileip", deadline=None, print_blob=True)
hypothesis.settings.load_profile("mobileip")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="repeat a run with the seed that a failed test printed")
    parser.addoption(
        "--pause-on-error", action="store_true", help="wait with the networks up when a test of them fails"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().getrandbits(32)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.option.seed} (repeat with --seed {config.option.seed})"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    needs_root = pytest.mark.skip(reason="network namespaces need root")
    for item in items:
        if item.get_closest_marker("netns"):
            item.add_marker(needs_root)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Stops the run if the tests chosen use the extension and it is not the one these sources give."""
    if EXTENSION not in sys.modules and not any(item.get_closest_marker("netns") for item in session.items):
        return
    try:
        from mobileip.dataplane._core import SOURCE_HASH
    except ImportError as error:
        pytest.exit(f"no extension: run make build ({error})", returncode=pytest.ExitCode.USAGE_ERROR)
    if runpy.run_path(str(ROOT / "tools/source_hash.py"))["source_hash"](ROOT) != SOURCE_HASH:
        pytest.exit("stale extension: run make build", returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """This test's own seed, drawn from the run's; pytest shows the line when the test fails."""
    run: int = request.config.option.seed
    print(f"seed {run}: repeat with --seed {run}")
    return run ^ zlib.crc32(request.node.nodeid.encode())


@pytest.fixture
def rng(seed: int) -> random.Random:
    return random.Random(seed)
