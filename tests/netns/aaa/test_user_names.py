"""Nodes that real FreeRADIUS knows by the name they write into their requests; and the file behind it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mobileip.control.lab.daemons import KEY, SPI, Daemon, toml
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, HOME, HOME_ADDRESS
from mobileip.control.lab.waiting import eventually
from tests.netns.aaa.freeradius import NEEDED, SECRET, FreeRadius, cisco
from tests.netns.aaa.test_accounting import entries

pytestmark = [pytest.mark.netns, NEEDED]
NAI = "anna@example.net"


def reloaded(daemon: Daemon) -> str:
    """What ``mobileip reload`` says after the configuration has changed."""
    head = daemon.file.read_text().partition("\n[home_agent]")[0]
    daemon.file.write_text(f"{head}\n{toml(daemon.configuration)}")
    return subprocess.run(
        [sys.executable, "-m", "mobileip", "reload", "--socket", str(daemon.socket)],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    ).stdout


def test_a_name_with_an_address_of_its_own_and_the_file_when_the_server_is_away(lab: Lab) -> None:
    server = FreeRadius(lab.correspondent.namespace, lab.processes, CORRESPONDENT, HOME.uplink.ip)
    given = f",\n\tFramed-IP-Address = {HOME_ADDRESS.ip}\n"
    server.start([cisco(NAI, bytes.fromhex(KEY)).rstrip() + given])
    home, node = lab.home, lab.node
    node.stop()
    servers = [{"address": str(CORRESPONDENT), "secret": SECRET}]
    where = {"timeout": 0.3, "dead_time": 1, "servers": servers}
    home.configuration["home_agent"] |= {
        "keys": {"sources": ["radius", "config"], "user_name": "nai", "retry_interval": 1, "radius": where},
        "accounting": {"servers": servers},
    }
    node.configuration["mobile_node"]["nai"] = NAI

    def sources() -> set[tuple[str, str]]:
        return {(row["peer"], row["source"]) for row in home.show("associations")}

    assert "home_agent.keys: default -> a table" in reloaded(home)
    node.start()
    lab.go("foreign1", within=10)
    assert (NAI, "radius") in sources()
    [binding] = home.show("bindings")
    assert (binding["home_address"], binding["nai"]) == (str(HOME_ADDRESS.ip), NAI)
    start = eventually(
        lambda: [one for one in entries(server.detail.read_text()) if one["Acct-Status-Type"] == "Start"],
        what="the start of its session",
        explain=lab.explain,
    )[0]
    assert (start["User-Name"], start["Framed-IP-Address"]) == (NAI, str(HOME_ADDRESS.ip))

    # Without its name it is asked for by its address, which the server knows as little as when it is away.
    server.kill()
    del home.configuration["home_agent"]["accounting"]
    assert "home_agent.accounting: a table -> default" in reloaded(home)
    assert [row["use"] for row in home.show("aaa")] == ["keys"]
    node.stop()
    del node.configuration["mobile_node"]["nai"]
    node.start()
    lab.go("foreign2", within=10)
    assert (str(HOME_ADDRESS.ip), "config") in sources()
    assert SPI in {row["spi"] for row in home.show("associations")}
