"""What a changed file means for a running daemon."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mobileip.control.agent.reload import IN_PLACE, Change, is_in_place, merge
from mobileip.control.agent.settings import tunnel_capacity
from mobileip.control.config.load import examine_data
from mobileip.control.config.model import Config

KEY, OTHER_KEY = "9f3c2ab1740de65588c0134fa7b29e61", "0f3c2ab1740de65588c0134fa7b29e6a"


ROOM = 400_000  # tunnels, as for the defaults


def home_agent() -> dict[str, Any]:
    return {
        "home_agent": {
            "address": "192.0.2.1",
            "networks": [
                {"prefix": "10.1.0.0/24", "interface": "eth1", "advertise": {"interval": 1.0}},
                {"prefix": "10.2.0.0/24"},
            ],
            "nodes": [
                {"home_address": "10.1.0.5", "spi": 256, "key": KEY},
                {"home_address": "10.1.0.6", "spi": 256, "key": KEY},
            ],
        }
    }


def config(data: dict[str, Any]) -> Config:
    made, problems = examine_data(data, Path("."))
    assert made is not None, problems
    return made


def changed(change: Callable[[dict[str, Any]], None]) -> tuple[Config, Config, list[Change]]:
    """The file's configuration after ``change``, the merged one, and the changes."""
    data = home_agent()
    change(data)
    after = config(data)
    merged, changes = merge(config(home_agent()), after, ROOM)
    return after, merged, changes


def told(changes: list[Change]) -> list[tuple[str, str, bool]]:
    return [(change.key, change.text, change.applied) for change in changes]


def test_nothing_changed() -> None:
    after, merged, changes = changed(lambda data: None)
    assert (merged, changes) == (after, [])


def test_nodes_come_go_and_get_other_keys_in_place() -> None:
    def change(data: dict[str, Any]) -> None:
        first, _ = data["home_agent"]["nodes"]
        first["key"] = OTHER_KEY
        first["replay_tolerance"] = 3.5
        data["home_agent"]["nodes"] = [first, {"home_address": "10.2.0.9", "spi": 300, "key": KEY}]

    after, merged, changes = changed(change)
    assert merged == after
    assert told(changes) == [
        ("home_agent.nodes[10.1.0.5 256].key", "changed", True),
        ("home_agent.nodes[10.1.0.5 256].replay_tolerance", "7.0 -> 3.5", True),
        ("home_agent.nodes[10.2.0.9 300]", "added", True),
        ("home_agent.nodes[10.1.0.6 256]", "removed", True),
    ]
    assert KEY not in str(changes) and OTHER_KEY not in str(changes)


def test_lifetimes_policies_advertisements_and_log_in_place() -> None:
    def change(data: dict[str, Any]) -> None:
        data["home_agent"] |= {"max_lifetime": "infinite", "reverse_tunnel": "required"}
        data["home_agent"]["networks"][0]["advertise"] = {"interval": 0.5}
        data["daemon"] = {"log_level": "debug"}

    after, merged, changes = changed(change)
    assert merged == after
    assert told(changes) == [
        ("daemon.log_level", "info -> debug", True),
        ("home_agent.max_lifetime", "600 -> infinite", True),
        ("home_agent.reverse_tunnel", "optional -> required", True),
        ("home_agent.networks[10.1.0.0/24 eth1].advertise.interval", "1.0 -> 0.5", True),
        ("home_agent.networks[10.1.0.0/24 eth1].advertise.lifetime", "3 -> 2", True),
    ]


