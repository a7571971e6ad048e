"""What an operator does to running daemons: clear, debug, reload, SIGHUP; and what the kernel has after it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mobileip.control.lab.daemons import SPI, Daemon, toml
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import FOREIGN1, HOME_ADDRESS, HOME_AGENT
from mobileip.control.lab.waiting import eventually
from tests.netns.roles.kernel import ours

pytestmark = pytest.mark.netns

HOME = str(HOME_ADDRESS.ip)
_rewritten: set[Daemon] = set()


def mobileip(daemon: Daemon, *arguments: str, status: int = 0) -> str:
    """The command as an operator gives it, for ``daemon``; its standard output, or error when it fails."""
    command = [sys.executable, "-m", "mobileip", *arguments, "--socket", str(daemon.socket)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


def rewrite(daemon: Daemon, change: dict[str, Any], text: str = "") -> None:
    """The daemon's file with the keys of ``change`` in its role's table, and ``text`` at its end."""
    (role,) = [name for name in daemon.configuration if name != "daemon"]
    _rewritten.add(daemon)
    data = {"daemon": daemon_table(daemon), role: daemon.configuration[role] | change}
    daemon.file.write_text(toml(data) + text)


@pytest.fixture(autouse=True)
def _as_before(lab: Lab) -> Iterator[None]:
    """A daemon whose file was rewritten runs perhaps with what the laboratory does not know of."""
    yield
    while _rewritten:
        _rewritten.pop().restart()


def daemon_table(daemon: Daemon) -> dict[str, Any]:
    return {
        "name": daemon.name,
        "control_socket": str(daemon.socket),
        "state_directory": str(daemon.file.parent),
        "log_format": "json",
    }


def hang_up(daemon: Daemon) -> None:
    assert daemon.process is not None
    daemon.process.signal(signal.SIGHUP)


@contextmanager
def following(daemon: Daemon, node: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mobileip", "debug", node, "--json", "--socket", str(daemon.socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["event"] == "following"
            yield process
        finally:
            process.send_signal(signal.SIGINT)


def messages(process: subprocess.Popen[str], until: str) -> list[str]:
    """What kinds of messages went which way, up to the first that is called ``until``."""
    found: list[str] = []
    assert process.stdout is not None
    while not found or found[-1] != until:
        record = json.loads(process.stdout.readline())
        if "message" in record:
            found.append(f"{record['event']} {record['message']['type']}")
    return found


def test_clearing_a_binding_and_a_visitor_leaves_nothing_in_the_kernel(lab: Lab) -> None:
    lab.go("foreign1")
    (binding,) = json.loads(mobileip(lab.home, "clear", "binding", HOME, "--json"))
    assert binding["care_of_address"] == lab.foreign1.show("visitors")[0]["care_of_address"]
    assert lab.home.show("bindings") == lab.home.show("tunnels") == []
    assert ours(lab.home.namespace) == []
    assert HOME in mobileip(lab.foreign1, "clear", "visitor", HOME)
    assert lab.foreign1.show("visitors") == lab.foreign1.show("tunnels") == []
    assert [line for line in ours(lab.foreign1.namespace) if HOME in line] == []
    assert "there is no binding of" in mobileip(lab.home, "clear", "binding", HOME, status=1)
    lab.node.restart()
    eventually(lambda: lab.home.show("bindings"), what="the node to register again", explain=lab.explain)


def test_one_node_is_followed_at_each_daemon(lab: Lab) -> None:
    """The same registration seen by all three, through an agent that relays it."""
    with (
        following(lab.foreign1, HOME) as foreign,
        following(lab.home, HOME) as home,
        following(lab.node, HOME) as node,
    ):
        lab.go("foreign1")
        relayed = messages(foreign, "sent registration reply")
        asked = messages(home, "sent registration reply")
        own = messages(node, "received registration reply")
    assert relayed[-4:] == [
        "received registration request",
        "sent registration request",
        "received registration reply",
        "sent registration reply",
    ]
    assert asked[-2:] == ["received registration request", "sent registration reply"]
    assert own[-2:] == ["sent registration request", "received registration reply"]
    assert any("agent advertisement" in kind for kind in own)


def test_reload_changes_a_daemon_and_keeps_its_bindings(lab: Lab) -> None:
    lab.go("foreign1")
    before = lab.home.show("bindings")
    nodes = lab.home.configuration["home_agent"]["nodes"]
    added = {"home_address": "203.0.113.77", "spi": 300, "key": nodes[0]["key"]}
    rewrite(lab.home, {"max_lifetime": 40, "nodes": [*nodes, added], "max_bindings": 5})
    said = mobileip(lab.home, "reload")
    assert "changed: home_agent.max_lifetime: " in said
    assert "changed: home_agent.nodes[203.0.113.77 300]: added" in said
    after = lab.home.show("bindings")
    assert [row["registered_at"] for row in after] == [row["registered_at"] for row in before]
    assert "203.0.113.77" in [row["home_address"] for row in lab.home.show("hosts")]
    lab.correspondent.ping(HOME)
    lab.node.restart()
    eventually(
        lambda: lab.home.show("bindings"),
        lambda rows: [row["lifetime_s"] for row in rows] == [40],
        what="a registration with the new lifetime",
        explain=lab.explain,
    )


def test_a_broken_file_changes_nothing_and_says_why(lab: Lab) -> None:
    before = lab.home.show("hosts")
    rewrite(lab.home, {"max_lifetime": -1})
    said = mobileip(lab.home, "reload", status=1)
    assert "nothing is changed" in said and "home_agent.max_lifetime: -1 must be" in said
    assert lab.home.show("hosts") == before
    hang_up(lab.home)
    eventually(
        lambda: [line for line in lab.home.log_lines() if line.get("event") == "reload-refused"],
        lambda lines: len(lines) >= 2,
        what="the refusal in the log",
        explain=lab.home.explain,
    )
    rewrite(lab.home, {}, '\n[daemon_]\nname = "x"\n')
    assert "nothing is changed" in mobileip(lab.home, "reload", status=1)
    rewrite(lab.home, {"address": "192.0.2.99"})
    assert "needs restart: home_agent.address" in mobileip(lab.home, "reload")
    rewrite(lab.home, {})
    assert mobileip(lab.home, "reload") == "nothing has changed\n"


def test_a_hangup_reloads_and_advertisements_change_at_once(lab: Lab) -> None:
    interfaces = [dict(one) for one in lab.foreign1.configuration["foreign_agent"]["interfaces"]]
    interfaces[0]["advertise"] = {"interval": 0.3, "lifetime": 9}
    rewrite(lab.foreign1, {"interfaces": interfaces, "max_lifetime": 33})
    hang_up(lab.foreign1)
    eventually(
        lambda: [line for line in lab.foreign1.log_lines() if line.get("event") == "reloaded"],
        what="the daemon to reload",
        explain=lab.foreign1.explain,
    )
    lab.go("foreign1")
    eventually(
        lambda: [
            row["registration_lifetime_s"]
            for row in lab.node.show("agents")
            if row["address"] == str(FOREIGN1.router.ip)
        ],
        lambda found: found == [33],
        what="the node to hear the new advertisement",
        explain=lab.explain,
    )


def test_a_mobile_node_reloads_and_registers_with_what_is_new(lab: Lab) -> None:
    rewrite(lab.node, {"lifetime": 44, "interfaces": ["eth0", "eth9"]})
    said = mobileip(lab.node, "reload")
    assert "changed: mobile_node.lifetime: " in said
    assert "needs restart: mobile_node.interfaces: eth0 -> eth0, eth9" in said
    lab.go("foreign1")
    assert [row["lifetime_s"] for row in lab.home.show("bindings")] == [44]


def test_violations_are_listed(lab: Lab) -> None:
    lab.node.stop()
    lab.node.configuration["mobile_node"]["key"] = "ffeeddccbbaa99887766554433221100"
    lab.move_to("foreign1")
    lab.node.start()
    rows = eventually(
        lambda: [row for row in lab.home.show("violations") if row["reason"] == "mn-failed-authentication"],
        what="the violation",
        explain=lab.explain,
    )
    assert (rows[0]["home_address"], rows[0]["spi"]) == (HOME, SPI)
    assert "mn-failed-authentication" in mobileip(lab.home, "show", "violations")


def test_what_waits_for_a_silent_home_agent_is_shown(lab: Lab) -> None:
    silence = f"blackhole {HOME_AGENT}/32"
    lab.core.namespace.ip(f"route add {silence}")
    try:
        lab.move_to("foreign1")
        row, *_ = eventually(
            lambda: lab.foreign1.show("pending"), what="a pending registration", explain=lab.explain
        )
        assert (row["home_address"], row["home_agent"], row["state"]) == (HOME, str(HOME_AGENT), "pending")
        assert 0 < row["remaining_s"] <= 7
        assert row["link_address"] in mobileip(lab.foreign1, "show", "pending")
    finally:
        lab.core.namespace.ip(f"route del {silence}")
    lab.wait_registered(within=20)
