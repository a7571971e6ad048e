"""Next hops in a kernel that refuses; what it does to routes and neighbours is in tests/netns/net/test_hops.py."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable
from contextlib import closing
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.hops import Hop, NextHops
from mobileip.control.net.netlink import Netlink

HERE, THERE = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
INDEX = 7


class Overflowing:
    """There is a route, but no room for another neighbour."""

    def __init__(self, refused: str) -> None:
        self._refused = refused

    def route_to(self, address: IPv4Address, **_: Any) -> Any:
        return SimpleNamespace(device="eth0", gateway=None)

    def link(self, device: str) -> Any:
        return SimpleNamespace(index=INDEX, address=bytes.fromhex("020000000001"))

    def neighbour(self, address: IPv4Address, index: int) -> tuple[int, bytes]:
        self._refuse("look-up")
        return 0, b""

    def use_neighbour(self, address: IPv4Address, index: int) -> None:
        self._refuse("use")

    def _refuse(self, what: str) -> None:
        if what == self._refused:
            raise NetlinkFailure(errno.ENOBUFS, f"no {what}")


@pytest.mark.parametrize("refused", ["look-up", "use"])
def test_a_neighbour_that_the_kernel_has_no_room_for_is_one_that_is_not_known(refused: str) -> None:
    """Else the registration whose tunnel leads there would get no answer."""
    told: list[Hop] = []

    def tell(hops: Iterable[Hop]) -> None:
        told.extend(hops)

    async def main() -> None:
        with closing(NextHops(cast(Netlink, Overflowing(refused)), None, tell, ours=True)) as hops:
            hops.want(HERE, THERE)

    asyncio.run(main())
    assert told == [Hop(HERE, THERE, INDEX, None)]
