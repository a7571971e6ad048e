"""Whom a home agent asks for keys and gives account to: what is shown of them, and what an account says of an end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import pytest

from mobileip.control.aaa.accounting import Accountant, Record, Status
from mobileip.control.agent.aaa import Authorities
from mobileip.control.agent.accounting import BindingAccounts
from mobileip.control.config.keys import KeyFilesConfig
from mobileip.control.config.load import examine_data
from mobileip.control.config.model import HomeAgentConfig
from mobileip.control.core.actions import (
    Action,
    ClaimAddress,
    InstallTunnel,
    LookupKey,
    RemoveTunnel,
    TunnelSide,
)
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import (
    ActionFailed,
    ClearBinding,
    Event,
    KeysFound,
    KeysUnavailable,
    Tick,
    TunnelTraffic,
)
from mobileip.control.core.home import HomeAgent
from mobileip.control.ports import ActionError
from mobileip.control.security import AssociationTable
from mobileip.control.tunnels import Tunnels
from mobileip.control.types import Spi
from mobileip.dataplane import Encapsulation, Flag, Side, Traffic, Tunnel, TunnelStatus
from tests.unit.aaa.radius import LOOPBACK, SECRET, Radius, accept
from tests.unit.aaa.test_accounting import acknowledge
from tests.unit.aaa.told import Told
from tests.unit.core.factory import CARE_OF, HOME, HOME_AGENT, at, datagram, request
from tests.unit.core.homes import SETTINGS

NODE = IPv4Address("10.1.0.5")
PAIR = "mobileip:spi#0=spi 100 key hex 00112233445566778899aabbccddeeff"
USER_REQUEST, IDLE_TIMEOUT, SESSION_TIMEOUT, ADMIN_RESET, ADMIN_REBOOT, NAS_ERROR, NAS_REQUEST = (
    1,
    4,
    5,
    6,
    7,
    9,
    10,
)


class Engine:
    """Stands for the data plane: which tunnels there are, each with some traffic."""

    def __init__(self) -> None:
        self.remotes: dict[IPv4Address, list[IPv4Address]] = {}

    def perform(self, action: InstallTunnel | RemoveTunnel) -> None:
        ends = self.remotes.setdefault(action.home_address, [])
        if isinstance(action, InstallTunnel):
            ends[:] = [*(ends if action.beside else ()), action.remote]
        else:
            ends[:] = [one for one in ends if action.remote not in (None, one)]

    def status(self) -> list[TunnelStatus]:
        return [one for home in self.remotes for one in self.home_tunnels(home)]

    def home_tunnels(self, home: IPv4Address) -> list[TunnelStatus]:
        return [
            TunnelStatus(
                Tunnel(home, Side.HOME, HOME_AGENT, remote, 1480, Encapsulation.IPIP, Flag.NONE),
                Traffic(1, 100, 0),
                Traffic(2, 200, 0),
            )
            for remote in self.remotes.get(home, ())
        ]


class Book:
    """Stands for the servers: what they are told."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def put(self, record: Record) -> None:
        self.records.append(record)

    async def close(self, _patience: float) -> None:
        pass


class Agent:
    """A home agent whose tunnels are accounted for, with one node away."""

    def __init__(self) -> None:
        self.book = Book()
        engine = cast(Tunnels, Engine())
        self.accounts = BindingAccounts(engine, cast(Accountant, self.book), None, lambda home: None)
        settings = replace(SETTINGS, idle_timeout=60, shortest_idle_timeout=60)
        self._agents = MobilityAgents(home=HomeAgent(settings), foreign=None, links=(), entropy=bytes)
        self.register(0)

    def register(self, time: float, **fields: Any) -> list[Action]:
        return self.hear(datagram(request(time, **fields)), time)

    def hear(self, event: Event, time: float) -> list[Action]:
        actions = self._agents.handle(event, at(time))
        for action in actions:
            if isinstance(action, InstallTunnel | RemoveTunnel):
                self.accounts.perform(action)
        return actions

    def fall_silent(self) -> None:
        """Nothing goes through its tunnel for longer than it may be idle."""
        for time in (1, 70):
            self.hear(TunnelTraffic(((int(HOME), int(CARE_OF), 5),), True), time)

    def refuse(self) -> None:
        """The kernel does not let the address of a node that comes again be claimed."""
        self.hear(ClearBinding(HOME), 1)
        (claim,) = [one for one in self.register(2) if isinstance(one, ClaimAddress)]
        self.hear(ActionFailed(claim, "no"), 2)


