"""Small measuring programs that run in a namespace and are spoken to in lines of JSON.

The program's side is :func:`serve`; ours is :class:`Helper`. Both ends of a pipe are on one machine, so every
time is CLOCK_MONOTONIC in nanoseconds and times of different programs can be subtracted.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from mobileip.control.lab.namespaces import LabError, Namespace
from mobileip.control.lab.processes import Processes

Command = Callable[..., object]


def serve(commands: Mapping[str, Command]) -> None:
    """Answer commands from standard input until it ends, which is also how the laboratory's death is
    noticed.
    """
    for line in sys.stdin:
        request = json.loads(line)
        name = request.pop("command")
        try:
            say({"answer": commands[name](**request)})
        except OSError as failure:
            say({"failure": str(failure)})
    os._exit(0)  # without waiting for threads that sit in a system call


_speaking = threading.Lock()


def say(message: Mapping[str, object]) -> None:
    """Send one line to the laboratory; threads may call this at the same time."""
    line = json.dumps(message).encode() + b"\n"
    with _speaking:
        os.write(1, line) if len(line) <= 4096 else _write_all(line)


def _write_all(line: bytes) -> None:
    while line:
        line = line[os.write(1, line) :]


def run_before_others(priority: int = 10) -> None:
    """Let this program be woken ahead of what it measures (SCHED_FIFO): on a busy machine it would be
    late.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError as refused:  # some containers: it works, but on a busy machine stamps come later
        print(f"no real-time priority: {refused}", file=sys.stderr)


class Helper:
    """The laboratory's end: ``ask`` waits for the answer; what the program says unasked goes to
    ``on_event``.
    """

    def __init__(
        self,
        processes: Processes,
        name: str,
        space: Namespace,
        module: str,
        *arguments: str,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.name = name
        command = [sys.executable, "-m", f"mobileip.control.lab.{module}", *arguments]
        self._process = processes.start(name, space, command, piped=True)
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._on_event = on_event
        self._asking = threading.Lock()
        threading.Thread(target=self._listen, name=name, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout:
            message = json.loads(line)
            if "answer" in message or "failure" in message:
                self._answers.put(message)
            elif self._on_event is not None:
                self._on_event(message)
        self._answers.put({"failure": f"it has ended: {self._process.tail(5) or 'without a word'}"})

    def ask(self, command: str, *, within: float = 10.0, **arguments: object) -> Any:
        """Send a command and return its answer; LabError if it fails or takes more than ``within`` seconds.

        Threads may ask at the same time.
        """
        with self._asking:
            message = self._exchange({"command": command, **arguments}, within)
        if "failure" in message:
            raise LabError(f"{self.name}: {command}: {message['failure']}")
        return message["answer"]

    def _exchange(self, request: dict[str, object], within: float) -> dict[str, Any]:
        if self._process.exit_status is not None:
            return {"failure": f"it has ended: {self._process.tail(5) or 'without a word'}"}
        try:
            with contextlib.suppress(BrokenPipeError):  # it has just ended, and the listener will say so
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
            return self._answers.get(timeout=within)
        except queue.Empty:
            return {"failure": f"no answer within {within:g} s"}

    def stop(self) -> None:
        self._process.stop()
