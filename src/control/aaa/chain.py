"""Sources of keys asked in their configured order, as the core wants its questions answered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Sequence
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.aaa.sources import Answer, Found, KeySource, Unavailable, Unknown
from mobileip.control.core.events import KeysFound, KeysUnavailable, KeysUnknown
from mobileip.control.types import Spi

KeyEvent = KeysFound | KeysUnknown | KeysUnavailable


class KeyChain:
    """Asks ``sources``, the first first, and gives ``submit`` one answer for each question.

    The first source that knows the peer decides. A source that cannot be asked is passed over; but a peer that no
    other knows is then not unknown: the one that is away may know it. What another says in its place counts for
    ``retry`` (s) at most. ``limit`` (s) is for one question, in all.
    """

    def __init__(
        self,
        sources: Sequence[KeySource],
        submit: Callable[[KeyEvent], None],
        limit: float,
        retry: float = math.inf,
    ) -> None:
        self._sources: Final = tuple(sources)
        self._submit: Final = submit
        self._limit: Final = limit
        self._retry: Final = retry
        self._tasks: Final[dict[asyncio.Task[None], tuple[IPv4Address | str, Spi]]] = {}

    @property
    def sources(self) -> tuple[KeySource, ...]:
        return self._sources

    @property
    def under_way(self) -> tuple[tuple[IPv4Address | str, Spi], ...]:
        """What was asked for and is not answered yet."""
        return tuple(self._tasks.values())

    def ask(self, peer: IPv4Address | str, spi: Spi) -> None:
        """Begin to ask; the answer comes later, and not before this returns."""
        task = asyncio.get_running_loop().create_task(self._ask(peer, spi))
        self._tasks[task] = (peer, spi)
        task.add_done_callback(self._tasks.pop)

    async def close(self, keep: Collection[KeySource] = ()) -> None:
        """Stop asking; questions under way are not answered any more. Others go on with the sources in ``keep``."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for source in self._sources:
            if source not in keep:
                await source.close()

    async def _ask(self, peer: IPv4Address | str, spi: Spi) -> None:
        try:
            async with asyncio.timeout(self._limit):
                event = await self._find(peer, spi)
        except TimeoutError:
            event = KeysUnavailable(peer, f"no answer within {self._limit:g} s")
        self._submit(event)

    async def _find(self, peer: IPv4Address | str, spi: Spi) -> KeyEvent:
        troubles: list[str] = []
        denied: Spi | None = None
        for source in self._sources:
            match await _answer(source, peer, spi):
                case Found() as found:
                    lifetime = found.lifetime_s
                    if troubles and self._retry < (math.inf if lifetime is None else lifetime):
                        lifetime = self._retry
                    return KeysFound(
                        peer, found.associations, source.name, lifetime, found.spi, found.home_address
                    )
                case Unavailable(why):
                    troubles.append(f"{source.name}: {why}")
                case Unknown(one):
                    denied = denied if one is None else one
        return KeysUnavailable(peer, "; ".join(troubles)) if troubles else KeysUnknown(peer, denied)


async def _answer(source: KeySource, peer: IPv4Address | str, spi: Spi) -> Answer:
    try:
        return await source.find(peer, spi)
    except (
        Exception
    ) as error:  # a fault of one source must neither leave a request waiting nor end the daemon
        # Only its kind: its text may quote what was received, and that may be a key.
        return Unavailable(f"fault in the source of keys: {type(error).__name__}; please report it")
