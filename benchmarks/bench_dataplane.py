"""Nanoseconds per packet of the C core, in memory: no system calls, one core.

A call works on a whole batch of packets that numpy made (:mod:`benchmarks.memory.batch`), so that the way from Python
does not count; the figure to read is ``ns_per_packet`` in the extra information, of the best round. Each round has
other home addresses, taken by chance from all in the table. ``bench_copy`` is the yardstick: memcpy() of the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.memory.batch import COUNT, Batch, Table, copy
from mobileip.dataplane import Encapsulation, Flag, Side, Tunnel, checksum, encapsulate, fragment

ROUNDS = 200
SIZES = (64, 512, 1500)
TUNNELS = (1, 1_000_000)
TUNNEL = Tunnel(
    IPv4Address("100.64.0.0"),
    Side.HOME,
    IPv4Address("192.0.2.1"),
    IPv4Address("192.0.2.2"),
    1520,
    flags=Flag.REVERSE,
)


def report(benchmark: BenchmarkFixture, packets: int) -> None:
    benchmark.extra_info["ns_per_packet"] = round(benchmark.stats.stats.min / packets * 1e9, 2)


@pytest.fixture(params=[(kind, count) for kind in Encapsulation for count in TUNNELS], scope="module",
                ids=lambda param: f"{param[0].name.lower()}-{param[1]}")  # fmt: skip
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    encapsulation, tunnels = request.param
    with Table(tunnels, encapsulation) as made:
        yield made


@pytest.mark.parametrize("size", SIZES)
def bench_encapsulate(benchmark: BenchmarkFixture, table: Table, size: int) -> None:
    """With look-up."""
    batch = Batch(size)

    def prepare() -> tuple[tuple[object], dict[str, object]]:
        batch.to_homes(table.tunnels)
        return (batch.described,), {}

    assert benchmark.pedantic(table.encapsulate, setup=prepare, rounds=ROUNDS) == COUNT
    report(benchmark, COUNT)


@pytest.mark.parametrize("tunnels", TUNNELS)
@pytest.mark.parametrize("encapsulation", Encapsulation)
@pytest.mark.parametrize("size", SIZES)
def bench_decapsulate(
    benchmark: BenchmarkFixture, encapsulation: Encapsulation, tunnels: int, size: int
) -> None:
    """With look-up and the checks of who sent it, at the home agent's end."""
    batch = Batch(size)
    with Table(tunnels, encapsulation) as home, Table(tunnels, encapsulation, Side.CARE_OF) as care_of:

        def prepare() -> tuple[tuple[object], dict[str, object]]:
            batch.from_homes(tunnels)
            assert care_of.encapsulate(batch.described) == COUNT
            return (batch.in_tunnel(encapsulation),), {}

        assert benchmark.pedantic(home.decapsulate, setup=prepare, rounds=ROUNDS) == COUNT
    report(benchmark, COUNT)


@pytest.mark.parametrize("size", SIZES)
def bench_copy(benchmark: BenchmarkFixture, size: int) -> None:
    source, destination = Batch(size), Batch(size)

    def prepare() -> tuple[tuple[object, object], dict[str, object]]:
        source.to_homes(1)
        return (destination, source.described), {}

    benchmark.pedantic(copy, setup=prepare, rounds=ROUNDS)
    report(benchmark, COUNT)


def packet(size: int) -> bytes:
    """A packet to the tunnel's home address."""
    batch = Batch(size, 1)
    batch.to_homes(1)
    return bytes(batch.packets[0])


@pytest.mark.parametrize("size", SIZES)
def bench_encapsulate_from_python(benchmark: BenchmarkFixture, size: int) -> None:
    """One call from Python each: mostly the call."""
    benchmark(encapsulate, packet(size), TUNNEL, 1)
    report(benchmark, 1)


@pytest.mark.parametrize("size", SIZES)
def bench_checksum(benchmark: BenchmarkFixture, size: int) -> None:
    benchmark(checksum, packet(size))
    report(benchmark, 1)


def bench_fragment(benchmark: BenchmarkFixture) -> None:
    """1500 bytes into three, with the Python objects."""
    assert len(benchmark(fragment, packet(1500), 576)) == 3
    report(benchmark, 1)
