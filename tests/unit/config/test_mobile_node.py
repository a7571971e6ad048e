"""The mobile node's table: what may be left out, what belongs together, and what the core makes of it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mobileip.control.agent import settings
from mobileip.control.config.load import load
from mobileip.control.core.actions import MulticastWay
from mobileip.control.security import ReplayMethod
from mobileip.control.types import EncapsulationType
from tests.unit.config.texts import KEY, MOBILE, Write, problems, replaced

KEY2 = "51d0c4f7a2293b8e6a0f9d1c77e5b342"
NO_GATEWAY = replaced(MOBILE, 'home_gateway = "10.1.0.1"\n', "")
NO_HOME = replaced(NO_GATEWAY, 'home_address = "10.1.0.5/24"\n', "")
NO_HOME_AGENT = replaced(MOBILE, 'home_agent = "192.0.2.1"\n', "")
EVERYTHING = f"""{MOBILE}
nai = "user@example.org"
replay = "nonces"
spi_out = 257
home_agents = ["192.0.2.2"]
agents = ["198.51.100.1", "198.51.100.2"]
hold_down = 5
simultaneous = true
broadcasts = true
multicast = "tunnel"
encapsulating_delivery = true
encapsulation = ["gre", "minimal"]
[[mobile_node.foreign_agents]]
address = "198.51.100.1"
spi = 300
spi_out = 301
key = "{KEY2}"
algorithm = "keyed-md5"
"""


def test_what_is_shared_with_an_aaa_server(write: Write) -> None:
    config = load(write(f'{MOBILE}\n[mobile_node.aaa]\nsecret = "a long enough password"\n')).mobile_node
    assert config is not None
    aaa = settings.mobile_node(config).aaa
    assert aaa is not None and aaa.is_chap and aaa.secret.reveal() == b"a long enough password"
    hmac = load(
        write(f'{MOBILE}\n[mobile_node.aaa]\nspi = 256\nsecret = "a long enough password"\n')
    ).mobile_node
    assert hmac is not None and hmac.aaa is not None and hmac.aaa.spi == 256
    (path := write("").parent / "aaa.secret").write_text("from a file, long\n")
    path.chmod(0o600)
    read = load(write(f'{MOBILE}\n[mobile_node.aaa]\nsecret_file = "aaa.secret"\n')).mobile_node
    assert read is not None and read.aaa is not None and read.aaa.secret.reveal() == b"from a file, long"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('spi = 3\nsecret = "a long enough password"', "mobile_node.aaa.spi"),
        ('secret = "short"', "mobile_node.aaa.secret"),
        ("", "mobile_node.aaa.secret"),
        ('key = "00112233445566778899"\nsecret = "a long enough password"', "mobile_node.aaa.key"),
    ],
)
def test_what_is_wrong_with_it(write: Write, table: str, key: str) -> None:
    assert key in problems(write(f"{MOBILE}\n[mobile_node.aaa]\n{table}\n"))


def test_everything_reaches_the_node(write: Write) -> None:
    config = load(write(EVERYTHING)).mobile_node
    assert config is not None
    made = settings.mobile_node(config)
    agents = (IPv4Address("198.51.100.1"), IPv4Address("198.51.100.2"))
    assert (made.nai, made.agents, made.hold_down, made.simultaneous) == (
        "user@example.org",
        agents,
        5.0,
        True,
    )
    assert made.home_agents == (IPv4Address("192.0.2.2"),)
    assert made.broadcasts and made.encapsulating_delivery and made.multicast is MulticastWay.TUNNEL
    assert made.encapsulations == (EncapsulationType.GRE, EncapsulationType.MINIMAL)
    assert made.association.replay is ReplayMethod.NONCES
    (agent,) = made.foreign_agents
    shared = made.foreign_agents[agent]
    assert (agent, shared.spi, shared.key.reveal().hex()) == (agents[0], 300, KEY2)
    assert (made.association.spi, made.association.sent_spi, shared.sent_spi) == (256, 257, 301)


def test_defaults(write: Write) -> None:
    config = load(write(MOBILE)).mobile_node
    assert config is not None
    made = settings.mobile_node(config)
    assert (made.nai, made.agents, made.hold_down, made.simultaneous) == (None, (), 2.0, False)
    assert made.home_agents == ()
    assert not made.broadcasts and not made.encapsulating_delivery and made.multicast is MulticastWay.NONE
    assert made.association.replay is ReplayMethod.TIMESTAMPS and made.foreign_agents == {}


def test_nothing_is_asked_for_behind_ip_in_ip(write: Write) -> None:
    text = MOBILE + 'encapsulation = ["ipip", "gre"]\n'
    (told,) = problems(write(text)).items()
    assert told == (
        "mobile_node.encapsulation[1]",
        "warning: gre is never asked for: ipip before it is never denied",
    )


@pytest.mark.parametrize(
    ("line", "kind"),
    [("", "ipip"), ('encapsulation = ["minimal"]', "minimal"), ("encapsulation = []", "ipip")],
)
def test_the_device_is_made_for_the_first_choice(write: Write, line: str, kind: str) -> None:
    assert str(settings.usual_encapsulation(load(write(f"{MOBILE}{line}\n")))) == kind


def test_home_address_or_home_agent_may_be_left_out(write: Write) -> None:
    assert problems(write(NO_HOME_AGENT)) == {}
    named = NO_HOME + 'nai = "user@example.org"\n'
    assert problems(write(named)) == {}
    config = load(write(named)).mobile_node
    assert config is not None and settings.mobile_node(config).home_address is None


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (NO_HOME, "mobile_node.home_address", "or a nai by which the home agent gives one"),
        (
            replaced(NO_HOME, 'home_agent = "192.0.2.1"\n', 'nai = "user@example.org"\n'),
            "mobile_node.home_agent",
            "cannot be discovered",
        ),
        (
            replaced(MOBILE, 'home_address = "10.1.0.5/24"', 'nai = "user@example.org"'),
            "mobile_node.home_gateway",
            "makes no sense",
        ),
        (
            replaced(replaced(NO_GATEWAY, 'home_agent = "192.0.2.1"\n', ""), "5/24", "5/32"),
            "mobile_node.home_agent",
            "no broadcast address",
        ),
        (
            MOBILE + 'home_agents = ["192.0.2.1"]',
            "mobile_node.home_agents[0]",
            "is mobile_node.home_agent already",
        ),
        (MOBILE + 'home_agents = ["10.1.0.5"]', "mobile_node.home_agents[0]", "own home address"),
        (
            MOBILE + 'home_agents = ["192.0.2.2", "192.0.2.2"]',
            "mobile_node.home_agents[1]",
            "is there already",
        ),
        (replaced(EVERYTHING, '"nonces"', '"none"'), "mobile_node.replay", "timestamps or nonces"),
        (
            replaced(EVERYTHING, 'multicast = "tunnel"', "reverse_tunnel = false"),
            "mobile_node.encapsulating_delivery",
            "needs reverse_tunnel",
        ),
        (
            replaced(EVERYTHING, "encapsulating_delivery = true", "reverse_tunnel = false"),
            "mobile_node.multicast",
            "needs reverse_tunnel",
        ),
        (replaced(EVERYTHING, "hold_down = 5", "hold_down = -1"), "mobile_node.hold_down", "0 to 3600 s"),
        (replaced(EVERYTHING, "spi = 300", "spi = 30"), "mobile_node.foreign_agents[0].spi", "256"),
        (
            EVERYTHING
            + f'[[mobile_node.foreign_agents]]\naddress = "198.51.100.1"\nspi = 301\nkey = "{KEY2}"\n',
            "mobile_node.foreign_agents[1].address",
            "already mobile_node.foreign_agents[0]",
        ),
    ],
)
def test_what_does_not_belong_together(write: Write, text: str, key: str, words: str) -> None:
    found = problems(write(text))
    assert found.keys() == {key} and words in found[key]


def test_simultaneous_with_one_interface_is_warned_of(write: Write) -> None:
    one = replaced(EVERYTHING, '["eth0", "wlan0"]', '["eth0"]')
    assert "no effect" in problems(write(one))["mobile_node.simultaneous"]


def test_key_file_of_a_foreign_agent(write: Write) -> None:
    path = write(replaced(EVERYTHING, f'key = "{KEY2}"', 'key_file = "agent.key"'))
    file = path.parent / "agent.key"
    file.write_text(KEY2)
    file.chmod(0o600)
    config = load(path).mobile_node
    assert config is not None and config.foreign_agents[0].key.reveal().hex() == KEY2
    assert KEY not in repr(config)
