"""The network the agents are loaded in: namespaces of its own, the real daemons, gone when it ends.

    load eth0 192.0.2.2 ------------------------- 192.0.2.1 eth0 home          direct, and the attackers
    load v1 ---- eth1 203.0.113.1  foreign1 eth0 198.51.100.2 --- .1 eth1 home
    load v2 ---- eth1 203.0.113.65 foreign2 eth0 198.51.100.6 --- .5 eth2 home

The home network is a virtual one. A foreign agent is there only if it is asked for.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from mobileip.control.lab.daemons import toml
from mobileip.control.lab.namespaces import LabError, Namespace, Namespaces
from mobileip.control.lab.processes import Process, Processes
from mobileip.control.lab.waiting import eventually
from mobileip.control.ops.control_socket import ControlError, call
from tools.load.hostile import Attackers, Kind
from tools.load.population import Population, home_agent
from tools.load.usage import Usage
from tools.load.ways import Direct, Visited

HOME_AGENT: Final = IPv4Address("192.0.2.1")
LOAD: Final = IPv4Address("192.0.2.2")
FIRST_PLACE: Final = IPv4Address("198.18.0.1")  # care-of addresses of the nodes that register directly
_FOREIGN: Final = (
    # backbone network, address on it, address of the visited link
    ("198.51.100.0/30", IPv4Address("198.51.100.2"), IPv4Address("203.0.113.1")),
    ("198.51.100.4/30", IPv4Address("198.51.100.6"), IPv4Address("203.0.113.65")),
)
_STARTS_WITHIN: Final = 20.0  # s, and more for every node it has to read of
_READ_PER_NODE: Final = 0.001  # s


class Agent:
    """A daemon of ours. ``usage()`` is what it has cost so far."""

    def __init__(self, space: Namespace, processes: Processes, configuration: Mapping[str, Any]) -> None:
        self.space = space
        self._processes = processes
        self._directory = processes.directory / space.role
        self._directory.mkdir(exist_ok=True)
        self._configuration = configuration
        self._process: Process | None = None
        self._nodes = len(configuration.get("home_agent", {}).get("nodes", ()))

    def start(self, command: Sequence[str] | None = None) -> None:
        """``command`` runs instead of ``mobileip run --config FILE``; FILE is added to it."""
        file, self._socket = self._directory / "mobileip.toml", self._directory / "control.sock"
        daemon = {
            "name": self.space.role,
            "control_socket": str(self._socket),
            "state_directory": str(self._directory),
            **self._configuration.get("daemon", {}),
        }
        file.write_text(toml({**self._configuration, "daemon": daemon}))
        file.chmod(0o600)
        command = command or [sys.executable, "-m", "mobileip", "run", "--config"]
        self._process = self._processes.start(self.space.role, self.space, [*command, str(file)])
        eventually(
            self._answers,
            within=_STARTS_WITHIN + self._nodes * _READ_PER_NODE,
            what=f"the agent {self.space.role} to answer",
            explain=self._process.tail,
        )

    def _answers(self) -> bool:
        if self.process.exit_status is not None:
            raise RuntimeError(f"the agent {self.space.role} ended:\n{self.process.tail()}")
        self.show("counters")
        return True

    @property
    def process(self) -> Process:
        if self._process is None:
            raise LabError(f"the agent {self.space.role} was not started")
        return self._process

    def show(self, what: str) -> Any:
        try:
            return call(self._socket, "show", patience=5.0, what=what)
        except ControlError as failure:
            raise LabError(str(failure)) from None

    def usage(self) -> Usage:
        return Usage.of(self.process.pid)

    def stop(self) -> None:
        self.process.stop(10.0)


class Network:
    """Context manager. ``population`` is known to the home agent; ``foreign`` is 0 to 2 foreign agents.

    ``home`` takes the place of keys in the home agent's table.
    """

    def __init__(
        self,
        population: Population,
        *,
        foreign: int = 0,
        daemon: Mapping[str, Any] | None = None,
        home: Mapping[str, Any] | None = None,
    ) -> None:
        if not 0 <= foreign <= len(_FOREIGN):
            raise ValueError(f"{foreign} foreign agents; there can be 0 to {len(_FOREIGN)}")
        self.population = population
        self._foreign = foreign
        self._daemon = dict(daemon or {})
        self._home = dict(home or {})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="mip-load-"))
            self._spaces = stack.enter_context(Namespaces())
            self.processes = stack.enter_context(Processes(Path(directory)))
            self._build()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _build(self) -> None:
        self.load, self.home = self._spaces.add("load", "home")
        self.load.ip(f"link add eth0 type veth peer name eth0 netns {self.home.name}", "link set eth0 up")
        self.load.ip(f"addr add {LOAD}/24 dev eth0")
        self.home.ip(
            "link set eth0 up", f"addr add {HOME_AGENT}/24 dev eth0", f"route add default via {LOAD}"
        )
        self.home_agent = Agent(
            self.home,
            self.processes,
            {"daemon": self._daemon, **home_agent(self.population, HOME_AGENT, **self._home)},
        )
        self.foreign_agents = [self._add_foreign(number) for number in range(self._foreign)]

    def _add_foreign(self, number: int) -> Agent:
        _, backbone, visited = _FOREIGN[number]
        (space,) = self._spaces.add(f"foreign{number + 1}")
        uplink, link = f"eth{number + 1}", f"v{number + 1}"
        space.ip(
            f"link add eth0 type veth peer name {uplink} netns {self.home.name}",
            f"link add eth1 type veth peer name {link} netns {self.load.name}",
            f"addr add {backbone}/30 dev eth0",
            f"addr add {visited}/26 dev eth1",
            "link set eth0 up",
            "link set eth1 up",
        )
        self.home.ip(f"addr add {backbone - 1}/30 dev {uplink}", f"link set {uplink} up")
        space.ip(f"route add default via {backbone - 1}")
        self.load.ip(f"link set {link} up")
        return Agent(
            space,
            self.processes,
            {
                "daemon": self._daemon,
                "foreign_agent": {
                    "care_of_address": str(backbone),
                    # All nodes on a link have one link-layer address here, which may have a quarter of the places.
                    "max_visitors": 4 * self.population.count,
                    "max_pending": 40_000,
                    "interfaces": [{"name": "eth1"}],
                },
            },
        )

    def start(self, command: Sequence[str] | None = None) -> None:
        """Start the agents and wait until they answer; ``command`` as in :meth:`Agent.start`, for the home agent."""
        self.home_agent.start(command)
        for agent in self.foreign_agents:
            agent.start()

    def direct(self) -> Direct:
        sock = self.load.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return Direct(sock, self.population, HOME_AGENT, FIRST_PLACE)

    def visited(self) -> list[Visited]:
        """A way through each of the foreign agents."""
        return [
            Visited(
                self.load.socket(socket.AF_PACKET, socket.SOCK_RAW),
                self.population,
                interface=f"v{number + 1}",
                link_address=link_address(agent.space, "eth1"),
                agent=_FOREIGN[number][2],
                care_of=_FOREIGN[number][1],
                home_agent=HOME_AGENT,
            )
            for number, agent in enumerate(self.foreign_agents)
        ]

    def attackers(self, kinds: Mapping[Kind, float], seed: int = 2) -> Attackers:
        return Attackers(
            self.load.socket(socket.AF_PACKET, socket.SOCK_RAW),
            self.population,
            interface="eth0",
            link_address=link_address(self.home, "eth0"),
            agent=HOME_AGENT,
            kinds=kinds,
            seed=seed,
        )


def link_address(space: Namespace, interface: str) -> bytes:
    return space.inside(lambda: _hardware_address(interface))


def _hardware_address(interface: str) -> bytes:
    """As the kernel tells it to a packet socket; /sys shows the namespace that it was mounted in."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        address: bytes = sock.getsockname()[4]
        return address
