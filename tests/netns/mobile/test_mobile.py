"""The mobile node's daemon: two interfaces, agents that insist, names and home agents that are not configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any

import pytest

from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    CORRESPONDENT,
    FOREIGN1,
    FOREIGN2,
    FOREIGN3,
    HOME,
    HOME_ADDRESS,
    HOME_AGENT,
    NODE_INTERFACE,
)
from mobileip.control.lab.traffic import Probes
from mobileip.control.lab.waiting import eventually, subset

pytestmark = pytest.mark.netns

SECOND = "eth1"  # the node's other interface
OWN = IPv4Address("198.51.100.20")  # of the node, on the link of foreign1
NAI = "node@example.org"
POOL = "203.0.113.128/25"


def configure(daemon: Daemon, role: str, **keys: object) -> None:
    """Stops ``daemon`` if it runs; it is configured with ``keys`` when it starts again. None removes a key."""
    if daemon.running:
        daemon.stop()
    table = daemon.configuration[role]
    table |= {key: value for key, value in keys.items() if value is not None}
    for key in [key for key, value in keys.items() if value is None]:
        del table[key]


def shows(lab: Lab, what: str = "a registration", within: float = 8.0, **expected: object) -> dict[str, Any]:
    seen: dict[str, Any] = eventually(
        lambda: lab.node.show("registration"),
        subset(expected),
        within=within,
        what=what,
        explain=lab.explain,
    )
    return seen


def care_of_addresses(lab: Lab) -> list[str]:
    return sorted(row["care_of_address"] for row in lab.home.show("bindings"))


@contextmanager
def second_interface(lab: Lab) -> Iterator[None]:
    """The node's other interface, with its far end ``second`` on no link yet."""
    lab.topology.access.ip(
        f"link add second index 1001 type veth peer name {SECOND} index 2001 netns {lab.node.namespace.name}"
    )
    lab.node.namespace.ip(f"link set {SECOND} up")
    try:
        yield
    finally:
        lab.topology.access.ip("link del second")


def test_better_interface_is_registered_before_the_other_is_left(lab: Lab) -> None:
    configure(lab.home, "home_agent", max_simultaneous=3)
    with second_interface(lab):
        configure(
            lab.node, "mobile_node", interfaces=[SECOND, NODE_INTERFACE], hold_down=0.3, simultaneous=True
        )
        lab.move_to("foreign1")
        lab.start(lab.home, lab.node)
        first = {"state": "registered", "care_of_address": str(FOREIGN1.care_of_address)}
        second = {"state": "registered", "care_of_address": str(FOREIGN2.care_of_address)}
        shows(lab, **first)
        probes = Probes(lab.processes, lab.topology)
        try:
            probes.send(down_us=2000, up_us=2000)
            eventually(probes.newest, all, what="probes both ways", explain=lab.explain)
            lab.topology.access.ip("link set second master foreign2 up")
            shows(lab, what="a registration by the better interface", **second)
            eventually(lambda: care_of_addresses(lab), lambda seen: seen == [str(FOREIGN2.care_of_address)])
            eventually(lambda: lab.foreign1.show("visitors"), lambda seen: seen == [])
            probes.send(down_us=0, up_us=0)
            eventually(probes.newest, all)
            down, up = probes.take()
            for flow in (down, up):
                came = {number for number, _, _ in flow.received}
                lost = [number for number, _ in flow.sent[:-1] if number not in came]
                # The first few may have been sent before the stream was ready for them, the last be on their way.
                assert [number for number in lost if 5 < number < len(flow.sent) - 5] == []
        finally:
            probes.stop()
        lab.topology.access.ip("link set second down")
        shows(lab, what="the other interface again", **first)
        lab.correspondent.ping(HOME_ADDRESS.ip)


@pytest.mark.rfc("5944", "2.4.1", 1)
def test_co_located_node_registers_through_an_agent_that_requires_it(lab: Lab) -> None:
    lab.foreign1.stop()
    lab.move_to("foreign1")
    node = lab.node.namespace
    node.ip(
        f"addr add {OWN}/26 broadcast + dev {NODE_INTERFACE}",
        f"route add default via {FOREIGN1.router.ip} dev {NODE_INTERFACE}",
    )
    try:
        shows(lab, location="co-located", state="registered", care_of_address=str(OWN), foreign_agent=None)
        lab.foreign1.start()
        shows(
            lab,
            location="co-located",
            state="registered",
            care_of_address=str(OWN),
            foreign_agent=str(FOREIGN1.router.ip),
        )
        eventually(lambda: lab.foreign1.show("visitors"), subset([{"co_located": True}]))
        lab.correspondent.ping(HOME_ADDRESS.ip)
        lab.node.ping(CORRESPONDENT, source=HOME_ADDRESS.ip)
        assert care_of_addresses(lab) == [str(OWN)]
    finally:
        node.ip(
            f"route del default via {FOREIGN1.router.ip} dev {NODE_INTERFACE}",
            f"addr del {OWN}/26 dev {NODE_INTERFACE}",
        )


