"""The configuration file as a source of keys, for when others are asked before it."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from mobileip.control.aaa.servers import ServerStatus
from mobileip.control.aaa.sources import Answer, Found, Unknown
from mobileip.control.security import AssociationTable
from mobileip.control.types import Spi


class ConfiguredKeys:
    """A :class:`~mobileip.control.aaa.sources.KeySource`: what ``associations`` has."""

    name: Final = "config"

    def __init__(self, associations: AssociationTable) -> None:
        self._associations: Final = associations

    def servers(self) -> tuple[ServerStatus, ...]:
        return ()

    async def find(self, peer: IPv4Address | str, _spi: Spi) -> Answer:
        found = self._associations.of(peer)
        return Found(found) if found else Unknown()

    async def close(self) -> None:
        pass
