"""A visitor with an accomplice who plays its home agent: it is given nothing that is meant for others."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, FOREIGN1, HOME_AGENT
from mobileip.control.lab.waiting import eventually
from mobileip.control.security import sign
from mobileip.control.types import REGISTRATION_PORT, Lifetime
from mobileip.control.wire import MobileHomeAuthentication, RegistrationRequest, RequestFlags, build
from tests.attacks.state import State, reasons, works
from tests.attacks.test_floods import Frames, mac
from tests.netns.foreign.visiting import NODE_HOME, home_agent, identification, ip, reply

pytestmark = pytest.mark.netns

AGENT, UDP = FOREIGN1.router.ip, 17
ROUTER = FOREIGN1.uplink.ip - 1  # of the foreign agent, towards everything


def asks(home_address: IPv4Address) -> bytes:
    """A packet that asks the accomplice to have the foreign agent route ``home_address`` to the sender."""
    message = RegistrationRequest(
        home_address, CORRESPONDENT, AGENT, identification(), Lifetime(60), RequestFlags()
    )
    payload = sign(NODE_HOME, build(message), MobileHomeAuthentication)
    port = REGISTRATION_PORT
    datagram = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
    return ip(home_address, AGENT, UDP, datagram, ttl=255)


@pytest.mark.parametrize("address", [HOME_AGENT, ROUTER], ids=["home agent", "router"])
def test_nobody_takes_what_others_need(away: Lab, address: IPv4Address) -> None:
    """The home agent of another visitor, through which that is reached, and the router, through which everybody is."""
    before, refused = State.of(away.foreign1), reasons(away.foreign1)["fa-prohibited"]
    with Frames(away) as link:

        def denied() -> bool:
            link.send(
                link.agent, mac(7), asks(address)
            )  # again: a bridge's new port does not forward at once
            return reasons(away.foreign1)["fa-prohibited"] > refused

        eventually(denied, every=0.1)
    assert State.of(away.foreign1) == before
    works(away)


def test_what_nobody_needs_it_may_have(away: Lab) -> None:
    """That the accomplice serves it otherwise: what is refused above is refused for its address."""
    address = CORRESPONDENT + 7
    with Frames(away) as link, home_agent(away) as accomplice:

        def visits() -> bool:
            link.send(link.agent, mac(7), asks(address))
            payload, (source, _) = accomplice.datagram()
            accomplice.send(reply(payload), IPv4Address(source))
            return str(address) in [row["home_address"] for row in away.foreign1.show("visitors")]

        eventually(visits, every=0.1)
    works(away)
