"""The cable of link.py, with nothing on it yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.dataplane.link import Link, link


@pytest.fixture
def cable() -> Iterator[Link]:
    with link() as made:
        yield made
