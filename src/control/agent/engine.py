"""The data plane of a daemon: its tunnels, and the way by which tunnelled datagrams leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address

from mobileip.control.agent import settings
from mobileip.control.agent.host import underlay_mtu
from mobileip.control.config.model import Config
from mobileip.control.net.hops import NextHops
from mobileip.control.net.netlink import Netlink
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import Tunnels, device_mtu


def open_tunnels(
    config: Config,
    netlink: Netlink,
    note: Callable[[Reason, Mapping[str, object]], None],
    *,
    mark: int | None,
    capacity: int,
    path_mtu: Callable[[IPv4Address], int | None],
) -> tuple[Tunnels, NextHops | None]:
    """With what sends past the kernel's routing, and next hops for it, if that is wanted and can be had.

    :raises ActionError: the tunnel device or the way that the configuration demands cannot be had.
    """
    daemon = config.daemon
    mtu = daemon.tunnel_mtu or device_mtu(
        underlay_mtu(netlink, settings.tunnel_ends(config), settings.tunnel_links(config)),
        settings.usual_encapsulation(config),
        daemon.gre_checksum,
        daemon.gre_sequence,
    )

    def opened(underlay: str) -> Tunnels:
        return Tunnels(
            daemon.tunnel_device,
            mtu=mtu,
            mark=mark or 0,
            path_mtu=path_mtu,
            capacity=capacity,
            gre_checksum=daemon.gre_checksum,
            gre_sequence=daemon.gre_sequence,
            propagate_ecn=daemon.propagate_ecn,
            underlay=underlay,
            clamp_mss=daemon.clamp_mss,
            tell_largest=daemon.probe_mtu,
        )

    mobile = config.mobile_node is not None
    underlay = daemon.underlay
    if underlay == "raw" or (underlay == "auto" and mobile):
        return opened("raw"), None
    # AF_XDP is a program on the interface, which is not put there unasked.
    wanted = ("xdp", "packet") if underlay == "xdp" else ("packet",)
    for way in wanted:
        try:
            tunnels = opened(way)
        except ActionError as error:
            if underlay == "packet":
                raise
            note(Reason.UNDERLAY_FELL_BACK, {"error": str(error)})
        else:
            return tunnels, NextHops(netlink, mark, tunnels.set_next_hops, ours=mobile)
    return opened("raw"), None
