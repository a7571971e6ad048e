"""Reads what each home agent's tunnel has carried, now and then: for bindings that end when they are not used, and to
give up the next hops of tunnels that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.core.events import TunnelTraffic
from mobileip.control.net.hops import NextHops
from mobileip.control.tunnels import Tunnels

HOPS_PERIOD: Final = 600.0  # seconds between two rounds for next hops
_PERIOD: Final = 10.0  # seconds between two rounds


class TrafficPolls:
    """``deliver`` is told the packets of every tunnel once a ``period`` (seconds), a page after the other, each after
    what else there was to do; nothing is read while ``wanted`` says no. The packets themselves are not held up.
    """

    def __init__(
        self,
        tunnels: Tunnels,
        deliver: Callable[[TunnelTraffic], None],
        wanted: Callable[[], bool],
        period: float = _PERIOD,
    ) -> None:
        self._tunnels = tunnels
        self._deliver = deliver
        self._wanted = wanted
        self._period = period
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(period, self._page, 0)

    def close(self) -> None:
        self._next.cancel()

    def _page(self, cursor: int) -> None:
        if not self._wanted():
            self._next = self._loop.call_later(self._period, self._page, 0)
            return
        cursor, tunnels = self._tunnels.carried(cursor)
        self._deliver(TunnelTraffic(tuple(tunnels), last=not cursor))
        self._next = self._loop.call_later(0 if cursor else self._period, self._page, cursor)


class HopsInUse:
    """Told all pages of a round, has the next hops to other ends given up that no tunnel from ``local`` leads to."""

    def __init__(self, hops: NextHops, local: IPv4Address) -> None:
        self._hops = hops
        self._local = local
        self._remotes: set[int] = set()

    def __call__(self, page: TunnelTraffic) -> None:
        self._remotes.update(remote for _, remote, _ in page.tunnels)
        if page.last:
            self._hops.keep(self._local, self._remotes)
            self._remotes = set()
