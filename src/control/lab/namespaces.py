"""Network namespaces that leave nothing behind.

A namespace is named ``mip-PID-ROLE``. Whoever makes new ones first removes those whose process is dead, with
the programs still running in them, so that even a killed laboratory is gone when the next one starts. Links
are made inside the namespaces; the host's own network is never touched.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self, TypeVar

T = TypeVar("T")

_DIRECTORY: Final = Path("/run/netns")  # where iproute2 keeps them
_NAME: Final = re.compile(r"mip-(\d+)-[a-z0-9]+")
_CLONE_NEWNET: Final = 0x4000_0000
_SBIN: Final = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # not in every root shell's PATH


class LabError(Exception):
    """The laboratory cannot be built or used; one sentence that says why."""


def require(program: str, package: str) -> str:
    """The path of ``program``; LabError names the Debian package that brings it."""
    path = shutil.which(program, path=_SBIN)
    if path is None:
        raise LabError(f"the program `{program}` is missing: apt-get install {package}")
    return path


def require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("building networks of namespaces needs root: run this as root (sudo)")


def _run(program: str, *arguments: str, inside: list[str] | None = None, batch: tuple[str, ...] = ()) -> str:
    done = subprocess.run(
        [*(inside or []), require(program, "iproute2"), *arguments],
        input="\n".join(batch),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        complaint = done.stderr.strip().replace("\n", "; ")
        failed = re.search(r"Command failed -:(\d+)", complaint)
        command = batch[int(failed[1]) - 1] if failed else " ".join(arguments)
        raise LabError(f"`{program} {command}`: {complaint}")
    return done.stdout


class Namespace:
    """One network namespace; ``role`` is the part of its name after the process id."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.role = name.rsplit("-", 1)[1]

    def __repr__(self) -> str:
        return f"Namespace({self.name})"

    def enter(self) -> list[str]:
        """The words before a command that make it run here, as the process that was started."""
        # Not `ip netns exec` or `ip -n`: these change mounts too, and fail in a chroot that is no mount
        # point.
        return [require("nsenter", "util-linux"), f"--net={_DIRECTORY / self.name}", "--"]

    def ip(self, *commands: str) -> None:
        """Perform ``ip`` commands here, in one process; LabError quotes the one that failed."""
        _run("ip", "-batch", "-", inside=self.enter(), batch=commands)

    def tc(self, *commands: str) -> None:
        """Perform ``tc`` commands here, in one process."""
        _run("tc", "-batch", "-", inside=self.enter(), batch=commands)

    def inside(self, function: Callable[[], T]) -> T:
        """Call ``function`` in a thread that has entered this namespace.

        A socket made there stays in the namespace, and /proc/sys/net and /proc/thread-self/net show it.
        """
        results: list[T] = []
        failures: list[BaseException] = []

        def enter() -> None:
            try:
                with open(_DIRECTORY / self.name) as handle:
                    if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _CLONE_NEWNET) != 0:
                        error = ctypes.get_errno()
                        raise LabError(f"cannot enter {self.name}: {os.strerror(error)}")
                results.append(function())
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=enter, name=f"in {self.name}")
        thread.start()
        thread.join()
        if failures:
            raise failures[0]
        return results[0]

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        return self.inside(lambda: socket.socket(family, kind, protocol))

    def set_sysctls(self, values: dict[str, int]) -> None:
        """Write values such as ``{"ipv4/ip_forward": 1}`` below /proc/sys/net, of this namespace only."""

        def write() -> None:
            for name, value in values.items():
                Path("/proc/sys/net", name).write_text(str(value))

        self.inside(write)

    def counters(self) -> dict[str, int]:
        """The kernel's network counters here, named as in ``/proc/net/snmp`` and ``netstat``:
        ``IpForwDatagrams``.
        """

        def read() -> str:
            directory = Path("/proc/thread-self/net")
            return (directory / "snmp").read_text() + (directory / "netstat").read_text()

        rows = [line.split() for line in self.inside(read).splitlines()]
        return {
            names[0].rstrip(":") + name: int(value)
            for names, values in zip(rows[::2], rows[1::2], strict=True)
            for name, value in zip(names[1:], values[1:], strict=True)
        }

    def processes(self) -> list[int]:
        """Ids of the processes that are in this namespace."""
        return [int(line) for line in _run("ip", "netns", "pids", self.name).split()]


class Namespaces:
    """Context manager: the namespaces of one laboratory, removed at the end whatever happened."""

    def __init__(self) -> None:
        self._all: dict[str, Namespace] = {}

    def __enter__(self) -> Self:
        require_root()
        require("ip", "iproute2")
        remove_leftovers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._all:
            _remove(space.name for space in self._all.values())
            self._all.clear()

    def __iter__(self) -> Iterator[Namespace]:
        return iter(self._all.values())

    def add(self, *roles: str) -> list[Namespace]:
        """Make one namespace per role: IPv4 only, loopback up, settings as a Debian host has them."""
        made = [Namespace(f"mip-{os.getpid()}-{role}") for role in roles]
        # Recorded first: an interruption between the two must not leave one behind.
        self._all |= {space.role: space for space in made}
        _run("ip", "-batch", "-", batch=tuple(f"netns add {space.name}" for space in made))
        for space in made:
            # A new namespace copies the IPv4 settings of the host, which are none of ours: systemd's are set.
            space.set_sysctls(
                {
                    "ipv6/conf/all/disable_ipv6": 1,
                    "ipv6/conf/default/disable_ipv6": 1,
                    "ipv4/ip_forward": 0,
                    "ipv4/conf/all/rp_filter": 2,
                    "ipv4/conf/default/rp_filter": 2,
                }
            )
            space.ip("link set lo up")
        return made


def remove_leftovers() -> list[str]:
    """Remove the namespaces of laboratories whose process is dead, and what still runs in them; returns their
    names.
    """
    dead = []
    for entry in sorted(_DIRECTORY.glob("mip-*")) if _DIRECTORY.is_dir() else []:
        matched = _NAME.fullmatch(entry.name)
        if matched and not Path("/proc", matched[1]).exists():
            dead.append(entry.name)
    for name in dead:
        for process in Namespace(name).processes():
            os.kill(process, signal.SIGKILL)
    if dead:
        _remove(dead)
    return dead


def _remove(names: Iterator[str] | list[str]) -> None:
    present = [name for name in names if (_DIRECTORY / name).exists()]
    _run("ip", "-force", "-batch", "-", batch=tuple(f"netns del {name}" for name in present))


@contextmanager
def terminable() -> Iterator[None]:
    """While inside, SIGTERM and SIGHUP end this process as Ctrl-C does, so that everything is cleaned up."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                stack.callback(signal.signal, number, signal.signal(number, interrupt))
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """While inside, signals that ask to end are ignored: for cleaning up, which is bounded in time."""
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                stack.callback(signal.signal, number, signal.signal(number, signal.SIG_IGN))
        yield
