"""Code 143 (RFC 4433) from end to end: a home agent that is full, a second one on its link, a node that goes there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mobileip.control.lab.capture import captured
from mobileip.control.lab.daemons import KEY, SPI, Daemon, home_agent
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    CORRESPONDENT,
    HOME_ADDRESS,
    HOME_AGENT,
    NEIGHBOUR,
    UPLINK_INTERFACE,
)
from mobileip.control.lab.waiting import eventually, subset
from tests.netns.codes.tshark import needs_both, read
from tests.netns.roles.asking import Asker, request, signed

pytestmark = [pytest.mark.netns, needs_both]

CODE = 143
OTHER = HOME_ADDRESS.ip + 1


@pytest.fixture
def second(lab: Lab) -> Iterator[Daemon]:
    """A second home agent of the same network: the neighbour."""
    configuration = home_agent()
    table = configuration["home_agent"]
    table["address"] = str(NEIGHBOUR)
    table["networks"][0] = {"prefix": str(HOME_ADDRESS.network), "interface": "eth0"}
    daemon = Daemon(lab.neighbour.namespace, lab.processes, configuration)
    daemon.start()
    yield daemon
    daemon.stop()


def test_a_node_goes_to_the_home_agent_that_has_room(lab: Lab, second: Daemon, tmp_path: Path) -> None:
    lab.node.stop()
    lab.node.configuration["mobile_node"]["home_agents"] = [str(NEIGHBOUR)]
    lab.home.stop()
    table = lab.home.configuration["home_agent"]
    table |= {"max_bindings": 1, "redirect_to": [str(NEIGHBOUR)]}
    table["nodes"].append({"home_address": str(OTHER), "spi": SPI, "key": KEY})
    lab.home.start()
    with lab.correspondent.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((str(CORRESPONDENT), 0))
        taken = Asker(bound).ask(signed(replace(request(CORRESPONDENT), home_address=OTHER)))
    assert taken.code == 1
    lab.move_to("foreign1")
    file = tmp_path / "redirection.pcap"
    with captured(lab.processes, lab.home.namespace, UPLINK_INTERFACE, file, "udp port 434"):
        lab.node.start()
        eventually(
            lambda: lab.node.show("registration"),
            subset({"state": "registered", "home_agent": str(NEIGHBOUR)}),
            within=8.0,
            what="the node to be registered with the second home agent",
            explain=lab.explain,
        )
    lab.correspondent.ping(HOME_ADDRESS.ip)
    lab.node.ping(CORRESPONDENT, source=HOME_ADDRESS.ip)
    assert [row["home_address"] for row in second.show("bindings")] == [str(HOME_ADDRESS.ip)]
    assert [row["home_address"] for row in lab.home.show("bindings")] == [str(OTHER)]
    codes = [message.code for message in read(file) if message.kind == 3]
    assert codes == [CODE, 1]
    said = [line for line in lab.node.log_lines() if line["event"] == "redirected"]
    assert [(line["home_agent"], line["redirected_to"]) for line in said] == [
        (str(HOME_AGENT), str(NEIGHBOUR))
    ]
    lab.go("home")
    assert second.show("bindings") == []
