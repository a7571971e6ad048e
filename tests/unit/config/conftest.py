"""Configuration files on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.texts import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "mobileip.toml"
        path.write_text(text)
        return path

    return write
