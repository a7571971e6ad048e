"""A real mobile node before agents that set challenges: first made by hand, then all three daemons (RFC 4721)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, HOME_ADDRESS
from mobileip.control.lab.waiting import eventually
from mobileip.control.security import as_chap
from mobileip.control.wire import (
    ForeignAgentError,
    MobileAaaAuthentication,
    MobileForeignChallenge,
    RegistrationRequest,
)
from tests.netns.codes.test_mobile_node import denials, reply, signed, states, visited

pytestmark = pytest.mark.netns

CODES = (104, 105, 106, 109)
"""By which the node acts here; tests/arch/test_codes.py sees that no code is missing."""
AAA = {"spi": 2, "secret": "the password of the node at its AAA server"}


def challenge(number: int) -> bytes:
    return MobileForeignChallenge(b"challenge%d" % number).encode()


def answers(request: RegistrationRequest, number: int) -> bool:
    """Whether it answers that challenge, with a proof that an AAA server can verify."""
    told, proof = request.first(MobileForeignChallenge), request.first(MobileAaaAuthentication)
    assert told is not None and proof is not None
    chap = as_chap(request, proof)
    assert chap is not None and chap.challenge[16:] == told.challenge
    return told.challenge == b"challenge%d" % number


def test_each_denial_is_answered_by_another_challenge(networks: Lab) -> None:
    with visited(networks, 1, aaa=AAA) as agents:
        (agent,) = agents.addresses
        before = len(denials(networks))
        agents.advertise(agent, challenge=b"challenge1")
        _, first = agents.asked()
        assert answers(first, 1)
        agents.answer(agent, reply(first, 104) + challenge(2))
        _, second = agents.asked()
        assert answers(second, 2)
        agents.answer(agent, reply(second, 105) + challenge(3))
        _, third = agents.asked()
        assert answers(third, 3)
        agents.answer(agent, signed(reply(third, 0)) + challenge(4) + ForeignAgentError(109).encode())
        _, fourth = agents.asked()
        assert answers(fourth, 4)
        agents.answer(agent, reply(fourth, 106))  # nothing told: the link has to be asked
        eventually(
            lambda: networks.node.show("counters")["reasons"].get("challenge-awaited"),
            lambda count: count == 1,
            explain=networks.node.explain,
        )
        agents.advertise(agent, challenge=b"challenge5")
        _, fifth = agents.asked()
        assert answers(fifth, 5)
        agents.answer(agent, signed(reply(fifth, 0)) + challenge(6))
        states(networks, "registered")
        assert denials(networks)[before:] == [104, 105, 109, 106]


@pytest.fixture
def lab(networks: Lab) -> Iterator[Lab]:
    for daemon in networks.daemons:
        daemon.reset()
    yield networks
    for daemon in networks.daemons:
        if daemon.running:
            daemon.stop()


def test_node_and_agents_by_challenges_all_along(lab: Lab) -> None:
    """Registered, renewed, and gone; nothing has to be denied on the way."""
    lab.foreign1.configuration["foreign_agent"]["challenge"] = {}
    lab.node.configuration["mobile_node"] |= {"aaa": AAA, "lifetime": 3}
    lab.move_to("foreign1")
    lab.start(lab.home, lab.foreign1, lab.node)
    lab.wait_registered()
    lab.correspondent.ping(HOME_ADDRESS.ip)
    eventually(
        lambda: lab.foreign1.show("counters")["reasons"]["reply-relayed"],
        lambda count: count >= 2,
        explain=lab.node.explain,
    )
    lab.node.ping(CORRESPONDENT, source=HOME_ADDRESS.ip)
    reasons = lab.foreign1.show("counters")["reasons"]
    assert not [name for name, count in reasons.items() if count and name.startswith("fa-")]
    lab.node.stop()
    eventually(lambda: lab.foreign1.show("visitors"), lambda rows: rows == [])
    eventually(lambda: lab.home.show("bindings"), lambda rows: rows == [])
