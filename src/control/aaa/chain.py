"""Sources of keys asked in their configured order, as the core wants its questions answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.aaa.sources import Answer, Found, KeySource, Unavailable, Unknown
from mobileip.control.core.events import KeysFound, KeysUnavailable, KeysUnknown

KeyEvent = KeysFound | KeysUnknown | KeysUnavailable


class KeyChain:
    """Asks ``sources``, the first first, and gives ``submit`` one answer for each question.

    The first source that knows the peer decides. A source that cannot be asked is passed over; but a peer that no
    other knows is then not unknown: the one that is away may know it. ``limit`` (s) is for one question, in all.
    """

    def __init__(
        self, sources: Sequence[KeySource], submit: Callable[[KeyEvent], None], limit: float
    ) -> None:
        self._sources: Final = tuple(sources)
        self._submit: Final = submit
        self._limit: Final = limit
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    def ask(self, peer: IPv4Address | str) -> None:
        """Begin to ask; the answer comes later, and not before this returns."""
        task = asyncio.get_running_loop().create_task(self._ask(peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop asking; questions under way are not answered any more."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for source in self._sources:
            await source.close()

    async def _ask(self, peer: IPv4Address | str) -> None:
        try:
            async with asyncio.timeout(self._limit):
                event = await self._find(peer)
        except TimeoutError:
            event = KeysUnavailable(peer, f"no answer within {self._limit:g} s")
        self._submit(event)

    async def _find(self, peer: IPv4Address | str) -> KeyEvent:
        troubles: list[str] = []
        for source in self._sources:
            match await _answer(source, peer):
                case Found(associations, lifetime_s):
                    return KeysFound(peer, associations, source.name, lifetime_s)
                case Unavailable(why):
                    troubles.append(f"{source.name}: {why}")
                case Unknown():
                    pass
        return KeysUnavailable(peer, "; ".join(troubles)) if troubles else KeysUnknown(peer)


async def _answer(source: KeySource, peer: IPv4Address | str) -> Answer:
    try:
        return await source.find(peer)
    except (
        Exception
    ) as error:  # a fault of one source must neither leave a request waiting nor end the daemon
        # Only its kind: its text may quote what was received, and that may be a key.
        return Unavailable(f"fault in the source of keys: {type(error).__name__}; please report it")
