"""Captures of an engine: both layers, in every encapsulation and size, and that nobody who reads can do harm."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import CapturedPacket, CaptureReader, DropReason, Encapsulation, Engine
from tests.unit.dataplane.link import Link, counted
from tests.unit.dataplane.packets import CARE_OF, CORRESPONDENT, HOME, IP, OTHER_HOME, home_end, inner, outer
from tests.unit.dataplane.test_engine_encapsulations import KINDS, ends
from tests.unit.dataplane.test_offloads import PMTUDISC_DO, pair, payload, super_sender

pytestmark = pytest.mark.netns


@contextmanager
def captured(
    engine: Engine, address: IPv4Address | None = None, snap: int = 65535
) -> Iterator[CaptureReader]:
    capture = engine.capture(address, snap)
    reader = CaptureReader(capture.descriptor)
    try:
        yield reader
    finally:
        reader.close()
        engine.end_capture(capture.number)
        os.close(capture.descriptor)


def listen(cable: Link) -> None:
    """So that nothing that a test sends is answered."""
    for space, address in ((cable.home, CORRESPONDENT), (cable.away, HOME)):
        cable.socket(space, socket.SOCK_DGRAM).bind((str(address), 4000))


def take(reader: CaptureReader, count: int) -> list[CapturedPacket]:
    found: list[CapturedPacket] = []
    eventually(lambda: found.extend(reader.take()) or len(found), lambda seen: seen >= count, what=f"{count}")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_size_both_ways(cable: Link, kind: str) -> None:
    """What is captured at one end as sent is what is captured at the other as received, in both layers."""
    engines: list[Engine] = []
    for space, tunnel in zip((cable.home, cable.away), ends(kind), strict=True):
        engine = cable.engine(space)
        engine.install(tunnel)
        engine.start()
        engines.append(engine)
    listen(cable)
    sizes = [*range(28, 200), 576, 1439, 1440]
    forward, back = [inner(size=size, id=size) for size in sizes], [inner(HOME, CORRESPONDENT, 300, id=9)]
    with captured(engines[0], HOME) as home, captured(engines[1]) as away:
        cable.send(cable.home, forward)
        cable.send(cable.away, back)
        both = [take(reader, 2 * (len(sizes) + 1)) for reader in (home, away)]
        assert home.lost() == away.lost() == (0, 0)
    for at_home, at_node in ((False, True), (True, False)):  # inbound there, of what goes one way
        sent = forward if at_node else back
        inside, outside = (
            [
                [one.data for one in packets if one.inner is layer and one.inbound is inbound]
                for packets, inbound in zip(both, (at_home, at_node), strict=True)
            ]
            for layer in (True, False)
        )
        assert inside == [[bytes(one) for one in sent]] * 2
        assert outside[0] == outside[1] and len(outside[0]) == len(sent)
        assert {IP(data).proto for data in outside[0]} == {int(ends(kind)[0].encapsulation)}
    assert all(one.length == len(one.data) and one.drop is None for packets in both for one in packets)


def test_a_super_packet_is_captured_as_what_it_is_sent_as(cable: Link) -> None:
    home, _ = pair(cable, kind=Encapsulation.MINIMAL)
    listen(cable)
    sent = payload(10_500)
    with captured(home, HOME, 60) as reader:
        super_sender(cable, 1000, PMTUDISC_DO).sendto(sent, (str(HOME), 4000))
        found = take(reader, 22)
    inside, outside = ([one for one in found if one.inner is which] for which in (True, False))
    assert [one.length for one in inside] == [1028] * 10 + [528]
    assert [one.length for one in outside] == [1040] * 10 + [540]
    assert [one.data[28:] for one in inside] == [sent[at : at + 32] for at in range(0, len(sent), 1000)]


@pytest.mark.parametrize(
    ("address", "wanted"),
    [(None, 4), (HOME, 2), (CARE_OF, 4), (OTHER_HOME, 2), (IPv4Address("192.0.2.99"), 0)],
)
def test_only_what_is_wanted(cable: Link, address: IPv4Address | None, wanted: int) -> None:
    engine = cable.engine(cable.home)
    for home in (HOME, OTHER_HOME):
        engine.install(home_end(home=home))
    engine.start()
    with captured(engine, address) as reader, captured(engine) as everything:
        cable.send(cable.home, [inner(), inner(destination=OTHER_HOME)])
        take(everything, 4)
        assert len(reader.take()) == wanted


@pytest.mark.parametrize(
    ("send", "reason", "layer", "count"),
    [
        (lambda c: c.send(c.home, [inner(size=1001, flags="DF")]), DropReason.TOO_BIG, True, 1),
        (lambda c: c.send(c.home, [inner(source=CARE_OF)]), DropReason.LOOP_SOURCE_IS_EXIT, True, 1),
        (
            lambda c: c.send(c.away, [outer(inner(OTHER_HOME), CARE_OF, IPv4Address("192.0.2.1"))]),
            DropReason.NO_BINDING,
            True,
            2,
        ),
        (
            lambda c: c.send(c.away, [outer(inner(HOME, CORRESPONDENT), CARE_OF, IPv4Address("192.0.2.1"))]),
            None,
            True,
            2,
        ),
        (
            lambda c: c.send(c.away, [IP(src=str(CARE_OF), dst="192.0.2.1", proto=4) / bytes(30)]),
            DropReason.INNER_NOT_IPV4,
            False,
            1,
        ),
    ],
    ids=["too-big", "loop", "no-binding", "accepted", "no-packet"],
)
def test_the_dropped_say_why(
    cable: Link, send: Callable[[Link], None], reason: DropReason | None, layer: bool, count: int
) -> None:
    engine = cable.engine(cable.home)
    engine.install(home_end(1000))
    engine.start()
    with captured(engine, CARE_OF if reason is not DropReason.NO_BINDING else None) as reader:
        send(cable)
        found = take(reader, count)
    assert [(one.inner, one.drop) for one in found[:count]][-1] == (layer, reason)


def test_who_does_not_read_loses_packets_and_nobody_else_does(cable: Link) -> None:
    home, away = pair(cable)
    with captured(home) as reader:
        for _ in range(3):
            cable.send(cable.home, [inner(size=1400)] * 2000)
        counted(away, "decapsulated-packets", 6000)
        outer_lost, inner_lost = reader.lost()
        kept = len(reader.take())
        assert outer_lost > 0 and inner_lost > 0 and kept + outer_lost + inner_lost >= 12_000
        cable.send(cable.home, [inner()])
        assert take(reader, 2), "it goes on when there is room again"


def test_too_many_and_strange_ones(cable: Link) -> None:
    engine = cable.engine(cable.home)
    some = [engine.capture() for _ in range(4)]
    with pytest.raises(OSError, match="too many captures") as refused:
        engine.capture()
    assert refused.value.errno == errno.EBUSY
    engine.end_capture(some[2].number)
    engine.end_capture(some[2].number)
    assert engine.capture().number == some[2].number
    with pytest.raises(ValueError, match="no capture 4"):
        engine.end_capture(4)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(some[0].descriptor, 0)  # would take pages away under the threads
    with open("/dev/null") as other, pytest.raises(ValueError, match="no capture of this version"):
        CaptureReader(other.fileno())
    engine.close()
    engine.end_capture(0)
    assert CaptureReader(some[0].descriptor).take() == []
    for one in some:
        os.close(one.descriptor)
