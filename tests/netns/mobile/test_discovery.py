"""Leaving agents, redirects and solicitations of the mobile node, with real daemons and a real kernel."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.lab.hosts import Host
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    ACCESS_INTERFACE,
    CORRESPONDENT,
    FOREIGN1,
    FOREIGN3,
    HOME_ADDRESS,
    NODE_INTERFACE,
)
from mobileip.control.lab.waiting import eventually
from mobileip.control.wire.icmp import sealed
from tests.netns.foreign.visiting import ip, link_address
from tests.netns.mobile.test_mobile import configure, shows
from tests.netns.roles.kernel import _ip

pytestmark = pytest.mark.netns

AGENT, NODE = FOREIGN1.router.ip, HOME_ADDRESS.ip
ELSEWHERE = AGENT + 30  # a router that is no good
ICMP, ADVERTISEMENT, SOLICITATION = 1, 9, 10
LONG = {"interval": 20.0, "lifetime": 60}


@pytest.mark.rfc("1256", "4.3", 9)
def test_a_stopping_agent_is_left_long_before_its_lifetime_is_over(lab: Lab) -> None:
    lab.foreign1.stop()
    lab.foreign1.configuration["foreign_agent"]["interfaces"][0]["advertise"] = LONG
    lab.foreign1.start()
    lab.go("foreign1")
    with lab.node.sniff(NODE_INTERFACE) as sniffer:
        lab.foreign1.stop()
        shows(lab, "the node to give the agent up", within=2.0, state="disconnected")
        last = [p for p in sniffer.between(AGENT, IPv4Address("224.0.0.1")) if p[20] == ADVERTISEMENT][-1]
        assert struct.unpack_from("!H", last, 26) == (0,)
    lab.foreign1.start()
    lab.wait_registered()


def redirected(lab: Lab) -> bool:
    """Whether the node's kernel would now send to the correspondent by way of ELSEWHERE."""
    found = _ip(lab.node.namespace, "route", "get", str(CORRESPONDENT), "from", str(NODE))
    assert f"via {AGENT}" in found or f"via {ELSEWHERE}" in found
    return f"via {ELSEWHERE}" in found


def redirect(lab: Lab) -> None:
    """From the agent: to the correspondent by ELSEWHERE. It quotes an echo reply: no socket needs to have sent it."""
    quoted = ip(NODE, CORRESPONDENT, ICMP, bytes(8))
    body = struct.pack("!BBH4s", 5, 1, 0, ELSEWHERE.packed) + quoted
    node, agent = (
        bytes.fromhex(link_address(host, name).replace(":", ""))
        for host, name in ((lab.node.namespace, NODE_INTERFACE), (lab.foreign1.namespace, ACCESS_INTERFACE))
    )
    with lab.foreign1.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((ACCESS_INTERFACE, 0))
        raw.send(node + agent + b"\x08\x00" + ip(AGENT, NODE, ICMP, sealed(body)))


@pytest.mark.rfc("5944", "4.2.1", 4)
@pytest.mark.parametrize("managed", [True, False], ids=["ignored", "as the host likes"])
def test_redirects(lab: Lab, managed: bool) -> None:
    """With the daemon's settings the kernel follows none; without them it would, which shows that the probe works."""
    lab.node.stop()
    lab.node.configuration["daemon"] = {"manage_sysctls": managed}
    lab.node.namespace.set_sysctls(
        {f"ipv4/conf/{name}/{key}": value for name in ("all", "default", NODE_INTERFACE)
         for key, value in (("accept_redirects", 1), ("rp_filter", 0))}
    )  # fmt: skip
    lab.move_to("foreign1")
    lab.node.start()
    lab.wait_registered()
    lab.node.namespace.ip(
        f"neigh replace {ELSEWHERE} lladdr 02:00:00:00:00:99 dev {NODE_INTERFACE} nud permanent"
    )
    before = seen(lab)
    lab.node.ping(CORRESPONDENT, source=NODE)
    redirect(lab)
    eventually(lambda: seen(lab), lambda now: now > before, what="the redirect to be read")
    assert redirected(lab) is not managed
    lab.node.namespace.ip(f"neigh del {ELSEWHERE} dev {NODE_INTERFACE}", "route flush cache")
    lab.node.stop()
    names = ("all", NODE_INTERFACE)
    assert [sysctl(lab, f"conf/{name}/accept_redirects") for name in names] == ["1", "1"]


