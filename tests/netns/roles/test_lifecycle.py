"""Bindings come and go: deregistration, expiry, a wrong key, daemons killed while a node is registered."""

from __future__ import annotations

from typing import Any

import pytest

from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, FOREIGN1, HOME_ADDRESS, NEIGHBOUR
from mobileip.control.lab.waiting import eventually, subset
from tests.netns.roles.kernel import has_device, ours

pytestmark = pytest.mark.netns

HOME = HOME_ADDRESS.ip


def reasons(daemon: Daemon) -> dict[str, int]:
    counted: dict[str, int] = daemon.show("counters")["reasons"]
    return counted


def wait_empty(daemon: Daemon, what: str, within: float = 5.0) -> None:
    eventually(
        lambda: daemon.show(what),
        lambda rows: rows == [],
        within=within,
        what=f"no {what}",
        explain=daemon.explain,
    )


def stays_reachable(lab: Lab) -> None:
    """Both ways, from far and from the home link, whatever way the packets take."""
    lab.correspondent.ping(HOME)
    lab.neighbour.ping(HOME)
    lab.node.ping(CORRESPONDENT, source=HOME)
    lab.node.ping(NEIGHBOUR, source=HOME)


@pytest.mark.rfc("5944", "1.7", 3)
@pytest.mark.rfc("5944", "2.1", 5)
@pytest.mark.rfc("5944", "2.3.1", 2)
@pytest.mark.rfc("5944", "4.1", 1, 2)
@pytest.mark.rfc("5944", "4.2.2", 6)
@pytest.mark.rfc("5944", "4.2.3", 1, 3)
@pytest.mark.parametrize("site", ["foreign1", "foreign2", "foreign3"])
def test_a_node_away_is_reached_as_at_home_and_coming_home_undoes_everything(lab: Lab, site: str) -> None:
    stays_reachable(lab)
    assert ours(lab.home.namespace) == []
    lab.go(site)
    stays_reachable(lab)
    bound = lab.home.show("bindings")
    assert [row["home_address"] for row in bound] == [str(HOME)]
    assert len(lab.home.show("tunnels")) == 1
    assert any("proxy" in line for line in ours(lab.home.namespace))
    lab.go("home")
    wait_empty(lab.home, "bindings")
    assert lab.home.show("tunnels") == []
    assert ours(lab.home.namespace) == []
    stays_reachable(lab)


def test_a_stopping_node_deregisters_through_its_agent(lab: Lab) -> None:
    lab.go("foreign1")
    lab.node.stop()
    wait_empty(lab.home, "bindings")
    wait_empty(lab.foreign1, "visitors")
    for daemon in (lab.home, lab.foreign1):
        assert daemon.show("tunnels") == []
        assert ours(daemon.namespace) == []
    assert ours(lab.node.namespace) == []
    assert not has_device(lab.node.namespace, "mip0")


def test_a_node_that_is_cut_off_expires_at_both_agents(lab: Lab) -> None:
    lab.node.stop()
    lab.node.configuration["mobile_node"]["lifetime"] = 2
    lab.node.start()
    lab.go("foreign1")
    renewed = reasons(lab.home)["registered-no-simultaneous"]
    eventually(
        lambda: reasons(lab.home)["registered-no-simultaneous"],
        lambda now: now >= renewed + 2,
        what="two renewals",
        explain=lab.home.explain,
    )
    lab.leave()
    wait_empty(lab.home, "bindings")
    wait_empty(lab.foreign1, "visitors")
    for daemon, reason in ((lab.home, "binding-expired"), (lab.foreign1, "visitor-expired")):
        assert reasons(daemon)[reason] == 1
        assert daemon.show("tunnels") == []
        assert [line for line in ours(daemon.namespace) if str(HOME) in line] == []
    assert not lab.correspondent.reaches(HOME)


def test_a_wrong_key_is_denied_and_installs_nothing(lab: Lab) -> None:
    lab.node.stop()
    lab.node.configuration["mobile_node"]["key"] = "ffeeddccbbaa99887766554433221100"
    lab.move_to("foreign1")
    before = reasons(lab.home)["mn-failed-authentication"]
    lab.node.start()
    eventually(
        lambda: reasons(lab.home)["mn-failed-authentication"],
        lambda now: now > before,
        what="a denial with code 131",
        explain=lab.explain,
    )
    # Code 131 comes under a key the node does not have, so the node cannot believe it either (RFC 5944 3.6.2.1).
    eventually(
        lambda: reasons(lab.node)["reply-bad-authenticator"], what="the node to see it", explain=lab.explain
    )
    assert lab.node.show("registration")["state"] == "registering"
    assert lab.home.show("bindings") == []
    for daemon in (lab.home, lab.foreign1):
        assert daemon.show("tunnels") == []
        assert ours(daemon.namespace) == []
    assert [row for row in lab.foreign1.show("visitors") if row["state"] == "registered"] == []


def event_names(daemon: Daemon) -> list[str]:
    return [str(line.get("event")) for line in daemon.log_lines()]


def killed_and_started(daemon: Daemon) -> None:
    """kill -9, then start; what the dead run left in the kernel must be found and removed."""
    daemon.kill()
    assert ours(daemon.namespace) != [], "a killed daemon leaves something to clean"
    before = event_names(daemon).count("leftover-removed")
    daemon.start()
    assert event_names(daemon).count("leftover-removed") > before


