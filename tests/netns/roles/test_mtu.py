"""What a sender sees of the tunnel: packets that do not fit are answered or fragmented, never lost without a word."""

from __future__ import annotations

import contextlib
import socket
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.hosts import Host
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, HOME_ADDRESS
from mobileip.control.lab.waiting import eventually

pytestmark = pytest.mark.netns

HOME = HOME_ADDRESS.ip
_IP_MTU_DISCOVER, _PMTUDISC_DONT, _PMTUDISC_DO, _IP_MTU = 10, 0, 2, 14
_HEADERS = 28  # IP and UDP
TUNNEL_MTU = 1480


def path_mtu(host: Host, source: IPv4Address, destination: IPv4Address) -> int:
    """Send full-sized datagrams with DF until the kernel has been told a smaller MTU; what it was told."""
    with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((str(source), 0))
        sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DO)
        sender.connect((str(destination), 9))

        def told() -> int:
            mtu = sender.getsockopt(socket.IPPROTO_IP, _IP_MTU)
            with contextlib.suppress(
                OSError
            ):  # EMSGSIZE, or the port unreachable of a packet that did arrive
                sender.send(bytes(mtu - _HEADERS))
            return sender.getsockopt(socket.IPPROTO_IP, _IP_MTU)

        return eventually(told, lambda mtu: mtu < 1500, what="the sender to be told an MTU")


@pytest.mark.parametrize("site", ["foreign1", "foreign3"])
def test_both_ends_are_told_the_tunnels_mtu(lab: Lab, site: str) -> None:
    lab.go(site)
    assert path_mtu(lab.correspondent, CORRESPONDENT, HOME) == TUNNEL_MTU
    assert path_mtu(lab.node, HOME, CORRESPONDENT) == TUNNEL_MTU


@pytest.mark.parametrize("site", ["foreign1", "foreign3"])
@pytest.mark.parametrize("size", [1480, 1481, 1500, 4000])
def test_datagrams_without_df_of_any_size_arrive_whole(lab: Lab, site: str, size: int) -> None:
    if lab.site is None or lab.site.name != site:
        lab.go(site)
    payload = bytes(number % 251 for number in range(size - _HEADERS))
    for host, source, there, destination in (
        (lab.correspondent, CORRESPONDENT, lab.node, HOME),
        (lab.node, HOME, lab.correspondent, CORRESPONDENT),
    ):
        with there.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind((str(destination), 0))
            receiver.settimeout(3.0)
            with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((str(source), 0))
                sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)
                sender.sendto(payload, receiver.getsockname())
                assert receiver.recv(65536) == payload
