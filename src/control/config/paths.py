"""Where daemons and those who ask them meet; apart from the models, which take long to import."""

from __future__ import annotations

from pathlib import Path
from typing import Final

RUN_DIRECTORY: Final = Path("/run/mobileip")
DEFAULT_NAME: Final = "mobileip"


def default_socket(name: str) -> Path:
    """The control socket of the daemon called ``name`` where the file says nothing else."""
    return RUN_DIRECTORY / f"{name}.sock"
