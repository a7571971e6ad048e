"""How a running daemon takes up a changed configuration file, and what is said of it.

What a change means is worked out by :mod:`.reload`, what follows from it is done by the daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from mobileip.control.agent import settings
from mobileip.control.agent.reload import Change, merge
from mobileip.control.config.model import Config
from mobileip.control.config.problem import Problem, Severity
from mobileip.control.core.home import HomeAgentSettings
from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.ops import log
from mobileip.control.ops.control_socket import ControlError
from mobileip.control.ports import ActionError

_MOST_TOLD = 100  # changes of a reload that are logged one by one

Reread = Callable[[], tuple[Config | None, tuple[Problem, ...]]]
"""Gives the configuration file as it is now: the configuration unless there are errors, and every problem."""


class Running(Protocol):
    """The daemon that a file is reread for."""

    config: Config

    async def go_on(self, config: Config, home: HomeAgentSettings | None) -> None:
        """From now on with ``config``, which differs from the present one only in what can be changed in place.

        :raises ActionError: the host does not allow it; then nothing is changed.
        """

    async def ask_again(self) -> None:
        """The file is the same, but what others were asked for because of it may not be.

        :raises ActionError: they cannot be asked any more; then nothing is changed.
        """


class Reloader:
    """``capacity``: the most tunnels that the daemon has room for."""

    def __init__(self, daemon: Running, reread: Reread, capacity: int) -> None:
        self._daemon = daemon
        self._reread = reread
        self._capacity = capacity
        self._busy = asyncio.Lock()

    async def reload(self) -> dict[str, object]:
        """Read the file again and apply what can be applied; :class:`ControlError` if the file cannot be used."""
        async with self._busy:
            try:
                problems, changes = await self._reload()
            except (ActionError, NetlinkFailure) as error:
                log.logger().error("reload-refused", text=str(error))
                raise ControlError(f"nothing is changed: {error}") from None
        for problem in problems:
            log.logger().warning("config-warning", key=problem.key, text=problem.text)
        for change in changes[:_MOST_TOLD]:
            _tell_change(change)
        log.logger().info("reloaded", changes=len(changes))
        return {
            "changed": [{"key": one.key, "text": one.text} for one in changes if one.applied],
            "needs_restart": [{"key": one.key, "text": one.text} for one in changes if not one.applied],
            "warnings": [str(problem) for problem in problems],
        }

    async def _reload(self) -> tuple[tuple[Problem, ...], list[Change]]:
        """What takes long with many nodes is done in a thread: registrations do not wait for it."""
        config, problems = await asyncio.to_thread(self._reread)
        if config is None:
            errors = (str(one) for one in problems if one.severity is Severity.ERROR)
            raise ActionError("; ".join(errors))
        merged, changes = await asyncio.to_thread(merge, self._daemon.config, config, self._capacity)
        if any(change.applied for change in changes):
            await self._daemon.go_on(merged, await asyncio.to_thread(settings.of_home_agent, merged))
        else:
            await self._daemon.ask_again()
        return problems, changes

    def on_hangup(self) -> None:
        """SIGHUP: as ``mobileip reload``, with the answer in the log."""
        task = asyncio.ensure_future(self.reload())
        task.add_done_callback(_tell_fault)


def _tell_change(change: Change) -> None:
    if change.applied:
        log.logger().info("configuration-changed", key=change.key, text=change.text)
    else:
        log.logger().warning("needs-restart", key=change.key, text=change.text)


def _tell_fault(task: asyncio.Future[dict[str, object]]) -> None:
    """What a reload refuses is in the log already; anything else is a fault."""
    if not task.cancelled() and not isinstance(task.exception(), ControlError | None):
        log.logger().error("reload-failed", error=repr(task.exception()))
