"""The foreign agent under any sequence of events: it relays what it got and serves whom the home agent accepted."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

from mobileip.control.core.actions import (
    InstallTunnel,
    InstallVisitorRoute,
    RemoveTunnel,
    RemoveVisitorRoute,
    SendDatagram,
    ShareVisitorAddress,
)
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import ClearVisitor, DatagramReceived, Event, Tick, UnreachableReceived
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings, VisitedLink
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.core.visitor_room import fair_share
from mobileip.control.core.visitors import Visitor
from mobileip.control.security import AssociationTable, sign
from mobileip.control.types import Endpoint, Identification, Lifetime
from mobileip.control.wire import (
    EncapsulatingDelivery,
    Extension,
    ForeignHomeAuthentication,
    MobileForeignAuthentication,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    build,
)
from tests.fuzz.oracle import REPLY, REQUEST, Clock, is_signed, performed
from tests.fuzz.target import Choices, Target
from tests.unit.core.factory import (
    AGENT,
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    KEYED,
    NODE_MAC,
    OTHER_CARE_OF,
    OTHER_MAC,
    WRONG_ASSOCIATION,
    datagram,
    stamp,
)
from tests.unit.core.homes import FOREIGN
from tests.vectors.load import octets, vectors

_ZERO = IPv4Address(0)
_SECOND = IPv4Address("192.0.2.11")
_OTHER_AGENT = IPv4Address("198.18.0.1")
_MACS = (NODE_MAC, OTHER_MAC, b"\x02\0\0\0\0\x03")
_HOMES = (HOME, _SECOND, _ZERO, IPv4Address("10.9.9.9"), AGENT, IPv4Address("224.0.0.5"))
_HOME_AGENTS = (HOME_AGENT, _OTHER_AGENT, AGENT, _ZERO)
_LINKS = (VisitedLink("eth1", AGENT), VisitedLink("eth2", IPv4Address("203.0.114.1")))
_OWN = frozenset({CARE_OF, AGENT, _LINKS[1].address})
_PLAIN = ForeignAgentSettings(CARE_OF, _LINKS, Lifetime(300), _OWN, max_visitors=3, max_pending=6)
_STRICT = ForeignAgentSettings(
    CARE_OF,
    _LINKS,
    Lifetime(Lifetime.INFINITE),
    _OWN,
    reverse_tunnel=ReverseTunnelPolicy.REQUIRED,
    max_visitors=2,
    more_care_of_addresses=(AGENT,),
    nodes=AssociationTable([(HOME, ASSOCIATION)]),
    home_agents=AssociationTable([(HOME_AGENT, FOREIGN)]),
    encapsulating_delivery=True,
)
_BETWEEN_AGENTS = FOREIGN.key.reveal()


def foreign(data: bytes) -> None:
    choices = Choices(data)
    world = _World(choices.pick((_PLAIN, _STRICT)), choices)
    while choices:
        world.step()


class _World:
    def __init__(self, settings: ForeignAgentSettings, choices: Choices) -> None:
        self.settings = settings
        self.choices = choices
        self.clock = Clock()
        self.machine = ForeignAgent(settings)
        self.agents = MobilityAgents(home=None, foreign=self.machine, links=(), entropy=bytes)
        self.heard: list[DatagramReceived] = []
        self.open: Counter[tuple[bytes, bytes]] = (
            Counter()
        )  # link-layer address and Identification: to be answered
        self.tunnels: dict[IPv4Address, set[IPv4Address]] = {}
        self.routes: dict[
            IPv4Address, tuple[str, bytes] | frozenset[str]
        ] = {}  # or links of a shared address
        self.before: list[Visitor] = []

    def step(self) -> None:
        choices = self.choices
        match choices.number() % 10:
            case 0 | 1:
                self.clock.step(choices)
                self.tell(Tick())
                deadline = self.agents.next_deadline()
                assert deadline is None or deadline > self.clock.now.mono, "a deadline in the past"
            case 2 | 3 | 4:
                self.ask(self.request())
            case 5 | 6:
                self.answer()
            case 7:
                again = choices.pick(self.heard).payload if self.heard else b"\1"
                changed = bytearray(again or b"\1")
                changed[choices.number() % len(changed)] ^= choices.number()
                self.ask(bytes(changed))
            case 8:
                if choices.number() % 2:
                    self.tell(datagram(choices.some(), source=choices.pick(_HOME_AGENTS)))
                else:
                    self.ask(choices.some())
            case _:
                about = Endpoint(choices.pick(_HOME_AGENTS), 434)
                self.tell(
                    UnreachableReceived(about, choices.number() % 16)
                    if choices.number() % 2
                    else ClearVisitor(choices.pick(_HOMES))
                )

    def request(self) -> bytes:
        choices = self.choices
        before: list[Extension] = []
        if choices.number() % 4 == 1:
            before.append(NetworkAccessIdentifier(choices.mostly(("user@example.net", "other@example.net"))))
        message = RegistrationRequest(
            choices.mostly(_HOMES),
            choices.mostly((HOME_AGENT, _OTHER_AGENT, HOME_AGENT, AGENT, _ZERO)),
            choices.mostly((CARE_OF, CARE_OF, OTHER_CARE_OF, HOME, AGENT)),
            Identification(stamp(0).high, choices.number()),
            Lifetime(choices.mostly((60, 0, 1, 300, 301, 0xFFFF))),
            RequestFlags.from_int(
                choices.mostly((0x02, 0x00, 0x22, 0x20, 0x82)) ^ choices.mostly((0, 4, 8, 16))
            ),
            tuple(before),
        )
        payload = build(message)
        if choices.number() % 8 != 1:
            payload = sign(KEYED, payload, MobileHomeAuthentication)
        match choices.number() % 8:
            case 1 | 2:
                payload = sign(ASSOCIATION, payload, MobileForeignAuthentication)
            case 3:
                payload = sign(WRONG_ASSOCIATION, payload, MobileForeignAuthentication)
            case 4:
                payload += EncapsulatingDelivery().encode()
            case 5:
                payload += choices.some()
        return payload

    def ask(self, payload: bytes) -> None:
        choices = self.choices
        event = datagram(
            payload,
            source=choices.mostly((HOME, _SECOND, _ZERO)),
            destination=choices.mostly((AGENT, IPv4Address("224.0.0.11"))),
            interface=choices.mostly(("eth1", "eth2", "core")),
            ttl=choices.mostly((255, 64)),
            mac=choices.mostly((*_MACS, None)),
        )
        self.heard.append(event)
        self.tell(event)

    def answer(self) -> None:
        """A home agent's reply to a request that was heard, right or not."""
        choices = self.choices
        asked = choices.mostly(self.heard).payload if self.heard else b""
        if len(asked) < 24:
            return
        message = RegistrationReply(
            choices.mostly((0, 1, 0, 129, 64, 255)),
            Lifetime(choices.mostly((60, 0, 1, 0xFFFF))),
            choices.mostly((IPv4Address(asked[4:8]), IPv4Address(asked[4:8]), HOME, _SECOND, AGENT)),
            choices.mostly((IPv4Address(asked[8:12]), IPv4Address(asked[8:12]), HOME_AGENT, _ZERO)),
            Identification(int.from_bytes(asked[16:20]), int.from_bytes(asked[20:24])),
            (NetworkAccessIdentifier("user@example.net"),) if choices.number() % 4 == 1 else (),
        )
        payload = build(message)
        if choices.number() % 8 != 1:
            payload = sign(KEYED, payload, MobileHomeAuthentication)
        match choices.number() % 4:
            case 1 | 2:
                payload = sign(FOREIGN, payload, ForeignHomeAuthentication)
            case 3:
                payload = sign(WRONG_ASSOCIATION, payload, ForeignHomeAuthentication)
        source = choices.mostly(
            (IPv4Address(asked[8:12]), IPv4Address(asked[8:12]), HOME_AGENT, _OTHER_AGENT)
        )
        self.tell(datagram(payload, source=source, destination=CARE_OF))

    # ---- what must hold

    def tell(self, event: Event) -> None:
        if (
            isinstance(event, DatagramReceived)
            and event.payload[:1] == bytes((REQUEST,))
            and event.link_source
        ):
            self.open[event.link_source, event.payload[20:24]] += 1
        self.before = self.machine.visitors.visitors
        actions = self.agents.handle(event, self.clock.now)
        done, failed = performed(actions, self.choices)
        if failed is not None:
            done += self.agents.handle(failed, self.clock.now)
        for action in done:
            match action:
                case SendDatagram() if action.payload[0] == REQUEST:
                    self._relayed(action, event)
                case SendDatagram():
                    self._told(action, event)
                case InstallTunnel() | InstallVisitorRoute():
                    self._installed(action, event)
                case ShareVisitorAddress():
                    self.routes[action.home_address] = action.interfaces
                case RemoveTunnel(remote=None):
                    self.tunnels.pop(action.home_address, None)
                case RemoveTunnel():
                    self.tunnels[action.home_address].discard(action.remote)
                case RemoveVisitorRoute():
                    self.routes.pop(action.home_address, None)
        self._settled()

    def _relayed(self, action: SendDatagram, event: Event) -> None:
        assert isinstance(event, DatagramReceived) and event.payload[0] == REQUEST, "a request from nowhere"
        assert event.link_source is not None
        sent = action.payload
        own = sent[:-22] if is_signed(sent, 34, [_BETWEEN_AGENTS]) else sent
        assert event.payload.startswith(own) and len(own) >= 24 + 6
        assert action.destination == Endpoint(IPv4Address(event.payload[8:12]), 434)
        assert action.link_destination is None

    def _told(self, action: SendDatagram, event: Event) -> None:
        """A reply on the link: to one who asked and had no answer yet."""
        assert action.payload[0] == REPLY
        assert action.link_destination is not None and action.interface in ("eth1", "eth2")
        key = action.link_destination, action.payload[16:20]
        assert self.open[key] > 0, "a reply to no request"
        self.open[key] -= 1
        if not 64 <= action.payload[1] <= 127:
            assert isinstance(event, DatagramReceived) and event.payload[0] == REPLY, "a reply from nowhere"
            assert event.payload[:20] == action.payload[:20], "what the home agent said was changed"

    def _installed(self, action: InstallTunnel | InstallVisitorRoute, event: Event) -> None:
        home = action.home_address
        if isinstance(action, InstallVisitorRoute):
            self.routes[home] = action.interface, action.link_address
        else:
            self.tunnels[home] = {action.remote} | (self.tunnels.get(home, set()) if action.beside else set())
        if any(_is_of(action, one) for one in self.before):
            return  # as it was, beside another or alone again
        assert isinstance(event, DatagramReceived) and event.payload[0] == REPLY, (
            "served without the home agent"
        )
        reply = event.payload
        assert reply[1] in (0, 1) and reply[2:4] != b"\0\0" and action.home_address.packed == reply[4:8]
        asked = [
            one
            for one in self.heard
            if one.payload[20:24] == reply[16:20] and one.payload[8:12] == event.source.address.packed
        ]
        assert asked, "served without a request"
        assert action.home_address not in self.settings.own_addresses and not action.home_address.is_multicast
        if isinstance(action, InstallVisitorRoute):
            assert action.link_address in [one.link_source for one in asked]
        else:
            assert action.remote == event.source.address and self.settings.offers(action.local)
            assert action.place is None or action.place.link_address in [one.link_source for one in asked]
        if self.settings.home_agents and event.source.address == HOME_AGENT:
            assert is_signed(reply, 34, [_BETWEEN_AGENTS]), "served without the home agent's key"

    def _settled(self) -> None:
        settings, visitors = self.settings, self.machine.visitors
        assert visitors.pending_count() <= settings.max_pending
        assert visitors.visitor_count() <= settings.max_visitors
        served = [one for one in visitors.visitors if not one.co_located]
        of: dict[IPv4Address, list[Visitor]] = {}
        for one in served:
            of.setdefault(one.home_address, []).append(one)
        tunnels = {home: {one.home_agent for one in all_of} for home, all_of in of.items()}
        assert tunnels == self.tunnels, "visitors and tunnels"
        assert {home: _way(all_of) for home, all_of in of.items()} == self.routes, "visitors and routes"
        for all_of in of.values():
            assert len({one.link_address for one in all_of}) == len(all_of), "not to be told apart"
            assert len(all_of) == 1 or all(one.reverse_tunnel for one in all_of)
        for mac in _MACS:
            assert visitors.pending_of(mac) <= fair_share(settings.max_pending)
            assert visitors.visitors_of(mac) <= fair_share(settings.max_visitors)
        assert all(one.lifetime <= settings.max_lifetime for one in visitors.visitors)


def _is_of(action: InstallTunnel | InstallVisitorRoute, visitor: Visitor) -> bool:
    if action.home_address != visitor.home_address:
        return False
    where = action.place if isinstance(action, InstallTunnel) else action
    if where is not None and (where.interface, where.link_address) != (
        visitor.interface,
        visitor.link_address,
    ):
        return False
    return not isinstance(action, InstallTunnel) or action.remote == visitor.home_agent


def _way(visitors: list[Visitor]) -> tuple[str, bytes] | frozenset[str]:
    if len(visitors) > 1:
        return frozenset(one.interface for one in visitors)
    return visitors[0].interface, visitors[0].link_address


def _seeds() -> dict[str, bytes]:
    seeds = {
        f"raw {vector['name']}": bytes((0, 8, 0, len(octets(vector["hex"]))))
        + octets(vector["hex"])
        + bytes(6)
        for vector in vectors("registration")
    }
    ask, accept = bytes((2, *[0] * 17)), bytes((5, *[0] * 10))
    return seeds | {"visit": b"\0" + ask + accept, "visit with keys": b"\1" + ask + accept}


TARGETS = {"foreign": Target(foreign, _seeds, longest=512)}
