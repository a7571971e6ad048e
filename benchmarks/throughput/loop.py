"""The tunnel that everybody writes first: a loop in Python that copies between a TUN device and a UDP socket.

``python -m benchmarks.throughput.loop DEVICE LOCAL REMOTE`` runs until it is ended.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import sys
from typing import Final

_PORT: Final = 7434
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


def main() -> None:
    device, local, remote = sys.argv[1:]
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((local, _PORT))
    there = (remote, _PORT)
    while True:
        readable, _, _ = select.select([tun, sock.fileno()], [], [])
        if tun in readable:
            sock.sendto(os.read(tun, 65536), there)
        if sock.fileno() in readable:
            os.write(tun, sock.recv(65536))


if __name__ == "__main__":
    main()
