"""Every problem is named with its key and what is allowed, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobileip.control.config.example import PLACEHOLDER_KEY
from mobileip.control.config.load import examine, load
from mobileip.control.config.problem import ConfigError, Severity
from tests.unit.config.texts import FOREIGN, HOME, KEY, MOBILE, Write, problems, replaced

# Each case: what is changed in a file, the key that is named, and words of the sentence.
BAD_VALUES = [
    (
        HOME,
        'address = "192.0.2.1"',
        'address = "192.0.2.256"',
        "home_agent.address",
        '"192.0.2.256" must be the IPv4',
    ),
    (
        HOME,
        'address = "192.0.2.1"',
        "address = 3221225985",
        "home_agent.address",
        "3221225985 must be the IPv4",
    ),
    (HOME, 'address = "192.0.2.1"', 'address = "127.0.0.1"', "home_agent.address", "not a loopback"),
    (
        HOME,
        'address = "192.0.2.1"',
        'address = "224.0.0.11"',
        "home_agent.address",
        "not a loopback, multicast",
    ),
    (HOME, 'address = "192.0.2.1"', 'address = "0.0.0.0"', "home_agent.address", "unspecified"),
    (HOME, 'address = "192.0.2.1"', 'address = "255.255.255.255"', "home_agent.address", "reserved"),
    (
        HOME,
        'address = "192.0.2.1"',
        "",
        "home_agent.address",
        "is missing: the address that nodes register with",
    ),
    (HOME, '"10.1.0.0/24"', '"10.1.0.7/24"', "home_agent.networks[0].prefix", '"10.1.0.0/24"'),
    (HOME, '"10.1.0.0/24"', '"10.1.0.0"', "home_agent.networks[0].prefix", "after the slash is missing"),
    (HOME, '"10.1.0.0/24"', '"0.0.0.0/0"', "home_agent.networks[0].prefix", "must be an IPv4 prefix"),
    (HOME, '"10.1.0.0/24"', '"10.1.0.0/33"', "home_agent.networks[0].prefix", "must be an IPv4 prefix"),
    (HOME, '"eth1"', '"a name too long x"', "home_agent.networks[0].interface", "1 to 15 characters"),
    (HOME, '"eth1"', '"eth/1"', "home_agent.networks[0].interface", "none of them"),
    (
        HOME,
        "interval = 1.0",
        "interval = 0.01",
        "home_agent.networks[0].advertise.interval",
        "0.01 must be a number from 0.05 to 1800 s",
    ),
    (
        HOME,
        "interval = 1.0",
        "interval = 1801",
        "home_agent.networks[0].advertise.interval",
        "0.05 to 1800 s",
    ),
    (HOME, "interval = 1.0", "interval = nan", "home_agent.networks[0].advertise.interval", "0.05 to 1800 s"),
    (HOME, "= 1.0", '= "1"', "home_agent.networks[0].advertise.interval", '"1" must be a number'),
    (
        HOME,
        "interval = 1.0",
        "interval = true",
        "home_agent.networks[0].advertise.interval",
        "true must be a number",
    ),
    (
        HOME,
        "interval = 1.0",
        "interval = 1.0, lifetime = 9001",
        "home_agent.networks[0].advertise.lifetime",
        "1 to 9000 s",
    ),
    (
        HOME,
        "interval = 1.0",
        "interval = 1.0, router = 1",
        "home_agent.networks[0].advertise.router",
        "1 must be true or false",
    ),
    (HOME, "spi = 256", "spi = 255", "home_agent.nodes[0].spi", "0 to 255 are reserved"),
    (HOME, "spi = 256", "spi = 4294967296", "home_agent.nodes[0].spi", "256 to 4294967295"),
    (HOME, "spi = 256", "spi = 256\nspi_out = 2", "home_agent.nodes[0].spi_out", "0 to 255 are reserved"),
    (MOBILE, "spi = 256", "spi = 256\nspi_out = 2", "mobile_node.spi_out", "0 to 255 are reserved"),
    (HOME, "spi = 256", "spi = 256.0", "home_agent.nodes[0].spi", "256.0 must be a whole number"),
    (
        HOME,
        '"keyed-md5"',
        '"md5"',
        "home_agent.nodes[1].algorithm",
        '"md5" must be "hmac-md5", "keyed-md5", "keyed-md5-no-spi", "hmac-sha1" or "hmac-sha256"',
    ),
    (HOME, "= 20", "= 0", "home_agent.nodes[1].replay_tolerance", "0.1 to 3600 s"),
    (FOREIGN, '"infinite"', '"forever"', "foreign_agent.max_lifetime", 'from 1 to 65534 s, or "infinite"'),
    (FOREIGN, '"infinite"', "0", "foreign_agent.max_lifetime", "from 1 to 65534 s"),
    (FOREIGN, '"infinite"', "65535", "foreign_agent.max_lifetime", "from 1 to 65534 s"),
    (FOREIGN, "max_lifetime", "max_lifetim", "foreign_agent.max_lifetim", "is it max_lifetime? known are"),
    (
        FOREIGN,
        'max_lifetime = "infinite"',
        'reverse_tunnel = "forbidden"',
        "foreign_agent.reverse_tunnel",
        '"forbidden" must be "optional", "required" or "unavailable"',
    ),
    (MOBILE, '"10.1.0.5/24"', '"10.1.0.5"', "mobile_node.home_address", 'such as "10.1.0.5/24"'),
    (MOBILE, '["eth0", "wlan0"]', "[]", "mobile_node.interfaces", "is empty"),
    (MOBILE, '["eth0", "wlan0"]', '"eth0"', "mobile_node.interfaces", "must be a list"),
    (MOBILE, '["eth0", "wlan0"]', '["eth0", 5]', "mobile_node.interfaces[1]", "5 must be the name"),
    (MOBILE, "spi = 256", "agent_wait = -1\nspi = 256", "mobile_node.agent_wait", "0 to 60 s"),
    (MOBILE, f'key = "{KEY}"', "", "mobile_node.key", "is missing: key (hexadecimal digits) or key_file"),
    (
        MOBILE,
        "spi",
        'encapsulation = ["gre", "esp"]\nspi',
        "mobile_node.encapsulation[1]",
        '"minimal" or "ipip"',
    ),
    (
        MOBILE,
        "spi",
        'encapsulation = ["gre", "gre"]\nspi',
        "mobile_node.encapsulation[1]",
        "is there already",
    ),
    (MOBILE, "spi", 'encapsulation = "gre"\nspi', "mobile_node.encapsulation", "must be a list"),
    (
        FOREIGN,
        "max_lifetime",
        'encapsulations = ["ipip"]\nmax_lifetime',
        "foreign_agent.encapsulations[0]",
        'must be "gre" or "minimal"',
    ),
    (MOBILE, "[mobile_node]", "daemon = 5\n[mobile_node]", "daemon", "must be a table"),
    (MOBILE, "[mobile_node]", "[daemons]\n[mobile_node]", "daemons", "is it daemon?"),
    (
        MOBILE,
        "[mobile_node]",
        '[daemon]\nname = "../x"\n[mobile_node]',
        "daemon.name",
        '"../x" must be 1 to 32',
    ),
    (
        MOBILE,
        "[mobile_node]",
        '[daemon]\nstate_directory = "x"\n[mobile_node]',
        "daemon.state_directory",
        "absolute",
    ),
    (
        MOBILE,
        "[mobile_node]",
        '[daemon]\nlog_level = "loud"\n[mobile_node]',
        "daemon.log_level",
        '"warning" or "error"',
    ),
    (
        MOBILE,
        "[mobile_node]",
        "[daemon]\ntunnel_mtu = 500\n[mobile_node]",
        "daemon.tunnel_mtu",
        "576 to 65515 bytes",
    ),
    (
        MOBILE,
        "[mobile_node]",
        f'[daemon]\ncontrol_socket = "/{"x" * 107}"\n[mobile_node]',
        "daemon.control_socket",
        "at most 107 bytes",
    ),
]


@pytest.mark.rfc("5944", "2.3", 6)
@pytest.mark.rfc("5944", "3.6", 1)
@pytest.mark.rfc("5944", "3.8.1", 1, 2)
@pytest.mark.rfc("1256", "4.1", 2, 4)
@pytest.mark.parametrize(("text", "old", "new", "key", "words"), BAD_VALUES)
def test_bad_value(write: Write, text: str, old: str, new: str, key: str, words: str) -> None:
    config, found = examine(write(replaced(text, old, new)))
    assert config is None
    assert [problem.key for problem in found] == [key]
    assert found[0].severity is Severity.ERROR
    assert words in found[0].text


CROSS = [
    (HOME, '"10.2.0.0/16"', '"10.0.0.0/14"', "home_agent.networks[1].prefix", "overlaps 10.1.0.0/24"),
    (HOME, '"10.1.0.5"', '"10.3.0.5"', "home_agent.nodes[0].home_address", "is in no home network"),
    (HOME, '"10.1.0.5"', '"10.1.0.0"', "home_agent.nodes[0].home_address", "is the network address"),
    (HOME, '"10.1.0.5"', '"10.1.0.255"', "home_agent.nodes[0].home_address", "is the broadcast address"),
    (HOME, '"10.1.0.5"', '"10.2.0.5"', "home_agent.nodes[1].spi", "is already home_agent.nodes[0]"),
    (HOME, '"192.0.2.1"', '"10.1.0.5"', "home_agent.nodes[0].home_address", "is home_agent.address itself"),
    (HOME, 'interface = "eth1"', "", "home_agent.networks[0].advertise", "no link to advertise on"),
    (
        HOME,
        'prefix = "10.2.0.0/16"',
        'prefix = "10.2.0.0/16"\ninterface = "eth1"\nadvertise = {}',
        "home_agent.networks[1].advertise",
        "home_agent.networks[0] already advertises on eth1",
    ),
    (HOME, '"eth1"', '"mip0"', "home_agent.networks[0].interface", "the tunnel device"),
    (
        HOME,
        "interval = 1.0",
        "interval = 5, lifetime = 4",
        "home_agent.networks[0].advertise.lifetime",
        "shorter than the interval",
    ),
    (
        FOREIGN,
        '"eth2"',
        '"eth1"',
        "foreign_agent.interfaces[1].name",
        "is already foreign_agent.interfaces[0]",
    ),
    (
        FOREIGN,
        "lifetime = 2",
        "registration_lifetime = 600",
        "foreign_agent.interfaces[1].advertise.registration_lifetime",
        "set foreign_agent.max_lifetime",
    ),
    (MOBILE, '"192.0.2.1"', '"10.1.0.5"', "mobile_node.home_agent", "own home address"),
    (MOBILE, '"10.1.0.1"', '"10.1.0.5"', "mobile_node.home_gateway", "own home address"),
    (MOBILE, '"10.1.0.1"', '"10.2.0.1"', "mobile_node.home_gateway", "not in the home network 10.1.0.0/24"),
    (MOBILE, '"10.1.0.1"', '"10.1.0.255"', "mobile_node.home_gateway", "broadcast address"),
    (MOBILE, '"wlan0"', '"eth0"', "mobile_node.interfaces[1]", "is already mobile_node.interfaces[0]"),
    (MOBILE, '"wlan0"', '"mip0"', "mobile_node.interfaces[1]", "the tunnel device"),
    (MOBILE + FOREIGN, "eth1", "eth3", "mobile_node", "cannot stand beside foreign_agent"),
    (
        HOME + FOREIGN,
        "advertise = { interval = 1.0 }",
        "advertise = { interval = 2.0 }",
        "foreign_agent.interfaces[0].advertise",
        "must be the same as there (interval 2, lifetime 6)",
    ),
]


@pytest.mark.rfc("1256", "4.1", 4)
@pytest.mark.parametrize(("text", "old", "new", "key", "words"), CROSS)
def test_values_that_contradict(write: Write, text: str, old: str, new: str, key: str, words: str) -> None:
    test_bad_value(write, text, old, new, key, words)


WARNINGS = [
    (HOME, KEY, PLACEHOLDER_KEY, "home_agent.nodes[0].key", "can be guessed"),
    (HOME, KEY, "aa" * 16, "home_agent.nodes[0].key", "can be guessed"),
    (HOME, KEY, KEY[:16], "home_agent.nodes[0].key", "8 bytes are few"),
    (HOME, "= 20", "= 3", "home_agent.nodes[1].replay_tolerance", "wants more than 3 s"),
    (
        HOME,
        "interval = 1.0",
        "interval = 2, lifetime = 5",
        "home_agent.networks[0].advertise.lifetime",
        "less than three times",
    ),
    (
        HOME,
        "interval = 1.0",
        'interval = 1.0, registration_lifetime = "infinite"',
        "home_agent.networks[0].advertise.registration_lifetime",
        "no more than max_lifetime (600 s)",
    ),
    (
        FOREIGN,
        'max_lifetime = "infinite"',
        "max_visitors = 10",
        "foreign_agent.max_pending",
        "only max_visitors (10) may stay",
    ),
]


@pytest.mark.parametrize(("text", "old", "new", "key", "words"), WARNINGS)
def test_warning_lets_the_file_through(
    write: Write, text: str, old: str, new: str, key: str, words: str
) -> None:
    config, found = examine(write(replaced(text, old, new)))
    assert config is not None
    assert [(problem.key, problem.severity) for problem in found] == [(key, Severity.WARNING)]
    assert words in found[0].text


def test_home_agent_without_nodes(write: Write) -> None:
    text = HOME[: HOME.index("[[home_agent.nodes]]")]
    assert "every registration will be discarded" in problems(write(text))["home_agent.nodes"]


def test_every_problem_at_once(write: Write) -> None:
    text = replaced(HOME, "spi = 256", "spi = 1")  # nodes[0] is not valid
    text = replaced(text, '"10.2.0.5"', '"10.3.0.5"')  # nodes[1] is, but in no home network
    text = replaced(text, 'address = "192.0.2.1"', "adress = 5")
    assert problems(write(text)).keys() == {
        "home_agent.address",
        "home_agent.adress",
        "home_agent.nodes[0].spi",
        "home_agent.nodes[1].home_address",
    }


def test_bad_network_is_not_blamed_on_its_nodes(write: Write) -> None:
    assert problems(write(replaced(HOME, '"10.2.0.0/16"', '"10.2.0.0/99"'))).keys() == {
        "home_agent.networks[1].prefix"
    }


def test_load_raises_all_problems(write: Write) -> None:
    path = write(replaced(HOME, "spi = 256", "spi = 1"))
    with pytest.raises(ConfigError) as failure:
        load(path)
    assert str(failure.value).startswith(f"{path}: home_agent.nodes[0].spi: 1 must be")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no role"),
        (b"[daemon]\n", "has no role"),
        (b"[home_agent\n", "is not TOML: "),
        (b"x = " + b"[" * 5000, "is nested too deeply"),
        (b"x = " + b"1" * 5000, "a number in it has more than 64 bits"),
        (b"x = 1\nx = 2\n", "(at line 2, column 6)"),
        (b"name = '\xff'\n", "is not UTF-8: byte 0xff at offset 8"),
    ],
)
def test_no_configuration(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    config, found = examine(path)
    assert config is None
    assert any(problem.key == "" and words in problem.text for problem in found), found


def test_a_number_that_no_text_can_hold_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(HOME.replace("[home_agent]", "[home_agent]\nmax_lifetime = 0x" + "F" * 5000))
    _, found = examine(path)
    (problem,) = [one for one in found if one.key == "home_agent.max_lifetime"]
    assert problem.text.startswith("a number of more than 64 bits must be a whole number from 1 to 65534 s")


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    config, found = examine(tmp_path / "nothing")
    assert (config, [str(problem) for problem in found]) == (
        None,
        ["cannot be read: No such file or directory"],
    )
