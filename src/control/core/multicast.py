"""The home agent as multicast router of its absent nodes: who wants which group (RFC 5944 s4.4, RFC 3376, RFC 2236).

Each node's tunnel is a link of its own with one host on it, of which we are the querier; on the home link we are a
host that joins what its nodes want, as an IGMP proxy does (RFC 4605 s4). With one host there is nobody whose report
could be suppressed, so its reports are its state: a group is wanted while its filter lets some source through.
Which sources those are is left to the node, whose own filter sorts them out.

A node is queried when its binding is made or moves, and from its first report on at every query interval. Nodes that
never heard of multicast are left in peace but for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from mobileip.control.core.actions import (
    Action,
    DropGroup,
    HoldGroup,
    JoinGroup,
    LeaveGroup,
    Noted,
    SendQuery,
)
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.core.events import IgmpReceived
from mobileip.control.reasons import Reason
from mobileip.control.types import ZERO_ADDRESS, Instant, seconds
from mobileip.control.wire import (
    GroupRecord,
    MembershipQuery,
    MembershipReport,
    MembershipReportV3,
    RecordType,
    WireError,
    build_igmp,
    parse_igmp,
)
from mobileip.control.wire import LeaveGroup as LeaveMessage

LINK_LOCAL: Final = IPv4Network("224.0.0.0/24")
"""Groups that no router forwards (RFC 5771 s4); every host reports some of them, and none is ours to deliver."""

ROBUSTNESS: Final = 2  # RFC 3376 s8.1
_RESPONSE_INTERVAL: Final = 10.0  # s, s8.3; it must be less than the query interval
_LAST_MEMBER_INTERVAL: Final = seconds(1)  # s8.8
_MOST_SOURCES: Final = 64  # of an INCLUDE filter; one with more counts as one for every source


@dataclass(frozen=True, slots=True)
class MulticastSettings:
    """``query_interval`` in seconds; ``max_groups`` of one node, ``max_memberships`` of all nodes together."""

    query_interval: float = 125.0
    max_groups: int = 32
    max_memberships: int = 10_000

    @property
    def response_interval(self) -> float:
        """Seconds that a node may take for its answer (s8.3)."""
        return min(_RESPONSE_INTERVAL, self.query_interval / 2)

    @property
    def membership_interval(self) -> int:
        """Nanoseconds after its last report at which a membership is over (s8.4)."""
        return seconds(ROBUSTNESS * self.query_interval + self.response_interval)


class _Timer(Enum):
    QUERY = "query"  # a general query to a node
    ASK = "ask"  # the next group-specific query after a leave
    END = "end"  # of a membership


_Key = tuple[_Timer, IPv4Address, IPv4Address]  # node and group; group 0.0.0.0 for QUERY


@dataclass(slots=True)
class Membership:
    """That a node wants a group. ``sources``: those of an INCLUDE filter, ``None``: EXCLUDE, or any."""

    home_address: IPv4Address
    group: IPv4Address
    interface: str | None
    since: Instant
    sources: frozenset[IPv4Address] | None = None
    version: int = 3  # of IGMP, by the latest report
    leaving: bool = False
    version_1_until: int = 0  # monotonic ns; till then leaves mean nothing (RFC 2236 s5, RFC 3376 s7.3.2)
    asks: int = 0  # group-specific queries still to be sent


@dataclass(slots=True)
class _Node:
    interface: str | None
    groups: dict[IPv4Address, Membership]
    startup: int = 0  # general queries still to be sent at the short interval (s8.6, s8.7)


class Groups:
    """Machine part of the home agent: bindings, IGMP messages and time in, actions out."""

    def __init__(self, settings: MulticastSettings) -> None:
        self._settings = settings
        self._nodes: dict[IPv4Address, _Node] = {}
        self._held: dict[tuple[str, IPv4Address], int] = {}  # nodes of a home link that want a group
        self._members = 0
        self._timers: Deadlines[_Key] = Deadlines()

    def reconfigure(self, settings: MulticastSettings) -> None:
        """Other limits and intervals; they count from the next report or query on."""
        self._settings = settings

    def __iter__(self) -> Iterator[Membership]:
        for node in self._nodes.values():
            yield from node.groups.values()

    def ends(self, membership: Membership) -> int | None:
        """When (monotonic ns) it is over unless it is reported again."""
        return self._timers.get((_Timer.END, membership.home_address, membership.group))

    def next_deadline(self) -> int | None:
        return self._timers.next()

    # ---- bindings

    def bound(
        self, home_address: IPv4Address, interface: str | None, now: Instant, *, moved: bool
    ) -> list[Action]:
        """The node is away, with a tunnel both ways; ``moved``: it is new, or somewhere else than before.

        ``interface`` is its home link, ``None`` for a virtual home network.
        """
        node = self._nodes.get(home_address)
        if node is not None and not moved:
            return []
        if node is None:
            node = self._nodes[home_address] = _Node(interface, {})
        node.startup = ROBUSTNESS - 1
        return [self._general_query(home_address, node, now)]

    def unbound(self, home_address: IPv4Address) -> list[Action]:
        """The node is away no longer, or its tunnel goes one way only."""
        node = self._nodes.pop(home_address, None)
        if node is None:
            return []
        self._timers.cancel((_Timer.QUERY, home_address, ZERO_ADDRESS))
        actions: list[Action] = []
        for membership in list(node.groups.values()):
            actions += self._end(node, membership, "binding gone")
        return actions

    # ---- reports

    def on_message(self, event: IgmpReceived, now: Instant) -> list[Action]:
        """What came through the tunnel of a node, whose source the data plane has compared with its binding."""
        node = self._nodes.get(event.home_address)
        if node is None:
            return []
        try:
            message = parse_igmp(event.payload)
        except WireError as error:
            fields = {"home_address": event.home_address, "detail": str(error)}
            return [Noted(error.reason, fields)]
        actions: list[Action] = []
        match message:
            case MembershipReport():
                actions = self._want(node, event, message.group, None, message.version, now)
            case LeaveMessage():
                actions = self._leave(node, message.group, now)
            case MembershipReportV3():
                actions = self._on_records(node, event, message.records, now)
            case _:
                return []  # a node is no querier of ours
        if (_Timer.QUERY, event.home_address, ZERO_ADDRESS) not in self._timers and node.groups:
            self._query_later(event.home_address, self._settings.query_interval, now)
        return actions

    def _on_records(
        self, node: _Node, event: IgmpReceived, records: tuple[GroupRecord, ...], now: Instant
    ) -> list[Action]:
        """Of the groups that are too many one is told of: a datagram has room for thousands."""
        actions: list[Action] = []
        refused = False
        for record in records:
            for action in self._on_record(node, event, record, now):
                if isinstance(action, Noted) and action.reason is Reason.GROUP_LIMIT:
                    if refused:
                        continue
                    refused = True
                actions.append(action)
        return actions

    def _on_record(self, node: _Node, event: IgmpReceived, record: GroupRecord, now: Instant) -> list[Action]:
        """s6.4, for a link with one host."""
        known = node.groups.get(record.group)
        before = frozenset() if known is None else known.sources
        sources = frozenset(record.sources)
        match record.kind:
            case RecordType.MODE_IS_EXCLUDE | RecordType.CHANGE_TO_EXCLUDE:
                return self._want(node, event, record.group, None, 3, now)
            case RecordType.CHANGE_TO_INCLUDE:
                wanted = sources
            case RecordType.MODE_IS_INCLUDE:  # a long list comes in parts (s4.2.16)
                wanted = sources | (before or frozenset())
            case RecordType.ALLOW_NEW_SOURCES:
                if before is None:
                    return self._want(node, event, record.group, None, 3, now)
                wanted = sources | before
            case RecordType.BLOCK_OLD_SOURCES:
                if not before:  # not wanted, or from every source
                    return []
                wanted = before - sources
            case _:
                return []  # "Unrecognized Record Type values MUST be silently ignored" (s4.2.12)
        if wanted:
            return self._want(node, event, record.group, wanted, 3, now)
        return self._leave(node, record.group, now)

    def _want(
        self,
        node: _Node,
        event: IgmpReceived,
        group: IPv4Address,
        sources: frozenset[IPv4Address] | None,
        version: int,
        now: Instant,
    ) -> list[Action]:
        if group in LINK_LOCAL:
            return []
        home_address, actions = event.home_address, list[Action]()
        membership = node.groups.get(group)
        if membership is None:
            full = len(node.groups) >= self._settings.max_groups
            if full or self._members >= self._settings.max_memberships:
                limit = "max_node_groups" if full else "max_memberships"
                fields = {"home_address": home_address, "group": group, "limit": limit}
                return [Noted(Reason.GROUP_LIMIT, fields)]
            membership = Membership(home_address, group, node.interface, now)
            node.groups[group] = membership
            self._members += 1
            actions = self._begin(membership, version)
        membership.sources = None if sources is not None and len(sources) > _MOST_SOURCES else sources
        membership.version = version
        membership.leaving, membership.asks = False, 0
        until = now.mono + self._settings.membership_interval
        if version == 1:
            membership.version_1_until = until
        self._timers.cancel((_Timer.ASK, home_address, group))
        self._timers.set((_Timer.END, home_address, group), until)
        return actions

    def _begin(self, membership: Membership, version: int) -> list[Action]:
        home_address, group, interface = membership.home_address, membership.group, membership.interface
        actions: list[Action] = []
        if interface is not None:
            held = self._held.get((interface, group), 0)
            self._held[interface, group] = held + 1
            if not held:
                actions.append(HoldGroup(interface, group))
        fields = {"home_address": home_address, "group": group, "version": version}
        return [*actions, JoinGroup(home_address, group), Noted(Reason.GROUP_JOINED, fields)]

    def _leave(self, node: _Node, group: IPv4Address, now: Instant) -> list[Action]:
        """Ask for the group before it is over: the leave may have overtaken, or been overtaken by, a report."""
        membership = node.groups.get(group)
        if membership is None or membership.leaving or now.mono < membership.version_1_until:
            return []
        membership.leaving, membership.asks = True, ROBUSTNESS
        over = now.mono + ROBUSTNESS * _LAST_MEMBER_INTERVAL
        self._timers.set((_Timer.END, membership.home_address, group), over)
        return [self._specific_query(membership, now)]

    def _end(self, node: _Node, membership: Membership, why: str) -> list[Action]:
        home_address, group, interface = membership.home_address, membership.group, membership.interface
        del node.groups[group]
        self._members -= 1
        self._timers.cancel((_Timer.ASK, home_address, group))
        self._timers.cancel((_Timer.END, home_address, group))
        actions: list[Action] = [LeaveGroup(home_address, group)]
        if interface is not None:
            self._held[interface, group] -= 1
            if not self._held[interface, group]:
                del self._held[interface, group]
                actions.append(DropGroup(interface, group))
        fields = {"home_address": home_address, "group": group, "why": why}
        return [*actions, Noted(Reason.GROUP_LEFT, fields)]

    # ---- time

    def on_tick(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        for timer, home_address, group in self._timers.due(now.mono):
            node = self._nodes[home_address]
            match timer:
                case _Timer.QUERY:
                    actions.append(self._general_query(home_address, node, now))
                case _Timer.ASK:
                    actions.append(self._specific_query(node.groups[group], now))
                case _Timer.END:
                    membership = node.groups[group]
                    why = "left" if membership.leaving else "not reported again"
                    actions += self._end(node, membership, why)
        return actions

    def _general_query(self, home_address: IPv4Address, node: _Node, now: Instant) -> Action:
        if node.startup > 0:
            node.startup -= 1
            self._query_later(home_address, self._settings.query_interval / 4, now)
        elif node.groups:
            self._query_later(home_address, self._settings.query_interval, now)
        return self._query(home_address, ZERO_ADDRESS, self._settings.response_interval)

    def _query_later(self, home_address: IPv4Address, interval: float, now: Instant) -> None:
        self._timers.set((_Timer.QUERY, home_address, ZERO_ADDRESS), now.mono + seconds(interval))

    def _specific_query(self, membership: Membership, now: Instant) -> Action:
        home_address, group = membership.home_address, membership.group
        membership.asks -= 1
        if membership.asks > 0:
            self._timers.set((_Timer.ASK, home_address, group), now.mono + _LAST_MEMBER_INTERVAL)
        return self._query(home_address, group, _LAST_MEMBER_INTERVAL / seconds(1))

    def _query(self, home_address: IPv4Address, group: IPv4Address, response: float) -> Action:
        query = MembershipQuery(
            group, round(response * 10), ROBUSTNESS, min(round(self._settings.query_interval), (1 << 15) - 1)
        )
        return SendQuery(home_address, group, build_igmp(query))
