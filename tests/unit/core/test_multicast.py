"""Groups of absent nodes: reports and leaves of every version, queries, limits, the home link (RFC 5944 s4.4)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from random import Random
from typing import Any

import pytest

from mobileip.control.core.actions import (
    Action,
    BroadcastDelivery,
    DropGroup,
    HoldGroup,
    InstallTunnel,
    JoinGroup,
    LeaveGroup,
    Noted,
    SendQuery,
)
from mobileip.control.core.events import ActionFailed, ClearBinding, IgmpReceived
from mobileip.control.core.home import HomeAgent
from mobileip.control.core.multicast import Groups, MulticastSettings
from mobileip.control.reasons import Reason
from mobileip.control.wire import (
    GroupRecord,
    IgmpMessage,
    MembershipQuery,
    MembershipReport,
    MembershipReportV3,
    RecordType,
    RequestFlags,
    build_igmp,
    parse_igmp,
)
from mobileip.control.wire import LeaveGroup as LeaveMessage
from tests.unit.core.factory import HOME, OTHER_CARE_OF, REVERSE, A, at, mono, only, reasons, request
from tests.unit.core.homes import ask, home

GROUP, OTHER = IPv4Address("239.1.2.3"), IPv4Address("239.1.2.4")
SECOND = IPv4Address("192.0.2.11")  # another node
S1, S2 = IPv4Address("203.0.113.1"), IPv4Address("203.0.113.2")
LINK = "home0"
SETTINGS = MulticastSettings()
LEAVE_LATENCY = 2  # s: two queries a second apart, and a second for the answer to the latter


def of(actions: list[Action], kind: type[A]) -> list[A]:
    return [action for action in actions if isinstance(action, kind)]


def groups(**changes: Any) -> Groups:
    """Nothing asked yet: the startup queries of two nodes are over."""
    made = Groups(MulticastSettings(**changes))
    for node in (HOME, SECOND):
        made.bound(node, LINK, at(-100), moved=True)
    made.on_tick(at(-60))
    return made


def tell(made: Groups, message: IgmpMessage, time: float = 0, node: IPv4Address = HOME) -> list[Action]:
    return made.on_message(IgmpReceived(build_igmp(message), node), at(time))


def record(kind: RecordType, *sources: IPv4Address, group: IPv4Address = GROUP) -> MembershipReportV3:
    return MembershipReportV3((GroupRecord(kind, group, sources),))


def wanted(made: Groups) -> set[tuple[IPv4Address, IPv4Address]]:
    return {(one.home_address, one.group) for one in made}


JOIN = record(RecordType.CHANGE_TO_EXCLUDE)
TO_NOTHING = record(RecordType.CHANGE_TO_INCLUDE)
JOINS = {
    "version 1": MembershipReport(GROUP, 1),
    "version 2": MembershipReport(GROUP),
    "exclude": JOIN,
    "is exclude": record(RecordType.MODE_IS_EXCLUDE, S1),
    "include": record(RecordType.CHANGE_TO_INCLUDE, S1),
    "is include": record(RecordType.MODE_IS_INCLUDE, S1),
    "allow": record(RecordType.ALLOW_NEW_SOURCES, S1),
}


# ---- joining


@pytest.mark.parametrize("message", JOINS.values(), ids=JOINS)
def test_first_report_joins_on_the_home_link_and_to_the_node(message: IgmpMessage) -> None:
    made = groups()
    actions = tell(made, message)
    assert of(actions, HoldGroup) == [HoldGroup(LINK, GROUP)]
    assert of(actions, JoinGroup) == [JoinGroup(HOME, GROUP)]
    assert reasons(actions) == [Reason.GROUP_JOINED]
    assert wanted(made) == {(HOME, GROUP)}
    assert tell(made, message, 1) == []  # the second of the unsolicited reports


def test_second_node_finds_the_home_link_joined() -> None:
    made = groups()
    tell(made, JOIN)
    actions = tell(made, JOIN, node=SECOND)
    assert of(actions, HoldGroup) == [] and of(actions, JoinGroup) == [JoinGroup(SECOND, GROUP)]


def test_virtual_home_network_has_no_link_to_join_on() -> None:
    made = Groups(SETTINGS)
    made.bound(HOME, None, at(0), moved=True)
    actions = tell(made, JOIN)
    assert of(actions, JoinGroup) == [JoinGroup(HOME, GROUP)] and of(actions, HoldGroup) == []
    assert of(made.unbound(HOME), DropGroup) == []


def test_one_report_tells_of_several_groups() -> None:
    made = groups()
    records = tuple(GroupRecord(RecordType.MODE_IS_EXCLUDE, group) for group in (GROUP, OTHER))
    assert len(of(tell(made, MembershipReportV3(records)), JoinGroup)) == 2


@pytest.mark.parametrize(
    "message",
    [
        MembershipReport(IPv4Address("224.0.0.251")),
        record(RecordType.MODE_IS_EXCLUDE, group=IPv4Address("224.0.0.22")),
        LeaveMessage(GROUP),
        TO_NOTHING,
        record(RecordType.BLOCK_OLD_SOURCES, S1),
        MembershipQuery(),
        MembershipReportV3((GroupRecord(7, GROUP, (S1,)),)),
    ],
    ids=["link-local", "link-local, v3", "leave", "nothing", "block", "query", "unknown record"],
)
def test_what_joins_nothing(message: IgmpMessage) -> None:
    made = groups()
    assert tell(made, message) == [] and wanted(made) == set()


def test_who_is_not_away_joins_nothing() -> None:
    made = groups()
    made.unbound(HOME)
    assert tell(made, JOIN) == []


def test_unreadable_message_is_told_of() -> None:
    actions = groups().on_message(IgmpReceived(b"\x16\x00\x00\x00\xef\x01\x02\x03", HOME), at(0))
    assert reasons(actions) == [Reason.BAD_CHECKSUM]


def test_limits_of_a_node_and_of_all() -> None:
    made = groups(max_groups=2, max_memberships=3)
    many = [IPv4Address(int(GROUP) + number) for number in range(3)]
    reports = [MembershipReport(group) for group in many]
    assert [reasons(tell(made, report)) for report in reports[:2]] == [[Reason.GROUP_JOINED]] * 2
    refused = tell(made, reports[2])
    assert only(refused, Noted).fields["limit"] == "max_node_groups"
    assert tell(made, reports[0], 1) == []  # one that it has is not one more
    assert reasons(tell(made, reports[0], node=SECOND)) == [Reason.GROUP_JOINED]
    refused = tell(made, reports[1], node=SECOND)
    assert only(refused, Noted).fields["limit"] == "max_memberships"
    made.unbound(HOME)
    assert reasons(tell(made, reports[1], node=SECOND)) == [Reason.GROUP_JOINED]


def test_of_a_report_with_thousands_of_groups_one_is_told_that_is_too_many() -> None:
    """What follows it is heard all the same: a report is the whole state of a node."""
    made = groups(max_groups=1)
    tell(made, JOIN)
    many = [IPv4Address(int(GROUP) + number) for number in range(1, 3000)]
    joins = [GroupRecord(RecordType.MODE_IS_EXCLUDE, group, ()) for group in many]
    gone = GroupRecord(RecordType.CHANGE_TO_INCLUDE, GROUP, ())
    actions = tell(made, MembershipReportV3((*joins, gone)))
    assert only(actions, Noted).reason is Reason.GROUP_LIMIT
    assert only(actions, SendQuery).group == GROUP


# ---- leaving


@pytest.mark.parametrize(
    ("joined", "left"),
    [
        (MembershipReport(GROUP), LeaveMessage(GROUP)),
        (JOIN, TO_NOTHING),
        (record(RecordType.CHANGE_TO_INCLUDE, S1, S2), record(RecordType.BLOCK_OLD_SOURCES, S2, S1)),
        (record(RecordType.ALLOW_NEW_SOURCES, S1), TO_NOTHING),
    ],
    ids=["version 2", "exclude to nothing", "all sources blocked", "include to nothing"],
)
def test_group_is_left_after_two_unanswered_queries(joined: IgmpMessage, left: IgmpMessage) -> None:
    made = groups()
    tell(made, joined)
    first = only(tell(made, left, 10), SendQuery)
    assert (first.home_address, first.group) == (HOME, GROUP)
    assert parse_igmp(first.payload) == MembershipQuery(GROUP, 10, 2, 125)
    assert tell(made, left, 10.2) == []
    assert of(made.on_tick(at(11)), SendQuery) == [first]
    assert made.on_tick(at(11.9)) == [] and wanted(made) == {(HOME, GROUP)}
    actions = made.on_tick(at(10 + LEAVE_LATENCY))
    assert of(actions, LeaveGroup) == [LeaveGroup(HOME, GROUP)]
    assert of(actions, DropGroup) == [DropGroup(LINK, GROUP)]
    assert reasons(actions) == [Reason.GROUP_LEFT] and wanted(made) == set()


def test_answer_to_the_query_keeps_the_group() -> None:
    """A leave that was overtaken by the report after it."""
    made = groups()
    tell(made, JOIN)
    tell(made, TO_NOTHING, 10)
    assert tell(made, record(RecordType.MODE_IS_EXCLUDE), 10.5) == []
    assert of(made.on_tick(at(20)), SendQuery) == [] and wanted(made) == {(HOME, GROUP)}


def test_group_stays_held_for_the_other_node() -> None:
    made = groups()
    tell(made, JOIN)
    tell(made, JOIN, node=SECOND)
    tell(made, TO_NOTHING, 10)
    made.on_tick(at(11))
    actions = made.on_tick(at(12))
    assert of(actions, LeaveGroup) == [LeaveGroup(HOME, GROUP)] and of(actions, DropGroup) == []
    tell(made, TO_NOTHING, 20, SECOND)
    made.on_tick(at(21))
    assert of(made.on_tick(at(22)), DropGroup) == [DropGroup(LINK, GROUP)]


def test_leave_means_nothing_while_a_version_1_host_is_heard() -> None:
    """RFC 2236 s5, RFC 3376 s7.3.2: such a host cannot leave, and does not answer for others."""
    made = groups()
    tell(made, MembershipReport(GROUP, 1))
    assert tell(made, LeaveMessage(GROUP), 10) == []
    made.on_tick(at(125))
    tell(made, MembershipReport(GROUP), 200)
    assert len(of(tell(made, LeaveMessage(GROUP), 261), SendQuery)) == 1


def test_sources_of_a_filter_are_kept_apart() -> None:
    made = groups()
    for message, left in (
        (record(RecordType.CHANGE_TO_INCLUDE, S1), {S1}),
        (record(RecordType.ALLOW_NEW_SOURCES, S2), {S1, S2}),
        (record(RecordType.BLOCK_OLD_SOURCES, S1), {S2}),
        (record(RecordType.MODE_IS_INCLUDE, S1), {S1, S2}),
        (record(RecordType.CHANGE_TO_INCLUDE, S1), {S1}),
    ):
        tell(made, message)
        assert [one.sources for one in made] == [left]
    tell(made, JOIN)
    tell(made, record(RecordType.ALLOW_NEW_SOURCES, S2))
    tell(made, record(RecordType.BLOCK_OLD_SOURCES, S2))
    assert [(one.sources, one.leaving) for one in made] == [(None, False)]


def test_filter_of_very_many_sources_is_one_for_all() -> None:
    made = groups()
    tell(
        made,
        record(
            RecordType.CHANGE_TO_INCLUDE, *(IPv4Address(number) for number in range(1 << 24, (1 << 24) + 65))
        ),
    )
    assert [one.sources for one in made] == [None]


# ---- time


def test_membership_ends_unless_it_is_reported_again() -> None:
    """RFC 3376 s8.4: twice the query interval and once the response interval."""
    made = groups()
    tell(made, JOIN)
    made.on_tick(at(125))
    tell(made, record(RecordType.MODE_IS_EXCLUDE), 130)
    made.on_tick(at(250))
    made.on_tick(at(375))
    assert of(made.on_tick(at(389.9)), LeaveGroup) == []
    actions = made.on_tick(at(390))
    assert of(actions, LeaveGroup) == [LeaveGroup(HOME, GROUP)] and reasons(actions) == [Reason.GROUP_LEFT]


def test_new_binding_is_queried_twice_and_then_left_in_peace() -> None:
    made = Groups(SETTINGS)
    first = only(made.bound(HOME, LINK, at(0), moved=True), SendQuery)
    assert parse_igmp(first.payload) == MembershipQuery(max_response=100, robustness=2, interval=125)
    assert made.bound(HOME, LINK, at(5), moved=False) == []
    assert made.next_deadline() == mono(125 / 4)
    assert made.on_tick(at(125 / 4)) == [first]
    assert made.next_deadline() is None


def test_node_with_groups_is_queried_at_every_interval() -> None:
    made = groups()
    tell(made, JOIN, 0)
    for turn in range(1, 4):
        assert made.next_deadline() == mono(turn * 125)
        assert len(of(made.on_tick(at(turn * 125)), SendQuery)) == 1
        assert tell(made, record(RecordType.MODE_IS_EXCLUDE), turn * 125 + 3) == []
    tell(made, TO_NOTHING, 400)
    made.on_tick(at(401))
    made.on_tick(at(402))
    assert len(of(made.on_tick(at(500)), SendQuery)) == 1  # the one that was due anyhow
    assert made.next_deadline() is None


def test_node_that_moves_is_asked_at_once_and_keeps_its_groups() -> None:
    made = groups()
    tell(made, JOIN)
    assert len(of(made.bound(HOME, LINK, at(10), moved=True), SendQuery)) == 1
    assert wanted(made) == {(HOME, GROUP)}


def test_intervals_are_configured() -> None:
    made = groups(query_interval=4)
    tell(made, JOIN)
    query = only(made.on_tick(at(4)), SendQuery)
    assert parse_igmp(query.payload) == MembershipQuery(max_response=20, robustness=2, interval=4)
    made.on_tick(at(8))
    assert of(made.on_tick(at(10)), LeaveGroup) == [LeaveGroup(HOME, GROUP)]


def test_any_order_of_reports_leaves_and_ticks_keeps_the_books() -> None:
    """What is joined and held by the actions is what the rows say, and in the end there is nothing."""
    seed = 4404
    random = Random(seed)
    made = groups(max_groups=3, max_memberships=5)
    joined: set[tuple[IPv4Address, IPv4Address]] = set()
    held: set[IPv4Address] = set()

    def book(actions: list[Action]) -> None:
        for action in actions:
            match action:
                case JoinGroup():
                    assert (action.home_address, action.group) not in joined
                    joined.add((action.home_address, action.group))
                case LeaveGroup():
                    joined.remove((action.home_address, action.group))
                case HoldGroup():
                    assert action.group not in held
                    held.add(action.group)
                case DropGroup():
                    held.remove(action.group)
        assert joined == wanted(made) and held == {group for _, group in joined}
        assert len(joined) <= 5 and all(sum(node == one for one, _ in joined) <= 3 for node in (HOME, SECOND))

    time = 0.0
    for _ in range(3000):
        time += random.choice((0, 0.1, 1, 20))
        node = random.choice((HOME, SECOND))
        group = IPv4Address(int(GROUP) + random.randrange(5))
        sources = tuple(random.sample((S1, S2), random.randrange(3)))
        match random.randrange(8):
            case 0:
                book(made.unbound(node))
            case 1:
                book(made.bound(node, LINK, at(time), moved=random.random() < 0.5))
            case 2 | 3:
                book(made.on_tick(at(time)))
            case 4:
                book(tell(made, LeaveMessage(group), time, node))
            case 5:
                book(tell(made, MembershipReport(group, random.choice((1, 2))), time, node))
            case _:
                book(tell(made, record(random.choice(list(RecordType)), *sources, group=group), time, node))
    book(made.unbound(HOME))
    book(made.unbound(SECOND))
    assert joined == held == set(), f"seed {seed}"
    assert made.next_deadline() is None


# ---- the home agent


def away(*, time: float = 0, **fields: Any) -> tuple[HomeAgent, list[Action]]:
    agent = home(multicast=SETTINGS)
    return agent, ask(agent, request(time, **fields), time)


def igmp(agent: HomeAgent, message: IgmpMessage, time: float = 1) -> list[Action]:
    return agent.on_igmp(IgmpReceived(build_igmp(message), HOME), at(time))


@pytest.mark.rfc("5944", "4.4", 4, 5)
@pytest.mark.parametrize(
    ("flags", "delivery"),
    [
        (RequestFlags(reverse_tunnel=True, decapsulation_by_mn=True), BroadcastDelivery.DIRECT),
        (REVERSE, BroadcastDelivery.NESTED),
        (RequestFlags(decapsulation_by_mn=True), BroadcastDelivery.NONE),
    ],
    ids=["co-located", "foreign agent", "one way"],
)
def test_tunnel_says_how_groups_are_delivered(flags: RequestFlags, delivery: BroadcastDelivery) -> None:
    agent, actions = away(flags=flags)
    assert only(actions, InstallTunnel).multicast is delivery
    assert len(of(actions, SendQuery)) == (delivery is not BroadcastDelivery.NONE)
    joined = of(igmp(agent, JOIN), JoinGroup)
    assert joined == ([] if delivery is BroadcastDelivery.NONE else [JoinGroup(HOME, GROUP)])


def test_home_agent_that_is_no_multicast_router_asks_nothing() -> None:
    agent = home()
    actions = ask(agent, request())
    assert only(actions, InstallTunnel).multicast is BroadcastDelivery.NONE
    assert of(actions, SendQuery) == [] and igmp(agent, JOIN) == [] and agent.groups is None


def test_renewal_asks_nothing_and_a_move_does() -> None:
    agent, _ = away()
    igmp(agent, JOIN)
    assert of(ask(agent, request(2), 2), SendQuery) == []
    moved = ask(agent, request(3, care_of=OTHER_CARE_OF), 3)
    assert len(of(moved, SendQuery)) == 1 and of(moved, LeaveGroup) == []


@pytest.mark.parametrize("way", ["deregistered", "expired", "cleared", "one way"])
def test_groups_end_with_the_binding(way: str) -> None:
    agent, _ = away(lifetime=60)
    igmp(agent, JOIN)
    match way:
        case "deregistered":
            actions = ask(agent, request(2, care_of=HOME, lifetime=0), 2)
        case "expired":
            actions = agent.on_tick(at(60))
        case "cleared":
            actions = agent.clear(ClearBinding(HOME), at(2))
        case _:
            actions = ask(agent, request(2, flags=RequestFlags()), 2)
    assert of(actions, LeaveGroup) == [LeaveGroup(HOME, GROUP)]
    assert of(actions, DropGroup) == [DropGroup(LINK, GROUP)]
    assert agent.groups is not None and list(agent.groups) == []


def failed(actions: list[Action], agent: HomeAgent, time: float) -> list[Action]:
    return agent.on_action_failed(ActionFailed(only(actions, InstallTunnel), "the table is full"), at(time))


def test_a_tunnel_that_cannot_be_made_one_way_keeps_its_node_asked() -> None:
    """What was left before the tunnel was to change is asked for again; nothing stays behind that nobody knows of."""
    agent, _ = away(lifetime=60)
    igmp(agent, JOIN)
    actions = ask(agent, request(2, flags=RequestFlags()), 2)
    done = actions[: actions.index(only(actions, InstallTunnel))]  # the rest of the list is given up
    assert of(done, LeaveGroup) == [LeaveGroup(HOME, GROUP)] and of(done, DropGroup) == [
        DropGroup(LINK, GROUP)
    ]
    undone = failed(actions, agent, 2)
    assert only(undone, SendQuery).home_address == HOME
    assert of(igmp(agent, JOIN, 3), JoinGroup) == [JoinGroup(HOME, GROUP)]
    assert of(agent.clear(ClearBinding(HOME), at(4)), LeaveGroup) == [LeaveGroup(HOME, GROUP)]


def test_a_tunnel_that_cannot_be_made_two_way_leaves_its_node_unasked() -> None:
    agent, _ = away(lifetime=60, flags=RequestFlags())
    undone = failed(ask(agent, request(2), 2), agent, 2)
    assert of(undone, SendQuery) == [] and igmp(agent, JOIN, 3) == []
    assert agent.next_deadline() == mono(60)  # that of the binding: no query is waited for


def test_deadline_is_the_earlier_of_bindings_and_groups() -> None:
    agent, _ = away(lifetime=20)
    assert agent.next_deadline() == mono(20)
    agent, _ = away(lifetime=100)
    assert agent.next_deadline() == mono(125 / 4)


def test_limits_change_in_place_and_the_switch_does_not() -> None:
    agent, _ = away()
    agent.reconfigure(replace(agent.settings, multicast=MulticastSettings(max_groups=1)))
    igmp(agent, JOIN)
    assert reasons(igmp(agent, MembershipReport(OTHER))) == [Reason.GROUP_LIMIT]
    with pytest.raises(ValueError, match="multicasts"):
        agent.reconfigure(replace(agent.settings, multicast=None))