ENDS = {
    "deregistered": (lambda agent: agent.register(1, lifetime=0), USER_REQUEST),
    "deregistered at home": (lambda agent: agent.register(1, lifetime=0, care_of=HOME), USER_REQUEST),
    "expired": (lambda agent: agent.hear(Tick(), 100_000), SESSION_TIMEOUT),
    "idle": (Agent.fall_silent, IDLE_TIMEOUT),
    "cleared": (lambda agent: agent.hear(ClearBinding(HOME), 1), ADMIN_RESET),
    "refused by the kernel": (Agent.refuse, NAS_ERROR),
}


@pytest.mark.parametrize("how", ENDS)
def test_an_account_says_why_a_session_ended(how: str) -> None:
    """Acct-Terminate-Cause, RFC 2866 s5.10."""
    end, cause = ENDS[how]

    async def run() -> list[Record]:
        agent = Agent()
        end(agent)
        await agent.accounts.close()
        return agent.book.records

    on, start, *_, stop, off = asyncio.run(run())
    assert (on.status, start.status, stop.status, off.status) == (
        Status.ON,
        Status.START,
        Status.STOP,
        Status.OFF,
    )
    assert stop.cause == cause and start.cause is None
    assert stop.amounts is not None and stop.amounts.octets_out == 100


def test_what_ends_with_the_agent() -> None:
    async def run() -> list[Record]:
        agent = Agent()
        await agent.accounts.close()
        return agent.book.records

    assert [one.cause for one in asyncio.run(run())] == [None, None, ADMIN_REBOOT, None]


def test_agents_that_start_in_one_second_have_other_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mobileip.control.agent.accounting.time", lambda: 1_800_000_000.5)

    async def run() -> list[set[str]]:
        books = []
        for _ in range(2):
            agent = Agent()
            await agent.accounts.close()
            books.append({one.session for one in agent.book.records})
        return books

    first, second = asyncio.run(run())
    assert len(first) == len(second) == 2, "one of the agent itself, one of the node"
    assert not first & second
    assert {name[:8] for name in first | second} == {f"{1_800_000_000:08x}"}, "the time can be read"


def home_agent(ports: list[int]) -> HomeAgentConfig:
    """Asks two RADIUS servers on its own host; the first is told of accounts too."""
    data = {
        "home_agent": {
            "address": "192.0.2.1",
            "networks": [{"prefix": "10.1.0.0/24"}],
            "nodes": [],
            "keys": {
                "sources": ["radius"],
                "radius": {"timeout": 0.1, "tries": 1, "servers": [_server(port) for port in ports]},
            },
            "accounting": {"timeout": 0.1, "tries": 1, "servers": [_server(ports[0])]},
        }
    }
    config, problems = examine_data(data, Path("."))
    assert config is not None and config.home_agent is not None, problems
    return config.home_agent


def _server(port: int) -> dict[str, Any]:
    return {"address": str(LOOPBACK), "port": port, "secret": SECRET.decode()}


class Scene:
    """Two RADIUS servers, of which the first says nothing, and a home agent that asks both."""

    def __init__(self) -> None:
        self.silent, self.keeper = Radius(lambda asked: []), Radius(lambda asked: [accept(asked, PAIR)])
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.told = Told()
        self.engine = Engine()

    async def open(self) -> Authorities:
        self.ports = [(await one.start()).endpoint.port for one in (self.silent, self.keeper)]
        self.home = home_agent(self.ports)
        submit = self.events.put_nowait
        engine = cast(Tunnels, self.engine)
        self.authorities = Authorities(
            self.home, AssociationTable(), "agent", engine, lambda: None, submit, self.told
        )
        return self.authorities

    async def answer(self) -> Event:
        return await asyncio.wait_for(self.events.get(), 5)

    async def change(self, **tables: Any) -> None:
        self.home = self.home.model_copy(update=tables)
        chain = await self.authorities.prepare(self.home, AssociationTable())
        await self.authorities.change(self.home, chain)

    async def close(self) -> None:
        await self.authorities.close()
        for one in (self.silent, self.keeper):
            one.close()


def test_servers_are_shown_as_they_answer() -> None:
    async def run() -> list[dict[str, Any]]:
        at = Scene()
        authorities = await at.open()
        assert {one["state"] for one in authorities.rows()} == {"unused"}
        authorities.ask(LookupKey(NODE, Spi(256)))
        await at.answer()
        rows = list(authorities.rows())
        await at.close()
        return rows

    first, second, accounting = asyncio.run(run())
    assert (first["use"], first["protocol"], first["state"]) == ("keys", "radius", "silent")
    assert (first["questions"], first["answers"], first["timeouts"]) == (1, 0, 1)
    assert 0 < first["left_alone_s"] <= 10 and first["answer_ms"] is None
    assert (second["state"], second["answers"], second["left_alone_s"]) == ("answering", 1, None)
    assert second["answer_ms"] > 0
    assert (accounting["use"], accounting["waiting"]) == ("accounting", 1), "Accounting-On, which nobody took"


