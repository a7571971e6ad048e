"""Who keeps the keys of the home agents' nodes when they are not in their files: slow, and now and then away."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from mobileip.control.core.events import DatagramReceived, Event, KeysFound, KeysUnavailable, KeysUnknown
from mobileip.control.core.keyring import KeySettings
from mobileip.control.security import MobilitySecurityAssociation
from mobileip.control.types import seconds
from tests.sim.hosts import Node
from tests.sim.keys import Pair
from tests.sim.signatures import REQUEST, address, kind_of, name_in

if TYPE_CHECKING:
    from tests.sim.internet import Internet

SETTINGS = KeySettings(lifetime=4, stale=600, retry=2, unknown=1, max_questions=16, rate=200)
_DELAYS = (0.0, 0.002, 0.05, 0.5, 3.0, 6.0)  # s


@dataclass(slots=True)
class _Question:
    waiting: DatagramReceived  # the latest of those that wait
    incarnation: int


class Keeper:
    """Answers home agents by what they hold now. It is away only for those who have heard so before: what an operator
    has changed since then could otherwise not be told from what is used on purpose while nobody can be asked.
    """

    def __init__(self, net: Internet) -> None:
        self._net = net
        self._rng = net.random("keeper")
        self._questions: dict[tuple[str, IPv4Address | str], _Question] = {}  # by who asks, and about whom
        self._told: dict[tuple[str, Pair], list[MobilitySecurityAssociation]] = {}

    def ask(self, node: Node, peer: IPv4Address | str, waiting: Event) -> None:
        assert isinstance(waiting, DatagramReceived)
        self._questions[node.name, peer] = _Question(waiting, node.incarnation)
        delay = 0.01 if self._net.calm else self._rng.choice(_DELAYS)
        incarnation = node.incarnation
        self._net.later(seconds(delay), lambda: self._answer(node, peer, incarnation))

    def unanswered(self, node: Node, event: Event) -> None:
        """``event`` led to nothing at all: if it is a request whose key is asked for, it is the one that waits now."""
        if isinstance(event, DatagramReceived) and kind_of(event.payload) == REQUEST:
            question = self._about(node, event.payload)
            if question is not None and question.incarnation == node.incarnation:
                question.waiting = event

    def cause(self, node: Node, event: Event) -> Event:
        """The request that an answer is about."""
        if not isinstance(event, KeysFound | KeysUnknown | KeysUnavailable):
            return event
        question = self._questions.pop((node.name, event.peer), None)
        return event if question is None else question.waiting

    def _about(self, node: Node, payload: bytes) -> _Question | None:
        """The question that waits for the sender of a request, who may be known by an address that it was given."""
        for peer in (address(payload, 4), name_in(payload) or ""):
            if (node.name, peer) in self._questions:
                return self._questions[node.name, peer]
        pair = self._net.pair_of(payload)
        for (name, peer), question in self._questions.items():
            if name == node.name and pair is not None and self._net.known_as(peer) == pair:
                return question
        return None

    def _answer(self, node: Node, peer: IPv4Address | str, incarnation: int) -> None:
        if node.running and node.incarnation == incarnation:  # else who asked is no more
            self._net.dispatch(node, self._say(node, peer))

    def _say(self, node: Node, peer: IPv4Address | str) -> Event:
        pair = self._net.known_as(peer)
        if pair is None or pair[1] != node.name:
            return KeysUnknown(peer)
        held = self._net.keys.held(pair, node.name)
        if not self._net.calm and self._told.get((node.name, pair)) == held and self._rng.random() < 0.3:
            return KeysUnavailable(peer, "away")
        self._told[node.name, pair] = held
        return KeysFound(peer, tuple(self._net.fault.association(one) for one in held), "keeper")
