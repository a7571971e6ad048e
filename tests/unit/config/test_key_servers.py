"""[home_agent.keys.radius] and [home_agent.keys.tacacs]: servers, their secrets, and what is asked of them."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.agent.keys import open_sources
from mobileip.control.config.load import examine, load
from mobileip.control.security import AssociationTable
from tests.unit.config.texts import Write, problems

HOME = """
[home_agent]
address = "192.0.2.1"
[[home_agent.networks]]
prefix = "10.1.0.0/24"
[home_agent.keys]
sources = ["radius", "tacacs"]
"""
SECRET = "correct-horse-battery"
RADIUS = f"""
[home_agent.keys.radius]
[[home_agent.keys.radius.servers]]
address = "192.0.2.10"
secret = "{SECRET}"
"""
TACACS = f"""
[[home_agent.keys.tacacs.servers]]
address = "192.0.2.12"
secret = "{SECRET}"
"""


def test_sources_are_opened_in_their_order(write: Write) -> None:
    home = load(write(HOME + RADIUS + TACACS)).home_agent
    assert home is not None and home.keys is not None
    sources = open_sources(
        home.keys, AssociationTable(), IPv4Address("192.0.2.1"), "agent", lambda reason, fields: None
    )
    assert [source.name for source in sources] == ["radius", "tacacs"]


def test_defaults(write: Write) -> None:
    home = load(write(HOME + RADIUS + TACACS)).home_agent
    assert home is not None and home.keys is not None
    radius, tacacs = home.keys.radius, home.keys.tacacs
    assert radius is not None and tacacs is not None
    assert radius.password.reveal() == b"cisco" and radius.service_type == "outbound"
    assert (radius.servers[0].port, tacacs.servers[0].port) == (1812, 49)
    assert radius.servers[0].secret.reveal() == SECRET.encode()


def test_a_secret_may_be_in_a_file(write: Write, tmp_path: Path) -> None:
    file = tmp_path / "radius.secret"
    file.write_text("from a file, with blanks\n")
    file.chmod(0o600)
    text = RADIUS.replace(f'secret = "{SECRET}"', f'secret_file = "{file}"')
    config, found = examine(write(HOME + text + TACACS))
    assert found == () and config is not None and config.home_agent is not None
    assert config.home_agent.keys is not None and config.home_agent.keys.radius is not None
    assert config.home_agent.keys.radius.servers[0].secret.reveal() == b"from a file, with blanks"


@pytest.mark.parametrize(
    ("old", "new", "key", "sentence"),
    [
        (RADIUS, "", "radius", "is missing: servers of the source radius"),
        (TACACS, "", "tacacs", "is missing: servers of the source tacacs"),
        (', "tacacs"', "", "tacacs", "is not used: tacacs is not one of sources"),
        (RADIUS, "[home_agent.keys.radius]\n", "radius.servers", "is missing: at least one"),
        (SECRET, "", "radius.servers[0].secret", "must be a text of 1 to 128 characters"),
        (SECRET, "short", "radius.servers[0].secret", "is short: what it hides can be found by trying"),
        (
            f'secret = "{SECRET}"',
            'secret_file = "nowhere"',
            "radius.servers[0].secret_file",
            "cannot be read: No such file",
        ),
        (
            f'secret = "{SECRET}"',
            f'secret = "{SECRET}"\nsecret_file = "nowhere"',
            "radius.servers[0].secret_file",
            "secret and secret_file exclude each other",
        ),
        (
            "[home_agent.keys.radius]",
            "[home_agent.keys.radius]\ntimeout = 6\ntries = 2",
            "radius.timeout",
            "all its servers together may take 12 s, more than home_agent.keys.timeout (10 s)",
        ),
        (
            "[home_agent.keys.radius]",
            '[home_agent.keys.radius]\npassword = ""',
            "radius.password",
            "must be a",
        ),
        (
            "[home_agent.keys.radius]",
            '[home_agent.keys.radius]\nservice_type = "login"',
            "radius.service_type",
            'must be "outbound", "framed", "call-check" or "none"',
        ),
        (
            TACACS,
            TACACS + TACACS,
            "tacacs.servers[1].address",
            "is already home_agent.keys.tacacs.servers[0]",
        ),
        ("192.0.2.10", "localhost", "radius.servers[0].address", "must be the IPv4 address of a host"),
    ],
)
def test_what_is_wrong_is_said(write: Write, old: str, new: str, key: str, sentence: str) -> None:
    text = HOME + RADIUS + TACACS
    assert old in text
    found = problems(write(text.replace(old, new, 1)))
    assert [
        text for place, text in found.items() if place == f"home_agent.keys.{key}" and sentence in text
    ], found


ACCOUNTING = RADIUS.replace("keys.radius", "accounting")


def test_accounting_is_off_unless_there_is_a_table(write: Write) -> None:
    home = load(write(HOME + RADIUS + TACACS)).home_agent
    assert home is not None and home.accounting is None
    home = load(write(HOME + RADIUS + TACACS + ACCOUNTING)).home_agent
    assert home is not None and home.accounting is not None
    assert (home.accounting.servers[0].port, home.accounting.interim_interval) == (1813, 600)


def test_accounting_servers_are_checked_as_others(write: Write) -> None:
    text = HOME + RADIUS + TACACS + ACCOUNTING.replace(SECRET, "short")
    assert "is short" in problems(write(text))["home_agent.accounting.servers[0].secret"]


def test_secrets_are_repeated_nowhere(write: Write) -> None:
    for wrong in ('secret = "zzz\\u0007zzz"', 'secret = ["zzz"]', "secret = 12345"):
        text = HOME + RADIUS.replace(f'secret = "{SECRET}"', wrong) + TACACS
        assert all("zzz" not in str(one) and "12345" not in str(one) for one in examine(write(text))[1])


@pytest.mark.parametrize(
    "wrong", ['address = "radius.example.net"', 'secret_file = "missing.secret"', "port = 0"]
)
def test_a_server_that_is_wrong_is_one_problem(write: Write, wrong: str) -> None:
    """And not also a list without servers."""
    one = RADIUS.replace(f"{wrong.split(' ')[0].removesuffix('_file')} = ", "# ") + wrong + "\n"
    assert len(problems(write(HOME + one + TACACS))) == 1
