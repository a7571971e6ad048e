"""A real Linux kernel as the other end of a tunnel: user-mode Linux (Debian's package) on a TAP device."""

from __future__ import annotations

import base64
import os
import select
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from mobileip.control.lab.namespaces import LabError, Namespace, require
from mobileip.control.lab.processes import Process, Processes

_HERE: Final = Path(__file__).parent
_BOOTS_WITHIN: Final = 40.0  # s; 3 on an idle machine
_NO_WIDE_REGISTERS: Final = (
    "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ"  # see xstate.c
)


@dataclass(frozen=True, slots=True)
class Driver:
    """How the peer sends to the TAP device; ``device`` is the peer's name of its interface."""

    device: str
    argument: str


PLAIN: Final = Driver("eth0", "eth0=tuntap,{tap}")
"""One packet at a time, with finished checksums."""

OFFLOADING: Final = Driver("vec0", "vec0:transport=tap,ifname={tap},depth=128,gro=1")
"""Segmentation and checksums are left to the device, that is to the host's kernel."""


def required() -> str:
    """The program; skips the test, and says why, where something is missing."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    for program, package in (("modprobe", "kmod"), ("linux.uml", "user-mode-linux")):
        if shutil.which(program, path=path) is None:
            pytest.skip(f"no real kernel as peer: apt-get install {package}")
    return require("linux.uml", "user-mode-linux")


class Peer:
    """A running kernel. ``run`` is a shell in it."""

    def __init__(self, space: Namespace, processes: Processes, driver: Driver, tap: str) -> None:
        space.ip(f"tuntap add {tap} mode tap", f"link set {tap} up")
        directory = processes.directory / f"peer-{driver.device}"
        directory.mkdir()
        command = [
            *(required(), "mem=96M", f"uml_dir={directory}", "umid=peer", "quiet", "panic=-1"),
            *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={_HERE / 'init.sh'}"),
            *(driver.argument.format(tap=tap), "con0=null,fd:2", "con=null", "ssl0=fd:0,fd:1", "ssl=null"),
            f"GLIBC_TUNABLES={_NO_WIDE_REGISTERS}",  # what the kernel does not know is in its init's environment
        ]
        environment = {"LD_PRELOAD": str(_preloaded(directory)), "TMPDIR": str(directory)}
        self.device = driver.device
        self._process: Process = processes.start(
            f"uml-{driver.device}", space, command, piped=True, environment=environment
        )
        if self._line(_BOOTS_WITHIN) != b"ready":
            raise LabError(f"the peer's kernel did not start:\n{self._process.tail()}")

    def run(self, command: str, within: float = 30.0) -> str:
        """Run it with bash in the peer; its output, or LabError with that if it fails."""
        self._process.stdin.write(base64.b64encode(command.encode()) + b"\n")
        self._process.stdin.flush()
        status, _, encoded = self._line(within).partition(b" ")
        output = base64.b64decode(encoded).decode(errors="replace").strip()
        if status != b"0":
            raise LabError(f"`{command}` in the peer ({status.decode()}): {output}")
        return output

    def _line(self, within: float) -> bytes:
        deadline, line = time.monotonic() + within, b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select(
                [self._process.stdout.fileno()], [], [], max(0.0, deadline - time.monotonic())
            )
            more = os.read(self._process.stdout.fileno(), 1) if readable else b""
            if not more:
                raise LabError(f"the peer's kernel is silent after {line!r}:\n{self._process.tail()}")
            line += more
        return line.strip()

    def stop(self) -> None:
        """Switch it off, and end what is left of it."""
        self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.signal(signal.SIGKILL)
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _preloaded(directory: Path) -> Path:
    library = directory / "xstate.so"
    command = [require("gcc", "gcc"), "-O2", "-shared", "-fPIC", "-o", str(library), str(_HERE / "xstate.c")]
    subprocess.run(command, check=True)
    return library
