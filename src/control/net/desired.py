"""What we want to be in the kernel: groups of entries that are replaced, put back and withdrawn as one.

The kernel drops entries without telling anybody: routes and neighbours go with the last address or the
administrative down of their interface. So the wanted entries are remembered here, and
:meth:`Desired.reassert` puts them back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.netlink import Netlink
from mobileip.control.net.requests import MAIN_TABLE, Selectors


@dataclass(frozen=True, slots=True)
class Route:
    network: IPv4Network
    device: str
    gateway: IPv4Address | None = None
    onlink: bool = False
    source: IPv4Address | None = None
    table: int = MAIN_TABLE
    metric: int = 0
    broadcast: bool = False
    mtu: int = 0

    @property
    def key(self) -> Hashable:
        """What the kernel tells entries apart by: a new one with the same key takes the old one's place."""
        return Route, self.network, self.table, self.metric

    def install(self, netlink: Netlink) -> None:
        netlink.replace_route(
            self.network, device=self.device, gateway=self.gateway, onlink=self.onlink, source=self.source,
            table=self.table, metric=self.metric, broadcast=self.broadcast, mtu=self.mtu,
        )  # fmt: skip

    def remove(self, netlink: Netlink) -> None:
        netlink.remove_route(self.network, device=self.device, table=self.table, metric=self.metric)


@dataclass(frozen=True, slots=True)
class Rule:
    """``table`` None makes unreachable what the rule selects, or with ``silent`` drops it without a word to the
    sender. A rule does not depend on any interface.
    """

    priority: int
    table: int | None
    source: IPv4Network | None = None
    iif: str | None = None
    fwmark: int | None = None
    suppress_prefixlength: int | None = None
    silent: bool = False
    destination: IPv4Network | None = None

    @property
    def device(self) -> None:
        return None

    @property
    def key(self) -> Hashable:
        return self

    @property
    def _selectors(self) -> Selectors:
        return {
            "source": self.source,
            "destination": self.destination,
            "iif": self.iif,
            "fwmark": self.fwmark,
            "suppress_prefixlength": self.suppress_prefixlength,
            "silent": self.silent,
        }

    def install(self, netlink: Netlink) -> None:
        netlink.replace_rule(self.priority, table=self.table, **self._selectors)

    def remove(self, netlink: Netlink) -> None:
        netlink.remove_rule(self.priority, table=self.table, **self._selectors)


@dataclass(frozen=True, slots=True)
class Neighbour:
    address: IPv4Address
    device: str
    link_address: bytes

    @property
    def key(self) -> Hashable:
        return Neighbour, self.address, self.device

    def install(self, netlink: Netlink) -> None:
        netlink.replace_neighbour(self.address, self.device, self.link_address)

    def remove(self, netlink: Netlink) -> None:
        netlink.remove_neighbour(self.address, self.device)


@dataclass(frozen=True, slots=True)
class ProxyNeighbour:
    address: IPv4Address
    device: str

    @property
    def key(self) -> Hashable:
        return self

    def install(self, netlink: Netlink) -> None:
        netlink.add_proxy_neighbour(self.address, self.device)

    def remove(self, netlink: Netlink) -> None:
        netlink.remove_proxy_neighbour(self.address, self.device)


@dataclass(frozen=True, slots=True)
class Address:
    interface: IPv4Interface
    device: str

    @property
    def key(self) -> Hashable:
        return self

    def install(self, netlink: Netlink) -> None:
        netlink.add_address(self.interface, self.device)

    def remove(self, netlink: Netlink) -> None:
        netlink.remove_address(self.interface, self.device)


Entry = Route | Rule | Neighbour | ProxyNeighbour | Address


class Desired:
    """Groups by name. A group's entries are installed in their order and removed in the opposite one."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._groups: dict[Hashable, tuple[Entry, ...]] = {}

    def __contains__(self, group: Hashable) -> bool:
        return group in self._groups

    def entries(self, group: Hashable) -> tuple[Entry, ...]:
        return self._groups.get(group, ())

    def all(self) -> list[Entry]:
        return [entry for entries in self._groups.values() for entry in entries]

    def put(self, group: Hashable, entries: Iterable[Entry]) -> None:
        """Makes ``entries`` the group: new ones first, then those that are no longer wanted go, so that
        traffic always has one of the two ways. On :class:`NetlinkFailure` the group is what it was before.
        """
        old, new = self._groups.get(group, ()), tuple(entries)
        installed: list[Entry] = []
        try:
            for entry in new:
                entry.install(self._netlink)
                installed.append(entry)
        except NetlinkFailure as failure:
            self._undo(installed, old, failure)
            raise
        if new:
            self._groups[group] = new
        else:
            self._groups.pop(group, None)
        wanted = {entry.key for entry in new}
        for entry in reversed(old):
            if entry.key not in wanted:
                entry.remove(self._netlink)

    def _undo(self, installed: list[Entry], old: tuple[Entry, ...], failure: NetlinkFailure) -> None:
        had = {entry.key for entry in old}
        repairs = [entry.remove for entry in reversed(installed) if entry.key not in had]
        repairs += [entry.install for entry in old]
        for repair in repairs:
            try:
                repair(self._netlink)
            except NetlinkFailure as second:
                failure.add_note(str(second))

    def drop(self, group: Hashable) -> None:
        self.put(group, ())

    def reassert(self, device: str | None = None) -> list[NetlinkFailure]:
        """Puts back whatever is missing (on ``device``, or everywhere); returns what the kernel refused."""
        failures = []
        for entry in self.all():
            if device is None or entry.device == device:
                try:
                    entry.install(self._netlink)
                except NetlinkFailure as failure:
                    failures.append(failure)
        return failures

    def withdraw(self) -> list[NetlinkFailure]:
        """Removes everything, the last group first; goes on after a failure and returns them all."""
        failures = []
        for group in reversed(list(self._groups)):
            for entry in reversed(self._groups.pop(group)):
                try:
                    entry.remove(self._netlink)
                except NetlinkFailure as failure:
                    failures.append(failure)
        return failures
