"""The mobile node under any sequence of events: it asks only with its key, and believes only the home agent's."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.core.actions import AdoptHomeAddress, Noted, SendDatagram, SendIcmp
from mobileip.control.core.events import (
    DatagramReceived,
    Event,
    IcmpReceived,
    LinkChanged,
    Started,
    Stopping,
    Tick,
)
from mobileip.control.core.mobile import MobileNode, MobileNodeSettings, State
from mobileip.control.reasons import Reason
from mobileip.control.security import MobilitySecurityAssociation, ReplayMethod, sign
from mobileip.control.types import Identification, Lifetime
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentFlags,
    ForeignAgentError,
    MobileForeignAuthentication,
    MobileHomeAuthentication,
    MobilityAgentAdvertisement,
    NetworkAccessIdentifier,
    PrefixLengths,
    RegistrationReply,
    RouterAddress,
    build,
    build_icmp,
)
from tests.fuzz.oracle import REPLY, REQUEST, Clock, is_signed, performed
from tests.fuzz.target import Choices, Target
from tests.unit.core.factory import (
    AGENT,
    AGENT_MAC,
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_INTERFACE,
    OTHER_CARE_OF,
    OTHER_MAC,
    WRONG_ASSOCIATION,
    datagram,
)
from tests.unit.core.test_mobile import Draws
from tests.vectors.load import octets, vectors

_ZERO = IPv4Address(0)
_SECOND_AGENT = IPv4Address("203.0.113.2")
_ADDRESSES = (
    (),
    (IPv4Interface("203.0.113.77/24"),),
    (HOME_INTERFACE,),
    (IPv4Interface("10.0.0.5/24"), IPv4Interface("203.0.113.77/24")),
)
_PLAIN = MobileNodeSettings(HOME_INTERFACE, HOME_AGENT, ASSOCIATION, ("eth0",), Lifetime(100))
_NONCES = MobilitySecurityAssociation(ASSOCIATION.spi, ASSOCIATION.key, replay=ReplayMethod.NONCES)
_SETTINGS = (
    _PLAIN,
    replace(_PLAIN, interfaces=("eth0", "eth1"), simultaneous=True, lifetime=Lifetime(Lifetime.INFINITE)),
    replace(_PLAIN, home_address=None, nai="user@example.net"),
    replace(_PLAIN, association=_NONCES, interfaces=("eth1", "eth0"), agents=(_SECOND_AGENT,)),
    replace(_PLAIN, home_agent=None, foreign_agents={AGENT: WRONG_ASSOCIATION}, co_located=False),
)
_KEY = (ASSOCIATION.key.reveal(),)
_ACCEPTED = {Reason.REGISTERED, Reason.REGISTERED_NO_SIMULTANEOUS, Reason.DEREGISTERED}


def mobile(data: bytes) -> None:
    choices = Choices(data)
    world = _World(choices.pick(_SETTINGS), choices)
    world.tell(Started())
    while choices and world.machine.state is not State.STOPPED:
        world.step()


class _World:
    def __init__(self, settings: MobileNodeSettings, choices: Choices) -> None:
        self.settings = settings
        self.choices = choices
        self.clock = Clock()
        self.machine = MobileNode(settings, Draws())
        self.sent: list[bytes] = []
        self.by_identification: dict[bytes, bytes] = {}

    def step(self) -> None:
        choices = self.choices
        match choices.number() % 16:
            case 0 | 1 | 2:
                link = choices.pick(("eth0", "eth0", "eth1", "eth9"))
                gateway = choices.pick((AGENT, None))
                self.tell(LinkChanged(link, choices.number() % 4 != 1, choices.pick(_ADDRESSES), gateway))
            case 3 | 4 | 5:
                self.tell(self.icmp(self.advertisement()))
            case 6:
                self.tell(self.icmp(choices.some()))
            case 7 | 8 | 9:
                self.answer()
            case 10:
                self.hear(choices.some())
            case 11:
                self.clock.set_by += (choices.number() - 128) * 3600 * 10**9
            case 12:
                if choices.number() == 1:
                    self.tell(Stopping())
            case 13:
                self.clock.step(choices)
                self.tick()
            case _:
                self.until_deadline()

    def until_deadline(self) -> None:
        deadline = self.machine.next_deadline()
        if deadline is not None:
            self.clock.passed += max(0, deadline - self.clock.now.mono)
            self.tick()

    def tick(self) -> None:
        self.tell(Tick())
        deadline = self.machine.next_deadline()
        assert deadline is None or deadline > self.clock.now.mono, "a deadline in the past"

    def icmp(self, payload: bytes) -> IcmpReceived:
        choices = self.choices
        source = choices.mostly((AGENT, AGENT, _SECOND_AGENT, HOME_AGENT, HOME, _ZERO))
        link = choices.mostly(("eth0", "eth0", "eth1", "eth9"))
        return IcmpReceived(
            payload, source, IPv4Address("224.0.0.1"), link, choices.mostly((AGENT_MAC, OTHER_MAC))
        )

    def advertisement(self) -> bytes:
        choices = self.choices
        flags = AgentFlags.from_int(choices.mostly((0x1100, 0x1000, 0x9100, 0x2000, 0x3000, 0x5100, 0x1F00)))
        care_of = choices.mostly(((CARE_OF,), (CARE_OF, OTHER_CARE_OF), (HOME,)))
        extension = MobilityAgentAdvertisement(
            choices.number(),
            Lifetime(choices.mostly((300, 1, 0, 0xFFFF))),
            flags,
            care_of if flags.foreign_agent else (),
        )
        routers = choices.mostly(((), (RouterAddress(AGENT),), (RouterAddress(HOME_AGENT, -5),)))
        lengths = (PrefixLengths((choices.number() % 33,)),) if routers and choices.number() % 2 else ()
        return build_icmp(AgentAdvertisement(choices.mostly((3, 0, 1, 9000)), (extension, *lengths), routers))

    def answer(self) -> None:
        """A reply to a request that was sent, right or not."""
        choices = self.choices
        if not self.sent:
            return
        asked = self.sent[-1] if choices.number() % 4 else choices.mostly(self.sent)
        code = choices.mostly((0, 1, 133, 69, 136, 74, 75, 79, 88, 137, 138, 131, 116, choices.number()))
        given = choices.mostly((IPv4Address(asked[4:8]), IPv4Address(asked[4:8]), HOME, OTHER_CARE_OF))
        message = RegistrationReply(
            code,
            Lifetime(choices.mostly((100, 0, 1, 60, 0xFFFE, 0xFFFF))),
            given,
            choices.mostly((HOME_AGENT, HOME_AGENT, _ZERO, AGENT, IPv4Address("192.0.2.255"))),
            Identification(
                choices.mostly(
                    (int.from_bytes(asked[16:20]), int.from_bytes(asked[16:20]), choices.number(4))
                ),
                int.from_bytes(asked[20:24]) ^ choices.mostly((0, 0, 0, 1)),
            ),
            (NetworkAccessIdentifier("user@example.net"),) if choices.number() % 2 else (),
        )
        payload = build(message)
        match choices.number() % 4:
            case 0 | 1:
                payload = sign(ASSOCIATION, payload, MobileHomeAuthentication)
            case 2:
                payload = sign(WRONG_ASSOCIATION, payload, MobileHomeAuthentication)
        match choices.number() % 8:
            case 1 | 2:
                payload = sign(WRONG_ASSOCIATION, payload, MobileForeignAuthentication)
            case 3:
                payload += ForeignAgentError(66).encode()
            case 4:
                payload += choices.some()
        self.hear(payload)

    def hear(self, payload: bytes) -> None:
        source = self.choices.mostly((AGENT, HOME_AGENT, _SECOND_AGENT))
        link = self.choices.mostly(("eth0", "eth0", "eth1"))
        self.tell(datagram(payload, source=source, destination=HOME, interface=link))

    # ---- what must hold

    def tell(self, event: Event) -> None:
        before = self.machine.registration, self.machine.clock_offset, self.machine.home_address
        actions = self.machine.handle(event, self.clock.now)
        done, failed = performed(actions, self.choices)
        if failed is not None:
            done += self.machine.handle(failed, self.clock.now)
        authentic = self._is_authentic(event)
        for action in done:
            match action:
                case SendDatagram():
                    self._asked(action)
                case SendIcmp():
                    assert action.payload[0] == 10, "a mobile node does not advertise"
                case AdoptHomeAddress():
                    assert authentic, "a home address from somebody without the key"
                case Noted():
                    assert action.reason not in _ACCEPTED or authentic, (
                        "accepted without the home agent's key"
                    )
        assert isinstance(self.machine.state, State)
        after = self.machine.registration, self.machine.clock_offset, self.machine.home_address
        if after[0] is not None and after[0] is not before[0]:
            assert authentic and isinstance(event, DatagramReceived), (
                "registered without the home agent's key"
            )
            assert event.payload[1] in (0, 1)
        if isinstance(event, DatagramReceived) and not authentic:
            assert after[1:] == before[1:], "learnt from somebody without the key"

    def _is_authentic(self, event: Event) -> bool:
        """A reply by the home agent to something that we asked."""
        if not isinstance(event, DatagramReceived) or event.payload[:1] != bytes((REPLY,)):
            return False
        asked = {payload[20:24] for payload in self.sent}
        return event.payload[16:20] in asked and is_signed(event.payload, 32, _KEY)

    def _asked(self, action: SendDatagram) -> None:
        payload = action.payload
        assert payload[0] == REQUEST and is_signed(payload, 32, _KEY), "a request without our key"
        known = self.by_identification.setdefault(payload[16:24], payload)
        assert known == payload, "two requests with one Identification"
        self.sent.append(payload)


def _seeds() -> dict[str, bytes]:
    seeds = {
        f"raw {vector['name']}": bytes((0, 0, 10, len(octets(vector["hex"]))))
        + octets(vector["hex"])
        + bytes(3)
        for vector in vectors("registration")
    }
    for vector in vectors("advertisement"):
        data = octets(vector["hex"])
        seeds[f"raw {vector['name']}"] = bytes((0, 0, 0, 0, 0, 0, 0, 0, 6, len(data))) + data + bytes(4)
    up, advert, accept = bytes((0, 0, 0, 0, 0, 0)), bytes((3, *[0] * 10)), bytes((7, *[0] * 14))
    moved = {"visit": up + advert + accept, "renew": up + advert + accept + bytes((14, 0)) + accept}
    return seeds | {name: bytes((at, 0)) + data for name, data in moved.items() for at in range(1)}


TARGETS = {"mobile": Target(mobile, _seeds, longest=512)}
