"""Room for visitors and pending registrations, for everybody and for each sender (RFC 5944 s3.7.1, RFC 3024 sA.4)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from mobileip.control.core.admission import ForeignAgentSettings, sharing_refusal
from mobileip.control.core.visitors import PendingRegistration, VisitorList
from mobileip.control.reasons import Reason

_SMALLEST_SHARE: Final = 4  # a node that repeats a request every second has as many pending


class VisitorRoom:
    """In one visitor list; ``max_visitors`` and ``max_pending`` of the foreign agent's settings."""

    def __init__(self, settings: ForeignAgentSettings, visitors: VisitorList) -> None:
        self._settings = settings
        self._visitors = visitors

    def reconfigure(self, settings: ForeignAgentSettings) -> None:
        self._settings = settings

    @property
    def is_full(self) -> bool:
        """No room for another visitor."""
        return self._visitors.visitor_count() >= self._settings.max_visitors

    def refusal(self, pending: PendingRegistration) -> Reason | None:
        """Why a request is not taken: it needs a place in both lists, a deregistration none among the visitors."""
        visitors, limit = self._visitors, self._settings.max_pending
        if visitors.get_pending(pending.key) is None:
            if self._is_crowded() and visitors.oldest_stranger(pending.link_address) is None:
                return Reason.FA_BUSY
            if visitors.pending_of(pending.link_address) >= fair_share(limit):
                return Reason.FA_SENDER_LIMIT
        return None if pending.lifetime == 0 else self.place_refusal(pending, pending.home_address)

    def place_refusal(self, pending: PendingRegistration, home_address: IPv4Address) -> Reason | None:
        """Why the node cannot become the visitor with ``home_address``.

        A visitor gets a host route, and what its home agent says is all that stands for its address. Whoever has an
        accomplice for a home agent must not be given what is for the home agent of others, or for our own router.
        """
        visitors, settings = self._visitors, self._settings
        if not pending.co_located and (
            visitors.is_home_agent(home_address)
            or settings.home_agents.preferred(home_address) is not None
            or home_address in settings.gateways
        ):
            return Reason.FA_PROHIBITED
        of_all = visitors.of(home_address)
        others = [one for one in of_all if not pending.replaces(one)]
        if len(others) == len(of_all):
            if self.is_full:
                return Reason.FA_BUSY
            if visitors.visitors_of(pending.link_address) >= fair_share(settings.max_visitors):
                return Reason.FA_SENDER_LIMIT
        return None if pending.co_located else sharing_refusal(pending, others)

    def make(self, pending: PendingRegistration) -> PendingRegistration | None:
        """Remove who leaves a full list for ``pending``, which was not refused; ``None``: nobody who has to be told.

        Who waited longest gives way, not who comes: a flood of made-up requests would keep everybody out. Who is
        answered before the list has gone round is served (s3.7.1).
        """
        if not self._is_crowded() or self._visitors.get_pending(pending.key) is not None:
            return None
        oldest = self._visitors.oldest_stranger(pending.link_address)
        return oldest if oldest is not None and self._visitors.remove_pending(oldest) else None

    def _is_crowded(self) -> bool:
        return self._visitors.pending_count() >= self._settings.max_pending


def fair_share(limit: int) -> int:
    """How many of ``limit`` places one link-layer address may have: a quarter, so that no sender fills a list."""
    return min(limit, max(_SMALLEST_SHARE, limit // 4))
