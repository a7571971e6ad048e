"""The real daemons in their namespaces: written configuration files, ``mobileip run``, the control socket."""

from __future__ import annotations

import copy
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mobileip.control.lab.hosts import Host
from mobileip.control.lab.namespaces import LabError, Namespace
from mobileip.control.lab.processes import Process, Processes
from mobileip.control.lab.topology import (
    ACCESS_INTERFACE,
    HOME,
    HOME_ADDRESS,
    HOME_AGENT,
    NODE_INTERFACE,
    Site,
)
from mobileip.control.lab.waiting import NeverHappened, eventually
from mobileip.control.ops.control_socket import ControlError, call

Configuration = dict[str, Any]

SPI: Final = 256
KEY: Final = "5d3c0a1b9e8f47266a7b8c9d0e1f2a3b"
_START: Final = 15.0  # s until a daemon answers: Python starts slowly when several do on two cores
_STOP: Final = 5.0  # s from SIGTERM: deregistration included

_PROGRAM: Final = (sys.executable, "-m", "mobileip")
_ADVERTISE: Final = {"interval": 1.0, "lifetime": 3}


def home_agent() -> Configuration:
    return {
        "home_agent": {
            "address": str(HOME_AGENT),
            "networks": [
                {"prefix": str(HOME.prefix), "interface": ACCESS_INTERFACE, "advertise": _ADVERTISE}
            ],
            "nodes": [{"home_address": str(HOME_ADDRESS.ip), "spi": SPI, "key": KEY}],
        }
    }


def foreign_agent(site: Site) -> Configuration:
    return {
        "foreign_agent": {
            "care_of_address": str(site.router.ip),
            "interfaces": [{"name": ACCESS_INTERFACE, "advertise": _ADVERTISE}],
        }
    }


def mobile_node() -> Configuration:
    return {
        "mobile_node": {
            "home_address": str(HOME_ADDRESS),
            "home_agent": str(HOME_AGENT),
            "home_gateway": str(HOME.router.ip),
            "interfaces": [NODE_INTERFACE],
            "lifetime": 60,
            "solicitation_delay": 0,
            "spi": SPI,
            "key": KEY,
        }
    }


def toml(configuration: Mapping[str, Any], path: str = "") -> str:
    """Tables, arrays of tables and plain values as TOML; a table inside an array's table is written
    inline.
    """
    plain, tables = [], []
    for key, value in configuration.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, Mapping) and not path:
            tables.append(f"\n[{name}]\n{toml(value, name)}")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            tables += [f"\n[[{name}]]\n{toml(element, name)}" for element in value]
        else:
            plain.append(f"{key} = {_value(value)}\n")
    return "".join(plain + tables)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)  # strings, numbers and booleans look alike in both languages


class Daemon(Host):
    """A host that runs a mobileip daemon. ``configuration`` may be changed between a stop and a start."""

    def __init__(self, space: Namespace, processes: Processes, configuration: Configuration) -> None:
        super().__init__(space)
        self._processes = processes
        self._directory = processes.directory / space.role
        self._directory.mkdir()
        self._original = configuration
        self.configuration = copy.deepcopy(configuration)
        self.process: Process | None = None

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self._directory / "control.sock"

    @property
    def file(self) -> Path:
        """The configuration file."""
        return self._directory / "mobileip.toml"

    @property
    def log(self) -> Path:
        """Where it logs; there from its first start on."""
        return self._processes.directory / f"{self.name}.log"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.exit_status is None

    @property
    def as_built(self) -> bool:
        """Whether it runs with the configuration it had at first."""
        return self.running and self.configuration == self._original

    def launch(self, program: Sequence[str] = _PROGRAM) -> None:
        """Write the file and start the daemon, without waiting for it. ``program`` is what stands for ``mobileip``."""
        if self.running:
            raise LabError(f"the daemon of {self.name} runs already")
        daemon = {
            "name": self.name,
            "control_socket": str(self.socket),
            "state_directory": str(self._directory),
            "log_level": "info",
            "log_format": "json",
        }
        given = self.configuration.get("daemon", {})
        self.file.write_text(
            toml({"daemon": daemon | given} | {k: v for k, v in self.configuration.items() if k != "daemon"})
        )
        self.file.chmod(0o600)  # it holds a key
        command = [*program, "run", "--config", str(self.file)]
        self.process = self._processes.start(self.name, self.namespace, command)

    def wait_ready(self) -> None:
        """Until the control socket answers."""
        eventually(
            self._answers, within=_START, what=f"the daemon of {self.name} to answer", explain=self.explain
        )

    def _answers(self) -> bool:
        if not self.running:
            raise NeverHappened(f"the daemon of {self.name} did not start\n{self.explain()}")
        self.show("counters")
        return True

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def stop(self) -> int:
        """SIGTERM; returns the exit status, and LabError if it had to be killed."""
        status = self._running_process().stop(_STOP)
        if status == -signal.SIGKILL:
            raise LabError(
                f"the daemon of {self.name} did not end within {_STOP:g} s of SIGTERM\n{self.explain()}"
            )
        return status

    def kill(self) -> None:
        """SIGKILL: the daemon has no chance to undo anything."""
        process = self._running_process()
        process.signal(signal.SIGKILL)
        process.wait(_STOP)

    def restart(self) -> None:
        self.stop()
        self.start()

    def reset(self) -> None:
        """The configuration it had at first; to be called while it does not run."""
        self.configuration = copy.deepcopy(self._original)

    def _running_process(self) -> Process:
        if self.process is None or not self.running:
            raise LabError(f"no daemon runs on {self.name}")
        return self.process

    def show(self, what: str) -> Any:
        """What ``mobileip show WHAT --json`` prints, parsed; LabError if the daemon does not answer."""
        try:
            return call(self.socket, "show", patience=2.0, what=what)
        except ControlError as failure:
            raise LabError(f"{self.name}: {failure}") from None

    def log_lines(self) -> list[dict[str, Any]]:
        """Everything it has logged, over all its starts; what is not JSON (a traceback) is under ``text``."""
        text = self.log.read_text(errors="replace") if self.process else ""
        return [_log_line(line) for line in text.splitlines()]

    def explain(self) -> str:
        """The end of the log, for messages of failures."""
        if self.process is None:
            return f"--- {self.name}: never started"
        state = "running" if self.running else f"ended with {self.process.exit_status}"
        return f"--- {self.name} ({state}), end of its log:\n{self.process.tail()}"


def _log_line(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"text": line}
