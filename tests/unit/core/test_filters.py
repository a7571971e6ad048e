"""Registration filters: which rule decides, what it is asked about, and where in the checks of each agent."""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv4Network
from random import Random
from typing import Any

import pytest

from mobileip.control.core.filters import (
    Applicant,
    FilterRule,
    Filters,
    FilterSettings,
    Verdict,
    decide,
)
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.core.home import HomeAgent
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable
from mobileip.control.wire import ForeignAgentError, NetworkAccessIdentifier, RequestFlags
from tests.unit.core import test_foreign as visited
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    OTHER_CARE_OF,
    WRONG_ASSOCIATION,
    datagram,
    note,
    reasons,
    reply,
    request,
    sent_reply,
    stamp,
)
from tests.unit.core.homes import ask, home
from tests.unit.core.test_shortcuts import ask as ask_virtual
from tests.unit.core.test_shortcuts import virtual

ALLOW, DENY = Verdict.ALLOW, Verdict.DENY
ZERO = IPv4Address("0.0.0.0")
ALICE = NetworkAccessIdentifier("alice@example.net")


def only(address: IPv4Address | str) -> IPv4Network:
    return IPv4Network(address)


def filters(*rules: FilterRule, default: Verdict = ALLOW) -> FilterSettings:
    return FilterSettings(rules, default)


# ---- which rule decides


@pytest.mark.parametrize(
    ("condition", "matching", "others"),
    [
        ({"home_address": only("10.1.0.0/24")}, {"home_address": "10.1.0.255"}, {"home_address": "10.1.1.0"}),
        ({"care_of_address": only("10.1.0.5")}, {"care_of_address": "10.1.0.5"}, {"care_of_address": "10.1.0.4"}),
        ({"foreign_agent": only("10.0.0.0/8")}, {"foreign_agent": "10.9.9.9"}, {"foreign_agent": "11.0.0.0"}),
        ({"home_agent": only("10.0.0.1")}, {"home_agent": "10.0.0.1"}, {"home_agent": "10.0.0.2"}),
        ({"interface": "eth1"}, {"interface": "eth1"}, {"interface": "eth10"}),
        ({"nai": "a@Example.net"}, {"nai": "a@example.NET"}, {"nai": "A@example.net"}),
        ({"nai": "*@example.net"}, {"nai": "x@y@EXAMPLE.net"}, {"nai": "a@sub.example.net"}),
        ({"nai": "*@example.net"}, {"nai": "@example.net"}, {"nai": "example.net"}),
        ({"nai": "plain"}, {"nai": "plain"}, {"nai": "plain@example.net"}),
    ],
)  # fmt: skip
def test_a_condition_holds_for_its_own_only(
    condition: dict[str, Any], matching: dict[str, str], others: dict[str, str]
) -> None:
    def decided(values: dict[str, str]) -> Verdict:
        made: dict[str, Any] = {
            name: value if name in ("nai", "interface") else IPv4Address(value)
            for name, value in values.items()
        }
        return decide(
            filters(FilterRule(DENY, **condition)), Applicant(**{"interface": "eth0", **made})
        ).verdict

    assert (decided(matching), decided(others), decided({})) == (DENY, ALLOW, ALLOW)


def test_all_conditions_of_a_rule_have_to_hold_and_one_without_any_holds_for_all() -> None:
    both = FilterRule(DENY, home_address=only(HOME), interface="eth1")
    assert decide(filters(both), Applicant("eth1", home_address=HOME)).denied
    assert not decide(filters(both), Applicant("eth0", home_address=HOME)).denied
    assert not decide(filters(both), Applicant("eth1", home_address=HOME + 1)).denied
    assert decide(filters(FilterRule(DENY)), Applicant("")).denied