def test_what_needs_a_restart_stays_as_it_is_and_the_rest_is_applied() -> None:
    def change(data: dict[str, Any]) -> None:
        data["daemon"] = {"tunnel_device": "mip7"}
        data["home_agent"]["address"] = "192.0.2.7"
        data["home_agent"]["networks"][1]["prefix"] = "10.3.0.0/24"
        data["home_agent"]["max_lifetime"] = 300
        data["foreign_agent"] = {"care_of_address": "192.0.2.1", "interfaces": [{"name": "eth2"}]}

    after, merged, changes = changed(change)
    assert merged.home_agent is not None and after.home_agent is not None
    assert (merged.home_agent.max_lifetime, merged.foreign_agent) == (300, None)
    assert merged == config(home_agent()).model_copy(
        update={"home_agent": config(home_agent()).home_agent.model_copy(update={"max_lifetime": 300})}  # type: ignore[union-attr]
    )
    assert told(changes) == [
        ("daemon.tunnel_device", "mip0 -> mip7", False),
        ("home_agent.address", "192.0.2.1 -> 192.0.2.7", False),
        ("home_agent.max_lifetime", "600 -> 300", True),
        ("home_agent.networks[10.3.0.0/24]", "added", False),
        ("home_agent.networks[10.2.0.0/24]", "removed", False),
        ("foreign_agent", "default -> a table", False),
    ]
    again, rest = merge(merged, after, ROOM)
    assert again == merged
    assert all(not change.applied for change in rest)


def test_sources_of_keys_and_accounting_come_change_and_go_in_place() -> None:
    server = {"address": "192.0.2.10", "secret": "correct-horse-battery"}
    keys = {"sources": ["radius"], "radius": {"servers": [server]}}

    def come(data: dict[str, Any]) -> None:
        data["home_agent"] |= copy.deepcopy({"keys": keys, "accounting": {"servers": [server]}})

    def change(data: dict[str, Any]) -> None:
        other = {"address": "192.0.2.11", "port": 1645, "secret": "another-horse-battery"}
        data["home_agent"]["keys"] = {
            "sources": ["config", "tacacs", "radius"],
            "radius": {"servers": [server, other], "timeout": 2.0},
            "tacacs": {"servers": [server]},
        }
        data["home_agent"]["accounting"] = {"servers": [server | {"secret": "another-horse-battery"}]}

    after, merged, changes = changed(come)
    assert merged == after
    assert told(changes) == [
        ("home_agent.keys", "default -> a table", True),
        ("home_agent.accounting", "default -> a table", True),
    ]
    data = home_agent()
    change(data)
    again, changes = merge(merged, config(copy.deepcopy(data)), ROOM)
    assert again == config(copy.deepcopy(data))
    assert told(changes) == [
        ("home_agent.keys.sources", "radius -> config, tacacs, radius", True),
        ("home_agent.keys.radius.timeout", "1.0 -> 2.0", True),
        ("home_agent.keys.radius.servers", "192.0.2.10:1812 -> 192.0.2.10:1812, 192.0.2.11:1645", True),
        ("home_agent.keys.tacacs", "default -> a table", True),
        ("home_agent.accounting.servers", "changed", True),
    ]
    assert "horse" not in str(changes)
    gone, changes = merge(again, config(home_agent()), ROOM)
    assert gone == config(home_agent()) and all(change.applied for change in changes)


def test_sources_of_keys_change_although_proofs_are_verified_by_them() -> None:
    def with_timeout(timeout: float) -> dict[str, Any]:
        data = home_agent()
        server = {"address": "192.0.2.10", "secret": "correct-horse-battery"}
        data["home_agent"]["keys"] = {
            "sources": ["radius"],
            "radius": {"servers": [server], "timeout": timeout},
        }
        data["home_agent"]["aaa"] = {}
        return data

    merged, changes = merge(config(with_timeout(1.0)), config(with_timeout(2.0)), ROOM)
    assert merged == config(with_timeout(2.0))
    assert told(changes) == [("home_agent.keys.radius.timeout", "1.0 -> 2.0", True)]
    without = with_timeout(1.0)
    del without["home_agent"]["keys"]
    without["home_agent"]["aaa"]["servers"] = [{"address": "192.0.2.11", "secret": "correct-horse-battery"}]
    merged, changes = merge(config(with_timeout(1.0)), config(without), ROOM)
    assert merged == config(with_timeout(1.0)), "else nobody could be asked about proofs before the restart"
    assert [change.applied for change in changes] == [False, False]


