"""The annotated examples are valid, true to the defaults, and belong together."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from mobileip.control.config.example import Role, example
from mobileip.control.config.load import examine, load
from mobileip.control.config.problem import Severity
from tests.unit.config.texts import KEY, Write


@pytest.mark.parametrize("role", ["home", "foreign", "mobile"])
def test_example_is_valid(write: Write, role: Role) -> None:
    config, found = examine(write(example(role, KEY)))
    assert config is not None
    assert found == ()


@pytest.mark.parametrize("role", ["home", "mobile"])
def test_example_key_is_warned_of(write: Write, role: Role) -> None:
    _, (problem,) = examine(write(example(role)))
    assert problem.severity is Severity.WARNING
    assert "can be guessed" in problem.text


@pytest.mark.parametrize("role", ["home", "foreign", "mobile"])
def test_commented_lines_of_an_example_are_the_defaults(write: Write, role: Role) -> None:
    """A key in a comment exists, and uncommented as it stands it changes nothing."""
    lines = example(role, KEY).splitlines()
    settings = [
        line[2:] if line.startswith(("# [daemon]", "# ")) and _is_setting(line[2:]) else line
        for line in lines
    ]
    assert settings != lines
    text = "\n".join(
        line for line in settings if not line.startswith(("key_file", "home_gateway", "tunnel_mtu"))
    )
    assert load(write(text)) == load(write(example(role, KEY)))


def _is_setting(line: str) -> bool:
    try:
        parsed: dict[str, Any] = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False
    return bool(parsed)


def test_examples_belong_together(write: Write) -> None:
    home = load(write(example("home"))).home_agent
    node = load(write(example("mobile"))).mobile_node
    assert home and node
    (entry,) = home.nodes
    assert (entry.home_address, entry.spi, entry.key) == (node.home_address.ip, node.spi, node.key)
    assert entry.algorithm is node.algorithm
    assert home.address == node.home_agent
    assert home.networks[0].prefix == node.home_address.network
