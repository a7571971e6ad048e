"""A home agent whose nodes' keys are at real FreeRADIUS servers, under load, with servers that fail in every way."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from mobileip.control.aaa.attributes import Client
from mobileip.control.aaa.avpairs import Unsaid
from mobileip.control.aaa.radius import RadiusKeys
from mobileip.control.aaa.servers import Patience, Server
from mobileip.control.aaa.sources import Answer, Found, Unknown
from mobileip.control.lab.namespaces import Namespaces
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.waiting import eventually
from mobileip.control.security import Algorithm, MobilitySecurityAssociation, Secret
from mobileip.control.types import Endpoint, Spi
from tests.netns.aaa.freeradius import NEEDED, SECRET, SIGNED, FreeRadius, cisco, threegpp2
from tests.netns.aaa.threads import serving
from tests.unit.aaa.radius import SECRET as FORGERS_SECRET
from tests.unit.aaa.radius import Radius, wrongly_signed
from tools.load.network import HOME_AGENT, Network
from tools.load.players import Players
from tools.load.population import Population
from tools.load.tally import Operation, Tally
from tools.load.ways import Direct

pytestmark = [pytest.mark.netns, NEEDED]

DEAD_TIME = 0.5  # s
TIMEOUT = 0.3  # s
KNOWN = Population(120, IPv4Address("10.0.0.1"), derived=True)
OTHERS = Population(120, IPv4Address("10.0.1.1"), derived=True)
STRANGERS = Population(4, IPv4Address("10.0.2.1"), derived=True)
_PLACES = {
    KNOWN: IPv4Address("198.18.0.1"),
    OTHERS: IPv4Address("198.19.0.1"),
    STRANGERS: IPv4Address("198.19.9.1"),
}


@dataclass
class Scene:
    """A home agent and two RADIUS servers, each behind its own link."""

    network: Network
    servers: list[FreeRadius]

    def players(self, population: Population, **more: Any) -> Players:
        sock = self.network.load.socket(socket.AF_INET, socket.SOCK_DGRAM)
        way = Direct(sock, population, HOME_AGENT, _PLACES[population])
        return Players(population, [way], places=1, **more)

    def counted(self, reason: str) -> int:
        return int(self.network.home_agent.show("counters")["reasons"][reason])

    def forgers(self) -> list[str]:
        """Whose answers were not believed."""
        rows = self.network.home_agent.show("violations")
        return [row["source"] for row in rows if row["reason"] == "aaa-answer-forged"]

    def log(self) -> str:
        return self.network.home_agent.process.log.read_text()


def users(*populations: Population) -> list[str]:
    """Every other node in each of the two forms."""
    return [
        (threegpp2 if number % 2 else cisco)(population.first + number, population.key_of(number))
        for population in populations
        for number in range(population.count)
    ]


@contextmanager
def scene(secret: str = SECRET, servers: int = 2) -> Iterator[Scene]:
    addresses = [
        (IPv4Address(f"192.0.2.{64 + 4 * n + 2}"), IPv4Address(f"192.0.2.{64 + 4 * n + 1}")) for n in range(2)
    ]
    keys = {
        "sources": ["radius"],
        "retry_interval": 1,
        "unknown_lifetime": 1,
        "radius": {
            "timeout": TIMEOUT,
            "tries": 2,
            "dead_time": DEAD_TIME,
            "servers": [{"address": str(address), "secret": secret} for address, _ in addresses[:servers]],
        },
    }
    home = {"nodes": [], "keys": keys, "networks": [{"prefix": "10.0.0.0/16"}]}
    with (
        Network(KNOWN, home=home, daemon={"log_level": "info", "log_rate": 0}) as network,
        Namespaces() as spaces,
    ):
        radius = []
        for number, (address, ours) in enumerate(addresses[:servers]):
            (space,) = spaces.add(f"radius{number}")
            space.ip(
                f"link add eth0 type veth peer name radius{number} netns {network.home.name}",
                f"addr add {address}/30 dev eth0",
                "link set eth0 up",
            )
            network.home.ip(f"addr add {ours}/30 dev radius{number}", f"link set radius{number} up")
            radius.append(FreeRadius(space, network.processes, address, ours))
        network.start()
        yield Scene(network, radius)


def test_a_storm_while_the_server_is_killed_and_comes_back() -> None:
    """Keys in both forms; who is known goes on meanwhile, and who is not gets in when the server is back."""
    with scene(servers=1) as at:
        (server,) = at.servers
        server.start(users(KNOWN, OTHERS))
        known, others = at.players(KNOWN), at.players(OTHERS)
        known.register_all()
        shown = at.network.home_agent.show("associations")
        assert {row["source"] for row in shown} == {"radius"} and len(shown) == KNOWN.count

        storm: list[Tally] = []
        stormers = threading.Thread(target=lambda: storm.append(others.run(4.0, rate=200)))
        stormers.start()
        try:
            server.kill()
            tally = known.run(2.5, rate=400)
        finally:
            stormers.join()
        assert tally.lost == 0 and tally.accepted == tally.sent, "cached nodes go on"
        usual = tally.latency(50)
        assert usual is not None and usual < TIMEOUT, "and wait for no server"
        before = int(others.registered.sum())
        assert before < OTHERS.count

        server.start(users(KNOWN, OTHERS))
        back = others.register_all()
        assert back.accepted >= OTHERS.count - before
        assert at.counted("aaa-server-silent") >= 1 and at.counted("aaa-server-back") >= 1
        assert at.counted("aaa-answer-forged") == 0


def test_unknown_users_are_discarded_and_a_second_server_takes_over() -> None:
    with scene() as at:
        first, second = at.servers
        for server in at.servers:
            server.start(users(KNOWN))
        at.players(KNOWN, mix={Operation.RENEW: 1.0}).register_all()
        strangers = at.players(STRANGERS).run(0.5, rate=20)
        assert strangers.accepted == 0 and not strangers.denials
        assert at.counted("keys-unknown") >= STRANGERS.count

        assert first.process is not None
        first.process.signal(19)  # it hangs: requests stay unanswered
        second.process.signal(9)
        second.start(users(KNOWN, OTHERS))
        at.players(OTHERS).register_all()
        assert at.counted("aaa-server-silent") >= 1
        first.process.signal(18)  # and answers all that it was asked, too late
        eventually(lambda: at.counted("aaa-answer-late"), what="late answers", explain=at.log)
        assert at.counted("aaa-answer-forged") == 0


def test_answers_without_message_authenticator_and_other_secrets_give_no_keys() -> None:
    with scene(FORGERS_SECRET.decode()) as at:
        unsigned, stranger = at.servers
        unsigned.start(users(KNOWN), secret=FORGERS_SECRET.decode(), signs=False)
        stranger.start(users(KNOWN), secret="not what the home agent has")
        assert at.players(KNOWN).run(1.5, rate=50).accepted == 0
        assert at.counted("keys-unavailable") >= 1
        assert at.forgers() == ["192.0.2.66"]
        assert "it has no Message-Authenticator" in at.log()

        stranger.kill()
        pair = f"mobileip:spi#0=spi 100 key hex {KNOWN.key_of(0).hex()}"
        forger = Radius(lambda request: [wrongly_signed(request, pair)])

        async def stop() -> None:
            forger.close()

        with serving(stranger.space, lambda: forger.start(IPv4Address("192.0.2.70"), 1812), stop):
            assert at.players(KNOWN).run(1.5, rate=50).accepted == 0
        assert forger.requests and sorted(at.forgers()) == ["192.0.2.66", "192.0.2.70"]
        assert "it has a wrong authenticator" in at.log()


def test_the_entries_of_the_documentation() -> None:
    """Every node of docs/aaa.md, asked for at the server that the page describes."""
    page = (Path(__file__).parents[3] / "docs" / "aaa.md").read_text()
    entries = re.findall(r"^```users\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    signed = re.findall(r"^```\n(update reply.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(entries) == 2 and len(signed) == 1
    assert "".join(signed[0].split()) in "".join(SIGNED.split())

    questions: list[tuple[IPv4Address | str, int]] = [
        (IPv4Address("10.1.0.5"), 256),
        ("user@example.net", 300),
        ("another", 256),
        ("many@example.net", 401),
        ("many@example.net", 402),
    ]

    async def ask(server: Server) -> list[Answer]:
        client = Client("tests", Secret(b"cisco"))
        source = RadiusKeys(
            (server,), Patience(), client, Unsaid(), lambda reason, fields: pytest.fail(f"{reason}")
        )
        answers = [await source.find(peer, Spi(spi)) for peer, spi in questions]
        await source.close()
        return answers

    with Namespaces() as spaces, TemporaryDirectory() as directory, Processes(Path(directory)) as processes:
        (space,) = spaces.add("radius0")
        loopback = IPv4Address("127.0.0.1")
        FreeRadius(space, processes, loopback, loopback).start(entries)
        server = Server(Endpoint(loopback, 1812), Secret(SECRET.encode()))
        first, second, *others = space.inside(lambda: asyncio.run(ask(server)))
    assert isinstance(first, Found) and isinstance(second, Found)
    chosen = MobilitySecurityAssociation(Spi(401), Secret(b"sixteen bytes: 2"))
    assert others == [Unknown(Spi(256)), Found((chosen,), None, Spi(401)), Unknown(Spi(402))]
    assert [one.spi for one in first.associations] == [256, 257] and first.lifetime_s == 3600
    assert [one.algorithm for one in first.associations] == [Algorithm.HMAC_MD5, Algorithm.KEYED_MD5]
    assert [one.spi for one in second.associations] == [300]
    assert first.associations[0].key == second.associations[0].key
