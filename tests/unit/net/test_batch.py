"""Batches of datagrams over real sockets on the loopback."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator

import pytest

from mobileip.control.net.batch import LONGEST, BatchReceiver

DEPTH = 4
IP_PKTINFO = 8


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def batch(sock: socket.socket) -> BatchReceiver:
    return BatchReceiver(sock, depth=DEPTH, control=socket.CMSG_SPACE(12))


def test_what_came_in_its_order_and_not_more_than_there_is_room_for(
    receiver: socket.socket, sender: socket.socket
) -> None:
    own = batch(receiver)
    assert own.receive() == []
    for text in (b"a", b"", b"ccc", b"d" * 100, b"later"):
        sender.sendto(text, receiver.getsockname())
    received = own.receive()
    assert [payload for payload, _, _ in received] == [b"a", b"", b"ccc", b"d" * 100]
    address, port = sender.getsockname()
    name = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(address) + bytes(8)
    assert {told for _, told, _ in received} == {name}
    assert {control for _, _, control in received} == {b""}
    assert [payload for payload, _, _ in own.receive()] == [b"later"]
    assert own.receive() == []


def test_control_messages_are_those_of_the_datagram(receiver: socket.socket, sender: socket.socket) -> None:
    own = batch(receiver)
    sender.sendto(b"before", receiver.getsockname())
    receiver.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    for text in (b"one", b"two"):
        sender.sendto(text, receiver.getsockname())
    controls = [control for _, _, control in own.receive()]
    assert len(controls) == 3
    loopback = struct.pack("=i4s4s", socket.if_nametoindex("lo"), *2 * [socket.inet_aton("127.0.0.1")])
    assert all(loopback in control for control in controls[1:])
    receiver.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 0)
    sender.sendto(b"after", receiver.getsockname())
    (after,) = own.receive()
    assert after[2] == b"", "nothing is left of an earlier datagram in the same place"


def test_what_is_too_long_is_cut_off(receiver: socket.socket, sender: socket.socket) -> None:
    own = batch(receiver)
    sender.sendto(b"x" * (LONGEST + 1), receiver.getsockname())
    sender.sendto(b"y", receiver.getsockname())
    assert [payload for payload, _, _ in own.receive()] == [b"x" * LONGEST, b"y"]


def test_an_error_that_the_kernel_kept_is_told_once(receiver: socket.socket, sender: socket.socket) -> None:
    sender.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        nobody = gone.getsockname()
    receiver.connect(nobody)
    receiver.send(b"anybody there?")
    own = batch(receiver)
    with pytest.raises(OSError) as refused:
        own.receive()
    assert refused.value.errno == errno.ECONNREFUSED
    assert own.receive() == []
