"""What mutation testing found untested in the home agent: what it tells its operator of a denial."""

from __future__ import annotations

from mobileip.control.reasons import Reason
from tests.unit.core.factory import CARE_OF, WRONG_ASSOCIATION, note, request
from tests.unit.core.homes import AGENTS, ask, home


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
