"""Fixtures of the kernel adapters' tests: the pair of namespaces, and the adapters opened in ``here``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mobileip.control.net.netlink import Netlink
from tests.netns.net.space import Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair().entered() as pair:
        yield pair


@pytest.fixture
def netlink(pair: Pair) -> Iterator[Netlink]:
    netlink = Netlink()
    yield netlink
    netlink.close()
