"""Home agents of all sorts, and foreign agents' signatures, for the tests of the home agent."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from mobileip.control.core.actions import Action
from mobileip.control.core.home import HomeAgent, HomeAgentSettings, HomeNetwork
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, Secret, sign
from mobileip.control.types import Lifetime, Spi
from mobileip.control.wire import ForeignHomeAuthentication
from tests.unit.core.factory import ASSOCIATION, CARE_OF, HOME, HOME_AGENT, HOME_NETWORK, request
from tests.unit.core.test_home import ask

__all__ = ["AGENTS", "FOREIGN", "POOL", "SETTINGS", "ask", "by_agent", "home", "twice"]

POOL = IPv4Network("192.0.2.128/30")
FOREIGN = MobilitySecurityAssociation(Spi(2000), Secret(b"between the agents"))
AGENTS = AssociationTable([(CARE_OF, FOREIGN)])
SETTINGS = HomeAgentSettings(
    HOME_AGENT, (HomeNetwork(HOME_NETWORK, "home0"),), AssociationTable([(HOME, ASSOCIATION)]), Lifetime(1000)
)


def home(**changes: Any) -> HomeAgent:
    """A home agent with ``changes`` to the settings."""
    return HomeAgent(replace(SETTINGS, **changes))


def by_agent(
    payload: bytes | None = None, association: MobilitySecurityAssociation = FOREIGN, **fields: Any
) -> bytes:
    """A request as a foreign agent relays it that shares ``association`` with the home agent."""
    return sign(association, request(**fields) if payload is None else payload, ForeignHomeAuthentication)


def twice(agent: HomeAgent, first: IPv4Address, second: IPv4Address, **fields: Any) -> list[Action]:
    """Two registrations a second apart; what the second led to."""
    ask(agent, request(0, care_of=first, **fields), 0)
    return ask(agent, request(1, care_of=second, **fields), 1)