# ---- reload


def test_what_is_asked_while_sources_change_is_asked_of_the_new_ones() -> None:
    async def run() -> Event:
        at = Scene()
        authorities = await at.open()
        authorities.ask(LookupKey(NODE, Spi(256)))
        await asyncio.sleep(0)
        await at.change(keys=home_agent(at.ports[1:]).keys)
        event = await at.answer()
        assert at.events.empty() and len(list(authorities.rows())) == 2
        await at.close()
        return event

    event = asyncio.run(run())
    assert isinstance(event, KeysFound) and event.peer == NODE


def test_what_is_asked_while_the_last_source_goes_is_answered() -> None:
    async def run() -> Event:
        at = Scene()
        authorities = await at.open()
        authorities.ask(LookupKey(NODE, Spi(256)))
        await at.change(keys=None)
        event = await at.answer()
        await at.close()
        return event

    assert asyncio.run(run()) == KeysUnavailable(NODE, "no source of keys is configured any more")


def test_servers_that_stay_keep_what_is_known_of_them() -> None:
    async def run() -> tuple[int, int]:
        at = Scene()
        authorities = await at.open()
        authorities.ask(LookupKey(NODE, Spi(256)))
        await at.answer()
        assert at.home.keys is not None
        await at.change(keys=at.home.keys.model_copy(update={"lifetime": 5.0}))
        kept = next(authorities.rows())["timeouts"]
        await at.change(keys=home_agent([*at.ports, 9]).keys)
        fresh = next(authorities.rows())["timeouts"]
        authorities.ask(LookupKey(NODE, Spi(256)))
        assert isinstance(await at.answer(), KeysFound)
        await at.close()
        return kept, fresh

    assert asyncio.run(run()) == (1, 0)


def test_a_source_that_cannot_be_opened_changes_nothing() -> None:
    async def run() -> None:
        at = Scene()
        authorities = await at.open()
        files = {"directory": "/nowhere/keys", "master_key": "/nowhere/master.key"}
        assert at.home.keys is not None
        wrong = at.home.keys.model_copy(
            update={"sources": ("files", "radius"), "files": KeyFilesConfig.model_validate(files)}
        )
        with pytest.raises(ActionError, match="/nowhere/keys has no sealed keys yet"):
            await at.change(keys=wrong)
        authorities.ask(LookupKey(NODE, Spi(256)))
        assert isinstance(await at.answer(), KeysFound)
        await at.close()

    asyncio.run(run())


def test_records_go_to_the_servers_that_are_named_now() -> None:
    """The first took nothing: what it was told goes to the other, in its order."""

    async def run() -> list[int]:
        at = Scene()
        at.keeper.respond = acknowledge
        authorities = await at.open()
        authorities.perform(InstallTunnel(HOME, TunnelSide.HOME, HOME_AGENT, CARE_OF, reverse=False))
        await asyncio.sleep(0)
        await at.change(accounting=home_agent(at.ports[1:]).accounting)
        authorities.perform(RemoveTunnel(HOME, TunnelSide.HOME))
        await at.close()
        return [asked["Acct-Status-Type"][0] for asked in at.keeper.requests]

    assert asyncio.run(run()) == [Status.ON, Status.START, Status.STOP, Status.OFF]


def test_accounts_may_begin_and_end_while_nodes_are_away() -> None:
    async def run() -> list[Any]:
        at = Scene()
        at.keeper.respond = acknowledge
        authorities = await at.open()
        await at.change(accounting=None)
        authorities.perform(InstallTunnel(HOME, TunnelSide.HOME, HOME_AGENT, CARE_OF, reverse=False))
        await at.change(accounting=home_agent(at.ports[1:]).accounting)
        await at.change(accounting=None)
        assert {one["use"] for one in authorities.rows()} == {"keys"}
        await at.close()
        return at.keeper.requests

    _, start, stop, _ = asyncio.run(run())
    assert start["Tunnel-Client-Endpoint"] == [str(CARE_OF)]
    assert stop["Acct-Terminate-Cause"] == [NAS_REQUEST]
    assert stop["Acct-Output-Octets"] == [0], "what was carried before is in no account"
