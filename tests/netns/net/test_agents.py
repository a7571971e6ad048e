"""The home and foreign agent's actions, judged by `ip`, by packets that move, and by what is left over."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Network

import pytest

from mobileip.control.core.actions import (
    Action,
    ClaimAddress,
    DeliveryStyle,
    InstallBindingRoute,
    InstallNetworkRoute,
    InstallVisitorRoute,
    ReleaseAddress,
    RemoveBindingRoute,
    RemoveNetworkRoute,
    RemoveVisitorRoute,
    ShareVisitorAddress,
)
from mobileip.control.net import ipv4
from mobileip.control.net.arp import Announcer
from mobileip.control.net.netlink import Netlink
from mobileip.control.net.reconcile import Kernel
from mobileip.control.net.sysctl import Sysctls, need_for_agent
from mobileip.control.ports import ActionError
from tests.netns.net.space import THERE, TUNNEL, Pair, eventually

pytestmark = pytest.mark.netns

NODE = IPv4Address("192.0.2.50")  # of the network between here and there, which is its home link
VISITOR = IPv4Address("198.51.100.7")
VISITOR_MAC = bytes.fromhex("020000000050")


Heard = tuple[int, bytes, IPv4Address, IPv4Address]


class Agent:
    """A kernel with everything it needs, and the tunnel device's descriptor."""

    def __init__(self, pair: Pair, netlink: Netlink) -> None:
        self.pair = pair
        self.tunnel = pair.add_tunnel_device()
        self.sysctls = Sysctls(None)
        self.sysctls.apply(need_for_agent(self.sysctls, TUNNEL, home_links=["eth1"]))
        self.announcer = Announcer(count=3, spacing=0.05)
        self.kernel = Kernel(netlink, TUNNEL, sysctls=self.sysctls, announcer=self.announcer)

    def perform(self, *actions: Action) -> None:
        for action in actions:
            self.kernel.perform(action)

    def from_tunnel(self) -> bytes | None:
        """The next IPv4 packet that was routed into the tunnel device."""
        while True:
            try:
                packet = os.read(self.tunnel, 2000)
            except BlockingIOError:
                return None
            if packet[0] >> 4 == 4:
                return packet


def playing(pair: Pair, netlink: Netlink, play: Callable[[Agent], Awaitable[None]]) -> None:
    async def main() -> None:
        agent = Agent(pair, netlink)
        try:
            await play(agent)
            assert agent.kernel.withdraw() == []
        finally:
            agent.announcer.close()
        assert pair.here.routes("table all proto 44") == []
        assert pair.here.rules() == []
        assert pair.here.shown("neighbour show proxy") == []
        assert [n for n in pair.here.shown("neighbour show") if "PERMANENT" in n["state"]] == []

    asyncio.run(main())


def arp_tap(pair: Pair) -> socket.socket:
    with pair.there.inside():
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        tap.bind(("eth0", 0x0806))
    tap.setblocking(False)
    return tap


def arps(tap: socket.socket) -> list[Heard]:
    """Operation, sender's link and IP address, target's IP address of the broadcasts seen."""
    seen: list[Heard] = []
    while True:
        try:
            frame = tap.recv(100)
        except BlockingIOError:
            return seen
        if frame[:6] == b"\xff" * 6:
            operation = int.from_bytes(frame[20:22], "big")
            seen.append((operation, frame[22:28], IPv4Address(frame[28:32]), IPv4Address(frame[38:42])))


async def ask_arp(pair: Pair, address: IPv4Address) -> str | None:
    """What ``there`` learns when it asks for ``address``."""
    pair.there.ip("neighbour flush all")
    with pair.there.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.sendto(b"?", (str(address), 9))

    def known() -> str | None:
        entries = pair.there.shown(f"neighbour show to {address}")
        states = [state for entry in entries for state in entry["state"]]
        if "FAILED" in states:
            return "nobody"
        return entries[0].get("lladdr") if entries else None

    answer = await eventually(known)
    return None if answer == "nobody" else str(answer)


