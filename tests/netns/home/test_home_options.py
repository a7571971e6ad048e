"""What only configuration turns on at a home agent, with the real daemon: names, nonces, several bindings, agents."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    CORRESPONDENT,
    FOREIGN1,
    FOREIGN3,
    HOME,
    HOME_ADDRESS,
    UPLINK_INTERFACE,
)
from mobileip.control.lab.waiting import eventually, subset
from mobileip.control.security import MobilitySecurityAssociation, Nonces, ReplayMethod, Secret, sign
from mobileip.control.types import Lifetime, Spi
from mobileip.control.wire import (
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationRequest,
    build,
)
from tests.netns.roles.asking import asker, request, signed
from tests.netns.roles.kernel import ours

pytestmark = pytest.mark.netns

NAME = "alice@example.net"
NAMED_KEY = "00f1e2d3c4b5a69788796a5b4c3d2e1f"
AGENTS_KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
NAMED = MobilitySecurityAssociation(Spi(300), Secret(bytes.fromhex(NAMED_KEY)), replay=ReplayMethod.NONCES)
IPIP = 4  # the protocol number
ZERO = IPv4Address("0.0.0.0")
POOL_FIRST = IPv4Address("203.0.113.128")


@pytest.fixture(scope="module")
def running(networks: Lab) -> Iterator[Daemon]:
    """A home agent with everything turned on; no other daemon."""
    home = networks.home
    table = home.configuration["home_agent"]
    table["max_simultaneous"] = 2
    table["broadcasts"] = True
    table["networks"][0]["pool"] = "203.0.113.128/25"
    table["nodes"].append({"nai": "*@example.net", "spi": 300, "key": NAMED_KEY, "replay": "nonces"})
    home.start()
    yield home
    home.stop()
    assert ours(home.namespace) == []


def reasons(daemon: Daemon) -> dict[str, int]:
    counted: dict[str, int] = daemon.show("counters")["reasons"]
    return counted


def named(message: RegistrationRequest) -> bytes:
    """Signed, with the name in front of the authenticator."""
    extended = replace(message, extensions=(NetworkAccessIdentifier(NAME),))
    return sign(NAMED, build(extended), MobileHomeAuthentication)


@pytest.mark.rfc("2794", "3", 3, 5)
@pytest.mark.rfc("5944", "5.7.2", 1)
def test_name_and_nonces_lead_to_an_address_and_a_tunnel(networks: Lab, running: Daemon) -> None:
    nonces = Nonces()
    asked = replace(request(CORRESPONDENT), home_address=ZERO)
    with asker(networks.correspondent) as ask:
        codes = []
        for draw in (11, 12, 13):
            identification, nonces = nonces.next_identification(0, draw)
            reply = ask.ask(named(replace(asked, identification=identification)))
            assert reply.identification.low == draw
            nonces = nonces.on_reply(reply.identification)
            codes.append(reply.code)
        assert codes == [133, 0, 0]
        assert reply.home_address == POOL_FIRST
        name = reply.first(NetworkAccessIdentifier)
        assert name is not None and name.nai == NAME
        (binding,) = running.show("bindings")
        assert (binding["home_address"], binding["nai"]) == (str(POOL_FIRST), NAME)
        assert [one["home_address"] for one in running.show("tunnels")] == [str(POOL_FIRST)]
        identification, nonces = nonces.next_identification(0, 14)
        gone = replace(asked, lifetime=Lifetime(0), care_of_address=ZERO, identification=identification)
        assert ask.ask(named(gone)).code == 0
    assert running.show("bindings") == [] and running.show("tunnels") == []


@pytest.mark.rfc("5944", "4.2.3", 9)
def test_bindings_stand_beside_each_other_and_end_one_by_one(networks: Lab, running: Daemon) -> None:
    """Each packet goes to every care-of address, to none that ended, and nowhere after the last."""
    home_address, second, third = HOME_ADDRESS.ip, FOREIGN3.router.ip, FOREIGN1.router.ip
    agent = HOME.router.ip

    def ask_for(care_of_address: IPv4Address, lifetime: int = 30) -> int:
        asked = request(care_of_address)
        flags = replace(asked.flags, simultaneous=True)
        return ask.ask(signed(replace(asked, flags=flags, lifetime=Lifetime(lifetime)))).code

    def cared_for() -> list[str]:
        bindings = [one["care_of_address"] for one in running.show("bindings")]
        assert sorted(one["remote"] for one in running.show("tunnels")) == sorted(bindings)
        return bindings

    with (
        asker(networks.correspondent) as ask,
        networks.correspondent.sniff("eth0") as at_first,
        networks.foreign3.sniff(UPLINK_INTERFACE) as at_second,
    ):
        assert [ask_for(address) for address in (CORRESPONDENT, second, third)] == [0, 0, 135]
        assert cared_for() == [str(CORRESPONDENT), str(second)]
        assert not networks.neighbour.reaches(home_address, within=0.2)  # nobody is there to answer
        eventually(lambda: at_first.between(agent, CORRESPONDENT), _tunnelled(home_address))
        eventually(lambda: at_second.between(agent, second), _tunnelled(home_address))
        assert ask_for(CORRESPONDENT, 0) == 0
        assert cared_for() == [str(second)]
        copies = len([one for one in at_first.between(agent, CORRESPONDENT) if one[9] == IPIP])
        seen = len(at_second.between(agent, second))
        assert not networks.neighbour.reaches(home_address, within=0.2)
        eventually(lambda: len(at_second.between(agent, second)), lambda now: now > seen)
        assert len([one for one in at_first.between(agent, CORRESPONDENT) if one[9] == IPIP]) == copies
        assert ask_for(third) == 0
        assert cared_for() == [str(second), str(third)]
        assert ask_for(home_address, 0) == 0
    assert cared_for() == [] and ours(running.namespace) == []


def _tunnelled(inner_destination: IPv4Address) -> Callable[[list[bytes]], bool]:
    """Whether one of the packets is IP-in-IP and leads to ``inner_destination``."""
    return lambda packets: any(one[9] == IPIP and one[36:40] == inner_destination.packed for one in packets)


@pytest.mark.rfc("5944", "3.6.1.2", 3, 4, 5)
@pytest.mark.rfc("5944", "4.3", 1, 2)
@pytest.mark.parametrize(
    ("wanted", "co_located", "headers"),
    [(True, True, 1), (True, False, 2), (False, True, 0)],
    ids=["co-located", "foreign agent", "not asked for"],
)
def test_broadcasts_of_the_home_link(
    networks: Lab, running: Daemon, wanted: bool, co_located: bool, headers: int
) -> None:
    """Encapsulated once to a co-located node, first to the home address for a foreign agent."""
    home_address, agent, broadcast = HOME_ADDRESS.ip, HOME.router.ip, HOME.prefix.broadcast_address
    asked = request(CORRESPONDENT)
    flags = replace(asked.flags, broadcast=wanted, decapsulation_by_mn=co_located)

    def tunnelled(packets: list[bytes]) -> list[bytes]:
        return [one[20:] for one in packets if one[9] == IPIP]

    with asker(networks.correspondent) as ask, networks.correspondent.sniff("eth0") as arriving:
        assert ask.ask(signed(replace(asked, flags=flags))).code == 0
        with networks.neighbour.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sending.sendto(b"to all", (str(broadcast), 9))
        if not headers:
            networks.neighbour.reaches(home_address, within=0.3)  # what is meant for the node comes, later
        found = eventually(
            lambda: tunnelled(arriving.between(agent, CORRESPONDENT)), lambda packets: packets != []
        )
        destinations = [packet[16:20] for packet in found]
        if headers == 1:
            assert destinations == [broadcast.packed] and found[0].endswith(b"to all")
        elif headers == 2:
            assert destinations == [home_address.packed] and found[0][9] == IPIP
            assert found[0][36:40] == broadcast.packed and found[0].endswith(b"to all")
        else:
            assert broadcast.packed not in destinations
        assert ask.ask(signed(replace(request(home_address), lifetime=Lifetime(0)))).code == 0


@pytest.mark.rfc("5944", "3.5.4", 1, 2, 5)
@pytest.mark.rfc("5944", "3.8.2.1", 19, 20, 21, 22, 23)
def test_agents_that_share_a_key_serve_a_node_and_one_without_is_refused(
    networks: Lab, running: Daemon
) -> None:
    """Home agent, foreign agent and node, all real; then the foreign agent forgets the key."""
    care_of_address = str(FOREIGN1.care_of_address)
    shared = {"spi": 500, "key": AGENTS_KEY}
    home, agent, node = running, networks.foreign1, networks.node
    home.stop()
    home.configuration["home_agent"]["foreign_agents"] = [{"address": care_of_address, **shared}]
    agent.configuration["foreign_agent"]["home_agents"] = [{"address": str(HOME.router.ip), **shared}]
    networks.start(home, agent, node, at="foreign1")
    networks.wait_registered()
    eventually(lambda: home.show("bindings"), subset([{"care_of_address": care_of_address}]))
    networks.correspondent.ping(HOME_ADDRESS.ip)
    assert reasons(home)["fa-failed-authentication"] == 0
    node.stop()  # deregisters, without the agents' extension
    assert home.show("bindings") == []
    agent.stop()
    agent.reset()
    networks.start(agent, node)
    eventually(lambda: reasons(home)["fa-failed-authentication"], lambda count: count > 0, within=5)
    assert home.show("bindings") == []
    for daemon in (node, agent):
        daemon.stop()
