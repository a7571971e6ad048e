"""The engine and a real Linux kernel as the two ends of a tunnel: ipip, gre, gre with key, checksum and sequence.

The peer is the mobile node's end: the home address is on its tunnel device. What it has to do with offloads is
its driver's: without, it sends finished packets of at most 1500 bytes; with, whatever Linux leaves to a device.
Linux has no minimal encapsulation.
"""

from __future__ import annotations

import hashlib
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.core.path_probes import NONCE
from mobileip.control.lab.hosts import Host
from mobileip.control.lab.namespaces import LabError, Namespaces
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.waiting import eventually
from mobileip.control.wire.icmp_echo import read_echo_reply, write_echo_request
from mobileip.dataplane import DropReason, Encapsulation, Engine, Flag, Side, Tunnel, fragment, overhead
from mobileip.dataplane.probe import probe
from tests.netns.peer.uml import OFFLOADING, PLAIN, Driver, Peer, required
from tests.unit.dataplane.link import SETTINGS
from tests.unit.dataplane.packets import AGENT, CARE_OF, CORRESPONDENT, HOME, ICMP, IP, Raw

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]

BYTES = 8 << 20
LINES = 1_000_000  # 7 MB of numbers
PORT = 5000
PATHS = (1400, 1006, 576)
GRE_OPTIONS = Flag.GRE_KEY | Flag.GRE_CHECKSUM | Flag.GRE_SEQUENCE
KEY_OUT, KEY_IN = 0x2890, 0x6245

# How the peer makes its end; keys as seen from there.
TUNNELS = {
    "ipip": (Encapsulation.IPIP, Flag.NONE, "type ipip"),
    "gre": (Encapsulation.GRE, Flag.NONE, "type gre"),
    "gre-options": (
        Encapsulation.GRE,
        GRE_OPTIONS,
        f"type gre ikey {KEY_OUT} okey {KEY_IN} icsum ocsum iseq oseq",
    ),
}


class Ends:
    """Our end in a namespace, the peer's at its TAP device."""

    def __init__(self, driver: Driver, spaces: Namespaces, processes: Processes) -> None:
        (self.space,) = spaces.add(f"peer{driver.device}")
        self.space.set_sysctls(SETTINGS)
        self.peer = Peer(self.space, processes, driver, "wire")
        self.space.ip(f"addr add {AGENT}/24 dev wire", f"addr add {CORRESPONDENT}/32 dev lo")
        self.peer.run(f"ip addr add {CARE_OF}/24 dev {driver.device} && ip link set {driver.device} up")
        Host(self.space).ping(CARE_OF)

    @contextmanager
    def tunnel(self, name: str) -> Iterator[Engine]:
        """Both ends of a new tunnel, the peer's in the place of the one before; ours is the engine."""
        encapsulation, flags, words = TUNNELS[name]
        mtu = 1500 - overhead(encapsulation, flags)
        keys = (KEY_OUT, KEY_IN) if flags else ()
        with self.space.inside(lambda: Engine("mip0", mtu=mtu)) as engine:
            engine.install(
                Tunnel(HOME, Side.HOME, AGENT, CARE_OF, mtu, encapsulation, Flag.REVERSE | flags, *keys)
            )
            engine.start()
            self.space.ip(f"route add {HOME}/32 dev mip0 src {CORRESPONDENT}")
            self.peer.run(
                f"ip link del t0 2>/dev/null; ip link add t0 {words} local {CARE_OF} remote {AGENT} ttl 64 &&"
                f" ip addr add {HOME}/32 dev t0 && ip link set t0 up && ip route add {CORRESPONDENT} dev t0 src {HOME}"
            )
            yield engine


