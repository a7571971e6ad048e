"""One process with both agents: whose a message is, and the schedule of advertisements."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import (
    Action,
    InstallNetworkRoute,
    InstallTunnel,
    SendDatagram,
    SendIcmp,
)
from mobileip.control.core.advertiser import AdvertisedLink
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import (
    ActionFailed,
    IcmpReceived,
    LinkChanged,
    Started,
    Stopping,
    Tick,
    UnreachableReceived,
)
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings, VisitedLink
from mobileip.control.core.home import HomeAgent, HomeAgentSettings, HomeNetwork
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable
from mobileip.control.types import Endpoint, Lifetime
from mobileip.control.wire import AgentFlags, RequestFlags
from tests.unit.core.factory import (
    AGENT,
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_NETWORK,
    NODE_MAC,
    OTHER_CARE_OF,
    advertisement,
    at,
    datagram,
    kinds,
    mono,
    none,
    only,
    reasons,
    reply,
    request,
    sent_advertisement,
    sent_reply,
    solicitation,
)

HOME_SETTINGS = HomeAgentSettings(
    HOME_AGENT, (HomeNetwork(HOME_NETWORK, None),), AssociationTable([(HOME, ASSOCIATION)]), Lifetime(1000)
)
FOREIGN_SETTINGS = ForeignAgentSettings(
    CARE_OF,
    (VisitedLink("eth1", AGENT),),
    Lifetime(300),
    frozenset({CARE_OF, AGENT, HOME_AGENT}),
    HOME_AGENT,
    max_visitors=1,
)
LINK = AdvertisedLink("eth1", AGENT, 1.0, 3, Lifetime(300), AgentFlags(foreign_agent=True), (CARE_OF,))


def agents(home: bool = True, foreign: bool = True) -> MobilityAgents:
    return MobilityAgents(
        home=HomeAgent(HOME_SETTINGS) if home else None,
        foreign=ForeignAgent(FOREIGN_SETTINGS) if foreign else None,
        links=(LINK,),
        entropy=lambda size: bytes(size),
    )


def visit(payload: bytes, destination: IPv4Address = AGENT, source: IPv4Address = HOME) -> list[Action]:
    event = datagram(payload, source=source, destination=destination, interface="eth1", ttl=255, mac=NODE_MAC)
    return agents().handle(event, at(0))


# ---- whose a message is


def test_request_to_the_foreign_agent_is_relayed() -> None:
    assert reasons(visit(request())) == [Reason.REQUEST_RELAYED]


def test_request_with_co_located_address_to_the_home_agent_beside_it_is_answered() -> None:
    payload = request(care_of=OTHER_CARE_OF, flags=RequestFlags(decapsulation_by_mn=True))
    actions = visit(payload, HOME_AGENT, OTHER_CARE_OF)
    assert reasons(actions) == [Reason.REGISTERED_NO_SIMULTANEOUS]


def test_visitor_that_asks_the_home_agent_past_the_foreign_agent_is_relayed_all_the_same() -> None:
    """With our own care-of address it is the foreign agent's visitor, whatever address it asked."""
    assert reasons(visit(request(), HOME_AGENT)) == [Reason.REQUEST_RELAYED]


def test_deregistration_at_home_on_a_link_with_visitors_is_the_home_agents() -> None:
    actions = visit(request(care_of=HOME, lifetime=0), HOME_AGENT)
    assert reasons(actions) == [Reason.DEREGISTERED]


def test_request_from_the_core_is_the_home_agents() -> None:
    actions = agents().handle(datagram(request()), at(0))
    assert reasons(actions) == [Reason.REGISTERED_NO_SIMULTANEOUS]


def test_request_without_a_home_agent_here() -> None:
    actions = agents(home=False).handle(datagram(request()), at(0))
    assert reasons(actions) == [Reason.BAD_DESTINATION] and kinds(actions) == []


def test_reply_without_a_foreign_agent_here() -> None:
    actions = agents(foreign=False).handle(datagram(reply(to=request())), at(0))
    assert reasons(actions) == [Reason.BAD_DESTINATION]


