"""Which of several AAA servers to ask: in their order, those that do not answer left alone for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.reasons import Reason
from mobileip.control.security import Secret
from mobileip.control.types import Endpoint

Note = Callable[[Reason, Mapping[str, object]], None]
"""What a shell tells: becomes a counter and a line in the log."""


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
    """The health of ``servers``. Times are seconds of one clock that does not jump.

    A dead server is not asked before its time is over, and then by one question alone: so a server that is away delays
    one registration in ``dead_time`` and not each.
    """

    def __init__(self, servers: tuple[Server, ...], dead_time: float, note: Note) -> None:
        self._servers: Final = servers
        self._dead_time: Final = dead_time
        self._note: Final = note
        self._health: Final = [_Health() for _ in servers]

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
            fields = {"server": self._servers[number].endpoint, "error": why, "dead_time": self._dead_time}
            self._note(Reason.AAA_SERVER_SILENT, fields)
        health.dead_until = now + self._dead_time

    def gave_up(self, number: int) -> None:
        """Nobody waits for the answer any more: nothing is known of the server."""
        self._health[number].probed = False

    def __len__(self) -> int:
        return len(self._servers)
