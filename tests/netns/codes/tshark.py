"""Captures by tcpdump, read by tshark's dissector of Mobile IP: judges that know nothing of our code."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.namespaces import Namespace
from mobileip.control.lab.waiting import eventually

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


@contextmanager
def captured(
    lab: Lab, space: Namespace, interface: str, file: Path, what: str = "udp port 434"
) -> Iterator[None]:
    """What passes ``interface``: registration messages, or what another filter lets through."""
    options = [
        "-i",
        interface,
        "--immediate-mode",
        "-U",
        "-n",
        "-Z",
        "root",
        "-s",
        "0",
        "-w",
        str(file),
        *what.split(),
    ]
    process = lab.processes.start(f"tcpdump-{file.stem}", space, ["tcpdump", *options])
    eventually(
        process.tail, lambda log: "listening on" in log, what="tcpdump to listen", explain=process.tail
    )
    try:
        yield
    finally:
        process.signal(signal.SIGINT)
        process.wait(5.0)


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
