"""Configuration files that are valid, to be changed by tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mobileip.control.config.load import examine

KEY = "9f3c2ab1740de65588c0134fa7b29e61"

HOME = f"""
[home_agent]
address = "192.0.2.1"
[[home_agent.networks]]
prefix = "10.1.0.0/24"
interface = "eth1"
advertise = {{ interval = 1.0 }}
[[home_agent.networks]]
prefix = "10.2.0.0/16"
[[home_agent.nodes]]
home_address = "10.1.0.5"
spi = 256
key = "{KEY}"
[[home_agent.nodes]]
home_address = "10.2.0.5"
spi = 256
key = "{KEY}"
algorithm = "keyed-md5"
replay_tolerance = 20
"""
FOREIGN = """
[foreign_agent]
care_of_address = "198.51.100.1"
max_lifetime = "infinite"
[[foreign_agent.interfaces]]
name = "eth1"
[[foreign_agent.interfaces]]
name = "eth2"
advertise = { interval = 0.5, lifetime = 2, router = false }
"""
MOBILE = f"""
[mobile_node]
home_address = "10.1.0.5/24"
home_agent = "192.0.2.1"
home_gateway = "10.1.0.1"
interfaces = ["eth0", "wlan0"]
spi = 256
key = "{KEY}"
"""

Write = Callable[[str], Path]


def replaced(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def problems(path: Path) -> dict[str, str]:
    """Key path to text of all errors; warnings begin with a word that says so."""
    _, found = examine(path)
    named = {problem.key: str(problem).removeprefix(f"{problem.key}: ") for problem in found}
    assert len(named) == len(found), f"two problems for one key: {found}"
    return named
