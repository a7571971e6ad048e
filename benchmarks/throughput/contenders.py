"""Who is measured: forwarding without a tunnel, the kernel's VXLAN, and our engine; peers.py has the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, get_args

from benchmarks.throughput.line import (
    CARE_OF_END,
    HOME_ADDRESS,
    HOME_END,
    HOME_NETWORK,
    VISIT,
    WIRE,
    Line,
)
from mobileip.control.config.values import Underlay
from mobileip.control.lab.daemons import KEY, SPI, Daemon
from mobileip.control.lab.namespaces import Namespaces
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.waiting import eventually

_PASSES_WITHIN: Final = 20.0  # s
OTHERS: Final = IPv4Address("100.64.0.0")  # home addresses of further tunnels, as in endpoint.c
_LIFETIME: Final = 3600  # s: no renewal while it is measured


class Kind(StrEnum):
    LIMIT = "limit"
    KERNEL = "kernel"
    OURS = "ours"
    PEER = "peer"
    VARIANT = "variant"  # of ours, for the rows that compare our engine with itself


class Unavailable(Exception):
    """This contender cannot be measured here; one sentence that says why."""


class Contender(ABC):
    """One way from ha to fa. ``name`` is letters and digits, as part of the names of namespaces."""

    name: str
    title: str
    kind: Kind

    def build(self, spaces: Namespaces, processes: Processes) -> Line:
        """Its networks with the tunnel up; Unavailable."""
        line = Line(spaces, self.name, addressed=self.addressed)
        self.connect(line, processes)
        line.passes(_PASSES_WITHIN)
        return line

    @property
    def addressed(self) -> bool:
        return True

    @abstractmethod
    def connect(self, line: Line, processes: Processes) -> None:
        """Make the tunnel; Unavailable."""

    def finish(self) -> dict[str, float]:
        """Called when all is measured: facts worth knowing about it."""
        return {}


class Plain(Contender):
    name, title, kind = "plain", "plain forwarding", Kind.LIMIT

    def connect(self, line: Line, processes: Processes) -> None:
        line.ha.ip(f"route add {HOME_NETWORK} via {CARE_OF_END}")


class Vxlan(Contender):
    name, title, kind = "vxlan", "kernel VXLAN", Kind.KERNEL

    def connect(self, line: Line, processes: Processes) -> None:
        ends = (
            (line.ha, HOME_END, CARE_OF_END, "10.255.0.1"),
            (line.fa, CARE_OF_END, HOME_END, "10.255.0.2"),
        )
        for host, local, remote, address in ends:
            host.ip(
                f"link add vx0 type vxlan id 42 local {local} remote {remote} dstport 4789 dev {WIRE}",
                f"addr add {address}/30 dev vx0",
                "link set vx0 up",
            )
        line.ha.ip(f"route add {HOME_ADDRESS}/32 via 10.255.0.2")
        line.fa.ip("route add 203.0.113.0/24 via 10.255.0.1")


class Ours(Contender):
    """The daemons as users run them: a node registered through a foreign agent, tunnelled both ways."""

    kind = Kind.OURS

    def __init__(self, underlay: str) -> None:
        self.name, self.title = f"ours{underlay}", f"mobileip, underlay {underlay}"
        self._daemon = {"log_level": "warning", "underlay": underlay}

    @classmethod
    def all(cls) -> list[Ours]:
        """One for each way onto the wire that the configuration knows."""
        (ways, *_) = get_args(Underlay)
        return [cls(underlay) for underlay in get_args(ways) if underlay != "auto"]

    @property
    def addressed(self) -> bool:
        return False  # the node's daemon does that

    def connect(self, line: Line, processes: Processes) -> None:
        common = {"spi": SPI, "key": KEY}
        advertise = {"interval": 1.0, "lifetime": 3}
        home = {
            "address": str(HOME_END),
            "max_lifetime": _LIFETIME,
            "networks": [{"prefix": HOME_NETWORK}],
            "nodes": [{"home_address": str(HOME_ADDRESS), **common}],
        }
        foreign = {
            "care_of_address": str(CARE_OF_END),
            "max_lifetime": _LIFETIME,
            "interfaces": [{"name": VISIT, "advertise": advertise}],
        }
        node = {
            "home_address": f"{HOME_ADDRESS}/24",
            "home_agent": str(HOME_END),
            "interfaces": ["eth0"],
            "lifetime": _LIFETIME,
            **common,
        }
        roles = (
            (line.ha, "home_agent", home),
            (line.fa, "foreign_agent", foreign),
            (line.mn, "mobile_node", node),
        )
        daemons = [
            Daemon(space, processes, {"daemon": self._daemon, role: table}) for space, role, table in roles
        ]
        for daemon in daemons:
            daemon.launch()
        for daemon in daemons:
            daemon.wait_ready()
        eventually(
            lambda: daemons[2].show("registration")["state"],
            lambda state: state == "registered",
            within=15,
            what="the mobile node to register",
            explain=lambda: "\n".join(daemon.explain() for daemon in daemons),
        )


class Engine(Contender):
    """The engine alone at both ends, by the program of endpoint.c.

    ``bindings`` are in the table, ``changes`` of them change each second; with ``spread`` all of them get packets.
    """

    def __init__(
        self,
        name: str,
        title: str,
        program: Path,
        *,
        encapsulation: str = "ipip",
        bindings: int = 1,
        changes: int = 0,
        spread: bool = False,
        kind: Kind = Kind.VARIANT,
    ) -> None:
        self.name, self.title, self.kind = name, title, kind
        self._program, self._bindings, self._changes = program, bindings, changes
        self._spread = spread
        self._rest = (str(HOME_ADDRESS), encapsulation, str(bindings), str(changes))

    def connect(self, line: Line, processes: Processes) -> None:
        ends = ((line.ha, "home", HOME_END, CARE_OF_END), (line.fa, "care-of", CARE_OF_END, HOME_END))
        self._started = [
            processes.start(
                f"{self.name}-{side}",
                host,
                [str(self._program), side, str(local), str(remote), *self._rest],
                piped=True,
            )
            for host, side, local, remote in ends
        ]
        for process in self._started:
            said = process.stdout.readline()
            if said != b"ready\n":
                raise Unavailable(f"the endpoint did not start: {process.tail() or said!r}")
        line.lead_through("mip0", "mip0")
        if self._spread:
            line.spread(OTHERS, "100.64.0.0/10", self._bindings - 1, "mip0")
        else:
            line.small_packets_to = (HOME_ADDRESS, 1)

    def finish(self) -> dict[str, float]:
        if not self._changes:
            return {}
        self._started[0].stdin.close()
        return {"changes_per_s": float(self._started[0].stdout.readline() or 0)}
