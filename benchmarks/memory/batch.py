"""Batches of packets, and tables of tunnels for them; see memory.c."""

from __future__ import annotations

import ctypes
import time
from ipaddress import IPv4Address
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks import build
from mobileip.dataplane import Encapsulation, Side, overhead

COUNT: Final = 2048  # packets a call: the headers fit a core's cache, and the call itself hardly counts
HEADROOM: Final = 64  # MIP_HEADROOM
HOMES: Final = int(IPv4Address("100.64.0.0"))
_CAPACITY: Final = 1 << 20  # tunnels, as the engine's own
_MILLION: Final = 1_000_000
_CORRESPONDENT: Final = int(IPv4Address("203.0.113.9"))


class Packets(ctypes.Structure):
    """``struct packets`` of memory.c."""

    _fields_ = (
        ("first", ctypes.c_void_p),
        ("stride", ctypes.c_size_t),
        ("len", ctypes.c_uint32),
        ("count", ctypes.c_uint32),
    )


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(build.memory()))
    word, byte, pointer = ctypes.c_uint32, ctypes.c_uint8, ctypes.c_void_p
    packets = ctypes.POINTER(Packets)
    library.memory_table.argtypes, library.memory_table.restype = (word, word, word, byte, byte), pointer
    library.memory_free.argtypes, library.memory_free.restype = (pointer,), None
    library.memory_encapsulate.argtypes, library.memory_encapsulate.restype = (pointer, packets), word
    library.memory_decapsulate.argtypes, library.memory_decapsulate.restype = (pointer, byte, packets), word
    library.memory_copy.argtypes, library.memory_copy.restype = (pointer, packets), None
    return library


_LIBRARY: Final = _library()


def checksums(headers: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The Internet checksum (RFC 1071) of each row, whose length is even."""
    words = np.ascontiguousarray(headers).view(">u2").astype(np.uint32)
    total = words.sum(axis=1, dtype=np.uint32)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return np.asarray(~total & 0xFFFF, np.uint16)


def _be32(values: NDArray[np.uint32] | int, count: int) -> NDArray[np.uint8]:
    return np.broadcast_to(np.asarray(values, ">u4"), count).astype(">u4").view(np.uint8).reshape(count, 4)


class Batch:
    """``count`` UDP packets of ``size`` bytes each, headers included, in rows with room in front."""

    def __init__(self, size: int, count: int = COUNT) -> None:
        self.size, self.count = size, count
        # Odd, so that the rows do not compete for the same places of a cache.
        lines = -(-(HEADROOM + size) // 64) | 1
        self.rows: NDArray[np.uint8] = np.zeros((count, lines * 64), np.uint8)
        self._random = np.random.default_rng(2003)
        inner = self.packets
        inner[:, 0], inner[:, 8], inner[:, 9] = 0x45, 64, 17
        inner[:, 2:4] = np.frombuffer(size.to_bytes(2, "big"), np.uint8)
        inner[:, 20:] = self._random.integers(0, 256, inner[:, 20:].shape, np.uint8)
        self._clean = inner[:, :64].copy()

    @property
    def packets(self) -> NDArray[np.uint8]:
        """A packet each row."""
        return self.rows[:, HEADROOM : HEADROOM + self.size]

    @property
    def described(self) -> Packets:
        """The packets for the library; valid as long as the batch lives."""
        return self._described(HEADROOM, self.size)

    def in_tunnel(self, encapsulation: Encapsulation) -> Packets:
        """The datagrams that the packets have become when they were encapsulated."""
        added = overhead(encapsulation)
        return self._described(HEADROOM - added, self.size + added)

    def _described(self, at: int, length: int) -> Packets:
        return Packets(self.rows.ctypes.data + at, self.rows.shape[1], length, self.count)

    def to_homes(self, tunnels: int) -> None:
        """Address the packets to home addresses taken by chance, and undo what a round has changed."""
        self._address(_CORRESPONDENT, self._homes(tunnels))

    def from_homes(self, tunnels: int) -> None:
        """The same, the other way."""
        self._address(self._homes(tunnels), _CORRESPONDENT)

    def _homes(self, tunnels: int) -> NDArray[np.uint32]:
        return (HOMES + self._random.integers(0, tunnels, self.count)).astype(np.uint32)

    def _address(self, source: NDArray[np.uint32] | int, destination: NDArray[np.uint32] | int) -> None:
        self.packets[:, :64] = self._clean
        header = self.packets[:, :20]
        header[:, 12:16], header[:, 16:20] = _be32(source, self.count), _be32(destination, self.count)
        header[:, 10:12] = checksums(header).astype(">u2").view(np.uint8).reshape(self.count, 2)


class Table:
    """``tunnels`` tunnels of the home addresses from HOMES on. Context manager."""

    def __init__(self, tunnels: int, encapsulation: Encapsulation, side: Side = Side.HOME) -> None:
        self.tunnels, self.encapsulation = tunnels, encapsulation
        self._table = _LIBRARY.memory_table(HOMES, tunnels, max(_CAPACITY, tunnels), side, encapsulation)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _LIBRARY.memory_free(self._table)

    def encapsulate(self, packets: Packets) -> int:
        """How many found their tunnel and were put into it."""
        passed: int = _LIBRARY.memory_encapsulate(self._table, packets)
        return passed

    def decapsulate(self, packets: Packets) -> int:
        """How many came out of a tunnel that is theirs."""
        passed: int = _LIBRARY.memory_decapsulate(self._table, self.encapsulation, packets)
        return passed


def copy(to: Batch, packets: Packets) -> None:
    """memcpy() of every packet into another batch of the same size."""
    _LIBRARY.memory_copy(to.rows.ctypes.data + HEADROOM, packets)


def headline(rounds: int = 300) -> dict[str, float]:
    """Nanoseconds a packet, the best of the rounds, in turn: for the comparison with the targets."""
    small, source, destination = Batch(64), Batch(512), Batch(512)
    encapsulating, copying = [], []
    with Table(_MILLION, Encapsulation.IPIP) as table:
        for _ in range(rounds):
            small.to_homes(_MILLION)
            packets = small.described
            start = time.perf_counter_ns()
            passed = table.encapsulate(packets)
            encapsulating.append((time.perf_counter_ns() - start) / COUNT)
            if passed != COUNT:
                raise RuntimeError(f"{passed} of {COUNT} packets were encapsulated")
            source.to_homes(_MILLION)
            packets = source.described
            start = time.perf_counter_ns()
            copy(destination, packets)
            copying.append((time.perf_counter_ns() - start) / COUNT)
    return {"encapsulate_million_ns": round(min(encapsulating), 2), "copy_512_ns": round(min(copying), 2)}
