"""Which server is asked: the first that is not known to be away."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from mobileip.control.aaa.servers import Patience, Rota, Server
from mobileip.control.reasons import Reason
from mobileip.control.security import Secret
from mobileip.control.types import Endpoint

DEAD_TIME = 10.0


class Clock:
    """A rota of two servers at a time that a test says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[Reason] = []
        servers = tuple(
            Server(Endpoint(IPv4Address(f"192.0.2.{last}"), 1812), Secret(b"secret")) for last in (1, 2)
        )
        self.rota = Rota(servers, Patience(dead_time=DEAD_TIME), self.note, "server")

    def note(self, reason: Reason, _fields: Mapping[str, object]) -> None:
        self.told.append(reason)

    @property
    def usable(self) -> list[int]:
        """Seen without asking any: a probe is given back."""
        numbers = list(self.rota.usable(lambda: self.now))
        for number in numbers:
            self.rota.gave_up(number)
        return numbers

    def silent(self, number: int, asked: float) -> None:
        self.rota.silent(number, asked, self.now, "no answer")


def test_in_their_order_while_nothing_is_known_against_them() -> None:
    assert Clock().usable == [0, 1]


def test_a_silent_one_is_left_alone_for_its_time() -> None:
    clock = Clock()
    clock.silent(0, asked=99.0)
    assert clock.usable == [1]
    clock.now += DEAD_TIME - 0.1
    assert clock.usable == [1]
    clock.now += 0.1
    assert clock.usable == [0, 1]
    assert clock.told == [Reason.AAA_SERVER_SILENT]


def test_one_that_answers_others_has_only_lost_a_question() -> None:
    clock = Clock()
    clock.rota.answered(0, 99.5)
    clock.silent(0, asked=99.0)
    assert clock.usable == [0, 1] and clock.told == []


def test_one_question_at_a_time_finds_out_whether_it_is_back() -> None:
    clock = Clock()
    clock.silent(0, asked=99.0)
    clock.now += DEAD_TIME
    assert next(clock.rota.usable(lambda: clock.now)) == 0
    assert clock.usable == [1], "the first question is still under way"
    clock.silent(0, asked=clock.now)
    assert clock.usable == [1]
    assert clock.told == [Reason.AAA_SERVER_SILENT], "that it is still away is not told again"
    clock.now += DEAD_TIME
    assert next(clock.rota.usable(lambda: clock.now)) == 0
    clock.rota.answered(0, clock.now)
    assert clock.usable == [0, 1]
    assert clock.told == [Reason.AAA_SERVER_SILENT, Reason.AAA_SERVER_BACK]


def test_nobody_is_asked_when_all_are_away() -> None:
    clock = Clock()
    for number in (0, 1):
        clock.silent(number, asked=99.0)
    assert clock.usable == []