@pytest.mark.rfc("5944", "1.7", 3)
@pytest.mark.rfc("5944", "3.8.2.2", 10)
@pytest.mark.rfc("5944", "4.2.3", 1, 2)
def test_binding_draws_packets_of_the_home_link_into_the_tunnel(pair: Pair, netlink: Netlink) -> None:
    async def play(agent: Agent) -> None:
        agent.perform(InstallBindingRoute(NODE), ClaimAddress(NODE, "eth1"))
        assert pair.here.routes(f"{NODE}/32") == [f"{NODE} dev {TUNNEL} proto 44 scope link metric 434"]
        assert await ask_arp(pair, NODE) == pair.here.link_address("eth1").hex(":")
        packet = await eventually(agent.from_tunnel)
        parsed = ipv4.parse(packet)
        assert isinstance(parsed, ipv4.Packet)
        assert (parsed.source, parsed.destination) == (THERE, NODE)
        agent.perform(ReleaseAddress(NODE, "eth1", None), RemoveBindingRoute(NODE))
        assert await ask_arp(pair, NODE) is None
        agent.perform(ReleaseAddress(NODE, "eth1", None), RemoveBindingRoute(NODE))  # absent: nothing to do

    playing(pair, netlink, play)


@pytest.mark.rfc("5944", "4.6", 1, 6, 7, 8, 12, 13, 14, 15)
def test_gratuitous_arp_is_broadcast_and_repeated_and_the_return_ends_it(
    pair: Pair, netlink: Netlink
) -> None:
    ours, nodes = pair.here.link_address("eth1"), bytes.fromhex("020000000077")

    async def play(agent: Agent) -> None:
        with arp_tap(pair) as tap:
            seen: list[Heard] = []

            def heard(count: int) -> Callable[[], bool]:
                def enough() -> bool:
                    seen.extend(arps(tap))
                    return len(seen) >= count

                return enough

            agent.perform(ClaimAddress(NODE, "eth1"))
            assert [entry[0] for entry in arps(tap)] == [1, 2], "at once, both forms"
            await eventually(heard(4))
            assert seen == [(operation, ours, NODE, NODE) for operation in (1, 2, 1, 2)]

            agent.perform(ClaimAddress(NODE, "eth1"))
            arps(tap)
            seen.clear()
            agent.perform(ReleaseAddress(NODE, "eth1", nodes))
            await eventually(heard(6))
            assert {entry[1] for entry in seen} == {nodes}, "our own claim is not repeated any more"

    playing(pair, netlink, play)


@pytest.mark.rfc("5944", "4.6", 8, 10, 11)
def test_only_the_newest_announcement_of_an_address_is_repeated(pair: Pair) -> None:
    first, second = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")

    async def main() -> None:
        announcer = Announcer(count=3, spacing=0.05)
        with arp_tap(pair) as tap:
            announcer.announce(NODE, "eth1", first)
            announcer.announce(NODE, "eth1", second)
            seen: list[Heard] = []

            def all_heard() -> bool:
                seen.extend(arps(tap))
                return len(seen) >= 8

            await eventually(all_heard)
            await asyncio.sleep(0.12)  # more than two spacings: nothing else follows
            seen += arps(tap)
        announcer.close()
        assert [entry[1] for entry in seen] == [first] * 2 + [second] * 6

    asyncio.run(main())


def test_neighbours_cache_follows_the_node(pair: Pair, netlink: Netlink) -> None:
    nodes = bytes.fromhex("020000000077")
    pair.there.ip(f"neighbour add {NODE} lladdr {nodes.hex(':')} dev eth0 nud stale")

    def cached() -> str:
        (entry,) = pair.there.shown(f"neighbour show to {NODE}")
        return str(entry["lladdr"])

    async def play(agent: Agent) -> None:
        agent.perform(ClaimAddress(NODE, "eth1"))
        await eventually(lambda: cached() == pair.here.link_address("eth1").hex(":"))
        agent.perform(ReleaseAddress(NODE, "eth1", nodes))
        await eventually(lambda: cached() == nodes.hex(":"))

    playing(pair, netlink, play)


def test_virtual_home_network(pair: Pair, netlink: Netlink) -> None:
    network = IPv4Network("198.51.100.0/24")

    async def play(agent: Agent) -> None:
        agent.perform(InstallNetworkRoute(network), InstallNetworkRoute(network))
        pair.there.ip(f"route add {network} via 192.0.2.1")
        with pair.there.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            plain.sendto(b"?", (str(VISITOR), 9))
        assert await eventually(agent.from_tunnel)
        agent.perform(RemoveNetworkRoute(network))
        assert pair.here.routes(str(network)) == []

    playing(pair, netlink, play)


