"""The visitor list beside a naive twin: the same entries, shares and deadlines after any history."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

from mobileip.control.core.visitors import PendingKey, PendingRegistration, Visitor, VisitorList
from mobileip.control.types import Endpoint, Identification, Lifetime
from tests.unit.core.factory import AGENT, CARE_OF, HOME, HOME_AGENT, at, mono

ZERO = IPv4Address("0.0.0.0")
LINKS = [b"\x02\x00\x00\x00\x00" + bytes((number,)) for number in range(3)]
NAMES = [None, "alice@example.net", "bob@example.net"]


def visitor(rng: Random, time: int) -> Visitor:
    return Visitor(
        home_address=HOME + rng.randrange(4),
        home_agent=HOME_AGENT + rng.randrange(2),
        interface="eth1",
        link_address=rng.choice(LINKS),
        lifetime=Lifetime(rng.choice((1, 5, 20, 0xFFFF))),
        registered=at(time),
        reverse_tunnel=True,
        co_located=False,
        care_of_address=CARE_OF,
    )


def pending(rng: Random, time: int) -> PendingRegistration:
    home = rng.choice((HOME, HOME + 1, ZERO))
    name = rng.choice(NAMES[1:] if home == ZERO else NAMES)
    return PendingRegistration(
        home_address=home,
        home_agent=HOME_AGENT + rng.randrange(2),
        identification=Identification(time, rng.randrange(3)),
        lifetime=Lifetime(100),
        reverse_tunnel=True,
        co_located=False,
        interface="eth1",
        link_address=rng.choice(LINKS),
        source=Endpoint(home, 434),
        destination=AGENT,
        expires=mono(time + rng.randrange(1, 8)),
        care_of_address=CARE_OF,
        nai=name,
    )


class Twin:
    """Lists, searched from the front."""

    def __init__(self) -> None:
        self.visitors: list[Visitor] = []
        self.pending: list[PendingRegistration] = []
        self.latest: dict[tuple[object, ...], PendingKey] = {}

    def match(
        self, agent: IPv4Address, low: int, home: IPv4Address, nai: str | None
    ) -> set[PendingRegistration]:
        """Those that may be given: of the address if there are any, else of the nodes without one."""
        waiting = {
            one
            for one in self.pending
            if (one.home_agent, one.identification.low) == (agent, low)
            and (nai is None or one.nai in (None, nai))
        }
        exact = {one for one in waiting if one.home_address == home}
        return exact or {one for one in waiting if one.home_address == ZERO}

    def was_latest(self, one: PendingRegistration) -> bool:
        """Of all that this node asked; forgotten when it is told, so that nothing else becomes the latest."""
        if self.latest.get(one.asker) != one.key:
            return False
        del self.latest[one.asker]
        return True


def agree(real: VisitorList, twin: Twin) -> None:
    assert {one.key: one for one in real.visitors} == {one.key: one for one in twin.visitors}
    for home in {HOME + number for number in range(4)}:
        ours = [one for one in twin.visitors if one.home_address == home]
        assert real.of(home) == ours
        assert all(real.get(home, one.home_agent) == one for one in ours)
    assert {one.key: one for one in real.pending} == {one.key: one for one in twin.pending}
    assert (real.visitor_count(), real.pending_count()) == (len(twin.visitors), len(twin.pending))
    for link in LINKS:
        assert real.visitors_of(link) == sum(one.link_address == link for one in twin.visitors)
        assert real.pending_of(link) == sum(one.link_address == link for one in twin.pending)
    ends = [one.expires for one in twin.visitors if one.expires is not None]
    assert real.next_deadline() == min(ends + [one.expires for one in twin.pending], default=None)


def test_any_history_gives_what_lists_give(rng: Random) -> None:
    real, twin = VisitorList(), Twin()
    for time in range(1500):
        match rng.randrange(5):
            case 0:
                one = visitor(rng, time)
                real.put(one)
                twin.visitors = [o for o in twin.visitors if o.key != one.key] + [one]
            case 1:
                key = HOME + rng.randrange(4), HOME_AGENT + rng.randrange(2)
                gone = [o for o in twin.visitors if o.key == key]
                assert real.pop(key) == (gone[0] if gone else None)
                twin.visitors = [o for o in twin.visitors if o.key != key]
            case 2:
                new = pending(rng, time)
                real.add_pending(new)
                twin.pending = [o for o in twin.pending if o.key != new.key] + [new]
                twin.latest[new.asker] = new.key
            case 3:
                asked = (
                    HOME_AGENT + rng.randrange(2),
                    rng.randrange(3),
                    HOME + rng.randrange(2),
                    rng.choice(NAMES),
                )
                found, allowed = real.match(*asked), twin.match(*asked)
                assert (found in allowed) if allowed else found is None
                if found is not None:
                    assert real.remove_pending(replace(found, expires=0)) is twin.was_latest(
                        found
                    )  # by its key
                    twin.pending = [o for o in twin.pending if o.key != found.key]
            case _:
                now = mono(time)
                late = {o.key for o in twin.pending if o.expires <= now}
                told = {o.key for o in twin.pending if o.expires <= now and twin.was_latest(o)}
                over = {o.key for o in twin.visitors if o.expires is not None and o.expires <= now}
                assert {o.key for o in real.time_out(now)} == told
                assert {o.key for o in real.expire(now)} == over
                twin.pending = [o for o in twin.pending if o.key not in late]
                twin.visitors = [o for o in twin.visitors if o.key not in over]
        agree(real, twin)


def test_senders_that_have_nothing_left_take_no_room() -> None:
    """Link-layer addresses can be made up without end."""
    rng, real = Random(1), VisitorList()
    for number in range(100):
        link = number.to_bytes(6)
        real.add_pending(replace(pending(rng, number), link_address=link))
        real.put(replace(visitor(rng, number), link_address=link))
    assert list(real.time_out(mono(10_000))) and list(real.expire(mono(10**9)))
    for forever in real.visitors:
        real.pop(forever.key)
    assert not real._latest
    assert not real._pending_of and not real._visitors_of and not real._awaited and not real._agents_of
