"""Captures by tcpdump: a file of every link, or of one for a while."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mobileip.control.lab.namespaces import Namespace, require
from mobileip.control.lab.processes import Process, Processes, end
from mobileip.control.lab.topology import ACCESS_INTERFACE, NODE_INTERFACE, SITES, UPLINK_INTERFACE, Topology
from mobileip.control.lab.waiting import eventually

_SNAPSHOT: Final = 256  # bytes of each packet: all headers, tunnelled ones too, and every control message


def start_capture(
    processes: Processes, name: str, space: Namespace, interface: str, file: Path, *options: str
) -> Process:
    """``options`` are tcpdump's, and the filter behind them."""
    command = [
        require("tcpdump", "tcpdump"),
        "--immediate-mode",  # or a short burst before the end is lost in the kernel's buffer
        *("-i", interface, "-U", "-n", "-Z", "root", "-w", str(file)),
        *options,
    ]
    return processes.start(f"tcpdump-{name}", space, command)


def await_capture(process: Process) -> None:
    """Until it misses nothing any more."""
    eventually(
        process.tail,
        lambda log: "listening on" in log,
        what=f"{process.name} to listen",
        explain=process.tail,
    )


@contextmanager
def captured(
    processes: Processes, space: Namespace, interface: str, file: Path, *options: str
) -> Iterator[None]:
    """``file`` has what passed ``interface`` meanwhile."""
    process = start_capture(processes, file.stem, space, interface, file, *options)
    await_capture(process)
    try:
        yield
    finally:
        process.signal(signal.SIGINT)  # at which tcpdump writes what it still holds
        end([process])


class Capture:
    """Runs tcpdump on each link, one file per link in ``directory``, until :meth:`stop`."""

    def __init__(self, processes: Processes, topology: Topology, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        links: list[tuple[str, Namespace, str]] = [
            ("correspondent", topology.correspondent, "eth0"),
            ("node", topology.node, NODE_INTERFACE),
        ]
        for site, router in topology.sites.items():
            links += [
                (f"{site}-access", router, ACCESS_INTERFACE),
                (f"{site}-uplink", router, UPLINK_INTERFACE),
            ]
        assert set(SITES) == set(topology.sites)
        self.files = [directory / f"{name}.pcap" for name, _, _ in links]
        self._running: list[Process] = []
        for (name, space, interface), file in zip(links, self.files, strict=True):
            options = ("-s", str(_SNAPSHOT))
            self._running.append(start_capture(processes, name, space, interface, file, *options))
        for process in self._running:
            await_capture(process)

    def stop(self) -> None:
        for process in self._running:
            process.signal(signal.SIGINT)  # at which tcpdump writes what it still holds
        end(self._running)
