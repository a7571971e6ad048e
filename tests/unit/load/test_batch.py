"""Batches of datagrams over a real socket pair."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tools.load.batch import BatchSocket
from tools.load.usage import Usage

SIZE = 16


@pytest.fixture
def pair() -> Iterator[tuple[BatchSocket, socket.socket]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        other.setblocking(False)
        yield BatchSocket(one, depth=4, size=SIZE), other


def test_each_row_is_a_datagram_of_its_own_length(pair: tuple[BatchSocket, socket.socket]) -> None:
    batch, other = pair
    batch.out[:] = np.arange(4 * SIZE, dtype=np.uint8).reshape(4, SIZE)
    lengths = np.array([SIZE, 0, 5])
    batch.send(3, lengths)
    assert [other.recv(100) for _ in range(3)] == [
        batch.out[row, :length].tobytes() for row, length in enumerate(lengths)
    ]
    with pytest.raises(BlockingIOError):
        other.recv(100)


def test_what_came_is_received_at_once_and_nothing_is_not_an_error() -> None:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind(("127.0.0.1", 0))
        batch = BatchSocket(receiver, depth=4, size=SIZE)
        assert len(batch.receive()[0]) == 0
        before = time.time_ns()
        for text in (b"a", b"", b"ccc", b"d" * SIZE, b"later"):
            sender.sendto(text, receiver.getsockname())
        lengths, when = batch.receive()
        assert lengths.tolist() == [1, 0, 3, SIZE]
        assert batch.received[2, :3].tobytes() == b"ccc"
        assert (when >= before).all() and (when <= time.time_ns()).all()
        assert batch.receive()[0].tolist() == [5]


def test_a_full_queue_is_waited_for(pair: tuple[BatchSocket, socket.socket]) -> None:
    batch, other = pair
    got = 0
    for _ in range(50):
        batch.send(4, SIZE)
        while True:
            try:
                got += len(other.recv(100)) == SIZE
            except BlockingIOError:
                break
    assert got == 200


def test_an_unreachable_port_stops_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        gone = probe.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(gone)
        batch = BatchSocket(sock, depth=4, size=SIZE)
        for _ in range(5):
            batch.send(4, SIZE)
            batch.receive()


def test_usage_of_a_process_is_its_cpu_time_and_memory() -> None:
    before = Usage.of(os.getpid())
    own = time.process_time()
    while time.process_time() - own < 0.05:
        pass
    after = Usage.of(os.getpid())
    assert 0.05 <= after.cpu - before.cpu < 0.5
    assert after.rss > 1 << 20
