"""`mobileip demo` where it cannot run, and its parts that need no network."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from mobileip.control.cli.demo import demo
from mobileip.control.lab import namespaces
from mobileip.control.lab.events import Follower


def test_not_root_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = CliRunner().invoke(demo, [])
    assert result.exit_code == 1
    assert result.output == "Error: building networks of namespaces needs root: run this as root (sudo)\n"


def test_missing_ip_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(namespaces, "_SBIN", str(tmp_path))
    result = CliRunner().invoke(demo, ["--json"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "Error: the program `ip` is missing: apt-get install iproute2\n"


def test_help_has_examples() -> None:
    result = CliRunner().invoke(demo, ["--help"])
    assert result.exit_code == 0
    assert "sudo mobileip demo --pcap captures" in result.output


def test_log_lines_are_followed_in_order(tmp_path: Path) -> None:
    logs = {"home": tmp_path / "home.log", "node": tmp_path / "node.log"}
    follower = Follower(logs)
    assert follower.look() == []

    def line(second: int, event: str, **fields: object) -> str:
        return (
            json.dumps({"time": f"2026-01-01T00:00:{second:02}Z", "level": "info", "event": event, **fields})
            + "\n"
        )

    logs["home"].write_text(
        line(3, "third") + "Traceback (most recent call last):\n" + line(4, "fourth", rfc="5944")
    )
    logs["node"].write_text(line(1, "first", agent="192.0.2.1", lifetime=None) + line(2, "second")[:-5])
    seen = follower.look()
    assert [event.name for event in seen] == ["first", "third", "fourth"]
    assert [event.daemon for event in seen] == ["node", "home", "home"]
    assert seen[0].details == "agent=192.0.2.1"
    assert seen[2].details == ""
    with logs["node"].open("a") as log:
        log.write(line(2, "second")[-5:])
    assert [event.name for event in follower.look()] == ["second"]
    assert follower.look() == []
