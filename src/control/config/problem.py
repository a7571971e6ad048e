"""What is wrong with a configuration file, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """A warning is let through, an error is not."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at ``key`` such as ``home_agent.nodes[0].spi``; empty: the whole file."""

    key: str
    text: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = f"{self.key}: " if self.key else ""
        return f"{where}{'warning: ' if self.severity is Severity.WARNING else ''}{self.text}"


class ConfigError(Exception):
    """A file that cannot be used; ``problems`` are all that were found, errors and warnings."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        super().__init__(path, problems)
        self.path = path
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(f"{self.path}: {problem}" for problem in self.problems)