@pytest.mark.parametrize("seed", range(20))
def test_the_first_rule_that_matches_decides(seed: int) -> None:
    """Against a reading of the rules word by word."""
    rng = Random(seed)
    names = [field.name for field in fields(FilterRule)][1:]
    pool: dict[str, list[Any]] = {
        "nai": ["*@b", "a@b", "a@c"],
        "interface": ["eth0", "eth1"],
    }
    prefixes = [only("10.0.0.0/30"), only("10.0.0.1"), only("10.0.0.0/31")]

    def rule() -> FilterRule:
        conditions = {name: rng.choice(pool.get(name, prefixes)) for name in names if rng.random() < 0.3}
        return FilterRule(rng.choice((ALLOW, DENY)), **conditions)

    for _ in range(200):
        settings = filters(*(rule() for _ in range(rng.randrange(5))), default=rng.choice((ALLOW, DENY)))
        known: dict[str, Any] = {
            name: rng.choice(["a@b", "a@c", None])
            if name == "nai"
            else IPv4Address("10.0.0.0") + rng.randrange(5)
            for name in names
        }
        applicant = Applicant(**{**known, "interface": rng.choice(("eth0", "eth1"))})
        expected: tuple[Verdict, int | None] = settings.default, None
        for index, one in reversed(list(enumerate(settings.rules))):
            holds = True
            for name in names:
                wanted, got = getattr(one, name), getattr(applicant, name)
                if wanted is None:
                    continue
                if isinstance(wanted, IPv4Network):
                    holds &= got in list(wanted)
                else:
                    holds &= got == wanted or (wanted == "*@b" and str(got).endswith("@b"))
            if holds:
                expected = one.verdict, index
        decision = decide(settings, applicant)
        assert (decision.verdict, decision.rule) == expected


def test_counts_follow_their_rules_over_a_change() -> None:
    first, second = FilterRule(DENY, interface="eth0"), FilterRule(ALLOW, interface="eth1")
    counted = Filters(filters(first, second))
    for interface in ("eth0", "eth1", "eth1", "eth2"):
        counted.denies(Applicant(interface))
    assert [count for _, _, count in counted] == [1, 2, 1]
    counted.reconfigure(filters(second, FilterRule(DENY), default=DENY))
    assert [(decision.by, count) for decision, _, count in counted] == [
        ("filters[0]", 2), ("filters[1]", 0), ("filter_default", 1)
    ]  # fmt: skip


# ---- the home agent


def test_the_home_agent_denies_with_129_and_names_the_rule() -> None:
    agent = home(filters=filters(FilterRule(DENY, care_of_address=only("198.51.100.0/24"))))
    actions = ask(agent, request(0), 0)
    assert (sent_reply(actions).code, reasons(actions)) == (129, [Reason.HA_FILTERED])
    assert note(actions, Reason.HA_FILTERED).fields["rule"] == "filters[0]"
    assert list(agent.bindings) == []


def test_a_stranger_learns_nothing_of_the_filters() -> None:
    """Who cannot authenticate, or repeats what was said, hears the same with a filter and without."""
    rule = FilterRule(DENY)
    for settings in (filters(), filters(rule)):
        agent = home(filters=settings)
        forged = ask(agent, request(0, association=WRONG_ASSOCIATION), 0)
        stale = ask(agent, request(0, identification=stamp(-3600)), 1)
        assert [sent_reply(actions).code for actions in (forged, stale)] == [131, 133]
        assert sum(count for _, _, count in agent.filters) == 0


def test_what_is_given_up_is_not_refused() -> None:
    agent = home()
    ask(agent, request(0), 0)
    agent.reconfigure(replace(agent.settings, filters=filters(default=DENY)))
    assert [one.care_of_address for one in agent.bindings] == [CARE_OF]  # it lives by what it was granted
    assert sent_reply(ask(agent, request(1), 1)).code == 129
    assert sent_reply(ask(agent, request(2, lifetime=0), 2)).code == 0
    assert list(agent.bindings) == []


@pytest.mark.parametrize(
    ("flags", "source", "denied"),
    [
        (RequestFlags(reverse_tunnel=True), CARE_OF, True),
        (RequestFlags(decapsulation_by_mn=True), CARE_OF, False),  # co-located: the node itself
        (RequestFlags(decapsulation_by_mn=True), OTHER_CARE_OF, True),  # through an agent all the same
    ],
)
def test_whether_a_foreign_agent_relayed_it(flags: RequestFlags, source: IPv4Address, denied: bool) -> None:
    agent = virtual(filters=filters(FilterRule(DENY, foreign_agent=only("198.51.100.0/24"))))
    actions = agent.handle(datagram(request(0, flags=flags), source=source), visited.at(0))
    assert (sent_reply(actions).code == 129) is denied


