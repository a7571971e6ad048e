"""Broadcasts of the home network come to the mobile node while it is away, and what it broadcasts leaves for home."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.hosts import Host, Sniffer
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    CORRESPONDENT,
    FOREIGN1,
    FOREIGN3,
    HOME,
    HOME_ADDRESS,
    HOME_AGENT,
    NODE_INTERFACE,
    UPLINK_INTERFACE,
    Site,
)
from mobileip.control.lab.waiting import eventually, subset
from tests.netns.mobile.test_mobile import configure, shows
from tests.netns.roles.kernel import ours

pytestmark = pytest.mark.netns

AGENT, NODE = FOREIGN1.router.ip, HOME_ADDRESS.ip
DIRECTED, LIMITED = HOME.prefix.broadcast_address, IPv4Address("255.255.255.255")
GROUP, ANY = IPv4Address("239.1.2.3"), IPv4Address("0.0.0.0")
PORT, IPIP, HOPS = 4434, 4, 9


@contextmanager
def application(host: Host, address: IPv4Address = ANY) -> Iterator[socket.socket]:
    """A socket on ``host`` as any program has it that broadcasts; waits 3 s for what comes."""
    with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
        bound.bind((str(address), PORT))
        bound.settimeout(3.0)
        yield bound


def registered(lab: Lab, site: Site, **keys: object) -> None:
    """Home agent, its foreign agents and the node run; the node asks for broadcasts from ``site``."""
    configure(lab.home, "home_agent", broadcasts=True)
    configure(lab.node, "mobile_node", broadcasts=True, **keys)
    lab.move_to(site.name)
    lab.start(lab.home, lab.node)
    shows(lab, state="registered", care_of_address=str(site.care_of_address))
    eventually(lambda: lab.home.show("bindings"), subset([{"broadcast": "direct" if site.own else "nested"}]))


@pytest.mark.rfc("5944", "3.6.1.2", 8)
@pytest.mark.rfc("5944", "4.3", 2)
@pytest.mark.parametrize("site", [FOREIGN1, FOREIGN3], ids=["nested, by an agent", "direct, co-located"])
def test_applications_hear_the_broadcasts_of_home(lab: Lab, site: Site) -> None:
    registered(lab, site)
    with application(lab.node) as hearing, application(lab.neighbour) as sending:
        for number, everybody in enumerate((DIRECTED, LIMITED, DIRECTED)):
            if everybody == LIMITED:  # the neighbour is on one link only
                sending.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            words = f"to all, {number}".encode()
            sending.sendto(words, (str(everybody), PORT))
            assert hearing.recvfrom(100) == (words, ("203.0.113.9", PORT))
    lab.correspondent.ping(NODE)
    lab.node.ping(CORRESPONDENT, source=NODE)
    lab.go("home")
    with application(lab.node) as hearing, application(lab.neighbour) as sending:
        sending.sendto(b"as any host", (str(DIRECTED), PORT))
        assert hearing.recv(100) == b"as any host"
    lab.node.stop()
    assert ours(lab.node.namespace) == []


def tunnelled(sniffer: Sniffer, source: IPv4Address, destination: IPv4Address) -> dict[bytes, bytes]:
    """What is inside each tunnel packet between the two: the end of the payload by inner destination."""
    packets = [packet[20:] for packet in sniffer.between(source, destination) if packet[9] == IPIP]
    return {inner[16:20]: inner for inner in packets if inner[9] == socket.IPPROTO_UDP}


@pytest.mark.rfc("3024", "5.2", 1)
@pytest.mark.rfc("3024", "5.2.2", 1)
@pytest.mark.rfc("3024", "4.1.2", 1)
def test_broadcasts_and_multicasts_go_home_by_encapsulating_delivery(lab: Lab) -> None:
    """Node to agent, agent to home agent, each in a tunnel of its own; unicast goes there too."""
    registered(lab, FOREIGN1, encapsulating_delivery=True)
    eventually(lambda: lab.foreign1.show("visitors"), subset([{"delivery": "encapsulating"}]))
    with (
        lab.node.sniff(NODE_INTERFACE) as near,
        Host(lab.home.namespace).sniff(UPLINK_INTERFACE) as far,
        application(lab.node, NODE) as sending,
    ):
        everybody = {to.packed for to in (DIRECTED, LIMITED, GROUP)}
        for to in (DIRECTED, LIMITED, GROUP):
            sending.sendto(b"from afar", (str(to), PORT))
        first = eventually(lambda: tunnelled(near, NODE, AGENT), lambda seen: everybody <= set(seen))
        second = eventually(lambda: tunnelled(far, AGENT, HOME_AGENT), lambda seen: everybody <= set(seen))
        for to in everybody:
            for inner in (first[to], second[to]):
                assert inner[12:16] == NODE.packed and inner.endswith(b"from afar")
        assert first[GROUP.packed][8] == HOPS and second[GROUP.packed][8] == HOPS - 1
        lab.node.ping(CORRESPONDENT, source=NODE)
        lab.correspondent.ping(NODE)
        own = [packet for packet in near.look() if packet[12:16] == NODE.packed]
        assert all(packet[9] in (IPIP, socket.IPPROTO_UDP) for packet in own)
        assert {packet[16:20] for packet in own} == {AGENT.packed}, "something went past the tunnel"
    with application(lab.node) as hearing, application(lab.neighbour) as speaking:
        speaking.sendto(b"to all", (str(DIRECTED), PORT))
        assert hearing.recv(100) == b"to all"
    lab.go("foreign2")
    lab.node.ping(CORRESPONDENT, source=NODE)
    lab.go("foreign3")
    lab.node.ping(CORRESPONDENT, source=NODE)
    lab.go("home")
    lab.node.ping(CORRESPONDENT, source=NODE)
    lab.node.stop()
    assert ours(lab.node.namespace) == []


@pytest.mark.rfc("3024", "4.1.2", 1)
def test_an_agent_without_encapsulating_delivery_is_told_everything_directly(lab: Lab) -> None:
    """Its 79 is heeded: the node registers again without the extension, and its routes follow."""
    configure(lab.foreign1, "foreign_agent", encapsulating_delivery=False)
    lab.foreign1.start()
    registered(lab, FOREIGN1, encapsulating_delivery=True)
    assert [line.get("code") for line in lab.node.log_lines() if line.get("event") == "retrying"][-1:] == [79]
    eventually(lambda: lab.foreign1.show("visitors"), subset([{"delivery": "direct"}]))
    with lab.node.sniff(NODE_INTERFACE) as near:
        lab.node.ping(CORRESPONDENT, source=NODE)
        assert near.between(NODE, CORRESPONDENT) and not near.between(NODE, AGENT)