@pytest.mark.rfc("5944", "3.6", 2)
def test_node_with_a_name_gets_its_home_address(lab: Lab) -> None:
    configure(lab.home, "home_agent")
    (network,) = lab.home.configuration["home_agent"]["networks"]
    network["pool"] = POOL
    (known,) = lab.home.configuration["home_agent"]["nodes"]
    del known["home_address"]
    known["nai"] = NAI
    configure(lab.node, "mobile_node", nai=NAI, home_address=None, home_gateway=None)
    lab.move_to("foreign1")
    lab.start(lab.home, lab.node)
    shown = shows(lab, state="registered", care_of_address=str(FOREIGN1.care_of_address), nai=NAI)
    home = IPv4Address(shown["home_address"])
    assert int(home) >> 7 == int(IPv4Address("203.0.113.128")) >> 7
    lab.correspondent.ping(home)
    lab.node.ping(CORRESPONDENT, source=home)
    lab.go("foreign3")
    assert lab.node.show("registration")["home_address"] == str(home)
    lab.correspondent.ping(home)


@pytest.mark.rfc("5944", "3.6.1.2", 15, 17)
@pytest.mark.parametrize("site", [FOREIGN1, FOREIGN3, HOME])
def test_home_agent_is_discovered(lab: Lab, site: Any) -> None:
    configure(lab.node, "mobile_node", home_agent=None)
    lab.move_to(site.name)
    lab.node.start()
    state = "home" if site is HOME else "registered"
    shows(lab, state=state, home_agent=str(HOME_AGENT))
    lab.correspondent.ping(HOME_ADDRESS.ip)


@contextmanager
def foreign_agent_beside_the_home_agent(lab: Lab) -> Iterator[IPv4Address]:
    """The home agent's process serves the link of foreign1 too, by an interface of its own there."""
    beside, agent = "beside0", FOREIGN1.router.ip + 1
    lab.foreign1.stop()
    configure(lab.home, "home_agent")
    home = lab.home.namespace
    lab.topology.access.ip(
        f"link add {beside} type veth peer name {beside} netns {home.name}",
        f"link set {beside} master {FOREIGN1.name} up",
    )
    home.ip(f"addr add {agent}/26 dev {beside}", f"link set {beside} up")
    lab.home.configuration["foreign_agent"] = {
        "care_of_address": str(HOME.uplink.ip),
        "interfaces": [{"name": beside, "advertise": {"interval": 1.0, "lifetime": 3}}],
    }
    try:
        yield HOME.uplink.ip
    finally:
        lab.home.stop()
        lab.topology.access.ip(f"link del {beside}")
        lab.foreign1.start()


@pytest.mark.rfc("5944", "3.6.1.2", 15, 16)
@pytest.mark.parametrize("virtual", [False, True], ids=["physical", "virtual"])
def test_home_agent_in_the_foreign_agents_own_process_is_discovered(lab: Lab, virtual: bool) -> None:
    """What it relays to the broadcast address of the home network leaves the host, and is heard on it."""
    with foreign_agent_beside_the_home_agent(lab) as care_of_address:
        if virtual:
            del lab.home.configuration["home_agent"]["networks"][0]["interface"]
            del lab.home.configuration["home_agent"]["networks"][0]["advertise"]
        configure(lab.node, "mobile_node", home_agent=None)
        lab.move_to("foreign1")
        lab.start(lab.home, lab.node)
        shown = {
            "state": "registered",
            "home_agent": str(HOME_AGENT),
            "care_of_address": str(care_of_address),
        }
        shows(lab, **shown)
        assert care_of_addresses(lab) == [str(care_of_address)]
        if not virtual:  # there the home prefix is a physical link all the same
            lab.correspondent.ping(HOME_ADDRESS.ip)
            lab.node.ping(CORRESPONDENT, source=HOME_ADDRESS.ip)
        lab.node.stop()


def test_nonces_protect_as_timestamps_do(lab: Lab) -> None:
    configure(lab.home, "home_agent")
    (known,) = lab.home.configuration["home_agent"]["nodes"]
    known["replay"] = "nonces"
    configure(lab.node, "mobile_node", replay="nonces")
    lab.move_to("foreign1")
    lab.start(lab.home, lab.node)
    shows(lab, state="registered", care_of_address=str(FOREIGN1.care_of_address))
    lab.go("foreign2")
    lab.go("foreign3")
    lab.go("home")
    assert lab.home.show("bindings") == []


def test_care_of_address_leaves_by_its_own_link_whatever_main_prefers(lab: Lab) -> None:
    lab.foreign1.stop()
    node = lab.node.namespace
    with second_interface(lab):
        configure(lab.node, "mobile_node", interfaces=[SECOND, NODE_INTERFACE], hold_down=0.2)
        lab.move_to("foreign3")
        lab.node.start()
        shows(lab, state="registered", care_of_address=str(FOREIGN3.care_of_address))
        lab.topology.access.ip("link set second master foreign1 up")
        node.ip(
            f"addr add {OWN}/26 broadcast + dev {SECOND}",
            f"route add default via {FOREIGN1.router.ip} dev {SECOND} metric 1000",
        )
        shows(lab, state="registered", care_of_address=str(OWN))
        lab.correspondent.ping(HOME_ADDRESS.ip)
        lab.node.ping(CORRESPONDENT, source=HOME_ADDRESS.ip)
        lab.topology.access.ip("link set second down")
        shows(lab, state="registered", care_of_address=str(FOREIGN3.care_of_address))
        lab.correspondent.ping(HOME_ADDRESS.ip)
    lab.foreign1.start()
