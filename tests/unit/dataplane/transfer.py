"""TCP between the correspondent and the node of a :class:`Link`, through two engines."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def connected(cable: Link, rate: int | None = None) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection: the correspondent's, with at most ``rate`` bytes a second, and the node's."""
    listener = cable.socket(cable.away, socket.SOCK_STREAM)
    listener.bind((str(HOME), 4000))
    listener.listen()
    correspondent = cable.socket(cable.home, socket.SOCK_STREAM)
    if rate is not None:
        correspondent.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, struct.pack("=Q", rate))
    correspondent.bind((str(CORRESPONDENT), 0))
    correspondent.connect((str(HOME), 4000))
    node, address = listener.accept()
    assert address[0] == str(CORRESPONDENT)
    with node:
        for end in (correspondent, node):
            end.settimeout(20)
        yield correspondent, node


def carried(source: socket.socket, sink: socket.socket, sent: bytes) -> bytes:
    """Sends ``sent`` from one end to the other; SHA-256 of as many bytes as arrive there."""
    thread = threading.Thread(target=source.sendall, args=(sent,))
    thread.start()
    got, missing = hashlib.sha256(), len(sent)
    while missing:
        some = sink.recv(min(missing, 1 << 16))
        assert some, f"the connection ended {missing} bytes too early"
        got.update(some)
        missing -= len(some)
    thread.join()
    return got.digest()


def transfer(cable: Link, sent: bytes, rate: int | None = None) -> Transferred:
    """To the node. ``rate`` is the most that the sender puts on its way, in bytes a second; else TCP decides."""
    with connected(cable, rate) as (correspondent, node):
        digest = carried(correspondent, node, sent)
        about = correspondent.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TOTAL_RETRANS + 4)
    return Transferred(digest, int(struct.unpack_from("=I", about, _TOTAL_RETRANS)[0]))


def both_ways(cable: Link, sent: bytes) -> None:
    """Every byte of ``sent`` arrives in order, first at the correspondent and then at the node."""
    wanted = hashlib.sha256(sent).digest()
    with connected(cable) as (correspondent, node):
        assert carried(node, correspondent, sent) == wanted
        assert carried(correspondent, node, sent) == wanted