def test_an_advertisement_that_comes_or_goes_needs_a_restart() -> None:
    def change(data: dict[str, Any]) -> None:
        del data["home_agent"]["networks"][0]["advertise"]

    _, merged, changes = changed(change)
    assert merged == config(home_agent())
    assert told(changes) == [("home_agent.networks[10.1.0.0/24 eth1].advertise", "a table -> default", False)]


def test_what_makes_sense_only_after_a_restart_is_not_applied_before() -> None:
    """A node of a network that is not served yet."""

    def change(data: dict[str, Any]) -> None:
        data["home_agent"]["networks"].append({"prefix": "10.9.0.0/24"})
        data["home_agent"]["nodes"].append({"home_address": "10.9.0.9", "spi": 256, "key": KEY})

    _, merged, changes = changed(change)
    assert merged == config(home_agent())
    assert [change.applied for change in changes] == [False, False]


def test_limits_are_raised_as_far_as_the_table_has_room() -> None:
    def bindings(count: int, simultaneous: int = 1) -> Callable[[dict[str, Any]], None]:
        return lambda data: data["home_agent"].update(
            max_bindings=count, max_simultaneous=simultaneous, max_lifetime=300
        )

    after, merged, changes = changed(bindings(200_000, 2))
    assert merged == after and all(change.applied for change in changes)
    for count, simultaneous in ((400_001, 1), (133_334, 3)):
        after, merged, changes = changed(bindings(count, simultaneous))
        assert after.home_agent is not None and merged.home_agent is not None
        assert (merged.home_agent.max_bindings, merged.home_agent.max_simultaneous) == (100_000, 1)
        assert merged.home_agent.max_lifetime == 300
        refused = {change.key: change.text for change in changes if not change.applied}
        assert refused["home_agent.max_bindings"] == (
            f"100000 -> {count} (this daemon has room for 400000 tunnels)"
        )
        assert len(refused) == (1 if simultaneous == 1 else 2)


def test_limits_that_were_always_above_the_table_may_be_lowered() -> None:
    before, after = home_agent(), home_agent()
    before["home_agent"]["max_bindings"], after["home_agent"]["max_bindings"] = 10_000_000, 9_000_000
    merged, changes = merge(config(before), config(after), 1 << 20)
    assert merged == config(after) and told(changes) == [
        ("home_agent.max_bindings", "10000000 -> 9000000", True)
    ]


@pytest.mark.parametrize("key", sorted(IN_PLACE))
def test_every_key_that_is_in_place_exists(key: str) -> None:
    from mobileip.control.config.load import _model_at

    location = tuple(key.split("."))
    assert location[-1] in _model_at(location).model_fields


def test_a_key_is_in_place_with_all_below_it() -> None:
    assert is_in_place("home_agent.nodes.key")
    assert is_in_place("home_agent.networks.advertise.interval")
    assert not is_in_place("home_agent.networks.prefix")
    assert not is_in_place("home_agent")
    assert not is_in_place("home_agent.nodes_of_another")


@pytest.mark.parametrize(
    ("bindings", "simultaneous", "capacity"),
    [(1, 1, 1 << 12), (100_000, 1, 400_000), (1_000_000, 2, 8_000_000), (10_000_000, 8, 1 << 24)],
)
def test_the_table_has_room_for_what_is_configured_and_what_a_reload_may_raise(
    bindings: int, simultaneous: int, capacity: int
) -> None:
    home = SimpleNamespace(max_bindings=bindings, max_simultaneous=simultaneous)
    assert tunnel_capacity(cast(Config, SimpleNamespace(home_agent=home, foreign_agent=None))) == capacity
