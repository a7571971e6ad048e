"""The mobile node's actions: which way its packets take, with which source, in each of its situations.

Beside the pair there is an agent's address at the other end of eth1, and a second link eth2 with another network.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from mobileip.control.core.actions import (
    Action,
    AttachHome,
    DetachHome,
    RouteThroughAgent,
    RouteThroughTunnel,
    Unroute,
)
from mobileip.control.net.arp import Announcer
from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.netlink import Netlink
from mobileip.control.net.reconcile import Kernel
from mobileip.control.net.requests import Path as Way
from mobileip.control.net.sysctl import Sysctls
from mobileip.control.ports import ActionError
from tests.netns.net.space import HERE, HOME, THERE, TUNNEL, Pair, eventually

pytestmark = pytest.mark.netns

FAR = IPv4Address("203.0.113.5")  # a correspondent
AGENT = IPv4Address("10.1.2.3")  # on no network of ours
AGENT_MAC = bytes.fromhex("0200000000aa")
MARK = 434


class Node:
    def __init__(self, pair: Pair, netlink: Netlink) -> None:
        self.pair = pair
        self.netlink = netlink
        pair.add_tunnel_device()
        self.sysctls = Sysctls(None)
        self.announcer = Announcer(count=2, spacing=0.05)
        self.kernel = Kernel(netlink, TUNNEL, sysctls=self.sysctls, announcer=self.announcer)
        self.kernel.prepare_mobile(HOME)

    def perform(self, *actions: Action) -> None:
        for action in actions:
            self.kernel.perform(action)

    def way(self, to: IPv4Address, source: IPv4Address | None = None, mark: int | None = None) -> Way | None:
        """The kernel's answer; ``None`` when there is no way."""
        try:
            return self.netlink.route_to(to, source=source, mark=mark)
        except NetlinkFailure as failure:
            assert failure.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
            return None


def playing(pair: Pair, netlink: Netlink, play: Callable[[Node], Awaitable[None]]) -> None:
    before = pair.here.routes("table all"), pair.here.rules()

    async def main() -> None:
        node = Node(pair, netlink)
        try:
            await play(node)
            assert node.kernel.withdraw() == []
            assert node.sysctls.restore() == []
        finally:
            node.announcer.close()

    asyncio.run(main())
    assert pair.here.routes("table all proto 44") == []
    assert pair.here.rules() == before[1]
    assert netlink.addresses(TUNNEL) == ()
    assert [n for n in pair.here.shown("neighbour show") if "PERMANENT" in n["state"]] == []


def through_agent(interface: str = "eth1") -> RouteThroughAgent:
    return RouteThroughAgent(HOME.ip, interface, AGENT, AGENT_MAC)


