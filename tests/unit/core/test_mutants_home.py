"""What mutation testing found untested in the home agent: what it tells its operator of a denial."""

from __future__ import annotations

from dataclasses import replace

from mobileip.control.core.actions import SendDatagram
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable
from mobileip.control.types import ZERO_ADDRESS
from mobileip.control.wire import NetworkAccessIdentifier, RequestFlags
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    WRONG_ASSOCIATION,
    none,
    note,
    reasons,
    request,
    sent_reply,
)
from tests.unit.core.homes import AGENTS, POOL, SETTINGS, ask, home


def test_a_denial_is_noted_with_its_code() -> None:
    denied = note(ask(home(), request(association=WRONG_ASSOCIATION)), Reason.MN_FAILED_AUTHENTICATION)
    assert denied.fields["code"] == 131
    assert denied.fields["care_of_address"] == CARE_OF


def test_a_forgery_that_nobody_is_told_of_is_noted_as_such() -> None:
    """Neither node nor foreign agent signed: there is nobody to answer."""
    agent = home(foreign_agents=AGENTS)
    forged = note(ask(agent, request(association=WRONG_ASSOCIATION)), Reason.MN_FAILED_AUTHENTICATION)
    assert forged.fields["answered"] is False
    assert "code" not in forged.fields


def test_a_name_that_gets_no_address_is_denied_only_so_often() -> None:
    """Before its timestamp is looked at: anybody may repeat such a request."""
    name = "alice@example.org"
    agent = home(associations=AssociationTable([(name, ASSOCIATION)]))  # and there is no pool
    payload = request(home_address=ZERO_ADDRESS, before=(NetworkAccessIdentifier(name),))
    answers = [ask(agent, payload) for _ in range(200)]
    assert reasons(answers[0]) == [Reason.HA_PROHIBITED] and sent_reply(answers[0]).code == 129
    assert none(answers[-1], SendDatagram)
    fields = note(answers[-1], Reason.DENIAL_SUPPRESSED).fields
    assert (fields["cause"], fields["nai"]) == ("ha-prohibited", name)


def test_a_denial_names_the_address_that_a_name_was_given() -> None:
    name = "alice@example.org"
    network = replace(SETTINGS.networks[0], pool=POOL)
    agent = home(associations=AssociationTable([(name, ASSOCIATION)]), networks=(network,))
    asked = request(
        home_address=ZERO_ADDRESS, flags=RequestFlags(gre=True), before=(NetworkAccessIdentifier(name),)
    )
    fields = note(ask(agent, asked), Reason.HA_ENCAPSULATION_UNAVAILABLE).fields
    assert fields["home_address"] in POOL
