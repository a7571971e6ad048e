"""Deadlines and token buckets against naive twins; links; lifetimes."""

from __future__ import annotations

from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileip.control.core.deadlines import Deadlines
from mobileip.control.core.discovery import AgentNews, AgentTable, KnownAgent, Link, is_home_agent
from mobileip.control.core.limits import TokenBucket
from mobileip.control.core.policy import cap_lifetime
from mobileip.control.types import Lifetime, seconds
from mobileip.control.wire import AgentAdvertisement, parse_icmp
from tests.unit.core.factory import AGENT, AGENT_MAC, HOME_AGENT, HOME_NETWORK, advertisement, mono

# ---- deadlines

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 5), st.integers(0, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("due"), st.just(0), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(STEPS)
def test_deadlines_are_a_dictionary_looked_through_each_time(steps: list[tuple[str, int, int]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    twin: dict[int, int] = {}
    for what, key, mono_ in steps:
        match what:
            case "set":
                deadlines.set(key, mono_)
                twin[key] = mono_
            case "cancel":
                deadlines.cancel(key)
                twin.pop(key, None)
            case _:
                due = list(deadlines.due(mono_))
                assert sorted(due) == sorted(key for key, when in twin.items() if when <= mono_)
                assert [twin[key] for key in due] == sorted(twin[key] for key in due)
                for key in due:
                    del twin[key]
        assert deadlines.next() == min(twin.values(), default=None)
        assert len(deadlines) == len(twin)
        assert all(
            deadlines.get(key) == twin.get(key) and (key in deadlines) == (key in twin) for key in range(6)
        )


def test_key_set_again_while_it_is_handled_fires_again() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1)
    seen = []
    for key in deadlines.due(10):
        seen.append(key)
        if len(seen) < 4:
            deadlines.set(key, 10)
    assert seen == ["a"] * 4 and deadlines.next() is None


def test_ties_fire_in_the_order_they_were_set() -> None:
    deadlines: Deadlines[object] = Deadlines()
    keys = [object() for _ in range(5)]
    for key in keys:
        deadlines.set(key, 7)
    assert list(deadlines.due(7)) == keys


def test_renewing_for_ever_does_not_grow_the_heap() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for mono_ in range(100_000):
        deadlines.set(mono_ % 10, mono_)
    assert len(deadlines._heap) <= 64 + 2 * 10
    assert sorted(deadlines.due(100_000)) == list(range(10))


# ---- token buckets


class SlowBucket:
    """Counts tokens, exactly."""

    def __init__(self, rate: int, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.tokens = Fraction(burst)
        self.last = 0

    def take(self, now: int) -> bool:
        self.tokens = min(Fraction(self.burst), self.tokens + Fraction((now - self.last) * self.rate, 10**9))
        self.last = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@pytest.mark.parametrize(("rate", "burst"), [(1, 1), (1, 3), (50, 20), (1000, 1)])
def test_token_bucket(rng: Random, rate: int, burst: int) -> None:
    bucket, twin = TokenBucket(float(rate), burst), SlowBucket(rate, burst)
    now = 0
    for _ in range(3000):
        now += round(rng.choice((0.0, 0.3, 1.0, 2.0)) * 10**9 / rate)
        assert bucket.take(now) == twin.take(now)
    now += seconds(3600)
    assert [bucket.take(now) for _ in range(burst + 1)] == [True] * burst + [False]


# ---- links

OLD = IPv4Interface("203.0.113.5/24")
NEW = IPv4Interface("203.0.113.6/24")


def test_link_comes_up_with_what_the_last_one_left() -> None:
    link = Link("eth0")
    assert link.change(True, (OLD,), None, 5) is True
    assert (link.came_up, link.fresh) == (5, frozenset())
    assert link.change(True, (OLD, NEW), AGENT, 7) is False
    assert (link.came_up, link.fresh, link.gateway) == (5, {NEW}, AGENT)
    assert link.change(True, (OLD,), AGENT, 8) is False
    assert link.fresh == frozenset()


def test_link_forgets_its_agents_when_it_goes_and_when_it_comes() -> None:
    link = Link("eth0")
    link.change(True, (), None, 0)
    for up in (False, True):
        link.agents[AGENT] = known()
        link.change(up, (), None, 1)
        assert link.agents == {}
    link.agents[AGENT] = known()
    link.change(True, (NEW,), None, 2)
    assert AGENT in link.agents


def test_address_set_while_the_link_was_down_is_no_address_of_the_new_link() -> None:
    link = Link("eth0")
    link.change(False, (OLD,), None, 0)
    link.change(True, (OLD,), None, 1)
    assert link.fresh == frozenset()


# ---- agents heard


def message(**kwargs: object) -> AgentAdvertisement:
    parsed = parse_icmp(advertisement(**kwargs).payload)  # type: ignore[arg-type]
    assert isinstance(parsed, AgentAdvertisement)
    return parsed


def known(source: IPv4Address = AGENT, **kwargs: object) -> KnownAgent:
    return KnownAgent(source, AGENT_MAC, message(**kwargs), 0)


@pytest.mark.rfc("5944", "2.4.2.1", 1, 2)
def test_agent_is_believed_for_its_lifetime() -> None:
    table = AgentTable(("eth0",), lambda size: bytes(size))
    link = table.link("eth0")
    assert link is not None
    assert table.hear(link, AGENT, AGENT_MAC, message(lifetime=3), mono(0)) is AgentNews.NEW
    assert table.next_deadline() == mono(3)
    assert table.hear(link, AGENT, AGENT_MAC, message(sequence=1, lifetime=3), mono(2)) is AgentNews.REFRESHED
    assert list(table.lose(mono(4.9))) == []
    assert [agent.address for _, agent in table.lose(mono(5))] == [AGENT]
    assert link.agents == {} and table.next_deadline() is None


def test_made_up_agents_take_only_so_much_room_and_each_others_place() -> None:
    """Each advertisement has all agents of a link looked at: they are not to become ever more."""
    table = AgentTable(("eth0",), lambda size: bytes(size))
    link = table.link("eth0")
    assert link is not None
    made_up = [IPv4Address(0x0A00_0000 + number) for number in range(1000)]
    table.hear(link, AGENT, AGENT_MAC, message(lifetime=30), mono(0))
    for time, address in enumerate(made_up, 1):
        table.hear(link, address, AGENT_MAC, message(lifetime=9000), mono(time / 100))
    assert AGENT in link.agents and len(link.agents) == 64
    assert made_up[-1] in link.agents and made_up[500] not in link.agents
    assert [agent.address for _, agent in table.lose(mono(100))] == [AGENT]


@pytest.mark.rfc("5944", "2.4", 2)
@pytest.mark.rfc("1256", "5.3", 9)
def test_advertisement_ends_soliciting() -> None:
    table = AgentTable(("eth0",), lambda size: bytes(size))
    link = table.link("eth0")
    assert link is not None
    link.up = True
    table.solicit_now(link, mono(0))
    assert table.is_soliciting(link)
    table.hear(link, AGENT, AGENT_MAC, message(), mono(0))
    assert not table.is_soliciting(link)
    assert list(table.solicitations(mono(100))) == []


@pytest.mark.parametrize(
    ("source", "home", "routers", "expected"),
    [
        ("192.0.2.1", True, (), True),
        ("192.0.2.1", False, (), False),
        ("192.0.2.77", True, (), True),
        ("203.0.113.1", True, (), False),
        ("203.0.113.1", True, ("192.0.2.1",), True),
        ("203.0.113.1", True, ("203.0.113.1",), False),
    ],
)
def test_home_is_where_our_home_agent_is(
    source: str, home: bool, routers: tuple[str, ...], expected: bool
) -> None:
    agent = known(IPv4Address(source), home=home, routers=tuple(map(IPv4Address, routers)))
    assert is_home_agent(agent, HOME_AGENT, HOME_NETWORK) is expected


def test_home_agent_on_a_link_of_another_network_is_no_sign_of_home() -> None:
    """It may have several home links, and virtual home networks without any."""
    agent = known(HOME_AGENT, home=True, routers=(HOME_AGENT,))
    assert not is_home_agent(agent, HOME_AGENT, IPv4Network("198.51.100.0/24"))


def test_node_that_knows_no_prefix_goes_by_the_home_agents_address() -> None:
    agent = known(HOME_AGENT, home=True)
    assert is_home_agent(agent, HOME_AGENT, IPv4Network("198.51.100.7/32"))


# ---- lifetimes


@pytest.mark.parametrize(("asked", "most", "granted"), [(5, 9, 5), (9, 5, 5), (0xFFFF, 9, 9), (9, 0xFFFF, 9)])
def test_lifetime_cap(asked: int, most: int, granted: int) -> None:
    assert cap_lifetime(Lifetime(asked), Lifetime(most)) == granted
