"""One TCP transfer from the correspondent to the node of a :class:`Link`, through two engines."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Final

from mobileip.dataplane import Engine
from tests.unit.dataplane.link import Link
from tests.unit.dataplane.packets import CORRESPONDENT, HOME, care_of_end, home_end

_SO_MAX_PACING_RATE: Final = 47  # asm-generic/socket.h
_TOTAL_RETRANS: Final = 100  # offset of tcpi_total_retrans in struct tcp_info, linux/tcp.h


@dataclass(frozen=True, slots=True)
class Transferred:
    """``digest``: SHA-256 of what arrived. ``retransmitted``: segments that the sender sent again."""

    digest: bytes
    retransmitted: int


def ends(cable: Link, mtu: int = 1480) -> tuple[Engine, Engine]:
    """The engines of the home agent and of the node, started, with the tunnel between them."""
    home, away = cable.engine(cable.home, mtu=mtu), cable.engine(cable.away, mtu=mtu)
    home.install(home_end(mtu))
    away.install(care_of_end(mtu))
    home.start()
    away.start()
    return home, away


def transfer(cable: Link, sent: bytes, rate: int | None = None) -> Transferred:
    """``rate`` is the most that the sender puts on its way, in bytes a second; as fast as TCP will if ``None``."""
    listener = cable.socket(cable.away, socket.SOCK_STREAM)
    listener.bind((str(HOME), 4000))
    listener.listen()
    sender = cable.socket(cable.home, socket.SOCK_STREAM)
    if rate is not None:
        sender.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, struct.pack("=Q", rate))
    sender.bind((str(CORRESPONDENT), 0))
    sender.connect((str(HOME), 4000))
    receiver, _ = listener.accept()
    receiver.settimeout(20)
    sender.settimeout(20)
    got = hashlib.sha256()

    def send() -> None:
        sender.sendall(sent)
        sender.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    with receiver:
        while some := receiver.recv(1 << 16):
            got.update(some)
    thread.join()
    about = sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TOTAL_RETRANS + 4)
    return Transferred(got.digest(), int(struct.unpack_from("=I", about, _TOTAL_RETRANS)[0]))
