"""Configuration files that are taken, and what becomes of them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest
from pydantic import ValidationError

from mobileip.control.config.load import load
from mobileip.control.config.model import AdvertiseConfig, Config, DaemonConfig
from mobileip.control.security.association import Algorithm
from mobileip.control.security.secret import Secret
from mobileip.control.types import Lifetime
from tests.unit.config.texts import FOREIGN, HOME, KEY, MOBILE, Write, replaced


@pytest.mark.rfc("5944", "3.8.1", 1, 2)
def test_home_agent(write: Write) -> None:
    config = load(write(HOME))
    home = config.home_agent
    assert home is not None
    assert (config.foreign_agent, config.mobile_node) == (None, None)
    assert home.address == IPv4Address("192.0.2.1")
    assert home.max_lifetime == Lifetime(600)
    assert [network.prefix for network in home.networks] == [
        IPv4Network("10.1.0.0/24"),
        IPv4Network("10.2.0.0/16"),
    ]
    assert home.networks[0].advertise == AdvertiseConfig(interval=1.0, lifetime=3)
    assert (home.networks[1].interface, home.networks[1].advertise) == (None, None)
    first, second = home.nodes
    assert first.key == second.key == Secret(bytes.fromhex(KEY))
    assert (first.algorithm, second.algorithm) == (Algorithm.HMAC_MD5, Algorithm.KEYED_MD5)
    assert (first.replay_tolerance, second.replay_tolerance) == (7.0, 20.0)


def test_foreign_agent(write: Write) -> None:
    foreign = load(write(FOREIGN)).foreign_agent
    assert foreign is not None
    assert foreign.max_lifetime.is_infinite
    assert [interface.name for interface in foreign.interfaces] == ["eth1", "eth2"]
    assert foreign.interfaces[0].advertise == AdvertiseConfig()
    assert foreign.interfaces[1].advertise.router is False


def test_both_agents_in_one_process(write: Write) -> None:
    config = load(write(HOME + replaced(FOREIGN, '"eth1"', '"eth3"')))
    assert config.home_agent and config.foreign_agent


@pytest.mark.rfc("5944", "3.6", 1)
def test_mobile_node(write: Write) -> None:
    node = load(write(MOBILE)).mobile_node
    assert node is not None
    assert node.home_address == IPv4Interface("10.1.0.5/24")
    assert node.interfaces == ("eth0", "wlan0")
    assert (node.lifetime, node.reverse_tunnel, node.co_located, node.agent_wait) == (
        Lifetime(120),
        True,
        True,
        0.2,
    )


def test_daemon_defaults(write: Write) -> None:
    assert load(write(MOBILE)).daemon == DaemonConfig()


@pytest.mark.parametrize(
    ("daemon", "path"),
    [
        ("", "/run/mobileip/mobileip.sock"),
        ('name = "blue"', "/run/mobileip/blue.sock"),
        ('name = "blue"\ncontrol_socket = "/run/red"', "/run/red"),
    ],
)
def test_control_socket_follows_the_name(write: Write, daemon: str, path: str) -> None:
    assert load(write(f"[daemon]\n{daemon}\n{MOBILE}")).daemon.control_socket == Path(path)


@pytest.mark.rfc("5944", "2.1", 6)
@pytest.mark.parametrize(
    ("interval", "lifetime"), [(0.05, 1), (0.5, 2), (1, 3), (1.1, 4), (600, 1800), (1800, 5400)]
)
def test_advertisement_lifetime_is_three_intervals(write: Write, interval: float, lifetime: int) -> None:
    config = load(write(replaced(HOME, "interval = 1.0", f"interval = {interval}")))
    assert config.home_agent and config.home_agent.networks[0].advertise
    assert config.home_agent.networks[0].advertise.lifetime == lifetime


def test_models_are_frozen(write: Write) -> None:
    config = load(write(MOBILE))
    with pytest.raises(ValidationError, match="frozen"):
        config.mobile_node = None


def test_config_is_hashable_by_parts(write: Write) -> None:
    config: Config = load(write(FOREIGN))
    assert {config.daemon, config.foreign_agent} == {DaemonConfig(), config.foreign_agent}
