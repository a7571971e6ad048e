"""A hand-made mobile node: requests to a real home agent's port, signed or spoilt, and what comes back."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address

from mobileip.control.lab.daemons import KEY, SPI
from mobileip.control.lab.hosts import Host
from mobileip.control.lab.topology import HOME_ADDRESS, HOME_AGENT
from mobileip.control.security import Algorithm, MobilitySecurityAssociation, Secret, sign
from mobileip.control.types import REGISTRATION_PORT, Identification, Lifetime, Spi
from mobileip.control.wire import (
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    build,
    parse,
)

ASSOCIATION = MobilitySecurityAssociation(Spi(SPI), Secret(bytes.fromhex(KEY)), Algorithm.HMAC_MD5)


_ONE_UNIT = 0x1_0000  # of the fraction that Identification.from_wall leaves to entropy
_used = itertools.count(1)


def identification(seconds_off: float = 0.0) -> Identification:
    """A timestamp of now, or so many seconds away from it; never the same twice."""
    return Identification.from_wall(time.time_ns() + round(seconds_off * 1e9), next(_used) % _ONE_UNIT)


def request(care_of_address: IPv4Address) -> RegistrationRequest:
    """What a co-located node would send from ``care_of_address`` now."""
    return RegistrationRequest(
        home_address=HOME_ADDRESS.ip,
        home_agent=HOME_AGENT,
        care_of_address=care_of_address,
        identification=identification(),
        lifetime=Lifetime(30),
        flags=RequestFlags(decapsulation_by_mn=True, reverse_tunnel=True),
    )


def signed(message: RegistrationRequest, extra: bytes = b"") -> bytes:
    """The datagram, with ``extra`` bytes of extensions before the authenticator."""
    return sign(ASSOCIATION, build(message) + extra, MobileHomeAuthentication)


def another_key(message: RegistrationRequest) -> bytes:
    return sign(
        replace(ASSOCIATION, key=Secret(b"not the key at all")), build(message), MobileHomeAuthentication
    )


class Asker:
    """A UDP socket on some host."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._socket.settimeout(2.0)

    def send(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, (str(HOME_AGENT), REGISTRATION_PORT))

    def ask(self, datagram: bytes) -> RegistrationReply:
        """Send, and return the reply; TimeoutError without one."""
        self.send(datagram)
        reply = parse(self._socket.recv(2048))
        assert isinstance(reply, RegistrationReply)
        return reply

    def answers(self, within: float) -> list[RegistrationReply]:
        """What comes until nothing has come for so many seconds."""
        replies = []
        self._socket.settimeout(within)
        while True:
            try:
                reply = parse(self._socket.recv(2048))
            except TimeoutError:
                self._socket.settimeout(2.0)
                return replies
            assert isinstance(reply, RegistrationReply)
            replies.append(reply)

    def is_silent(self, datagram: bytes) -> bool:
        """Send ``datagram`` and then a request that is answered: whether the answer to that is the only one."""
        self.send(datagram)
        marker = another_key(request(IPv4Address("192.0.2.130")))
        reply = self.ask(marker)
        sent = parse(marker)
        return isinstance(sent, RegistrationRequest) and reply.identification == sent.identification


@contextmanager
def asker(host: Host) -> Iterator[Asker]:
    with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("0.0.0.0", 0))
        yield Asker(bound)
