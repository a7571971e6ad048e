"""The home agent's memory of Identifications: which requests are fresh, and what their replies carry (RFC 5944 s5.7).

It outlives the bindings, since no Identification may be accepted twice, and is bounded by the number of nodes that
can authenticate themselves: only their requests get here.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Protocol

from mobileip.control.security import (
    IssuedNonces,
    MobilitySecurityAssociation,
    ReplayMethod,
    draw,
    is_fresh,
    resynchronise,
)
from mobileip.control.types import Identification, Instant, seconds

_NO_NONCES = IssuedNonces()


class Memory(Protocol):
    """Timestamps by home address as a number; one that outlives the process keeps replays out of the next."""

    def get(self, number: int, /) -> int | None: ...
    def __setitem__(self, number: int, timestamp: int, /) -> None: ...
    def discard(self, number: int, /) -> None: ...


class Forgetful(dict[int, int]):
    """For the length of a process."""

    def discard(self, number: int, /) -> None:
        self.pop(number, None)


class ReplayGuard:
    """By home address as a number, each node by the method of its association."""

    def __init__(self, accepted: Memory | None = None) -> None:
        self._accepted = (
            Forgetful() if accepted is None else accepted
        )  # each has to be greater than all before
        self._nonces: dict[int, IssuedNonces] = {}

    def admits(
        self,
        home_address: IPv4Address,
        association: MobilitySecurityAssociation,
        request: Identification,
        now: Instant,
    ) -> bool:
        """Whether an authenticated request is fresh (s3.8.2.1 b)."""
        number = int(home_address)
        match association.replay:
            case ReplayMethod.TIMESTAMPS:
                return self.is_newer(number, association, request.to_int(), now)
            case ReplayMethod.NONCES:
                return self._nonces.get(number, _NO_NONCES).admit(request)
            case ReplayMethod.NONE:
                return True

    def refuse(
        self,
        home_address: IPv4Address,
        association: MobilitySecurityAssociation,
        request: Identification,
        now: Instant,
    ) -> Identification:
        """The Identification of a reply 133: our time, or a nonce to use instead."""
        if association.replay is ReplayMethod.NONCES:
            return self._issue(home_address, association, request, now, void=False)
        return resynchronise(request, now.wall)

    def answer(
        self,
        home_address: IPv4Address,
        association: MobilitySecurityAssociation,
        request: Identification,
        now: Instant,
    ) -> Identification:
        """The Identification of any other reply to a request that was admitted; its nonce is used up."""
        if association.replay is ReplayMethod.NONCES:
            return self._issue(home_address, association, request, now, void=True)
        return request

    def accept(
        self, home_address: IPv4Address, association: MobilitySecurityAssociation, request: Identification
    ) -> None:
        """The request is granted: its timestamp is the one to exceed."""
        if association.replay is ReplayMethod.TIMESTAMPS:
            self._accepted[int(home_address)] = request.to_int()

    def is_newer(
        self, number: int, association: MobilitySecurityAssociation, timestamp: int, now: Instant
    ) -> bool:
        """:meth:`admits` for an association with timestamps, in numbers."""
        tolerance = seconds(association.replay_tolerance_s)
        return is_fresh(timestamp, now.wall, self._accepted.get(number), tolerance)

    def renew(self, number: int, timestamp: int) -> None:
        """:meth:`accept` for an association with timestamps, in numbers."""
        self._accepted[number] = timestamp

    def forget(self, home_address: IPv4Address) -> None:
        """The address belongs to another node from now on."""
        self._accepted.discard(int(home_address))
        self._nonces.pop(int(home_address), None)

    def _issue(
        self,
        home_address: IPv4Address,
        association: MobilitySecurityAssociation,
        request: Identification,
        now: Instant,
        *,
        void: bool,
    ) -> Identification:
        number = int(home_address)
        nonce = draw(association, request, now)
        self._nonces[number] = self._nonces.get(number, _NO_NONCES).issue(nonce, void=void)
        return Identification(nonce, request.low)
