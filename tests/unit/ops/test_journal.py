"""What is noted is counted, listed if it is a violation, and logged as far as a log can be read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from mobileip.control.ops import log
from mobileip.control.ops.journal import Journal
from mobileip.control.ops.nouns import NOUNS
from mobileip.control.ops.violations import Violations
from mobileip.control.reasons import Reason
from mobileip.control.types import NANOSECONDS, Endpoint

NODE, SENDER = IPv4Address("10.1.0.5"), IPv4Address("198.51.100.1")
FORGED = Reason.MN_FAILED_AUTHENTICATION


class Clock:
    """Monotonic and wall clock, ``seconds`` after the beginning."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def mono(self) -> int:
        return round((1000 + self.seconds) * NANOSECONDS)

    def wall(self) -> int:
        return round((5000 + self.seconds) * NANOSECONDS)

    def journal(self, log_rate: int) -> Journal:
        return Journal(self.mono, self.wall, log_rate)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    log.configure("info", "text", stream)
    yield stream
    log.configure("info", "text")


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_a_flood_is_counted_but_not_written_whole(clock: Clock, stream: io.StringIO) -> None:
    journal = clock.journal(5)
    for _ in range(100):
        journal.note(FORGED, {"home_address": NODE})
    journal.note(Reason.DEREGISTERED, {"home_address": NODE})  # another reason is not held back
    assert journal.counters[FORGED] == 100
    assert [line.split()[2] for line in lines(stream)] == [FORGED.label] * 10 + ["deregistered"]
    clock.seconds = 1
    journal.note(FORGED, {"home_address": NODE})
    journal.note(FORGED, {"home_address": NODE})
    assert " left_out=90 " in lines(stream)[-2]
    assert "left_out" not in lines(stream)[-1]


def test_rate_0_writes_everything_and_a_new_rate_holds_at_once(clock: Clock, stream: io.StringIO) -> None:
    journal = clock.journal(0)
    for _ in range(100):
        journal.note(FORGED, {})
    assert len(lines(stream)) == 100
    journal.limit_log(1)
    for _ in range(100):
        journal.note(FORGED, {})
    assert len(lines(stream)) == 102


def test_what_is_below_the_level_takes_no_place(clock: Clock, stream: io.StringIO) -> None:
    journal = clock.journal(1)
    for _ in range(10):
        journal.note(Reason.REQUEST_RELAYED, {})
    assert lines(stream) == []
    log.configure("debug", "text", stream)
    journal.note(Reason.REQUEST_RELAYED, {})
    assert len(lines(stream)) == 1


@pytest.mark.usefixtures("stream")
def test_violations_say_who_when_why_and_how_often(clock: Clock) -> None:
    journal = clock.journal(0)
    for port in (434, 40_000):
        fields = {"home_address": NODE, "source": Endpoint(SENDER, port), "spi": 256}
        journal.note(FORGED, fields)
        clock.seconds += 2
    journal.note(Reason.FA_MN_TOO_DISTANT, {"home_address": NODE, "interface": "eth1"})
    journal.note(Reason.REGISTERED, {"home_address": NODE})
    later, earlier = journal.violations.rows()
    assert set(later) == set(NOUNS["violations"].fields)
    assert earlier == {
        "reason": FORGED,
        "source": SENDER,
        "home_address": NODE,
        "interface": None,
        "spi": 256,
        "count": 2,
        "first_at": 5000.0,
        "last_at": 5002.0,
    }
    assert (later["reason"], later["source"], later["interface"]) == (Reason.FA_MN_TOO_DISTANT, None, "eth1")


@pytest.mark.rfc("3024", "4.3.2", 5)
def test_tunnelled_packets_that_fail_the_source_check_are_counted_as_many_as_they_are() -> None:
    violations = Violations()
    for packets in (1, 41):
        fields = {"source": SENDER, "home_address": NODE, "packets": packets}
        violations.note(Reason.TUNNEL_SOURCE_REFUSED, fields, 0)
    (row,) = violations.rows()
    assert (row["reason"], row["source"], row["home_address"]) == (Reason.TUNNEL_SOURCE_REFUSED, SENDER, NODE)
    assert row["count"] == 42


def test_the_list_of_violations_is_bounded_and_keeps_the_latest() -> None:
    violations = Violations(limit=3)
    for last in (1, 2, 3, 1, 4):
        violations.note(FORGED, {"source": IPv4Address(f"192.0.2.{last}")}, last)
    assert [str(row["source"]) for row in violations.rows()] == ["192.0.2.4", "192.0.2.1", "192.0.2.3"]
    assert [row["count"] for row in violations.rows()] == [1, 2, 1]
    assert len(violations) == 3


@pytest.mark.rfc("5944", "1.7", 1)
def test_at_level_debug_what_is_discarded_is_logged_with_its_contents(
    clock: Clock, stream: io.StringIO
) -> None:
    journal = clock.journal(0)
    journal.datagram = b"\x01\x02\x03"
    journal.note(Reason.TRUNCATED, {"source": SENDER})
    assert "datagram=" not in lines(stream)[-1]
    log.configure("debug", "text", stream)
    journal.note(Reason.TRUNCATED, {"source": SENDER})
    assert " datagram=010203 " in lines(stream)[-1]
    journal.note(Reason.REGISTERED, {"source": SENDER})
    assert "datagram=" not in lines(stream)[-1]
    journal.datagram = None
    journal.note(Reason.TRUNCATED, {"source": SENDER})
    assert "datagram=" not in lines(stream)[-1]
