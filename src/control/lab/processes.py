"""Programs that run in namespaces: each with a log, each ended by its own id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from mobileip.control.lab.namespaces import Namespace

_GRACE = 3.0  # s between SIGTERM and SIGKILL


class Process:
    """One running program. Its standard error goes to ``log``, and its output too unless ``piped``."""

    def __init__(
        self,
        name: str,
        space: Namespace,
        command: Sequence[str],
        log: Path,
        *,
        piped: bool,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.log = log
        # A session of its own: a Ctrl-C at the terminal must reach us alone, who then end the others in
        # order.
        with log.open("ab") as sink:
            self._popen = subprocess.Popen(
                [*space.enter(), *command],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else sink,
                stderr=sink,
                start_new_session=True,
                env={**os.environ, **environment},
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def stdin(self) -> IO[bytes]:
        assert self._popen.stdin is not None
        return self._popen.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self._popen.stdout is not None
        return self._popen.stdout

    @property
    def exit_status(self) -> int | None:
        """None while it runs; minus the signal's number if one ended it."""
        return self._popen.poll()

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def wait(self, within: float) -> int:
        return self._popen.wait(within)

    def stop(self, grace: float = _GRACE) -> int:
        """SIGTERM, and SIGKILL if it still runs after ``grace`` seconds; returns the exit status."""
        end([self], grace)
        return self._popen.returncode

    def close(self) -> None:
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # it died with something of ours unread, which whoever asked has been told

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def end(processes: Sequence[Process], grace: float = _GRACE) -> None:
    """End all at once: SIGTERM, then SIGKILL for those that still run after ``grace`` seconds."""
    for process in processes:
        process.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.signal(signal.SIGKILL)
            process.wait(grace)
        process.close()


class Processes:
    """Context manager: the programs of one laboratory. ``directory`` gets one log per name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._all: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end([process for process in self._all if process.exit_status is None])
        for process in self._all:
            process.close()
        self._all.clear()

    def start(
        self,
        name: str,
        space: Namespace,
        command: Sequence[str],
        *,
        piped: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start ``command`` in ``space``; its log is ``NAME.log``, which a second start continues."""
        log = self.directory / f"{name}.log"
        process = Process(name, space, command, log, piped=piped, environment=environment or {})
        self._all.append(process)
        return process
