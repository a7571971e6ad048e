"""Which of several AAA servers to ask: in their order, those that do not answer left alone for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final, TypeVar

from mobileip.control.reasons import Reason
from mobileip.control.security import Secret
from mobileip.control.types import Endpoint

T = TypeVar("T")

Note = Callable[[Reason, Mapping[str, object]], None]
"""What a shell tells: becomes a counter and a line in the log."""


class NoAnswer(Exception):
    """A server, or none of several, answers; one clause or sentence that says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, and the secret that it shares with us."""

    endpoint: Endpoint
    secret: Secret


@dataclass(frozen=True, slots=True)
class Patience:
    """How long servers are waited for, in seconds.

    ``timeout`` is that of one transmission, ``tries`` how many there are; a server that let them all pass is not asked
    for ``dead_time``. ``source`` is the address to ask from; ``None``: as the kernel's route says.
    """

    timeout: float = 1.0
    tries: int = 2
    dead_time: float = 10.0
    source: IPv4Address | None = None


@dataclass(slots=True)
class _Health:
    answered: float = float("-inf")  # when it last did in time
    dead_until: float | None = None
    probed: bool = False  # one question finds out whether it is back


class Rota:
    """The health of ``servers``, and who is asked next. ``what`` they are, for people: "RADIUS server".

    Times are seconds of one clock that does not jump.

    A dead server is not asked before its time is over, and then by one question alone: so a server that is away delays
    one registration in ``dead_time`` and not each.
    """

    def __init__(self, servers: tuple[Server, ...], patience: Patience, note: Note, what: str) -> None:
        self._servers: Final = servers
        self._patience: Final = patience
        self._note: Final = note
        self._what: Final = what
        self._health: Final = [_Health() for _ in servers]

    async def ask(self, ask: Callable[[int], Awaitable[T]]) -> tuple[int, T]:
        """The number of the server that answered first of those that ``ask`` is called with, and its answer.

        :raises NoAnswer: none does. What else ``ask`` raises is passed on.
        """
        clock = asyncio.get_running_loop().time
        failures = []
        for number in self.usable(clock):
            asked = clock()
            try:
                answer = await ask(number)
            except NoAnswer as error:
                self.silent(number, asked, clock(), str(error))
                failures.append(f"{self._servers[number].endpoint}: {error}")
            except BaseException:  # nobody waits any more, or there was nothing that could be sent
                if clock() - asked < self._patience.timeout:
                    self.gave_up(number)
                else:
                    self.silent(number, asked, clock(), "no answer while one was waited for")
                raise
            else:
                self.answered(number, clock())
                return number, answer
        tried = "; ".join(failures) or "none has answered of late"
        raise NoAnswer(f"no {self._what} answers ({tried})")

    def usable(self, now: Callable[[], float]) -> Iterator[int]:
        """Numbers of the servers to ask, one after the other until one answers.

        The caller says how each went, with :meth:`answered`, :meth:`silent` or :meth:`gave_up`.
        """
        for number, health in enumerate(self._health):
            if health.dead_until is not None:
                if health.probed or now() < health.dead_until:
                    continue
                health.probed = True
            yield number

    def answered(self, number: int, now: float) -> None:
        health = self._health[number]
        health.answered, health.probed = now, False
        if health.dead_until is not None:
            health.dead_until = None
            self._note(Reason.AAA_SERVER_BACK, {"server": self._servers[number].endpoint})

    def silent(self, number: int, asked: float, now: float, why: str) -> None:
        """It did not answer a question of time ``asked``; one that answered others since has only lost that one."""
        health = self._health[number]
        health.probed = False
        if health.answered > asked:
            return
        if health.dead_until is None:
            fields = {
                "server": self._servers[number].endpoint,
                "error": why,
                "dead_time": self._patience.dead_time,
            }
            self._note(Reason.AAA_SERVER_SILENT, fields)
        health.dead_until = now + self._patience.dead_time

    def gave_up(self, number: int) -> None:
        """Nobody waits for the answer any more: nothing is known of the server."""
        self._health[number].probed = False
