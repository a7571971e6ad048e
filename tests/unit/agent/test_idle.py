"""The polls of what tunnels carried: page by page, and only when somebody wants to know."""

from __future__ import annotations

import asyncio
from typing import cast

from mobileip.control.agent.idle import TrafficPolls
from mobileip.control.core.events import TunnelTraffic
from mobileip.control.tunnels import Tunnels


class Paged:
    """Tunnels of three pages."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def carried(self, cursor: int) -> tuple[int, list[tuple[int, int, int]]]:
        self.read.append(cursor)
        return (cursor + 1) % 3, [(1, 2, cursor)]


def test_rounds_are_read_page_by_page_and_only_while_wanted() -> None:
    async def main() -> None:
        tunnels, came, wanted = Paged(), list[TunnelTraffic](), False
        polls = TrafficPolls(cast(Tunnels, tunnels), came.append, lambda: wanted, 0.001)
        try:
            await asyncio.sleep(0.02)
            assert not tunnels.read
            wanted = True
            while len(came) < 6:
                await asyncio.sleep(0.001)
            assert tunnels.read[:6] == [0, 1, 2, 0, 1, 2]
            assert [page.last for page in came[:6]] == [False, False, True] * 2
            assert came[1].tunnels == ((1, 2, 1),)
        finally:
            polls.close()
        count = len(came)
        await asyncio.sleep(0.01)
        assert len(came) == count

    asyncio.run(asyncio.wait_for(main(), 10))
