"""A home agent whose AAA servers are hostile: what they send, and how, costs it neither life, memory, nor a handle."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.lab.waiting import eventually
from tests.fuzz.aaa import SECRET, radius_seeds, signed, tacacs_seeds
from tests.fuzz.mutation import mutations
from tests.netns.aaa.threads import serving
from tests.unit.aaa.tacacs import pad
from tools.load.network import FIRST_PLACE, HOME_AGENT, LOAD, Agent, Network
from tools.load.players import Players
from tools.load.population import Population
from tools.load.ways import Direct

pytestmark = pytest.mark.netns

NODES = Population(400, IPv4Address("10.0.0.1"), derived=True)
OTHERS = Population(20, IPv4Address("10.0.2.1"), derived=True)
SECONDS = 2.0  # of hostility, half of it before memory and handles are looked at for the first time
RATE = 400  # requests a second


class Hostile(asyncio.DatagramProtocol):
    """RADIUS for keys and accounting, and TACACS+. ``honest``: from then on it knows the keys of OTHERS."""

    def __init__(self, seed: int) -> None:
        self.honest = False
        self.answers = 0
        self._rng = random.Random(seed)
        self._radius = mutations([*radius_seeds().values()], self._rng, 1200)
        self._tacacs = mutations([*tacacs_seeds().values()], self._rng, 1200)
        self._closing: list[Any] = []

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        for port in (1812, 1813):
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Port(self), local_addr=(str(LOAD), port)
            )
            self._closing.append(transport)
        self._closing.append(await asyncio.start_server(self._connected, str(LOAD), 49))

    async def stop(self) -> None:
        for one in self._closing:
            one.close()

    def radius(self, request: bytes) -> Iterator[bytes]:
        """The datagrams that answer."""
        if request[0] == 4:  # accounting
            attributes = next(self._radius)[1:]
            yield self._rng.choice((bytes((5, request[1])) + attributes, attributes, request))
            return
        self.answers += 1
        if self.honest:
            yield signed(b"\2" + self._key(request), request)
            return
        right = signed(next(self._radius), request)
        match self._rng.randrange(9):
            case 0:
                yield right[: self._rng.randrange(len(right))]
            case 1:
                yield right[:1] + bytes([self._rng.randrange(256)]) + right[2:]
            case 2:
                yield right + self._rng.randbytes(60_000)
            case 3:
                yield from (right, right, right)
            case 4:
                yield request
            case 5:
                yield self._rng.randbytes(self._rng.randrange(300))
            case 6:
                at = self._rng.randrange(len(right))
                yield right[:at] + bytes([right[at] ^ 1 << self._rng.randrange(8)]) + right[at + 1 :]
            case 7:
                yield right
            case _:
                pass  # silent

    def _key(self, request: bytes) -> bytes:
        """A Cisco pair for the user that is asked for."""
        at = 20
        while request[at] != 1:  # User-Name
            at += request[at + 1]
        user = request[at + 2 : at + request[at + 1]].decode()
        return _vendor(f"mobileip:spi#0=spi 100 key hex {_key_of(user)}".encode())

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                header = await reader.readexactly(12)
                body = await reader.readexactly(int.from_bytes(header[8:]))
                self.answers += 1
                writer.write(self._authorization(header, body))
                if not self.honest and self._rng.random() < 0.5:
                    await asyncio.sleep(self._rng.choice((0, 0.1, 0.5)))
                    break
        except (EOFError, OSError):
            pass
        finally:
            writer.close()

    def _authorization(self, header: bytes, body: bytes) -> bytes:
        rng = self._rng
        if self.honest:
            clear = pad(header[4:8], SECRET.reveal(), header[0], 1, body)
            arguments = [
                f"spi#0=spi 100 key hex {_key_of(clear[8 + clear[7] :][: clear[4]].decode())}".encode()
            ]
            told = bytes((1, 1, 0, 0, 0, 0, len(arguments[0]))) + arguments[0]
        else:
            told = next(self._tacacs)
        flags = rng.choice((0, 4)) if not self.honest else 0
        reply = bytes((0xC0, 2, 2, flags)) + header[4:8] + len(told).to_bytes(4)
        reply += pad(header[4:8], SECRET.reveal(), 0xC0, 2, told)
        if self.honest:
            return reply
        match rng.randrange(7):
            case 0:
                return reply[: rng.randrange(len(reply))]
            case 1:
                return reply[:8] + b"\xff\xff\xff\xff" + rng.randbytes(3000)
            case 2:
                return reply[:4] + rng.randbytes(4) + reply[8:]
            case 3:
                return reply * 3
            case 4:
                return rng.randbytes(rng.randrange(400))
            case _:
                return reply


class _Port(asyncio.DatagramProtocol):
    def __init__(self, server: Hostile) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, source: tuple[str | Any, int]) -> None:
        for answer in self._server.radius(data):
            self._transport.sendto(answer, source)


def _vendor(pair: bytes) -> bytes:
    inner = b"\x01" + bytes([2 + len(pair)]) + pair
    return b"\x1a" + bytes([6 + len(inner)]) + (9).to_bytes(4) + inner


def _key_of(user: str) -> str:
    return OTHERS.key_of(int(IPv4Address(user)) - int(OTHERS.first)).hex()


@pytest.mark.parametrize("kind", ["radius", "tacacs"])
def test_a_home_agent_outlives_hostile_servers(kind: str, seed: int) -> None:
    servers = [{"address": str(LOAD), "secret": SECRET.reveal().decode()}]
    asked = {"timeout": 0.2, "dead_time": 0.1, "servers": servers}
    home = {
        "nodes": [],
        "networks": [{"prefix": "10.0.0.0/16"}],
        "keys": {"sources": [kind], "retry_interval": 1, "unknown_lifetime": 1, kind: asked},
        "accounting": {"interim_interval": 0.5, "timeout": 0.2, "dead_time": 0.1, "servers": servers},
    }
    server = Hostile(seed)
    with (
        Network(NODES, home=home, daemon={"log_format": "json", "log_rate": 100}) as network,
        serving(network.load, server.start, server.stop),
    ):
        network.start()
        agent = network.home_agent
        hostile = players(network, NODES)
        hostile.run(SECONDS / 2, rate=RATE)
        before = _holds(agent)
        hostile.run(SECONDS / 2, rate=RATE)
        assert server.answers > 3
        after = _holds(agent)
        assert after[0] <= 1.05 * before[0] + 1024, "KiB of memory"
        assert after[1] <= before[1] + 16, "descriptors; those of connections come and go"
        server.honest = True
        players(network, OTHERS).register_all()
        eventually(lambda: _holds(agent)[1], lambda now: now <= before[1] + 16)
        assert _holds(agent)[2] == before[2], "threads"
        assert '"event"' in agent.process.log.read_text()
        assert "Traceback" not in agent.process.log.read_text()


def players(network: Network, population: Population) -> Players:
    sock = network.load.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return Players(population, [Direct(sock, population, HOME_AGENT, FIRST_PLACE)], places=1)


def _holds(agent: Agent) -> tuple[int, int, int]:
    """KiB of resident memory, descriptors, threads."""
    process = Path(f"/proc/{agent.process.pid}")
    (resident,) = [
        int(line.split()[1]) for line in (process / "status").read_text().splitlines() if "VmRSS" in line
    ]
    return resident, len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))
