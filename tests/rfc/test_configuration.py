"""What each role has to be configured with (RFC 5944 s3.6, s3.7.1, s3.8.1): without it no daemon starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobileip.control.config.load import examine
from tests.unit.config.texts import FOREIGN, HOME, KEY, MOBILE, problems, replaced


def refused(tmp_path: Path, text: str, old: str) -> dict[str, str]:
    """The problems of a configuration from which ``old`` is taken out; as it is, it has none."""
    file = tmp_path / "mobileip.toml"
    file.write_text(text)
    config, _ = examine(file)
    assert config is not None
    file.write_text(replaced(text, old, ""))
    config, _ = examine(file)
    assert config is None
    return problems(file)


@pytest.mark.rfc("5944", "3.6", 1)
@pytest.mark.parametrize(
    ("old", "key"),
    [
        ('home_address = "10.1.0.5/24"\n', "mobile_node.home_address"),  # its netmask
        ("spi = 256\n", "mobile_node.spi"),
        (f'key = "{KEY}"\n', "mobile_node.key"),
    ],
)
def test_mobile_node_is_not_configured_without(tmp_path: Path, old: str, key: str) -> None:
    assert "is missing" in refused(tmp_path, MOBILE, old)[key]


@pytest.mark.rfc("5944", "3.7.1", 1)
def test_foreign_agent_is_not_configured_without_a_care_of_address(tmp_path: Path) -> None:
    found = refused(tmp_path, FOREIGN, 'care_of_address = "198.51.100.1"\n')
    assert "is missing" in found["foreign_agent.care_of_address"]


@pytest.mark.rfc("5944", "3.8.1", 1, 2)
@pytest.mark.parametrize(
    ("old", "key"),
    [
        ('address = "192.0.2.1"\n', "home_agent.address"),
        ('prefix = "10.1.0.0/24"\n', "home_agent.networks[0].prefix"),
        ("spi = 256\n", "home_agent.nodes[0].spi"),
        (f'key = "{KEY}"\n', "home_agent.nodes[0].key"),
    ],
)
def test_home_agent_is_not_configured_without(tmp_path: Path, old: str, key: str) -> None:
    assert "is missing" in refused(tmp_path, HOME, old)[key]
