"""A home agent whose nodes' keys are in sealed files, made with `mobileip keys` while it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import HOME_ADDRESS
from mobileip.control.lab.waiting import eventually
from mobileip.control.security import Secret, sign
from mobileip.control.types import Spi
from mobileip.control.wire import MobileHomeAuthentication, RegistrationReply, build
from tests.netns.roles.asking import ASSOCIATION, Asker, asker, request

pytestmark = pytest.mark.netns

HOME = str(HOME_ADDRESS.ip)
CARE_OF = IPv4Address("192.0.2.130")


def keys(daemon: Daemon, *arguments: str) -> str:
    command = [sys.executable, "-m", "mobileip", "keys", *arguments, "--config", str(daemon.file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def reload(daemon: Daemon) -> None:
    command = [sys.executable, "-m", "mobileip", "reload", "--socket", str(daemon.socket)]
    subprocess.run(command, capture_output=True, timeout=30, check=True)


@pytest.fixture
def sealed(lab: Lab, tmp_path: Path) -> Iterator[Daemon]:
    """The home agent without nodes in its file; the directory has the key of another node."""
    home = lab.home
    master = tmp_path / "master.key"
    master.write_text("5d3c0a1b9e8f47266a7b8c9d0e1f2a3b")
    master.chmod(0o600)
    home.stop()
    del home.configuration["home_agent"]["nodes"]
    home.configuration["home_agent"]["keys"] = {
        "sources": ["files"],
        "files": {"directory": str(tmp_path / "keys"), "master_key": str(master)},
        "unknown_lifetime": 1,
    }
    home.launch()
    assert home.process is not None
    assert home.process.wait(10) == 1
    assert "no sealed keys yet; make one with mobileip keys generate" in home.explain()
    keys(home, "generate", "192.0.2.77", "--to", str(tmp_path / "another"))
    home.start()
    yield home
    home.stop()
    home.reset()
    home.start()


def ask(node: Asker, key_file: Path, spi: int) -> RegistrationReply:
    association = replace(ASSOCIATION, spi=Spi(spi), key=Secret(bytes.fromhex(key_file.read_text())))
    return node.ask(sign(association, build(request(CARE_OF)), MobileHomeAuthentication))


def noted(daemon: Daemon) -> dict[str, Any]:
    return daemon.show("counters")["reasons"]


def test_a_nodes_key_is_made_rotated_and_removed_under_a_running_home_agent(
    lab: Lab, sealed: Daemon, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with asker(lab.correspondent) as node:
        node.send(sign(ASSOCIATION, build(request(CARE_OF)), MobileHomeAuthentication))
        eventually(
            lambda: noted(sealed).get("keys-unknown"), what="the node to be unknown", explain=lab.explain
        )
        keys(sealed, "generate", HOME, "--to", str(first))
        reload(sealed)
        assert ask(node, first, 256).code == 1
        keys(sealed, "rotate", HOME, "--to", str(second))
        reload(sealed)
        assert ask(node, second, 257).code == 1
        assert ask(node, first, 256).code == 1
        shown = sealed.show("associations")
        assert {(row["peer"], row["spi"], row["source"]) for row in shown} == {
            (HOME, 257, "files"),
            (HOME, 256, "files"),
        }
        keys(sealed, "remove", HOME, "--spi", "256")
        reload(sealed)
        unknown = noted(sealed).get("unknown-association", 0)
        node.send(
            sign(
                replace(ASSOCIATION, key=Secret(bytes.fromhex(first.read_text()))),
                build(request(CARE_OF)),
                MobileHomeAuthentication,
            )
        )
        eventually(
            lambda: noted(sealed).get("unknown-association", 0) > unknown,
            what="the removed key to be refused",
            explain=lab.explain,
        )
        assert ask(node, second, 257).code == 1
    said = sealed.log.read_text() + json.dumps(shown)
    assert all(key.read_text().strip() not in said for key in (first, second))


def test_a_storm_of_nodes_that_do_not_exist_keeps_no_real_one_out(
    lab: Lab, sealed: Daemon, tmp_path: Path
) -> None:
    """One sender has a quarter of the questions: what it cannot use up is there for others."""
    key = tmp_path / "key"
    keys(sealed, "generate", HOME, "--to", str(key))
    sealed.configuration["home_agent"]["keys"] |= {"max_questions": 4, "max_rate": 8}
    sealed.restart()
    with asker(lab.correspondent) as attacker, asker(lab.foreign2) as node:
        for number in range(100, 200):
            nobody = replace(request(CARE_OF), home_address=HOME_ADDRESS.network[number])
            attacker.send(sign(ASSOCIATION, build(nobody), MobileHomeAuthentication))
            if number == 150:
                assert ask(node, key, 256).code == 1
        assert ask(node, key, 256).code == 1
    eventually(lambda: noted(sealed).get("key-lookups-limited", 0) >= 50, explain=lab.explain)
    assert len(sealed.show("bindings")) == 1
