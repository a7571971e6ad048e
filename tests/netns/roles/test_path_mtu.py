"""Errors from inside a tunnel, by a real router on its way: the tunnel fits the path, and senders hear of it."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

import pytest

from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.hosts import Host
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    CORRESPONDENT,
    FOREIGN1,
    FOREIGN2,
    FOREIGN3,
    HOME,
    HOME_ADDRESS,
    HOME_AGENT,
    SITES,
)
from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import checksum

pytestmark = pytest.mark.netns

NODE = HOME_ADDRESS.ip
NARROW = 1006
_IP_MTU_DISCOVER, _PMTUDISC_DO, _IP_RECVERR, _IP_MTU = 10, 2, 11, 14
_HEADERS = 28  # IP and UDP


@contextlib.contextmanager
def route(lab: Lab, kind: str, prefix: IPv4Network, rest: str = "") -> Iterator[None]:
    """The core has this route to ``prefix``, and then again the one to its site, if it is a site's."""
    core = lab.topology.core
    core.ip(f"route replace {kind} {prefix} {rest}")
    try:
        yield
    finally:
        core.ip(f"route del {kind} {prefix}")
        for site in SITES.values():
            if site.prefix == prefix:
                core.ip(f"route replace {prefix} via {site.uplink.ip}")


def told(host: Host, source: IPv4Address, destination: IPv4Address, mtu: int) -> int:
    """Send with DF what its kernel believes to fit until it believes ``mtu``."""
    with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((str(source), 0))
        sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DO)
        sender.connect((str(destination), 9))

        def believes() -> int:
            now = sender.getsockopt(socket.IPPROTO_IP, _IP_MTU)
            with contextlib.suppress(OSError):
                sender.send(bytes(now - _HEADERS))
            return sender.getsockopt(socket.IPPROTO_IP, _IP_MTU)

        return eventually(believes, lambda now: now <= mtu, what=f"the sender to be told {mtu}")


def arrives(here: Host, source: IPv4Address, there: Host, destination: IPv4Address, size: int) -> None:
    payload = bytes(number % 251 for number in range(size - _HEADERS))
    with there.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((str(destination), 0))
        receiver.settimeout(3.0)
        with here.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((str(source), 0))
            sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DO)
            sender.sendto(payload, receiver.getsockname())
            assert receiver.recv(65536) == payload


def shown(daemon: Daemon) -> tuple[int, int | None]:
    (row,) = daemon.show("tunnels")
    return row["mtu"], row["path_mtu"]


@pytest.mark.parametrize("towards", ["node", "correspondent"])
def test_a_tunnel_fits_a_narrow_link_in_its_middle(lab: Lab, towards: str) -> None:
    lab.go("foreign1")
    if towards == "node":
        entry, prefix, via = lab.home, FOREIGN1.prefix, FOREIGN1.uplink.ip
        here, source, there, destination = lab.correspondent, CORRESPONDENT, lab.node, NODE
    else:
        entry, prefix, via = lab.foreign1, IPv4Network(HOME_AGENT), HOME.uplink.ip
        here, source, there, destination = lab.node, NODE, lab.correspondent, CORRESPONDENT
    assert shown(entry) == (1480, None)
    with route(lab, "unicast", prefix, f"via {via} mtu lock {NARROW}"):
        assert told(here, source, destination, NARROW - 20) == NARROW - 20
        assert shown(entry) == (NARROW - 20, NARROW)
        arrives(here, source, there, destination, NARROW - 20)


@pytest.mark.parametrize("kind", ["unreachable", "prohibit"])
def test_the_sender_hears_that_the_other_end_is_out_of_reach(lab: Lab, kind: str) -> None:
    lab.go("foreign1")
    with (
        lab.correspondent.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        route(lab, kind, FOREIGN1.prefix),
    ):
        sender.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)  # else what may pass is not told
        sender.connect((str(NODE), 9))

        def heard() -> int:
            try:
                sender.send(b"anybody there?")
            except OSError as error:
                return error.errno or 0
            return sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

        assert eventually(heard, bool, what="an ICMP error") == errno.EHOSTUNREACH
        (row,) = lab.home.show("tunnels")
        assert 0 <= row["unreachable_s"] < 60


@pytest.mark.rfc("5944", "4.2.3", 5)
def test_a_router_that_quotes_28_bytes_is_understood_at_the_next_packet(lab: Lab) -> None:
    """RFC 792's least: no inner header is in it, so who sent it is not known, but who sends next (RFC 2003 s5)."""
    lab.go("foreign2")
    core = lab.topology.core
    with (
        route(lab, "blackhole", FOREIGN2.prefix),
        core.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as wire,
        core.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as router,
        lab.correspondent.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        sender.connect((str(NODE), 9))
        wire.bind(("home", 0x0800))
        wire.settimeout(3.0)
        sender.send(b"anybody there?")
        while (outer := wire.recv(65536))[9] != 4:
            continue
        told = lab.home.show("counters")["data_plane"]["unreachable-sent"]
        message = b"\3\1\0\0" + bytes(4) + outer[:28]
        router.sendto(message[:2] + checksum(message).to_bytes(2, "big") + message[4:], (str(HOME_AGENT), 0))
        (row,) = eventually(
            lambda: lab.home.show("tunnels"),
            lambda rows: rows[0]["unreachable_s"] is not None,
            what="the home agent to remember it",
        )
        assert row["unreachable_s"] < 60
        assert sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        sender.send(b"and now?")

        def heard() -> int:
            return sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

        assert eventually(heard, bool, what="an ICMP error") == errno.EHOSTUNREACH
        assert lab.home.show("counters")["data_plane"]["unreachable-sent"] == told + 1


@pytest.mark.parametrize("end", ["home agent", "node"])
def test_a_sender_on_the_host_where_the_tunnel_begins_is_told(lab: Lab, end: str) -> None:
    """The error goes from an address of the host to one of its own, which the kernel's tunnels lose.

    (https://github.com/projectcalico/calico/issues/7146.) Once by a router's error, then by the tunnel's own.
    """
    lab.go("foreign3")
    if end == "home agent":
        entry, prefix, via = lab.home, FOREIGN3.prefix, FOREIGN3.uplink.ip
        source, there, destination = HOME_AGENT, lab.node, NODE
    else:
        entry, prefix, via = lab.node, IPv4Network(HOME_AGENT), HOME.uplink.ip
        source, there, destination = NODE, lab.correspondent, CORRESPONDENT
    with route(lab, "unicast", prefix, f"via {via} mtu lock {NARROW}"):
        assert told(entry, source, destination, NARROW - 20) == NARROW - 20
        assert shown(entry) == (NARROW - 20, NARROW)
        entry.namespace.ip("route flush cache")
        assert told(entry, source, destination, NARROW - 20) == NARROW - 20
        assert entry.show("counters")["data_plane"]["icmp-sent"] > 0
        arrives(entry, source, there, destination, NARROW - 20)
