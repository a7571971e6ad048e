"""The polls of what tunnels carried: page by page, and only when somebody wants to know."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import cast

from mobileip.control.agent.idle import HopsInUse, TrafficPolls
from mobileip.control.core.events import TunnelTraffic
from mobileip.control.net.hops import NextHops
from mobileip.control.tunnels import Tunnels


class Paged:
    """Tunnels of three pages."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def carried(self, cursor: int) -> tuple[int, list[tuple[int, int, int]]]:
        self.read.append(cursor)
        return (cursor + 1) % 3, [(1, 2, cursor)]


class Polls:
    """Its polls, and a way to wait for pages of them."""

    def __init__(self, refusals: int = 0) -> None:
        self.tunnels = Paged()
        self.came: list[TunnelTraffic] = []
        self.refusals = refusals
        self._enough = asyncio.Event()
        self._count = 0
        self.polls = TrafficPolls(cast(Tunnels, self.tunnels), self._deliver, self._wanted, 0.001)

    def _wanted(self) -> bool:
        if self.refusals:
            assert not self.tunnels.read
            self.refusals -= 1
            return False
        return True

    def _deliver(self, page: TunnelTraffic) -> None:
        self.came.append(page)
        if len(self.came) == self._count:
            self._enough.set()

    async def pages(self, count: int) -> None:
        self._count = count
        await self._enough.wait()


def test_rounds_are_read_page_by_page_and_only_while_wanted() -> None:
    async def main() -> None:
        one = Polls(refusals=3)
        await one.pages(6)
        one.polls.close()
        assert one.refusals == 0
        assert one.tunnels.read[:6] == [0, 1, 2, 0, 1, 2]
        assert [page.last for page in one.came[:6]] == [False, False, True] * 2
        assert one.came[1].tunnels == ((1, 2, 1),)
        count = len(one.came)
        other = Polls()
        await other.pages(6)  # as long as two rounds take
        other.polls.close()
        assert len(one.came) == count

    asyncio.run(asyncio.wait_for(main(), 10))


def test_next_hops_that_no_tunnel_has_are_given_up_at_the_end_of_a_round() -> None:
    local, kept = IPv4Address("192.0.2.1"), []

    class Hops:
        def keep(self, of: IPv4Address, remotes: set[int]) -> None:
            kept.append((of, remotes))

    used = HopsInUse(cast(NextHops, Hops()), local)
    used(TunnelTraffic(((1, 20, 5), (2, 30, 0)), last=False))
    assert kept == []
    used(TunnelTraffic(((3, 20, 5),), last=True))
    used(TunnelTraffic((), last=True))
    assert kept == [(local, {20, 30}), (local, set())]
