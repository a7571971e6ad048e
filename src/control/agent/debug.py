"""``mobileip debug``: one mobile node's messages and what became of them, as they happen.

Nothing is kept and nothing is decoded unless somebody listens: the daemon asks :attr:`Followers.listening` first.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any, Final

from mobileip.control.core.actions import Action, SendDatagram, SendIcmp
from mobileip.control.core.events import DatagramReceived, Event, IcmpReceived
from mobileip.control.reasons import Reason
from mobileip.control.security.peers import normalised
from mobileip.control.types import NANOSECONDS, ZERO_ADDRESS, Endpoint, Instant
from mobileip.control.wire import NetworkAccessIdentifier, WireError, parse, parse_icmp, pretty

Record = dict[str, Any]
Message = DatagramReceived | IcmpReceived | SendDatagram | SendIcmp

LONGEST_QUEUE: Final = 1000  # records that wait for one client
MOST_FOLLOWERS: Final = 8
_MOST_NAMES: Final = 8  # of one node
_HOME_ADDRESS: Final = slice(4, 8)  # of a request and of a reply (RFC 5944 s3.3, s3.4)
_NAI_TYPE: Final = NetworkAccessIdentifier.type
_NAMING_FIELDS: Final = ("home_address", "source", "nai", "link_address")
_NO_NAMES: Final = {None, b"", ZERO_ADDRESS.packed, b"\xff" * 6}
_LINK_ADDRESS: Final = re.compile(r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}", re.IGNORECASE)


class TooManyFollowers(Exception):
    """There are :data:`MOST_FOLLOWERS` already."""


class Node:
    """A mobile node by what it is called: home address, link-layer address or NAI, and what was learned of these.

    A request tells that they belong together: who follows a link-layer address wants the home agent's answer too, which
    has none. ``everything``: this host is the node, so that whatever passes is about it.

    :raises ValueError: ``name`` is none of the three.
    """

    def __init__(self, name: str, everything: bool = False) -> None:
        self._everything: Final = everything
        self._names: Final[set[bytes | None]] = {_packed(name)}

    def concerns(self, message: Message) -> bool:
        """Whether ``message`` is the node's or to it."""
        called = {_link_address(message)}
        if isinstance(message, DatagramReceived | SendDatagram):
            called |= {message.payload[_HOME_ADDRESS], _nai(message.payload)}
            ends = {message.source.address.packed, message.destination.address.packed}
        else:
            ends = {message.destination.packed, (message.source or ZERO_ADDRESS).packed}
        if self._names.isdisjoint(called):
            return self._everything or not self._names.isdisjoint(ends)
        self._learn(called)
        return True

    def is_noted(self, fields: Mapping[str, object]) -> bool:
        """Whether what was noted is about the node."""
        return self._everything or any(_of_field(fields.get(name)) in self._names for name in _NAMING_FIELDS)

    def _learn(self, called: set[bytes | None]) -> None:
        if len(self._names) < _MOST_NAMES:
            self._names.update(called - _NO_NAMES)


class _Follower:
    """What waits for one client; what does not fit is counted and said."""

    def __init__(self, node: Node) -> None:
        self.node: Final = node
        self._records: Final[deque[Record]] = deque()
        self._lost = 0
        self._some: Final = asyncio.Event()

    def put(self, record: Record) -> None:
        if len(self._records) >= LONGEST_QUEUE:
            self._lost += 1
            return
        if self._lost:
            self._records.append({"time": record["time"], "event": "lost", "count": self._lost})
            self._lost = 0
        self._records.append(record)
        self._some.set()

    async def take(self) -> Record:
        while not self._records:
            self._some.clear()
            await self._some.wait()
        return self._records.popleft()


class Followers:
    """Everybody who follows a node in this daemon."""

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock: Final = clock
        self._all: Final[list[_Follower]] = []
        self.listening = False

    def follow(self, node: Node) -> AsyncGenerator[Record, None]:
        """Records from its first one on, which says just that, until the generator is closed.

        :raises TooManyFollowers: there is no place for another.
        """
        if len(self._all) >= MOST_FOLLOWERS:
            raise TooManyFollowers
        return self._records(_Follower(node))

    async def _records(self, follower: _Follower) -> AsyncGenerator[Record, None]:
        # Here and not in follow(): a generator that is dropped before its first record never gets to its end.
        self._all.append(follower)
        self.listening = True
        try:
            yield {"time": self._time(), "event": "following"}
            while True:
                yield await follower.take()
        finally:
            self._all.remove(follower)
            self.listening = bool(self._all)

    def received(self, event: Event) -> None:
        if isinstance(event, DatagramReceived | IcmpReceived):
            self._pass(event, "received")

    def performed(self, action: Action) -> None:
        if isinstance(action, SendDatagram | SendIcmp):
            self._pass(action, "sent")

    def noted(self, reason: Reason, fields: Mapping[str, object]) -> None:
        record: Record | None = None
        for follower in self._all:
            if follower.node.is_noted(fields):
                if record is None:
                    info = reason.info
                    record = {
                        "time": self._time(),
                        "event": "noted",
                        "reason": reason.label,
                        "text": info.text,
                        "rfc": info.section,
                        "fields": dict(fields),
                    }
                follower.put(record)

    def _pass(self, message: Message, event: str) -> None:
        record: Record | None = None
        for follower in self._all:
            if follower.node.concerns(message):
                if record is None:
                    record = {"time": self._time(), "event": event, **_described(message)}
                follower.put(record)

    def _time(self) -> str:
        whole, rest = divmod(self._clock().wall, NANOSECONDS)
        return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06}Z"


def _described(message: Message) -> Record:
    """Envelope and content; what cannot be decoded is told with the reason and in hexadecimal."""
    record: Record = {
        "interface": message.interface,
        "source": message.source,
        "destination": message.destination,
        "ttl": getattr(message, "ttl", None),
        "link_address": _link_address(message),
    }
    try:
        if isinstance(message, DatagramReceived | SendDatagram):
            record["message"] = pretty.fields(parse(message.payload))
        else:
            record["message"] = pretty.fields(parse_icmp(message.payload))
    except WireError as error:
        record["error"] = {"reason": error.reason, "text": str(error), "data": message.payload.hex()}
    return record


def _link_address(message: Message) -> bytes | None:
    """The link-layer address at the other end, where it is known."""
    if isinstance(message, DatagramReceived | IcmpReceived):
        return message.link_source
    return message.link_destination


def _nai(payload: bytes) -> bytes | None:
    """The NAI in a message that has one and can be decoded."""
    if _NAI_TYPE not in payload:
        return None
    with suppress(WireError):
        for extension in parse(payload).extensions:
            if isinstance(extension, NetworkAccessIdentifier):
                return normalised(extension.nai).encode()
    return None


def _packed(name: str) -> bytes:
    if "@" in name:
        return normalised(name).encode()
    if _LINK_ADDRESS.fullmatch(name):
        return bytes.fromhex(re.sub("[:-]", "", name))
    return IPv4Address(name).packed


def _of_field(value: object) -> bytes:
    """A field of a note as a name; an empty one is nobody's."""
    match value:
        case Endpoint():
            return value.address.packed
        case IPv4Address():
            return value.packed
        case bytes():
            return value
        case str():
            return normalised(value).encode()
        case _:
            return b""
