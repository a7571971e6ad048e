"""Messages, events and moments for the tests of the cores. Addresses are from the documentation ranges."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TypeVar

from mobileip.control.core.actions import Action, Noted, SendDatagram, SendIcmp
from mobileip.control.core.events import DatagramReceived, IcmpReceived
from mobileip.control.reasons import Reason
from mobileip.control.security import Algorithm, MobilitySecurityAssociation, Secret, sign, verify
from mobileip.control.types import (
    REGISTRATION_PORT,
    Endpoint,
    Identification,
    Instant,
    Lifetime,
    Spi,
    seconds,
)
from mobileip.control.wire import (
    AdvertisedChallenge,
    AgentAdvertisement,
    AgentFlags,
    AgentSolicitation,
    Extension,
    MobileHomeAuthentication,
    MobilityAgentAdvertisement,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    RouterAddress,
    build,
    build_icmp,
    parse,
    parse_icmp,
)

HOME_NETWORK = IPv4Network("192.0.2.0/24")
HOME_AGENT = IPv4Address("192.0.2.1")
HOME = IPv4Address("192.0.2.10")
HOME_INTERFACE = IPv4Interface("192.0.2.10/24")
CARE_OF = IPv4Address("198.51.100.11")
OTHER_CARE_OF = IPv4Address("198.51.100.12")
AGENT = IPv4Address("203.0.113.1")  # the foreign agent on its visited link
AGENT_MAC = b"\x02\x00\x00\x00\x00\x0a"
NODE_MAC = b"\x02\x00\x00\x00\x00\x01"
OTHER_MAC = b"\x02\x00\x00\x00\x00\x02"
SPI = Spi(1000)
ASSOCIATION = MobilitySecurityAssociation(SPI, Secret(b"0123456789abcdef"))
WRONG_ASSOCIATION = MobilitySecurityAssociation(SPI, Secret(b"fedcba9876543210"))
KEYED = MobilitySecurityAssociation(Spi(1001), Secret(b"another key"), Algorithm.KEYED_MD5)

REVERSE = RequestFlags(reverse_tunnel=True)
WALL = 1_800_000_000 * 10**9
A = TypeVar("A", bound=Action)


def at(time: float) -> Instant:
    """The moment ``time`` seconds after the test began."""
    return Instant(seconds(1000 + time), WALL + seconds(time))


def mono(time: float) -> int:
    return at(time).mono


def stamp(time: float) -> Identification:
    """A timestamp by a clock that is right; the low half differs from tenth to tenth of a second."""
    return Identification.from_wall(at(time).wall, round(time * 10) & 0xFFFF)


def request(
    time: float = 0.0,
    *,
    home_address: IPv4Address = HOME,
    home_agent: IPv4Address = HOME_AGENT,
    care_of: IPv4Address = CARE_OF,
    lifetime: int = 100,
    flags: RequestFlags = REVERSE,
    before: tuple[Extension, ...] = (),
    after: tuple[Extension, ...] = (),
    identification: Identification | None = None,
    association: MobilitySecurityAssociation | None = ASSOCIATION,
) -> bytes:
    """A request; ``association`` None leaves it without authentication."""
    message = RegistrationRequest(
        home_address,
        home_agent,
        care_of,
        stamp(time) if identification is None else identification,
        Lifetime(lifetime),
        flags,
        before,
    )
    payload = build(message)
    if association is not None:
        payload = sign(association, payload, MobileHomeAuthentication)
    return payload + b"".join(extension.encode() for extension in after)


def reply(
    code: int = 1,
    *,
    to: bytes,
    lifetime: int = 100,
    home_agent: IPv4Address = HOME_AGENT,
    identification: Identification | None = None,
    before: tuple[Extension, ...] = (),
    after: tuple[Extension, ...] = (),
    association: MobilitySecurityAssociation | None = ASSOCIATION,
) -> bytes:
    """A reply to the request ``to``."""
    asked = parse(to)
    assert isinstance(asked, RegistrationRequest)
    message = RegistrationReply(
        code,
        Lifetime(lifetime),
        asked.home_address,
        home_agent,
        asked.identification if identification is None else identification,
        before,
    )
    payload = build(message)
    if association is not None:
        payload = sign(association, payload, MobileHomeAuthentication)
    return payload + b"".join(extension.encode() for extension in after)


def datagram(
    payload: bytes,
    *,
    source: IPv4Address = CARE_OF,
    port: int = REGISTRATION_PORT,
    destination: IPv4Address = HOME_AGENT,
    interface: str = "core",
    ttl: int = 64,
    mac: bytes | None = None,
) -> DatagramReceived:
    return DatagramReceived(
        payload, Endpoint(source, port), Endpoint(destination, REGISTRATION_PORT), interface, ttl, mac
    )


def advertisement(
    sequence: int = 0,
    *,
    source: IPv4Address = AGENT,
    mac: bytes = AGENT_MAC,
    interface: str = "eth0",
    home: bool = False,
    foreign: bool = True,
    reverse_tunnel: bool = True,
    required: bool = False,
    busy: bool = False,
    care_of: tuple[IPv4Address, ...] = (CARE_OF,),
    lifetime: int = 3,
    registration_lifetime: int = 300,
    routers: tuple[IPv4Address, ...] = (),
    minimal: bool = False,
    gre: bool = False,
    challenge: bytes | None = None,
) -> IcmpReceived:
    flags = AgentFlags(
        registration_required=required,
        busy=busy,
        home_agent=home,
        foreign_agent=foreign,
        minimal=minimal,
        gre=gre,
        reverse_tunnel=reverse_tunnel,
    )
    mobility = MobilityAgentAdvertisement(
        sequence, Lifetime(registration_lifetime), flags, care_of if foreign else ()
    )
    told = () if challenge is None else (AdvertisedChallenge(challenge),)
    message = AgentAdvertisement(lifetime, (mobility, *told), tuple(map(RouterAddress, routers)))
    return IcmpReceived(build_icmp(message), source, IPv4Address("224.0.0.1"), interface, mac)


def home_advertisement(sequence: int = 0, lifetime: int = 3) -> IcmpReceived:
    return advertisement(
        sequence,
        source=HOME_AGENT,
        mac=b"\x02\x00\x00\x00\x00\xff",
        home=True,
        foreign=False,
        lifetime=lifetime,
    )


def solicitation(source: IPv4Address = HOME, mac: bytes = NODE_MAC, interface: str = "eth1") -> IcmpReceived:
    return IcmpReceived(build_icmp(AgentSolicitation()), source, IPv4Address("224.0.0.2"), interface, mac)


# ---- reading what a machine did


def kinds(actions: Iterable[Action]) -> list[str]:
    """Names of the actions' classes in their order, without notes."""
    return [type(action).__name__ for action in actions if not isinstance(action, Noted)]


