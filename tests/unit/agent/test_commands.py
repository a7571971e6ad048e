"""What a daemon answers to its operator: rows with the documented fields, what was cleared, who can be followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import pytest

from mobileip.control.aaa.servers import ServerStatus
from mobileip.control.agent import aaa, commands, settings
from mobileip.control.agent.debug import MOST_FOLLOWERS, Followers
from mobileip.control.agent.verifiers import Verifiers
from mobileip.control.config.load import examine_data
from mobileip.control.config.model import Config
from mobileip.control.core.actions import Action, SendDatagram
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import Event, IgmpReceived, LinkChanged
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings, VisitedLink
from mobileip.control.core.home import HomeAgent
from mobileip.control.core.mobile import MobileNode
from mobileip.control.core.tunnel_state import TunnelStates
from mobileip.control.ops.control_socket import ControlError
from mobileip.control.ops.journal import Journal
from mobileip.control.ops.nouns import NOUNS
from mobileip.control.ops.plain import plain
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import Tunnels
from mobileip.control.types import Endpoint, Lifetime
from mobileip.control.wire import MembershipReport, RequestFlags, build_igmp
from mobileip.dataplane import (
    Amount,
    DropCount,
    DropReason,
    Encapsulation,
    Flag,
    Side,
    Traffic,
    Tunnel,
    TunnelStatus,
)
from tests.unit.core import factory
from tests.unit.core.factory import AGENT, CARE_OF, HOME, HOME_AGENT, NODE_MAC, OTHER_CARE_OF

BESIDE = RequestFlags(reverse_tunnel=True, simultaneous=True)
KEY = "30313233343536373839616263646566"  # the factory's
SECOND = IPv4Address("192.0.2.11")
FILE: dict[str, Any] = {
    "home_agent": {
        "address": str(HOME_AGENT),
        "max_simultaneous": 2,
        "multicast": True,
        "networks": [{"prefix": "192.0.2.0/24", "interface": "home0", "pool": "192.0.2.128/25"}],
        "nodes": [
            {"home_address": str(HOME), "spi": 1000, "key": KEY},
            {"home_addresses": "192.0.2.32/28", "spi": 1000, "key": KEY, "replay": "nonces"},
            {"nai": "*@example.net", "spi": 1000, "key": KEY},
        ],
        "foreign_agents": [{"address": str(OTHER_CARE_OF), "spi": 300, "key": KEY}],
    },
    "foreign_agent": {
        "care_of_address": str(CARE_OF),
        "interfaces": [{"name": "eth1"}],
        "nodes": [{"home_address": "10.9.0.9", "spi": 301, "key": KEY}],
        "home_agents": [{"address": "192.0.2.2", "spi": 302, "spi_out": 303, "key": KEY}],
    },
}
MOBILE: dict[str, Any] = {
    "mobile_node": {
        "home_address": f"{HOME}/24",
        "home_agent": str(HOME_AGENT),
        "interfaces": ["eth0"],
        "spi": 1000,
        "key": KEY,
    }
}


class Engine:
    """Stands for the data plane."""

    def status(self) -> list[TunnelStatus]:
        tunnel = Tunnel(HOME, Side.HOME, HOME_AGENT, CARE_OF, 1480, Encapsulation.IPIP, Flag.REVERSE)
        return [TunnelStatus(tunnel, Traffic(1, 84, 0), Traffic(2, 168, 1))]

    def underlay(self, tunnel: Tunnel) -> str:
        return "packet" if tunnel.remote == CARE_OF else "raw"

    def drops(self) -> list[DropCount]:
        return [DropCount(DropReason.TOO_BIG, Amount(1, 1500), Amount(0, 0))]

    def counters(self) -> dict[str, int]:
        return {"forwarded": 3}


class Servers:
    """Stands for those who are asked for keys."""

    def rows(self) -> Iterator[aaa.Row]:
        yield aaa.row("keys", "radius", ServerStatus(Endpoint(AGENT, 1812), 3, 1, 1, 1, 0, 0.0021, 9.87), 1)


@dataclass
class Daemon:
    """Machines without a kernel: every action is done."""

    config: Config
    agents: MobilityAgents | None = None
    mobile: MobileNode | None = None
    authorities: aaa.Authorities | None = None
    verifiers: Verifiers | None = None
    journal: Journal = field(default_factory=lambda: Journal(lambda: 0, lambda: 0, 0))
    followers: Followers = field(default_factory=lambda: Followers(lambda: factory.at(0)))
    paths: TunnelStates = field(default_factory=TunnelStates)
    time: float = 0.0
    done: list[Action] = field(default_factory=list)

    @property
    def tunnels(self) -> Tunnels:
        return cast(Tunnels, Engine())

    def submit(self, event: Event) -> None:
        machine = self.agents or self.mobile
        assert machine is not None
        self.done += machine.handle(event, factory.at(self.time))

    async def reload(self) -> object:
        return {"changed": []}


def config(data: dict[str, Any]) -> Config:
    made, problems = examine_data({name: dict(table) for name, table in data.items()}, Path("."))
    assert made is not None, problems
    return made


@pytest.fixture
def agents() -> Daemon:
    """Both agents; a node with two bindings, one with one, and a visitor and a pending registration."""
    known = config(FILE)
    assert known.home_agent is not None
    visited = ForeignAgentSettings(
        CARE_OF, (VisitedLink("eth1", AGENT),), Lifetime(300), frozenset({CARE_OF})
    )
    machine = MobilityAgents(
        home=HomeAgent(settings.home_agent(known.home_agent)),
        foreign=ForeignAgent(visited),
        links=(),
        entropy=lambda size: b"\x5a" * size,
    )
    daemon = Daemon(known, agents=machine, authorities=cast(aaa.Authorities, Servers()))
    for care_of in (CARE_OF, OTHER_CARE_OF):
        daemon.time += 1
        asked = factory.request(daemon.time, care_of=care_of, flags=BESIDE)
        daemon.submit(factory.datagram(asked))
    daemon.submit(IgmpReceived(build_igmp(MembershipReport(IPv4Address("239.1.2.3"))), HOME))
    for home in (HOME, SECOND):
        daemon.time += 1
        asked = factory.request(daemon.time, home_agent=IPv4Address("198.18.0.1"), home_address=home)
        event = factory.datagram(
            asked, source=home, destination=AGENT, interface="eth1", ttl=255, mac=NODE_MAC
        )
        daemon.submit(event)
    asked = factory.request(daemon.time - 1, home_agent=IPv4Address("198.18.0.1"))
    daemon.submit(
        factory.datagram(
            factory.reply(to=asked, home_agent=IPv4Address("198.18.0.1")),
            source=IPv4Address("198.18.0.1"),
            destination=CARE_OF,
        )
    )
    return daemon


@pytest.fixture
def mobile() -> Daemon:
    """A node that has asked a foreign agent and was accepted."""
    known = config(MOBILE)
    assert known.mobile_node is not None
    machine = MobileNode(settings.mobile_node(known.mobile_node), lambda size: b"\x5a" * size)
    daemon = Daemon(known, mobile=machine)
    daemon.submit(LinkChanged("eth0", True))
    daemon.submit(factory.advertisement())
    (asked,) = [action for action in daemon.done if isinstance(action, SendDatagram)]
    daemon.submit(
        factory.datagram(factory.reply(to=asked.payload), source=AGENT, destination=HOME, interface="eth0")
    )
    return daemon


def ask(daemon: Daemon, command: str, **arguments: object) -> Any:
    answer = commands.handlers(daemon)[command](arguments)
    return plain(list(cast(Iterable[object], answer)) if not isinstance(answer, dict) else answer)


def show(daemon: Daemon, what: str) -> Any:
    return ask(daemon, "show", what=what)


# ---- show


@pytest.mark.parametrize("what", NOUNS)
def test_every_field_is_documented_and_no_other(agents: Daemon, mobile: Daemon, what: str) -> None:
    """Scripts read these names: what a daemon sends and what docs/show.md says are the same."""
    agents.journal.note(Reason.MN_FAILED_AUTHENTICATION, {"home_address": HOME})
    rows = []
    for daemon in (agents, mobile):
        answer = show(daemon, what)
        rows += answer if isinstance(answer, list) else [answer] if answer else []
    assert rows
    for row in rows:
        assert set(row) == set(NOUNS[what].fields), "ops/nouns.py and agent/views.py differ"


def test_a_daemon_without_a_role_shows_nothing_of_it(agents: Daemon, mobile: Daemon) -> None:
    for what in ("bindings", "groups", "hosts", "visitors", "pending"):
        assert show(mobile, what) == []
    assert (show(agents, "agents"), show(agents, "registration")) == ([], {})


@pytest.mark.parametrize("what", ["bridges", None, 5])
def test_what_there_is_not(agents: Daemon, what: object) -> None:
    with pytest.raises(ControlError, match="there are: bindings, groups"):
        ask(agents, "show", what=what)


def test_hosts_say_which_are_bound(agents: Daemon) -> None:
    found = [(row["home_address"], row["nai"], row["replay"], row["bound"]) for row in show(agents, "hosts")]
    assert found == [
        (str(HOME), None, "timestamps", 1),
        ("192.0.2.32/28", None, "nonces", 0),
        (None, "*@example.net", "timestamps", 0),
    ]


def test_associations_are_named_and_keys_are_not(agents: Daemon, mobile: Daemon) -> None:
    found = show(agents, "associations")
    assert [(row["peer"], row["kind"], row["spi"], row["spi_out"]) for row in found] == [
        (str(HOME), "mobile-home", 1000, 1000),
        ("192.0.2.32/28", "mobile-home", 1000, 1000),
        ("*@example.net", "mobile-home", 1000, 1000),
        (str(OTHER_CARE_OF), "foreign-home", 300, 300),
        ("10.9.0.9", "mobile-foreign", 301, 301),
        ("192.0.2.2", "foreign-home", 302, 303),
    ]
    everything = str([show(daemon, what) for daemon in (agents, mobile) for what in NOUNS])
    assert KEY not in everything
    assert bytes.fromhex(KEY).decode() not in everything
    assert [row["peer"] for row in show(mobile, "associations")] == [str(HOME_AGENT)]


def test_visitors_and_pending_are_apart(agents: Daemon) -> None:
    assert [(row["home_address"], row["state"]) for row in show(agents, "visitors")] == [
        (str(HOME), "registered")
    ]
    assert [(row["home_address"], row["state"]) for row in show(agents, "pending")] == [
        (str(SECOND), "pending")
    ]


# ---- clear


def test_all_bindings_of_a_node(agents: Daemon) -> None:
    assert len(show(agents, "bindings")) == 2
    agents.done.clear()
    cleared = ask(agents, "clear", what="binding", home_address=str(HOME))
    assert [row["care_of_address"] for row in cleared] == [str(CARE_OF), str(OTHER_CARE_OF)]
    assert show(agents, "bindings") == []
    assert "RemoveTunnel" in factory.kinds(agents.done)
    assert factory.reasons(agents.done).count(Reason.BINDING_CLEARED) == 2
    assert ask(agents, "clear", what="binding", home_address=str(HOME)) == []


def test_one_binding_of_two(agents: Daemon) -> None:
    arguments = {"home_address": str(HOME), "care_of_address": str(CARE_OF)}
    (cleared,) = ask(agents, "clear", what="binding", **arguments)
    assert cleared["care_of_address"] == str(CARE_OF)
    assert [row["care_of_address"] for row in show(agents, "bindings")] == [str(OTHER_CARE_OF)]


def test_a_visitor(agents: Daemon) -> None:
    agents.done.clear()
    (cleared,) = ask(agents, "clear", what="visitor", home_address=str(HOME))
    assert cleared["interface"] == "eth1"
    assert show(agents, "visitors") == []
    assert factory.kinds(agents.done) == ["RemoveVisitorRoute", "RemoveTunnel"]
    assert factory.reasons(agents.done) == [Reason.VISITOR_CLEARED]
    assert len(show(agents, "pending")) == 1
    assert ask(agents, "clear", what="visitor", home_address=str(SECOND)) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"what": "binding"}, "home_address is missing"),
        ({"what": "binding", "home_address": "10.1"}, "no IPv4 address"),
        ({"what": "binding", "home_address": 5}, "no IPv4 address"),
        ({"what": "bindings", "home_address": "10.1.0.5"}, "cannot be cleared"),
    ],
)
def test_what_cannot_be_cleared(agents: Daemon, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ControlError, match=said):
        ask(agents, "clear", **arguments)


def test_a_mobile_node_has_nothing_to_clear(mobile: Daemon) -> None:
    with pytest.raises(ControlError, match="is a mobile node"):
        ask(mobile, "clear", what="visitor", home_address=str(HOME))


# ---- debug


def follow(daemon: Daemon, **arguments: object) -> AsyncGenerator[Any, None]:
    return cast(AsyncGenerator[Any, None], commands.handlers(daemon)["debug"](arguments))


def test_a_node_is_followed(agents: Daemon) -> None:
    async def scenario() -> None:
        stream = follow(agents, node=str(HOME))
        assert (await anext(stream))["event"] == "following"
        agents.followers.received(factory.datagram(factory.request()))
        assert (await anext(stream))["event"] == "received"
        await stream.aclose()

    asyncio.run(scenario())


def test_a_mobile_node_needs_no_name(mobile: Daemon, agents: Daemon) -> None:
    async def scenario() -> None:
        for name in (None, str(HOME), "02:00:00:00:00:01"):
            stream = follow(mobile, node=name)
            await anext(stream)
            mobile.followers.noted(Reason.LINK_UP, {})
            assert (await anext(stream))["reason"] == "link-up"
            await stream.aclose()

    asyncio.run(scenario())
    with pytest.raises(ControlError, match=f"is the mobile node {HOME}"):
        follow(mobile, node=str(SECOND))
    with pytest.raises(ControlError, match="say which node"):
        follow(agents)


@pytest.mark.parametrize("name", ["", 5, "somebody"])
def test_who_cannot_be_followed(agents: Daemon, name: object) -> None:
    with pytest.raises(ControlError, match=r"no home address, link-layer address or NAI|say which"):
        follow(agents, node=name)


def test_too_many_follow(agents: Daemon) -> None:
    async def scenario() -> None:
        streams = [follow(agents, node=str(HOME)) for _ in range(MOST_FOLLOWERS)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(ControlError, match=f"{MOST_FOLLOWERS} who follow"):
            follow(agents, node=str(HOME))
        for stream in streams:
            await stream.aclose()

    asyncio.run(scenario())
