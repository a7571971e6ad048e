"""The players' book-keeping, against a home agent in memory that says what it is told to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address

import numpy as np
import pytest
from numpy.typing import NDArray

from tools.load import messages
from tools.load.players import Players
from tools.load.population import SPI, Population
from tools.load.tally import Operation
from tools.load.ways import DEPTH, Received

Answer = Callable[[NDArray[np.void]], NDArray[np.void]]


def replies_to(requests: NDArray[np.void], code: int, population: Population) -> NDArray[np.void]:
    rows = np.zeros((len(requests), messages.REPLY.itemsize), np.uint8)
    replies = messages.view(rows, messages.REPLY, 0)
    replies["type"], replies["code"], replies["ext"], replies["ext_length"] = 3, code, 32, 20
    replies["spi"] = SPI
    for name in ("lifetime", "home", "agent", "identification"):
        replies[name] = requests[name]
    nodes = requests["home"].astype(np.int64) - int(population.first)
    messages.sign(rows, 0, messages.REPLY_COVERED, nodes, population)
    return replies


class Memory:
    """A way to an agent that is a function; keeps every request."""

    flags = 0

    def __init__(self, answer: Answer) -> None:
        self._rows = np.zeros((DEPTH, messages.REQUEST.itemsize), np.uint8)
        self.requests = messages.view(self._rows, messages.REQUEST, 0)
        self._answer = answer
        self._waiting: list[NDArray[np.void]] = []
        self.seen: list[NDArray[np.void]] = []

    def care_of(self, nodes: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
        return int(IPv4Address("198.18.0.1")) + places

    def send(self, nodes: NDArray[np.int64]) -> None:
        sent = self.requests[: len(nodes)].copy()
        self.seen.append(sent)
        self._waiting.append(self._answer(sent))

    def receive(self) -> Received:
        # As bytes: concatenating records would change their byte order.
        replies = np.frombuffer(b"".join(one.tobytes() for one in self._waiting), messages.REPLY)
        self._waiting.clear()
        return replies, np.full(len(replies), time.time_ns())


POPULATION = Population(100)


def accepting(requests: NDArray[np.void]) -> NDArray[np.void]:
    return replies_to(requests, 1, POPULATION)


def test_all_register_then_renew_and_identifications_grow() -> None:
    way = Memory(accepting)
    players = Players(POPULATION, [way])
    first = players.register_all(window=32)
    assert first.operations["new"] == first.accepted == POPULATION.count
    later = players.run(0.1, window=32)
    assert later.accepted == later.operations["renew"] > POPULATION.count
    assert later.share_answered == 1 and later.lost == later.forged_replies == 0
    seen = np.concatenate(way.seen)
    for home in np.unique(seen["home"]):
        given = seen["identification"][seen["home"] == home].astype(np.uint64)
        assert (given[1:] > given[:-1]).all()


def test_moves_change_the_care_of_address_and_deregistrations_end_in_new_ones() -> None:
    way = Memory(accepting)
    mix = {Operation.MOVE: 0.5, Operation.DEREGISTER: 0.5}
    players = Players(POPULATION, [way], mix=mix)
    tally = players.run(0.2, window=32)
    assert tally.operations["move"] and tally.operations["deregister"] and tally.operations["new"] > 100
    assert tally.operations["renew"] == 0
    seen = np.concatenate(way.seen)
    assert np.count_nonzero(seen["lifetime"] == 0) == tally.operations["deregister"]
    one = seen[(seen["home"] == int(POPULATION.first)) & (seen["lifetime"] > 0)]
    assert len(np.unique(one["care_of"])) > 1


@pytest.mark.parametrize("code", [131, 133])
def test_denials_are_counted_by_code_and_change_nothing(code: int) -> None:
    def denying(requests: NDArray[np.void]) -> NDArray[np.void]:
        replies = replies_to(requests, code, POPULATION)
        if code == 133:  # the home agent's time in the high half (RFC 5944 s5.7.1)
            replies["identification"] ^= np.uint64(0x5 << 32)
        return replies

    players = Players(POPULATION, [Memory(denying)])
    tally = players.run(0.05, window=32)
    assert dict(tally.denials) == {code: tally.sent}
    assert tally.accepted == 0 and not players.registered.any()


def test_replies_to_other_requests_and_of_others_do_not_count() -> None:
    def old(requests: NDArray[np.void]) -> NDArray[np.void]:
        replies = replies_to(requests, 0, POPULATION)
        replies["identification"] -= np.uint64(1)
        return replies

    players = Players(POPULATION, [Memory(old)])
    tally = players.run(0.05, window=16)
    assert tally.accepted == 0
    assert tally.lost == tally.sent > 0
    assert tally.share_answered == 0


def test_wrong_authenticators_are_noticed() -> None:
    def forging(requests: NDArray[np.void]) -> NDArray[np.void]:
        replies = replies_to(requests, 0, POPULATION)
        replies["lifetime"] += np.uint16(1)
        return replies

    tally = Players(POPULATION, [Memory(forging)]).run(0.1, window=64)
    assert tally.forged_replies > 0


def test_an_open_loop_keeps_its_rate() -> None:
    tally = Players(POPULATION, [Memory(accepting)]).run(0.5, rate=1000)
    assert 0.8 * 500 <= tally.sent <= 501
