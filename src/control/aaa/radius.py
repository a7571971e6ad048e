"""Asking RADIUS servers (RFC 2865): identifiers, retransmission, the next server when one is silent; and keys by it.

Each server is asked from sockets of our own with random ports, 256 questions on each. What comes back is believed only
with its authenticators right (see :mod:`~mobileip.control.aaa.attributes`); anything else leaves the question waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from typing import Any, Final, cast

from mobileip.control.aaa.attributes import (
    IDENTIFIERS,
    Client,
    Forgery,
    Request,
    access_request,
    conclusion,
)
from mobileip.control.aaa.avpairs import Unsaid
from mobileip.control.aaa.servers import NoAnswer, Note, Patience, Rota, Server, ServerStatus
from mobileip.control.aaa.sources import Answer, Unavailable
from mobileip.control.reasons import Reason
from mobileip.control.security import Secret
from mobileip.control.types import Spi

_MOST_SOCKETS: Final = 64  # for each server
_GRACE: Final = 30.0  # s for which an answer that comes too late is known as such; longer than a packet lives

Maker = Callable[[int, Secret], Request]
"""Makes the packet with an identifier for a server that shares a secret."""


@dataclass(slots=True)
class _Question:
    request: Request
    answer: asyncio.Future[Any]


class _Channel(asyncio.DatagramProtocol):
    """One socket to one server and what was asked on it, by identifier."""

    def __init__(self, server: Server, note: Note) -> None:
        self._server: Final = server
        self._note: Final = note
        self._asked: Final[dict[int, _Question]] = {}
        self._free: Final = deque(range(IDENTIFIERS))  # the one that was in use longest ago first
        self._graces: Final[set[asyncio.TimerHandle]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def full(self) -> bool:
        return not self._free

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            asyncio.DatagramTransport, transport
        )  # asyncio's own do not say that they are one

    async def ask(self, make: Maker, patience: Patience) -> Any:
        """The verified answer. :raises NoAnswer: there is none in time."""
        identifier = self._free.popleft()
        transmissions = 0
        question: _Question | None = None
        try:
            request = make(identifier, self._server.secret)
            question = _Question(request, asyncio.get_running_loop().create_future())
            self._asked[identifier] = question
            while transmissions < patience.tries:
                transmissions += 1
                self._send(request.data)
                await asyncio.wait((question.answer,), timeout=patience.timeout)
                if question.answer.done():
                    return question.answer.result()
            waited = patience.tries * patience.timeout
            raise NoAnswer(f"no answer within {waited:g} s")
        finally:
            answered = question is not None and question.answer.done()
            if question is not None and not answered:
                question.answer.cancel()
            if transmissions == 0 or (answered and transmissions == 1):
                self._release(identifier)
            else:
                self._release_later(identifier)

    def _send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.sendto(data)

    def _release(self, identifier: int) -> None:
        self._asked.pop(identifier, None)
        self._free.append(identifier)

    def _release_later(self, identifier: int) -> None:
        """More answers may come, to what was sent before."""

        def release() -> None:
            self._graces.discard(handle)
            self._release(identifier)

        handle = asyncio.get_running_loop().call_later(_GRACE, release)
        self._graces.add(handle)

    def datagram_received(self, data: bytes, _source: tuple[str | Any, int]) -> None:
        try:
            question = self._asked.get(data[1]) if len(data) > 1 else None
            if question is None:
                raise Forgery("answers nothing that was asked")
            answer = question.request.answer(data)
        except Forgery as forgery:
            self._note(Reason.AAA_ANSWER_FORGED, {"source": self._server.endpoint, "error": f"it {forgery}"})
            return
        if question.answer.done():
            self._note(Reason.AAA_ANSWER_LATE, {"server": self._server.endpoint})
        else:
            question.answer.set_result(answer)

    def error_received(self, error: Exception) -> None:
        """An ICMP error: nobody listens there, or no way leads there. It is not waited for in vain."""
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        for question in self._asked.values():
            if not question.answer.done():
                question.answer.set_exception(NoAnswer(why.lower()))

    def close(self) -> None:
        for handle in self._graces:
            handle.cancel()
        for question in self._asked.values():
            question.answer.cancel()
        if self._transport is not None:
            self._transport.close()


class Exchange:
    """Asks ``servers`` in their order. ``what`` they are, for people: "RADIUS server"."""

    def __init__(self, servers: tuple[Server, ...], patience: Patience, note: Note, what: str) -> None:
        self._servers: Final = servers
        self._patience: Final = patience
        self._rota: Final = Rota(servers, patience, note, what)
        self._channels: Final[list[list[_Channel]]] = [[] for _ in servers]
        self._opening: Final = [asyncio.Lock() for _ in servers]

    def status(self) -> tuple[ServerStatus, ...]:
        return self._rota.status()

    async def ask(self, make: Maker) -> tuple[Server, Any]:
        """Who answered first of all, and the verified answer. :raises NoAnswer: nobody does."""
        number, answer = await self._rota.ask(partial(self._ask, make))
        return self._servers[number], answer

    async def _ask(self, make: Maker, number: int) -> Any:
        channel = await self._channel(number)
        return await channel.ask(make, self._patience)

    async def _channel(self, number: int) -> _Channel:
        """One with a free identifier, opened if there is none."""
        async with self._opening[number]:
            channels = self._channels[number]
            for channel in channels:
                if not channel.full:
                    return channel
            if len(channels) >= _MOST_SOCKETS:
                raise NoAnswer("too many questions are unanswered")
            channels.append(await self._open(number))
            return channels[-1]

    async def _open(self, number: int) -> _Channel:
        server, source = self._servers[number], self._patience.source
        channel = _Channel(server, self._rota.note_of(number))
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: channel,
                local_addr=None if source is None else (str(source), 0),
                remote_addr=(str(server.endpoint.address), server.endpoint.port),
            )
        except OSError as error:
            raise NoAnswer((error.strerror or str(error)).lower()) from error
        return channel

    async def close(self) -> None:
        for channels in self._channels:
            for channel in channels:
                channel.close()
            channels.clear()


class RadiusKeys:
    """A :class:`~mobileip.control.aaa.sources.KeySource`: an Access-Request by the peer's address or name."""

    name: Final = "radius"

    def __init__(
        self,
        servers: tuple[Server, ...],
        patience: Patience,
        client: Client,
        unsaid: Unsaid,
        note: Note,
    ) -> None:
        self._client: Final = client
        self._unsaid: Final = unsaid
        self._note: Final = note
        self._exchange: Final = Exchange(servers, patience, note, "RADIUS server")

    def servers(self) -> tuple[ServerStatus, ...]:
        return self._exchange.status()

    async def find(self, peer: IPv4Address | str, spi: Spi) -> Answer:
        user = str(peer)
        try:
            server, answer = await self._exchange.ask(
                lambda identifier, secret: access_request(identifier, secret, user, self._client, spi)
            )
        except NoAnswer as error:
            return Unavailable(str(error))
        except ValueError as error:  # a name longer than an attribute
            return Unavailable(f"RADIUS cannot be asked: {error}")
        found, refused = conclusion(answer, self._unsaid, spi)
        if refused:
            fields = {"peer": peer, "server": server.endpoint, "error": "; ".join(refused)}
            self._note(Reason.AAA_KEY_MALFORMED, fields)
        return found

    async def close(self) -> None:
        await self._exchange.close()