def seen(lab: Lab) -> int:
    """Redirects that the node's kernel has read."""
    return lab.node.namespace.counters()["IcmpInRedirects"]


def sysctl(lab: Lab, name: str) -> str:
    return lab.node.namespace.inside(lambda: Path("/proc/sys/net/ipv4", name).read_text().strip())


@pytest.mark.rfc("1256", "5.1", 1)
def test_where_agents_are_asked_for_by_broadcast(lab: Lab) -> None:
    configure(lab.node, "mobile_node", solicit_by_broadcast=[NODE_INTERFACE])
    lab.foreign1.stop()
    lab.foreign1.configuration["foreign_agent"]["interfaces"][0]["advertise"] = LONG
    lab.foreign1.start()
    lab.move_to("foreign1")
    with Host(lab.foreign1.namespace).sniff(ACCESS_INTERFACE) as sniffer:
        lab.node.start()
        eventually(
            lambda: [
                packet[16:20] for packet in sniffer.look() if packet[9] == ICMP and packet[20] == SOLICITATION
            ],
            lambda to: to and set(to) == {b"\xff" * 4},
            what="solicitations to 255.255.255.255 alone",
        )
        lab.wait_registered()


@pytest.mark.rfc("5944", "4.2.1", 2)
def test_a_link_that_gives_an_address_and_no_route_will_do(lab: Lab) -> None:
    """The router says itself that it is one (RFC 1256)."""
    router, own = FOREIGN3.router.ip, FOREIGN3.care_of_address
    lab.node.stop()
    lab.move_to("foreign3")
    lab.node.namespace.ip(f"route del default via {router} dev {NODE_INTERFACE}")
    try:
        lab.node.start()
        assert lab.node.show("registration")["state"] == "disconnected"
        advertise(lab, router)
        shows(lab, state="registered", care_of_address=str(own))
        lab.correspondent.ping(NODE)
        lab.node.ping(CORRESPONDENT, source=NODE)
    finally:
        lab.node.stop()
        lab.node.namespace.ip(f"route add default via {router} dev {NODE_INTERFACE}")


def advertise(lab: Lab, router: IPv4Address) -> None:
    """A plain router advertisement from the router of foreign3."""
    body = struct.pack("!BBHBBH4si", ADVERTISEMENT, 0, 0, 1, 2, 60, router.packed, 0)
    own = bytes.fromhex(link_address(lab.foreign3.namespace).replace(":", ""))
    group = IPv4Address("224.0.0.1")
    with lab.foreign3.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((ACCESS_INTERFACE, 0))
        raw.send(b"\x01\x00\x5e\x00\x00\x01" + own + b"\x08\x00" + ip(router, group, ICMP, sealed(body), 1))


def test_another_router_behind_the_access_point(lab: Lab) -> None:
    """No carrier changes, no address: only the router's link-layer address, told by its gratuitous ARP."""
    lab.go("foreign3")
    before = lab.node.show("registration")["registered_at_mono_ns"]
    router = lab.foreign3.namespace
    own = link_address(router)
    eventually(
        lambda: _ip(lab.node.namespace, "neigh", "show", str(FOREIGN3.router.ip)),
        lambda text: own in text,
        what="the node to know its router",
    )
    router.set_sysctls({f"ipv4/conf/{ACCESS_INTERFACE}/arp_notify": 1})
    router.ip(f"link set {ACCESS_INTERFACE} address 02:00:00:00:07:07")
    try:
        eventually(
            lambda: [line for line in lab.node.log_lines() if line.get("event") == "link-replaced"],
            what="the node to notice the other router",
            explain=lab.node.explain,
        )
        lab.wait_registered(since=before)
        lab.correspondent.ping(NODE)
    finally:
        router.ip(f"link set {ACCESS_INTERFACE} address {own}")