def reasons(actions: Iterable[Action]) -> list[Reason]:
    return [action.reason for action in actions if isinstance(action, Noted)]


def note(actions: Iterable[Action], reason: Reason) -> Noted:
    (found,) = [action for action in actions if isinstance(action, Noted) and action.reason is reason]
    return found


def only(actions: Iterable[Action], kind: type[A]) -> A:
    (found,) = [action for action in actions if isinstance(action, kind)]
    return found


def none(actions: Iterable[Action], kind: type[Action]) -> bool:
    return not any(isinstance(action, kind) for action in actions)


def sent_reply(actions: Iterable[Action]) -> RegistrationReply:
    """The one reply among the actions."""
    message = parse(only(actions, SendDatagram).payload)
    assert isinstance(message, RegistrationReply)
    return message


def sent_request(actions: Iterable[Action]) -> RegistrationRequest:
    message = parse(only(actions, SendDatagram).payload)
    assert isinstance(message, RegistrationRequest)
    return message


def sent_advertisement(actions: Iterable[Action]) -> AgentAdvertisement:
    message = parse_icmp(only(actions, SendIcmp).payload)
    assert isinstance(message, AgentAdvertisement)
    return message


def is_signed(
    message: RegistrationReply | RegistrationRequest,
    association: MobilitySecurityAssociation = ASSOCIATION,
) -> bool:
    extension = message.first(MobileHomeAuthentication)
    return extension is not None and verify(association, message, extension)
