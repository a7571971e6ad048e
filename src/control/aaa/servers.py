"""Which of several AAA servers to ask: in their order, those that do not answer left alone for a while."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How a server has done since we began to ask it. Times in seconds.

    ``timeouts`` are questions that it let pass, ``late`` and ``forged`` answers that were of no use. ``took`` is how
    long its answers take of late, transmissions before the one that was answered included. ``left_alone``: for how long
    it is not asked any more; 0: a question is to find out whether it is back; ``None``: it is not known to be away.
    """

    endpoint: Endpoint
    questions: int
    answers: int
    timeouts: int
    late: int
    forged: int
    took: float | None
    left_alone: float | None


@dataclass(slots=True)
class _Health:
    answered: float = float("-inf")  # when it last did in time
    dead_until: float | None = None
    probed: bool = False  # one question finds out whether it is back
    questions: int = 0
    answers: int = 0
    timeouts: int = 0
    took: float | None = None
    told: Counter[Reason] = field(default_factory=Counter)


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
            self._health[number].questions += 1
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
                self._health[number].answers += 1
                self._took(number, clock() - asked)
                return number, answer
        tried = "; ".join(failures) or "none has answered of late"
        raise NoAnswer(f"no {self._what} answers ({tried})")

    def status(self) -> tuple[ServerStatus, ...]:
        """Of every server, in their order; inside an event loop, whose clock it is."""
        now = asyncio.get_running_loop().time()
        return tuple(
            ServerStatus(
                server.endpoint,
                health.questions,
                health.answers,
                health.timeouts,
                health.told[Reason.AAA_ANSWER_LATE],
                health.told[Reason.AAA_ANSWER_FORGED],
                health.took,
                None if health.dead_until is None else max(0.0, health.dead_until - now),
            )
            for server, health in zip(self._servers, self._health, strict=True)
        )

    def note_of(self, number: int) -> Note:
        """Tells what is noted of one server, and counts it."""

        def note(reason: Reason, fields: Mapping[str, object]) -> None:
            self._health[number].told[reason] += 1
            self._note(reason, fields)

        return note

    def _took(self, number: int, seconds: float) -> None:
        """The usual smoothing (RFC 6298 s2): one late answer does not make a slow server."""
        health = self._health[number]
        health.took = seconds if health.took is None else health.took + (seconds - health.took) / 8

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
        health.timeouts += 1
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
