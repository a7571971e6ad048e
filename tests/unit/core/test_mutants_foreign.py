"""What mutation testing found untested in the foreign agent."""

from __future__ import annotations

import pytest

from mobileip.control.core.actions import InstallTunnel, TunnelSide
from mobileip.control.core.events import ActionFailed
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.reasons import Reason
from tests.unit.core.factory import (
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_NETWORK,
    at,
    kinds,
    note,
    reasons,
    reply,
    request,
    sent_reply,
)
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


@pytest.mark.parametrize("code", [128, 136])
def test_whoever_denies_a_request_to_all_home_agents_is_heard(code: int) -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request(home_agent=HOME_NETWORK.broadcast_address)
    ask(agent, asked)
    actions = hear(agent, reply(code, to=asked, home_agent=HOME_AGENT))
    assert reasons(actions) == [Reason.REPLY_RELAYED] and sent_reply(actions).code == code


def test_an_acceptance_of_a_deregistration_ends_the_visit_whatever_lifetime_it_has() -> None:
    agent = admitted()
    asked = request(1, lifetime=0)
    ask(agent, asked, 1)
    done = kinds(hear(agent, reply(to=asked, lifetime=100), 1.1))
    assert done == ["RemoveVisitorRoute", "RemoveTunnel", "SendDatagram"]
    assert agent.visitors.visitors == []


def test_what_fails_after_another_reply_is_no_answer_to_that() -> None:
    agent = admitted()
    again = request(1)
    ask(agent, again, 1)
    hear(agent, reply(130, to=again), 1.1)
    tunnel = InstallTunnel(HOME, TunnelSide.CARE_OF, CARE_OF, HOME_AGENT, reverse=True)
    undone = kinds(agent.on_action_failed(ActionFailed(tunnel, "no room"), at(1.2)))
    assert undone == ["RemoveVisitorRoute", "RemoveTunnel"]
