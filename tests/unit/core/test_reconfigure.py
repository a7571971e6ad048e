"""Other settings for a machine that runs: what counts from now on, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mobileip.control.core.actions import SendIcmp
from mobileip.control.core.advertiser import AdvertisedLink
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import LinkChanged, Tick
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings, VisitedLink
from mobileip.control.core.home import HomeAgent, HomeAgentSettings, HomeNetwork
from mobileip.control.core.mobile import MobileNode, MobileNodeSettings, State
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, ReplayMethod, Secret
from mobileip.control.types import Lifetime
from mobileip.control.wire import AgentFlags, RequestFlags
from tests.unit.core import factory
from tests.unit.core.factory import (
    AGENT,
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_INTERFACE,
    HOME_NETWORK,
    NODE_MAC,
    at,
    reasons,
)
from tests.unit.core.test_home import ask

OTHER = MobilitySecurityAssociation(factory.SPI, Secret(b"another key entirely"))
HOME_SETTINGS = HomeAgentSettings(
    HOME_AGENT, (HomeNetwork(HOME_NETWORK, "home0"),), AssociationTable([(HOME, ASSOCIATION)]), Lifetime(1000)
)
FOREIGN_SETTINGS = ForeignAgentSettings(
    CARE_OF, (VisitedLink("eth1", AGENT),), Lifetime(300), frozenset({CARE_OF, AGENT})
)
LINK = AdvertisedLink("eth1", AGENT, 1.0, 3, Lifetime(300), AgentFlags(foreign_agent=True), (CARE_OF,))
MOBILE_SETTINGS = MobileNodeSettings(HOME_INTERFACE, HOME_AGENT, ASSOCIATION, ("eth0",), Lifetime(100))


def agents() -> MobilityAgents:
    return MobilityAgents(
        home=HomeAgent(HOME_SETTINGS),
        foreign=ForeignAgent(FOREIGN_SETTINGS),
        links=(LINK,),
        entropy=lambda size: b"\x80" * size,
    )


NEWCOMERS = tuple(HOME_AGENT + 10 + n for n in range(5))


def test_new_nodes_above_their_rate_are_denied_and_bound_ones_are_served() -> None:
    table = AssociationTable([(node, ASSOCIATION) for node in NEWCOMERS])
    settings = replace(HOME_SETTINGS, associations=table, max_new_rate=2)
    agent = HomeAgent(settings)

    def code(node: int, time: float, **fields: Any) -> int:
        asked = factory.request(time, home_address=NEWCOMERS[node], **fields)
        return int(factory.sent_reply(ask(agent, asked, time)).code)

    assert [code(node, 0, flags=RequestFlags(gre=True)) for node in range(3)] == [139, 139, 139]  # cost none
    assert [code(node, 0) for node in range(3)] == [1, 1, 130]
    assert code(0, 0.1) == code(1, 0.1, care_of=factory.OTHER_CARE_OF) == 1
    assert code(1, 0.2, lifetime=0, care_of=NEWCOMERS[1]) == 0
    assert code(1, 0.4) == 130
    assert [code(2, 0.5), code(3, 0.5)] == [1, 130]
    agent.reconfigure(replace(settings, max_lifetime=Lifetime(60)))
    assert code(3, 0.6) == 130, "what was used up stays so"
    agent.reconfigure(replace(settings, max_new_rate=None))
    assert [code(node, 0.7) for node in (1, 3, 4)] == [1, 1, 1]
    ask(agent, factory.request(1, home_address=NEWCOMERS[0], lifetime=0), 1)
    agent.reconfigure(replace(settings, max_new_rate=1))
    assert code(0, 1.1) == 1
    ask(agent, factory.request(1.2, home_address=NEWCOMERS[1], lifetime=0), 1.2)
    refused = ask(agent, factory.request(1.3, home_address=NEWCOMERS[1]), 1.3)
    assert reasons(refused) == [Reason.HA_TOO_MANY_NEW]
    assert len(agent.bindings) == 4


def test_a_home_agent_goes_on_with_other_keys_and_keeps_its_bindings() -> None:
    machine = agents()
    assert machine.home is not None
    machine.handle(factory.datagram(factory.request(1)), at(1))
    settings = replace(
        HOME_SETTINGS,
        associations=AssociationTable([(HOME, OTHER)]),
        max_lifetime=Lifetime(50),
        reverse_tunnel=ReverseTunnelPolicy.REQUIRED,
    )
    machine.reconfigure(settings, FOREIGN_SETTINGS, (LINK,), at(2))
    (binding,) = machine.home.bindings
    assert binding.lifetime == 100, "a binding lives by what it was granted"
    assert reasons(machine.handle(factory.datagram(factory.request(3)), at(3))) == [
        Reason.MN_FAILED_AUTHENTICATION
    ]
    renewed = factory.request(4, association=OTHER)
    assert Reason.REGISTERED_NO_SIMULTANEOUS in reasons(machine.handle(factory.datagram(renewed), at(4)))
    (binding,) = machine.home.bindings
    assert binding.lifetime == 50
    replayed = machine.handle(factory.datagram(factory.request(4, association=OTHER)), at(5))
    assert reasons(replayed) == [Reason.IDENTIFICATION_MISMATCH], "what was accepted before stays known"


def test_a_binding_of_a_node_that_is_not_configured_any_more_stays() -> None:
    machine = agents()
    assert machine.home is not None
    machine.handle(factory.datagram(factory.request(1)), at(1))
    machine.reconfigure(
        replace(HOME_SETTINGS, associations=AssociationTable()), FOREIGN_SETTINGS, (LINK,), at(2)
    )
    assert len(machine.home.bindings) == 1
    assert reasons(machine.handle(factory.datagram(factory.request(3)), at(3))) == [
        Reason.UNKNOWN_ASSOCIATION
    ]


def test_a_foreign_agent_keeps_visitors_and_pending_registrations() -> None:
    machine = agents()
    assert machine.foreign is not None
    elsewhere = factory.OTHER_CARE_OF
    asked = factory.request(1, home_agent=elsewhere)
    event = factory.datagram(asked, source=HOME, destination=AGENT, interface="eth1", ttl=255, mac=NODE_MAC)
    machine.handle(event, at(1))
    machine.reconfigure(HOME_SETTINGS, replace(FOREIGN_SETTINGS, max_lifetime=Lifetime(20)), (LINK,), at(1))
    answer = factory.datagram(
        factory.reply(to=asked, home_agent=elsewhere), source=elsewhere, destination=CARE_OF
    )
    machine.handle(answer, at(2))
    (visitor,) = machine.foreign.visitors.visitors
    assert visitor.lifetime == 20
    again = factory.request(3, home_agent=elsewhere)
    refused = machine.handle(replace(event, payload=again), at(3))
    assert Reason.FA_LIFETIME_TOO_LONG in reasons(refused)


def test_a_link_hears_of_another_advertisement_at_once() -> None:
    machine = agents()
    machine.handle(LinkChanged("eth1", True), at(0))
    assert factory.sent_advertisement(machine.handle(Tick(), at(0))).mobility.sequence == 0
    link = replace(LINK, registration_lifetime=Lifetime(20), interval=5.0)
    machine.reconfigure(HOME_SETTINGS, FOREIGN_SETTINGS, (LINK,), at(0.1))
    assert factory.none(machine.handle(Tick(), at(0.1)), SendIcmp), "nothing is different"
    machine.reconfigure(HOME_SETTINGS, FOREIGN_SETTINGS, (link,), at(0.2))
    assert machine.next_deadline() == factory.mono(0.2)
    told = factory.sent_advertisement(machine.handle(Tick(), at(0.2)))
    assert (told.mobility.sequence, told.mobility.registration_lifetime) == (1, 20)


# ---- mobile node


class Draws:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size)


def registered() -> MobileNode:
    machine = MobileNode(MOBILE_SETTINGS, Draws())
    machine.handle(LinkChanged("eth0", True), at(0))
    actions = machine.handle(factory.advertisement(lifetime=9000), at(0))
    asked = factory.only(actions, factory.SendDatagram).payload
    hear(machine, factory.reply(to=asked), 0.1)
    assert machine.state is State.REGISTERED
    return machine


def hear(machine: MobileNode, payload: bytes, time: float) -> None:
    machine.handle(factory.datagram(payload, source=AGENT, destination=HOME, interface="eth0"), at(time))


def test_a_mobile_node_renews_with_another_lifetime_and_key() -> None:
    machine = registered()
    machine.reconfigure(replace(MOBILE_SETTINGS, lifetime=Lifetime(40), association=OTHER))
    assert machine.state is State.REGISTERED
    assert machine.registration is not None and machine.registration.lifetime == 100
    asked = factory.sent_request(machine.handle(Tick(), at(71)))
    assert asked.lifetime == 40
    assert factory.is_signed(asked, OTHER)


def test_a_mobile_node_may_begin_with_nonces() -> None:
    machine = registered()
    nonces = replace(ASSOCIATION, replay=ReplayMethod.NONCES)
    machine.reconfigure(replace(MOBILE_SETTINGS, association=nonces))
    asked = factory.sent_request(machine.handle(Tick(), at(71)))
    assert abs(asked.identification.to_wall() - at(71).wall) > 10**9, "no timestamp any more"


@pytest.mark.parametrize(
    "other",
    [
        replace(MOBILE_SETTINGS, home_agent=factory.CARE_OF),
        replace(MOBILE_SETTINGS, interfaces=("eth0", "eth1")),
        replace(MOBILE_SETTINGS, reverse_tunnel=False),
    ],
)
def test_what_routes_hang_on_cannot_change(other: MobileNodeSettings) -> None:
    machine = registered()
    with pytest.raises(ValueError):
        machine.reconfigure(other)
    assert machine.state is State.REGISTERED