@pytest.fixture(scope="module", params=[PLAIN, OFFLOADING], ids=["plain", "offloading"])
def ends(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    required()
    directory: Path = tmp_path_factory.mktemp("peer")
    with Namespaces() as spaces, Processes(directory) as processes:
        made = Ends(request.param, spaces, processes)
        yield made
        made.peer.stop()


def drops(engine: Engine) -> dict[str, int]:
    counters = engine.counters()
    return {reason.label: counters[reason.label] for reason in DropReason if counters[reason.label]}


def unfinished(ends: Ends, name: str) -> bool:
    """Whether GRE checksums of the peer can be missing.

    Linux leaves them to the device, and between a virtual machine and its host no device ever makes them: the field
    is 0, and nothing tells a raw socket why. Those of TCP, whose own checksum is the device's, Linux makes itself.
    """
    return name == "gre-options" and ends.peer.device == OFFLOADING.device


def listening(ends: Ends) -> socket.socket:
    listener = ends.space.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((str(CORRESPONDENT), PORT))
    listener.listen()
    listener.settimeout(30)
    return listener


@pytest.mark.parametrize("name", TUNNELS)
def test_ping(ends: Ends, name: str) -> None:
    with ends.tunnel(name) as engine:
        host = Host(ends.space)
        if unfinished(ends, name):
            with pytest.raises(LabError):
                host.ping(HOME, source=CORRESPONDENT, within=0.5)
            assert drops(engine).keys() == {"gre-bad-checksum"}
            return
        for size in (0, 1, 56, 1300):
            host.ping(HOME, source=CORRESPONDENT, size=size)
        eventually(lambda: engine.counters()["decapsulated-packets"], lambda count: count >= 4)
        assert drops(engine) == {}


@pytest.mark.parametrize("name", TUNNELS)
def test_a_probe_of_the_path_is_answered_outside_the_tunnel(ends: Ends, name: str) -> None:
    """By Linux as by our own ends: an echo request in the tunnel for its end itself needs no agreement."""
    nonce = bytes(range(NONCE))

    def ask(local: IPv4Address, remote: IPv4Address, size: int) -> bytes:
        return write_echo_request(local, remote, 7, nonce, size)

    with (
        ends.tunnel(name) as engine,
        ends.space.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as out,
        ends.space.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as into,
    ):
        (status,) = engine.tunnels()
        into.settimeout(3.0)
        out.sendto(probe(status.tunnel, 1500, ask), (str(CARE_OF), 0))
        reply = into.recv(65536)
        assert reply[12:20] == CARE_OF.packed + AGENT.packed
        assert read_echo_reply(reply[20:], NONCE).data == nonce
        assert drops(engine) == {}


def _answer(into: socket.socket, number: int) -> tuple[int, str, int]:
    """Of the first message about that echo: ICMP type, sender, and how long it is or what MTU it tells."""
    while True:
        message = IP(into.recv(65536))
        kind = message[ICMP].type
        if kind == 3 and message[ICMP].code == 4 and int.from_bytes(bytes(message)[54:56]) == number:
            return kind, message.src, message[ICMP].nexthopmtu
        if kind == 0 and message[ICMP].seq == number:
            return kind, message.src, message.len


@pytest.mark.parametrize("name", TUNNELS)
def test_every_size_over_a_narrow_path(ends: Ends, name: str) -> None:
    """Linux puts together what was cut for the path, and its answers come back whole; who may not be cut is told."""
    with (
        ends.tunnel(name) as engine,
        ends.space.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as out,
        ends.space.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as into,
        ExitStack() as after,
    ):
        after.callback(ends.space.ip, "link set wire mtu 1500")
        into.settimeout(3.0)
        (status,) = engine.tunnels()
        device, number = status.tunnel.mtu, 0
        # Locked: else the sender's kernel cuts packets itself, once it was told.
        ends.space.ip(f"route replace {HOME}/32 dev mip0 src {CORRESPONDENT} mtu lock {device}")
        for path in PATHS:
            ends.space.ip(f"link set wire mtu {path}")  # so that nothing longer gets through
            engine.fit(CARE_OF, path, device)
            mtu = path - overhead(status.tunnel.encapsulation, status.tunnel.flags)
            for size, df in itertools.product((68, mtu - 1, mtu, mtu + 1, device, 2000, 9000), (False, True)):
                too_big = df and size > mtu
                if (df and size > device) or (unfinished(ends, name) and not too_big):
                    continue  # refused by the sender's own kernel; answered, but without a checksum
                number += 1
                header = IP(src=str(CORRESPONDENT), dst=str(HOME), id=number, flags="DF" if df else 0)
                packet = bytes(header / ICMP(id=7, seq=number) / Raw(bytes(size - 28)))
                for piece in [packet] if df else fragment(packet, device):
                    out.sendto(piece, (str(HOME), 0))
                expected = (3, str(AGENT), mtu) if too_big else (0, str(HOME), size)
                assert _answer(into, number) == expected, (path, size, df)


@pytest.mark.parametrize("name", TUNNELS)
def test_bulk_to_the_peer(ends: Ends, name: str) -> None:
    content = hashlib.shake_128(b"to the peer").digest(BYTES)
    with ends.tunnel(name) as engine, listening(ends) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(content)

        server = threading.Thread(target=serve)
        server.start()
        said = ends.peer.run(f"sha256sum < /dev/tcp/{CORRESPONDENT}/{PORT}", within=60)
        server.join(10)
        assert said.split()[0] == hashlib.sha256(content).hexdigest()
        assert drops(engine) == {}


@pytest.mark.parametrize("name", TUNNELS)
def test_bulk_from_the_peer(ends: Ends, name: str) -> None:
    with ends.tunnel(name) as engine, listening(ends) as listener:
        received = hashlib.sha256()

        def take() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(30)
                while more := connection.recv(1 << 16):
                    received.update(more)

        taker = threading.Thread(target=take)
        taker.start()
        ends.peer.run(f"seq 1 {LINES} > /dev/tcp/{CORRESPONDENT}/{PORT}", within=60)
        taker.join(30)
        content = "".join(f"{number}\n" for number in range(1, LINES + 1)).encode()
        assert received.hexdigest() == hashlib.sha256(content).hexdigest()
        # What a connection that is gone answers is made without the device's help.
        assert drops(engine).keys() <= ({"gre-bad-checksum"} if unfinished(ends, name) else set())
