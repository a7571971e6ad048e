"""Asking TACACS+ servers for keys (RFC 8907): one connection for all questions to a server that allows it (s4.3)."""

from __future__ import annotations

import asyncio
import secrets
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.aaa import tacacs_packets as packets
from mobileip.control.aaa.avpairs import Unsaid
from mobileip.control.aaa.servers import NoAnswer, Note, Patience, Rota, Server, ServerStatus
from mobileip.control.aaa.sources import Answer, Found, Unavailable, Unknown
from mobileip.control.aaa.tacacs_packets import BadPacket, Reply, Status
from mobileip.control.reasons import Reason
from mobileip.control.types import Spi

_MOST_CONNECTIONS: Final = 16  # at a time, to a server that wants one for each question


class _Lost(Exception):
    """The connection ended before the reply came; one clause that says why."""


class _Connection:
    """One TCP connection and the sessions on it, by their id."""

    def __init__(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Note
    ) -> None:
        self._server: Final = server
        self._reader: Final = reader
        self._writer: Final = writer
        self._note: Final = note
        self._sessions: Final[dict[int, asyncio.Future[Reply]]] = {}
        self._task: Final = asyncio.get_running_loop().create_task(self._read())
        self.shared = False
        """Whether the server has agreed to several sessions (s4.3): its first reply says so."""

    @property
    def open(self) -> bool:
        return not self._task.done()

    async def ask(self, user: str) -> Reply:
        """:raises _Lost: the connection ends first."""
        session = secrets.randbits(32)
        while session in self._sessions:
            session = secrets.randbits(32)
        data = packets.request(session, self._server.secret, user)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._sessions[session] = reply
        try:
            self._writer.write(data)
            return await reply
        finally:
            self._sessions.pop(session, None)

    async def _read(self) -> None:
        why = "the server closed the connection"
        try:
            first = True
            while True:
                header = packets.reply_header(await self._reader.readexactly(packets.HEADER_LENGTH))
                body = await self._reader.readexactly(header.length)
                if first:
                    self.shared, first = header.single_connect, False
                reply = packets.reply(header, body, self._server.secret)
                waiting = self._sessions.get(header.session)
                if waiting is None:
                    self._note(Reason.AAA_ANSWER_LATE, {"server": self._server.endpoint})
                elif not waiting.done():
                    waiting.set_result(reply)
        except BadPacket as error:
            why = str(error)
            self._note(Reason.AAA_ANSWER_FORGED, {"source": self._server.endpoint, "error": why})
        except (OSError, EOFError) as error:
            if isinstance(error, OSError) and error.strerror:
                why = error.strerror.lower()
        finally:
            self._writer.close()
            for session in self._sessions.values():
                if not session.done():
                    session.set_exception(_Lost(why))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class _Asked:
    """One server, and the connections to it."""

    def __init__(self, server: Server, patience: Patience, note: Note) -> None:
        self._server: Final = server
        self._patience: Final = patience
        self._note: Final = note
        self._shared: _Connection | None = None
        self._agrees: bool | None = None  # to single connection mode; None: not known yet
        self._finding_out: Final = asyncio.Lock()
        self._slots: Final = asyncio.Semaphore(_MOST_CONNECTIONS)
        self._alone: Final[set[_Connection]] = set()

    async def ask(self, user: str) -> Reply:
        """:raises NoAnswer: there is none in time, or the server could not decide (s4.4)."""
        try:
            async with asyncio.timeout(self._patience.timeout):
                reply = await self._ask(user)
        except TimeoutError:
            raise NoAnswer(f"no answer within {self._patience.timeout:g} s") from None
        except _Lost as error:
            raise NoAnswer(str(error)) from None
        if reply.status is Status.ERROR:
            raise NoAnswer(f"the server reports an error: {reply.message!r}")
        return reply

    async def _ask(self, user: str) -> Reply:
        if (reply := await self._ask_shared(user)) is not None:
            return reply
        if self._may_agree:
            async with (
                self._finding_out
            ):  # one asks first; then all know whether there is one connection for all
                if (reply := await self._ask_shared(user)) is not None:
                    return reply
                if self._may_agree:
                    return await self._ask_on_new(user)
        async with self._slots:
            return await self._ask_on_new(user)

    @property
    def _may_agree(self) -> bool:
        return self._agrees is not False

    async def _ask_shared(self, user: str) -> Reply | None:
        """``None`` if there is no connection for all any more: the server may have ended an idle one (s4.3)."""
        shared = self._shared
        if shared is None or not shared.open:
            return None
        try:
            return await shared.ask(user)
        except _Lost:
            return None

    async def _ask_on_new(self, user: str) -> Reply:
        connection = await self._connect()
        self._alone.add(connection)
        try:
            reply = await connection.ask(user)
            self._agrees = connection.shared
            if connection.shared and (self._shared is None or not self._shared.open):
                self._shared = connection
            return reply
        finally:
            self._alone.discard(connection)
            if connection is not self._shared:
                await connection.close()

    async def _connect(self) -> _Connection:
        endpoint, source = self._server.endpoint, self._patience.source
        try:
            reader, writer = await asyncio.open_connection(
                str(endpoint.address),
                endpoint.port,
                local_addr=None if source is None else (str(source), 0),
            )
        except OSError as error:
            raise _Lost((error.strerror or str(error)).lower()) from error
        return _Connection(self._server, reader, writer, self._note)

    async def close(self) -> None:
        for connection in (*self._alone, self._shared):
            if connection is not None:
                await connection.close()


class TacacsKeys:
    """A :class:`~mobileip.control.aaa.sources.KeySource`: authorization of service ``mobileip``, the peer as user."""

    name: Final = "tacacs"

    def __init__(self, servers: tuple[Server, ...], patience: Patience, unsaid: Unsaid, note: Note) -> None:
        self._servers: Final = servers
        self._unsaid: Final = unsaid
        self._note: Final = note
        self._rota: Final = Rota(servers, patience, note, "TACACS+ server")
        notes = map(self._rota.note_of, range(len(servers)))
        self._asked: Final = [
            _Asked(server, patience, note) for server, note in zip(servers, notes, strict=True)
        ]

    def servers(self) -> tuple[ServerStatus, ...]:
        return self._rota.status()

    async def find(self, peer: IPv4Address | str, _spi: Spi) -> Answer:
        try:
            number, reply = await self._rota.ask(lambda number: self._asked[number].ask(str(peer)))
        except NoAnswer as error:
            return Unavailable(str(error))
        except ValueError as error:
            return Unavailable(f"TACACS+ cannot be asked: {error}")
        if reply.status not in (Status.PASS_ADD, Status.PASS_REPL):
            return Unknown()
        told, lifetime = packets.associations(reply.arguments, self._unsaid)
        if told.refused:
            server = self._servers[number].endpoint
            fields = {"peer": peer, "server": server, "error": "; ".join(told.refused)}
            self._note(Reason.AAA_KEY_MALFORMED, fields)
        return Found(told.associations, lifetime) if told.associations else Unknown()

    async def close(self) -> None:
        for asked in self._asked:
            await asked.close()