@pytest.mark.rfc("5944", "1.7", 4)
@pytest.mark.rfc("5944", "4.2.2", 9)
@pytest.mark.rfc("3024", "A.4", 5)
@pytest.mark.rfc("3024", "3.1", 1)
@pytest.mark.rfc("3024", "4.2.2", 3)
@pytest.mark.rfc("3024", "5.1.1", 2)
def test_visitor_is_reached_by_its_link_address_and_reverse_tunnelled(pair: Pair, netlink: Netlink) -> None:
    pair.there.ip(f"address add {VISITOR}/32 dev eth0")
    mac = pair.there.link_address("eth0")

    async def play(agent: Agent) -> None:
        agent.perform(InstallVisitorRoute(VISITOR, "eth1", mac, True))
        with pair.there.inside():
            there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with there, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
            there.settimeout(5)
            there.bind((str(VISITOR), 4000))
            here.sendto(b"down", (str(VISITOR), 4000))
            assert there.recv(100) == b"down"
            pair.there.ip("route add default via 192.0.2.1")
            there.sendto(b"up", ("203.0.113.1", 9))
            parsed = ipv4.parse(await eventually(agent.from_tunnel))
            assert isinstance(parsed, ipv4.Packet)
            assert parsed.source == VISITOR

        agent.perform(InstallVisitorRoute(VISITOR, "eth1", mac, False))
        assert pair.here.rules() == [], "renewed without T"
        agent.perform(InstallVisitorRoute(VISITOR, "eth1", mac, True, DeliveryStyle.ENCAPSULATING))
        assert pair.here.rules() == [], "what it sends directly is not for the tunnel"
        agent.perform(RemoveVisitorRoute(VISITOR, "eth1"))
        assert pair.here.routes(f"{VISITOR}/32") == []

    playing(pair, netlink, play)


def test_visitor_that_moves_between_our_links(pair: Pair, netlink: Netlink) -> None:
    pair.connect("eth2", "eth3")

    async def play(agent: Agent) -> None:
        agent.perform(InstallVisitorRoute(VISITOR, "eth1", VISITOR_MAC, True))
        agent.perform(InstallVisitorRoute(VISITOR, "eth2", VISITOR_MAC, True))
        assert pair.here.routes(f"{VISITOR}/32") == [f"{VISITOR} dev eth2 proto 44 scope link"]
        assert [rule.split("iif ")[1] for rule in pair.here.rules()] == ["eth2 lookup 435 proto 44"]
        assert [n["dev"] for n in pair.here.shown(f"neighbour show to {VISITOR}")] == ["eth2"]
        agent.perform(RemoveVisitorRoute(VISITOR, "eth1"))  # a late one, of the visit before
        assert pair.here.routes(f"{VISITOR}/32") == [f"{VISITOR} dev eth2 proto 44 scope link"]

    playing(pair, netlink, play)


@pytest.mark.rfc("3024", "A.4", 7)
def test_what_comes_from_a_shared_address_is_dropped_without_a_word(pair: Pair, netlink: Netlink) -> None:
    """The data plane has it; the kernel neither forwards nor answers, and the agent itself can still be asked."""
    pair.there.ip(f"address add {VISITOR}/32 dev eth0")
    pair.there.ip("route add default via 192.0.2.1")

    async def play(agent: Agent) -> None:
        agent.perform(InstallVisitorRoute(VISITOR, "eth1", pair.there.link_address("eth0"), True))
        agent.perform(ShareVisitorAddress(VISITOR, frozenset({"eth1", "eth9"})))
        assert pair.here.routes(f"{VISITOR}/32") == [] and pair.here.routes("table 435") == []
        assert [rule.split("iif ")[1] for rule in pair.here.rules()] == [
            "eth1 blackhole proto 44",
            "eth9 [detached] blackhole proto 44",
        ]
        assert pair.here.shown(f"neighbour show to {VISITOR}") == []
        with pair.there.inside():
            there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with there, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
            there.bind((str(VISITOR), 4000))
            here.settimeout(5)
            here.bind(("192.0.2.1", 4000))
            there.sendto(b"up", ("203.0.113.1", 9))
            there.sendto(b"to the agent", ("192.0.2.1", 4000))
            assert here.recv(100) == b"to the agent"
            assert agent.from_tunnel() is None
            there.settimeout(0.2)
            with pytest.raises(TimeoutError):
                there.recv(100)  # an ICMP error would be raised here
        agent.perform(InstallVisitorRoute(VISITOR, "eth1", VISITOR_MAC, True))
        assert [rule.split("iif ")[1] for rule in pair.here.rules()] == ["eth1 lookup 435 proto 44"]
        agent.perform(ShareVisitorAddress(VISITOR, frozenset({"eth1"})), RemoveVisitorRoute(VISITOR, "eth1"))
        assert pair.here.rules() == []

    playing(pair, netlink, play)


