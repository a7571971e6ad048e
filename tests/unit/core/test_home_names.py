"""The home agent: nodes by name, range, and with a policy of their own (RFC 2794, RFC 5944 s3.8.3.2)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from mobileip.control.core.actions import Action, InstallTunnel, ReleaseAddress, SendDatagram
from mobileip.control.core.home import HomeAgent, HomeNetwork
from mobileip.control.core.policy import NodePolicy, ReverseTunnelPolicy
from mobileip.control.core.pool import QUARANTINE
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, PeerMap, ReplayMethod, Secret
from mobileip.control.types import NANOSECONDS, Endpoint, Identification, Lifetime, Spi
from mobileip.control.wire import (
    ForeignHomeAuthentication,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RequestFlags,
)
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_NETWORK,
    NODE_MAC,
    WRONG_ASSOCIATION,
    at,
    datagram,
    is_signed,
    kinds,
    note,
    only,
    reasons,
    request,
    sent_reply,
)
from tests.unit.core.homes import AGENTS, POOL, SETTINGS, ask, by_agent, home

ZERO = IPv4Address("0.0.0.0")
FIRST = IPv4Address("192.0.2.128")
ALICE, BOB = NetworkAccessIdentifier("alice@example.net"), NetworkAccessIdentifier("bob@example.net")
REALM = AssociationTable([("*@example.net", ASSOCIATION), (HOME, ASSOCIATION)])
AFTER_QUARANTINE = QUARANTINE / NANOSECONDS


def pooled(pool: IPv4Network = POOL, **changes: Any) -> HomeAgent:
    changes.setdefault("associations", REALM)
    return home(networks=(HomeNetwork(HOME_NETWORK, "home0", pool),), **changes)


def by_name(
    agent: HomeAgent, nai: NetworkAccessIdentifier = ALICE, time: float = 0.0, **fields: Any
) -> list[Action]:
    fields.setdefault("home_address", ZERO)
    return ask(agent, request(time, before=(nai,), **fields), time)


def assigned(actions: list[Action]) -> IPv4Address:
    answer = sent_reply(actions)
    assert answer.code == 1
    return answer.home_address


# ---- names and addresses


@pytest.mark.rfc("2794", "3", 3, 5)
@pytest.mark.rfc("5944", "3.8.1", 4)
@pytest.mark.rfc("5944", "3.8.3.2", 7)
@pytest.mark.rfc("5944", "3.8.3.3", 1)
def test_address_is_assigned_and_told_with_the_name() -> None:
    agent = pooled()
    actions = by_name(agent)
    answer = sent_reply(actions)
    assert (answer.code, answer.home_address, answer.home_agent) == (1, FIRST, HOME_AGENT)
    assert [type(one) for one in answer.extensions] == [NetworkAccessIdentifier, MobileHomeAuthentication]
    assert answer.first(NetworkAccessIdentifier) == ALICE and is_signed(answer)
    assert only(actions, InstallTunnel).home_address == FIRST
    binding = agent.bindings.get(FIRST)
    assert binding is not None and binding.nai == "alice@example.net"
    assert note(actions, Reason.REGISTERED_NO_SIMULTANEOUS).fields["nai"] == "alice@example.net"
    assert "nai" not in note(ask(agent, request()), Reason.REGISTERED_NO_SIMULTANEOUS).fields


@pytest.mark.rfc("3024", "A.4", 11)
@pytest.mark.parametrize("network", ["10.0.0.0/24", "172.16.0.0/24", "192.168.0.0/24"])
def test_a_pool_may_be_of_private_addresses(network: str) -> None:
    private = IPv4Network(network)
    pool = IPv4Network(f"{private.network_address + 128}/25")
    agent = home(networks=(HomeNetwork(private, "home0", pool),), associations=REALM)
    given = assigned(by_name(agent))
    assert given in pool and given.is_private
    assert assigned(by_name(agent, BOB)) == given + 1


@pytest.mark.rfc("5944", "3.8.3.3", 1)
def test_order_of_all_three_extensions() -> None:
    payload = by_agent(request(home_address=ZERO, before=(ALICE,)))
    answer = sent_reply(ask(pooled(foreign_agents=AGENTS), payload))
    kinds_of = [type(one) for one in answer.extensions]
    assert kinds_of == [NetworkAccessIdentifier, MobileHomeAuthentication, ForeignHomeAuthentication]


def test_same_name_has_the_same_address_while_bound_and_later() -> None:
    agent = pooled()
    assert assigned(by_name(agent)) == FIRST
    assert assigned(by_name(agent, BOB)) == FIRST + 1
    assert assigned(by_name(agent, time=1)) == FIRST
    assert assigned(by_name(agent, time=2, home_address=FIRST)) == FIRST
    assert sent_reply(by_name(agent, time=3, lifetime=0, care_of=FIRST, home_address=FIRST)).code == 0
    assert len(agent.bindings) == 1
    assert assigned(by_name(agent, time=4)) == FIRST


def test_renewal_without_the_name_is_known_by_its_address() -> None:
    agent = pooled()
    by_name(agent)
    actions = ask(agent, request(1, home_address=FIRST), 1)
    assert assigned(actions) == FIRST
    assert sent_reply(actions).first(NetworkAccessIdentifier) is None


def test_unknown_name_is_not_taken_for_the_holder_of_the_address() -> None:
    agent = pooled()
    by_name(agent)
    actions = by_name(agent, NetworkAccessIdentifier("eve@example.org"), 1, home_address=FIRST)
    assert reasons(actions) == [Reason.UNKNOWN_ASSOCIATION] and kinds(actions) == []


def test_name_behind_the_authenticator_is_nobodys() -> None:
    """Whoever relays the request could have put it there (RFC 2794 s2)."""
    actions = ask(pooled(), request(home_address=ZERO, after=(ALICE,)))
    assert reasons(actions) == [Reason.UNKNOWN_ASSOCIATION] and kinds(actions) == []
    answer = sent_reply(
        ask(pooled(), request(after=(ALICE,)))
    )  # and of a node known by its address it is left out
    assert answer.code == 1 and answer.first(NetworkAccessIdentifier) is None


def test_node_known_by_its_address_may_call_itself_anything() -> None:
    """Its key is the one of the address, not the one that a realm has for that name."""
    of_realm = replace(ASSOCIATION, key=Secret(b"of everybody else"))
    agent = pooled(associations=AssociationTable([("*@example.net", of_realm), (HOME, ASSOCIATION)]))
    answer = sent_reply(by_name(agent, home_address=HOME))
    assert (answer.code, answer.home_address) == (1, HOME) and answer.first(NetworkAccessIdentifier) == ALICE
    binding = agent.bindings.get(HOME)
    assert binding is not None and binding.nai is None


def test_no_address_and_no_name_is_discarded() -> None:
    actions = ask(pooled(), request(home_address=ZERO))
    assert reasons(actions) == [Reason.UNKNOWN_ASSOCIATION] and kinds(actions) == []


def test_unknown_name_is_discarded_and_said() -> None:
    actions = by_name(pooled(), NetworkAccessIdentifier("eve@example.org"))
    assert reasons(actions) == [Reason.UNKNOWN_ASSOCIATION] and kinds(actions) == []


def test_forged_name_gets_no_address() -> None:
    agent = pooled(IPv4Network("192.0.2.128/32"))
    actions = by_name(agent, association=WRONG_ASSOCIATION)
    assert sent_reply(actions).code == 131 and sent_reply(actions).home_address == ZERO
    assert assigned(by_name(agent, BOB)) == FIRST


@pytest.mark.rfc("5944", "3.8.3.2", 6)
def test_address_of_another_is_not_for_the_asking() -> None:
    agent = pooled()
    by_name(agent)
    for stolen in (FIRST, HOME_AGENT, IPv4Address("192.0.2.50")):
        actions = by_name(agent, BOB, 1, home_address=stolen)
        assert reasons(actions) == [Reason.HA_PROHIBITED]
        assert sent_reply(actions).code == 129 and sent_reply(actions).home_address == stolen


def test_address_of_a_node_with_a_key_of_its_own_takes_that_key() -> None:
    of_home = replace(ASSOCIATION, key=Secret(b"of that node alone"))
    agent = pooled(associations=AssociationTable([("*@example.net", ASSOCIATION), (HOME, of_home)]))
    assert sent_reply(by_name(agent, BOB, home_address=HOME, association=ASSOCIATION)).code == 131


def test_address_in_the_pool_that_is_configured_is_not_claimed() -> None:
    """Neither by claiming it nor by asking for any: with another SPI the configured key is not even looked at."""
    other = replace(ASSOCIATION, spi=Spi(1001))
    agent = pooled(associations=AssociationTable([("*@example.net", ASSOCIATION), (FIRST, other)]))
    assert sent_reply(by_name(agent, home_address=FIRST)).code == 129
    assert assigned(by_name(agent)) == FIRST + 1


def test_address_from_before_our_restart_is_given_back() -> None:
    agent = pooled()
    assert assigned(by_name(agent, home_address=FIRST + 2)) == FIRST + 2
    assert assigned(by_name(agent, BOB)) == FIRST


def test_address_that_was_not_given_is_rejected_if_so_set() -> None:
    agent = pooled(reject_static_addresses=True)
    actions = by_name(agent, home_address=FIRST)
    assert reasons(actions) == [Reason.HA_PROHIBITED] and sent_reply(actions).code == 129
    assert len(agent.bindings) == 0
    assert assigned(by_name(agent, time=1)) == FIRST
    assert assigned(by_name(agent, time=2, home_address=FIRST)) == FIRST  # a renewal
    assert sent_reply(by_name(agent, time=3, home_address=FIRST + 1)).code == 129
    assert sent_reply(by_name(agent, BOB, 4, home_address=FIRST)).code == 129
    assert assigned(by_name(agent, BOB, 5)) == FIRST + 1


def test_rejecting_addresses_of_pools_leaves_those_that_are_configured() -> None:
    table = AssociationTable([("alice@example.net", ASSOCIATION), (HOME, ASSOCIATION)])
    agent = home(associations=table, addresses={"alice@example.net": HOME}, reject_static_addresses=True)
    assert assigned(by_name(agent, home_address=HOME)) == HOME
    agent = pooled(reject_static_addresses=True)
    assert assigned(ask(agent, request())) == HOME


def test_exhausted_pool_is_130_and_addresses_return_to_it() -> None:
    agent = pooled(IPv4Network("192.0.2.128/32"))
    by_name(agent, lifetime=10)
    actions = by_name(agent, BOB, 1)
    assert reasons(actions) == [Reason.POOL_EXHAUSTED] and sent_reply(actions).code == 130
    agent.on_tick(at(10))
    assert sent_reply(by_name(agent, BOB, 11)).code == 130  # kept a while for whoever had it
    assert assigned(by_name(agent, BOB, 10 + AFTER_QUARANTINE)) == FIRST
    binding = agent.bindings.get(FIRST)
    assert binding is not None and binding.nai == "bob@example.net"


def test_without_any_pool_it_is_129() -> None:
    actions = by_name(home(associations=REALM))
    assert reasons(actions) == [Reason.HA_PROHIBITED] and sent_reply(actions).code == 129


def test_pool_spares_what_is_taken() -> None:
    """The agent's own address, the network's two special ones, and those of nodes known by address."""
    network = IPv4Network("192.0.2.0/29")
    agent = home(
        networks=(HomeNetwork(network, None, network),),
        associations=AssociationTable(
            [
                ("*@example.net", ASSOCIATION),
                (IPv4Address("192.0.2.3"), ASSOCIATION),
                (IPv4Network("192.0.2.4/31"), ASSOCIATION),
            ]
        ),
    )
    given = {str(assigned(by_name(agent, NetworkAccessIdentifier(f"{n}@example.net")))) for n in range(2)}
    assert given == {"192.0.2.2", "192.0.2.6"}
    assert sent_reply(by_name(agent, BOB)).code == 130


def test_name_with_an_address_of_its_own() -> None:
    table = AssociationTable([("alice@example.net", ASSOCIATION), (HOME, ASSOCIATION)])
    agent = pooled(associations=table, addresses={"alice@example.net": HOME})
    assert assigned(by_name(agent)) == HOME
    assert assigned(by_name(agent, time=1, home_address=HOME)) == HOME
    binding = agent.bindings.get(HOME)
    assert binding is not None and binding.nai == "alice@example.net"
    assert assigned(ask(agent, request(2), 2)) == HOME
    assert sent_reply(by_name(agent, time=3, home_address=FIRST)).code == 129


def test_nonces_by_name() -> None:
    table = AssociationTable([("*@example.net", replace(ASSOCIATION, replay=ReplayMethod.NONCES))])
    agent = pooled(associations=table)
    answer = sent_reply(by_name(agent, identification=Identification(1, 1)))
    assert (answer.code, answer.home_address) == (133, FIRST)
    told = Identification(answer.identification.high, 2)
    assert assigned(by_name(agent, identification=told)) == FIRST
    assert sent_reply(by_name(agent, BOB, identification=told)).code == 133


def test_replay_of_a_name_is_refused() -> None:
    agent = pooled()
    by_name(agent, lifetime=2)
    agent.on_tick(at(2))
    assert sent_reply(ask(agent, request(0, before=(ALICE,), home_address=ZERO, lifetime=2), 3)).code == 133


def test_node_at_home_without_an_address_is_answered_on_its_link() -> None:
    event = datagram(
        request(home_address=ZERO, care_of=ZERO, lifetime=0, before=(ALICE,)),
        source=ZERO,
        interface="home0",
        mac=NODE_MAC,
    )
    actions = ask(pooled(), event)
    out = only(actions, SendDatagram)
    assert (out.interface, out.link_destination) == ("home0", NODE_MAC)
    assert out.destination == Endpoint(IPv4Address("255.255.255.255"), 434)
    assert sent_reply(actions).home_address == FIRST
    assert only(actions, ReleaseAddress) == ReleaseAddress(FIRST, "home0", NODE_MAC)


# ---- ranges and policies


def test_range_shares_a_key() -> None:
    table = AssociationTable([(IPv4Network("192.0.2.0/28"), ASSOCIATION)])
    agent = home(associations=table)
    for number in (2, 14):
        assert assigned(ask(agent, request(home_address=HOME_NETWORK[number])))
    assert reasons(ask(agent, request(home_address=HOME_NETWORK[16]))) == [Reason.UNKNOWN_ASSOCIATION]
    assert len(agent.bindings) == 2


@pytest.mark.parametrize("number", [0, 1, 255], ids=["network", "home agent", "broadcast"])
def test_range_does_not_make_every_address_a_home_address(number: int) -> None:
    agent = home(associations=AssociationTable([(HOME_NETWORK, ASSOCIATION)]))
    actions = ask(agent, request(home_address=HOME_NETWORK[number]))
    assert reasons(actions) == [Reason.HA_PROHIBITED] and sent_reply(actions).code == 129


def with_policy(peer: Any, policy: NodePolicy, **changes: Any) -> HomeAgent:
    policies: PeerMap[NodePolicy] = PeerMap()
    policies.setdefault(peer, policy)
    return pooled(policies=policies, **changes)


SHORT = NodePolicy(Lifetime(20), ReverseTunnelPolicy.REQUIRED, 2)


@pytest.mark.rfc("5944", "3.8.3.2", 3, 4)
def test_policy_of_one_node() -> None:
    agent = with_policy(HOME, SHORT)
    assert sent_reply(ask(agent, request(flags=RequestFlags()))).code == 138
    answer = sent_reply(ask(agent, request(1), 1))
    assert (answer.code, answer.lifetime) == (0, 20)
    assert sent_reply(by_name(agent)).lifetime == 100


def test_policy_of_a_realm() -> None:
    agent = with_policy("*@example.net", SHORT)
    assert (sent_reply(by_name(agent)).code, sent_reply(by_name(agent, BOB)).lifetime) == (0, 20)
    assert sent_reply(by_name(agent, time=1, flags=RequestFlags())).code == 138
    assert sent_reply(ask(agent, request())).lifetime == 100


def test_policy_can_be_more_generous_than_the_default() -> None:
    agent = with_policy(HOME, NodePolicy(Lifetime(0xFFFF)), max_lifetime=Lifetime(10))
    assert sent_reply(ask(agent, request(lifetime=0xFFFF))).lifetime == 0xFFFF
    assert agent.next_deadline() is None


def test_reconfiguration_keeps_bindings_and_leases() -> None:
    agent = pooled()
    by_name(agent)
    ask(agent, request())
    agent.reconfigure(
        replace(agent.settings, associations=AssociationTable([("*@example.net", ASSOCIATION)]))
    )
    assert len(agent.bindings) == 2
    assert assigned(by_name(agent, time=1)) == FIRST
    assert reasons(ask(agent, request(1), 1)) == [Reason.UNKNOWN_ASSOCIATION]
    agent.reconfigure(replace(agent.settings, max_lifetime=Lifetime(30)))
    assert sent_reply(by_name(agent, time=2)).lifetime == 30
    with pytest.raises(ValueError, match="cannot change"):
        agent.reconfigure(replace(SETTINGS, address=CARE_OF))
