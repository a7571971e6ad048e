"""The whole laboratory as one object: networks, daemons, the node's position."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from mobileip.control.lab import daemons
from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.hosts import Host
from mobileip.control.lab.linkwatch import LinkWatch
from mobileip.control.lab.namespaces import LabError, Namespaces, terminable, uninterrupted
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.topology import FOREIGN1, FOREIGN2, HOME, NODE_INTERFACE, SITES, Site, Topology
from mobileip.control.lab.waiting import eventually

_DIRECTORY: Final = re.compile(r"mip-(\d+)-.*")


@dataclass(frozen=True, slots=True)
class Move:
    """One change of link; times are CLOCK_MONOTONIC ns, as the node's kernel told them.

    ``down_at``: carrier lost. ``up_at``: the new link was usable, which is carrier on a link with an agent
    and the address on one without.
    """

    origin: Site | None
    destination: Site
    down_at: int
    up_at: int


class Lab:
    """Context manager. Inside, the internet is built and routed, no daemon runs, and the node is on no link.

    ``directory`` gets the configuration files and logs. Without it they are in a temporary directory, which
    is removed at the end; if an error ends the laboratory it is renamed and kept, and ``directory`` says
    where.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._keep = directory is not None
        self._stack = ExitStack()
        self.directory = directory
        self.site: Site | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(terminable())
            spaces = stack.enter_context(Namespaces())
            _remove_old_directories()
            if self.directory is None:
                self.directory = Path(tempfile.mkdtemp(prefix=f"mip-{os.getpid()}-"))
            self.directory.mkdir(parents=True, exist_ok=True)
            stack.push(self._remove_directory)
            self.processes = stack.enter_context(Processes(self.directory))
            self.topology = topology = Topology.build(spaces)
            self.correspondent = Host(topology.correspondent)
            self.neighbour = Host(topology.neighbour)
            self.core = Host(topology.core)
            self.foreign3 = Host(topology.sites["foreign3"])
            self.home = Daemon(topology.sites["home"], self.processes, daemons.home_agent())
            self.foreign1 = Daemon(
                topology.sites["foreign1"], self.processes, daemons.foreign_agent(FOREIGN1)
            )
            self.foreign2 = Daemon(
                topology.sites["foreign2"], self.processes, daemons.foreign_agent(FOREIGN2)
            )
            self.node = Daemon(topology.node, self.processes, daemons.mobile_node())
            self.link = LinkWatch(self.processes, topology.node, NODE_INTERFACE)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with uninterrupted():
            self._stack.__exit__(kind, error, trace)

    def _remove_directory(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._keep or self.directory is None:
            return
        if kind is not None and issubclass(kind, Exception):
            # Under a name that the next laboratory does not clear away.
            self.directory = self.directory.rename(self.directory.with_name(f"mobileip-failed-{os.getpid()}"))
        else:
            shutil.rmtree(self.directory)
            self.directory = None

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        return self.home, self.foreign1, self.foreign2, self.node

    def start(self, *which: Daemon, at: str = "home") -> None:
        """Start the daemons (all four, unless told which) at once, with the node on the link of ``at``."""
        if self.site is None:
            self.move_to(at)
        for daemon in which or self.daemons:
            daemon.launch()
        for daemon in which or self.daemons:
            daemon.wait_ready()

    def move_to(self, name: str) -> Move:
        """Take the node off its link and put it onto the access link of the site ``name``; does not wait for
        registration."""
        origin, destination = self.site, _site(name)
        down_at = self.leave() if origin is not None else time.monotonic_ns()
        begun = time.monotonic_ns()
        self.topology.plug(destination)
        self.site = destination
        up_at = self.link.wait("up", since=begun)
        if destination.own is not None:
            self.topology.give_address(destination)
            up_at = self.link.wait("added", address=str(destination.own.ip), since=begun)
        return Move(origin, destination, down_at, up_at)

    def leave(self) -> int:
        """Take the node off its link; returns when it lost carrier (ns)."""
        if self.site is None:
            raise LabError("the node is on no link")
        begun = time.monotonic_ns()
        self.topology.unplug()
        # Waited for: a link that comes back within the same millisecond is never seen to have gone.
        down_at = self.link.wait("down", since=begun)
        if self.site.own is not None:
            self.topology.take_address(self.site)
        self.site = None
        return down_at

    def wait_registered(self, within: float = 5.0, *, since: int = 0) -> dict[str, Any]:
        """Until the node is registered where it is (deregistered, at home), by a reply that came after
        ``since``.

        ``since`` is CLOCK_MONOTONIC ns. Returns what the node shows then.
        """
        site = self.site or _no_link()

        def accepted(shown: dict[str, Any]) -> bool:
            return registered_at(shown, site) > since

        what = f"the node to be registered at {site.name}"
        seen: dict[str, Any] = eventually(
            lambda: self.node.show("registration"), accepted, within=within, what=what, explain=self.explain
        )
        return seen

    def go(self, name: str, within: float = 5.0) -> Move:
        """Move, and wait until the node is registered there."""
        move = self.move_to(name)
        self.wait_registered(within, since=move.down_at)
        return move

    def reset(self) -> None:
        """As after ``start``: every daemon runs as configured at first, the node is at home and
        registered.
        """
        for daemon in self.daemons:
            if not daemon.as_built:
                if daemon.running:
                    daemon.stop()
                daemon.reset()
                daemon.launch()
        for daemon in self.daemons:
            daemon.wait_ready()
        if self.site is not HOME:
            self.move_to("home")
        self.wait_registered(within=10)

    def require_running(self) -> None:
        """LabError, with the end of its log, if a daemon has ended."""
        for daemon in self.daemons:
            if not daemon.running:
                raise LabError(f"the daemon of {daemon.name} is not running\n{daemon.explain()}")

    def explain(self) -> str:
        """The ends of all daemons' logs."""
        return "\n".join(daemon.explain() for daemon in self.daemons)

    def shells(self) -> list[tuple[str, str]]:
        """For each host: its name and the command that opens a shell there."""
        topology = self.topology
        spaces = (
            topology.node,
            *topology.sites.values(),
            topology.correspondent,
            topology.neighbour,
            topology.core,
            topology.access,
        )
        return [(space.role, f"ip netns exec {space.name} bash") for space in spaces]


def registered_at(shown: dict[str, Any], site: Site) -> int:
    """When the reply came (CLOCK_MONOTONIC ns) by which a node is registered at ``site``; 0 if it is not.

    ``shown`` is ``mobileip show registration``. At home the reply is the one to the deregistration.
    """
    if site is HOME:
        here = shown["state"] == "home"
    else:
        here = shown["state"] == "registered" and shown["care_of_address"] == str(site.care_of_address)
    return int(shown["registered_at_mono_ns"] or 0) if here else 0


def _site(name: str) -> Site:
    try:
        return SITES[name]
    except KeyError:
        raise LabError(f"there is no site {name!r}; there are {', '.join(SITES)}") from None


def _no_link() -> Site:
    raise LabError("the node is on no link")


def _remove_old_directories() -> None:
    for entry in Path(tempfile.gettempdir()).glob("mip-*"):
        matched = _DIRECTORY.fullmatch(entry.name)
        if matched and entry.is_dir() and not Path("/proc", matched[1]).exists():
            shutil.rmtree(entry)
