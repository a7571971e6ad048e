"""The foreign agent's tables: care-of addresses, keys, what its links are told; and what the cores make of them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from mobileip.control.agent import settings
from mobileip.control.config.load import examine, load
from mobileip.control.config.problem import Severity
from mobileip.control.core.challenges import ChallengeSettings
from mobileip.control.core.encapsulations import EVERY, ONLY_IPIP, offered
from mobileip.control.ports import ActionError
from mobileip.control.security import Algorithm
from mobileip.control.types import ALL_SYSTEMS, LIMITED_BROADCAST, EncapsulationType, Spi
from tests.unit.config.texts import KEY, Write

KEY2 = "51d0c4f7a2293b8e6a0f9d1c77e5b342"
FIRST, SECOND, THIRD = (IPv4Address(f"198.51.100.{number}") for number in (1, 2, 3))
AGENT = f"""
[foreign_agent]
care_of_address = "{FIRST}"
care_of_addresses = ["{SECOND}", "{THIRD}"]
[[foreign_agent.interfaces]]
name = "eth1"
advertise = {{ interval = 0.1, destination = "broadcast", prefix_lengths = true }}
[[foreign_agent.interfaces]]
name = "eth2"
advertise = {{ on_solicitation_only = true }}
[[foreign_agent.nodes]]
home_address = "10.1.0.5"
spi = 300
key = "{KEY}"
[[foreign_agent.home_agents]]
address = "192.0.2.1"
spi = 400
spi_out = 401
key = "{KEY2}"
algorithm = "keyed-md5"
"""


def address_of(interface: str) -> IPv4Interface:
    return IPv4Interface({"eth1": "203.0.113.1/26", "eth2": "203.0.113.129/25"}[interface])


@pytest.mark.parametrize(("line", "granted"), [("", EVERY), ("encapsulations = []", ONLY_IPIP)])
def test_encapsulations_are_accepted_and_advertised(
    write: Write, line: str, granted: frozenset[EncapsulationType]
) -> None:
    config = load(write(AGENT.replace("[foreign_agent]", f"[foreign_agent]\n{line}")))
    assert config.foreign_agent is not None
    made = settings.foreign_agent(config.foreign_agent, None, address_of, [FIRST, SECOND, THIRD])
    assert made.encapsulations == granted
    for link in settings.advertised_links(config, address_of):
        assert offered(link.flags) == granted


@pytest.mark.rfc("5944", "3.7.1", 1)
def test_care_of_addresses_and_associations_reach_the_agent(write: Write) -> None:
    config = load(write(AGENT)).foreign_agent
    assert config is not None
    made = settings.foreign_agent(config, None, address_of, [FIRST, SECOND, THIRD])
    assert [made.offers(address) for address in (FIRST, SECOND, THIRD, IPv4Address("198.51.100.4"))] == [
        True,
        True,
        True,
        False,
    ]
    node = made.nodes.find(IPv4Address("10.1.0.5"), Spi(300))
    home = made.home_agents.find(IPv4Address("192.0.2.1"), Spi(400))
    assert node is not None and node.key.reveal().hex() == KEY and node.algorithm is Algorithm.HMAC_MD5
    assert home is not None and home.key.reveal().hex() == KEY2 and home.algorithm is Algorithm.KEYED_MD5
    assert (node.sent_spi, home.sent_spi) == (300, 401)
    assert made.encapsulating_delivery
    assert {link.interface: str(link.address) for link in made.links} == {
        "eth1": "203.0.113.1",
        "eth2": "203.0.113.129",
    }


def test_a_care_of_address_that_is_not_ours_is_one_sentence(write: Write) -> None:
    config = load(write(AGENT)).foreign_agent
    assert config is not None
    with pytest.raises(
        ActionError, match=r"^foreign_agent\.care_of_addresses\[1\] is 198\.51\.100\.3, which no"
    ):
        settings.foreign_agent(config, None, address_of, [FIRST, SECOND])


@pytest.mark.rfc("5944", "2.1.1", 2)
@pytest.mark.rfc("1256", "4.1", 1)
def test_each_link_is_told_what_its_table_says(write: Write) -> None:
    loud, quiet = settings.advertised_links(load(write(AGENT)), address_of)
    assert loud.care_of_addresses == quiet.care_of_addresses == (FIRST, SECOND, THIRD)
    assert (loud.address, loud.prefix_length) == (IPv4Address("203.0.113.1"), 26)
    assert (loud.interval, loud.lifetime, loud.destination) == (0.1, 1, LIMITED_BROADCAST)
    assert (quiet.prefix_length, quiet.destination) == (None, ALL_SYSTEMS)
    assert quiet.on_solicitation_only and not loud.on_solicitation_only
    assert quiet.lifetime == 1800  # nothing refreshes it before the node asks again


def test_a_limited_number_of_advertisements_is_believed_for_long(write: Write) -> None:
    few = AGENT.replace("on_solicitation_only = true", "unsolicited = 5")
    _, quiet = settings.advertised_links(load(write(few)), address_of)
    assert (quiet.unsolicited, quiet.on_solicitation_only, quiet.lifetime) == (5, False, 1800)


@pytest.mark.parametrize(
    ("old", "new", "key", "text"),
    [
        (f'"{THIRD}"', f'"{SECOND}"', "care_of_addresses[1]", "is there already"),
        (f'"{SECOND}", ', f'"{FIRST}", ', "care_of_addresses[0]", "is there already"),
        (f'["{SECOND}", "{THIRD}"]', '["here"]', "care_of_addresses[0]", "must be the IPv4 address of a host"),
        ("spi = 300", "spi = 30", "nodes[0].spi", "from 256"),
        (f'key = "{KEY2}"', "", "home_agents[0].key", "is missing"),
        ('home_address = "10.1.0.5"\n', "", "nodes[0].home_address", "or nai"),
        ('home_address = "10.1.0.5"', 'nai = "a b"', "nodes[0].nai", "user@example.net"),
        ('"broadcast"', '"anycast"', "interfaces[0].advertise.destination", '"multicast" or "broadcast"'),
        ("= true }\n[[foreign_agent.nodes]]", '= 1 }\n[[foreign_agent.nodes]]',
         "interfaces[1].advertise.on_solicitation_only", "must be true or false"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_key(write: Write, old: str, new: str, key: str, text: str) -> None:
    assert AGENT.count(old) == 1
    config, problems = examine(write(AGENT.replace(old, new)))
    assert config is None
    (problem,) = [one for one in problems if one.severity is Severity.ERROR]
    assert problem.key == f"foreign_agent.{key}" and text in problem.text


@pytest.mark.parametrize("table", ["nodes", "home_agents"])
def test_a_peer_has_each_spi_once(write: Write, table: str) -> None:
    name = "home_address" if table == "nodes" else "address"
    peer = {"nodes": ("10.1.0.5", 300), "home_agents": ("192.0.2.1", 400)}[table]
    again = f'[[foreign_agent.{table}]]\n{name} = "{peer[0]}"\nspi = {peer[1]}\nkey = "{KEY}"\n'
    config, problems = examine(write(AGENT + again))
    assert config is None
    assert [problem.key for problem in problems] == [f"foreign_agent.{table}[1].spi"]
    other = again.replace(f"spi = {peer[1]}", "spi = 999")
    assert load(write(AGENT + other)).foreign_agent is not None


def test_a_node_is_known_by_its_name_too(write: Write) -> None:
    named = AGENT.replace('home_address = "10.1.0.5"', 'home_address = "10.1.0.5"\nnai = "Alice@Example.net"')
    config = load(write(named)).foreign_agent
    assert config is not None
    nodes = settings.foreign_agent(config, None, address_of, [FIRST, SECOND, THIRD]).nodes
    assert (
        nodes.find(IPv4Address("10.1.0.5"), Spi(300)) == nodes.find("Alice@example.net", Spi(300)) is not None
    )


def test_keys_of_the_foreign_agent_may_be_in_files_and_weak_ones_are_warned_of(
    write: Write, tmp_path: Path
) -> None:
    file = tmp_path / "agents.key"
    file.write_text("00" * 16)
    file.chmod(0o600)
    path = write(AGENT.replace(f'key = "{KEY2}"', f'key_file = "{file}"'))
    config, (problem,) = examine(path)
    assert config is not None and config.foreign_agent is not None
    assert config.foreign_agent.home_agents[0].key.reveal() == bytes(16)
    assert problem.severity is Severity.WARNING and problem.key == "foreign_agent.home_agents[0].key"


def test_more_care_of_addresses_than_an_advertisement_holds(write: Write) -> None:
    many = ", ".join(f'"198.51.101.{number}"' for number in range(1, 63))
    config, (problem,) = examine(write(AGENT.replace(f'"{SECOND}", "{THIRD}"', many)))
    assert config is None and "62 fit into an advertisement" in problem.text


def test_an_agent_that_only_answers_and_is_soon_forgotten_is_warned_of(write: Write) -> None:
    short = AGENT.replace("on_solicitation_only = true", "on_solicitation_only = true, lifetime = 5")
    config, (problem,) = examine(write(short))
    assert config is not None
    assert problem.severity is Severity.WARNING
    assert problem.key == "foreign_agent.interfaces[1].advertise.lifetime"


def test_challenges_reach_the_core_and_a_window_of_one_is_warned_of(write: Write) -> None:
    table = "[foreign_agent.challenge]\nwindow = 1\ninterval = 2.5\nrequired = false\n"
    config, found = examine(write(AGENT + table))
    assert config is not None and config.foreign_agent is not None
    made = settings.foreign_agent(
        config.foreign_agent, None, lambda _: IPv4Interface("203.0.113.1/24"), [FIRST, SECOND, THIRD]
    )
    assert made.challenge == ChallengeSettings(window=1, interval=2.5, required=False)
    assert ("foreign_agent.challenge.window", Severity.WARNING) in [(one.key, one.severity) for one in found]
    empty = load(write(AGENT + "[foreign_agent.challenge]\n")).foreign_agent
    assert empty is not None and empty.challenge is not None
    assert ChallengeSettings(**dict(empty.challenge)) == ChallengeSettings()
    config, (problem, *_) = examine(write(AGENT + "[foreign_agent.challenge]\nwindow = 0\n"))
    assert config is None and problem.key == "foreign_agent.challenge.window"
