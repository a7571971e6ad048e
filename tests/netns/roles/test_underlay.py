"""How tunnelled datagrams leave: agents hand them to the next hop they know, a mobile node's are routed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.namespaces import Namespace
from mobileip.control.lab.topology import HOME_ADDRESS, HOME_AGENT, SITES, UPLINK_INTERFACE
from mobileip.control.lab.traffic import Transfer
from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Engine, NextHop

pytestmark = pytest.mark.netns


def ways(lab: Lab, name: str) -> list[str]:
    return [row["underlay"] for row in getattr(lab, name).show("tunnels")]


def test_agents_learn_next_hops_and_a_node_routes(lab: Lab) -> None:
    lab.go("foreign1")
    lab.correspondent.ping(HOME_ADDRESS.ip)
    for name in ("home", "foreign1"):
        eventually(
            lambda name=name: ways(lab, name), lambda seen: seen == ["packet"], what=f"{name}'s next hop"
        )
    lab.correspondent.ping(HOME_ADDRESS.ip)
    for name in ("home", "foreign1"):
        assert getattr(lab, name).show("counters")["data_plane"]["past-routing"] > 0
    lab.go("foreign3")
    lab.correspondent.ping(HOME_ADDRESS.ip)
    assert ways(lab, "node") == ["raw"]


@pytest.mark.parametrize("underlay", ["raw", "packet", "xdp"])
def test_the_configuration_decides(lab: Lab, underlay: str) -> None:
    """Also on a mobile node, whose own rules and tables lead the way."""
    for daemon in lab.daemons:
        daemon.stop()
        daemon.configuration["daemon"] = {"underlay": underlay}
    lab.start()
    lab.wait_registered()
    for site in ("foreign3", "foreign1", "foreign3"):
        lab.go(site)
        for _ in range(3):
            lab.correspondent.ping(HOME_ADDRESS.ip)
        ends = ("home", "node" if site == "foreign3" else site)
        for name in ends:
            eventually(lambda name=name: ways(lab, name), lambda seen: seen == [underlay], what=name)
        lab.correspondent.ping(HOME_ADDRESS.ip)


def fast(lab: Lab) -> None:
    """Every daemon with AF_XDP, running, the node at foreign1."""
    for daemon in lab.daemons:
        if daemon.running:
            daemon.stop()
        daemon.configuration["daemon"] = {"underlay": "xdp"}
    lab.start()
    lab.wait_registered()
    lab.go("foreign1")
    lab.correspondent.ping(HOME_ADDRESS.ip)


def program(space: Namespace, device: str = UPLINK_INTERFACE) -> int | None:
    """The number of the XDP program on the device."""
    command = [*space.enter(), "ip", "-json", "link", "show", device]
    (shown,) = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    number: int | None = shown["xdp"]["prog"]["id"] if "xdp" in shown else None
    return number


def fallen_back(daemon: Daemon) -> list[tuple[str | None, str]]:
    lines = [line for line in daemon.log_lines() if line.get("event") == "underlay-fell-back"]
    return [(line.get("interface"), line["error"]) for line in lines]


def wait_for(lab: Lab, name: str, way: str) -> None:
    eventually(lambda: ways(lab, name), lambda seen: seen == [way], what=f"{name} to send by {way}")


def test_af_xdp_carries_a_stream_and_is_gone_with_the_daemon(lab: Lab) -> None:
    """At once with a SIGKILL; what then comes is the kernel's, until the next start."""
    fast(lab)
    ends = (lab.home, lab.foreign1)
    for name in ("home", "foreign1"):
        wait_for(lab, name, "xdp")
    before = [end.show("counters")["data_plane"]["past-routing"] for end in ends]
    transfer = Transfer(lab.processes, lab.topology)
    transfer.send(down=60_000, up=40_000, every_us=500)
    eventually(transfer.received, lambda seen: min(seen) > 20_000_000, within=30, what="a stream both ways")
    verdict = transfer.finish()
    assert verdict.survived and verdict.checksum_ok, verdict.reason
    for end, then in zip(ends, before, strict=True):
        counted = end.show("counters")["data_plane"]
        assert counted["past-routing"] - then > 20_000_000 / 1448 / 2
        assert counted["coalesced-packets"] > 0 and program(end.namespace) is not None
        assert fallen_back(end) == []
    lab.home.kill()
    eventually(lambda: program(lab.home.namespace), lambda number: number is None, what="no program")
    lab.home.start()
    lab.go("home")
    lab.go("foreign1")
    lab.correspondent.ping(HOME_ADDRESS.ip)
    wait_for(lab, "home", "xdp")
    lab.home.stop()
    assert program(lab.home.namespace) is None
    lab.home.start()


def test_another_program_stays_and_an_uplink_that_comes_again_is_used(lab: Lab) -> None:
    lab.home.stop()
    space = lab.home.namespace
    with space.inside(lambda: Engine("other0", underlay="xdp")) as other:
        index = space.inside(lambda: socket.if_nametoindex(UPLINK_INTERFACE))
        hop = NextHop(HOME_AGENT, SITES["foreign3"].prefix[9], index, bytes(6))
        assert space.inside(lambda: other.set_next_hops([hop])) == 1
        theirs = program(space)
        assert theirs is not None
        fast(lab)
        wait_for(lab, "home", "packet")
        assert fallen_back(lab.home) == [
            (UPLINK_INTERFACE, "the interface has another XDP program, which stays")
        ]
        assert program(space) == theirs
        # All that sits on the link goes with it, and so it is asked for again when it is back.
        down_and_up(lab)
        wait_for(lab, "home", "packet")
        assert program(space) == theirs
    down_and_up(lab)
    wait_for(lab, "home", "xdp")
    lab.correspondent.ping(HOME_ADDRESS.ip)
    assert program(space) not in (None, theirs)


def down_and_up(lab: Lab) -> None:
    space = lab.home.namespace
    command = [*space.enter(), "ip", "route", "show", "default"]
    route = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    space.ip(f"link set {UPLINK_INTERFACE} down")
    wait_for(lab, "home", "raw")
    space.ip(f"link set {UPLINK_INTERFACE} up", f"route add {route}")


def test_a_daemon_that_may_not_load_programs_says_so_once(lab: Lab) -> None:
    if Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text() == "0\n":
        pytest.skip("this kernel lets everybody make maps")
    lab.home.stop()
    before = len(fallen_back(lab.home))  # by the tests above
    lab.home.configuration["daemon"] = {"underlay": "xdp"}
    lab.home.launch(("setpriv", "--bounding-set=-sys_admin,-bpf", sys.executable, "-m", "mobileip"))
    lab.home.wait_ready()
    lab.go("home")
    lab.go("foreign1")
    lab.correspondent.ping(HOME_ADDRESS.ip)
    wait_for(lab, "home", "packet")
    lab.correspondent.ping(HOME_ADDRESS.ip)
    told = "AF_XDP needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW; run as root or grant them"
    assert fallen_back(lab.home)[before:] == [(None, told)]
    assert program(lab.home.namespace) is None
