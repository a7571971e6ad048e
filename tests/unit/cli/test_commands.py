"""The command line without a daemon: help, example, check, run as far as it goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import mobileip
from mobileip.control.cli import main
from mobileip.control.config.example import PLACEHOLDER_KEY, example
from mobileip.control.config.model import Config

KEY = "9f3c2ab1740de65588c0134fa7b29e61"
COMMANDS = [name for section in main._COMMANDS.values() for name in section]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main.mobileip, [str(argument) for argument in arguments], prog_name="mobileip")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "home.toml"
    path.write_text(example("home", KEY))
    return path


def test_help_names_every_command() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.output


def test_help_imports_no_command() -> None:
    """What makes `mobileip --help` quick, without a stop watch."""
    program = """
import sys
from mobileip.control.cli.main import mobileip
mobileip(["--help"], standalone_mode=False)
heavy = {"pydantic", "rich", "structlog", "pyroute2", "mobileip.dataplane", "asyncio"} & sys.modules.keys()
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)


def test_version() -> None:
    assert invoke("--version").output == f"mobileip {mobileip.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: mobileip {name}")
    assert result.output.count(f"mobileip {name}") >= 2, "no example"
    assert max(map(len, result.output.splitlines())) <= 100


def test_unknown_command() -> None:
    result = invoke("runn")
    assert result.exit_code == 2
    assert "No such command 'runn'" in result.output


@pytest.mark.parametrize("role", ["home", "foreign", "mobile"])
def test_example_then_check(tmp_path: Path, role: str) -> None:
    path = tmp_path / "file.toml"
    path.write_text(invoke("example", role).output)
    result = invoke("check", path)
    assert result.exit_code == 0
    assert f"{path}: ok: " in result.stdout
    assert ("can be guessed" in result.stderr) is (role != "foreign")


def test_random_key_is_another_each_time(tmp_path: Path) -> None:
    first, second = (invoke("example", "mobile", "--random-key").output for _ in range(2))
    assert first != second
    assert PLACEHOLDER_KEY not in first
    (tmp_path / "file.toml").write_text(first)
    result = invoke("check", tmp_path / "file.toml")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("home", "home agent 192.0.2.1 of 10.1.0.0/24 on eth1, 1 node"),
        ("foreign", "foreign agent with care-of address 198.51.100.1 on eth1"),
        ("mobile", "mobile node 10.1.0.5/24 of home agent 192.0.2.1 on eth0"),
    ],
)
def test_check_says_what_is_configured(tmp_path: Path, role: Any, said: str) -> None:
    path = tmp_path / "file.toml"
    path.write_text(example(role, KEY))
    assert invoke("check", path).output == f"{path}: ok: {said}\n"


def test_check_names_problems_of_every_file(tmp_path: Path, file: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(example("home", KEY).replace("spi = 256", "spi = 1"))
    result = invoke("check", bad, file, tmp_path / "none.toml")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{bad}: home_agent.nodes[0].spi: 1 must be a whole number from 256 to 4294967295"
        " (0 to 255 are reserved, RFC 5944 s1.6)",
        f"{tmp_path}/none.toml: cannot be read: No such file or directory",
    ]
    assert result.stdout == f"{file}: ok: home agent 192.0.2.1 of 10.1.0.0/24 on eth1, 1 node\n"


def test_run_refuses_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[home_agent]\n")
    result = invoke("run", "--config", path)
    assert result.exit_code == 1
    assert (
        f"{path}: home_agent.networks: is missing: at least one [[home_agent.networks]] table"
        in result.stderr
    )


def test_run_hands_over_the_configuration_and_how_to_read_it_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mobileip.control.agent import process

    started: list[Config | None] = []

    def run(config: Config, reread: process.Reread) -> int:
        started.append(config)
        file.write_text(file.read_text().replace("max_lifetime = 600", "max_lifetime = 300"))
        started.append(reread()[0])
        file.write_text("[home_agent]")
        again, problems = reread()
        assert again is None
        assert problems
        return 7

    monkeypatch.setattr(process, "run", run)
    result = invoke("run", "--config", file, "--log-level", "debug", "--log-format", "json")
    assert result.exit_code == 7, result.output
    first, second = started
    assert first is not None and second is not None and first.home_agent and second.home_agent
    for config in (first, second):  # what was given on the command line holds for a file that is read again
        assert (config.daemon.log_level, config.daemon.log_format) == ("debug", "json")
    assert (first.home_agent.max_lifetime, second.home_agent.max_lifetime) == (600, 300)


def test_run_logs_warnings_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mobileip.control.agent import process

    monkeypatch.setattr(process, "run", lambda config, reread: 0)
    path = tmp_path / "file.toml"
    path.write_text(example("mobile"))
    result = invoke("run", "--config", path)
    assert result.exit_code == 0, result.output
    assert f"warning config-warning file={path} key=mobile_node.key" in result.stderr


def test_lazy_group_knows_only_its_own() -> None:
    context = click.Context(main.mobileip)
    assert main.mobileip.get_command(context, "main") is None
    assert main.mobileip.list_commands(context) == COMMANDS
