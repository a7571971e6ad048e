"""The challenges that a mobile node has heard, and which of them it may answer (RFC 4721 s3.1, s3.3, s3.5, s4).

Of each agent the latest counts, whether an advertisement or a reply told it: that one is at any rate good, the one
before may be forgotten already. One that was answered is not answered again, but in a retransmission.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

AgentPlace = tuple[str, IPv4Address]
"""Interface and agent."""

_MOST_AGENTS: Final = 128  # their addresses can be made up; the one heard longest ago gives way
_REMEMBERED: Final = 16  # challenges of one agent that were answered; it goes on advertising them


@dataclass(slots=True)
class _Heard:
    challenge: bytes
    used: bool = False
    refused: bool = False
    answered: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class HeardChallenges:
    """Mutable; shared by all registrations of a node."""

    def __init__(self) -> None:
        self._heard: dict[AgentPlace, _Heard] = {}
        self._wanted: set[AgentPlace] = set()

    def hear(self, place: AgentPlace, challenge: bytes | None) -> None:
        """What an advertisement or a reply says; ``None``: an advertisement of an agent that wants no answers."""
        known = self._heard.pop(place, None)
        if challenge is None:
            return
        heard = known or _Heard(challenge)
        if challenge != heard.challenge and challenge not in heard.answered:
            heard.challenge, heard.used, heard.refused = challenge, False, False
        self._heard[place] = heard
        if len(self._heard) > _MOST_AGENTS:
            del self._heard[next(iter(self._heard))]

    def wants_answers(self, place: AgentPlace) -> bool:
        """Whether the agent has told a challenge."""
        return place in self._heard

    def pick(self, place: AgentPlace, again: bool = False) -> bytes | None:
        """The challenge to answer next, ``None``: there is none that may be. With ``again`` the last one may, unless
        the agent did not take it (s3.5)."""
        heard = self._heard.get(place)
        if heard is None or (heard.used and (heard.refused or not again)):
            return None
        return heard.challenge

    def use(self, place: AgentPlace, challenge: bytes) -> None:
        """A request answers it."""
        heard = self._heard[place]
        heard.used = True
        if challenge not in heard.answered:
            heard.answered.append(challenge)

    def refuse(self, place: AgentPlace) -> None:
        """The agent did not take what was answered last."""
        heard = self._heard.get(place)
        if heard is not None:
            heard.refused = heard.used

    # ---- asking for one

    def want(self, place: AgentPlace) -> None:
        """A new one is needed: the agent has to be solicited (s3.3)."""
        self._wanted.add(place)

    def take_wanted(self) -> set[AgentPlace]:
        """Whom to solicit now; each is told once."""
        wanted, self._wanted = self._wanted, set()
        return wanted
