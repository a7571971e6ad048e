"""The laboratories of tests/netns, for attacks on the daemons in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mobileip.control.lab.lab import Lab
from tests.netns.conftest import _lab_of_module, lab, networks, pytest_runtest_makereport

__all__ = ["_lab_of_module", "away", "lab", "networks", "pytest_runtest_makereport"]


@pytest.fixture
def away(lab: Lab) -> Iterator[Lab]:
    """The node is registered through the foreign agent of foreign1, with a reverse tunnel."""
    if lab.site is None or lab.site.name != "foreign1":
        lab.go("foreign1")
    yield lab
