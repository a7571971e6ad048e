"""A home agent whose nodes' keys are at a TACACS+ server, that of the unit tests; tshark reads what is on the wire."""

from __future__ import annotations

import re
import socket
import subprocess
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.capture import captured
from tests.netns.aaa.threads import serving
from tests.unit.aaa.tacacs import FAIL, PASS_ADD, SECRET, Asked, Tacacs, reply
from tools.load.network import FIRST_PLACE, HOME_AGENT, LOAD, Network
from tools.load.players import Players
from tools.load.population import Population
from tools.load.ways import Direct

pytestmark = pytest.mark.netns

NODES = Population(60, IPv4Address("10.0.0.1"), derived=True)
STRANGERS = Population(4, IPv4Address("10.0.2.1"), derived=True)
HOME = {
    "nodes": [],
    "networks": [{"prefix": "10.0.0.0/16"}],
    "keys": {
        "sources": ["tacacs"],
        "unknown_lifetime": 1,
        "tacacs": {
            "timeout": 1,
            "dead_time": 1,
            "servers": [{"address": str(LOAD), "secret": SECRET.decode()}],
        },
    },
}


def answer(to: Asked) -> list[bytes]:
    number = int(IPv4Address(to.user.decode())) - int(NODES.first)
    if number >= NODES.count:
        return [reply(to, FAIL)]
    return [reply(to, PASS_ADD, f"spi#0=spi 100 key hex {NODES.key_of(number).hex()}")]


def players(network: Network, population: Population) -> Players:
    sock = network.load.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return Players(population, [Direct(sock, population, HOME_AGENT, FIRST_PLACE)], places=1)


def test_keys_come_over_one_connection_and_are_good_without_the_server() -> None:
    with Network(NODES, home=HOME) as network:
        network.start()
        nodes = players(network, NODES)
        file = network.processes.directory / "tacacs.pcap"
        server = Tacacs(answer)
        with (
            captured(network.processes, network.load, "eth0", file, "tcp", "port", "49"),
            serving(network.load, lambda: server.start(49, str(LOAD)), server.stop),
        ):
            nodes.register_all()
            strangers = players(network, STRANGERS).run(0.3, rate=20)
        assert strangers.accepted == 0 and not strangers.denials
        assert server.connections == 1
        users = {request.user.decode() for request in server.requests}
        assert users >= {str(NODES.first + number) for number in range(NODES.count)}

        tally = nodes.run(1.0, rate=200)
        assert tally.lost == 0 and tally.accepted == tally.sent, "the server is gone, and nobody misses it"
        shown = network.home_agent.show("associations")
        assert {row["source"] for row in shown} == {"tacacs"} and len(shown) == NODES.count

        command = ["tshark", "-r", str(file), "-V", "-o", f"tacplus.key:{SECRET.decode()}"]
        wire = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        # The dissector passes over a packet now and then when several are in one segment.
        asked = wire.count("Arg[0] value: service=mobileip")
        keys = re.findall(r"Arg\[0\] value: spi#0=spi 100 key hex (\w+)", wire)
        assert set(keys) <= {NODES.key_of(number).hex() for number in range(NODES.count)}
        assert asked > NODES.count / 2 and len(keys) > NODES.count / 2
