"""A home agent whose nodes prove to real FreeRADIUS servers who they are (RFC 4721), and servers that are away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.lab.daemons import KEY, toml
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, HOME, HOME_ADDRESS, NEIGHBOUR
from mobileip.control.lab.waiting import eventually
from mobileip.control.ops.control_socket import call
from mobileip.control.security import Secret, sign_for_aaa
from mobileip.control.types import Lifetime
from mobileip.control.wire import RegistrationRequest
from tests.netns.aaa.freeradius import NEEDED, SECRET, FreeRadius, cisco, password
from tests.netns.roles.asking import Asker, another_key, asker, request, signed

pytestmark = [pytest.mark.netns, NEEDED]

NODE = HOME_ADDRESS.ip
UNKNOWN_THERE, KEYLESS, WITH_KEY = NODE + 20, NODE + 21, NODE + 22
PASSWORD = "what the AAA server knows of the node"
PAIR = f'Cisco-AVPair = "mobileip:spi#0=spi 100 key hex {KEY}"'
USERS = [
    password(NODE, PASSWORD),
    password(KEYLESS, PASSWORD) + cisco(KEYLESS, bytes.fromhex(KEY)),
    password(WITH_KEY, PASSWORD, PAIR),
]


PAGE = (Path(__file__).parents[3] / "docs" / "aaa.md").read_text()


def asking(home_address: IPv4Address = NODE) -> RegistrationRequest:
    return replace(request(CORRESPONDENT), home_address=home_address)


def proving(home_address: IPv4Address = NODE, text: str = PASSWORD) -> bytes:
    return sign_for_aaa(Secret(text.encode()), signed(asking(home_address)), None)


@pytest.fixture
def servers(networks: Lab) -> Iterator[list[FreeRadius]]:
    lab = networks
    servers = [
        FreeRadius(lab.correspondent.namespace, lab.processes, CORRESPONDENT, HOME.uplink.ip),
        FreeRadius(lab.neighbour.namespace, lab.processes, NEIGHBOUR, HOME.router.ip),
    ]
    home = lab.home.configuration["home_agent"]
    places = [{"address": str(one), "secret": SECRET} for one in (CORRESPONDENT, NEIGHBOUR)]
    home["nodes"].append({"home_address": str(UNKNOWN_THERE), "spi": 256, "key": KEY})
    home["keys"] = {"sources": ["radius"], "radius": {"timeout": 0.3, "servers": places}}
    home["aaa"] = {"timeout": 0.3, "tries": 2, "dead_time": 0.3}  # and the servers that have the keys
    for one in servers:
        one.start(USERS)
    lab.home.start()
    yield servers
    lab.home.stop()


def test_proofs_are_verified_and_servers_that_are_away_stall_nobody(
    networks: Lab, servers: list[FreeRadius]
) -> None:
    user = "user@example.net"
    documented = cisco(user, bytes.fromhex("00112233445566778899aabbccddeeff"))
    assert f"{password(user, 'what the node proves that it knows')}\n{documented}" in PAGE
    home = networks.home

    def counted(reason: str) -> int:
        return int(home.show("counters")["reasons"][reason])

    def is_let_in(node: Asker) -> bool:
        """A request with a right proof is accepted, at the first try or, while a server is found out, later."""
        node.send(proving())
        answers = node.answers(0.3)
        return [one.code for one in answers if one.code != 133] in ([1], [1, 1])

    with asker(networks.correspondent) as node:
        assert node.ask(proving()).code == 1
        assert node.ask(proving(text="another password")).code == 144
        assert node.ask(proving(UNKNOWN_THERE)).code == 144, "the server knows no such user"
        assert node.ask(signed(asking())).code == 1, "it is asked about when it is present"
        assert node.ask(proving(WITH_KEY)).code == 1, "the key came with the verdict"
        assert node.ask(proving(KEYLESS)).code == 1, "the key was asked for after it"
        found = [row for row in home.show("associations") if row["source"] == "radius"]
        assert {row["peer"] for row in found} == {str(WITH_KEY), str(KEYLESS)}

        file = home.file
        file.write_text(file.read_text().replace("aaa = {", 'aaa = { authenticate = "required",'))
        call(home.socket, "reload")
        assert node.ask(signed(asking())).code == 144, "no proof, no binding"

        first, second = servers
        first.kill()
        eventually(lambda: is_let_in(node), what="the second server to be asked", explain=networks.explain)
        assert counted("aaa-server-silent") >= 1

        assert second.process is not None
        second.process.signal(19)  # it hangs
        node.send(proving())
        assert node.ask(another_key(asking())).code == 131, "others do not wait for it"
        leaving = replace(asking(), lifetime=Lifetime(0), care_of_address=NODE)
        assert node.ask(signed(leaving)).code == 0, "and a binding can be given up"
        eventually(
            lambda: counted("aaa-proof-unverified"), what="the question to end", explain=networks.explain
        )
        second.process.signal(18)
        eventually(lambda: is_let_in(node), what="the server to be asked again", explain=networks.explain)
        assert counted("aaa-answer-forged") == 0

        del home.configuration["home_agent"]["keys"]["radius"]["servers"][0]
        file.write_text(toml(home.configuration))
        call(home.socket, "reload")
        shown = [(row["use"], str(row["server"]), row["questions"]) for row in home.show("aaa")]
        assert shown == [(use, f"{NEIGHBOUR}:1812", 0) for use in ("keys", "proofs")]
        eventually(lambda: is_let_in(node), what="the one that is left to be asked", explain=networks.explain)
