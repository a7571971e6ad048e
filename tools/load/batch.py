"""Many datagrams a system call: ``sendmmsg`` and ``recvmmsg`` on the rows of a numpy array."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
from typing import Final

import numpy as np
from numpy.typing import NDArray

# struct mmsghdr and struct iovec of 64-bit Linux.
_HEADER: Final = np.dtype(
    {
        "names": ["iov", "iovlen", "control", "controllen", "len"],
        "formats": ["u8", "u8", "u8", "u8", "u4"],
        "offsets": [16, 24, 32, 40, 56],
        "itemsize": 64,
    }
)
_IOVEC: Final = np.dtype([("base", "u8"), ("len", "u8")])
# The one control message that is asked for: when a datagram arrived.
_SO_TIMESTAMPNS: Final = 35
_ARRIVAL: Final = np.dtype([("head", "V16"), ("seconds", "i8"), ("nanoseconds", "i8")])
_PASSING: Final = (errno.EAGAIN, errno.ECONNREFUSED, errno.ENOBUFS, errno.EINTR)
_libc: Final = ctypes.CDLL(None, use_errno=True)


class BatchSocket:
    """A connected or bound socket with room for ``depth`` datagrams of ``size`` bytes in each direction.

    ``out`` is where the next batch is written (one row a datagram); ``received`` is what :meth:`receive`
    filled.
    """

    def __init__(self, sock: socket.socket, *, depth: int, size: int) -> None:
        if ctypes.sizeof(ctypes.c_void_p) != 8:
            raise RuntimeError("the load generator knows the message headers of 64-bit Linux only")
        self.socket = sock
        self.depth = depth
        sock.setblocking(False)
        self.out: NDArray[np.uint8] = np.zeros((depth, size), np.uint8)
        self.received: NDArray[np.uint8] = np.zeros((depth, size), np.uint8)
        self._sending, self._send_iov = _headers(self.out)
        self._receiving, self._receive_iov = _headers(self.received)
        self._arrivals = np.zeros(depth, _ARRIVAL)
        self._receiving["control"] = (
            self._arrivals.ctypes.data + np.arange(depth, dtype=np.uint64) * _ARRIVAL.itemsize
        )
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def send(self, count: int, lengths: NDArray[np.integer] | int) -> int:
        """Send the first ``count`` rows of ``out``, ``lengths`` bytes of each; returns how many calls it took.

        What an earlier datagram met (port unreachable) does not stop the later ones.
        """
        self._send_iov["len"][:count] = lengths
        done = calls = 0
        while done < count:
            sent = _libc.sendmmsg(
                self.socket.fileno(),
                ctypes.c_void_p(self._sending.ctypes.data + done * _HEADER.itemsize),
                count - done,
                0,
            )
            calls += 1
            if sent > 0:
                done += sent
                continue
            _pass_over(ctypes.get_errno())
            select.select([], [self.socket], [], 0.01)
        return calls

    def receive(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """What has come into ``received``: lengths, and when the kernel had each (ns since 1970)."""
        self._receiving["controllen"] = _ARRIVAL.itemsize
        count = _libc.recvmmsg(
            self.socket.fileno(),
            ctypes.c_void_p(self._receiving.ctypes.data),
            self.depth,
            socket.MSG_DONTWAIT,
            None,
        )
        if count < 0:
            _pass_over(ctypes.get_errno())
            count = 0
        arrivals = self._arrivals[:count]
        when = arrivals["seconds"] * 1_000_000_000 + arrivals["nanoseconds"]
        return np.asarray(self._receiving["len"][:count], np.uint32).copy(), when


def _headers(rows: NDArray[np.uint8]) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Message headers whose one buffer each is a row; the vectors must live as long as the headers."""
    count, size = rows.shape
    iov = np.zeros(count, _IOVEC)
    iov["base"] = rows.ctypes.data + np.arange(count, dtype=np.uint64) * size
    iov["len"] = size
    headers = np.zeros(count, _HEADER)
    headers["iov"] = iov.ctypes.data + np.arange(count, dtype=np.uint64) * _IOVEC.itemsize
    headers["iovlen"] = 1
    return headers, iov


def _pass_over(error: int) -> None:
    if error not in _PASSING:
        raise OSError(error, os.strerror(error))
