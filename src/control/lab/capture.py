"""A capture file of every link."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

from mobileip.control.lab.namespaces import Namespace, require
from mobileip.control.lab.processes import Process, Processes, end
from mobileip.control.lab.topology import ACCESS_INTERFACE, NODE_INTERFACE, SITES, UPLINK_INTERFACE, Topology
from mobileip.control.lab.waiting import eventually

_SNAPSHOT: Final = 256  # bytes of each packet: all headers, tunnelled ones too, and every control message


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
            command = [
                require("tcpdump", "tcpdump"),
                "--immediate-mode",  # or a short burst before the end is lost in the kernel's buffer
                "-i",
                interface,
                "-s",
                str(_SNAPSHOT),
                "-U",
                "-n",
                "-Z",
                "root",
                "-w",
                str(file),
            ]
            self._running.append(processes.start(f"tcpdump-{name}", space, command))
        for process in self._running:
            eventually(
                process.tail,
                lambda log: "listening on" in log,
                what=f"{process.name} to listen",
                explain=process.tail,
            )

    def stop(self) -> None:
        for process in self._running:
            process.signal(signal.SIGINT)  # at which tcpdump writes what it still holds
        end(self._running)
