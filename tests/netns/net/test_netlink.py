"""Every verb against `ip`, idempotence, absence, refusals, and the cleaning up after a killed run."""

from __future__ import annotations

import errno
import time
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.netlink import Netlink
from tests.netns.net.space import HERE, HOME, THERE, Pair

pytestmark = pytest.mark.netns

HOST = IPv4Network(HOME.ip)
DEFAULT = IPv4Network("0.0.0.0/0")
UNBOUND = IPv4Network("0.0.0.0/32")
MAC = bytes.fromhex("020000000009")


def test_route_is_replaced_and_removed(pair: Pair, netlink: Netlink) -> None:
    netlink.replace_route(HOST, device="eth1", metric=7)
    netlink.replace_route(HOST, device="eth1", gateway=THERE, metric=7)
    assert pair.here.routes("proto 44") == [f"{HOME.ip} via {THERE} dev eth1 metric 7"]
    netlink.remove_route(HOST, device="eth1", metric=7)
    netlink.remove_route(HOST, device="eth1", metric=7)
    assert pair.here.routes("proto 44") == []


def test_route_in_a_table_above_255_with_onlink_gateway_and_source(pair: Pair, netlink: Netlink) -> None:
    gateway = IPv4Address("203.0.113.1")
    netlink.replace_route(DEFAULT, device="eth1", gateway=gateway, onlink=True, source=HERE, table=434)
    assert pair.here.routes("table 434") == [f"default via {gateway} dev eth1 proto 44 src {HERE} onlink"]
    netlink.remove_route(DEFAULT, device="eth1", table=434)
    assert pair.here.routes("table 434") == []


