"""[home_agent.keys]: where keys of nodes are that are not in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobileip.control.aaa.sealed import KeyDirectory
from mobileip.control.agent import keys, settings
from mobileip.control.config.load import examine, load
from mobileip.control.core.keyring import AskedBy, KeySettings
from mobileip.control.ports import ActionError
from mobileip.control.security import AssociationTable
from tests.unit.aaa.test_sealed import key_file, quick_scrypt
from tests.unit.config.texts import Write, problems

__all__ = ["quick_scrypt"]

HOME = """
[home_agent]
address = "192.0.2.1"
[[home_agent.networks]]
prefix = "10.1.0.0/24"
"""
FILES = """
[home_agent.keys]
sources = ["files"]
files = { directory = "/etc/mobileip/keys", master_key = "/etc/mobileip/master.key" }
"""


def test_defaults_are_the_cores(write: Write) -> None:
    home = load(write(HOME + FILES)).home_agent
    assert home is not None and settings.home_agent(home).keys == KeySettings()


def test_every_setting_reaches_the_core(write: Write) -> None:
    text = """
    lifetime = 1
    stale_lifetime = 2
    retry_interval = 3
    unknown_lifetime = 4
    max_known = 5
    max_questions = 6
    max_rate = 7
    user_name = "nai"
    """
    home = load(write(HOME + FILES + text)).home_agent
    assert home is not None
    assert settings.home_agent(home).keys == KeySettings(1, 2, 3, 4, 5, 6, 7, AskedBy.NAI)


@pytest.mark.parametrize(
    ("sources", "first", "asked"),
    [
        ('["files"]', True, ["files"]),
        ('["config", "files"]', True, ["config", "files"]),
        ('["files", "config"]', False, ["files", "config"]),
    ],
)
def test_the_configuration_has_a_place_among_the_sources(
    write: Write, tmp_path: Path, sources: str, first: bool, asked: list[str]
) -> None:
    text = FILES.replace("/etc/mobileip", str(tmp_path)).replace('["files"]', sources)
    home = load(write(HOME + text)).home_agent
    assert home is not None and home.keys is not None
    made = settings.home_agent(home).keys
    assert made is not None and made.configured_first is first
    KeyDirectory.create(tmp_path / "keys", key_file(tmp_path / "master.key"))
    opened = keys.open_sources(home.keys, AssociationTable(), home.address, "agent", lambda *_: None)
    assert [source.name for source in opened] == asked


def test_without_the_table_nobody_is_asked(write: Write) -> None:
    config, found = examine(write(HOME))
    assert config is not None and config.home_agent is not None
    assert settings.home_agent(config.home_agent).keys is None
    assert "every registration will be discarded" in found[0].text


def test_with_sources_no_node_need_be_in_the_file(write: Write) -> None:
    assert examine(write(HOME + FILES))[1] == ()


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        (
            "[home_agent.keys]",
            "home_agent.keys.sources",
            'is missing: who is asked, in this order, such as ["files"]',
        ),
        ("[home_agent.keys]\nsources = []", "home_agent.keys.sources", "is empty"),
        (
            '[home_agent.keys]\nsources = ["nis"]',
            "home_agent.keys.sources[0]",
            '"nis" must be "config", "files"',
        ),
        (
            '[home_agent.keys]\nsources = ["files"]',
            "home_agent.keys.files",
            "is missing: directory and master_key",
        ),
        (
            FILES.replace('["files"]', '["files", "files"]'),
            "home_agent.keys.sources[1]",
            "files is there already",
        ),
        (
            FILES.replace('["files"]', '["config"]'),
            "home_agent.keys.sources",
            "names nobody beside this file",
        ),
        (FILES + 'user_name = "name"', "home_agent.keys.user_name", '"name" must be "auto", "nai" or'),
        (FILES.replace('"/etc/mobileip/keys"', '"keys"'), "home_agent.keys.files.directory", "absolute path"),
        (FILES + "max_questions = 3", "home_agent.keys.max_questions", "from 4 to 65536"),
    ],
)
def test_what_is_refused(write: Write, text: str, key: str, sentence: str) -> None:
    found = problems(write(HOME + text))
    assert sentence in found[key]


def test_a_source_that_cannot_be_used_ends_the_start(write: Write, tmp_path: Path) -> None:
    text = FILES.replace("/etc/mobileip", str(tmp_path))
    home = load(write(HOME + text)).home_agent
    assert home is not None and home.keys is not None
    with pytest.raises(ActionError, match="no sealed keys yet; make one with mobileip keys generate"):
        keys.open_sources(home.keys, AssociationTable(), home.address, "agent", lambda reason, fields: None)


# ---- where servers are


SERVERS = {
    "home_agent.keys.radius": '[home_agent.keys]\nsources = ["radius"]\n',
    "home_agent.keys.tacacs": '[home_agent.keys]\nsources = ["tacacs"]\n',
    "home_agent.accounting": "",
    "home_agent.aaa": "",
}


def with_server(table: str, address: str) -> str:
    server = f'[[{table}.servers]]\naddress = "{address}"\nsecret = "correct-horse-battery"\n'
    return HOME + SERVERS[table] + server


@pytest.mark.parametrize("table", SERVERS)
def test_a_server_may_be_on_the_same_host(write: Write, table: str) -> None:
    for address in ("127.0.0.1", "127.0.1.1", "192.0.2.1"):
        config, found = examine(write(with_server(table, address)))
        assert config is not None, found


@pytest.mark.parametrize("table", SERVERS)
@pytest.mark.parametrize(
    "address", ["0.0.0.0", "127.0.0.0", "127.255.255.255", "224.0.0.1", "240.0.0.1", "255.255.255.255"]
)
def test_a_server_is_one_host(write: Write, table: str, address: str) -> None:
    sentence = problems(write(with_server(table, address)))[f"{table}.servers[0].address"]
    assert "must be the IPv4 address of a host" in sentence and "not a multicast" in sentence
