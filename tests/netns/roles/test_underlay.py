"""How tunnelled datagrams leave: agents hand them to the next hop they know, a mobile node's are routed."""

from __future__ import annotations

import pytest

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import HOME_ADDRESS
from mobileip.control.lab.waiting import eventually

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


@pytest.mark.parametrize("underlay", ["raw", "packet"])
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
