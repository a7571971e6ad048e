"""Captures by tcpdump, read by tshark's dissector of Mobile IP: judges that know nothing of our code."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_both = pytest.mark.usefixtures("judges")
"""Fails where one is missing: what the wire has to show would be shown by nothing (``make build`` installs both)."""
_FIELDS = ("udp.dstport", "mip.type", "mip.code", "mip.ext.type")


@dataclass(frozen=True)
class Message:
    """``code`` is None for a request."""

    port: int
    kind: int
    code: int | None
    extensions: tuple[int, ...]


def read(file: Path) -> list[Message]:
    command = [
        "tshark",
        "-r",
        str(file),
        "-T",
        "fields",
        *(part for name in _FIELDS for part in ("-e", name)),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [_message(line) for line in run.stdout.splitlines()]


def _message(line: str) -> Message:
    port, kind, code, types = line.split("\t")
    extensions = tuple(int(number) for number in types.split(",") if number)
    return Message(int(port), int(kind), int(code) if code else None, extensions)
