"""`mobileip show` against a control socket that says what a daemon would."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mobileip.control.cli import target
from mobileip.control.cli.main import mobileip
from mobileip.control.ops.control_socket import ControlError
from tests.unit.cli.serving import serving

KNOWN: dict[str, Any] = {
    "bindings": [
        {
            "later_field": 1,
            "care_of_address": "198.51.100.1",
            "home_address": "10.1.0.5",
            "lifetime_s": 600,
            "remaining_s": 592.25,
            "reverse_tunnel": True,
            "registered_at": 1_790_000_000.5,
        },
        {"home_address": "10.1.0.66", "care_of_address": "203.0.113.66", "lifetime_s": "infinite"},
    ],
    "visitors": [],
    "agents": [
        {"address": "10.2.0.1", "roles": ["home", "foreign"], "current": False, "care_of_addresses": []}
    ],
    "registration": {"zz": "last", "clock_offset_s": -0.0012, "state": "registered", "interface": None},
    "drops": [
        {"reason": "too-big", "packets_in": 0, "packets_out": 2, "bytes_out": 2800},
        {"reason": "no-binding", "packets_in": 0, "packets_out": 0, "bytes_out": 0},
    ],
    "counters": {"reasons": {"registered": 3, "denied": 0}, "data_plane": {"no-tunnel": 0}},
}


def _show(arguments: Mapping[str, object]) -> object:
    what = str(arguments["what"])
    if what not in KNOWN:
        raise ControlError(f"{what} are known to another role only")
    return KNOWN[what]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for /run/mobileip."""
    monkeypatch.setattr(target, "RUN_DIRECTORY", tmp_path)
    monkeypatch.setattr(target, "default_socket", lambda name: tmp_path / f"{name}.sock")
    return tmp_path


@pytest.fixture
def daemon(directory: Path) -> Iterator[Path]:
    with serving(directory / "home.sock", {"show": _show}) as path:
        yield path


def ask(*arguments: str | Path) -> Result:
    return CliRunner().invoke(mobileip, ["show", *map(str, arguments)], prog_name="mobileip")


def lines(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_known_columns_come_first_and_unknown_ones_too(daemon: Path) -> None:
    above, below, first, second = lines(ask("bindings"))
    assert above == ["home", "care-of", "reverse", "registered", "later"]
    assert below == ["address", "address", "lifetime", "remaining", "tunnel", "at", "field"]
    assert first[:7] == ["10.1.0.5", "198.51.100.1", "600", "s", "592.2", "s", "yes"]
    assert first[7].startswith("2026-09-2")  # in the zone of who asks
    assert second == ["10.1.0.66", "203.0.113.66", "infinite", "-", "-", "-", "-"]


def test_columns_are_aligned(daemon: Path) -> None:
    _, header, first, second = ask("bindings").stdout.splitlines()
    assert header.index("address", 8) == first.index("198.51") == second.index("203.0")


def test_nothing_there(daemon: Path) -> None:
    assert ask("visitors").output == "no visitors\n"


def test_lists_and_booleans(daemon: Path) -> None:
    _, row = ask("agents").output.splitlines()[-2:]
    assert row.split() == ["10.2.0.1", "home,foreign", "-", "no"]


def test_one_object_is_shown_downwards(daemon: Path) -> None:
    assert lines(ask("registration")) == [
        ["state", "registered"],
        ["interface", "-"],
        ["clock", "offset", "-0.001", "s"],
        ["zz", "last"],
    ]


def test_counters_without_those_at_zero(daemon: Path) -> None:
    assert lines(ask("counters")) == [
        ["reasons"],
        ["registered", "3"],
        ["2", "more", "at", "zero", "(--all)"],
    ]


def test_drops_without_those_that_never_happened(daemon: Path) -> None:
    assert lines(ask("drops"))[2:] == [["too-big", "0", "2", "2800"]]
    assert lines(ask("drops", "--all"))[3:] == [["no-binding", "0", "0", "0"]]


def test_counters_all(daemon: Path) -> None:
    assert lines(ask("counters", "--all")) == [
        ["reasons"],
        ["registered", "3"],
        ["denied", "0"],
        ["data", "plane"],
        ["no-tunnel", "0"],
    ]


@pytest.mark.parametrize("what", KNOWN)
def test_json_is_the_daemons_own(daemon: Path, what: str) -> None:
    assert json.loads(ask(what, "--json").stdout) == KNOWN[what]


def test_refusal_of_the_daemon(daemon: Path) -> None:
    result = ask("tunnels")
    assert result.exit_code == 1
    assert result.stderr == "Error: tunnels are known to another role only\n"


def test_hostile_text_does_not_reach_the_terminal(daemon: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWN, "agents", [{"address": "\x1b]0;owned\x07\n[bold]x[/bold]"}])
    output = ask("agents").stdout
    assert "\x1b" not in output
    assert "\x07" not in output
    assert "[bold]x[/bold]" in output


@pytest.mark.parametrize("answer", ["text", 5, ["text"], None])
def test_answer_without_rows(daemon: Path, monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    monkeypatch.setitem(KNOWN, "agents", answer)
    result = ask("agents")
    assert result.exit_code == 1
    assert "mobileip show agents --json" in result.stderr


def test_daemon_by_name_and_by_socket(daemon: Path) -> None:
    assert (
        ask("visitors", "--name", "home").output
        == ask("visitors", "--socket", daemon).output
        == "no visitors\n"
    )
    both = ask("visitors", "--name", "home", "--socket", daemon)
    assert both.exit_code == 2


def test_no_daemon(directory: Path) -> None:
    result = ask("bindings")
    assert result.exit_code == 1
    assert "no daemon runs here" in result.stderr
    assert "no daemon runs at" in ask("bindings", "--name", "blue").stderr


def test_no_directory(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "RUN_DIRECTORY", directory / "nothing")
    assert "no daemon runs here" in ask("bindings").stderr


def test_several_daemons(daemon: Path) -> None:
    os.link(daemon, daemon.with_name("foreign.sock"))
    (daemon.parent / "home.sock.lock").touch()
    result = ask("visitors")
    assert result.exit_code == 1
    assert "say which with --name (foreign, home)" in result.stderr
