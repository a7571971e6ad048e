"""Many datagrams a system call: recvmmsg(2), which Python's socket does not have."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from struct import Struct
from typing import Final

Received = tuple[bytes, bytes, bytes]
"""Payload, sender (a struct sockaddr_in) and control messages of a datagram, as the kernel wrote them."""

LONGEST: Final = 4096  # bytes of a payload; the rest is cut off: nobody whom we know sends so much
_SENDER: Final = 16  # sizeof(struct sockaddr_in)


class _Vector(ctypes.Structure):
    """struct iovec"""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct msghdr"""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Entry(ctypes.Structure):
    """struct mmsghdr"""

    _fields_ = (("message", _Message), ("length", ctypes.c_uint))


def _lengths() -> Struct:
    """Reads the lengths of control messages and payload out of an entry."""
    control, payload = _Message.control_length, _Entry.length
    between = payload.offset - control.offset - control.size
    behind = ctypes.sizeof(_Entry) - payload.offset - payload.size
    return Struct(f"@{control.offset}xN{between}xI{behind}x")


_LENGTHS: Final = _lengths()
_libc: Final = ctypes.CDLL(None, use_errno=True)


class BatchReceiver:
    """Room for ``depth`` datagrams of ``sock`` with ``control`` bytes of control messages each."""

    def __init__(self, sock: socket.socket, *, depth: int, control: int) -> None:
        self._socket = sock
        self._depth = depth
        self._control_size = control
        self._payloads = memoryview(bytearray(depth * LONGEST))
        self._senders = memoryview(bytearray(depth * _SENDER))
        self._controls = memoryview(bytearray(depth * control))
        self._vectors = (_Vector * depth)()
        self._entries = (_Entry * depth)()
        for place, (vector, entry) in enumerate(zip(self._vectors, self._entries, strict=True)):
            vector.base, vector.length = _address(self._payloads) + place * LONGEST, LONGEST
            message = entry.message
            message.name, message.name_length = _address(self._senders) + place * _SENDER, _SENDER
            message.vectors, message.vector_count = ctypes.addressof(vector), 1
            message.control, message.control_length = _address(self._controls) + place * control, control
        self._raw = memoryview(self._entries).cast("B")
        self._fresh = bytes(self._raw)  # the kernel overwrites the lengths with what it gave

    def receive(self) -> list[Received]:
        """What has come, the longest there first; at most ``depth``, none if nothing has.

        :raises OSError: an ICMP error about something that was sent, which the kernel tells once.
        """
        self._raw[:] = self._fresh
        count: int = _libc.recvmmsg(
            self._socket.fileno(), self._entries, self._depth, socket.MSG_DONTWAIT, None
        )
        if count < 0:
            error = ctypes.get_errno()
            if error == errno.EAGAIN:
                return []
            raise OSError(error, os.strerror(error))
        payloads, senders, controls, size = self._payloads, self._senders, self._controls, self._control_size
        received = []
        at = sender = control = 0
        for told, length in _LENGTHS.iter_unpack(self._raw[: count * _LENGTHS.size]):
            received.append(
                (
                    payloads[at : at + length].tobytes(),
                    senders[sender : sender + _SENDER].tobytes(),
                    controls[control : control + told].tobytes(),
                )
            )
            at, sender, control = at + LONGEST, sender + _SENDER, control + size
        return received


def _address(memory: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
