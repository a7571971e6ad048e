"""Requests that wait for an answer from elsewhere: how many, how often, and whose."""

from __future__ import annotations

from mobileip.control.core.questions import Questions, Waiting
from mobileip.control.wire import RegistrationRequest, parse
from tests.unit.core.factory import at, datagram, request


def waiting(time: float = 0.0) -> Waiting:
    payload = request(time)
    message = parse(payload)
    assert isinstance(message, RegistrationRequest)
    return Waiting(message, datagram(payload), at(time))


def test_what_waited_last_is_what_the_answer_is_for() -> None:
    questions: Questions[str, int] = Questions(8, 40)
    first, second = waiting(0), waiting(1)
    questions.begin("alice", 1, first)
    questions.replace("alice", second)
    assert "alice" in questions and questions.of(1) == 1
    assert questions.end("alice") is second
    assert questions.end("alice") is None and "alice" not in questions and questions.of(1) == 0


def test_one_sender_has_a_quarter_and_strangers_leave_one() -> None:
    questions: Questions[int, int] = Questions(8, 40)
    for number in range(2):
        assert questions.has_place(1)
        questions.begin(number, 1, waiting())
    assert not questions.has_place(1) and questions.has_place(2)
    assert questions.has_place(1, known=True), "who was known before is no stranger"
    for number in range(2, 6):
        questions.begin(number, number, waiting())
    assert not questions.has_place(9) and questions.has_place(9, known=True)
    for number in range(6, 8):
        questions.begin(number, number, waiting())
    assert not questions.has_place(9, known=True), "full is full"
    questions.end(7)
    assert questions.has_place(9, known=True)


def test_the_rate_is_bounded_for_each_sender_and_in_all() -> None:
    questions: Questions[int, int] = Questions(8, 40)
    assert [questions.in_time(1, 0) for _ in range(11)] == [True] * 10 + [False]
    others = [questions.in_time(sender, 0) for sender in range(2, 33)]
    assert others == [True] * 30 + [False]
    assert questions.in_time(1, 10**9) and questions.in_time(2, 10**9)


def test_a_request_is_as_old_as_it_was_when_it_came() -> None:
    one = waiting(3)
    then = one.then(at(5))
    assert then.mono == at(5).mono and then.wall == at(3).wall
