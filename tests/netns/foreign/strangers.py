"""Companies that know nothing of each other: each has the network 10.1.0.0/24, a home agent, and a node away.

::

    server 10.1.0.9 -- home agent N -- 192.0.2.0/24 -- foreign agent -- lan0: nodes 1 and 2
                       192.0.2.N                       192.0.2.9     '- lan1: node 3
    all the nodes: 10.1.0.5
"""

from __future__ import annotations

import socket
import threading
from typing import Any, Final, Self

from mobileip.control.lab.daemons import SPI, Daemon
from mobileip.control.lab.namespaces import Namespace, Namespaces
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.waiting import eventually

HOME, SERVER, GATEWAY, PORT = "10.1.0.5", "10.1.0.9", "10.1.0.1", 7000
CARE_OF: Final = "192.0.2.9"
COMPANIES: Final = (1, 2, 3)
LINK_OF: Final = {1: "lan0", 2: "lan0", 3: "lan1"}
_ADVERTISE: Final = {"interval": 0.3, "lifetime": 3}


def home_agent_of(company: int) -> str:
    return f"192.0.2.{company}"


def _home(company: int) -> dict[str, Any]:
    return {
        "home_agent": {
            "address": home_agent_of(company),
            "networks": [{"prefix": "10.1.0.0/24", "interface": "lan0"}],
            "nodes": [{"home_address": HOME, "spi": SPI, "key": f"{company:032x}"}],
        }
    }


def _node(company: int) -> dict[str, Any]:
    return {
        "mobile_node": {
            "home_address": f"{HOME}/24",
            "home_agent": home_agent_of(company),
            "home_gateway": GATEWAY,
            "interfaces": ["eth0"],
            "lifetime": 60,
            "spi": SPI,
            "key": f"{company:032x}",
        }
    }


_FOREIGN: Final = {
    "foreign_agent": {
        "care_of_address": CARE_OF,
        "interfaces": [{"name": name, "advertise": _ADVERTISE} for name in ("lan0", "lan1")],
    }
}


class Strangers:
    """The networks, with all agents running and the nodes' daemons stopped."""

    def __init__(self, spaces: Namespaces, processes: Processes) -> None:
        self.processes = processes
        (self._net, agent) = spaces.add("net", "visited")
        self._net.ip(*(f"link add {name} type bridge" for name in ("core", "lan")))
        self._net.ip(*(f"link set {name} up" for name in ("core", "lan")))
        self._plug("core", agent, "wan0", f"{CARE_OF}/24")
        self._plug("lan", agent, "lan0", "198.51.100.1/24")
        self.servers, self._homes, self.nodes = {}, {}, {}
        for company in COMPANIES:
            home, server, node = spaces.add(f"home{company}", f"server{company}", f"node{company}")
            self._plug("core", home, "wan0", f"{home_agent_of(company)}/24")
            home.ip(
                f"link add lan0 type veth peer name eth0 netns {server.name}",
                f"addr add {GATEWAY}/24 dev lan0",
                "link set lan0 up",
            )
            server.ip(f"addr add {SERVER}/24 dev eth0", "link set eth0 up")
            if LINK_OF[company] == "lan0":
                self._plug("lan", node, "eth0")
            else:
                agent.ip(
                    f"link add lan1 type veth peer name eth0 netns {node.name}",
                    "addr add 198.51.101.1/24 dev lan1",
                    "link set lan1 up",
                )
                node.ip("link set eth0 up")
            self.servers[company] = server
            self._homes[company] = Daemon(home, processes, _home(company))
            self.nodes[company] = Daemon(node, processes, _node(company))
        self.agent = Daemon(agent, processes, _FOREIGN)
        daemons = (self.agent, *self._homes.values())
        for daemon in daemons:
            daemon.launch()
        for daemon in daemons:
            daemon.wait_ready()

    def _plug(self, bridge: str, space: Namespace, interface: str, address: str | None = None) -> None:
        port = f"{space.role}{interface}"
        self._net.ip(
            f"link add {port} type veth peer name {interface} netns {space.name}",
            f"link set {port} master {bridge} up",
        )
        space.ip(*([f"addr add {address} dev {interface}"] if address else []), f"link set {interface} up")

    def explain(self) -> str:
        return "\n".join(one.explain() for one in (self.agent, *self._homes.values(), *self.nodes.values()))

    def visitors(self) -> set[tuple[str, str]]:
        """Home agent and link of each visitor with the home address."""
        return {
            (row["home_agent"], row["interface"])
            for row in self.agent.show("visitors")
            if row["home_address"] == HOME
        }

    def arrive(self, *companies: int) -> None:
        nodes = [self.nodes[company] for company in companies]
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait_ready()
            eventually(
                lambda node=node: node.show("registration"),
                lambda shown: shown["state"] == "registered",
                what=f"{node.name} to be registered",
                explain=self.explain,
            )


class Server:
    """Says on each connection whose it is, before what it was told, and so on until the end."""

    def __init__(self, space: Namespace, company: int) -> None:
        self._listening = space.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind((SERVER, PORT))
        self._listening.listen()
        self._name = f"<server {company}>".encode()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            connection.sendall(self._name)
            while told := connection.recv(65536):
                connection.sendall(told)


class Client:
    """A connection of a node to the server, from the home address."""

    def __init__(self, space: Namespace, company: int) -> None:
        self.company = company
        self._socket = space.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.settimeout(10)
        self._socket.bind((HOME, 0))
        self._socket.connect((SERVER, PORT))
        self.greeting = self._receive(len("<server 1>"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def says(self, data: bytes) -> bytes:
        """Sends it and returns what came back."""
        sender = threading.Thread(target=self._socket.sendall, args=(data,))
        sender.start()
        try:
            return self._receive(len(data))
        finally:
            sender.join()

    def _receive(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            part = self._socket.recv(size - len(received))
            if not part:
                raise ConnectionError(f"closed after {len(received)} of {size} bytes")
            received += part
        return received
