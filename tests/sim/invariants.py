"""What a history may break."""

from __future__ import annotations

from enum import Enum


class Invariant(Enum):
    """Each holds after every event of every history; the value says it."""

    AUTHENTICATED = "no binding, and no belief in a reply, without an authenticated message"
    ANSWERED = "no reply without a request, and one at most"
    FRESH = "no Identification accepted twice"
    GRANTED = "a reply grants what was asked, or less, to who asked"
    ROUTED = "no route, tunnel, proxy or neighbour without its binding or visitor, and none missing"
    RELAYED = "a foreign agent sends on what it got, as it was signed"
    CHALLENGED = (
        "no request passes by a challenge that was not told, or that its node has registered by before"
    )
    PACED = "no request within a second of the one before, no Identification used twice"
    TIMED = "every deadline belongs to something, and none passes"
    PLACED = "a mobile node's routes are those of the place where it believes itself"
    REACHABLE = "every node is reachable once the world is quiet"
    ALIVE = "no machine raises an exception"


class Violation(AssertionError):
    """An invariant does not hold; the message ends with what happened before."""

    def __init__(self, invariant: Invariant, what: str, trace: str) -> None:
        super().__init__(f"{what}\n{trace}")
        self.invariant = invariant
        self.what = what
