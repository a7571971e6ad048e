"""One end of a TCP connection whose every byte is verified, as a program.

``python -m mobileip.control.lab.stream listen|connect OWN_ADDRESS PEER_ADDRESS PORT SEED``. What an end sends
comes from a generator with a seed that the other end knows, so the receiver compares each byte with the one
that must stand there: lost, doubled, reordered and changed bytes are all noticed. A running CRC-32 says the
same in one number.
"""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
import zlib
from typing import Final

from mobileip.control.lab.helpers import serve

_BLOCK: Final = 1 << 16


class Pattern:
    """The endless bytes of one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._rest = b""

    def take(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._rest += self._random.randbytes(_BLOCK)
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken


class StreamEnd:
    """Both directions of one connection. ``seed`` gives the bytes to the connecting end, ``seed + 1`` those
    from it.
    """

    def __init__(self, listens: bool, own: str, peer: str, port: int, seed: int) -> None:
        self._sending, self._expecting = (
            Pattern(seed if listens else seed + 1),
            Pattern(seed + 1 if listens else seed),
        )
        self._connection = self._accept(own, peer, port) if listens else self._connect(own, peer, port)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._chunk, self._interval = 0, 0.0
        self._go = threading.Event()
        self._ending = False
        self._done_sending = threading.Event()
        self._arrivals: list[int] = []
        self._sent = self._received = 0
        self._sent_crc = self._received_crc = 0
        self._wrong_at: int | None = None
        self._ended = False
        self._error = ""

    @staticmethod
    def _accept(own: str, peer: str, port: int) -> socket.socket:
        with socket.create_server((own, port)) as listener:
            while True:
                connection, source = listener.accept()
                if source[0] == peer:
                    return connection
                connection.close()

    @staticmethod
    def _connect(own: str, peer: str, port: int) -> socket.socket:
        deadline = time.monotonic() + 10
        while True:
            try:
                connection = socket.create_connection((peer, port), timeout=10, source_address=(own, 0))
            except ConnectionRefusedError:  # the other end is still starting
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                connection.settimeout(None)
                return connection

    def start(self) -> None:
        for loop in (self._send, self._receive):
            threading.Thread(target=loop, daemon=True).start()

    def send(self, chunk: int, interval_us: int) -> None:
        """Send ``chunk`` bytes every ``interval_us`` microseconds; a chunk of 0 pauses."""
        self._chunk, self._interval = chunk, interval_us / 1e6
        if chunk:
            self._go.set()
        else:
            self._go.clear()

    def status(self) -> dict[str, object]:
        """Counts and CRCs of both directions; ``ended``: the other end has closed in order; ``error``: it
        broke.
        """
        return {
            "sent": self._sent,
            "sent_crc": self._sent_crc,
            "received": self._received,
            "received_crc": self._received_crc,
            "wrong_at": self._wrong_at,
            "ended": self._ended,
            "error": self._error,
        }

    def take(self) -> list[int]:
        """The times (CLOCK_MONOTONIC, ns) at which the application got bytes since the last ``take``."""
        arrivals, self._arrivals = self._arrivals, []
        return arrivals

    def finish(self) -> None:
        """Send nothing more and close this direction."""
        self._ending = True
        self._go.set()
        if not self._done_sending.wait(8):
            raise OSError("the connection accepts no more bytes")

    def _send(self) -> None:
        try:
            while True:
                self._go.wait()
                if self._ending:
                    break
                data = self._sending.take(self._chunk)
                self._connection.sendall(data)
                self._sent += len(data)
                self._sent_crc = zlib.crc32(data, self._sent_crc)
                time.sleep(self._interval)
            self._connection.shutdown(socket.SHUT_WR)
        except OSError as failure:
            self._error = str(failure)
        self._done_sending.set()

    def _receive(self) -> None:
        try:
            while data := self._connection.recv(_BLOCK):
                self._arrivals.append(time.monotonic_ns())
                if self._wrong_at is None and data != self._expecting.take(len(data)):
                    self._wrong_at = self._received
                self._received += len(data)
                self._received_crc = zlib.crc32(data, self._received_crc)
            self._ended = True
        except OSError as failure:
            self._error = str(failure)


if __name__ == "__main__":
    role, own, peer, port, seed = sys.argv[1:]
    end = StreamEnd(role == "listen", own, peer, int(port), int(seed))
    end.start()
    serve(
        {
            "send": end.send,
            "status": end.status,
            "take": end.take,
            "finish": end.finish,
            "ready": lambda: True,
        }
    )