def test_a_name_counts_that_the_node_is_known_by_and_no_other() -> None:
    """A node known by its address can write any name into its request."""
    rules = filters(FilterRule(ALLOW, nai="*@example.net"), default=DENY)
    by_address = home(filters=rules)
    assert sent_reply(ask(by_address, request(0, before=(ALICE,)), 0)).code == 129
    by_name = home(
        filters=rules,
        associations=AssociationTable([(HOME, ASSOCIATION), (ALICE.nai, ASSOCIATION)]),
        addresses={ALICE.nai: HOME},
    )
    assert sent_reply(ask(by_name, request(0, before=(ALICE,)), 0)).code == 1


def test_a_plain_renewal_does_not_slip_past_a_rule_that_was_added() -> None:
    agents = virtual()
    assert agents.home is not None
    for time in (0, 1, 2):
        assert sent_reply(ask_virtual(agents, time)).code == 1
    agents.home.reconfigure(
        replace(agents.home.settings, filters=filters(FilterRule(DENY, home_address=only(HOME))))
    )
    assert sent_reply(ask_virtual(agents, 3)).code == 129


def test_nor_past_one_that_asks_where_it_comes_in() -> None:
    agents = virtual(filters=filters(FilterRule(DENY, interface="eth1")))
    for time, interface, code in ((0, "eth0", 1), (1, "eth0", 1), (2, "eth1", 129), (3, "eth0", 1)):
        event = datagram(request(time), interface=interface)
        assert sent_reply(agents.handle(event, visited.at(time))).code == code


# ---- the foreign agent


def foreign(*rules: FilterRule, default: Verdict = ALLOW) -> ForeignAgent:
    return ForeignAgent(replace(visited.SETTINGS, filters=filters(*rules, default=default)))


@pytest.mark.parametrize(
    "rule",
    [
        {"home_address": only(HOME)},
        {"home_agent": only(HOME_AGENT)},
        {"care_of_address": only(CARE_OF)},
        {"interface": "eth1"},
        {"nai": "*@example.net"},
    ],
)
def test_the_foreign_agent_denies_with_65_and_relays_nothing(rule: dict[str, Any]) -> None:
    agent = foreign(FilterRule(DENY, **rule))
    actions = visited.ask(agent, request(0, before=(ALICE,)))
    assert (sent_reply(actions).code, reasons(actions)) == (65, [Reason.FA_FILTERED])
    assert note(actions, Reason.FA_FILTERED).fields["rule"] == "filters[0]"
    assert list(agent.visitors.pending) == []


def test_an_address_that_the_home_agent_gives_is_asked_about_when_it_is_known() -> None:
    agent = foreign(FilterRule(DENY, home_address=only(HOME)))
    asked = request(0, home_address=ZERO, before=(ALICE,))
    assert reasons(visited.ask(agent, asked)) == [Reason.REQUEST_RELAYED]
    given = replace_home(reply(to=asked), HOME)
    actions = visited.hear(agent, given)
    assert reasons(actions) == [Reason.FA_FILTERED]
    error = sent_reply(actions).first(ForeignAgentError)
    assert error is not None and error.status == 65
    assert list(agent.visitors.visitors) == []


def replace_home(payload: bytes, address: IPv4Address) -> bytes:
    """With a home address in it and the name behind: only the foreign agent reads it, who has no key."""
    return payload[:4] + address.packed + payload[8:20] + ALICE.encode() + payload[20:]


def test_a_visitor_may_leave_and_others_may_not_use_that() -> None:
    agent = visited.admitted()
    agent.reconfigure(replace(visited.SETTINGS, filters=filters(default=DENY)))
    assert reasons(visited.ask(agent, request(1), 1)) == [Reason.FA_FILTERED]
    assert reasons(visited.ask(agent, request(2, lifetime=0), 2)) == [Reason.REQUEST_RELAYED]
    stranger = request(3, lifetime=0, home_address=HOME + 1)
    assert reasons(visited.ask(agent, stranger, 3)) == [Reason.FA_FILTERED]


def test_without_filters_nothing_is_counted() -> None:
    agent: HomeAgent = home()
    ask(agent, request(0), 0)
    assert [(decision.by, count) for decision, _, count in agent.filters] == [("filter_default", 0)]
