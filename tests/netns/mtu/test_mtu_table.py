"""The MTU table: every size, with and without DF, three encapsulations, four paths, ICMP delivered or filtered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.mtu.paths import DEVICE_MTU, NODES, PATHS, Paths, Row, paths

pytestmark = pytest.mark.netns

_SIZES = sorted({*range(68, 1501, 97), 556, 576, 1006, 1400, DEVICE_MTU, DEVICE_MTU + 1, 1500})
_BEYOND = (1501, 2000, 4000, 9000)


def rows(df: bool) -> list[Row]:
    """Sizes all over, and around what each tunnel carries."""
    found = []
    for node in NODES:
        near = {mtu + off for mtu in (node.mtu, node.path) for off in (-1, 0, 1) if mtu + off <= 1500}
        sizes = sorted({*_SIZES, *near, *(() if df else _BEYOND)})
        found += [Row(node, size, df) for size in sizes]
    return found


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paths]:
    with paths(tmp_path_factory.mktemp("mtu")) as made:
        yield made


def assert_table(network: Paths) -> None:
    for df in (False, True):
        table = rows(df)
        seen = network.outcomes(table)
        wrong = {row: outcome for row, outcome in seen.items() if outcome != {row.expected()}}
        assert not wrong, f"{len(wrong)} of {len(table)}: {list(wrong.items())[:10]}"


def test_where_routers_tell(network: Paths) -> None:
    network.begin()
    network.learn(within=5)
    assert_table(network)


def test_where_icmp_is_filtered_probing_heals_every_path(network: Paths) -> None:
    with network.filtered():
        network.begin(probe_mtu=True)
        # What may be fragmented on its way is lost at no time.
        seen = network.outcomes(rows(df=False))
        assert set().union(*seen.values()) == {None}
        network.learn(within=20)
        assert_table(network)


def test_where_icmp_is_filtered_and_nothing_probes_it_stays_a_hole(network: Paths) -> None:
    """That the one above shows something: without probing, what is too long for the path is lost without a word."""
    with network.filtered():
        network.begin()
        lost = [Row(node, node.mtu + 1, df=True) for node in NODES if node.path < PATHS[0]]
        seen = network.outcomes(lost, within=1.5)
        assert set(map(frozenset, seen.values())) == {frozenset()}
