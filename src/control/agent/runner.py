"""Feeds one machine: events in their order, actions in theirs, one timer for all deadlines.

Nothing here knows the protocol. An action that fails comes back to the machine as an event before any other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from mobileip.control.core.actions import Action
from mobileip.control.core.events import Event, Tick
from mobileip.control.ports import Machine, perform_all
from mobileip.control.types import NANOSECONDS, Instant

Perform = Callable[[Action], None]


class Runner:
    """Runs ``machine`` on the running loop. ``perform`` raises :class:`ActionError`; nothing else may escape it."""

    def __init__(self, machine: Machine, perform: Perform, clock: Callable[[], Instant]) -> None:
        self._machine = machine
        self._perform = perform
        self._clock = clock
        self._events: deque[Event] = deque()
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed: int | None = None
        self._closed = False
        self._arming = False

    def submit(self, event: Event) -> None:
        """Handle ``event`` now, or after the one being handled when an action caused it."""
        if self._closed:
            return
        self._events.append(event)
        if self._running:
            return
        self._running = True
        try:
            while self._events:
                self._handle(self._events.popleft())
        finally:
            self._running = False
        if not self._arming:  # once for a batch of datagrams, not for each
            self._arming = True
            asyncio.get_running_loop().call_soon(self._arm)

    def close(self) -> None:
        """No more events and no more ticks."""
        self._closed = True
        self._events.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _handle(self, event: Event) -> None:
        pending = [event]
        for one in pending:  # which failures make longer
            pending += perform_all(self._machine.handle(one, self._clock()), self._perform)

    def _arm(self) -> None:
        """One timer, for the earliest deadline."""
        self._arming = False
        if self._closed:
            return
        deadline = self._machine.next_deadline()
        if deadline == self._armed and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = deadline
        if deadline is None:
            return
        loop = asyncio.get_running_loop()
        delay = max(0, deadline - self._clock().mono) / NANOSECONDS
        self._timer = loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._armed = None
        self.submit(Tick())
