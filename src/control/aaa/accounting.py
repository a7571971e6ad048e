"""Accounting over RADIUS (RFC 2866): records are put into a bounded queue and sent on as servers take them.

Nothing waits for a server. While none answers the queue fills; then what is new is given up, reports on the way before
beginnings and ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from ipaddress import IPv4Address
from typing import Final

from pyrad import packet

from mobileip.control.aaa.attributes import DICTIONARY, Client, Request
from mobileip.control.aaa.radius import Exchange
from mobileip.control.aaa.servers import NoAnswer, Note, Patience, Server, ServerStatus
from mobileip.control.reasons import Reason
from mobileip.control.security import Secret

_WINDOW: Final = 32  # records under way at a time, each of another session
_AGAIN: Final = 1.0  # s until it is tried again when nobody answered
_WRAP: Final = (
    1 << 32
)  # octets and packets are numbers of 32 bits; Gigawords count the rounds (RFC 2869 s5.1)


Wall = Callable[[], float]
"""Seconds since 1970."""


class Status(IntEnum):
    """Acct-Status-Type (RFC 2866 s5.1)."""

    START = 1
    STOP = 2
    INTERIM = 3
    ON = 7
    OFF = 8


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a binding has carried: inner packets and their bytes, from the node and to it."""

    packets_in: int = 0
    octets_in: int = 0
    packets_out: int = 0
    octets_out: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.packets_in + other.packets_in,
            self.octets_in + other.octets_in,
            self.packets_out + other.packets_out,
            self.octets_out + other.octets_out,
        )

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.packets_in - other.packets_in,
            self.octets_in - other.octets_in,
            self.packets_out - other.packets_out,
            self.octets_out - other.octets_out,
        )

    def beyond(self, other: Amounts) -> Amounts:
        """What is here more than there, of each."""
        return Amounts(
            max(0, self.packets_in - other.packets_in),
            max(0, self.octets_in - other.octets_in),
            max(0, self.packets_out - other.packets_out),
            max(0, self.octets_out - other.octets_out),
        )


@dataclass(frozen=True, slots=True)
class Record:
    """What is told of one session, or with ON and OFF of the agent itself.

    ``at``: when it was so, in seconds since 1970; ``seconds``: since the session began. ``cause`` is that of an end
    (RFC 2866 s5.10), if it is known.
    """

    status: Status
    session: str
    at: int
    user: str = ""
    home_address: IPv4Address | None = None
    care_of_address: IPv4Address | None = None
    amounts: Amounts | None = None
    seconds: int = 0
    cause: int | None = None


def accounting_request(record: Record, client: Client, now: int, identifier: int, secret: Secret) -> Request:
    """The packet of ``record``, sent at ``now`` (s since 1970)."""
    made = packet.AcctPacket(id=identifier, secret=secret.reveal(), dict=DICTIONARY)
    made["Acct-Status-Type"] = record.status
    made["Acct-Session-Id"] = record.session
    made["NAS-Identifier"] = client.nas_identifier
    if client.nas_address is not None:
        made["NAS-IP-Address"] = str(client.nas_address)
        made["Tunnel-Server-Endpoint"] = str(client.nas_address)
    made["Event-Timestamp"] = record.at
    made["Acct-Delay-Time"] = max(0, now - record.at)
    if record.user:
        made["User-Name"] = record.user
    if record.home_address is not None:
        made["Framed-IP-Address"] = str(record.home_address)
    if record.care_of_address is not None:
        made["Tunnel-Client-Endpoint"] = str(record.care_of_address)
    if record.amounts is not None:
        made["Acct-Session-Time"] = record.seconds
        amounts = record.amounts
        made["Acct-Input-Packets"] = amounts.packets_in % _WRAP
        made["Acct-Output-Packets"] = amounts.packets_out % _WRAP
        for way, octets in (("Input", amounts.octets_in), ("Output", amounts.octets_out)):
            rounds, rest = divmod(octets, _WRAP)
            made[f"Acct-{way}-Octets"] = rest
            made[f"Acct-{way}-Gigawords"] = rounds % _WRAP
    if record.cause is not None:
        made["Acct-Terminate-Cause"] = record.cause
    return Request(made)


class Accountant:
    """Sends records to the first of ``servers`` that answers, those of one session in their order.

    ``most`` records wait at a time. ``wall`` gives the seconds since 1970.
    """

    def __init__(
        self,
        servers: tuple[Server, ...],
        patience: Patience,
        client: Client,
        most: int,
        wall: Wall,
        note: Note,
    ) -> None:
        self._exchange: Final = Exchange(servers, patience, note, "accounting server")
        self._client: Final = client
        self._most: Final = most
        self._wall: Final = wall
        self._note: Final = note
        self._queue: Final[deque[Record]] = deque()
        self._under_way: list[Record] = []
        self._wake: Final = asyncio.Event()
        self._idle: Final = asyncio.Event()
        self._task: Final = asyncio.get_running_loop().create_task(self._run())

    def servers(self) -> tuple[ServerStatus, ...]:
        return self._exchange.status()

    @property
    def waiting(self) -> int:
        """Records that no server has acknowledged."""
        return len(self._queue) + len(self._under_way)

    def put(self, record: Record) -> None:
        """Take ``record`` on, unless too many wait; a report on the way only while half of the queue is free."""
        room = self._most // 2 if record.status is Status.INTERIM else self._most
        if self.waiting >= room:
            self._lost(1)
            return
        self._queue.append(record)
        self._idle.clear()
        self._wake.set()

    async def hand_over(self, other: Accountant) -> None:
        """Have ``other`` send what waits here, and end. What is under way is sent again: its session tells it."""
        waiting = (*self._under_way, *self._queue)
        self._task.cancel()
        self._queue.clear()
        self._under_way = []
        for record in waiting:
            other.put(record)
        await self.close(0)

    async def close(self, patience: float) -> None:
        """Send what waits for at most ``patience`` seconds; what is left then is given up."""
        try:
            async with asyncio.timeout(patience):
                if self.waiting:
                    await self._idle.wait()
        except TimeoutError:
            self._lost(self.waiting)
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._exchange.close()

    def _lost(self, records: int) -> None:
        self._note(Reason.ACCOUNTING_LOST, {"records": records})

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            batch = self._under_way = self._batch()
            sent = await asyncio.gather(*map(self._send, batch))
            again = [record for record, done in zip(batch, sent, strict=True) if not done]
            self._queue.extendleft(reversed(again))
            self._under_way = []
            if not self._queue:
                self._wake.clear()
                self._idle.set()
            elif again:
                await asyncio.sleep(_AGAIN)

    def _batch(self) -> list[Record]:
        """The first records, up to the second of one session: that has to come after."""
        batch: list[Record] = []
        sessions: set[str] = set()
        while self._queue and len(batch) < _WINDOW and self._queue[0].session not in sessions:
            batch.append(self._queue.popleft())
            sessions.add(batch[-1].session)
        return batch

    async def _send(self, record: Record) -> bool:
        make = partial(accounting_request, record, self._client, int(self._wall()))
        try:
            await self._exchange.ask(make)
        except NoAnswer:
            return False
        return True