def test_a_foreign_agent_killed_and_started_serves_its_visitor_again(lab: Lab) -> None:
    lab.go("foreign1")
    killed_and_started(lab.foreign1)
    # The sequence number of its advertisements starts again: the node registers anew (RFC 5944 2.4.4).
    eventually(
        lambda: lab.foreign1.show("visitors"),
        subset([{"home_address": str(HOME), "state": "registered"}]),
        what="the visitor back",
        explain=lab.explain,
    )
    stays_reachable(lab)
    # On a loaded machine it may be away for longer than its advertisements are believed.
    assert {"agent-rebooted", "agent-lost"} & set(event_names(lab.node))


def test_a_home_agent_killed_and_started_has_the_binding_after_a_renewal(lab: Lab) -> None:
    lab.node.stop()
    lab.node.configuration["mobile_node"]["lifetime"] = 4
    lab.node.start()
    lab.go("foreign2")
    killed_and_started(lab.home)
    eventually(
        lambda: lab.home.show("bindings"),
        subset([{"home_address": str(HOME), "care_of_address": "198.51.100.65"}]),
        what="the binding back",
        explain=lab.explain,
    )
    stays_reachable(lab)


@pytest.mark.parametrize("site", ["foreign1", "foreign3"])
def test_a_mobile_node_killed_and_started_registers_again(lab: Lab, site: str) -> None:
    lab.go(site)
    killed_and_started(lab.node)
    lab.wait_registered()
    stays_reachable(lab)
    lab.go("home")
    wait_empty(lab.home, "bindings")
    stays_reachable(lab)


def test_a_link_that_is_deleted_and_made_anew_serves_again(lab: Lab) -> None:
    """The visited link of a foreign agent goes away under it and comes back: visitors are served again."""
    lab.foreign2.namespace.ip("link set lan0 down")
    lab.go("foreign1")
    lab.foreign2.namespace.ip("link set lan0 up")
    lab.go("foreign2")
    stays_reachable(lab)


@pytest.mark.rfc("5944", "4.2.2", 9)
@pytest.mark.rfc("3024", "3.1", 1)
@pytest.mark.rfc("3024", "4.2.2", 3)
@pytest.mark.rfc("3024", "4.3.2", 6)
@pytest.mark.rfc("3024", "5.1.1", 2)
def test_reverse_tunnelling_is_what_gets_packets_out_of_a_filtered_site(lab: Lab) -> None:
    """RFC 3024 section 1: without T the node's packets leave with a source that the site's provider drops."""
    lab.go("foreign1")
    lab.node.ping(CORRESPONDENT, source=HOME)
    assert lab.home.show("tunnels")[0]["packets_in"] > 0
    lab.node.stop()
    lab.node.configuration["mobile_node"]["reverse_tunnel"] = False
    lab.node.start()
    lab.wait_registered()
    assert lab.home.show("bindings")[0]["reverse_tunnel"] is False
    with lab.correspondent.sniff("eth0") as arriving, lab.node.sniff("eth0") as sent:
        assert not lab.node.reaches(CORRESPONDENT, source=HOME)
        assert sent.between(HOME, CORRESPONDENT)
        assert not arriving.between(HOME, CORRESPONDENT)


@pytest.mark.rfc("3024", "4.3.2", 2, 3, 4, 5)
def test_a_stranger_cannot_speak_through_the_tunnel(lab: Lab) -> None:
    """A tunnelled packet whose outer source is not the registered care-of address is dropped and counted."""
    lab.go("foreign1")
    before: dict[str, Any] = lab.home.show("counters")["data_plane"]
    inner_source, stranger = HOME, lab.foreign3
    with lab.correspondent.sniff("eth0") as arriving:
        tunnelled(stranger, inner_source)
        eventually(
            lambda: lab.home.show("counters")["data_plane"]["wrong-outer-source"],
            lambda now: now == before["wrong-outer-source"] + 1,
            what="the drop to be counted",
        )
        assert not arriving.between(inner_source, CORRESPONDENT)
    assert lab.home.show("counters")["data_plane"]["decapsulated-packets"] == before["decapsulated-packets"]
    violation = {
        "reason": "tunnel-source-refused",
        "source": host_address(stranger),
        "home_address": str(inner_source),
        "count": 1,
    }
    eventually(lambda: lab.home.show("violations"), subset([violation]), what="the violation to be listed")
    assert "tunnel-source-refused" in event_names(lab.home)


def tunnelled(host: Any, inner_source: Any) -> None:
    """Send IP in IP from ``host``'s own address to the home agent, with a UDP packet to the correspondent inside."""
    import socket

    from scapy.layers.inet import IP, UDP

    outer = IP(src=str(host_address(host)), dst="203.0.113.1", proto=4)
    inner = IP(src=str(inner_source), dst=str(CORRESPONDENT)) / UDP(sport=9, dport=9) / b"not the node"
    with host.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(bytes(outer / inner), ("203.0.113.1", 0))


def host_address(host: Any) -> str:
    return "198.51.100.129" if host.name == "foreign3" else str(FOREIGN1.router.ip)
