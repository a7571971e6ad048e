"""How requests travel: straight to the home agent, or over a visited link to a foreign agent."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tools.load import messages
from tools.load.batch import BatchSocket
from tools.load.population import SPI, Population

DEPTH: Final = 256  # datagrams a system call
_BUFFER: Final = 8 << 20  # bytes of socket buffer: what the agent answers must not be lost here
_SO_RCVBUFFORCE: Final = 33
_ETH_P_IP: Final = 0x0800


Received = tuple[NDArray[np.void], NDArray[np.int64]]


class Way(Protocol):
    """``requests`` are the rows to fill; ``flags`` what a request on this way says (RFC 5944 s3.3)."""

    requests: NDArray[np.void]
    flags: int

    def care_of(self, nodes: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64] | int:
        """The care-of addresses of ``nodes``, each at its place."""
        ...

    def send(self, nodes: NDArray[np.int64]) -> None:
        """Sign and send the first rows, which are requests of ``nodes``."""
        ...

    def receive(self) -> Received:
        """Replies that have come, and when each did (ns since 1970)."""
        ...


class Direct:
    """Co-located: UDP from one address of ours, whose requests name care-of addresses from ``first_place`` on."""

    def __init__(
        self, sock: socket.socket, population: Population, agent: IPv4Address, first_place: IPv4Address
    ) -> None:
        _widen(sock)
        sock.connect((str(agent), messages.PORT))
        self.flags = messages.DECAPSULATION_BY_MN | messages.REVERSE_TUNNEL
        self._batch = BatchSocket(sock, depth=DEPTH, size=messages.REQUEST.itemsize)
        self._population = population
        self._first_place = int(first_place)
        self.requests = messages.view(self._batch.out, messages.REQUEST, 0)
        self._replies = messages.view(self._batch.received, messages.REPLY, 0)
        messages.prepare(self.requests, int(agent), SPI)

    def care_of(self, nodes: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64] | int:
        return self._first_place + places

    def send(self, nodes: NDArray[np.int64]) -> None:
        messages.sign(self._batch.out, 0, messages.REQUEST_COVERED, nodes, self._population)
        self._batch.send(len(nodes), messages.REQUEST.itemsize)

    def receive(self) -> Received:
        lengths, when = self._batch.receive()
        ours = lengths == messages.REPLY.itemsize
        return self._replies[: len(lengths)][ours], when[ours]


class Visited:
    """Through the foreign agent at ``link_address`` and ``agent``: frames from the nodes' home addresses."""

    def __init__(
        self,
        sock: socket.socket,
        population: Population,
        *,
        interface: str,
        link_address: bytes,
        agent: IPv4Address,
        care_of: IPv4Address,
        home_agent: IPv4Address,
    ) -> None:
        """``sock`` is a raw packet socket."""
        _widen(sock)
        sock.bind((interface, _ETH_P_IP))
        self.flags = messages.REVERSE_TUNNEL
        offset = messages.FRAME.itemsize
        self._batch = BatchSocket(sock, depth=DEPTH, size=offset + messages.REQUEST.itemsize)
        self._population = population
        self._care_of = int(care_of)
        self._frames = messages.view(self._batch.out, messages.FRAME, 0)
        self.requests = messages.view(self._batch.out, messages.REQUEST, offset)
        self._heads = messages.view(self._batch.received, messages.FRAME, 0)
        self._replies = messages.view(self._batch.received, messages.REPLY, offset)
        messages.prepare(self.requests, int(home_agent), SPI)
        messages.prepare_frames(
            self._frames,
            to=link_address,
            sender=sock.getsockname()[4],
            destination=int(agent),
            payload=messages.REQUEST.itemsize,
        )

    def care_of(self, nodes: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64] | int:
        return self._care_of

    def send(self, nodes: NDArray[np.int64]) -> None:
        count, offset = len(nodes), messages.FRAME.itemsize
        messages.set_sources(self._frames[:count], int(self._population.first) + nodes)
        messages.sign(self._batch.out, offset, messages.REQUEST_COVERED, nodes, self._population)
        self._batch.send(count, offset + messages.REQUEST.itemsize)

    def receive(self) -> Received:
        lengths, when = self._batch.receive()
        heads = self._heads[: len(lengths)]
        ours = (
            (lengths == messages.FRAME.itemsize + messages.REPLY.itemsize)
            & (heads["protocol"] == 17)
            & (heads["source_port"] == messages.PORT)
        )
        return self._replies[: len(lengths)][ours], when[ours]


def _widen(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