def test_before_registration_the_host_works_as_any_other(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip(f"route add default via {THERE}")

    async def play(node: Node) -> None:
        assert node.way(FAR) == Way("eth1", HERE, THERE, 1500), "an empty own table falls through to main"
        assert node.way(THERE) == Way("eth1", HERE, None, 1500)

    playing(pair, netlink, play)


def test_co_located(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip(f"route add default via {THERE}")

    async def play(node: Node) -> None:
        node.perform(RouteThroughTunnel(HOME.ip, "eth1", THERE, True))
        assert node.way(FAR) == Way(TUNNEL, HOME.ip, None, 1500), "unbound sockets take the home address"
        assert node.way(FAR, HOME.ip) == Way(TUNNEL, HOME.ip, None, 1500)
        assert node.way(THERE) == Way("eth1", HERE, None, 1500), "neighbours are reached directly"
        assert node.way(FAR, HERE) == Way("eth1", HERE, THERE, 1500), "what is bound to the care-of address"
        assert node.way(FAR, mark=MARK) == Way("eth1", HERE, THERE, 1500), "our own"
        pair.here.ip("route del default")
        assert node.way(FAR, mark=MARK) is None, "and never into the tunnel again"
        assert node.way(FAR) == Way(TUNNEL, HOME.ip, None, 1500)

    playing(pair, netlink, play)


def test_co_located_without_reverse_tunnel(pair: Pair, netlink: Netlink) -> None:
    async def play(node: Node) -> None:
        node.perform(RouteThroughTunnel(HOME.ip, "eth1", THERE, False))
        assert node.way(FAR) == Way("eth1", HOME.ip, THERE, 1500)

    playing(pair, netlink, play)


@pytest.mark.rfc("5944", "1.7", 4)
@pytest.mark.rfc("5944", "4.2.1", 3)
@pytest.mark.rfc("3024", "4.1.2", 1)
@pytest.mark.rfc("3024", "5.1.1", 1)
def test_through_an_agent_on_an_interface_without_address(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip("address flush dev eth1")

    async def play(node: Node) -> None:
        node.perform(through_agent())
        assert node.way(FAR) == Way("eth1", HOME.ip, AGENT, 1500)
        (neighbour,) = pair.here.shown(f"neighbour show to {AGENT}")
        assert (neighbour["lladdr"], neighbour["state"]) == (AGENT_MAC.hex(":"), ["PERMANENT"])

    playing(pair, netlink, play)


def test_every_change_of_way_takes_the_old_one_along(pair: Pair, netlink: Netlink) -> None:
    pair.connect("eth2", "eth3")
    second = IPv4Address("10.9.9.9")

    async def play(node: Node) -> None:
        node.perform(through_agent())
        node.perform(RouteThroughAgent(HOME.ip, "eth2", second, AGENT_MAC))
        assert node.way(FAR) == Way("eth2", HOME.ip, second, 1500)
        assert pair.here.shown(f"neighbour show to {AGENT}") == []
        node.perform(RouteThroughTunnel(HOME.ip, "eth2", None, True))
        assert pair.here.shown(f"neighbour show to {second}") == []
        assert len(pair.here.routes("table 434")) == 1
        node.perform(through_agent())
        assert node.way(FAR) == Way("eth1", HOME.ip, AGENT, 1500)
        node.perform(Unroute(HOME.ip))
        assert pair.here.routes("table 434") == []
        assert node.way(FAR, HOME.ip) is None
        assert pair.here.shown(f"neighbour show to {AGENT}") == []

    playing(pair, netlink, play)


def test_the_way_never_breaks_while_it_changes(pair: Pair, netlink: Netlink) -> None:
    """A watcher of route messages sees a replacement, no deletion in between."""
    with pair.here.inside():
        watcher = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        watcher.bind((0, 0x40))
        watcher.setblocking(False)

    async def play(node: Node) -> None:
        node.perform(through_agent())
        while True:
            try:
                watcher.recv(4096)
            except BlockingIOError:
                break
        node.perform(RouteThroughTunnel(HOME.ip, "eth1", None, True))
        kinds = [int.from_bytes(watcher.recv(4096)[4:6], "little")]
        assert kinds == [24], "RTM_NEWROUTE"
        with pytest.raises(BlockingIOError):
            watcher.recv(4096)

    with watcher:
        playing(pair, netlink, play)


@pytest.mark.rfc("5944", "2.4.3", 2, 3)
@pytest.mark.rfc("5944", "3.6.2.2", 2)
@pytest.mark.rfc("5944", "4.6", 9, 17)
def test_home_and_away(pair: Pair, netlink: Netlink) -> None:
    """At home it is a host of the home link like any other; away it keeps its address but not on that link."""
    pair.there.ip("address add 198.51.100.1/24 dev eth0")
    gateway, mate = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.99")

    def settings() -> list[str]:
        conf = Path("/proc/sys/net/ipv4/conf/eth1")
        return [(conf / name).read_text().strip() for name in ("arp_ignore", "arp_announce")]

    async def arp_answer() -> str:
        pair.there.ip("neighbour flush all")
        with pair.there.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            plain.sendto(b"?", (str(HOME.ip), 9))

        def answered() -> str | None:
            for entry in pair.there.shown(f"neighbour show to {HOME.ip}"):
                if "FAILED" in entry["state"]:
                    return "nobody"
                if "lladdr" in entry:
                    return str(entry["lladdr"])
            return None

        return str(await eventually(answered))

    async def play(node: Node) -> None:
        mac = pair.here.link_address("eth1")
        assert await arp_answer() == mac.hex(":"), "by default Linux answers for every address it has"
        node.perform(DetachHome(HOME, "eth1"))
        assert settings() == ["1", "2"]
        assert await arp_answer() == "nobody"

        pair.there.ip(f"neighbour replace {HOME.ip} lladdr 02:00:00:00:00:01 dev eth0 nud stale")
        node.perform(AttachHome(HOME, "eth1", gateway))
        (entry,) = pair.there.shown(f"neighbour show to {HOME.ip}")
        assert entry["lladdr"] == mac.hex(":"), "told by gratuitous ARP"
        assert settings() == ["0", "0"]
        assert await arp_answer() == mac.hex(":")
        assert node.way(FAR) == Way("eth1", HOME.ip, gateway, 1500)
        assert node.way(mate) == Way("eth1", HOME.ip, None, 1500)
        assert node.way(mate, HOME.ip) == Way("eth1", HOME.ip, None, 1500)
        assert node.way(gateway, HOME.ip, MARK) == Way("eth1", HOME.ip, None, 1500), "our own requests"

        node.perform(DetachHome(HOME, "eth1"))
        assert netlink.addresses("eth1") == (node_address,)
        assert netlink.addresses(TUNNEL) != (), "sockets keep their address"
        assert pair.here.routes(f"{HOME.network}") == []
        assert node.way(FAR, HOME.ip) is None
        assert await arp_answer() == "nobody"

    (node_address,) = netlink.addresses("eth1")
    playing(pair, netlink, play)
    assert settings() == ["0", "0"]


def test_detach_after_the_new_way_is_there_keeps_that_way(pair: Pair, netlink: Netlink) -> None:
    """The home address is the interface's only one: removing it makes the kernel drop every route over it."""
    pair.here.ip("address flush dev eth1")

    async def play(node: Node) -> None:
        node.perform(AttachHome(HOME, "eth1", None))
        node.perform(through_agent())
        node.perform(DetachHome(HOME, "eth1"))
        assert node.way(FAR) == Way("eth1", HOME.ip, AGENT, 1500)
        assert pair.here.shown(f"neighbour show to {AGENT}") != []

    playing(pair, netlink, play)


def test_detach_takes_off_an_address_that_the_operator_set(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip(f"address add {HOME} dev eth1")

    async def play(node: Node) -> None:
        node.perform(DetachHome(HOME, "eth1"))
        assert HOME not in netlink.addresses("eth1")
        node.perform(DetachHome(HOME, "eth7"))  # gone: nothing to detach

    playing(pair, netlink, play)


def test_an_operators_home_address_stays_when_we_stop_at_home(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip(f"address add {HOME} dev eth1")

    async def play(node: Node) -> None:
        node.perform(AttachHome(HOME, "eth1", None))
        assert node.way(FAR) is None
        assert node.way(HOME.network[9]) == Way("eth1", HOME.ip, None, 1500)

    playing(pair, netlink, play)
    assert HOME in netlink.addresses("eth1")


def test_connection_survives_every_change(pair: Pair, netlink: Netlink) -> None:
    """A socket bound to the home address keeps it; what it sends follows each new way at once."""
    pair.there.ip(f"route add {HOME.ip}/32 dev eth0")
    mac = pair.there.link_address("eth0")

    async def play(node: Node) -> None:
        node.perform(RouteThroughAgent(HOME.ip, "eth1", AGENT, mac))
        with pair.there.inside():
            there = socket.create_server((str(THERE), 5000))
        with socket.socket() as here, there:
            here.settimeout(5)
            there.settimeout(5)
            here.bind((str(HOME.ip), 0))
            here.connect((str(THERE), 5000))
            connection, peer = there.accept()
            with connection:
                connection.settimeout(5)
                assert peer[0] == str(HOME.ip)
                node.perform(RouteThroughTunnel(HOME.ip, "eth1", None, True))
                node.perform(Unroute(HOME.ip))
                node.perform(RouteThroughAgent(HOME.ip, "eth1", IPv4Address("10.4.4.4"), mac))
                here.sendall(b"still here")
                assert connection.recv(100) == b"still here"

    playing(pair, netlink, play)


def test_refused_way_keeps_the_old_one(pair: Pair, netlink: Netlink) -> None:
    async def play(node: Node) -> None:
        node.perform(through_agent())
        with pytest.raises(ActionError, match="eth7: No such device"):
            node.perform(through_agent("eth7"))
        with pytest.raises(ActionError, match="invalid gateway"):
            node.perform(RouteThroughTunnel(HOME.ip, "eth1", FAR, False))
        with pytest.raises(ActionError, match="eth7 is gone"):
            node.perform(AttachHome(HOME, "eth7", None))
        assert node.way(FAR) == Way("eth1", HOME.ip, AGENT, 1500)
        assert pair.here.routes(f"{IPv4Network(HOME.ip)}") == []

    playing(pair, netlink, play)
