"""What stands between the cores and the world: how actions are performed, and how they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from mobileip.control.core.actions import INDEPENDENT, Action
from mobileip.control.core.events import ActionFailed, Event
from mobileip.control.types import Instant


class Machine(Protocol):
    """A pure state machine of :mod:`mobileip.control.core`."""

    def handle(self, event: Event, now: Instant) -> list[Action]: ...

    def next_deadline(self) -> int | None: ...


class ActionError(Exception):
    """An action could not be performed; the message is one sentence for the operator: what, why, what to do."""


def perform_all(actions: Iterable[Action], perform: Callable[[Action], None]) -> list[ActionFailed]:
    """Perform a machine's answer in its order; what failed comes back as events for the machine.

    The list ends at the first failure that later actions may depend on (see :data:`INDEPENDENT`).
    """
    failures: list[ActionFailed] = []
    for action in actions:
        try:
            perform(action)
        except ActionError as error:
            failures.append(ActionFailed(action, str(error)))
            if not isinstance(action, INDEPENDENT):
                break
    return failures
