"""The pool of home addresses."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Network

from mobileip.control.core.pool import QUARANTINE, AddressPool

FIRST = IPv4Address("192.0.2.128")


def pool(
    *networks: str, reserved: frozenset[int] = frozenset(), told: list[IPv4Address] | None = None
) -> AddressPool:
    told = [] if told is None else told
    return AddressPool(map(IPv4Network, networks), reserved, lambda address: False, told.append)


def test_empty_pool_is_false_and_gives_nothing() -> None:
    assert not pool() and pool("192.0.2.128/32")
    assert pool().lease("a", 0) is None
    assert not pool().claim("a", FIRST, 0)


def test_several_ranges_one_after_the_other() -> None:
    two = pool("192.0.2.128/31", "192.0.2.8/32", reserved=frozenset({int(FIRST)}))
    assert [two.lease(name, 0) for name in "abc"] == [FIRST + 1, IPv4Address("192.0.2.8"), None]


def test_longest_idle_address_is_taken_over_first_and_its_state_forgotten() -> None:
    told: list[IPv4Address] = []
    addresses = pool("192.0.2.128/31", told=told)
    for name in "ab":
        address = addresses.lease(name, 0)
        assert address is not None
        addresses.bind(address)
    addresses.release(FIRST + 1, 10)
    addresses.release(FIRST, 20)
    assert told == [FIRST, FIRST + 1]
    assert addresses.lease("c", 9 + QUARANTINE) is None
    assert addresses.lease("c", 10 + QUARANTINE) == FIRST + 1
    assert told[2:] == [FIRST + 1]
    assert (addresses.holder(FIRST), addresses.holder(FIRST + 1)) == ("a", "c")
    assert addresses.lease("a", 30) == FIRST and told[3:] == []
    assert addresses.lease("b", 30) is None


def test_bound_address_is_never_taken_over() -> None:
    addresses = pool("192.0.2.128/32")
    addresses.lease("a", 0)
    addresses.bind(FIRST)
    assert addresses.lease("b", 10**18) is None
    assert not addresses.claim("b", FIRST, 10**18)


def test_claim_moves_an_idle_lease_but_no_bound_one() -> None:
    addresses = pool("192.0.2.128/30")
    assert addresses.claim("a", FIRST + 2, 0)
    assert addresses.claim("a", FIRST + 1, 0)
    assert addresses.holder(FIRST + 2) is None
    addresses.bind(FIRST + 1)
    assert not addresses.claim("a", FIRST + 3, 0)
    assert addresses.claim("a", FIRST + 1, 0)
    assert [addresses.lease(name, 0) for name in "bcd"] == [FIRST, FIRST + 2, FIRST + 3]


def test_release_of_what_is_not_from_the_pool_is_nothing() -> None:
    addresses = pool("192.0.2.128/32")
    addresses.bind(IPv4Address("192.0.2.5"))
    addresses.release(IPv4Address("192.0.2.5"), 0)
    assert addresses.holder(IPv4Address("192.0.2.5")) is None


def test_no_address_has_two_holders_whatever_happens() -> None:
    """Against a plain model: who is bound stays, nobody is given an address that another is bound with."""
    rng = random.Random(2794)
    addresses = pool("192.0.2.128/29")
    bound: dict[IPv4Address, str] = {}
    now = 0
    for _ in range(5000):
        now += rng.randrange(QUARANTINE // 4)
        name = f"n{rng.randrange(14)}"
        address: IPv4Address | None
        if rng.random() < 0.2:
            address = FIRST + rng.randrange(10)
            address = address if addresses.claim(name, address, now) else None
        else:
            address = addresses.lease(name, now)
        if address is not None:
            assert address in IPv4Network("192.0.2.128/29")
            assert bound.get(address, name) == name
            assert addresses.holder(address) == name
            if rng.random() < 0.7:
                addresses.bind(address)
                bound[address] = name
        elif len(bound) < 8:
            assert name not in bound.values() or address is None
        for given, holder in list(bound.items()):
            assert addresses.holder(given) == holder
            if rng.random() < 0.15:
                addresses.release(given, now)
                del bound[given]
