"""Sealed key files as a source of keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Final

from mobileip.control.aaa.sealed import KeyDirectory, KeyFileError
from mobileip.control.aaa.servers import ServerStatus
from mobileip.control.aaa.sources import Answer, Found, Unavailable, Unknown
from mobileip.control.security.peers import ANY_USER
from mobileip.control.types import Spi

LIFETIME: Final = 60.0
"""Seconds that an answer counts: a file is read quickly, and a key that was removed should not be used much longer."""


class KeyFiles:
    """The keys of ``directory``, opened with ``master``; ``wall`` gives the seconds since 1970.

    A user without a file of its own has that of its realm, ``*@realm``, if there is one.

    :raises KeyFileError: the directory or the master key cannot be used.
    """

    name: Final = "files"

    def __init__(self, directory: Path, master: Path, wall: Callable[[], float]) -> None:
        self._directory: Final = KeyDirectory(directory, master)
        self._wall: Final = wall

    def servers(self) -> tuple[ServerStatus, ...]:
        return ()

    async def find(self, peer: IPv4Address | str, _spi: Spi) -> Answer:
        return await asyncio.to_thread(self._find, peer)

    async def close(self) -> None:
        pass

    def _find(self, peer: IPv4Address | str) -> Answer:
        try:
            for name in _names(peer):
                now = self._wall()
                keys = [key for key in self._directory.get(name) if key.is_valid(now)]
                if keys:
                    ends = [key.until - now for key in keys if key.until is not None]
                    return Found(tuple(key.association for key in keys), min([LIFETIME, *ends]))
        except KeyFileError as error:
            return Unavailable(str(error))
        return Unknown()


def _names(peer: IPv4Address | str) -> list[IPv4Address | str]:
    if isinstance(peer, IPv4Address):
        return [peer]
    try:
        IPv4Address(peer)
    except AddressValueError:
        return [peer, ANY_USER + peer.rpartition("@")[2]] if "@" in peer else [peer]
    return []  # a name that looks like an address gets no address's keys
