"""One end of a steady stream of numbered UDP probes, as a program.

``python -m mobileip.control.lab.probes OWN_ADDRESS PEER_ADDRESS PORT``. A probe carries its number and the
time at which it was sent; the receiver notes when it came. Both ends are on one machine, so the difference is
the exact one-way time. Only probes whose source is exactly the peer's address and port count: a connection
would accept no others either.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from typing import Final

from mobileip.control.lab.helpers import serve

_PROBE: Final = struct.Struct("!QQ")  # number, time sent (CLOCK_MONOTONIC, ns)
_CATCH_UP: Final = 8  # probes that are sent late rather than left out, after which the schedule starts anew


class ProbeEnd:
    """Sends and receives until the program ends."""

    def __init__(self, own: str, peer: str, port: int) -> None:
        self._peer = (peer, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((own, port))
        self._interval = 0  # ns; 0: silent
        self._go = threading.Event()
        self._number = 0
        self._sent: list[tuple[int, int]] = []
        self._received: list[tuple[int, int, int]] = []
        self._newest = 0
        self._count = 0

    def start(self) -> None:
        for loop in (self._send, self._receive):
            threading.Thread(target=loop, daemon=True).start()

    def send(self, interval_us: int) -> None:
        """Send a probe every ``interval_us`` microseconds; 0 stops."""
        self._interval = interval_us * 1000
        if interval_us:
            self._go.set()
        else:
            self._go.clear()

    def progress(self) -> dict[str, int]:
        """Probes sent and received so far, and the latest time of sending among those received."""
        return {"sent": self._number, "received": self._count, "newest": self._newest}

    def take(self) -> dict[str, object]:
        """Everything sent (number, time) and received (number, time sent, time received) since the last
        ``take``.
        """
        sent, self._sent = self._sent, []
        received, self._received = self._received, []
        return {"sent": sent, "received": received}

    def _send(self) -> None:
        due = time.monotonic_ns()
        while True:
            if not self._go.is_set():
                self._go.wait()
                due = time.monotonic_ns()
            now = time.monotonic_ns()
            if now < due:
                time.sleep((due - now) / 1e9)
                now = time.monotonic_ns()
                if not self._go.is_set():
                    continue  # silenced while it slept
            self._number += 1
            self._sent.append((self._number, now))
            # Between two networks there is no route, or the packets before it fill the queue of a neighbour
            # that is being asked for: a probe lost like any other.
            with contextlib.suppress(OSError):
                self._socket.sendto(_PROBE.pack(self._number, now), socket.MSG_DONTWAIT, self._peer)
            due = due + self._interval if now - due < _CATCH_UP * self._interval else now + self._interval

    def _receive(self) -> None:
        while True:
            try:
                data, source = self._socket.recvfrom(2048)
            except OSError:
                continue  # an ICMP error about an earlier probe
            now = time.monotonic_ns()
            if source != self._peer or len(data) != _PROBE.size:
                continue
            number, sent = _PROBE.unpack(data)
            self._received.append((number, sent, now))
            self._newest = max(self._newest, sent)
            self._count += 1


if __name__ == "__main__":
    end = ProbeEnd(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    end.start()
    serve({"send": end.send, "progress": end.progress, "take": end.take})
