"""Nanoseconds per packet of the C core, in memory: no system calls, one core.

Each call repeats its work in C, so that the time of calling from Python does
not count; the figure to read is ``ns_per_packet`` in the extra information, the
best round.  Packets and tunnel are warm in the cache.
"""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mobileip.dataplane import Flag, Side, Tunnel, checksum, encapsulate, fragment
from mobileip.dataplane._core import decapsulate_into, encapsulate_into

REPEAT = 20_000
ROOM = 64
TUNNEL = Tunnel(
    IPv4Address("198.51.100.7"),
    Side.HOME,
    IPv4Address("192.0.2.1"),
    IPv4Address("192.0.2.2"),
    1500,
    flags=Flag.REVERSE,
)


def packet(size: int) -> bytes:
    """A UDP packet of ``size`` bytes from a correspondent to the home address."""
    header = bytearray.fromhex("4500000000010000 4011 0000 cb007109 c6336407")
    header[2:4] = size.to_bytes(2, "big")
    header[10:12] = checksum(header).to_bytes(2, "big")
    return bytes(header) + bytes(size - len(header))


def report(benchmark: BenchmarkFixture, packets: int) -> None:
    benchmark.extra_info["ns_per_packet"] = round(benchmark.stats.stats.min / packets * 1e9, 2)


@pytest.mark.parametrize("size", [64, 512, 1500])
def bench_encapsulate(benchmark: BenchmarkFixture, size: int) -> None:
    buffer = bytearray(ROOM) + packet(size)
    result = benchmark(encapsulate_into, buffer, ROOM, size, TUNNEL, 1, REPEAT)
    assert result == (ROOM - 20, size + 20)
    report(benchmark, REPEAT)


@pytest.mark.parametrize("size", [64, 512, 1500])
def bench_decapsulate(benchmark: BenchmarkFixture, size: int) -> None:
    buffer = bytearray(encapsulate(packet(size), TUNNEL, 1))
    result = benchmark(decapsulate_into, buffer, 0, len(buffer), REPEAT)
    assert result == (20, size, None, None)
    report(benchmark, REPEAT)


@pytest.mark.parametrize("size", [64, 512, 1500])
def bench_checksum(benchmark: BenchmarkFixture, size: int) -> None:
    """One call from Python each: mostly the call."""
    benchmark(checksum, packet(size))
    report(benchmark, 1)


def bench_fragment(benchmark: BenchmarkFixture) -> None:
    """1500 bytes into three, with the Python objects."""
    assert len(benchmark(fragment, packet(1500), 576)) == 3
    report(benchmark, 1)
