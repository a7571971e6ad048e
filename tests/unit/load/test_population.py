"""Whom the home agent is told to know: exactly the nodes that are played."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from tools.load.population import Population


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 70_000])
def test_ranges_hold_every_node_and_nobody_else(count: int) -> None:
    population = Population(count)
    numbers = [
        (int(block.network_address), int(block.broadcast_address))
        for block in (IPv4Network(node["home_addresses"]) for node in population.nodes())
    ]
    first = int(population.first)
    assert sum(last - begin + 1 for begin, last in numbers) == count
    assert (min(begin for begin, _ in numbers), max(last for _, last in numbers)) == (
        first,
        first + count - 1,
    )
    assert {node["key"] for node in population.nodes()} == {population.key_of(0).hex()}


def test_derived_keys_are_each_of_one_node() -> None:
    nodes = list(Population(10, derived=True).nodes())
    assert len({node["home_address"] for node in nodes}) == len({node["key"] for node in nodes}) == 10
