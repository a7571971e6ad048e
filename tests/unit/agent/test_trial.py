"""Filters of a file: what it means, what `mobileip filter test` and a daemon say of it, and what a reload changes."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mobileip.control.agent import commands, settings
from mobileip.control.agent.reload import merge
from mobileip.control.cli.main import mobileip
from mobileip.control.config.load import examine, examine_data
from mobileip.control.config.model import Config
from mobileip.control.config.problem import Severity
from mobileip.control.core.filters import FilterRule, FilterSettings, Verdict
from mobileip.control.ops.control_socket import ControlError
from tests.unit.agent.test_commands import Daemon
from tests.unit.cli.serving import serving
from tests.unit.config.texts import FOREIGN, HOME, MOBILE

FILTERS = """
[[home_agent.filters]]
action = "allow"
home_address = "10.1.0.5"
foreign_agent = "198.51.100.0/24"
[[home_agent.filters]]
action = "deny"
nai = "*@example.net"
interface = "eth1"
"""
HOME_FILTERED = HOME.replace("[home_agent]", '[home_agent]\nfilter_default = "deny"') + FILTERS
BOTH = HOME_FILTERED + FOREIGN.replace('"eth1"', '"eth3"')


def config(text: str, tmp_path: Path) -> Config:
    file = tmp_path / "file.toml"
    file.write_text(text)
    made, problems = examine(file)
    assert made is not None, problems
    return made


def tried(tmp_path: Path, text: str, *arguments: str) -> Result:
    file = tmp_path / "file.toml"
    file.write_text(text)
    return CliRunner().invoke(mobileip, ["filter", "test", "--config", str(file), *arguments])


def test_a_file_gives_the_rules_in_their_order(tmp_path: Path) -> None:
    home = config(HOME_FILTERED, tmp_path).home_agent
    assert home is not None
    assert settings.home_agent(home).filters == FilterSettings(
        (
            FilterRule(
                Verdict.ALLOW,
                home_address=IPv4Network("10.1.0.5"),
                foreign_agent=IPv4Network("198.51.100.0/24"),
            ),
            FilterRule(Verdict.DENY, nai="*@example.net", interface="eth1"),
        ),
        Verdict.DENY,
    )


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        ('action = "refuse"', "home_agent.filters[0].action"),
        ('home_address = "10.1.0.5/8"', "home_agent.filters[0].home_address"),
        ('care_of_address = "here"', "home_agent.filters[0].care_of_address"),
        ('home_agent = "10.1.0.1"', "home_agent.filters[0].home_agent"),
        ('nai = "a*@b"', "home_agent.filters[0].nai"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, bad: str, key: str) -> None:
    file = tmp_path / "file.toml"
    action = "" if bad.startswith("action") else 'action = "deny"\n'
    file.write_text(f"{HOME}\n[[home_agent.filters]]\n{action}{bad}\n")
    made, problems = examine(file)
    assert made is None
    assert [problem.key for problem in problems if problem.severity is Severity.ERROR] == [key]


@pytest.mark.parametrize("text", ["", 'interface = "eth1"'])
def test_a_rule_that_never_decides_is_told_of(tmp_path: Path, text: str) -> None:
    rule = f'[[foreign_agent.filters]]\naction = "deny"\n{text}\n'
    file = tmp_path / "file.toml"
    file.write_text(f'{FOREIGN}\n{rule}[[foreign_agent.filters]]\naction = "allow"\ninterface = "eth1"\n')
    made, problems = examine(file)
    assert made is not None
    assert [problem.key for problem in problems] == ["foreign_agent.filters[1]"]


def test_the_dry_run_names_the_rule_that_decides(tmp_path: Path) -> None:
    passed = tried(tmp_path, HOME_FILTERED, "--home-address", "10.1.0.5", "--foreign-agent", "198.51.100.9")
    assert (passed.exit_code, passed.output) == (
        0,
        "allow by home_agent.filters[0]: allow home_address=10.1.0.5/32 foreign_agent=198.51.100.0/24\n",
    )
    by_rule = tried(tmp_path, HOME_FILTERED, "--nai", "a@example.net", "--interface", "eth1")
    assert (by_rule.exit_code, by_rule.output) == (
        1,
        "deny (code 129) by home_agent.filters[1]: deny nai=*@example.net interface=eth1\n",
    )
    by_default = tried(tmp_path, HOME_FILTERED, "--home-address", "10.1.0.5")
    assert (by_default.exit_code, by_default.output) == (1, "deny (code 129) by home_agent.filter_default\n")


def test_each_agent_of_a_file_is_asked(tmp_path: Path) -> None:
    result = tried(tmp_path, BOTH, "--home-address", "10.1.0.5", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {"role": "home_agent", "verdict": "deny", "rule": "home_agent.filter_default", "text": "", "code": 129},
        {"role": "foreign_agent", "verdict": "allow", "rule": "foreign_agent.filter_default", "text": "",
         "code": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        (MOBILE, (), "a mobile node has no filters"),
        (HOME_FILTERED, ("--care-of", "nowhere"), "care_of_address 'nowhere' is no IPv4 address"),
        ("[home_agent]", (), "home_agent.address: is missing"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, text: str, arguments: tuple[str, ...], said: str) -> None:
    result = tried(tmp_path, text, *arguments)
    assert result.exit_code == 1 and said in result.output


def test_a_running_daemon_is_asked_by_its_socket(tmp_path: Path) -> None:
    daemon = Daemon(config(HOME_FILTERED, tmp_path))
    handlers = commands.handlers(daemon)
    with serving(tmp_path / "home.sock", {"filter": handlers["filter"]}) as path:
        result = CliRunner().invoke(
            mobileip,
            ["filter", "test", "--nai", "a@Example.NET", "--interface", "eth1", "--socket", str(path)],
        )
    assert (result.exit_code, result.output.split(":")[0]) == (1, "deny (code 129) by home_agent.filters[1]")
    for arguments in ({"colour": "red"}, {"nai": 5}):
        with pytest.raises(ControlError, match="nothing that a filter looks at"):
            handlers["filter"](arguments)


def test_filters_change_in_a_running_daemon_and_the_change_is_told() -> None:
    def made(filters: list[dict[str, Any]]) -> Config:
        data: dict[str, Any] = {
            "home_agent": {
                "address": "192.0.2.1",
                "networks": [{"prefix": "10.1.0.0/24"}],
                "filters": filters,
                "filter_default": "deny" if filters else "allow",
            }
        }
        found, problems = examine_data(data, Path("."))
        assert found is not None, problems
        return found

    after = made([{"action": "allow", "interface": "eth1"}])
    merged, changes = merge(made([]), after, 1 << 12)
    assert merged == after
    assert [(change.key, change.text, change.applied) for change in changes] == [
        ("home_agent.filters", "none -> allow interface=eth1", True),
        ("home_agent.filter_default", "allow -> deny", True),
    ]
