"""A moment of hostile datagrams for each daemon; `make fuzz` gives them as long as is wanted."""

from __future__ import annotations

import pytest

from mobileip.control.lab.lab import Lab
from tests.fuzz.daemons import ROLES, Assault
from tests.netns.conftest import _lab_of_module, lab, pytest_runtest_makereport

__all__ = ["_lab_of_module", "lab", "pytest_runtest_makereport"]


@pytest.mark.netns
@pytest.mark.parametrize("role", ROLES)
def test_a_daemon_outlives_hostile_datagrams(lab: Lab, role: str, seed: int) -> None:
    if lab.site is None or lab.site.name != "foreign1":
        lab.go("foreign1")
    Assault(lab, role, seed).run(3000, seconds=20)
