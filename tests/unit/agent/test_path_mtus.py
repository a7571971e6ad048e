"""Path MTUs are asked for once in ten seconds, and anew when a link changed."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, cast

from mobileip.control.agent.host import PathMtus
from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.netlink import Netlink
from mobileip.control.types import Instant, seconds

NEAR, FAR = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")


class Routes:
    """A kernel that counts what it is asked."""

    def __init__(self) -> None:
        self.mtu = {NEAR: 1500}
        self.asked: list[tuple[IPv4Address, int | None]] = []

    def route_to(self, address: IPv4Address, *, mark: int | None) -> Any:
        self.asked.append((address, mark))
        if address not in self.mtu:
            raise NetlinkFailure(errno.ENETUNREACH, f"no way to {address}")
        return SimpleNamespace(mtu=self.mtu[address])


def test_an_answer_is_believed_for_ten_seconds_or_until_a_link_changes() -> None:
    routes, mono = Routes(), seconds(100)
    paths = PathMtus(cast(Netlink, routes), 434, lambda: Instant(mono, 0))
    assert [paths(NEAR), paths(NEAR), paths(FAR), paths(FAR)] == [1500, 1500, None, None]
    assert routes.asked == [(NEAR, 434), (FAR, 434)], "no way there is an answer too"
    routes.mtu = {NEAR: 1400, FAR: 1280}
    mono += seconds(10) - 1
    assert (paths(NEAR), paths(FAR)) == (1500, None)
    mono += 1
    assert (paths(NEAR), paths(FAR)) == (1400, 1280)
    routes.mtu[NEAR] = 1300
    paths.forget()
    assert paths(NEAR) == 1300
