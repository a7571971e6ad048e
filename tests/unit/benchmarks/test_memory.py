"""The batches of the benchmark in memory: packets that are right, and work on them that is really done."""

from __future__ import annotations

from ipaddress import IPv4Address

import numpy as np
import pytest

from benchmarks.memory import batch
from mobileip.dataplane import Encapsulation, Side, Tunnel, checksum, decapsulate, encapsulate, overhead


def tunnel(home: IPv4Address, encapsulation: Encapsulation) -> Tunnel:
    return Tunnel(home, Side.HOME, IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"), 1520, encapsulation)


@pytest.mark.parametrize("size", [64, 512, 1500])
def test_packets_are_valid(size: int) -> None:
    made = batch.Batch(size, 100)
    made.to_homes(1000)
    homes = set()
    for packet in made.packets:
        assert checksum(bytes(packet[:20])) == 0
        assert int.from_bytes(packet[2:4].tobytes(), "big") == len(packet) == size
        homes.add(int.from_bytes(packet[16:20].tobytes(), "big") - batch.HOMES)
    assert 50 < len(homes) <= 100 and max(homes) < 1000


@pytest.mark.parametrize("encapsulation", Encapsulation)
def test_encapsulates_as_the_engine_does(encapsulation: Encapsulation) -> None:
    made = batch.Batch(200, 130)
    made.to_homes(50)
    before = [bytes(packet) for packet in made.packets]
    with batch.Table(50, encapsulation) as table:
        assert table.encapsulate(made.described) == 130
    added = overhead(encapsulation)
    for number, (packet, row) in enumerate(zip(before, made.rows, strict=True)):
        expected = encapsulate(packet, tunnel(IPv4Address(packet[16:20]), encapsulation), number % 64)
        assert bytes(row[batch.HEADROOM - added : batch.HEADROOM + 200]) == expected


@pytest.mark.parametrize("encapsulation", Encapsulation)
def test_decapsulates_what_was_encapsulated(encapsulation: Encapsulation) -> None:
    made = batch.Batch(200, 130)
    made.from_homes(50)
    before = [bytes(packet) for packet in made.packets]
    added = overhead(encapsulation)
    with batch.Table(50, encapsulation, Side.CARE_OF) as care_of, batch.Table(50, encapsulation) as home:
        assert care_of.encapsulate(made.described) == 130
        outer = made.rows[:, batch.HEADROOM - added : batch.HEADROOM + 200].copy()
        assert [decapsulate(bytes(row), encapsulation).packet for row in outer] == before
        assert home.decapsulate(made.in_tunnel(encapsulation)) == 130


def test_an_address_in_no_tunnel_does_not_count() -> None:
    made = batch.Batch(64, 200)
    made.to_homes(100)
    known = np.count_nonzero(made.packets[:, 16:20].copy().view(">u4") < batch.HOMES + 10)
    with batch.Table(10, Encapsulation.IPIP) as table:
        assert table.encapsulate(made.described) == known < 200


def test_copy_copies() -> None:
    source, destination = batch.Batch(512, 10), batch.Batch(512, 10)
    source.to_homes(10)
    batch.copy(destination, source.described)
    assert np.array_equal(source.packets, destination.packets)
