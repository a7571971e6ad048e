"""The configuration files that the laboratory writes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.config.load import examine
from mobileip.control.lab import daemons
from mobileip.control.lab.topology import FOREIGN1


@pytest.mark.parametrize(
    "configuration",
    [daemons.home_agent(), daemons.foreign_agent(FOREIGN1), daemons.mobile_node()],
    ids=["home", "foreign", "mobile"],
)
def test_every_file_is_a_good_one(configuration: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "mobileip.toml"
    file.write_text(daemons.toml(configuration))
    loaded, problems = examine(file)
    assert loaded is not None and not problems
    assert tomllib.loads(file.read_text()) == configuration


def test_toml_of_everything_a_file_may_hold() -> None:
    content = {
        "daemon": {
            "name": 'a "quoted" \\ name',
            "tunnel_mtu": 1400,
            "manage_sysctls": False,
            "interval": 0.25,
        },
        "home_agent": {
            "networks": [
                {"prefix": "192.0.2.0/24", "advertise": {"interval": 1.0, "lifetime": 3}},
                {"prefix": "x"},
            ],
            "list": ["eth0", "eth1"],
            "nodes": [],
        },
    }
    assert tomllib.loads(daemons.toml(content)) == content
