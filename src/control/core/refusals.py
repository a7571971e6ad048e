"""Where a foreign agent refused us, and until when it is not asked again while there is another way."""

from __future__ import annotations

from ipaddress import IPv4Address

from mobileip.control.types import seconds

_FIRST, _LONGEST = seconds(10), seconds(300)

Place = tuple[str, IPv4Address, IPv4Address | None]
"""Interface, agent, and the care-of address, or ``None`` for the agent with whatever address."""


class Refusals:
    """Each refusal of the same place doubles its back-off; being accepted there ends it."""

    def __init__(self) -> None:
        self._until: dict[Place, int] = {}
        self._wait: dict[Place, int] = {}

    def add(self, place: Place, mono: int) -> None:
        wait = self._wait.get(place)
        self._wait[place] = _FIRST if wait is None else min(2 * wait, _LONGEST)
        self._until[place] = mono + self._wait[place]

    def accepted(self, interface: str, agent: IPv4Address, care_of_address: IPv4Address) -> None:
        for place in ((interface, agent, None), (interface, agent, care_of_address)):
            self._until.pop(place, None)
            self._wait.pop(place, None)

    def forget(self, interface: str) -> None:
        """The interface is on another link now."""
        for place in [place for place in self._wait if place[0] == interface]:
            self._until.pop(place, None)
            self._wait.pop(place, None)

    def until(self, interface: str, agent: IPv4Address, care_of_address: IPv4Address) -> int:
        """Monotonic ns from which the place may be asked again; 0 if it may now."""
        return max(
            self._until.get((interface, agent, None), 0),
            self._until.get((interface, agent, care_of_address), 0),
        )
