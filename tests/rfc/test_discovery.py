"""Requirements on agent discovery that no other test shows (RFC 5944 s2, RFC 1256)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from random import Random

import pytest

from mobileip.control.agent.settings import advertised_links
from mobileip.control.config.load import load
from mobileip.control.core.actions import SendDatagram, SendIcmp
from mobileip.control.core.advertiser import AdvertisedLink, Advertiser
from mobileip.control.core.events import IcmpReceived, LinkChanged, Tick
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.types import Lifetime
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentFlags,
    MobilityAgentAdvertisement,
    Padding,
    build_icmp,
    parse_icmp,
)
from mobileip.control.wire.icmp import sealed
from tests.unit.core.factory import (
    AGENT,
    AGENT_MAC,
    CARE_OF,
    HOME,
    OTHER_CARE_OF,
    OTHER_MAC,
    advertisement,
    at,
    kinds,
    mono,
    none,
    only,
    reply,
    sent_advertisement,
    sent_request,
    solicitation,
)
from tests.unit.core.factory import datagram as received
from tests.unit.core.test_mobile import SETTINGS, node

BOTH_AGENTS = """
[home_agent]
address = "192.0.2.1"
[[home_agent.networks]]
prefix = "192.0.2.0/24"
interface = "eth1"
advertise = { interval = 1.0 }
[[home_agent.networks]]
prefix = "192.0.3.0/24"
interface = "eth0"
advertise = { interval = 1.0 }
[[home_agent.nodes]]
home_address = "192.0.2.10"
spi = 256
key = "9f3c2ab1740de65588c0134fa7b29e61"
[foreign_agent]
care_of_address = "198.51.100.1"
max_lifetime = 300
[[foreign_agent.interfaces]]
name = "eth1"
[[foreign_agent.interfaces]]
name = "eth2"
"""


# ---- agents


@pytest.mark.rfc("5944", "2.1.1", 4, 5, 6)
@pytest.mark.parametrize(
    "flags",
    [
        AgentFlags(),
        AgentFlags(busy=True, home_agent=True),
        AgentFlags(registration_required=True, home_agent=True),
    ],
    ids=["neither F nor H", "B without F", "R without F"],
)
def test_forbidden_flags_are_not_sent(flags: AgentFlags) -> None:
    message = AgentAdvertisement(3, (MobilityAgentAdvertisement(0, Lifetime(300), flags),))
    with pytest.raises(ValueError):
        build_icmp(message)
    foreign = replace(flags, foreign_agent=True)
    fine = MobilityAgentAdvertisement(0, Lifetime(300), foreign, (CARE_OF,))
    assert parse_icmp(build_icmp(replace(message, extensions=(fine,)))) == replace(
        message, extensions=(fine,)
    )


@pytest.mark.rfc("5944", "2.1.3", 1, 2)
@pytest.mark.parametrize("addresses", [1, 2, 3])
def test_padding_of_our_advertisements_is_one_byte_at_the_end(addresses: int) -> None:
    flags = AgentFlags(foreign_agent=True)
    care_of = (CARE_OF, OTHER_CARE_OF, AGENT)[:addresses]
    link = AdvertisedLink("eth1", AGENT, 1.0, 3, Lifetime(300), flags, care_of)
    actions = Advertiser(link, lambda size: bytes(size)).multicast(busy=False)
    extensions = sent_advertisement(actions).extensions
    assert not [one for one in extensions[:-1] if isinstance(one, Padding)]
    assert len(only(actions, SendIcmp).payload) % 2 == 0


@pytest.mark.rfc("5944", "2.3", 9, 10)
def test_h_bit_is_said_on_home_links_only(tmp_path: Path) -> None:
    file = tmp_path / "mobileip.toml"
    file.write_text(BOTH_AGENTS)
    config = load(file)
    links = {
        link.interface: link
        for link in advertised_links(config, lambda interface: IPv4Interface(f"{AGENT}/24"))
    }
    said = {name: (link.flags.home_agent, link.flags.foreign_agent) for name, link in links.items()}
    assert said == {"eth0": (True, False), "eth1": (True, True), "eth2": (False, True)}


# ---- the mobile node


def solicitation_times(machine: MobileNode, until: float) -> list[float]:
    """Seconds at which solicitations leave while every deadline is honoured."""
    times = []
    while (deadline := machine.next_deadline()) is not None and deadline <= mono(until):
        time = (deadline - mono(0)) / 1e9
        if not none(machine.handle(Tick(), at(time)), SendIcmp):
            times.append(time)
    return times


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def drawn(random: Callable[[int], bytes]) -> list[float]:
    machine = MobileNode(SETTINGS, random)
    machine.handle(LinkChanged("eth0", True), at(0))
    return gaps(solicitation_times(machine, 60))


@pytest.mark.rfc("5944", "2.4", 11)
@pytest.mark.rfc("1256", "5.3", 8)
def test_solicitation_times_are_random(rng: Random) -> None:
    """Different draws, different times; never below the nominal interval, and not in whole seconds."""
    lowest, highest = drawn(lambda size: bytes(size)), drawn(lambda size: b"\xff" * size)
    assert all(low < high for low, high in zip(lowest, highest, strict=False))
    some = drawn(rng.randbytes)
    assert all(low <= gap <= high for low, gap, high in zip(lowest, some, highest, strict=False))
    assert any(gap % 1 for gap in some)
    assert some != drawn(rng.randbytes)


@pytest.mark.rfc("5944", "2.4", 9, 10)
def test_search_after_a_registration_starts_fast_and_backs_off_again() -> None:
    machine = node()
    machine.handle(LinkChanged("eth0", True), at(0))
    assert max(gaps(solicitation_times(machine, 100))) > 30, "slow after a long search"
    asked = only(machine.handle(advertisement(lifetime=3), at(100)), SendDatagram).payload
    machine.handle(received(reply(to=asked)), at(100.1))
    assert machine.state is State.REGISTERED
    again = solicitation_times(machine, 200)
    assert again[0] == 103, "as soon as the agent is lost"
    for gap, nominal in zip(gaps(again), (1, 1, 1, 2, 4, 8), strict=False):
        assert nominal <= gap <= nominal * 1.25 + 1e-6


@pytest.mark.rfc("5944", "2.4", 13)
def test_first_of_several_care_of_addresses_is_registered() -> None:
    for addresses in ((CARE_OF, OTHER_CARE_OF), (OTHER_CARE_OF, CARE_OF)):
        machine = node()
        machine.handle(LinkChanged("eth0", True), at(0))
        actions = machine.handle(advertisement(care_of=addresses), at(0))
        assert sent_request(actions).care_of_address == addresses[0]


@pytest.mark.rfc("5944", "2.4", 15)
@pytest.mark.parametrize("bit", [0x0200, 0x0010, 0x0008, 0x0004, 0x0002, 0x0001])
def test_reserved_bits_of_an_advertisement_are_ignored(bit: int) -> None:
    """r, and the five below I."""
    plain = advertisement()
    payload = bytearray(plain.payload)
    flags = 8 + 2 + 2 + 2  # ICMP part without routers; type and length; sequence number; lifetime
    assert int.from_bytes(payload[flags : flags + 2]) == 0x1100, "F and T"
    payload[flags : flags + 2] = (0x1100 | bit).to_bytes(2)
    payload[2:4] = bytes(2)
    machine = node()
    machine.handle(LinkChanged("eth0", True), at(0))
    actions = machine.handle(replace(plain, payload=sealed(bytes(payload))), at(0))
    assert sent_request(actions).care_of_address == CARE_OF


@pytest.mark.rfc("5944", "3.6", 5)
def test_agent_that_is_free_again_does_not_take_its_node_back() -> None:
    """It was heard before the one in use and would have been chosen; now it is only another agent."""
    machine = node()
    machine.handle(LinkChanged("eth0", True), at(0))
    assert none(machine.handle(first_agent(0, busy=True), at(0)), SendDatagram)
    asked = only(machine.handle(advertisement(lifetime=9000), at(1)), SendDatagram).payload
    machine.handle(received(reply(to=asked)), at(1.1))
    assert none(machine.handle(first_agent(1, busy=False), at(5)), SendDatagram)
    assert machine.registration is not None and machine.registration.care_of_address == CARE_OF


def first_agent(sequence: int, busy: bool) -> IcmpReceived:
    return advertisement(
        sequence,
        source=IPv4Address("203.0.113.2"),
        mac=OTHER_MAC,
        care_of=(OTHER_CARE_OF,),
        busy=busy,
        lifetime=9000,
    )


def registered() -> MobileNode:
    machine = node()
    machine.handle(LinkChanged("eth0", True), at(0))
    asked = only(machine.handle(advertisement(lifetime=9000), at(0)), SendDatagram).payload
    machine.handle(received(reply(to=asked)), at(0.1))
    assert machine.state is State.REGISTERED
    return machine


@pytest.mark.rfc("5944", "3.6", 7)
def test_redirect_is_no_reason_to_register() -> None:
    machine = registered()
    before = machine.attachment, machine.next_deadline()
    redirect = sealed(b"\x05\x01\x00\x00" + IPv4Address("203.0.113.2").packed + b"\x45" + bytes(27))
    event = IcmpReceived(redirect, AGENT, HOME, "eth0", AGENT_MAC)
    assert kinds(machine.handle(event, at(5))) == []
    assert (machine.attachment, machine.next_deadline()) == before


@pytest.mark.rfc("1256", "5.2", 2)
def test_solicitation_is_nothing_to_a_mobile_node() -> None:
    machine = registered()
    assert machine.handle(solicitation(interface="eth0"), at(5)) == []
