"""Room for nodes without a binding, and where those are sent for whom there is none (RFC 5944 s3.4, RFC 4433 s5.3)."""

from __future__ import annotations

from ipaddress import IPv4Address

from mobileip.control.core.limits import TokenBucket
from mobileip.control.core.nodes import HomeAgentSettings
from mobileip.control.reasons import Reason


class Room:
    """Of one home agent; ``max_bindings``, ``max_new_rate`` and ``redirect_to`` of its settings."""

    def __init__(self, settings: HomeAgentSettings) -> None:
        self._settings = settings
        self._newcomers = _newcomers(settings)
        self._sent_on = 0

    def reconfigure(self, settings: HomeAgentSettings) -> None:
        if settings.max_new_rate != self._settings.max_new_rate:
            self._newcomers = _newcomers(settings)
        self._settings = settings

    def refusal(self, nodes: int, mono: int) -> Reason | None:
        """Why another node gets no binding beside the ``nodes`` that have one, though its request is in order."""
        if nodes >= self._settings.max_bindings:
            reason = Reason.HA_INSUFFICIENT_RESOURCES
        elif self._newcomers is not None and not self._newcomers.take(mono):
            reason = Reason.HA_TOO_MANY_NEW
        else:
            return None
        return Reason.HA_REDIRECTED if self._settings.redirect_to else reason

    def elsewhere(self) -> IPv4Address:
        """The home agent that the next node is sent to: each in its turn. Only after HA_REDIRECTED."""
        others = self._settings.redirect_to
        self._sent_on += 1
        return others[(self._sent_on - 1) % len(others)]


def _newcomers(settings: HomeAgentSettings) -> TokenBucket | None:
    """What each node without a binding takes a token of."""
    rate = settings.max_new_rate
    return None if rate is None else TokenBucket(rate, rate)
