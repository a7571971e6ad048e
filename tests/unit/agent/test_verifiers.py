"""Who is asked whether nodes are who they say they are: shown, and changed with those that have the keys."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from mobileip.control.agent.verifiers import Verifiers
from mobileip.control.config.load import examine_data
from mobileip.control.config.model import Config
from mobileip.control.core.actions import Asker, VerifyProof
from mobileip.control.core.events import ProofAccepted, ProofRejected
from mobileip.control.core.proofs import ProofEvent
from mobileip.control.security import Chap
from mobileip.control.types import Spi
from tests.unit.aaa.radius import LOOPBACK, SECRET, Radius, accept, reject
from tests.unit.aaa.told import Told

PAIR = "mobileip:spi#0=spi 100 key hex 00112233445566778899aabbccddeeff"


def question(asker: Asker) -> VerifyProof:
    return VerifyProof(asker, IPv4Address("10.1.0.5"), Chap(1, bytes(16), bytes(20)), Spi(0x100))


def both_agents(keys: int, visitors: int, **radius: Any) -> Config:
    """The server with port ``keys`` has the keys and hears of proofs too, that with ``visitors`` hears of visitors."""
    data = {
        "home_agent": {
            "address": "192.0.2.1",
            "networks": [{"prefix": "10.1.0.0/24"}],
            "keys": {"sources": ["radius"], "radius": {"servers": [_server(keys)], **radius}},
            "aaa": {"timeout": 5.0},
        },
        "foreign_agent": {
            "care_of_address": "192.0.2.1",
            "interfaces": [{"name": "eth1"}],
            "challenge": {},
            "aaa": {"servers": [_server(visitors)]},
        },
    }
    config, problems = examine_data(data, Path("."))
    assert config is not None, problems
    return config


def _server(port: int) -> dict[str, Any]:
    return {"address": str(LOOPBACK), "port": port, "secret": SECRET.decode()}


class Scene:
    """Three servers: one says nothing, one knows the node, one does not. The first is asked by the home agent."""

    async def open(self) -> Verifiers:
        self.silent, self.knowing = Radius(lambda asked: []), Radius(lambda asked: [accept(asked, PAIR)])
        self.refusing = Radius(lambda asked: [reject(asked)])
        self._all = (self.silent, self.knowing, self.refusing)
        self.ports = [(await one.start()).endpoint.port for one in self._all]
        self.came: asyncio.Queue[ProofEvent] = asyncio.Queue()
        self.verifiers = Verifiers(both_agents(self.ports[0], self.ports[2]), self.came.put_nowait, Told())
        return self.verifiers

    async def answer(self) -> ProofEvent:
        return await asyncio.wait_for(self.came.get(), 5)

    async def change(self, port: int, **radius: Any) -> None:
        home = both_agents(port, self.ports[2], **radius).home_agent
        assert home is not None
        await self.verifiers.change(home)

    async def close(self) -> None:
        await self.verifiers.close()
        for one in self._all:
            one.close()


def test_servers_are_shown_by_who_asks_them() -> None:
    async def run() -> list[dict[str, Any]]:
        at = Scene()
        verifiers = await at.open()
        verifiers.ask(question(Asker.HOME_AGENT))
        verifiers.ask(question(Asker.FOREIGN_AGENT))
        assert isinstance(await at.answer(), ProofRejected)
        await asyncio.sleep(0)
        rows = list(verifiers.rows())
        await at.close()
        return rows

    home, foreign = asyncio.run(run())
    assert (home["use"], home["waiting"], home["answers"]) == ("proofs", 1, 0)
    assert (foreign["use"], foreign["waiting"], foreign["answers"]) == ("visitors", 0, 1)
    assert foreign["state"] == "answering"


def test_who_has_the_keys_now_is_asked_about_proofs_too_also_those_under_way() -> None:
    async def run() -> ProofEvent:
        at = Scene()
        verifiers = await at.open()
        verifiers.ask(question(Asker.HOME_AGENT))
        await at.change(at.ports[1])
        event = await at.answer()
        assert at.came.empty()
        verifiers.ask(question(Asker.FOREIGN_AGENT))
        assert isinstance(await at.answer(), ProofRejected), "those of visitors are who they were"
        assert [row["server"].port for row in verifiers.rows()] == at.ports[1:]
        await at.close()
        return event

    event = asyncio.run(run())
    assert isinstance(event, ProofAccepted) and event.keys is not None, "the key came along"


def test_what_is_known_of_servers_stays_while_they_do() -> None:
    async def run() -> list[int]:
        at = Scene()
        verifiers = await at.open()
        await at.change(at.ports[1])
        asked = []
        changes: list[dict[str, Any]] = [{}, {"timeout": 3.0}, {"replay": "none"}]
        for radius in changes:
            verifiers.ask(question(Asker.HOME_AGENT))
            await at.answer()
            await at.change(at.ports[1], **radius)
            asked.append(next(verifiers.rows())["questions"])
        await at.close()
        return asked

    assert asyncio.run(run()) == [1, 2, 0], "only the last change is of how their answers are read"