def test_an_operators_route_is_not_removed(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip(f"route add {HOST} dev eth1 proto static")
    netlink.remove_route(HOST, device="eth1")
    assert pair.here.routes(f"{HOST}") == [f"{HOME.ip} dev eth1 proto static scope link"]


def test_rules_with_every_selector(pair: Pair, netlink: Netlink) -> None:
    for _ in range(2):  # the second time nothing is added
        netlink.replace_rule(4340, table=254, fwmark=434)
        netlink.replace_rule(4341, table=None, fwmark=434)
        netlink.replace_rule(4342, table=254, source=UNBOUND, suppress_prefixlength=0)
        netlink.replace_rule(4343, table=435, source=HOST, iif="eth7")
    assert pair.here.rules() == [
        "4340: from all fwmark 0x1b2 lookup main proto 44",
        "4341: from all fwmark 0x1b2 unreachable proto 44",
        "4342: from 0.0.0.0 lookup main suppress_prefixlength 0 proto 44",
        f"4343: from {HOME.ip} iif eth7 [detached] lookup 435 proto 44",
    ]
    for _ in range(2):
        netlink.remove_rule(4340, table=254, fwmark=434)
        netlink.remove_rule(4341, table=None, fwmark=434)
        netlink.remove_rule(4342, table=254, source=UNBOUND, suppress_prefixlength=0)
        netlink.remove_rule(4343, table=435, source=HOST, iif="eth7")
    assert pair.here.rules() == []


def test_neighbours_permanent_and_proxy(pair: Pair, netlink: Netlink) -> None:
    netlink.replace_neighbour(HOME.ip, "eth1", bytes(6))
    netlink.replace_neighbour(HOME.ip, "eth1", MAC)
    netlink.add_proxy_neighbour(HOME.ip, "eth1")
    netlink.add_proxy_neighbour(HOME.ip, "eth1")
    (neighbour,) = pair.here.shown("neighbour show dev eth1")
    assert neighbour["dst"] == str(HOME.ip)
    assert neighbour["lladdr"] == MAC.hex(":")
    assert neighbour["state"] == ["PERMANENT"]
    (proxy,) = pair.here.shown("neighbour show proxy")
    assert (proxy["dst"], proxy["dev"]) == (str(HOME.ip), "eth1")
    for _ in range(2):
        netlink.remove_neighbour(HOME.ip, "eth1")
        netlink.remove_proxy_neighbour(HOME.ip, "eth1")
    assert pair.here.shown("neighbour show dev eth1") == []
    assert pair.here.shown("neighbour show proxy") == []


def test_addresses_ours_and_others(pair: Pair, netlink: Netlink) -> None:
    netlink.add_address(HOME, "eth1")
    netlink.add_address(HOME, "eth1")
    assert netlink.addresses("eth1") == (IPv4Interface(f"{HERE}/24"), HOME)
    assert netlink.addresses("eth1", ours=False) == (IPv4Interface(f"{HERE}/24"),)
    assert pair.here.routes(f"{HOME.network}") == [], "noprefixroute"
    (link,) = pair.here.shown("-4 address show eth1")
    assert link["addr_info"][1]["broadcast"] == str(HOME.network.broadcast_address)
    netlink.remove_address(HOME, "eth1")
    netlink.remove_address(HOME, "eth1")
    assert netlink.addresses("eth1") == (IPv4Interface(f"{HERE}/24"),)


def test_link_facts(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip("link set eth1 mtu 1400")
    link = netlink.link("eth1")
    assert link is not None
    assert (link.name, link.address, link.mtu) == ("eth1", pair.here.link_address("eth1"), 1400)
    assert (link.up, link.carrier, link.running) == (True, True, True)
    pair.there.ip("link set eth0 down")
    link = netlink.link("eth1")
    assert link is not None and (link.up, link.carrier) == (True, False)
    pair.here.ip("link set eth1 down")
    netlink.set_link_up("eth1")
    link = netlink.link("eth1")
    assert link is not None and link.up
    assert {each.name for each in netlink.links()} >= {"lo", "eth1"}
    assert netlink.link("eth7") is None
    assert netlink.addresses("eth7") == ()
    assert netlink.default_gateway("eth7") is None


def test_default_gateway_is_the_one_with_the_lowest_metric(pair: Pair, netlink: Netlink) -> None:
    assert netlink.default_gateway("eth1") is None
    pair.here.ip("route add default via 192.0.2.9 metric 200")
    pair.here.ip("route add 203.0.113.0/24 via 192.0.2.8")
    assert netlink.default_gateway("eth1") == IPv4Address("192.0.2.9")
    pair.here.ip("route add default via 192.0.2.10 metric 100")
    assert netlink.default_gateway("eth1") == IPv4Address("192.0.2.10")


def test_route_to(pair: Pair, netlink: Netlink) -> None:
    far = IPv4Address("203.0.113.5")
    with pytest.raises(NetlinkFailure) as refused:
        netlink.route_to(far)
    assert refused.value.errno == errno.ENETUNREACH
    pair.here.ip(f"route add {far} via {THERE} mtu 1234")
    path = netlink.route_to(far)
    assert (path.device, path.source, path.gateway, path.mtu) == ("eth1", HERE, THERE, 1234)
    assert netlink.route_to(THERE).mtu == 1500


def test_is_local(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip("address add 192.0.2.77/24 dev eth1")  # a secondary address
    pair.here.ip(f"address add {HOME.ip}/32 dev lo")
    assert all(netlink.is_local(address) for address in (HERE, IPv4Address("192.0.2.77"), HOME.ip))
    assert not any(netlink.is_local(address) for address in (THERE, IPv4Address("203.0.113.5")))


def test_refusals_are_one_sentence_with_a_cure(pair: Pair, netlink: Netlink) -> None:
    with pytest.raises(NetlinkFailure) as gone:
        netlink.replace_route(HOST, device="eth7")
    assert str(gone.value) == (
        "cannot install route 198.51.100.7/32 dev eth7: No such device; "
        "the interface is gone or misspelt: see `ip link`"
    )
    with pytest.raises(NetlinkFailure) as unreachable:
        netlink.replace_route(HOST, device="eth1", gateway=IPv4Address("203.0.113.1"))
    assert "Nexthop has invalid gateway" in str(unreachable.value), "the kernel's own words"
    netlink.replace_route(HOST, device="eth1")  # the conversation goes on


def test_purge_removes_what_a_killed_run_left_and_nothing_else(pair: Pair, netlink: Netlink) -> None:
    pair.here.ip("route add 203.0.113.0/24 via 192.0.2.9")
    pair.here.ip("rule add from 203.0.113.1 lookup 77")
    pair.here.ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:01 dev eth1 nud permanent")
    before = (pair.here.routes("table all"), pair.here.rules(), pair.here.shown("neighbour show dev eth1"))
    netlink.add_address(HOME, "eth1")
    netlink.replace_route(HOST, device="eth1", metric=434)
    netlink.replace_route(DEFAULT, device="eth1", gateway=THERE, source=HOME.ip, table=434)
    netlink.replace_rule(4340, table=254, fwmark=434)
    netlink.replace_rule(4341, table=None, fwmark=434)
    netlink.replace_rule(4342, table=254, source=UNBOUND, suppress_prefixlength=0)
    netlink.replace_rule(4343, table=435, source=HOST, iif="eth1")
    netlink.replace_neighbour(HOME.ip, "eth1", MAC)
    netlink.add_proxy_neighbour(HOME.ip, "eth1")

    successor = Netlink()  # knows nothing of what the one before did
    try:
        removed = successor.purge()
        assert len(removed) == 9
        assert "route 0.0.0.0/0 in table 434" in removed
        assert successor.purge() == []
    finally:
        successor.close()
    assert pair.here.rules() == before[1]
    assert pair.here.shown("neighbour show dev eth1") == before[2]
    assert pair.here.shown("neighbour show proxy") == []
    assert netlink.addresses("eth1") == (IPv4Interface(f"{HERE}/24"),)
    assert pair.here.routes("table all") == before[0]


def test_changes_cost_microseconds(pair: Pair, netlink: Netlink) -> None:
    """A handover has 10 ms for everything: the median of a change must be far below one."""
    costs = []
    for number in range(200):
        begun = time.perf_counter()
        netlink.replace_route(IPv4Network(HOME.ip + number % 50), device="eth1")
        costs.append(time.perf_counter() - begun)
    median = sorted(costs)[len(costs) // 2]
    print(f"replace_route: median {median * 1e6:.0f} us")
    assert median < 0.0005
