"""The loop between the IGMP of absent nodes and everything else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import cast

from mobileip.control.agent.groups import GroupTraffic
from mobileip.control.core.events import IgmpReceived
from mobileip.control.net.multicast import query_packet
from mobileip.control.tunnels import Tunnels
from mobileip.control.types import ZERO_ADDRESS

NODE = IPv4Address("10.1.0.5")
PACKET = query_packet(NODE, ZERO_ADDRESS, bytes(8))


class Flooded:
    """Tunnels through which IGMP comes faster than anybody can take it."""

    def __init__(self) -> None:
        self.igmp_fd, self._other = os.pipe()
        os.write(self._other, b"there is always more")

    def igmp(self) -> Iterator[bytes]:
        while True:
            yield PACKET

    def close(self) -> None:
        os.close(self.igmp_fd)
        os.close(self._other)


def test_a_flood_of_igmp_leaves_others_their_turn() -> None:
    async def main() -> None:
        tunnels, came = Flooded(), list[IgmpReceived]()
        traffic = GroupTraffic(cast(Tunnels, tunnels), NODE, came.append, lambda reason, fields: None)
        try:
            for turn in range(1, 4):
                await asyncio.sleep(0)
                assert len(came) <= turn * 16
            while not came:
                await asyncio.sleep(0)
            assert came[0] == IgmpReceived(bytes(8), NODE)
        finally:
            traffic.close()
            tunnels.close()

    asyncio.run(asyncio.wait_for(main(), 10))
