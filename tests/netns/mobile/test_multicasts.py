"""Multicast groups while away (RFC 5944 4.4): the real daemons, plain sockets, what is on the wires."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.hosts import Host
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    FOREIGN1,
    FOREIGN3,
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

NODE, ANY = HOME_ADDRESS.ip, IPv4Address("0.0.0.0")
GROUP, ALL_REPORTS = IPv4Address("239.1.2.3"), IPv4Address("224.0.0.22")
GROUPS = IPv4Address("224.0.0.0")
NEIGHBOUR = IPv4Address("203.0.113.9")
PORT, IGMP, IPIP, UDP, HOPS = 4434, 2, 4, 17, 9
PLACES = {"foreign agent": (FOREIGN1, {}), "co-located": (FOREIGN3, {})}
PLACES["encapsulating delivery"] = FOREIGN1, {"encapsulating_delivery": True}


@contextmanager
def application(host: Host) -> Iterator[socket.socket]:
    """A socket on ``host`` as any program has it that knows neither interfaces nor Mobile IP."""
    with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        bound.bind((str(ANY), PORT))
        bound.settimeout(3.0)
        yield bound


def join(one: socket.socket, join: bool = True) -> None:
    option = socket.IP_ADD_MEMBERSHIP if join else socket.IP_DROP_MEMBERSHIP
    one.setsockopt(socket.IPPROTO_IP, option, GROUP.packed + ANY.packed)


def nothing(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        one.recv(100)
    except BlockingIOError:
        return True
    finally:
        one.settimeout(3.0)
    return False


def registered(lab: Lab, site: Site, way: str, **keys: object) -> None:
    """Home agent, its foreign agents and the node run, and the node is at ``site``."""
    configure(lab.home, "home_agent", multicast=True)
    configure(lab.node, "mobile_node", multicast=way, **keys)
    lab.move_to(site.name)
    lab.start(lab.home, lab.node)
    shows(lab, state="registered", care_of_address=str(site.care_of_address))
    eventually(lambda: lab.home.show("bindings"), subset([{"home_address": str(NODE)}]))


def told(lab: Lab) -> list[str]:
    """What the home agent's log says of groups."""
    events = (str(line.get("event")) for line in lab.home.log_lines())
    return [event for event in events if event.startswith("group-")]


def packets(look: Callable[[], list[bytes]], protocol: int, destination: IPv4Address) -> list[bytes]:
    return [packet for packet in look() if packet[9] == protocol and packet[16:20] == destination.packed]


@pytest.mark.rfc("5944", "4.4", 1, 3, 5, 6, 7, 9)
@pytest.mark.parametrize(("site", "keys"), PLACES.values(), ids=PLACES)
def test_groups_of_the_home_network(lab: Lab, site: Site, keys: dict[str, object]) -> None:
    """Joined by a plain socket, received once, left; and what the node sends is heard at home, once."""
    registered(lab, site, "tunnel", **keys)
    before = len(told(lab))
    with application(lab.node) as node, application(lab.neighbour) as neighbour:
        join(node)
        joined = {"home_address": str(NODE), "group": str(GROUP), "version": 3}
        eventually(lambda: lab.home.show("groups"), subset([joined]))
        with lab.node.sniff(NODE_INTERFACE) as visited, lab.neighbour.sniff("eth0") as home_link:
            for number in range(3):
                words = f"to the group, {number}".encode()
                neighbour.sendto(words, (str(GROUP), PORT))
                assert node.recvfrom(100) == (words, (str(NEIGHBOUR), PORT))
            join(neighbour)
            for number in range(3):
                words = f"from afar, {number}".encode()
                node.sendto(words, (str(GROUP), PORT))
                assert neighbour.recvfrom(100) == (words, (str(NODE), PORT))
            assert nothing(node) and nothing(neighbour)
            sent = packets(home_link.look, UDP, GROUP)
            from_node = [packet for packet in sent if packet[12:16] == NODE.packed]
            assert [packet[8] for packet in from_node] == [HOPS - 1] * 3
            own = [packet for packet in visited.look() if packet[12:16] == NODE.packed]
            assert not [packet for packet in own if packet[16:20] >= GROUPS.packed], "past the tunnel"
            innermost = [packet for packet in visited.look() if b"from afar" in packet]
            # Around each the node's own header, whatever is around that.
            for packet in innermost:
                at = packet.index(NODE.packed + GROUP.packed) - 12
                assert packet[at - 8 : at] == NODE.packed + HOME_AGENT.packed and packet[at - 11] == IPIP
        join(node, False)
        eventually(lambda: lab.home.show("groups"), lambda rows: rows == [], within=5)
        neighbour.sendto(b"too late", (str(GROUP), PORT))
        lab.node.ping(HOME_AGENT, source=NODE)
        assert nothing(node)
    assert told(lab)[before:] == ["group-joined", "group-left"]
    lab.node.stop()
    assert ours(lab.node.namespace) == []


