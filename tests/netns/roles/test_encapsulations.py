"""GRE and minimal encapsulation as negotiated (M and G bits), with the real daemons, seen by tshark."""

from __future__ import annotations

import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.lab.capture import captured
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, HOME_ADDRESS, HOME_AGENT, SITES, UPLINK_INTERFACE
from mobileip.control.lab.traffic import Transfer
from mobileip.control.lab.waiting import eventually, subset
from tests.netns.codes.tshark import needs_both
from tests.netns.foreign.visiting import ip, udp
from tests.netns.roles.kernel import device_mtu

pytestmark = [pytest.mark.netns, needs_both]

NUMBERS = {"ipip": 4, "gre": 47, "minimal": 55}
OPTIONS = {"gre_checksum": True, "gre_sequence": True}
SITES_IN_TURN = ("foreign1", "foreign2", "foreign3", "foreign1", "home")


@pytest.fixture
def asking(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The node asks for the encapsulation of the parameter; foreign2 has IP-in-IP only."""
    kind, daemon = request.param
    for one in lab.daemons:
        one.stop()
        one.configuration["daemon"] = daemon
    lab.node.configuration["mobile_node"]["encapsulation"] = [kind]
    lab.foreign2.configuration["foreign_agent"]["encapsulations"] = []
    lab.start()
    lab.wait_registered()
    yield lab


@pytest.mark.rfc("5944", "3.6.1.2", 10)
@pytest.mark.rfc("5944", "4.1", 1)
@pytest.mark.parametrize(
    ("asking", "kind", "mtu", "device", "gre"),
    [
        (("gre", {}), "gre", 1476, 1476, 0x0000),
        (("gre", OPTIONS), "gre", 1468, 1468, 0x9000),  # checksum and sequence number present
        (("minimal", {}), "minimal", 1480, 1488, None),
    ],
    indirect=["asking"],
    ids=["gre", "gre-checksum-sequence", "minimal"],
)
def test_a_connection_survives_moves_that_change_the_encapsulation(
    asking: Lab, kind: str, mtu: int, device: int, gre: int | None, tmp_path: Path
) -> None:
    """Through an agent that has it, one that does not, co-located, back again; both ways, with a reverse tunnel."""
    lab, file = asking, tmp_path / "tunnels.pcap"
    assert device_mtu(lab.node.namespace, "mip0") == device
    used: dict[str, set[int]] = defaultdict(set)
    with captured(
        lab.processes, lab.home.namespace, UPLINK_INTERFACE, file, "ip proto 4 or ip proto 47 or ip proto 55"
    ):
        transfer = Transfer(lab.processes, lab.topology)
        transfer.send(down=8192, up=4096, every_us=5000)
        for name in SITES_IN_TURN:
            lab.go(name)
            before = transfer.received()
            eventually(
                transfer.received,
                lambda now, then=before: all(b > a + 50_000 for a, b in zip(then, now, strict=True)),
                what=f"the transfer to go on at {name}",
                explain=lab.explain,
            )
            if name != "home":
                expected = "ipip" if name == "foreign2" else kind
                shown(lab, name, expected, (mtu, device) if expected == kind else (1480, 1480))
                used[str(SITES[name].care_of_address)].add(NUMBERS[expected])
        verdict = transfer.finish()
    assert verdict.survived and verdict.checksum_ok, verdict.reason
    assert by_care_of_address(file) == {(end, way): used[end] for end in used for way in ("out", "in")}
    if gre is not None:
        assert gre_flags(file) == {gre}


def shown(lab: Lab, name: str, kind: str, mtus: tuple[int, int]) -> None:
    """What both ends and the node say of the tunnel; ``mtus`` are of its end at an agent, and at the node."""
    registration: dict[str, Any] = lab.node.show("registration")
    assert registration["encapsulation"] == kind
    expected = [{"encapsulation": kind}]
    assert subset(expected)(lab.home.show("bindings"))
    ends = [lab.home.show("tunnels")]
    if name == "foreign3":
        ends.append(lab.node.show("tunnels"))
    else:
        mtus = mtus[0], mtus[0]
        agent = getattr(lab, name)
        assert subset(expected)(
            [row for row in agent.show("visitors") if row["home_address"] == str(HOME_ADDRESS.ip)]
        )
        ends.append(agent.show("tunnels"))
    assert [[(row["encapsulation"], row["mtu"]) for row in rows] for rows in ends] == [
        [(kind, mtu)] for mtu in mtus
    ]


def fields(file: Path, *names: str, every: bool = False) -> list[list[str]]:
    """Of each packet the outermost value of each field, or ``every`` one."""
    command = ["tshark", "-r", str(file), "-T", "fields", "-E", f"occurrence={'a' if every else 'f'}"]
    for name in names:
        command += ["-e", name]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in run.stdout.splitlines()]


def by_care_of_address(file: Path) -> dict[tuple[str, str], set[int]]:
    """Protocol numbers of what went out of the home agent to each care-of address, and came in from it."""
    seen: dict[tuple[str, str], set[int]] = defaultdict(set)
    for source, destination, protocol in fields(file, "ip.src", "ip.dst", "ip.proto"):
        end = (destination, "out") if source == str(HOME_AGENT) else (source, "in")
        seen[end].add(int(protocol))
    return seen


def gre_flags(file: Path) -> set[int]:
    return {int(flags, 16) for (flags,) in fields(file, "gre.flags_and_version") if flags}


@pytest.mark.parametrize("asking", [("gre", {})], indirect=True, ids=["gre"])
def test_agents_agree_on_keys(asking: Lab, tmp_path: Path) -> None:
    """RFC 6245: each end sends the key that the other asked for, here both the node's address."""
    lab, file = asking, tmp_path / "keys.pcap"
    lab.foreign1.stop()
    lab.foreign1.configuration["foreign_agent"]["gre_keys"] = True
    lab.foreign1.start()
    with captured(lab.processes, lab.home.namespace, UPLINK_INTERFACE, file, "ip proto 47 or udp port 434"):
        lab.go("foreign1")
        lab.correspondent.ping(HOME_ADDRESS.ip)
        lab.node.ping(CORRESPONDENT, source=HOME_ADDRESS.ip)
    for agent in (lab.home, lab.foreign1):
        (tunnel,) = agent.show("tunnels")
        assert tunnel["mtu"] == 1472 and "gre_key" in tunnel["flags"]
    care_of, home, key = (
        str(SITES["foreign1"].care_of_address),
        str(HOME_AGENT),
        f"{int(HOME_ADDRESS.ip):#010x}",
    )
    sent = fields(file, "ip.src", "ip.dst", "gre.key")
    assert {tuple(row) for row in sent if row[2]} == {(care_of, home, key), (home, care_of, key)}
    lab.go("home")
    registrations = fields(file, "udp.srcport", "mip.type", "mip.ext.type", every=True)
    # tshark knows 48, but not that it has the long format, so what follows it is not what it says.
    seen = [(row[1], row[2].split(",")[:2]) for row in registrations if row[0] == "434"]
    assert seen == [("1", ["32", "48"]), ("3", ["32", "48"])]


@pytest.mark.rfc("6040", "4.3", 1)
@pytest.mark.parametrize("asking", [("gre", {"propagate_ecn": False})], indirect=True, ids=["gre"])
def test_outer_headers_without_the_ecn_field(asking: Lab, tmp_path: Path) -> None:
    """Both ends; what is inside keeps it, and the rest of the TOS is outside too."""
    lab, file = asking, tmp_path / "ecn.pcap"
    lab.go("foreign1")
    with captured(lab.processes, lab.home.namespace, UPLINK_INTERFACE, file, "ip", "proto", "47"):
        for here, source, there, destination in (
            (lab.correspondent, CORRESPONDENT, lab.node, HOME_ADDRESS.ip),
            (lab.node, HOME_ADDRESS.ip, lab.correspondent, CORRESPONDENT),
        ):
            with (
                there.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
                here.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender,
            ):
                receiver.bind((str(destination), 9))
                receiver.settimeout(3.0)
                packet = bytearray(ip(source, destination, socket.IPPROTO_UDP, udp(b"ECT(0)")))
                packet[1] = 0xBA  # the kernel makes the checksum
                sender.sendto(packet, (str(destination), 0))
                assert receiver.recv(2000) == b"ECT(0)"
    seen = fields(file, "ip.src", "ip.dsfield", every=True)
    marked = {(source.split(",")[1], field) for source, field in seen if field.endswith(",0xba")}
    assert marked == {(str(CORRESPONDENT), "0xb8,0xba"), (str(HOME_ADDRESS.ip), "0xb8,0xba")}
