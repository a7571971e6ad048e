"""The load generator's messages, against the product's own reader of them and against hmac."""

from __future__ import annotations

import hmac
import random
import time
from ipaddress import IPv4Address

import numpy as np
import pytest

from mobileip.control.net import ipv4
from mobileip.control.reasons import Reason
from mobileip.control.security import Algorithm, MobilitySecurityAssociation, Secret, sign, verify
from mobileip.control.types import Endpoint, Identification, Lifetime, Spi
from mobileip.control.wire import (
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    WireError,
    build,
    parse,
)
from tools.load import messages
from tools.load.hostile import malformed
from tools.load.population import SPI, Population

AGENT = IPv4Address("192.0.2.1")
COUNT = 5


@pytest.fixture(params=[False, True], ids=["one key", "a key each"])
def population(request: pytest.FixtureRequest) -> Population:
    return Population(COUNT, derived=request.param)


def signed(population: Population, offset: int = 0) -> np.ndarray:
    """Requests of all nodes, behind ``offset`` bytes of 0xa5."""
    rows = np.full((COUNT, offset + messages.REQUEST.itemsize), 0xA5, np.uint8)
    requests = messages.view(rows, messages.REQUEST, offset)
    nodes = np.arange(COUNT)
    messages.prepare(requests, int(AGENT), SPI)
    requests["flags"] = messages.DECAPSULATION_BY_MN | messages.REVERSE_TUNNEL
    requests["lifetime"] = 600
    requests["home"] = int(population.first) + nodes
    requests["care_of"] = int(IPv4Address("198.18.0.1")) + nodes
    requests["identification"] = messages.timestamps(1_700_000_000_123_456_789, COUNT)
    messages.sign(rows, offset, messages.REQUEST_COVERED, nodes, population)
    return rows


def association(key: bytes) -> MobilitySecurityAssociation:
    return MobilitySecurityAssociation(Spi(SPI), Secret(key), Algorithm.HMAC_MD5)


@pytest.mark.parametrize("offset", [0, 42])
def test_requests_are_what_the_product_reads_and_verifies(population: Population, offset: int) -> None:
    rows = signed(population, offset)
    assert (rows[:, :offset] == 0xA5).all()
    for node, row in enumerate(rows):
        request = parse(row[offset:].tobytes())
        assert isinstance(request, RegistrationRequest)
        assert request.home_address == population.first + node
        assert request.home_agent == AGENT
        assert request.care_of_address == IPv4Address("198.18.0.1") + node
        assert request.lifetime == 600
        assert request.flags.decapsulation_by_mn and request.flags.reverse_tunnel
        extension = request.first(MobileHomeAuthentication)
        assert extension is not None and len(request.extensions) == 1
        assert verify(association(population.key_of(node)), request, extension)


def test_timestamps_are_ntp_and_grow() -> None:
    wall = 1_700_000_000_123_456_789
    first, *rest = [int(one) for one in messages.timestamps(wall, 3)]
    assert rest == [first + 1, first + 2]
    assert abs(Identification(first >> 32, first & 0xFFFF_FFFF).to_wall() - wall) <= 1


def test_replies_of_the_product_are_read_and_their_authenticators_checked() -> None:
    key = Population(1).key
    reply = build(
        RegistrationReply(133, Lifetime(60), IPv4Address("10.0.0.1"), AGENT, Identification(0xDEADBEEF, 7))
    )
    whole = sign(association(key), reply, MobileHomeAuthentication)
    record = messages.view(np.frombuffer(whole, np.uint8)[None, :], messages.REPLY, 0)[0]
    assert (record["type"], record["code"], record["lifetime"]) == (3, 133, 60)
    assert record["home"] == int(IPv4Address("10.0.0.1"))
    assert record["identification"] == 0xDEADBEEF << 32 | 7
    assert messages.is_authentic(whole, key)
    assert not messages.is_authentic(whole[:-1] + bytes([whole[-1] ^ 1]), key)


def test_frames_carry_the_request_and_add_up() -> None:
    head, payload = messages.FRAME.itemsize, messages.REQUEST.itemsize
    rows = signed(Population(COUNT), head)
    frames = messages.view(rows, messages.FRAME, 0)
    rows[:, :head] = 0
    messages.prepare_frames(
        frames, to=bytes(range(6)), sender=bytes(range(6, 12)), destination=int(AGENT), payload=payload
    )
    messages.set_sources(frames, int(IPv4Address("10.0.0.1")) + np.arange(COUNT))
    for node, row in enumerate(rows):
        frame = row.tobytes()
        assert frame[:14] == bytes(range(12)) + b"\x08\x00"
        packet = ipv4.parse(frame[14:])
        assert not isinstance(packet, Reason)  # the header checksum is right
        datagram = ipv4.parse_udp(packet, partial=False)
        assert not isinstance(datagram, Reason)
        assert datagram.source == Endpoint(IPv4Address("10.0.0.1") + node, 434)
        assert datagram.destination == Endpoint(AGENT, 434)
        assert datagram.ttl == 255
        assert datagram.payload == frame[head:]


def test_malformed_requests_are_none_that_could_be_accepted() -> None:
    seed = time.time_ns() & 0xFFFF
    chance, population = random.Random(seed), Population(COUNT)
    good = signed(population)[0].tobytes()
    refused = 0
    for _ in range(2000):
        bad = malformed(good, chance)
        assert bad != good, f"seed {seed}"
        try:
            message = parse(bad)
        except WireError:
            refused += 1
            continue
        extension = message.first(MobileHomeAuthentication)
        assert extension is None or not verify(association(population.key), message, extension), (
            f"seed {seed}"
        )
    assert refused > 1000, f"seed {seed}"


def test_derived_keys_differ_and_are_the_documented_ones() -> None:
    population = Population(COUNT, derived=True)
    keys = {population.key_of(node) for node in range(COUNT)}
    assert len(keys) == COUNT
    address = (population.first + 2).packed
    assert population.key_of(2) == hmac.digest(population.key, address, "sha256")[:16]


@pytest.mark.parametrize("count", [1, 2, 6, 7, 254, 255, 1000, 65535])
def test_the_home_network_holds_all_nodes_and_its_broadcast_is_none_of_theirs(count: int) -> None:
    population = Population(count)
    network = population.network
    assert population.first in network and population.first + (count - 1) in network
    assert population.first > network.network_address
    assert population.first + (count - 1) < network.broadcast_address
