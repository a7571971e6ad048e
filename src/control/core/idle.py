"""Which tunnels have carried nothing for long, from counters that are read now and then.

What the counters say is told in pages, so that other events have their turn between them; a round is a page for every
tunnel there is. Nothing is remembered of tunnels that a whole round did not name.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from mobileip.control.core.events import TunnelTraffic
from mobileip.control.types import NANOSECONDS

_Seen = dict[tuple[int, int], tuple[int, int]]  # home and care-of address: packets, and since when (mono ns)


class IdleTunnels:
    """How long each tunnel has been silent, as exactly as rounds are close to each other: never too long.

    ``shortest``: seconds below which it is of no interest; ``None``: it never is.
    """

    def __init__(self, shortest: int | None) -> None:
        self.shortest = shortest
        self._before: _Seen = {}
        self._round: _Seen = {}

    def began(self, home_address: IPv4Address, care_of_address: IPv4Address) -> None:
        """This is another tunnel than the one that may have been there before."""
        self._before.pop((int(home_address), int(care_of_address)), None)
        self._round.pop((int(home_address), int(care_of_address)), None)

    def silent(self, event: TunnelTraffic, mono: int) -> Iterator[tuple[IPv4Address, IPv4Address, int]]:
        """Home and care-of address of the silent ones among those of the page, and for how many ns they have been."""
        latest = -1 if self.shortest is None else mono - self.shortest * NANOSECONDS
        for home_address, care_of_address, packets in event.tunnels:
            key = home_address, care_of_address
            before, since = self._before.get(key, (packets, mono))
            # The counter of a tunnel that was taken out and put in again begins anew.
            if packets > before or (packets and packets < before):
                since = mono
            self._round[key] = packets, since
            if since <= latest:
                yield IPv4Address(home_address), IPv4Address(care_of_address), mono - since
        if event.last:
            self._before, self._round = self._round, {}
