"""The internet of the demonstration with plain routing, before any daemon runs in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.namespaces import LabError, Namespaces
from mobileip.control.lab.topology import (
    CORRESPONDENT,
    FOREIGN1,
    FOREIGN3,
    HOME_ADDRESS,
    HOME_AGENT,
    NEIGHBOUR,
    NODE_INTERFACE,
    SITES,
    UPLINK_INTERFACE,
)
from mobileip.control.lab.waiting import eventually

pytestmark = pytest.mark.netns


def test_every_router_and_host_is_reachable(networks: Lab) -> None:
    for site in SITES.values():
        networks.correspondent.ping(site.router.ip)
        networks.correspondent.ping(site.uplink.ip)
    networks.correspondent.ping(NEIGHBOUR)
    networks.neighbour.ping(CORRESPONDENT)


def test_a_site_lets_out_only_its_own_prefix(networks: Lab) -> None:
    """RFC 2827: the home address as source is dropped on the way out of a foreign network, its own is not."""
    router, core, correspondent = networks.foreign1, networks.core, networks.correspondent
    with router.sniff(UPLINK_INTERFACE) as leaving, correspondent.sniff("eth0") as arriving:
        dropped = core.namespace.counters()["TcpExtIPReversePathFilter"]
        router.send_udp(HOME_ADDRESS.ip, CORRESPONDENT)
        router.send_udp(FOREIGN1.router.ip, CORRESPONDENT)
        eventually(
            lambda: arriving.between(FOREIGN1.router.ip, CORRESPONDENT), what="the packet with a good source"
        )
        assert leaving.between(HOME_ADDRESS.ip, CORRESPONDENT)
        assert not arriving.between(HOME_ADDRESS.ip, CORRESPONDENT)
        assert core.namespace.counters()["TcpExtIPReversePathFilter"] == dropped + 1


def test_the_home_site_may_send_from_the_home_address(networks: Lab) -> None:
    with networks.correspondent.sniff("eth0") as arriving:
        networks.home.send_udp(HOME_ADDRESS.ip, CORRESPONDENT)
        eventually(lambda: arriving.between(HOME_ADDRESS.ip, CORRESPONDENT), what="the packet from home")


def test_a_moving_node_loses_carrier_and_gets_the_new_link(networks: Lab) -> None:
    networks.move_to("home")
    networks.node.namespace.ip(
        f"addr add {HOME_ADDRESS} dev {NODE_INTERFACE}", f"route add default via {HOME_AGENT}"
    )
    try:
        networks.correspondent.ping(HOME_ADDRESS.ip)
        move = networks.move_to("foreign1")
        assert move.origin is SITES["home"] and move.destination is FOREIGN1
        assert 0 < move.up_at - move.down_at < 2e9
        assert not networks.correspondent.reaches(HOME_ADDRESS.ip)
        networks.move_to("home")
        networks.correspondent.ping(HOME_ADDRESS.ip)
    finally:
        networks.node.namespace.ip(f"addr flush dev {NODE_INTERFACE}")


def test_foreign3_gives_an_address_and_takes_it_back(networks: Lab) -> None:
    networks.move_to("foreign3")
    assert FOREIGN3.own is not None
    networks.node.ping(CORRESPONDENT, source=FOREIGN3.own.ip)
    networks.move_to("foreign1")
    with pytest.raises(LabError):
        networks.node.ping(CORRESPONDENT, within=0.2)


def test_what_a_killed_laboratory_left_is_removed(tmp_path: Path) -> None:
    program = """
from pathlib import Path
import sys, time
from mobileip.control.lab.lab import Lab
with Lab(Path(sys.argv[1])) as lab:
    node = lab.topology.node
    print(lab.topology.core.name, node.name, node.processes()[0], flush=True)
    time.sleep(60)
"""
    victim = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert victim.stdout is not None
    core, node, process = victim.stdout.readline().split()
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    victim.stdout.close()
    assert Path("/run/netns", core).exists() and Path("/run/netns", node).exists()
    with Namespaces():
        assert not Path("/run/netns", core).exists() and not Path("/run/netns", node).exists()
    eventually(lambda: not Path("/proc", process).exists(), what="the killed laboratory's helper to end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_everything(number: signal.Signals, tmp_path: Path) -> None:
    program = """
from pathlib import Path
import sys, time
from mobileip.control.lab.lab import Lab
with Lab(Path(sys.argv[1])) as lab:
    print(lab.node.namespace.processes()[0], flush=True)
    time.sleep(60)
"""
    lab = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert lab.stdout is not None
    helper = int(lab.stdout.readline())
    lab.send_signal(number)
    lab.wait(10)
    lab.stdout.close()
    assert not list(Path("/run/netns").glob(f"mip-{lab.pid}-*"))
    with pytest.raises(ProcessLookupError):
        os.kill(helper, 0)


def test_a_failed_command_is_quoted() -> None:
    with Namespaces() as spaces, pytest.raises(LabError, match="link set nonesuch up"):
        spaces.add("one")[0].ip("link set lo up", "link set nonesuch up")