@pytest.mark.rfc("5944", "4.4", 4)
def test_how_a_co_located_node_and_one_behind_an_agent_get_them(lab: Lab) -> None:
    """Encapsulated once, or nested; and a node that moves stays in its groups."""
    registered(lab, FOREIGN3, "tunnel")
    uplink, before = Host(lab.home.namespace), len(told(lab))
    with application(lab.node) as node, application(lab.neighbour) as neighbour:
        join(node)
        eventually(lambda: lab.home.show("groups"), subset([{"group": str(GROUP)}]))
        for site, nested in ((FOREIGN3, False), (FOREIGN1, True)):
            lab.go(site.name)
            with uplink.sniff(UPLINK_INTERFACE) as wire:
                neighbour.sendto(b"to the group", (str(GROUP), PORT))
                assert node.recv(100) == b"to the group"
                (packet,) = [packet for packet in wire.look() if b"to the group" in packet]
            assert packet[12:20] == HOME_AGENT.packed + site.care_of_address.packed
            inside = packet[20:]
            if nested:
                assert inside[9] == IPIP and inside[12:20] == HOME_AGENT.packed + NODE.packed
                inside = inside[20:]
            assert inside[9] == UDP and inside[12:20] == NEIGHBOUR.packed + GROUP.packed
            assert inside[8] == HOPS - 1
        assert told(lab)[before:] == ["group-joined"]
    lab.go("home")
    eventually(lambda: lab.home.show("groups"), lambda rows: rows == [])


@pytest.mark.rfc("5944", "4.4", 1, 2, 8)
def test_groups_of_the_visited_link(lab: Lab) -> None:
    """With a co-located care-of address, which is the source of IGMP and of what is sent; never through the tunnel."""
    registered(lab, FOREIGN3, "local")
    care_of = FOREIGN3.care_of_address
    with application(lab.node) as node, lab.node.sniff(NODE_INTERFACE) as visited:
        join(node)
        eventually(lambda: packets(visited.look, IGMP, ALL_REPORTS), bool)
        node.sendto(b"here", (str(GROUP), PORT))
        eventually(lambda: packets(visited.look, UDP, GROUP), bool)
        seen = [packet for packet in visited.look() if packet[16:20] in (ALL_REPORTS.packed, GROUP.packed)]
        assert {packet[12:16] for packet in seen} == {care_of.packed}
        assert lab.home.show("groups") == []


@pytest.mark.rfc("5944", "4.4", 8)
@pytest.mark.parametrize("way", ["local", "none"])
def test_behind_an_agent_nothing_is_sent_to_groups_directly(lab: Lab, way: str) -> None:
    """There the home address is all that a packet could come from."""
    registered(lab, FOREIGN1, way)
    with application(lab.node) as node, lab.node.sniff(NODE_INTERFACE) as visited:
        with pytest.raises(OSError, match="No such device"):
            join(node)
        with pytest.raises(OSError, match="unreachable"):
            node.sendto(b"here", (str(GROUP), PORT))
        lab.node.ping(HOME_AGENT, source=NODE)
        assert not packets(visited.look, UDP, GROUP)
    lab.go("home")
    with application(lab.node) as node, application(lab.neighbour) as neighbour:
        join(node)  # as any host
        neighbour.sendto(b"to the group", (str(GROUP), PORT))
        assert node.recv(100) == b"to the group"
