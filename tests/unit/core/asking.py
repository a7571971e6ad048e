"""A home agent with sources of keys, and what is said to it and answered by them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from mobileip.control.core.actions import Action
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import KeysFound, KeysUnavailable, KeysUnknown, Tick
from mobileip.control.core.home import HomeAgent
from mobileip.control.core.keyring import REREAD_INTERVAL, KeySettings
from mobileip.control.security import MobilitySecurityAssociation, Secret
from mobileip.control.types import NANOSECONDS, Spi
from mobileip.control.wire import NetworkAccessIdentifier
from tests.unit.core.factory import ASSOCIATION, CARE_OF, at, datagram, kinds, request, sent_reply
from tests.unit.core.homes import SETTINGS

ELSEWHERE = IPv4Address("192.0.2.20")  # not configured
ALICE = NetworkAccessIdentifier("alice@Example.NET")
KEYS = KeySettings(lifetime=100, stale=1000, retry=20, unknown=50, max_known=3, max_questions=8, rate=40)
REREAD = REREAD_INTERVAL / NANOSECONDS
NEW = MobilitySecurityAssociation(Spi(1002), Secret(b"the key after it"))
AWAY = "radius: no answer"


class Asking:
    """A home agent with sources of keys, as the runner would drive it."""

    def __init__(self, keys: KeySettings | None = KEYS, **changes: Any) -> None:
        self.home = HomeAgent(replace(SETTINGS, keys=keys, **changes))
        self._agents = MobilityAgents(home=self.home, foreign=None, links=(), entropy=bytes)

    def hear(self, payload: bytes, time: float = 0.0, source: IPv4Address = CARE_OF) -> list[Action]:
        return self._agents.handle(datagram(payload, source=source), at(time))

    def ask(self, time: float = 0.0, source: IPv4Address = CARE_OF, **fields: Any) -> list[Action]:
        fields.setdefault("home_address", ELSEWHERE)
        return self.hear(request(time, **fields), time, source)

    def found(
        self,
        *associations: MobilitySecurityAssociation,
        time: float = 0.0,
        peer: IPv4Address | str = ELSEWHERE,
        lifetime: float | None = None,
        source: str = "radius",
        **more: Any,
    ) -> list[Action]:
        return self._agents.handle(
            KeysFound(peer, associations or (ASSOCIATION,), source, lifetime, **more), at(time)
        )

    def unknown(
        self, time: float = 0.0, peer: IPv4Address | str = ELSEWHERE, spi: Spi | None = None
    ) -> list[Action]:
        return self._agents.handle(KeysUnknown(peer, spi), at(time))

    def unavailable(self, time: float = 0.0, peer: IPv4Address | str = ELSEWHERE) -> list[Action]:
        return self._agents.handle(KeysUnavailable(peer, AWAY), at(time))

    def pass_time(self, time: float) -> None:
        """Ticks at each deadline up to ``time``."""
        while (due := self._agents.next_deadline()) is not None and due <= at(time).mono:
            self._agents.handle(Tick(), at((due - at(0).mono) / NANOSECONDS))

    def known(self, time: float = 0.0) -> Asking:
        assert kinds(self.ask(time)) == ["LookupKey"]
        assert sent_reply(self.found(time=time)).code == 1
        return self


def strangers(count: int) -> list[IPv4Address]:
    return [IPv4Address("192.0.2.100") + number for number in range(count)]


def sender(number: int) -> IPv4Address:
    return IPv4Address("198.51.100.100") + number
