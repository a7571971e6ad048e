"""Programs of others that judge ours. ``make build`` installs them, so a missing one fails what it should judge."""

from __future__ import annotations

import shutil

import pytest


def need(*programs: str) -> None:
    """Fails the test if one is not here: it would show nothing."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.fail(f"{' and '.join(missing)} not installed: make build does it")
