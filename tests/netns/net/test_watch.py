"""LinkChanged events against what `ip` does to the interface."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from mobileip.control.core.events import LinkChanged
from mobileip.control.net.netlink import Netlink
from mobileip.control.net.watch import LinkWatch
from tests.netns.net.space import HERE, HOME, Pair, eventually

pytestmark = pytest.mark.netns

ADDRESS = IPv4Interface(f"{HERE}/24")
UP = LinkChanged("eth1", True, (ADDRESS,))
DOWN = LinkChanged("eth1", False)


class Watched:
    """A started watch and what it told."""

    def __init__(self, netlink: Netlink, *interfaces: str, gateways: bool = False) -> None:
        self.events: list[LinkChanged] = []
        self.resyncs = 0
        self.watch = LinkWatch(netlink, interfaces or ("eth1",), self.events.append, self._resync, gateways)
        self.watch.start()

    def _resync(self) -> None:
        self.resyncs += 1

    async def next(self) -> LinkChanged:
        await eventually(lambda: self.events)
        return self.events.pop(0)

    async def settled(self) -> None:
        """Until the loop has read what the kernel already queued."""
        for _ in range(5):
            await asyncio.sleep(0)


def watching(
    netlink: Netlink, play: Callable[[Watched], Awaitable[None]], *interfaces: str, gateways: bool = False
) -> None:
    async def main() -> None:
        watched = Watched(netlink, *interfaces, gateways=gateways)
        try:
            await play(watched)
        finally:
            watched.watch.close()

    asyncio.run(main())


def test_initial_state_and_absent_interface(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip("route add default via 192.0.2.9")

    async def play(watched: Watched) -> None:
        gateway = IPv4Address("192.0.2.9")
        assert watched.events == [LinkChanged("eth1", True, (ADDRESS,), gateway), LinkChanged("eth7", False)]
        assert watched.watch.state("eth7") == LinkChanged("eth7", False)

    watching(netlink, play, "eth1", "eth7")


def test_carrier(pair: Pair, netlink: Netlink) -> None:
    async def play(watched: Watched) -> None:
        assert await watched.next() == UP
        pair.there.ip("link set eth0 down")
        assert await watched.next() == LinkChanged("eth1", False, (ADDRESS,))
        await watched.settled()
        assert watched.events == [], "and stays down"
        pair.there.ip("link set eth0 up")
        assert await watched.next() == UP

    watching(netlink, play)


def test_admin_down_takes_the_gateway_along(pair: Pair, netlink: Netlink) -> None:
    """The kernel flushes the routes of a downed interface without a notification for each."""
    pair.here.ip("route add default via 192.0.2.9")

    async def play(watched: Watched) -> None:
        assert (await watched.next()).gateway is not None
        pair.here.ip("link set eth1 down")
        assert await watched.next() == LinkChanged("eth1", False, (ADDRESS,))
        pair.here.ip("link set eth1 up")
        assert await watched.next() == UP

    watching(netlink, play)


def test_address_and_gateway(pair: Pair, netlink: Netlink) -> None:
    async def play(watched: Watched) -> None:
        await watched.next()
        pair.here.ip("address add 203.0.113.9/24 dev eth1")
        both = (ADDRESS, IPv4Interface("203.0.113.9/24"))
        assert await watched.next() == LinkChanged("eth1", True, both)
        pair.here.ip("route add default via 203.0.113.1")
        assert await watched.next() == LinkChanged("eth1", True, both, IPv4Address("203.0.113.1"))
        pair.here.ip("route replace default via 203.0.113.2")
        assert await watched.next() == LinkChanged("eth1", True, both, IPv4Address("203.0.113.2"))
        pair.here.ip("route del default")
        assert await watched.next() == LinkChanged("eth1", True, both)
        pair.here.ip("address del 203.0.113.9/24 dev eth1")
        assert await watched.next() == UP

    watching(netlink, play)


def test_what_we_do_ourselves_is_no_event(pair: Pair, netlink: Netlink) -> None:
    async def play(watched: Watched) -> None:
        await watched.next()
        netlink.add_address(HOME, "eth1")
        await watched.settled()
        for number in range(1000):  # a busy home agent; the filter keeps these from waking us
            netlink.replace_route(IPv4Network(HOME.ip + number % 200), device="eth1")
        netlink.replace_route(IPv4Network("0.0.0.0/0"), device="eth1", table=434)
        own: socket.socket = watched.watch._socket
        with pytest.raises(BlockingIOError):
            own.recv(4096)
        await watched.settled()
        assert watched.events == []
        pair.here.ip("address add 203.0.113.9/24 dev eth1")  # and nothing hid behind them
        assert len((await watched.next()).addresses) == 2
        assert watched.resyncs == 0

    watching(netlink, play)


def test_a_flap_too_fast_to_see_is_told_as_down_and_up(pair: Pair, netlink: Netlink) -> None:
    async def play(watched: Watched) -> None:
        await watched.next()
        for space, device in ((pair.there, "eth0"), (pair.here, "eth1")):
            space.ip(f"link set {device} down")  # the loop does not run in between
            space.ip(f"link set {device} up")
            assert not (await watched.next()).up
            assert await watched.next() == UP

    watching(netlink, play)


def test_deleted_and_made_anew(pair: Pair, netlink: Netlink) -> None:
    async def play(watched: Watched) -> None:
        await watched.next()
        pair.here.ip("link del eth1")
        assert await watched.next() == DOWN
        pair.connect()
        assert await eventually(lambda: LinkChanged("eth1", True) in watched.events)
        watched.events.clear()
        pair.here.ip("link del eth1")
        pair.connect()
        assert await watched.next() == DOWN
        assert await watched.next() == LinkChanged("eth1", True)

    watching(netlink, play)


def test_overrun_reads_everything_again(pair: Pair, netlink: Netlink) -> None:
    async def play(watched: Watched) -> None:
        await watched.next()
        own: socket.socket = watched.watch._socket
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel makes it 2 KiB or so
        batch = "".join(f"address add 203.0.113.{n}/24 dev eth1\n" for n in range(1, 200))
        batch += "".join(f"address del 203.0.113.{n}/24 dev eth1\n" for n in range(199, 1, -1))
        with pair.here.inside():  # and the loop, which would empty the socket, does not run
            subprocess.run(["ip", "-force", "-batch", "-"], input=batch, text=True, check=True)
        await eventually(lambda: watched.resyncs)
        last = LinkChanged("eth1", True, (ADDRESS, IPv4Interface("203.0.113.1/24")))
        await eventually(lambda: watched.watch.state("eth1") == last)

    watching(netlink, play)


def test_link_address_of_the_gateway(pair: Pair, netlink: Netlink) -> None:
    """Told when it is known first and when it changes; neither while it is asked for again nor when it is pinned."""
    gateway, first, second = IPv4Address("192.0.2.9"), "02:00:00:00:00:01", "02:00:00:00:00:02"
    told = [
        LinkChanged("eth1", True, (ADDRESS,), gateway, bytes.fromhex(mac.replace(":", "")))
        for mac in (first, second)
    ]

    def neighbour(address: str, link_address: str, state: str) -> None:
        pair.here.ip(f"neigh replace {address} lladdr {link_address} nud {state} dev eth1")

    pair.here.ip(f"route add default via {gateway}")

    async def play(watched: Watched) -> None:
        assert await watched.next() == LinkChanged("eth1", True, (ADDRESS,), gateway)
        neighbour("192.0.2.8", first, "reachable")  # somebody else
        neighbour(str(gateway), first, "reachable")
        assert await watched.next() == told[0]
        neighbour(str(gateway), first, "stale")
        pair.here.ip(f"neigh replace {gateway} nud failed dev eth1")
        await watched.settled()
        assert watched.events == []
        neighbour(str(gateway), second, "reachable")
        assert await watched.next() == told[1]
        neighbour(str(gateway), first, "permanent")
        assert await watched.next() == LinkChanged("eth1", True, (ADDRESS,), gateway)

    watching(netlink, play, gateways=True)


def test_neighbours_wake_only_those_who_want_to_know(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip("route add default via 192.0.2.9")

    async def play(watched: Watched) -> None:
        await watched.next()
        pair.here.ip("neigh replace 192.0.2.9 lladdr 02:00:00:00:00:01 nud reachable dev eth1")
        own: socket.socket = watched.watch._socket
        with pytest.raises(BlockingIOError):
            own.recv(4096)

    watching(netlink, play)
