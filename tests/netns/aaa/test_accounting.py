"""What a home agent's tunnels carry, as real FreeRADIUS writes it down."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, FOREIGN1, FOREIGN2, HOME, HOME_ADDRESS, HOME_AGENT
from mobileip.control.lab.waiting import eventually
from mobileip.control.ops.control_socket import call
from tests.netns.aaa.freeradius import NEEDED, SECRET, FreeRadius

pytestmark = [pytest.mark.netns, NEEDED]
SIZE = 1000  # bytes of UDP payload
HEADERS = 28


def entries(text: str) -> list[dict[str, str]]:
    """The records of FreeRADIUS's detail file."""
    return [
        {key: value.strip('"') for key, value in re.findall(r"^\t(\S+) = (.*)$", entry, re.MULTILINE)}
        for entry in text.split("\n\n")
        if entry.strip()
    ]


def test_a_node_that_leaves_moves_and_returns(lab: Lab) -> None:
    server = FreeRadius(lab.correspondent.namespace, lab.processes, CORRESPONDENT, HOME.uplink.ip)
    server.start([])

    def told() -> list[dict[str, str]]:
        return entries(server.detail.read_text()) if server.detail.exists() else []

    def wait(status: str, count: int = 1) -> dict[str, str]:
        def found() -> list[dict[str, str]]:
            return [entry for entry in told() if entry["Acct-Status-Type"] == status]

        return eventually(found, lambda all_: len(all_) >= count, what=f"{status}", explain=lab.explain)[-1]

    home = lab.home
    home.stop()
    home.configuration["home_agent"]["accounting"] = {
        "interim_interval": 0.5,
        "servers": [{"address": str(CORRESPONDENT), "secret": SECRET}],
    }
    home.start()
    wait("Accounting-On")
    lab.go("foreign1", within=10)
    start = wait("Start")
    assert start["User-Name"] == start["Framed-IP-Address"] == str(HOME_ADDRESS.ip)
    assert start["NAS-IP-Address"] == str(HOME_AGENT) and start["NAS-Identifier"] == home.name
    assert start["Tunnel-Client-Endpoint:0"] == str(FOREIGN1.care_of_address)

    with lab.correspondent.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(5):
            sender.sendto(bytes(SIZE), (str(HOME_ADDRESS.ip), 9))
    with lab.node.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((str(HOME_ADDRESS.ip), 0))
        for _ in range(3):
            sender.sendto(bytes(SIZE), (str(CORRESPONDENT), 9))
    lab.go("foreign2", within=10)
    eventually(
        lambda: told()[-1],
        lambda entry: (
            entry["Acct-Status-Type"] == "Interim-Update"
            and entry["Tunnel-Client-Endpoint:0"] == str(FOREIGN2.care_of_address)
            and int(entry["Acct-Output-Octets"]) >= 5 * (SIZE + HEADERS)
        ),
        what="a report after the move",
        explain=lab.explain,
    )
    lab.go("home", within=10)
    stop = wait("Stop")
    assert stop["Acct-Session-Id"] == start["Acct-Session-Id"]
    assert stop["Acct-Terminate-Cause"] == "User-Request", "it deregistered"
    assert int(stop["Acct-Output-Packets"]) >= 5 and int(stop["Acct-Input-Packets"]) >= 3
    assert int(stop["Acct-Output-Octets"]) >= 5 * (SIZE + HEADERS)
    assert 3 * (SIZE + HEADERS) <= int(stop["Acct-Input-Octets"]) < 2**20
    assert stop["Acct-Input-Gigawords"] == stop["Acct-Output-Gigawords"] == "0"
    assert IPv4Address(stop["Tunnel-Client-Endpoint:0"]) == FOREIGN2.care_of_address

    lab.go("foreign1", within=10)
    wait("Start", 2)
    call(home.socket, "clear", what="binding", home_address=str(HOME_ADDRESS.ip))
    assert wait("Stop", 2)["Acct-Terminate-Cause"] == "Admin-Reset"

    # A home agent that was killed says nothing of its sessions: that it is on again ends them all (RFC 2866 s2).
    lab.go("foreign2", within=10)
    lost = wait("Start", 3)
    home.kill()
    home.start()
    wait("Accounting-On", 2)
    lab.go("foreign1", within=10)
    again = wait("Start", 4)
    assert again["Acct-Session-Id"] != lost["Acct-Session-Id"]
    assert again["Tunnel-Client-Endpoint:0"] == str(FOREIGN1.care_of_address)
    stopped = [one["Acct-Session-Id"] for one in told() if one["Acct-Status-Type"] == "Stop"]
    assert lost["Acct-Session-Id"] not in stopped
    (shown,) = home.show("aaa")
    assert (shown["use"], shown["state"], shown["waiting"]) == ("accounting", "answering", 0)
    server.kill()
    home.stop()
    assert "accounting-lost" in home.log.read_text(), (
        "what nobody took is told, and the daemon ended all the same"
    )
    home.reset()
    home.start()
