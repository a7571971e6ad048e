"""Requests that answer challenges, and a foreign agent that sets them (RFC 4721)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from mobileip.control.core.actions import Action, SendDatagram
from mobileip.control.core.challenges import ChallengeSettings
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, Secret, sign
from mobileip.control.security.mobile_aaa import MobileAaaAssociation
from mobileip.control.types import Spi
from mobileip.control.wire import (
    MobileForeignAuthentication,
    MobileForeignChallenge,
    RegistrationReply,
    parse,
)
from tests.unit.core.factory import HOME
from tests.unit.core.test_foreign import SETTINGS, ask, visit

WITH_NODE = MobilitySecurityAssociation(Spi(900), Secret(b"between node and agent"))
AAA = MobileAaaAssociation(Spi(2), Secret(b"password of the node"))
CHALLENGED = replace(SETTINGS, challenge=ChallengeSettings(window=2, interval=5.0))
SHARED = replace(CHALLENGED, nodes=AssociationTable([(HOME, WITH_NODE)]))


def counting() -> Callable[[int], bytes]:
    """Challenges 1, 2, 3..., as 16 bytes."""
    numbers = count(1)
    return lambda length: next(numbers).to_bytes(length)


def agent(settings: ForeignAgentSettings = CHALLENGED) -> ForeignAgent:
    return ForeignAgent(settings, counting())


def challenge(number: int) -> bytes:
    return number.to_bytes(16)


def by_aaa(payload: bytes, answered: bytes) -> bytes:
    """``payload`` with a challenge and the node's proof for its AAA server."""
    return AAA.sign(payload + MobileForeignChallenge(answered).encode(), answered)


def by_key(
    payload: bytes, answered: bytes | None, association: MobilitySecurityAssociation = WITH_NODE
) -> bytes:
    """``payload`` with a challenge and the key that node and foreign agent share."""
    if answered is not None:
        payload += MobileForeignChallenge(answered).encode()
    return sign(association, payload, MobileForeignAuthentication)


def replies(actions: list[Action]) -> list[RegistrationReply]:
    """What goes to nodes."""
    found = [parse(action.payload) for action in actions if isinstance(action, SendDatagram)]
    return [message for message in found if isinstance(message, RegistrationReply)]


def told(actions: list[Action]) -> bytes | None:
    """The challenge in the one reply among the actions."""
    (reply,) = replies(actions)
    extension = reply.first(MobileForeignChallenge)
    return None if extension is None else extension.challenge


def code(actions: list[Action]) -> int:
    (reply,) = replies(actions)
    return reply.code


def request_from(machine: ForeignAgent, payload: bytes, time: float, mac: bytes) -> list[Action]:
    return ask(machine, visit(payload, mac=mac), time)
