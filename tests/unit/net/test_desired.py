"""Groups of entries over a kernel that is a dictionary and can be told to refuse."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, cast

import pytest

from mobileip.control.net.desired import Address, Desired, Entry, Neighbour, ProxyNeighbour, Route, Rule
from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.netlink import Netlink

HOME = IPv4Address("198.51.100.7")
HOST = IPv4Network(HOME)


class Recorder:
    """Stands in for Netlink: keeps each call in order; refuses those that mention what is in ``refused``."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refused = ""

    def __getattr__(self, verb: str) -> Any:
        def call(*arguments: object, **named: object) -> None:
            text = " ".join([verb, *map(str, arguments), *(f"{k}={v}" for k, v in named.items() if v)])
            if self.refused and self.refused in text:
                raise NetlinkFailure(errno.EINVAL, text)
            self.calls.append(text)

        return call

    def take(self) -> list[str]:
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def kernel() -> Recorder:
    return Recorder()


@pytest.fixture
def desired(kernel: Recorder) -> Desired:
    return Desired(cast(Netlink, kernel))


def test_new_way_first_then_the_old_one_goes(desired: Desired, kernel: Recorder) -> None:
    desired.put("visitor", [Neighbour(HOME, "eth1", b"\1"), Route(HOST, "eth1")])
    kernel.take()
    desired.put("visitor", [Neighbour(HOME, "eth2", b"\1"), Route(HOST, "eth2")])
    assert kernel.take() == [
        f"replace_neighbour {HOME} eth2 b'\\x01'",
        f"replace_route {HOST} device=eth2 table=254",
        f"remove_neighbour {HOME} eth1",
    ], "the route has the same key and was replaced"


def test_drop_removes_in_the_opposite_order(desired: Desired, kernel: Recorder) -> None:
    rule = Rule(4340, 435, source=HOST, iif="eth1")
    address, proxy = Address(IPv4Interface(HOME), "eth1"), ProxyNeighbour(HOME, "eth1")
    entries: list[Entry] = [address, proxy, Route(HOST, "eth1"), rule]
    desired.put("all", entries)
    assert "all" in desired and desired.entries("all") == tuple(entries)
    kernel.take()
    desired.drop("all")
    verbs = [call.split()[0] for call in kernel.take()]
    assert verbs == ["remove_rule", "remove_route", "remove_proxy_neighbour", "remove_address"]
    assert "all" not in desired
    desired.drop("all")
    assert kernel.take() == []


def test_refused_group_is_what_it_was_before(desired: Desired, kernel: Recorder) -> None:
    old = (Neighbour(HOME, "eth1", b"\1"), Route(HOST, "eth1"))
    desired.put("visitor", old)
    kernel.take()
    kernel.refused = "replace_rule"
    with pytest.raises(NetlinkFailure, match="replace_rule"):
        desired.put("visitor", [Neighbour(HOME, "eth2", b"\1"), Route(HOST, "eth2"), Rule(1, 2)])
    assert desired.entries("visitor") == old
    assert kernel.take()[2:] == [
        f"remove_neighbour {HOME} eth2",
        f"replace_neighbour {HOME} eth1 b'\\x01'",
        f"replace_route {HOST} device=eth1 table=254",
    ]


def test_failed_repair_is_told_with_the_first_failure(desired: Desired, kernel: Recorder) -> None:
    desired.put("visitor", [Route(HOST, "eth1")])
    kernel.refused = "route"
    with pytest.raises(NetlinkFailure) as refused:
        desired.put("visitor", [Route(HOST, "eth2")])
    assert "device=eth2" in str(refused.value)
    assert "device=eth1" in refused.value.__notes__[0]


def test_reassert_by_device(desired: Desired, kernel: Recorder) -> None:
    desired.put("a", [Route(HOST, "eth1")])
    desired.put("b", [Rule(1, 2), Neighbour(HOME, "eth2", b"\1")])
    kernel.take()
    assert desired.reassert("eth1") == []
    assert [call.split()[0] for call in kernel.take()] == ["replace_route"]
    kernel.refused = "replace_rule"
    failures = desired.reassert()
    assert [failure.errno for failure in failures] == [errno.EINVAL]
    assert [call.split()[0] for call in kernel.take()] == ["replace_route", "replace_neighbour"]


def test_withdraw_goes_on_after_a_failure(desired: Desired, kernel: Recorder) -> None:
    desired.put("a", [Route(HOST, "eth1")])
    desired.put("b", [Neighbour(HOME, "eth2", b"\1")])
    kernel.take()
    kernel.refused = "remove_neighbour"
    assert len(desired.withdraw()) == 1
    assert kernel.take() == [f"remove_route {HOST} device=eth1 table=254"]
    assert desired.withdraw() == []