def test_direct_delivery_wins_when_a_node_of_ours_visits_us(pair: Pair, netlink: Netlink) -> None:
    async def play(agent: Agent) -> None:
        agent.perform(InstallVisitorRoute(VISITOR, "eth1", VISITOR_MAC, False), InstallBindingRoute(VISITOR))
        assert netlink.route_to(VISITOR).device == "eth1"
        agent.perform(RemoveVisitorRoute(VISITOR, "eth1"))
        assert netlink.route_to(VISITOR).device == TUNNEL

    playing(pair, netlink, play)


def test_an_address_claimed_on_a_dead_link_is_announced_when_the_link_is_back(
    pair: Pair, netlink: Netlink
) -> None:
    async def play(agent: Agent) -> None:
        pair.here.ip("link set eth1 down")
        agent.perform(ClaimAddress(NODE, "eth1"))
        with arp_tap(pair) as tap:
            pair.here.ip("link set eth1 up")
            await eventually(lambda: netlink.link("eth1").running)  # type: ignore[union-attr]
            assert agent.kernel.reassert("eth1") == []
            heard = await eventually(lambda: [entry for entry in arps(tap) if entry[2] == NODE])
            assert {entry[1] for entry in heard} == {pair.here.link_address("eth1")}
        assert len(pair.here.shown("neighbour show proxy")) == 1

    playing(pair, netlink, play)


def test_refused_action_leaves_nothing(pair: Pair, netlink: Netlink) -> None:
    async def play(agent: Agent) -> None:
        before = pair.here.routes("table all"), pair.here.rules()
        with pytest.raises(ActionError, match="eth7: No such device"):
            agent.perform(InstallVisitorRoute(VISITOR, "eth7", VISITOR_MAC, True))
        with pytest.raises(ActionError, match="eth7 is gone"):
            agent.perform(ClaimAddress(NODE, "eth7"))
        pair.here.ip("link set eth1 down")
        with pytest.raises(ActionError, match="Network is down"):  # after the neighbour entry was made
            agent.perform(InstallVisitorRoute(VISITOR, "eth1", VISITOR_MAC, False))
        assert pair.here.shown(f"neighbour show to {VISITOR}") == []
        pair.here.ip("link set eth1 up")
        agent.kernel.withdraw()
        assert (pair.here.routes("table all"), pair.here.rules()) == before

    playing(pair, netlink, play)


def test_reassert_puts_back_what_the_kernel_dropped(pair: Pair, netlink: Netlink) -> None:
    async def play(agent: Agent) -> None:
        agent.perform(
            InstallVisitorRoute(VISITOR, "eth1", VISITOR_MAC, True),
            InstallBindingRoute(NODE),
            ClaimAddress(NODE, "eth1"),
        )

        def state() -> tuple[object, ...]:
            neighbours = [n for n in pair.here.shown("neighbour show") if "PERMANENT" in n["state"]]
            ours = pair.here.routes("table all proto 44")
            return sorted(ours), neighbours, pair.here.rules(), pair.here.shown("neighbour show proxy")

        before = state()
        pair.here.ip("link set eth1 down")
        pair.here.ip(f"route del {NODE}/32 dev {TUNNEL} metric 434")
        pair.here.ip("link set eth1 up")
        assert state() != before
        assert agent.kernel.reassert("eth1") == []
        assert state() != before, "only what was on eth1"
        assert agent.kernel.reassert() == []
        assert state() == before
        pair.here.ip("link set eth1 down")
        assert any("Network is down" in text for text in agent.kernel.reassert("eth1"))
        pair.here.ip("link set eth1 up")

    playing(pair, netlink, play)