def test_reply_of_the_home_agent_in_the_same_process_admits_the_visitor() -> None:
    machine = agents()
    asked = datagram(request(), source=HOME, destination=AGENT, interface="eth1", ttl=255, mac=NODE_MAC)
    relayed = only(machine.handle(asked, at(0)), SendDatagram)
    inner = datagram(relayed.payload, source=relayed.source.address, destination=HOME_AGENT, interface="lo")
    answered = only(machine.handle(inner, at(0)), SendDatagram)
    back = datagram(answered.payload, source=HOME_AGENT, destination=CARE_OF, interface="lo")
    actions = machine.handle(back, at(0))
    assert "InstallVisitorRoute" in kinds(actions)


@pytest.mark.rfc("5944", "1.8", 1)
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.TRUNCATED),
        (b"\x01\x00", Reason.TRUNCATED),
        (b"\x07" + bytes(19), Reason.UNKNOWN_MESSAGE_TYPE),
        (request() + b"\x21", Reason.TRUNCATED),
        (request() + b"\x63\x00", Reason.UNKNOWN_EXTENSION),
    ],
)
def test_what_cannot_be_read_is_named_and_dropped(payload: bytes, reason: Reason) -> None:
    actions = agents().handle(datagram(payload), at(0))
    assert reasons(actions) == [reason] and kinds(actions) == []


# ---- advertisements


@pytest.mark.rfc("5944", "2.3", 1, 2, 5)
@pytest.mark.rfc("5944", "3.7", 1)
def test_link_that_comes_up_is_told_at_once_and_then_periodically() -> None:
    machine = agents()
    assert machine.next_deadline() is None
    assert reasons(machine.handle(LinkChanged("eth1", True), at(0))) == [Reason.LINK_UP]
    assert machine.next_deadline() == mono(0)
    assert sent_advertisement(machine.handle(Tick(), at(0))).mobility.sequence == 0
    assert machine.next_deadline() == mono(0.75)
    assert machine.handle(LinkChanged("eth1", True), at(0.1)) == []  # still up: nothing new
    assert machine.next_deadline() == mono(0.75)
    assert sent_advertisement(machine.handle(Tick(), at(0.75))).mobility.sequence == 1


def test_link_that_is_down_is_left_alone() -> None:
    machine = agents()
    assert machine.handle(LinkChanged("eth1", False), at(0)) == []
    machine.handle(LinkChanged("eth1", True), at(0))
    assert reasons(machine.handle(LinkChanged("eth1", False), at(0.5))) == [Reason.LINK_DOWN]
    assert machine.next_deadline() is None
    assert machine.handle(LinkChanged("eth9", True), at(0)) == []


@pytest.mark.rfc("5944", "2.3", 4)
def test_solicitation_is_answered_whatever_the_schedule() -> None:
    assert reasons(agents().handle(solicitation(), at(0))) == [Reason.SOLICITED]
    assert agents().handle(solicitation(interface="eth9"), at(0)) == []


def test_advertisement_of_another_agent_is_nothing_to_us() -> None:
    assert agents().handle(advertisement(interface="eth1"), at(0)) == []


@pytest.mark.rfc("1256", "4.2", 1)
def test_unreadable_solicitation_is_named() -> None:
    broken = IcmpReceived(b"\x0a\x00\x00\x00", HOME, AGENT, "eth1", NODE_MAC)
    assert reasons(agents().handle(broken, at(0))) == [Reason.BAD_CHECKSUM]


def test_full_foreign_agent_says_so() -> None:
    machine = agents()
    machine.foreign = ForeignAgent(replace(FOREIGN_SETTINGS, max_visitors=0))
    assert sent_advertisement(machine.handle(solicitation(), at(0))).mobility.flags.busy


# ---- the rest


def test_start_draws_virtual_networks_in() -> None:
    assert agents().handle(Started(), at(0)) == [InstallNetworkRoute(HOME_NETWORK)]
    assert agents(home=False).handle(Started(), at(0)) == []
    assert agents().handle(Stopping(), at(0)) == []


def test_unreachable_is_the_foreign_agents() -> None:
    machine = agents()
    event = datagram(request(), source=HOME, destination=AGENT, interface="eth1", ttl=255, mac=NODE_MAC)
    machine.handle(event, at(0))
    unreachable = UnreachableReceived(Endpoint(HOME_AGENT, 434), 1)
    assert sent_reply(machine.handle(unreachable, at(0.1))).code == 81
    assert agents(foreign=False).handle(unreachable, at(0)) == []


