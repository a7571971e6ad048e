"""Home agent, foreign agent and mobile node that share keys by twos, with all three daemons (RFC 5944 s3.5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mobileip.control.lab.daemons import SPI, Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, FOREIGN1, HOME_ADDRESS, HOME_AGENT
from mobileip.control.lab.waiting import eventually, subset

pytestmark = pytest.mark.netns

HOME = HOME_ADDRESS.ip
NODE_AGENT: dict[str, object] = {
    "spi": 300,
    "spi_out": 301,
    "key": "6d1f0b7c2e9a4835b0c7d1e2f3948576",
    "algorithm": "hmac-sha1",
}
AGENTS: dict[str, object] = {
    "spi": 400,
    "spi_out": 401,
    "key": "a3c5e70912b4d6f8817263544536271a",
    "algorithm": "keyed-md5-no-spi",
}
NODE_SPI = 600  # of what the home agent sends to the node
OTHER_KEY = "00f1e2d3c4b5a69788796a5b4c3d2e1f"


def other_end(keys: dict[str, object]) -> dict[str, object]:
    return keys | {"spi": keys["spi_out"], "spi_out": keys["spi"]}


def configure(lab: Lab, at_home: dict[str, object], at_node: dict[str, object]) -> None:
    """Keys at the foreign agent, and what home agent and node have in their place; SPIs differ by direction."""
    agent = str(FOREIGN1.router.ip)
    for daemon in lab.daemons:
        daemon.reset()
    lab.home.configuration["home_agent"]["foreign_agents"] = [{"address": agent, **at_home}]
    lab.node.configuration["mobile_node"]["foreign_agents"] = [{"address": agent, **at_node}]
    lab.home.configuration["home_agent"]["nodes"][0] |= {"spi_out": NODE_SPI, "algorithm": "hmac-sha256"}
    lab.node.configuration["mobile_node"] |= {"spi": NODE_SPI, "spi_out": SPI, "algorithm": "hmac-sha256"}
    lab.foreign1.configuration["foreign_agent"] |= {
        "nodes": [{"home_address": str(HOME), **other_end(NODE_AGENT)}],
        "home_agents": [{"address": str(HOME_AGENT), **other_end(AGENTS)}],
    }


@pytest.fixture
def lab(networks: Lab) -> Iterator[Lab]:
    yield networks
    for daemon in networks.daemons:
        if daemon.running:
            daemon.stop()


def reasons(daemon: Daemon) -> dict[str, int]:
    counted: dict[str, int] = daemon.show("counters")["reasons"]
    return counted


def start(lab: Lab) -> None:
    lab.move_to("foreign1")
    lab.start(lab.home, lab.foreign1, lab.node)


@pytest.mark.rfc("3024", "4", 1)
def test_with_every_key_right_the_node_is_served(lab: Lab) -> None:
    configure(lab, AGENTS, NODE_AGENT)
    start(lab)
    lab.wait_registered()
    lab.correspondent.ping(HOME)
    lab.node.ping(CORRESPONDENT, source=HOME)
    lab.node.stop()  # deregisters, which no extension 34 is for
    eventually(lambda: lab.home.show("bindings"), lambda rows: rows == [])
    eventually(lambda: lab.foreign1.show("visitors"), lambda rows: rows == [])


@pytest.mark.parametrize(
    ("at_home", "at_node", "who", "reason"),
    [
        (AGENTS | {"key": OTHER_KEY}, NODE_AGENT, "home", "fa-failed-authentication"),
        (AGENTS, NODE_AGENT | {"key": OTHER_KEY}, "foreign1", "fa-mn-failed-authentication"),
    ],
    ids=["132", "67"],
)
def test_with_one_key_wrong_it_is_not_and_who_refuses_says_why(
    lab: Lab, at_home: dict[str, object], at_node: dict[str, object], who: str, reason: str
) -> None:
    configure(lab, at_home, at_node)
    start(lab)
    refusing: Daemon = getattr(lab, who)
    eventually(lambda: reasons(refusing), lambda counted: counted[reason] > 0, explain=lab.explain)
    rows: list[dict[str, Any]] = lab.foreign1.show("visitors")
    assert not subset([{"state": "registered"}])(rows)
    assert lab.home.show("bindings") == []
    assert not lab.correspondent.reaches(HOME, within=0.2)
