"""The home agent's nodes by range and name, pools, policies, and other agents; and what becomes of them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from mobileip.control.agent.settings import advertised_links, home_agent
from mobileip.control.config.load import examine, load
from mobileip.control.config.problem import Severity
from mobileip.control.core.encapsulations import EVERY, ONLY_IPIP, offered
from mobileip.control.core.home import HomeAgentSettings
from mobileip.control.core.multicast import MulticastSettings
from mobileip.control.core.policy import NodePolicy, ReverseTunnelPolicy
from mobileip.control.security import Algorithm, ReplayMethod, Secret
from mobileip.control.types import EncapsulationType, Lifetime, Spi
from tests.unit.config.texts import HOME, KEY, Write, problems, replaced

OTHER_KEY = "0e7c41d98ab2356fc0ffee1122334477"
POOLED = replaced(HOME, 'prefix = "10.2.0.0/16"', 'prefix = "10.2.0.0/16"\npool = "10.2.1.0/24"')


def node(keys: str, spi: int = 300) -> str:
    return f'\n[[home_agent.nodes]]\n{keys}\nspi = {spi}\nkey = "{OTHER_KEY}"\n'


def settings(write: Write, text: str) -> HomeAgentSettings:
    config = load(write(text)).home_agent
    assert config is not None
    return home_agent(config)


def test_nothing_given_is_as_before(write: Write) -> None:
    found = settings(write, HOME)
    assert (found.max_simultaneous, found.broadcasts, len(found.foreign_agents)) == (1, False, 0)
    assert not found.policies and not found.addresses
    association = found.associations.find(IPv4Address("10.1.0.5"), Spi(256))
    assert association is not None and association.replay is ReplayMethod.TIMESTAMPS


def test_multicast_is_off_and_has_limits(write: Write) -> None:
    assert settings(write, HOME).multicast is None
    on = "multicast = true\nmulticast_query_interval = 20\nmax_node_groups = 3\nmax_memberships = 50"
    made = settings(write, replaced(HOME, 'address = "192.0.2.1"', f'address = "192.0.2.1"\n{on}'))
    assert made.multicast == MulticastSettings(20.0, 3, 50)


def test_new_nodes_are_not_limited_unless_so_set(write: Write) -> None:
    assert settings(write, HOME).max_new_rate is None
    on = replaced(HOME, 'address = "192.0.2.1"', 'address = "192.0.2.1"\nmax_new_rate = 20')
    assert settings(write, on).max_new_rate == 20


def test_nodes_are_sent_elsewhere_only_if_so_set(write: Write) -> None:
    assert settings(write, HOME).redirect_to == ()
    on = replaced(
        HOME, 'address = "192.0.2.1"', 'address = "192.0.2.1"\nredirect_to = ["192.0.2.2", "192.0.2.3"]'
    )
    assert settings(write, on).redirect_to == (IPv4Address("192.0.2.2"), IPv4Address("192.0.2.3"))
    wrong = replaced(on, '"192.0.2.3"]', '"192.0.2.1", "192.0.2.2", "224.0.0.1"]')
    assert problems(write(wrong)).keys() == {"home_agent.redirect_to[3]"}  # no host's
    wrong = replaced(on, '"192.0.2.3"]', '"192.0.2.1", "192.0.2.2"]')
    assert problems(write(wrong)) == {
        "home_agent.redirect_to[1]": "192.0.2.1 is home_agent.address itself",
        "home_agent.redirect_to[2]": "192.0.2.2 is there already",
    }


def test_idle_timeout_of_the_agent_and_of_a_node(write: Write) -> None:
    found = settings(write, HOME)
    assert (found.idle_timeout, found.shortest_idle_timeout) == (None, None)
    found = settings(write, HOME + node('home_addresses = "10.2.4.0/28"\nidle_timeout = 30'))
    assert (found.idle_timeout, found.shortest_idle_timeout) == (None, 30)
    policy = found.policies.find(IPv4Address("10.2.4.1"))
    assert policy is not None and policy.idle_timeout == 30
    on = replaced(HOME, 'address = "192.0.2.1"', 'address = "192.0.2.1"\nidle_timeout = 20')
    found = settings(write, on + node('home_addresses = "10.2.4.0/28"\nmax_lifetime = 30'))
    assert (found.idle_timeout, found.shortest_idle_timeout) == (20, 20)
    policy = found.policies.find(IPv4Address("10.2.4.1"))
    assert policy is not None and policy.idle_timeout == 20


def test_static_addresses_are_rejected_only_if_so_set(write: Write) -> None:
    assert not settings(write, HOME).reject_static_addresses
    on = replaced(HOME, 'address = "192.0.2.1"', 'address = "192.0.2.1"\nreject_static_addresses = true')
    assert settings(write, on).reject_static_addresses


def test_range_name_and_name_with_address(write: Write) -> None:
    text = (
        POOLED
        + node('home_addresses = "10.2.4.0/28"')
        + node('nai = "*@Example.net"\nreplay = "nonces"')
        + node('nai = "bob@example.net"\nhome_address = "10.2.0.9"', 301)
    )
    found = settings(write, text)
    associations = found.associations
    assert associations.find(IPv4Address("10.2.4.15"), Spi(300)) is not None
    assert associations.find(IPv4Address("10.2.4.16"), Spi(300)) is None
    wild = associations.find("alice@example.NET", Spi(300))
    assert wild is not None and wild.replay is ReplayMethod.NONCES
    bob = associations.find("bob@example.net", Spi(301))
    assert bob is not None and bob == associations.find(IPv4Address("10.2.0.9"), Spi(301))
    assert found.addresses == {"bob@example.net": IPv4Address("10.2.0.9")}
    assert [net.pool for net in found.networks] == [None, IPv4Network("10.2.1.0/24")]


@pytest.mark.parametrize(
    ("line", "granted"),
    [
        ("", EVERY),
        ('encapsulations = ["minimal"]', {EncapsulationType.IPIP, EncapsulationType.MINIMAL}),
        ("encapsulations = []", ONLY_IPIP),
    ],
)
def test_encapsulations_are_granted_and_advertised(
    write: Write, line: str, granted: frozenset[EncapsulationType]
) -> None:
    text = replaced(HOME, 'address = "192.0.2.1"', f'address = "192.0.2.1"\n{line}')
    assert settings(write, text).encapsulations == granted
    (link,) = advertised_links(load(write(text)), lambda _: IPv4Interface("10.1.0.1/24"))
    assert offered(link.flags) == granted


def test_policies_fill_up_from_the_home_agents(write: Write) -> None:
    text = replaced(
        HOME, 'address = "192.0.2.1"', 'address = "192.0.2.1"\nmax_simultaneous = 2\nmax_lifetime = 50'
    )
    text += node('home_address = "10.1.0.6"\nmax_lifetime = "infinite"')
    text += node('home_address = "10.1.0.7"\nreverse_tunnel = "required"\nmax_simultaneous = 8')
    text += node('home_address = "10.1.0.8"\nencapsulations = []')
    found = settings(write, text)
    optional, required = ReverseTunnelPolicy.OPTIONAL, ReverseTunnelPolicy.REQUIRED
    assert found.policies.find(IPv4Address("10.1.0.6")) == NodePolicy(Lifetime(0xFFFF), optional, 2, EVERY)
    assert found.policies.find(IPv4Address("10.1.0.7")) == NodePolicy(Lifetime(50), required, 8, EVERY)
    assert found.policies.find(IPv4Address("10.1.0.8")) == NodePolicy(Lifetime(50), optional, 2, ONLY_IPIP)
    assert found.policies.find(IPv4Address("10.1.0.5")) is None


def test_foreign_agents_with_key_and_key_file(write: Write) -> None:
    path = write(
        HOME
        + f'\n[[home_agent.foreign_agents]]\naddress = "198.51.100.1"\nspi = 400\nkey = "{OTHER_KEY}"\n'
        + '\n[[home_agent.foreign_agents]]\naddress = "198.51.100.1"\nspi = 401\nspi_out = 402\n'
        + 'key_file = "agent.key"\n'
    )
    key_file = path.parent / "agent.key"
    key_file.write_text(OTHER_KEY)
    key_file.chmod(0o600)
    config = load(path).home_agent
    assert config is not None
    agents = home_agent(config).foreign_agents
    for spi, spi_out in ((400, 400), (401, 402)):
        association = agents.find(IPv4Address("198.51.100.1"), Spi(spi))
        assert association is not None and association.key == Secret(bytes.fromhex(OTHER_KEY))
        assert association.sent_spi == spi_out


def test_spi_and_algorithm_of_a_node_reach_its_association(write: Write) -> None:
    text = HOME.replace("spi = 256\n", 'spi = 256\nspi_out = 512\nalgorithm = "keyed-md5-no-spi"\n', 1)
    association = settings(write, text).associations.find(IPv4Address("10.1.0.5"), Spi(256))
    assert association is not None and association.sent_spi == 512
    assert association.algorithm is Algorithm.KEYED_MD5_NO_SPI


REFUSED = [
    (node(""), "home_agent.nodes[2].home_address", "is missing: the node's home address"),
    (
        node('home_addresses = "10.2.4.0/28"\nnai = "a@b"'),
        "home_agent.nodes[2].home_addresses",
        "a range stands alone",
    ),
    (node('home_addresses = "10.3.0.0/28"'), "home_agent.nodes[2].home_addresses", "in no home network"),
    (node('home_addresses = "10.2.4.3/28"'), "home_agent.nodes[2].home_addresses", '"10.2.4.0/28"'),
    (
        node('home_addresses = "10.2.4.0/28"') + node('home_addresses = "10.2.4.8/29"'),
        "home_agent.nodes[3].home_addresses",
        "overlaps 10.2.4.0/28 of home_agent.nodes[2]",
    ),
    (
        node('home_addresses = "10.2.4.0/28"') * 2,
        "home_agent.nodes[3].spi",
        "10.2.4.0/28 with spi 300 is already home_agent.nodes[2]",
    ),
    (node('nai = "a@B"') + node('nai = "a@b"'), "home_agent.nodes[3].spi", "a@b with spi 300 is already"),
    (
        node('nai = "a@b"\nmax_lifetime = 5') + node('nai = "a@b"', 301),
        "home_agent.nodes[3]",
        "must be the same there",
    ),
    (
        node('nai = "a@b"\nhome_address = "10.2.0.9"') + node('nai = "c@d"\nhome_address = "10.2.0.9"', 301),
        "home_agent.nodes[3]",
        "10.2.0.9 is also home_agent.nodes[2]",
    ),
    (
        node('nai = "*@b"\nhome_address = "10.2.0.9"'),
        "home_agent.nodes[2].home_address",
        "the users of *@b cannot have one home address",
    ),
    (
        node('nai = "a@b"\nreplay_tolerance = 31'),
        "home_agent.nodes[2].replay_tolerance",
        "at most 30 s",
    ),
    (node('nai = ""'), "home_agent.nodes[2].nai", "Network Access Identifier"),
    (node('nai = "a b@c"'), "home_agent.nodes[2].nai", "without blanks"),
    (node('nai = "a@"'), "home_agent.nodes[2].nai", "Network Access Identifier"),
    (node('nai = "@b"'), "home_agent.nodes[2].nai", "Network Access Identifier"),
    (node('nai = "*"'), "home_agent.nodes[2].nai", "Network Access Identifier"),
    (node('nai = "a*@b"'), "home_agent.nodes[2].nai", "Network Access Identifier"),
    (node(f'nai = "{"x" * 256}"'), "home_agent.nodes[2].nai", "at most 255 bytes"),
    (
        node('nai = "a@b"\nreplay = "sequence"'),
        "home_agent.nodes[2].replay",
        '"timestamps", "nonces" or "none"',
    ),
    (
        node('home_address = "10.1.0.9"\nmax_simultaneous = 9'),
        "home_agent.nodes[2].max_simultaneous",
        "1 to 8",
    ),
    (node('home_address = "10.1.0.9"\nmax_lifetime = 0'), "home_agent.nodes[2].max_lifetime", "from 1 to"),
    (
        node('home_address = "10.1.0.9"\nreverse_tunnel = "unavailable"'),
        "home_agent.nodes[2].reverse_tunnel",
        '"forbidden"',
    ),
    (
        f'\n[[home_agent.foreign_agents]]\naddress = "198.51.100.1"\nspi = 400\nkey = "{OTHER_KEY}"\n' * 2,
        "home_agent.foreign_agents[1].spi",
        "is already home_agent.foreign_agents[0]",
    ),
]


@pytest.mark.parametrize(("text", "key", "words"), REFUSED)
def test_refused(write: Write, text: str, key: str, words: str) -> None:
    found = problems(write(POOLED + text))
    assert found.keys() == {key}
    assert words in found[key]


def test_name_needs_an_address_or_a_pool(write: Write) -> None:
    found = problems(write(HOME + node('nai = "a@b"')))
    assert found.keys() == {"home_agent.nodes[2].nai"} and "has a pool" in found["home_agent.nodes[2].nai"]


def test_pool_is_a_part_of_its_network(write: Write) -> None:
    text = replaced(HOME, 'prefix = "10.2.0.0/16"', 'prefix = "10.2.0.0/16"\npool = "10.3.0.0/24"')
    assert "is not a part of 10.2.0.0/16" in problems(write(text))["home_agent.networks[1].pool"]


def test_multicast_without_reverse_tunnels_is_warned_of(write: Write) -> None:
    keys = 'address = "192.0.2.1"\nmulticast = true\nreverse_tunnel = "forbidden"'
    (found,) = examine(write(replaced(HOME, 'address = "192.0.2.1"', keys)))[1]
    assert (found.severity, found.key) == (Severity.WARNING, "home_agent.multicast")


def test_no_replay_protection_is_warned_of(write: Write) -> None:
    config, (problem,) = examine(write(HOME + node('home_address = "10.1.0.6"\nreplay = "none"')))
    assert config is not None and problem.severity is Severity.WARNING
    assert problem.key == "home_agent.nodes[2].replay" and "repeat it" in problem.text


@pytest.mark.parametrize(("key", "of"), [("ignore_spi", "any_spi"), ("any_algorithm", "any_algorithm")])
def test_lenient_nodes_are_warned_of(write: Write, key: str, of: str) -> None:
    peer = IPv4Address("10.1.0.6")
    strict = settings(write, HOME + node(f'home_address = "{peer}"')).associations.preferred(peer)
    assert strict is not None and not strict.is_lenient
    text = HOME + node(f'home_address = "{peer}"\n{key} = true')
    (problem,) = examine(write(text))[1]
    assert (problem.severity, problem.key) == (Severity.WARNING, f"home_agent.nodes[2].{key}")
    found = settings(write, text).associations.preferred(peer)
    assert found is not None and getattr(found, of) and found.any_spi != found.any_algorithm


def test_key_of_an_agent_does_not_show(write: Write) -> None:
    text = (
        HOME + f'\n[[home_agent.foreign_agents]]\naddress = "198.51.100.1"\nspi = 400\nkey = "{OTHER_KEY}x"\n'
    )
    found = problems(write(text))
    assert found.keys() == {"home_agent.foreign_agents[0].key"}
    assert OTHER_KEY not in str(found) and KEY not in str(found)
