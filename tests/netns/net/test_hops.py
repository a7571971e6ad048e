"""Next hops of tunnels, against what `ip` does to routes, neighbours and links; the kernel is the judge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network

import pytest

from mobileip.control.net.hops import Hop, NextHops
from mobileip.control.net.netlink import Netlink
from tests.netns.net.space import HERE, THERE, Pair, eventually

pytestmark = pytest.mark.netns

BEYOND, GATEWAY = IPv4Address("203.0.113.9"), IPv4Address("192.0.2.3")
LINK_ADDRESS = bytes.fromhex("020000000001")


class Told:
    """What the engine would know."""

    def __init__(self) -> None:
        self.hops: dict[tuple[IPv4Address, IPv4Address], tuple[int, bytes | None]] = {}
        self.count = 0
        self.once: Callable[[], object] | None = None  # done when the next is told

    def __call__(self, hops: Iterable[Hop]) -> None:
        for hop in hops:
            self.count += 1
            self.hops[hop.local, hop.remote] = hop.interface, hop.address
        once, self.once = self.once, None
        if once is not None:
            once()

    def address(self, remote: IPv4Address = THERE) -> bytes | None:
        return self.hops[HERE, remote][1]


def run(netlink: Netlink, story: Callable[[NextHops, Told], Awaitable[None]], *, ours: bool = False) -> None:
    async def watched() -> None:
        told = Told()
        hops = NextHops(netlink, None, told, ours=ours)
        hops.start()
        try:
            await story(hops, told)
        finally:
            hops.close()

    asyncio.run(watched())


def test_a_neighbour_is_resolved_without_a_packet_of_ours(pair: Pair, netlink: Netlink) -> None:
    async def story(hops: NextHops, told: Told) -> None:
        hops.want(HERE, THERE)
        assert told.address() is None  # nobody has spoken to it yet
        await eventually(lambda: told.address() == pair.there.link_address("eth0"))
        (index,) = (link["ifindex"] for link in pair.here.shown("link show eth1"))
        assert told.hops[HERE, THERE][0] == index
        hops.want(HERE, THERE)
        count = told.count
        hops.want(HERE, IPv4Address("192.0.2.77"))  # which is not there
        assert told.count == count + 1
        await asyncio.sleep(0)

    run(netlink, story)


def test_a_stale_neighbour_stays_in_use_and_is_verified(pair: Pair, netlink: Netlink) -> None:
    pair.here.sysctl("neigh/eth1/delay_first_probe_time", 1)

    async def story(hops: NextHops, told: Told) -> None:
        hops.want(HERE, THERE)
        await eventually(lambda: told.address())
        where = f"neigh replace {THERE} dev eth1 lladdr {pair.there.link_address('eth0').hex(':')} nud stale"
        pair.here.ip(where)

        def states() -> list[str]:
            return [state for one in pair.here.shown("neigh show dev eth1") for state in one["state"]]

        await eventually(lambda: states() == ["REACHABLE"])
        assert told.address() == pair.there.link_address("eth0")

    run(netlink, story)


def test_another_link_address_and_none(pair: Pair, netlink: Netlink) -> None:
    async def story(hops: NextHops, told: Told) -> None:
        hops.want(HERE, THERE)
        await eventually(lambda: told.address())
        pair.here.ip(f"neigh replace {THERE} dev eth1 lladdr {LINK_ADDRESS.hex(':')} nud permanent")
        await eventually(lambda: told.address() == LINK_ADDRESS)
        pair.here.ip(f"neigh del {THERE} dev eth1")
        await eventually(lambda: told.address() != LINK_ADDRESS)

    run(netlink, story)


def test_routes_through_gateways_come_change_and_go(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip(f"neigh add {GATEWAY} dev eth1 lladdr {LINK_ADDRESS.hex(':')}")

    async def story(hops: NextHops, told: Told) -> None:
        hops.want(HERE, BEYOND)
        assert told.hops[HERE, BEYOND] == (0, None)
        pair.here.ip(f"route add {BEYOND}/32 via {GATEWAY}")
        await eventually(lambda: told.address(BEYOND) == LINK_ADDRESS)
        pair.here.ip(f"route replace {BEYOND}/32 via {THERE}")
        await eventually(lambda: told.address(BEYOND) == pair.there.link_address("eth0"))
        pair.here.ip(f"rule add to {BEYOND} lookup 77 pref 10")
        pair.here.ip(f"route add {BEYOND}/32 via {GATEWAY} table 77")
        await eventually(lambda: told.address(BEYOND) == LINK_ADDRESS)
        pair.here.ip("link set eth1 down")
        await eventually(lambda: told.hops[HERE, BEYOND] == (0, None))

    run(netlink, story)


def test_a_change_while_routes_are_asked_for_again_leaves_none_out(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip(f"neigh add {GATEWAY} dev eth1 lladdr {LINK_ADDRESS.hex(':')}")
    many = [IPv4Address(int(BEYOND) + number) for number in range(200)]  # more than are looked at in one turn

    async def story(hops: NextHops, told: Told) -> None:
        for remote in many:
            hops.want(HERE, remote)
        told.once = lambda: pair.here.ip(f"route add 198.51.100.0/24 via {GATEWAY}")
        pair.here.ip(f"route add 203.0.113.0/24 via {GATEWAY}")
        await eventually(lambda: all(told.address(remote) == LINK_ADDRESS for remote in many))
        assert told.once is None

    run(netlink, story)


def test_ways_without_ethernet_are_the_kernels(pair: Pair, netlink: Netlink) -> None:
    pair.add_tunnel_device()
    pair.here.ip(f"route add {BEYOND}/32 dev mip0")

    async def story(hops: NextHops, told: Told) -> None:
        for local, remote in ((HERE, BEYOND), (HERE, HERE), (HERE, IPv4Address("127.0.0.2"))):
            hops.want(local, remote)
            assert told.hops[local, remote] == (0, None)

    run(netlink, story)


@pytest.mark.parametrize("ours", [False, True])
def test_routes_of_ours_matter_only_where_they_lead_tunnels(pair: Pair, netlink: Netlink, ours: bool) -> None:
    pair.here.ip(f"neigh add {GATEWAY} dev eth1 lladdr {LINK_ADDRESS.hex(':')}")

    async def story(hops: NextHops, told: Told) -> None:
        hops.want(HERE, BEYOND)
        netlink.replace_route(IPv4Network(BEYOND), device="eth1", gateway=GATEWAY)
        if ours:
            await eventually(lambda: told.address(BEYOND) == LINK_ADDRESS)
            return
        # The next change of somebody else comes behind it, and would show it.
        hops.want(HERE, GATEWAY)
        count = told.count
        pair.here.ip(f"neigh replace {GATEWAY} dev eth1 lladdr 02:00:00:00:00:02 nud permanent")
        await eventually(lambda: told.count > count)
        assert told.hops[HERE, BEYOND] == (0, None)

    run(netlink, story, ours=ours)


def test_what_no_tunnel_uses_is_given_up_and_found_again(pair: Pair, netlink: Netlink) -> None:
    async def story(hops: NextHops, told: Told) -> None:
        hops.want(HERE, THERE)
        hops.want(BEYOND, THERE)
        await eventually(lambda: told.address() is not None)
        hops.keep(HERE, set())  # named since the last time
        hops.keep(HERE, {int(THERE)})
        count = told.count
        assert told.address() is not None
        hops.keep(HERE, set())
        assert told.hops[HERE, THERE] == (0, None)
        assert told.count == count + 1, "another end of ours was asked for too"
        hops.want(HERE, THERE)
        assert told.address() is not None

    run(netlink, story)