def test_failure_is_noted_and_given_to_whom_it_concerns() -> None:
    machine = agents()
    tunnel = only(machine.handle(datagram(request()), at(0)), InstallTunnel)
    actions = machine.handle(ActionFailed(tunnel, "no device"), at(0))
    assert reasons(actions) == [Reason.ACTION_FAILED, Reason.HA_INSUFFICIENT_RESOURCES]


def test_what_expires_is_removed_before_anything_is_sent() -> None:
    """A failing send ends its list, and must not keep expired state."""
    machine = agents()
    machine.handle(LinkChanged("eth1", True), at(0))
    machine.handle(Tick(), at(0))
    machine.handle(datagram(request(lifetime=5)), at(0))
    asked = datagram(
        request(0.5, lifetime=8), source=HOME, destination=AGENT, interface="eth1", ttl=255, mac=NODE_MAC
    )
    machine.handle(asked, at(0.5))
    actions = machine.handle(Tick(), at(20))
    names = kinds(actions)
    assert names == ["RemoveTunnel", "SendDatagram", "SendIcmp"]
    assert none(machine.handle(Tick(), at(20)), SendIcmp)


def test_next_deadline_is_the_earliest_of_all() -> None:
    machine = agents()
    machine.handle(datagram(request(lifetime=5)), at(0))
    assert machine.next_deadline() == mono(5)
    machine.handle(LinkChanged("eth1", True), at(1))
    assert machine.next_deadline() == mono(1)


@pytest.mark.rfc("5944", "2.3", 2, 4)
def test_agent_that_advertises_only_when_it_is_asked() -> None:
    quiet = replace(LINK, on_solicitation_only=True)
    machine = MobilityAgents(home=None, foreign=None, links=(quiet,), entropy=bytes)
    assert reasons(machine.handle(LinkChanged("eth1", True), at(0))) == [Reason.LINK_UP]
    assert machine.next_deadline() is None and machine.handle(Tick(), at(100)) == []
    asked = machine.handle(solicitation(), at(100))
    assert sent_advertisement(asked).mobility.sequence == 0
    assert machine.next_deadline() is None
    # A changed configuration takes effect on a link that is up.
    machine.reconfigure(None, None, (LINK,), at(101))
    assert machine.next_deadline() == mono(101)
    assert not none(machine.handle(Tick(), at(101)), SendIcmp)
    machine.reconfigure(None, None, (quiet,), at(101.1))
    assert machine.next_deadline() is None


def test_agent_that_advertises_a_limited_number_of_times_unasked() -> None:
    few = replace(LINK, unsolicited=2)
    machine = MobilityAgents(home=None, foreign=None, links=(few,), entropy=bytes)
    for start in (0, 100):  # each time that the link comes up
        machine.handle(LinkChanged("eth1", True), at(start))
        assert not none(machine.handle(Tick(), at(start)), SendIcmp)
        assert not none(machine.handle(solicitation(), at(start + 0.1)), SendIcmp), "answers do not count"
        deadline = machine.next_deadline()
        assert deadline is not None
        assert not none(machine.handle(Tick(), at(start + 2)), SendIcmp)
        assert machine.next_deadline() is None
        assert not none(machine.handle(solicitation(), at(start + 50)), SendIcmp)
        machine.handle(LinkChanged("eth1", False), at(start + 60))


@pytest.mark.rfc("1256", "4.3", 7)
def test_link_that_comes_up_again_begins_again_with_short_intervals() -> None:
    rare = replace(LINK, interval=1000.0)
    machine = MobilityAgents(home=None, foreign=None, links=(rare,), entropy=bytes)
    for start in (0, 5000):
        machine.handle(LinkChanged("eth1", True), at(start))
        sent = []
        while len(sent) < 5:
            deadline = machine.next_deadline()
            assert deadline is not None
            sent.append(deadline - mono(start))
            machine.handle(Tick(), at(start + sent[-1] / 10**9))
        assert sent == [0, mono(16) - mono(0), mono(32) - mono(0), mono(48) - mono(0), mono(798) - mono(0)]
        machine.handle(LinkChanged("eth1", False), at(start + 900))
        assert machine.next_deadline() is None
