"""Tunnels over paths of several widths, with a real home agent; what a sender sees of each packet.

::

    sender ── agent ── router ══ 1500 ══ far
    192.0.2.9  mip0           ══ 1400 ══ far    every link has a care-of address at its end, and one node of each
                              ══ 1006 ══ far    encapsulation is registered there
                              ══  576 ══ far

The router tells the agent of what is too big, unless it is made not to.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from mobileip.control.lab.daemons import KEY, SPI, Daemon
from mobileip.control.lab.hosts import Host
from mobileip.control.lab.namespaces import Namespace, Namespaces
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.topology import HOME_AGENT
from mobileip.control.lab.waiting import eventually
from mobileip.control.types import Lifetime
from mobileip.dataplane import Encapsulation, Engine, Flag, Side, Tunnel, checksum, fragment, overhead
from tests.netns.roles.asking import asker, request, signed

PATHS = (1500, 1400, 1006, 576)
DEVICE_MTU = 1488  # of the tunnel device: the kernel itself answers what is longer
SENDER, GATEWAY = IPv4Address("192.0.2.9"), IPv4Address("192.0.2.1")
PORT = 4000
_SETTINGS = {
    "ipv4/ip_forward": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/icmp_ratelimit": 0,
}
_FLAGS = {
    Encapsulation.IPIP: {},
    Encapsulation.GRE: {"gre": True},
    Encapsulation.MINIMAL: {"minimal": True},
}


@dataclass(frozen=True, slots=True)
class Node:
    """One registered at the far end of a path."""

    path: int
    encapsulation: Encapsulation

    @property
    def home_address(self) -> IPv4Address:
        return (
            IPv4Address("10.1.0.0")
            + 10 * (1 + PATHS.index(self.path))
            + list(Encapsulation).index(self.encapsulation)
        )

    @property
    def care_of_address(self) -> IPv4Address:
        return care_of(self.path)

    @property
    def mtu(self) -> int:
        """Of its tunnel, when the path is known."""
        return min(DEVICE_MTU, self.path - overhead(self.encapsulation))


NODES = tuple(Node(path, encapsulation) for path in PATHS for encapsulation in Encapsulation)


@dataclass(frozen=True, slots=True)
class Row:
    """One packet of the table."""

    node: Node
    size: int
    df: bool

    def expected(self) -> Outcome:
        """RFC 2003 s5.1: what fits arrives, and what may be fragmented; the sender of the rest is told what would."""
        if not self.df or self.size <= self.node.mtu:
            return ARRIVED
        return (DEVICE_MTU, GATEWAY) if self.size > DEVICE_MTU else (self.node.mtu, HOME_AGENT)

    def packet(self, number: int) -> bytes:
        """UDP, with ``number`` at its beginning and a pattern behind it."""
        payload = struct.pack("!I", number) + bytes(i % 251 for i in range(self.size - 32))
        udp = struct.pack("!HHHH", PORT, PORT, 8 + len(payload), 0)
        header = struct.pack(
            "!BBHHHBBH4s4s",
            0x45,
            0,
            self.size,
            number % 65535 + 1,
            0x4000 if self.df else 0,
            64,
            17,
            0,
            SENDER.packed,
            self.node.home_address.packed,
        )
        return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp + payload


Outcome = tuple[int, IPv4Address] | None
"""The Next-Hop MTU of "too big", and who said it; ``None``: it arrived whole."""

ARRIVED: Outcome = None


def care_of(path: int) -> IPv4Address:
    return IPv4Address("198.18.0.2") + 256 * PATHS.index(path)


@dataclass
class Paths:
    """The network of the picture, everything in it running."""

    sender: Namespace
    router: Namespace
    far: Namespace
    agent: Daemon
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self._raw = self._socket(self.sender, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._errors = self._socket(self.sender, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._receiver = self._socket(self.far, socket.SOCK_DGRAM, 0)
        self._receiver.bind(("0.0.0.0", PORT))

    def _socket(self, space: Namespace, kind: int, protocol: int) -> socket.socket:
        made = self._stack.enter_context(space.socket(socket.AF_INET, kind, protocol))
        made.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
        made.setblocking(False)
        return made

    def begin(self, **options: Any) -> None:
        """A home agent that has just been started with these options, and the nodes registered with it."""
        if self.agent.running:
            self.agent.stop()
        self.agent.namespace.ip("route flush cache")
        self.agent.configuration["daemon"] = {"tunnel_mtu": DEVICE_MTU, **options}
        self.agent.start()
        with asker(Host(self.far)) as node:
            for one in NODES:
                asked = request(one.care_of_address)
                flags = replace(asked.flags, **_FLAGS[one.encapsulation])
                wanted = replace(asked, home_address=one.home_address, flags=flags, lifetime=Lifetime(300))
                assert node.ask(signed(wanted)).code == 1  # accepted, without simultaneous bindings

    @contextmanager
    def filtered(self) -> Iterator[None]:
        """Nothing of what the router itself sends gets to the agent."""
        self.router.ip(f"rule add pref 10 iif lo to {HOME_AGENT} blackhole")
        try:
            yield
        finally:
            self.router.ip("rule del pref 10")

    def mtus(self) -> dict[Node, int]:
        shown = {row["home_address"]: row["mtu"] for row in self.agent.show("tunnels")}
        return {node: shown[str(node.home_address)] for node in NODES}

    def learn(self, within: float) -> float:
        """Send what just fits each tunnel, until each fits its path; the seconds that it took."""
        begun = time.monotonic()

        def fits() -> dict[Node, int]:
            now = self.mtus()
            self._send([(0, Row(node, mtu, df=True)) for node, mtu in now.items()])
            return now

        wanted = {node: node.mtu for node in NODES}
        eventually(
            fits,
            wanted.__eq__,
            within=within,
            every=0.1,
            what="the tunnels to fit",
            explain=self.agent.explain,
        )
        return time.monotonic() - begun

    def outcomes(self, rows: list[Row], within: float = 8.0) -> dict[Row, set[Outcome]]:
        """Send each until something is seen of it, at least once: errors are limited to so many a second."""
        seen: dict[Row, set[Outcome]] = {row: set() for row in rows}
        deadline = time.monotonic() + within
        while not all(seen.values()) and time.monotonic() < deadline:
            self._send([(1 + number, row) for number, row in enumerate(rows) if not seen[row]])
            quiet = time.monotonic() + 0.3
            while time.monotonic() < quiet:
                for number, outcome in self._drain():
                    if number:
                        seen[rows[number - 1]].add(outcome)
                        quiet = time.monotonic() + 0.3
                time.sleep(0.01)
        return seen

    def _send(self, rows: Iterable[tuple[int, Row]]) -> None:
        for count, (number, row) in enumerate(rows):
            packet = row.packet(number)
            for piece in [packet] if row.df else fragment(packet, 1500):
                self._raw.sendto(piece, (str(row.node.home_address), 0))
            if count % 32 == 31:
                time.sleep(0.002)

    def _drain(self) -> Iterator[tuple[int, Outcome]]:
        """Numbers of packets, and what came of them."""
        for data in _all(self._receiver):
            number = struct.unpack_from("!I", data)[0]
            assert data[4:] == bytes(i % 251 for i in range(len(data) - 4))
            yield number, ARRIVED
        for data in _all(self._errors):
            kind, code, mtu = struct.unpack_from("!BB4xH", data, 20)
            if (kind, code) != (3, 3):  # the port of another test
                assert (kind, code) == (3, 4)
                yield struct.unpack_from("!I", data, 28 + 28)[0], (mtu, IPv4Address(data[12:16]))


def _all(where: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield where.recv(65536)
        except BlockingIOError:
            return


@contextmanager
def paths(directory: Path) -> Iterator[Paths]:
    with Namespaces() as spaces, ExitStack() as stack:
        sender, agent, router, far = spaces.add("mtusender", "mtuagent", "mturouter", "mtufar")
        for space in (agent, router, far):
            space.set_sysctls(_SETTINGS)
        agent.ip(
            f"link add lan type veth peer name eth0 netns {sender.name}",
            f"addr add {GATEWAY}/24 dev lan",
            "link set lan up",
            f"link add wan type veth peer name wan netns {router.name}",
            f"addr add {HOME_AGENT}/30 dev wan",
            "link set wan up",
            f"route add default via {HOME_AGENT + 1}",
        )
        sender.ip(f"addr add {SENDER}/24 dev eth0", "link set eth0 up", f"route add default via {GATEWAY}")
        router.ip(
            f"addr add {HOME_AGENT + 1}/30 dev wan",
            "link set wan up",
            f"route add 192.0.2.0/24 via {HOME_AGENT}",
        )
        for path in PATHS:
            router.ip(
                f"link add p{path} mtu {path} type veth peer name p{path} netns {far.name}",
                f"addr add {care_of(path) - 1}/24 dev p{path}",
                f"link set p{path} up",
            )
            far.ip(f"addr add {care_of(path)}/24 dev p{path}", f"link set p{path} up")
        far.ip(f"route add default via {care_of(1500) - 1}")
        engine = stack.enter_context(far.inside(lambda: Engine(mtu=1500)))
        for node in NODES:
            far.ip(f"addr add {node.home_address}/32 dev mip0")
            flags, kind = Flag.REVERSE, node.encapsulation
            engine.install(
                Tunnel(node.home_address, Side.CARE_OF, node.care_of_address, HOME_AGENT, 556, kind, flags)
            )
        engine.start()
        home = {
            "address": str(HOME_AGENT),
            "networks": [{"prefix": "10.1.0.0/24"}],
            "nodes": [{"home_address": str(node.home_address), "spi": SPI, "key": KEY} for node in NODES],
        }
        processes = stack.enter_context(Processes(directory))
        made = Paths(sender, router, far, Daemon(agent, processes, {"home_agent": home}))
        with made._stack:
            yield made
