"""A network namespace for the running test and another for its neighbour, joined by a veth pair.

    here [ eth1 192.0.2.1/24 ]────[ eth0 192.0.2.2/24 ] there

The test's own thread is in ``here``; sockets keep the namespace in which they were opened. The namespaces have
no name and go with their last descriptor. ``ip`` sets them up and is the judge of what the adapters did.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

_CLONE_NEWNET = 0x4000_0000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_libc = ctypes.CDLL(None, use_errno=True)

HERE, THERE = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
HOME = IPv4Interface("198.51.100.7/24")
TUNNEL = "mip0"


class Space:
    """One unnamed network namespace."""

    def __init__(self) -> None:
        with _returning():
            _call("unshare", _CLONE_NEWNET)
            self.descriptor = _current()
            self.ip("link set lo up")

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    @contextmanager
    def inside(self) -> Iterator[None]:
        with _returning():
            _call("setns", self.descriptor, _CLONE_NEWNET)
            yield

    def run(self, *command: str) -> str:
        with self.inside():
            result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, f"{' '.join(command)}: {result.stderr}"
        return result.stdout

    def sysctl(self, name: str, value: int) -> None:
        """Set a name below net.ipv4, written with slashes, in this namespace only."""
        with self.inside():
            Path("/proc/sys/net/ipv4", name).write_text(str(value))

    def ip(self, arguments: str) -> str:
        return self.run("ip", *arguments.split())

    def shown(self, arguments: str) -> list[dict[str, Any]]:
        """What `ip -json …` says, without the empty objects of entries that its filter left out."""
        return [entry for entry in json.loads(self.ip(f"-json {arguments}") or "[]") if entry]

    def routes(self, arguments: str = "") -> list[str]:
        """Lines of `ip -4 route`; none for a table that does not exist yet."""
        with self.inside():
            result = subprocess.run(
                ["ip", "-4", "route", "show", *arguments.split()], capture_output=True, text=True
            )
        assert result.returncode == 0 or "does not exist" in result.stderr, result.stderr
        return [" ".join(line.split()) for line in result.stdout.splitlines()]

    def rules(self) -> list[str]:
        """Lines of `ip rule` other than the three of every namespace."""
        lines = [" ".join(line.split()) for line in self.ip("rule show").splitlines()]
        return [line for line in lines if line.split(":")[0] not in ("0", "32766", "32767")]

    def link_address(self, device: str) -> bytes:
        (link,) = self.shown(f"link show {device}")
        return bytes.fromhex(link["address"].replace(":", ""))


class Pair:
    """The two namespaces of the picture; the calling thread is in ``here`` while the pair is open."""

    def __init__(self) -> None:
        self.here, self.there = Space(), Space()
        self._tunnel: int | None = None

    @contextmanager
    def entered(self) -> Iterator[Pair]:
        try:
            with self.here.inside():
                self.connect()
                self.here.ip(f"address add {HERE}/24 dev eth1")
                self.there.ip(f"address add {THERE}/24 dev eth0")
                # Who does not answer soon is absent.
                self.there.sysctl("neigh/eth0/mcast_solicit", 1)
                self.there.sysctl("neigh/eth0/retrans_time_ms", 200)
                yield self
        finally:
            if self._tunnel is not None:
                os.close(self._tunnel)
            os.close(self.here.descriptor)
            os.close(self.there.descriptor)

    def connect(self, here: str = "eth1", there: str = "eth0") -> None:
        """A veth pair, up at both ends."""
        self.here.ip(f"link add {here} type veth peer name {there} netns {self.there.path}")
        self.here.ip(f"link set {here} up")
        self.there.ip(f"link set {there} up")

    def add_tunnel_device(self) -> int:
        """A TUN device as the engine makes it; its descriptor gives the packets that are routed there."""
        self._tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        request = struct.pack("16sH22x", TUNNEL.encode(), _IFF_TUN | _IFF_NO_PI)
        with self.here.inside():
            fcntl.ioctl(self._tunnel, _TUNSETIFF, request)
        self.here.ip(f"link set {TUNNEL} up")
        return self._tunnel


def _call(function: str, *arguments: int) -> None:
    if getattr(_libc, function)(*arguments):
        raise OSError(ctypes.get_errno(), function)


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _returning() -> Iterator[None]:
    before = _current()
    try:
        yield
    finally:
        _call("setns", before, _CLONE_NEWNET)
        os.close(before)


async def eventually(condition: Callable[[], object], within: float = 5.0) -> Any:
    """Polls until ``condition`` gives something true, and returns that."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not (result := condition()):
        assert loop.time() < deadline, f"not true within {within} s"
        await asyncio.sleep(0.005)
    return result
