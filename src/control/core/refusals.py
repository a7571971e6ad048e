"""What came of asking agents: who refused us or did not answer, until when they are not asked again while there is
another way, and who has served us.

An advertisement proves nothing, and may say that it is good for 18 hours; an answer of our home agent is authenticated.
So on a link where agents are made up, or one is dead, a node comes back to those that it knows to work.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from mobileip.control.types import seconds

_FIRST, _LONGEST = seconds(10), seconds(300)

Place = tuple[str, IPv4Address, IPv4Address | None]
"""Interface, agent, and the care-of address, or ``None`` for the agent with whatever address."""


class Refusals:
    """Each refusal of the same place doubles its back-off; being accepted there ends it."""

    def __init__(self) -> None:
        self._served: set[tuple[str, IPv4Address]] = set()
        self._until: dict[Place, int] = {}
        self._wait: dict[Place, int] = {}

    def add(self, place: Place, mono: int) -> None:
        wait = self._wait.get(place)
        self._wait[place] = _FIRST if wait is None else min(2 * wait, _LONGEST)
        self._until[place] = mono + self._wait[place]

    def accepted(self, interface: str, agent: IPv4Address, care_of_address: IPv4Address) -> None:
        self._served.add((interface, agent))
        for place in ((interface, agent, None), (interface, agent, care_of_address)):
            self._until.pop(place, None)
            self._wait.pop(place, None)

    def forget(self, interface: str) -> None:
        """The interface is on another link now."""
        self._served = {(name, agent) for name, agent in self._served if name != interface}
        for place in [place for place in self._wait if place[0] == interface]:
            self._until.pop(place, None)
            self._wait.pop(place, None)

    def has_served(self, interface: str, agent: IPv4Address) -> bool:
        """Whether we were accepted through this agent since the interface is on its present link."""
        return (interface, agent) in self._served

    def is_foreign(self, interface: str) -> bool:
        """Whether that is so of any agent there."""
        return any(name == interface for name, _ in self._served)

    def until(self, interface: str, agent: IPv4Address, care_of_address: IPv4Address | None) -> int:
        """Monotonic ns from which the place may be asked again; 0 if it may now."""
        return max(
            self._until.get((interface, agent, None), 0),
            self._until.get((interface, agent, care_of_address), 0),
        )
