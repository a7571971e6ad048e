"""The engine's life, and two of them carrying real connections."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Engine, EventType, Install, Remove, Side, Traffic, checksum
from tests.unit.dataplane.link import Link, counted
from tests.unit.dataplane.packets import (
    CORRESPONDENT,
    HOME,
    STRANGER,
    care_of_end,
    home_end,
    inner,
)
from tests.unit.dataplane.transfer import both_ways

pytestmark = pytest.mark.netns


@contextmanager
def pair(cable: Link, mtu: int = 1480) -> Iterator[tuple[Engine, Engine]]:
    home, away = cable.engine(cable.home), cable.engine(cable.away)
    home.install(home_end(mtu))
    away.install(care_of_end(mtu))
    home.start()
    away.start()
    yield home, away


def echo(sequence: int, size: int) -> bytes:
    message = struct.pack("!BBHHH", 8, 0, 0, 0x4D49, sequence) + bytes(size)
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


@pytest.mark.parametrize("size", [8, 1400, 4000])
def test_ping_both_ways(cable: Link, size: int) -> None:
    with pair(cable) as (home, away):
        for space, target in ((cable.home, HOME), (cable.away, CORRESPONDENT)):
            pinger = cable.socket(space, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            for sequence in range(20):
                pinger.sendto(echo(sequence, size), (str(target), 0))
                reply = pinger.recv(65536)
                while reply[20] != 0:  # our own requests arrive here too
                    reply = pinger.recv(65536)
                assert reply[28:] == bytes(size) and reply[26:28] == struct.pack("!H", sequence)
        for one, other in ((home, away), (away, home)):
            eventually(
                lambda one=one, other=other: (
                    one.counters()["encapsulated-packets"],
                    other.counters()["decapsulated-packets"],
                ),
                lambda seen: seen[0] == seen[1] >= 40,
                what="as many packets out of the tunnel as into it",
            )
        (status,) = home.tunnels()
        both = status.out.packets + status.into.packets
        assert home.carried() == (0, [(int(HOME), int(status.tunnel.remote), both)]) and both >= 80
        assert away.carried() == (0, []), "that is no home agent's"


@pytest.mark.parametrize("mtu", [1480, 900])
def test_tcp_both_ways(cable: Link, mtu: int) -> None:
    """Over a tunnel narrower than the device too: TCP learns by ICMP, or the transfer stands still."""
    sent = os.urandom(4 << 20)
    with pair(cable, mtu) as (home, away):
        both_ways(cable, sent)
        for engine in (home, away):
            counters = engine.counters()
            assert counters["super-packets"] > 0 and counters["coalesced-packets"] > 0
        if mtu == 900:
            assert home.counters()["icmp-sent"] > 0 and away.counters()["icmp-sent"] > 0


def test_replaced_under_traffic_keeps_counters_and_loses_nothing(cable: Link) -> None:
    with pair(cable) as (home, away):
        cable.away.ip("addr add 192.0.2.3/24 dev wire")
        other = replace(home_end(), remote=IPv4Address("192.0.2.3"))
        receiver = cable.socket(cable.away, socket.SOCK_DGRAM)
        receiver.bind((str(HOME), 4000))
        # The far end takes either outer destination in turn, so it is changed together with the near end.
        for turn in range(50):
            tunnel = other if turn % 2 else home_end()
            away.install(replace(care_of_end(), local=tunnel.remote))
            home.install(tunnel)
            cable.send(cable.home, [inner(size=100 + turn)])
            assert len(receiver.recv(2000)) == 72 + turn
        for engine, look in ((home, lambda status: status.out), (away, lambda status: status.into)):
            eventually(
                lambda engine=engine, look=look: look(engine.tunnels()[0]).packets,
                lambda seen: seen == 50,
                what="50 packets",
            )
        assert home.tunnels()[0].tunnel.remote == other.remote


def test_removed_and_installed_again_starts_from_zero(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.start()
    engine.install(home_end())
    cable.send(cable.home, [inner()])
    counted(engine, "encapsulated-packets", 1)
    assert engine.remove(HOME, Side.HOME) is True
    assert engine.remove(HOME, Side.HOME) is False
    assert engine.remove(HOME, Side.CARE_OF) is False
    assert engine.tunnels() == []
    cable.send(cable.home, [inner()])
    counted(engine, "no-binding", 1)
    engine.install(home_end())
    assert engine.tunnels()[0].out == Traffic(0, 0, 0)


def test_changes_in_a_batch(cable: Link) -> None:
    engine = cable.engine(cable.home, capacity=300)
    homes = [IPv4Address(int(IPv4Address("10.0.0.1")) + i) for i in range(300)]
    engine.apply([Install(home_end(home=home)) for home in homes])
    assert sorted(status.tunnel.home_address for status in engine.tunnels()) == homes
    with pytest.raises(OSError, match="table is full; 1 of 3 changes were made") as full:
        engine.apply([Remove(STRANGER, Side.HOME), Install(home_end()), Remove(homes[0], Side.HOME)])
    assert full.value.errno == errno.ENOSPC
    with pytest.raises(TypeError, match="neither Install nor Remove"):
        engine.apply([Remove(homes[0], Side.HOME), "nonsense"])  # type: ignore[list-item]
    assert len(engine.tunnels()) == 300
    engine.apply([Remove(homes[0], Side.HOME), Install(home_end(1000)), Install(home_end(900))])
    assert {status.tunnel.mtu for status in engine.tunnels()} == {1480, 900}
    engine.apply(Remove(home, Side.HOME) for home in [*homes, HOME])
    assert engine.tunnels() == []


def test_stop_and_start_again(cable: Link) -> None:
    with pair(cable) as (home, away):
        for _ in range(3):
            home.stop()
            home.stop()
            home.start()
            home.start()
            before = away.counters()["decapsulated-packets"]
            cable.send(cable.home, [inner()])
            counted(away, "decapsulated-packets", before + 1)
        started = time.monotonic()
        home.close()
        assert time.monotonic() - started < 1


def test_closed_engine_says_so(cable: Link) -> None:
    engine = cable.home.inside(Engine)
    engine.close()
    engine.close()
    for method in (engine.start, engine.stop, engine.counters, engine.tunnels, engine.drain_events):
        with pytest.raises(ValueError, match="the engine is closed"):
            method()
    with pytest.raises(ValueError, match="the engine is closed"):
        engine.install(home_end())


def devices(cable: Link) -> list[str]:
    return [name for _, name in cable.home.inside(socket.if_nameindex)]


def test_device_comes_goes_and_may_stay(cable: Link) -> None:
    with cable.home.inside(lambda: Engine("tunnel7", mtu=1400)) as engine:
        assert engine.device == "tunnel7" and "tunnel7" in devices(cable)
        cable.home.ip(f"route add {HOME}/32 dev tunnel7")  # fails unless it is up
        probe = cable.socket(cable.home, socket.SOCK_DGRAM)
        probe.connect((str(HOME), 9))
        assert probe.getsockopt(socket.IPPROTO_IP, 14) == 1400  # IP_MTU
    assert "tunnel7" not in devices(cable)
    cable.home.inside(lambda: Engine("kept", persist=True)).close()
    assert "kept" in devices(cable)
    cable.home.inside(lambda: Engine("kept")).close()
    assert "kept" not in devices(cable)


def test_device_deleted_under_a_running_engine(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.start()
    assert not select.select([engine.event_fd], [], [], 0)[0]
    cable.home.ip("link del mip0")
    assert select.select([engine.event_fd], [], [], 5)[0]
    (event,) = engine.drain_events()  # written before the signal
    assert event.type is EventType.THREAD_FAILED and event.value == errno.EBADFD
    assert not select.select([engine.event_fd], [], [], 0)[0]
    engine.close()


def test_device_set_down_is_counted_and_comes_back(cable: Link) -> None:
    with pair(cable) as (home, away):
        cable.away.ip("link set mip0 down")
        cable.send(cable.home, [inner()])
        counted(away, "device-down", 1)
        cable.away.ip("link set mip0 up")
        cable.send(cable.home, [inner()])
        counted(away, "decapsulated-packets", 1)
        counted(home, "encapsulated-packets", 2)


def test_what_can_go_wrong_at_opening_is_one_sentence(cable: Link) -> None:
    with cable.home.inside(Engine):
        with pytest.raises(OSError, match="another process holds the device mip0") as busy:
            cable.home.inside(Engine)
        assert busy.value.errno == errno.EBUSY
    with pytest.raises(OSError, match="wire exists and is not a TUN device of this kind"):
        cable.home.inside(lambda: Engine("wire"))
    for name in ("", "x" * 16, "a/b", "mip%d"):
        with pytest.raises(ValueError, match="cannot be the name of a network device"):
            Engine(name)
    with pytest.raises(ValueError, match="capacity 0 is not between"):
        Engine(capacity=0)
    with pytest.raises(ValueError, match="device MTU 60 is not between"):
        Engine(mtu=60)


@pytest.mark.parametrize(
    ("stage", "number", "words"),
    [
        ("TUN_OPEN", errno.ENOENT, "/dev/net/tun does not exist; load the driver"),
        ("TUN_ATTACH", errno.EPERM, "making the device mip0 needs CAP_NET_ADMIN"),
        ("RAW", errno.EMFILE, "doing it (mip0): Too many open files"),
    ],
)
def test_sentences(stage: str, number: int, words: str) -> None:
    from mobileip.dataplane.errors import open_error

    error = open_error(stage, "doing it", number, "mip0")
    assert error.errno == number and words in str(error)


def test_without_privileges(cable: Link) -> None:
    """In a child that has given up root."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(65534, 65534, 65534)
            Engine()
        except OSError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert "raw sockets need CAP_NET_RAW" in pipe.read()
    os.waitpid(child, 0)


def test_marked_datagrams_follow_their_own_rule(cable: Link) -> None:
    """The mark is on what is sent: a rule by mark takes it to a table without a route."""
    cable.home.ip("rule add fwmark 77 lookup 77", "route add unreachable default table 77")
    engine = cable.engine(cable.home, mark=77)
    engine.install(home_end())
    engine.start()
    cable.send(cable.home, [inner()])
    counted(engine, "send-unreachable", 1)


def test_both_threads_block_signals_and_have_names(cable: Link) -> None:
    engine = cable.engine(cable.home)
    engine.start()

    def threads() -> dict[str, int]:
        found = {}
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/status") as status:
                fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
            found[fields["Name"]] = int(fields["SigBlk"], 16)
        return found

    masks = eventually(threads, lambda seen: {"mip-out", "mip-in"} <= seen.keys(), what="named threads")
    for name in ("mip-out", "mip-in"):
        assert masks[name] >> (2 - 1) & 1 and masks[name] >> (15 - 1) & 1  # SIGINT, SIGTERM
    started = time.monotonic()
    engine.close()
    assert time.monotonic() - started < 1
