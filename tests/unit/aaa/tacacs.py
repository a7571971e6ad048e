"""A TACACS+ server of a few lines on loopback, with its own reading of RFC 8907; it records what passes."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from mobileip.control.aaa.servers import Server
from mobileip.control.security import Secret
from mobileip.control.types import Endpoint

SECRET = b"a shared secret of the tests"
PASS_ADD, PASS_REPL, FAIL, ERROR, FOLLOW = 1, 2, 0x10, 0x11, 0x21
SINGLE = 4


def pad(session: bytes, secret: bytes, version: int, number: int, body: bytes) -> bytes:
    """s4.5, byte by byte."""
    out = bytearray()
    digest = b""
    for at, byte in enumerate(body):
        if at % 16 == 0:
            digest = hashlib.md5(session + secret + bytes((version, number)) + digest).digest()
        out.append(byte ^ digest[at % 16])
    return bytes(out)


@dataclass(frozen=True)
class Asked:
    """An authorization request as it came (s6.1)."""

    flags: int
    session: bytes
    fixed: tuple[int, ...]
    user: bytes
    port: bytes
    address: bytes
    arguments: tuple[bytes, ...]


def asked(data: bytes) -> Asked:
    version, kind, number, flags = data[:4]
    assert (version, kind, number) == (0xC0, 2, 1)
    body = pad(data[4:8], SECRET, version, number, data[12:])
    assert struct.unpack("!I", data[8:12]) == (len(body),)
    *fixed, user, port, address, count = body[:8]
    lengths = [user, port, address, *body[8 : 8 + count]]
    rest, fields = body[8 + count :], []
    for length in lengths:
        fields.append(rest[:length])
        rest = rest[length:]
    assert rest == b""
    return Asked(flags, data[4:8], tuple(fixed), fields[0], fields[1], fields[2], tuple(fields[3:]))


def reply(
    to: Asked,
    status: int,
    *arguments: str,
    message: str = "",
    flags: int = SINGLE,
    secret: bytes = SECRET,
    version: int = 0xC0,
    number: int = 2,
    session: bytes | None = None,
) -> bytes:
    """A reply (s6.2)."""
    coded = [argument.encode() for argument in arguments]
    body = struct.pack("!BBHH", status, len(coded), len(message), 0)
    body += bytes(map(len, coded)) + message.encode() + b"".join(coded)
    session = to.session if session is None else session
    header = bytes((version, 2, number, flags)) + session + struct.pack("!I", len(body))
    return header + pad(session, secret, version, number, body)


Respond = Callable[[Asked], Sequence[bytes] | None]
"""What is sent back; ``None``: the connection is closed instead."""


class Tacacs:
    """``respond`` may be changed. ``recorded``: each packet and whether it went to the server; ``connections``."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.requests: list[Asked] = []
        self.recorded: list[tuple[bool, bytes]] = []
        self.connections = 0
        self.open: list[asyncio.StreamWriter] = []
        self.single = True

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> Server:
        self._server = await asyncio.start_server(self._serve, host, port)
        self.port = self._server.sockets[0].getsockname()[1]
        return Server(Endpoint(IPv4Address(host), self.port), Secret(SECRET))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.append(writer)
        try:
            while True:
                header = await reader.readexactly(12)
                data = header + await reader.readexactly(int.from_bytes(header[8:]))
                self.recorded.append((True, data))
                self.requests.append(asked(data))
                answers = self.respond(self.requests[-1])
                for answer in answers or ():
                    self.recorded.append((False, answer))
                    writer.write(answer)
                if answers is None or (answers and not self.single):
                    break
        except (EOFError, OSError):
            pass
        finally:
            self.open.remove(writer)
            writer.close()

    def drop(self) -> None:
        """Close every connection, as a server does with idle ones."""
        for writer in self.open:
            writer.close()

    async def stop(self) -> None:
        self._server.close()
        self.drop()
        await asyncio.sleep(0)
