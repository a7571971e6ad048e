"""A RADIUS server of a few lines on loopback that answers as a test wants, with pyrad's server side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Any

from pyrad import packet

from mobileip.control.aaa.attributes import DICTIONARY
from mobileip.control.aaa.servers import Server
from mobileip.control.security import Secret
from mobileip.control.types import Endpoint

SECRET = b"a secret of the tests"
LOOPBACK = IPv4Address("127.0.0.1")
Respond = Callable[[Any], Iterable[bytes]]
"""The datagrams that answer a request."""


class Radius(asyncio.DatagramProtocol):
    """``requests``: every datagram that came, retransmissions too, as pyrad reads it."""

    def __init__(self, respond: Respond, delay: float = 0.0) -> None:
        self.respond = respond
        self.delay = delay
        self.requests: list[Any] = []
        self.sources: list[tuple[str | Any, int]] = []

    @property
    def ports(self) -> set[int]:
        return {port for _, port in self.sources}

    async def start(self, host: IPv4Address = LOOPBACK, port: int = 0) -> Server:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(str(host), port))
        port = self._transport.get_extra_info("sockname")[1]
        return Server(Endpoint(host, port), Secret(SECRET))

    def datagram_received(self, data: bytes, source: tuple[str | Any, int]) -> None:
        kind = packet.AcctPacket if data[0] == packet.AccountingRequest else packet.AuthPacket
        request = kind(packet=data, secret=SECRET, dict=DICTIONARY)
        self.requests.append(request)
        self.sources.append(source)
        for answer in self.respond(request):
            asyncio.get_running_loop().call_later(self.delay, self._transport.sendto, answer, source)

    def answer_all(self, make: Callable[[Any], bytes]) -> None:
        """Answer everything that has come so far."""
        for request, source in zip(self.requests, self.sources, strict=True):
            self._transport.sendto(make(request), source)

    def close(self) -> None:
        self._transport.close()


def accept(request: Any, *pairs: str, **attributes: Any) -> bytes:
    """An Access-Accept with Cisco pairs, and by name (``-`` as ``_``) other attributes."""
    reply = request.CreateReply(**{name: value for name, value in attributes.items() if name != "raw"})
    reply.message_authenticator = True
    if pairs:
        reply[(9, 1)] = [pair.encode() for pair in pairs]
    for key, values in attributes.get("raw", {}).items():
        reply[key] = values
    data: bytes = reply.ReplyPacket()
    return data


def reject(request: Any) -> bytes:
    reply = request.CreateReply()
    reply.code = packet.AccessReject
    reply.message_authenticator = True
    data: bytes = reply.ReplyPacket()
    return data


def wrongly_signed(request: Any, pair: str) -> bytes:
    """The Message-Authenticator is made with another secret, the Response Authenticator over it with the right one."""
    reply = packet.AuthPacket(packet.AccessAccept, request.id, b"another", request.authenticator)
    reply.add_message_authenticator()
    reply[(9, 1)] = [pair.encode()]
    reply._refresh_message_authenticator()
    reply.message_authenticator, reply.secret = None, SECRET
    data: bytes = reply.ReplyPacket()
    return data
