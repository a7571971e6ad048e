"""Questions to the host that a start needs answered, each with a sentence when the answer is no."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.netlink import Netlink
from mobileip.control.ports import ActionError
from mobileip.control.types import Instant, seconds

_PATH_AGE = seconds(10)
_REMEMBERED_PATHS = 65_536


def first_address(netlink: Netlink, interface: str) -> IPv4Interface:
    """The address an agent advertises and is asked at on ``interface``, with the length of its prefix.

    :raises ActionError: the interface is missing or has no address.
    """
    if netlink.link(interface) is None:
        raise ActionError(
            f"there is no interface {interface} on this host; correct the configuration or see `ip link`"
        )
    addresses = netlink.addresses(interface)
    if not addresses:
        raise ActionError(
            f"interface {interface} has no IPv4 address; give it one: ip addr add ADDRESS/LEN dev {interface}"
        )
    return addresses[0]


def own_addresses(netlink: Netlink) -> dict[IPv4Address, str]:
    """Every address of this host, with its interface."""
    return {address.ip: link.name for link in netlink.links() for address in netlink.addresses(link.name)}


def require_own(netlink: Netlink, address: IPv4Address, key: str) -> None:
    """:raises ActionError: ``address``, configured at ``key``, is not one of this host's."""
    if address not in own_addresses(netlink):
        raise ActionError(
            f"{key} is {address}, which no interface of this host has; correct it or add the address"
        )


def underlay_mtu(netlink: Netlink, addresses: Iterable[IPv4Address], interfaces: Iterable[str]) -> int:
    """Smallest MTU, in bytes, of the links that hold ``addresses`` and of ``interfaces``; 1500 if none exists yet."""
    holders = own_addresses(netlink)
    names = {holders[address] for address in addresses if address in holders} | set(interfaces)
    return min(
        (link.mtu for link in netlink.links() if link.name in names and link.name != "lo"), default=1500
    )


class PathMtus:
    """MTU of the kernel's route to each care-of address, remembered for ten seconds.

    Asking costs two conversations with the kernel, a quarter of a renewal's time when it was asked at each. A route
    that changes meanwhile is noticed at the next renewal after that; links that change forget everything at once.
    """

    def __init__(self, netlink: Netlink, mark: int | None, clock: Callable[[], Instant]) -> None:
        self._netlink = netlink
        self._mark = mark
        self._clock = clock
        self._known: dict[
            int, tuple[int | None, int]
        ] = {}  # by address: MTU, and until when (mono) it is believed

    def __call__(self, address: IPv4Address) -> int | None:
        """Bytes, ``None`` without a route."""
        number, now = int(address), self._clock().mono
        mtu, until = self._known.get(number, (None, 0))
        if now < until:
            return mtu
        if len(self._known) >= _REMEMBERED_PATHS:
            self._known.clear()
        try:
            mtu = self._netlink.route_to(address, mark=self._mark).mtu
        except NetlinkFailure:
            mtu = None
        self._known[number] = mtu, now + _PATH_AGE
        return mtu

    def forget(self) -> None:
        self._known.clear()
