"""What mutation testing found untested in the foreign agent."""

from __future__ import annotations

from mobileip.control.core.actions import InstallTunnel, TunnelSide
from mobileip.control.core.events import ActionFailed
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Reason
from tests.unit.core.factory import CARE_OF, HOME, HOME_AGENT, at, kinds, note, reply, request
from tests.unit.core.test_foreign import SETTINGS, admitted, ask, hear


def test_a_failure_of_somebody_elses_tunnel_is_no_visitors() -> None:
    agent = admitted()
    other = InstallTunnel(HOME + 1, TunnelSide.CARE_OF, CARE_OF, HOME_AGENT, reverse=True)
    assert agent.on_action_failed(ActionFailed(other, "no room"), at(0.2)) == []
    assert [one.home_address for one in agent.visitors.visitors] == [HOME]


def test_an_acceptance_for_no_time_ends_the_visit() -> None:
    agent = admitted()
    asked = request(1)
    ask(agent, asked, 1)
    done = kinds(hear(agent, reply(to=asked, lifetime=0), 1.1))
    assert done == ["RemoveVisitorRoute", "RemoveTunnel", "SendDatagram"]
    assert agent.visitors.visitors == []


def test_a_relayed_request_is_noted_with_who_and_where() -> None:
    noted = note(ask(ForeignAgent(SETTINGS), request()), Reason.REQUEST_RELAYED)
    assert (noted.fields["home_address"], noted.fields["home_agent"]) == (HOME, HOME_AGENT)
    assert noted.fields["interface"] == "eth1"
