"""The home agent: by what nodes are asked for, of which association, and who is asked before the configuration."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from mobileip.control.core.actions import LookupKey
from mobileip.control.core.home import HomeNetwork
from mobileip.control.core.keyring import AskedBy
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable
from mobileip.control.types import Spi
from tests.unit.core.asking import ALICE, ELSEWHERE, KEYS, NEW, REREAD, Asking
from tests.unit.core.factory import (
    ASSOCIATION,
    HOME,
    HOME_NETWORK,
    OTHER_CARE_OF,
    WRONG_ASSOCIATION,
    is_signed,
    kinds,
    only,
    reasons,
    sent_reply,
)
from tests.unit.core.homes import POOL

# ---- sources that give the one association that they are asked for


def test_a_source_is_told_which_association_is_needed() -> None:
    assert only(Asking().ask(association=NEW), LookupKey).spi == NEW.spi


def test_what_a_source_tells_of_one_spi_leaves_the_others() -> None:
    agent = Asking().known()
    agent.ask(REREAD, association=NEW)
    assert is_signed(sent_reply(agent.found(NEW, time=REREAD, lifetime=1000, spi=NEW.spi)), NEW)
    assert sent_reply(agent.ask(REREAD + 1)).code == 1, "a stranger could have asked for the other"
    agent.pass_time(100)  # but not for longer than it would have been good without
    assert kinds(agent.ask(100)) == ["LookupKey"]


def test_an_answer_about_all_takes_the_others_away() -> None:
    agent = Asking().known()
    agent.ask(REREAD, association=NEW)
    assert is_signed(sent_reply(agent.found(NEW, time=REREAD)), NEW)
    assert reasons(agent.ask(REREAD + 1)) == [Reason.UNKNOWN_ASSOCIATION]


def test_what_one_source_said_is_not_kept_beside_what_another_says() -> None:
    agent = Asking().known()
    agent.ask(REREAD, association=NEW)
    agent.found(NEW, time=REREAD, spi=NEW.spi, source="other")
    assert [known.associations for _, known, _ in agent.home.keys.learned()] == [(NEW,)]


@pytest.mark.parametrize("stale", [False, True])
def test_a_stranger_who_guesses_an_spi_costs_the_node_nothing(stale: bool) -> None:
    agent = Asking().known()
    time = 100.0 if stale else REREAD
    agent.pass_time(time)
    assert kinds(agent.ask(time, association=NEW, source=OTHER_CARE_OF)) == ["LookupKey"]
    denied = agent.unknown(time, spi=NEW.spi)
    assert reasons(denied) == [Reason.KEYS_UNKNOWN, Reason.UNKNOWN_ASSOCIATION]
    # He is not asked for again, neither by the short way nor by the long one.
    for after in ((), (ALICE,)):
        again = agent.ask(time + 1, association=NEW, after=after, source=OTHER_CARE_OF)
        assert reasons(again) == [Reason.UNKNOWN_ASSOCIATION]
    actions = agent.ask(time + 2)
    if stale:
        assert kinds(actions) == ["LookupKey"]
        actions = agent.found(time=time + 2)
    assert sent_reply(actions).code == 1


def test_nor_one_who_guesses_it_before_the_node_comes() -> None:
    agent = Asking()
    agent.ask(association=NEW)
    agent.unknown(spi=NEW.spi)
    assert kinds(agent.ask(1)) == ["LookupKey"]


def test_an_association_that_is_denied_is_void_and_with_the_last_one_the_peer() -> None:
    agent = Asking()
    agent.ask()
    agent.found(ASSOCIATION, NEW)
    agent.ask(REREAD, association=WRONG_ASSOCIATION)
    agent.unknown(REREAD, spi=ASSOCIATION.spi)
    assert [known.associations for _, known, _ in agent.home.keys.learned()] == [(NEW,)]
    agent.pass_time(100)
    agent.ask(100, association=NEW)
    agent.unknown(100, spi=NEW.spi)
    assert list(agent.home.keys.learned()) == []


# ---- the configuration behind other sources


def test_a_configured_node_is_asked_for_where_the_configuration_is_not_first() -> None:
    behind = replace(KEYS, configured_first=False)
    agent = Asking(behind, networks=(HomeNetwork(HOME_NETWORK, None),))
    assert only(agent.ask(home_address=HOME), LookupKey).peer == HOME
    assert is_signed(sent_reply(agent.found(NEW, ASSOCIATION, peer=HOME, source="config")), ASSOCIATION)
    assert "_Renewed" in repr(agent.ask(1, home_address=HOME)) and "_Renewed" in repr(
        agent.ask(2, home_address=HOME)
    ), "its renewals go the short way all the same"
    agent.home.reconfigure(replace(agent.home.settings, keys=KEYS))
    assert sent_reply(agent.ask(3, home_address=HOME)).code == 1
    assert list(agent.home.keys.learned()) == [], "first again"


def test_a_lenient_association_is_so_from_a_source_too() -> None:
    agent = Asking()
    agent.ask(association=replace(ASSOCIATION, spi=Spi(4711)))
    answer = sent_reply(agent.found(replace(ASSOCIATION, any_spi=True)))
    assert answer.code == 1 and is_signed(answer, replace(ASSOCIATION, spi=Spi(4711)))


# ---- by what a node is asked for


def by(what: AskedBy, **changes: Any) -> Asking:
    return Asking(
        replace(KEYS, asked_by=what), networks=(HomeNetwork(HOME_NETWORK, "home0", POOL),), **changes
    )


@pytest.mark.parametrize(
    ("what", "home_address", "named", "peer"),
    [
        (AskedBy.AUTO, ELSEWHERE, True, ELSEWHERE),
        (AskedBy.AUTO, POOL[1], True, "alice@example.net"),
        (AskedBy.NAI, ELSEWHERE, True, "alice@example.net"),
        (AskedBy.NAI, ELSEWHERE, False, ELSEWHERE),
        (AskedBy.NAI, POOL[1], False, None),
        (AskedBy.HOME_ADDRESS, ELSEWHERE, True, ELSEWHERE),
        (AskedBy.HOME_ADDRESS, POOL[1], True, POOL[1]),
        (AskedBy.HOME_ADDRESS, IPv4Address(0), True, "alice@example.net"),
        (AskedBy.HOME_ADDRESS, IPv4Address("192.0.3.20"), True, "alice@example.net"),
    ],
)
def test_a_node_is_asked_for_by(
    what: AskedBy, home_address: IPv4Address, named: bool, peer: IPv4Address | str | None
) -> None:
    asking = by(what).ask(home_address=home_address, before=(ALICE,) if named else ())
    assert [one.peer for one in asking if isinstance(one, LookupKey)] == ([] if peer is None else [peer])


def test_an_address_that_is_lent_to_a_name_is_never_asked_for() -> None:
    agent = by(AskedBy.HOME_ADDRESS)
    agent.ask(home_address=IPv4Address(0), before=(ALICE,))
    lent = sent_reply(agent.found(peer="alice@example.net")).home_address
    agent.pass_time(100)
    assert only(agent.ask(100, home_address=lent), LookupKey).peer == "alice@example.net"


def named(agent: Asking, given: IPv4Address | None, asked: IPv4Address) -> int:
    """The code that Alice hears when a source has ``given`` her an address."""
    agent.ask(home_address=asked, before=(ALICE,))
    return int(sent_reply(agent.found(peer="alice@example.net", home_address=given)).code)


@pytest.mark.parametrize(
    ("given", "asked", "code"),
    [
        (ELSEWHERE, ELSEWHERE, 1),
        (ELSEWHERE, IPv4Address(0), 1),
        (ELSEWHERE, IPv4Address("192.0.2.21"), 129),
        (None, ELSEWHERE, 129),  # whoever has a key could take any address
        (POOL[1], POOL[1], 1),
        (HOME, HOME, 129),  # configured: another node
        (HOME, IPv4Address(0), 129),
        (IPv4Address("198.51.100.200"), IPv4Address(0), 129),  # of no home network
    ],
)
def test_a_name_has_the_address_that_its_source_gives_it(
    given: IPv4Address | None, asked: IPv4Address, code: int
) -> None:
    agent = by(AskedBy.NAI, associations=AssociationTable([(HOME, NEW)]))
    assert named(agent, given, asked) == code


def test_who_goes_before_the_configuration_may_give_its_addresses() -> None:
    agent = by(AskedBy.NAI, associations=AssociationTable([(HOME, NEW)]))
    behind = replace(KEYS, asked_by=AskedBy.NAI, configured_first=False)
    agent.home.reconfigure(replace(agent.home.settings, keys=behind))
    assert named(agent, HOME, HOME) == 1
