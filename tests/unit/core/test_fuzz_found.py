"""What the fuzz targets found in the machines, once."""

from __future__ import annotations

import pytest

from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Reason
from tests.unit.core.factory import OTHER_CARE_OF, kinds, reasons, reply, request
from tests.unit.core.test_foreign import SETTINGS, ask, hear


@pytest.mark.parametrize("lifetime", [1, 0xFFFF])
def test_a_deregistration_is_never_served_whatever_the_home_agent_grants(lifetime: int) -> None:
    """Its care-of address was not checked: a tunnel from there would be none of ours."""
    agent = ForeignAgent(SETTINGS)
    asked = request(care_of=OTHER_CARE_OF, lifetime=0)
    assert Reason.REQUEST_RELAYED in reasons(ask(agent, asked))
    assert kinds(hear(agent, reply(to=asked, lifetime=lifetime))) == ["SendDatagram"]
    assert not agent.visitors.visitors
