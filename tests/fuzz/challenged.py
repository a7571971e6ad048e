"""The laboratory of :mod:`.daemons` with challenges and proofs (RFC 4721), and hostile messages about these.

The foreign agent challenges and has its own RADIUS server verify proofs, the home agent has another one do it, and the
node answers by a password. The hostile ones hear the challenges of the link, as everybody there does.
"""

from __future__ import annotations

import socket
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    CORRESPONDENT,
    FOREIGN1,
    HOME,
    HOME_ADDRESS,
    HOME_AGENT,
    NEIGHBOUR,
    NODE_INTERFACE,
)
from mobileip.control.security import MobilitySecurityAssociation, Secret, sign, sign_for_aaa
from mobileip.control.types import Lifetime, Spi
from mobileip.control.wire import (
    AdvertisedChallenge,
    AgentAdvertisement,
    MobileForeignAuthentication,
    MobileForeignChallenge,
    RegistrationReply,
    WireError,
    build,
    build_icmp,
    parse_icmp,
)
from tests.netns.aaa.freeradius import SECRET, FreeRadius, password
from tests.netns.foreign.visiting import link_address
from tests.netns.roles.asking import another_key, identification, request

_PASSWORD: Final = "what the AAA servers know of the node"
_ICMP: Final = 1
_STRANGER: Final = MobilitySecurityAssociation(Spi(300), Secret(b"of nobody here"))
_DENIALS: Final = (104, 105, 106, 108, 109, 144)


def start_servers(lab: Lab) -> None:
    """The RADIUS servers, and what the daemons, which do not run yet, are configured with to use them."""
    known = [password(HOME_ADDRESS.ip, _PASSWORD)]
    FreeRadius(lab.correspondent.namespace, lab.processes, CORRESPONDENT, FOREIGN1.uplink.ip).start(known)
    FreeRadius(lab.neighbour.namespace, lab.processes, NEIGHBOUR, HOME.router.ip).start(known)
    lab.foreign1.configuration["foreign_agent"] |= {
        "challenge": {"interval": 0.5},
        "aaa": {"servers": [{"address": str(CORRESPONDENT), "secret": SECRET}]},
    }
    lab.home.configuration["home_agent"]["aaa"] = {"servers": [{"address": str(NEIGHBOUR), "secret": SECRET}]}
    lab.node.configuration["mobile_node"]["aaa"] = {"secret": _PASSWORD}


class Told:
    """What foreign1 tells its link, heard where the node is; to be asked often, as nothing waits for long."""

    def __init__(self, lab: Lab) -> None:
        self._agent = bytes.fromhex(link_address(lab.foreign1.namespace).replace(":", ""))
        self._socket = lab.node.namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        self._socket.bind((NODE_INTERFACE, 0x0800))
        self._socket.setblocking(False)
        self.challenge = bytes(16)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def hear(self) -> bytes:
        """The challenge advertised last."""
        while True:
            try:
                packet, (_, _, _, _, station) = self._socket.recvfrom(2048)
            except BlockingIOError:
                return self.challenge
            if station != self._agent or packet[9] != _ICMP:
                continue
            try:
                message = parse_icmp(packet[20:])
            except WireError:
                continue
            if isinstance(message, AgentAdvertisement):
                told = (one.challenge for one in message.extensions if isinstance(one, AdvertisedChallenge))
                self.challenge = next(told, self.challenge)


def answers(challenge: bytes) -> list[bytes]:
    """Requests that answer it, by right and wrong proofs and none, and replies that tell another or deny it.

    None is signed with the node's key: what a home agent accepts of them was an attack that had come off.
    """
    asked = request(FOREIGN1.router.ip)
    asked = replace(asked, flags=replace(asked.flags, decapsulation_by_mn=False))
    answer = MobileForeignChallenge(challenge).encode()
    right, wrong = Secret(_PASSWORD.encode()), Secret(b"another password")
    denials = [
        build(RegistrationReply(code, Lifetime(60), HOME_ADDRESS.ip, HOME_AGENT, identification())) + answer
        for code in (0, *_DENIALS)
    ]
    return [
        sign_for_aaa(right, another_key(asked) + answer, challenge),
        sign_for_aaa(wrong, another_key(asked) + answer, challenge),
        sign_for_aaa(right, another_key(asked), None),
        sign_for_aaa(right, another_key(replace(asked, lifetime=Lifetime(0))) + answer, challenge),
        sign(_STRANGER, another_key(asked) + answer, MobileForeignAuthentication),
        another_key(asked) + answer,
        *denials,
    ]


def challenging(advertisement: AgentAdvertisement, challenge: bytes) -> list[bytes]:
    """The advertisement with the challenge of the link, and with others of several lengths."""
    return [
        build_icmp(replace(advertisement, extensions=(*advertisement.extensions, AdvertisedChallenge(one))))
        for one in (challenge, bytes(16), bytes(1), bytes(range(255)))
    ]
