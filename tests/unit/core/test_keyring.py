"""The home agent: associations that are kept elsewhere, and what strangers can make of asking for them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import Action, LookupKey
from mobileip.control.core.home import HomeNetwork
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable
from mobileip.control.wire import NetworkAccessIdentifier
from tests.unit.core.asking import ALICE, AWAY, ELSEWHERE, KEYS, NEW, REREAD, Asking, sender, strangers
from tests.unit.core.factory import (
    ASSOCIATION,
    HOME,
    HOME_NETWORK,
    OTHER_CARE_OF,
    WRONG_ASSOCIATION,
    is_signed,
    kinds,
    note,
    only,
    reasons,
    request,
    sent_reply,
)
from tests.unit.core.homes import POOL


def test_request_waits_for_its_key_and_is_answered_then() -> None:
    agent = Asking()
    asking = agent.ask()
    assert only(asking, LookupKey).peer == ELSEWHERE and reasons(asking) == []
    actions = agent.found(time=1)
    answer = sent_reply(actions)
    assert answer.code == 1 and answer.home_address == ELSEWHERE and is_signed(answer)
    assert reasons(actions) == [Reason.KEYS_FOUND, Reason.REGISTERED_NO_SIMULTANEOUS]
    assert note(actions, Reason.KEYS_FOUND).fields == {"peer": ELSEWHERE, "source": "radius", "spi": "1000"}


def test_known_key_is_used_without_asking_also_by_the_short_way() -> None:
    agent = Asking(networks=(HomeNetwork(HOME_NETWORK, None),)).known()
    for time in range(1, 4):
        assert kinds(agent.ask(time)) == ["SendDatagram"] and "_Renewed" in repr(agent.ask(time + 0.5))


def test_configured_nodes_are_never_asked_for() -> None:
    agent = Asking()
    assert reasons(agent.ask(home_address=HOME)) == [Reason.REGISTERED_NO_SIMULTANEOUS]
    assert reasons(agent.ask(1, home_address=HOME, association=NEW)) == [Reason.UNKNOWN_ASSOCIATION]
    denied = agent.ask(2, home_address=HOME, association=WRONG_ASSOCIATION)
    assert reasons(denied) == [Reason.MN_FAILED_AUTHENTICATION]


def test_without_sources_nobody_is_asked() -> None:
    agent = Asking(None)
    assert reasons(agent.ask()) == [Reason.UNKNOWN_ASSOCIATION]
    assert reasons(agent.ask(1, home_address=HOME)) == [Reason.REGISTERED_NO_SIMULTANEOUS]


def test_only_addresses_that_can_be_a_nodes_are_asked_for() -> None:
    agent = Asking(networks=(HomeNetwork(HOME_NETWORK, "home0", POOL),))
    for nobody in ("192.0.3.20", "192.0.2.0", "192.0.2.255", str(POOL[1])):
        assert reasons(agent.ask(home_address=IPv4Address(nobody))) == [Reason.UNKNOWN_ASSOCIATION]


@pytest.mark.parametrize("home_address", [IPv4Address(0), POOL[1]])
def test_a_node_without_an_address_of_its_own_is_asked_for_by_its_name(home_address: IPv4Address) -> None:
    agent = Asking(networks=(HomeNetwork(HOME_NETWORK, "home0", POOL),))
    asking = agent.ask(home_address=home_address, before=(ALICE,))
    assert only(asking, LookupKey).peer == "alice@example.net"
    given = sent_reply(agent.found(peer="alice@example.net"))
    assert given.code == 1 and given.home_address in POOL
    # Once it has an address it may leave its name out (RFC 2794 s2).
    assert sent_reply(agent.ask(1, home_address=given.home_address)).code == 1


def test_one_question_at_a_time_and_the_latest_request_is_answered() -> None:
    agent = Asking()
    assert kinds(agent.ask(0)) == ["LookupKey"]
    assert agent.ask(1, care_of=OTHER_CARE_OF) == []
    answer = sent_reply(agent.found(time=2))
    assert answer.code == 1
    assert [one.care_of_address for one in agent.home.bindings] == [OTHER_CARE_OF]


def test_others_go_on_while_one_waits() -> None:
    agent = Asking()
    agent.ask()
    assert sent_reply(agent.ask(1, home_address=HOME)).code == 1
    other = IPv4Address("192.0.2.21")
    assert kinds(agent.ask(2, home_address=other)) == ["LookupKey"]
    assert sent_reply(agent.found(time=3, peer=other)).home_address == other


def test_a_timestamp_is_as_old_as_when_the_request_came() -> None:
    agent = Asking()
    agent.ask(0)
    assert sent_reply(agent.found(time=30)).code == 1  # though 7 s is the tolerance
    late = Asking()
    late.hear(request(0, home_address=ELSEWHERE), 8)
    assert sent_reply(late.found(time=9)).code == 133


def test_a_replay_that_waits_is_one() -> None:
    agent = Asking().known()
    payload = request(101, home_address=ELSEWHERE)
    agent.pass_time(101)
    assert kinds(agent.hear(payload, 101)) == ["LookupKey"]
    assert sent_reply(agent.found(time=101)).code == 1
    assert sent_reply(agent.hear(payload, 102)).code == 133


# ---- what is unknown


def test_unknown_peers_are_discarded_and_not_asked_for_again_for_a_while() -> None:
    agent = Asking()
    agent.ask()
    assert reasons(agent.unknown()) == [Reason.KEYS_UNKNOWN, Reason.UNKNOWN_ASSOCIATION]
    for after in ((), (ALICE,)):  # the short way and the long one
        again = agent.ask(49, after=after)
        assert reasons(again) == [Reason.UNKNOWN_ASSOCIATION] and kinds(again) == []
        assert note(again, Reason.UNKNOWN_ASSOCIATION).fields["home_address"] == ELSEWHERE
    assert kinds(agent.ask(51)) == ["LookupKey"]


def test_a_peer_that_was_removed_is_unknown_from_then_on() -> None:
    agent = Asking().known()
    agent.pass_time(101)
    assert kinds(agent.ask(101)) == ["LookupKey"]
    assert reasons(agent.unknown(101)) == [Reason.KEYS_UNKNOWN, Reason.UNKNOWN_ASSOCIATION]
    assert list(agent.home.keys.learned()) == []


def test_an_spi_that_the_source_does_not_have_is_asked_for_once() -> None:
    agent = Asking()
    agent.ask(association=NEW)
    assert reasons(agent.found()) == [Reason.KEYS_FOUND, Reason.UNKNOWN_ASSOCIATION]
    assert reasons(agent.ask(1, association=NEW)) == [Reason.UNKNOWN_ASSOCIATION]


# ---- keys that change


def test_both_keys_of_a_rotation_are_good() -> None:
    agent = Asking()
    agent.ask(association=NEW)
    assert is_signed(sent_reply(agent.found(NEW, ASSOCIATION)), NEW)
    assert is_signed(sent_reply(agent.ask(1)), ASSOCIATION)


def test_a_new_spi_is_read_at_once() -> None:
    agent = Asking().known()
    assert kinds(agent.ask(REREAD, association=NEW)) == ["LookupKey"]
    assert is_signed(sent_reply(agent.found(NEW, ASSOCIATION, time=REREAD)), NEW)


@pytest.mark.parametrize("virtual", [False, True])
def test_a_wrong_authenticator_has_the_key_read_again_once(virtual: bool) -> None:
    agent = Asking(networks=(HomeNetwork(HOME_NETWORK, None if virtual else "home0"),)).known()
    # Too soon after the last answer to doubt it.
    assert reasons(agent.ask(1, association=WRONG_ASSOCIATION)) == [Reason.MN_FAILED_AUTHENTICATION]
    again = REREAD + 1
    assert kinds(agent.ask(again, association=WRONG_ASSOCIATION)) == ["LookupKey"]
    denied = agent.found(time=again)
    assert reasons(denied) == [Reason.KEYS_FOUND, Reason.MN_FAILED_AUTHENTICATION]
    assert sent_reply(denied).code == 131
    for time in range(1, 10):
        forged = agent.ask(again + time, association=WRONG_ASSOCIATION)
        assert reasons(forged) == [Reason.MN_FAILED_AUTHENTICATION]


def test_a_key_that_was_changed_under_the_same_spi_is_found() -> None:
    agent = Asking().known()
    agent.ask(REREAD, association=WRONG_ASSOCIATION)
    assert is_signed(sent_reply(agent.found(WRONG_ASSOCIATION, time=REREAD)), WRONG_ASSOCIATION)
    assert sent_reply(agent.ask(REREAD + 1)).code == 131  # the key before it is void


def test_the_right_key_goes_on_while_a_wrong_one_has_it_read_again() -> None:
    agent = Asking().known()
    assert kinds(agent.ask(REREAD, association=WRONG_ASSOCIATION)) == ["LookupKey"]
    assert sent_reply(agent.ask(REREAD + 1)).code == 1


def test_a_reload_has_everything_asked_for_anew() -> None:
    agent = Asking().known()
    agent.home.reconfigure(agent.home.settings)
    assert kinds(agent.ask(1)) == ["LookupKey"]
    assert sent_reply(agent.found(time=1)).code == 1


def test_a_reload_may_configure_a_node_that_waits() -> None:
    agent = Asking().known()
    agent.home.reconfigure(agent.home.settings)
    agent.ask(1, association=WRONG_ASSOCIATION)
    table = AssociationTable([(ELSEWHERE, WRONG_ASSOCIATION)])
    agent.home.reconfigure(replace(agent.home.settings, associations=table))
    assert is_signed(sent_reply(agent.found(time=2)), WRONG_ASSOCIATION)
    assert list(agent.home.keys.learned()) == []


def test_how_keys_are_asked_for_may_change() -> None:
    agent = Asking().known()
    agent.home.reconfigure(replace(agent.home.settings, keys=replace(KEYS, lifetime=10)))
    agent.ask(1)
    agent.found(time=1)
    agent.pass_time(11)
    assert kinds(agent.ask(11)) == ["LookupKey"]


def test_a_reload_may_end_the_asking_and_begin_it_again() -> None:
    agent = Asking().known()
    agent.ask(1, home_address=strangers(1)[0])
    agent.home.reconfigure(replace(agent.home.settings, keys=None))
    assert list(agent.home.keys.learned()) == [] and agent.home.keys.next_deadline() is None
    for address in (ELSEWHERE, strangers(1)[0]):
        assert reasons(agent.ask(2, home_address=address)) == [Reason.UNKNOWN_ASSOCIATION]
    # The one that waited is answered by what is here: nothing.
    late = agent.unavailable(3, peer=strangers(1)[0])
    assert reasons(late) == [Reason.KEYS_UNAVAILABLE, Reason.UNKNOWN_ASSOCIATION]
    agent.home.reconfigure(replace(agent.home.settings, keys=KEYS))
    assert kinds(agent.ask(4)) == ["LookupKey"]
    assert sent_reply(agent.found(time=4)).code == 1


# ---- time and outages


def test_a_lifetime_of_the_source_counts_before_the_configured_one() -> None:
    agent = Asking()
    agent.ask()
    agent.found(lifetime=5)
    agent.pass_time(4)
    assert sent_reply(agent.ask(4)).code == 1
    agent.pass_time(5)
    assert kinds(agent.ask(5)) == ["LookupKey"]


def test_known_nodes_go_on_while_the_sources_are_away_and_no_longer_than_is_allowed() -> None:
    agent = Asking().known()
    for time in (101, 130, 500, 1050):
        agent.pass_time(time)
        assert kinds(agent.ask(time)) == ["LookupKey"]
        actions = agent.unavailable(time)
        assert reasons(actions)[0] is Reason.KEYS_UNAVAILABLE and sent_reply(actions).code == 1
        assert sent_reply(agent.ask(time + 10)).code == 1  # asked for anew after ``retry`` only
    agent.pass_time(1101)
    assert list(agent.home.keys.learned()) == []
    agent.ask(1101)
    assert reasons(agent.unavailable(1101)) == [Reason.KEYS_UNAVAILABLE]


def test_an_outage_does_not_shorten_what_is_still_good() -> None:
    agent = Asking().known()
    agent.ask(REREAD, association=WRONG_ASSOCIATION)
    assert sent_reply(agent.unavailable(REREAD)).code == 131
    agent.pass_time(99)
    assert sent_reply(agent.ask(99)).code == 1
    agent.pass_time(100)
    assert kinds(agent.ask(100)) == ["LookupKey"]


def test_strangers_are_asked_for_again_as_soon_as_they_repeat_their_request() -> None:
    agent = Asking()
    agent.ask()
    actions = agent.unavailable()
    assert note(actions, Reason.KEYS_UNAVAILABLE).fields == {"peer": ELSEWHERE, "error": AWAY}
    assert reasons(actions) == [Reason.KEYS_UNAVAILABLE]
    assert kinds(agent.ask(1)) == ["LookupKey"]
    assert sent_reply(agent.found(time=1)).code == 1


def test_answers_to_nothing_do_no_harm() -> None:
    agent = Asking()
    assert reasons(agent.unavailable()) == [Reason.KEYS_UNAVAILABLE]
    assert reasons(agent.unknown()) == [Reason.KEYS_UNKNOWN]
    assert reasons(agent.found()) == [Reason.KEYS_FOUND]
    assert sent_reply(agent.ask(1)).code == 1


# ---- bounds


def asked(actions: list[Action]) -> bool:
    """Whether a source is asked; else the limits must have been named."""
    assert kinds(actions) == ["LookupKey"] or reasons(actions) == [Reason.KEY_LOOKUPS_LIMITED]
    return kinds(actions) == ["LookupKey"]


def test_one_sender_has_a_quarter_of_the_questions() -> None:
    agent = Asking()
    assert sum(asked(agent.ask(home_address=one)) for one in strangers(8)) == 2
    assert asked(agent.ask(source=OTHER_CARE_OF))
    agent.unknown(peer=strangers(1)[0])
    assert asked(agent.ask(home_address=strangers(9)[8]))


def test_strangers_leave_questions_to_those_who_were_known() -> None:
    agent = Asking().known()
    agent.pass_time(101)
    storm = [
        asked(agent.ask(101, home_address=one, source=sender(number)))
        for number, one in enumerate(strangers(20))
    ]
    assert sum(storm) == 6  # of 8
    assert asked(agent.ask(101))


def test_new_questions_are_limited_in_rate_for_each_sender_and_for_all() -> None:
    agent = Asking(replace(KEYS, max_questions=10_000))
    assert sum(asked(agent.ask(home_address=one)) for one in strangers(60)) == 10  # a quarter of the rate
    new = strangers(130)[60:]
    others = [asked(agent.ask(home_address=one, source=sender(number))) for number, one in enumerate(new)]
    assert sum(others) == 30
    agent.unknown(peer=strangers(1)[0])
    assert asked(agent.ask(1, home_address=ELSEWHERE))


def test_wrong_authenticators_leave_the_rate_to_newcomers() -> None:
    agent = Asking(replace(KEYS, max_questions=10_000, max_known=1000, rate=80))
    nodes = strangers(60)
    for number, one in enumerate(nodes):
        assert asked(agent.ask(home_address=one, source=sender(number)))
        agent.found(peer=one)
    agent.pass_time(50)
    forged = [
        asked(agent.ask(50, home_address=one, source=sender(number), association=WRONG_ASSOCIATION))
        for number, one in enumerate(nodes)
    ]
    assert sum(forged) == 8
    assert asked(agent.ask(50))


def test_only_so_many_peers_are_kept_and_the_one_read_longest_ago_goes_first() -> None:
    agent = Asking(replace(KEYS, max_questions=100))
    for one in strangers(5):
        agent.ask(home_address=one, source=sender(int(one) % 16))
        agent.found(peer=one)
    assert [peer for peer, _, _ in agent.home.keys.learned()] == strangers(5)[2:]
    assert sent_reply(agent.ask(1, home_address=strangers(5)[4])).code == 1


def test_what_is_remembered_of_the_unknown_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mobileip.control.core.keyring._MOST_UNKNOWN", 3)
    agent = Asking(replace(KEYS, max_questions=100))
    for one in strangers(5):
        agent.ask(home_address=one, source=sender(int(one) % 16))
        agent.unknown(peer=one)
    assert asked(agent.ask(home_address=strangers(1)[0], source=sender(20)))
    assert reasons(agent.ask(home_address=strangers(5)[4])) == [Reason.UNKNOWN_ASSOCIATION]


def test_oversized_requests_do_not_wait() -> None:
    padding = tuple(NetworkAccessIdentifier("x" * 250) for _ in range(9))
    assert reasons(Asking().ask(after=padding)) == [Reason.KEY_LOOKUPS_LIMITED]


def test_what_is_shown_of_known_peers_has_no_key() -> None:
    agent = Asking().known()
    [(peer, known, stale)] = agent.home.keys.learned()
    assert (peer, known.source, stale) == (ELSEWHERE, "radius", False)
    assert ASSOCIATION.key.reveal().decode() not in repr(known)
    agent.pass_time(100)
    [(_, _, stale)] = agent.home.keys.learned()
    assert stale
