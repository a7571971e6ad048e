"""A mobile node proves to the RADIUS server of the network it visits who it is: real daemons and FreeRADIUS."""

from __future__ import annotations

import pytest

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, FOREIGN1, HOME_ADDRESS
from mobileip.control.lab.waiting import eventually
from tests.netns.aaa.freeradius import NEEDED, SECRET, FreeRadius, password

pytestmark = [pytest.mark.netns, NEEDED]
PASSWORD = "what the AAA server knows"


def test_a_foreign_agent_lets_in_who_proves_it_and_nobody_else(lab: Lab) -> None:
    server = FreeRadius(lab.correspondent.namespace, lab.processes, CORRESPONDENT, FOREIGN1.uplink.ip)
    server.start([password(HOME_ADDRESS.ip, PASSWORD)])
    agent, node = lab.foreign1, lab.node

    def counted(reason: str) -> int:
        return int(agent.show("counters")["reasons"][reason])

    try:
        agent.stop()
        agent.configuration["foreign_agent"] |= {
            "challenge": {},
            "aaa": {"timeout": 0.3, "servers": [{"address": str(CORRESPONDENT), "secret": SECRET}]},
        }
        agent.start()
        node.stop()
        node.configuration["mobile_node"]["aaa"] = {"secret": PASSWORD}
        node.start()
        lab.go("foreign1", within=10)
        assert counted("aaa-proof-accepted") >= 1 and counted("fa-bad-aaa-auth") == 0
        assert [row["home_address"] for row in agent.show("visitors")] == [str(HOME_ADDRESS.ip)]
        assert [(row["use"], row["state"]) for row in agent.show("aaa")] == [("visitors", "answering")]

        node.stop()
        node.configuration["mobile_node"]["aaa"] = {"secret": "another password"}
        node.start()
        eventually(lambda: counted("fa-bad-aaa-auth"), what="the wrong proof", within=10, explain=lab.explain)
    finally:
        server.kill()
        for one in (agent, node):
            one.stop()
            one.reset()
            one.start()
