"""What stands between the cores and the world: how actions are performed, and how they fail."""

from __future__ import annotations

from typing import Protocol

from mobileip.control.core.actions import Action
from mobileip.control.core.events import Event
from mobileip.control.types import Instant


class Machine(Protocol):
    """A pure state machine of :mod:`mobileip.control.core`."""

    def handle(self, event: Event, now: Instant) -> list[Action]: ...

    def next_deadline(self) -> int | None: ...


class ActionError(Exception):
    """An action could not be performed; the message is one sentence for the operator: what, why, what to do."""
