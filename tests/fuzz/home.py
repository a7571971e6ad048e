"""The home agent under any sequence of events: no binding without the key of its node, replies to requests only."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from mobileip.control.core.actions import Action, InstallTunnel, RemoveTunnel, SendDatagram
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import ClearBinding, DatagramReceived, Event, Started, Tick
from mobileip.control.core.home import HomeAgent, HomeAgentSettings, HomeNetwork
from mobileip.control.security import (
    AssociationTable,
    MobilitySecurityAssociation,
    ReplayMethod,
    Secret,
    sign,
)
from mobileip.control.types import Identification, Lifetime, Spi
from mobileip.control.wire import (
    ForeignHomeAuthentication,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationRequest,
    RequestFlags,
    build,
)
from tests.fuzz.oracle import REPLY, REQUEST, Clock, is_signed, performed
from tests.fuzz.target import Choices, Target
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_NETWORK,
    NODE_MAC,
    OTHER_CARE_OF,
    WRONG_ASSOCIATION,
    datagram,
)
from tests.unit.core.homes import AGENTS, FOREIGN, POOL
from tests.vectors.load import octets, vectors

_ZERO = IPv4Address(0)
_SECOND = IPv4Address("192.0.2.11")
_NAMED = "user@example.net"
_NONCES = MobilitySecurityAssociation(Spi(1002), Secret(b"of the second one"), replay=ReplayMethod.NONCES)
_BY_NAME = MobilitySecurityAssociation(Spi(1003), Secret(b"of the named node"))
_NODES = AssociationTable([(HOME, ASSOCIATION), (_SECOND, _NONCES), (_NAMED, _BY_NAME)])
_KEYS = {one.spi: one.key.reveal() for one in (ASSOCIATION, _NONCES, _BY_NAME)}
_HOMES = (HOME, _SECOND, _ZERO, IPv4Address("192.0.2.129"), IPv4Address("10.9.9.9"), HOME_AGENT)
_CARE_OF = (
    CARE_OF,
    OTHER_CARE_OF,
    HOME,
    _SECOND,
    _ZERO,
    IPv4Address("192.0.2.129"),
    IPv4Address("224.0.0.1"),
)
_NETWORK = HomeNetwork(HOME_NETWORK, "home0", POOL)
_SETTINGS = (
    HomeAgentSettings(HOME_AGENT, (_NETWORK,), _NODES, Lifetime(1000)),
    HomeAgentSettings(
        HOME_AGENT,
        (replace(_NETWORK, interface=None),),
        _NODES,
        Lifetime(60),
        max_bindings=1,
        foreign_agents=AGENTS,
    ),
    HomeAgentSettings(
        HOME_AGENT, (_NETWORK,), _NODES, Lifetime(Lifetime.INFINITE), max_simultaneous=3, broadcasts=True
    ),
)


def home(data: bytes) -> None:
    choices = Choices(data)
    world = _World(choices.pick(_SETTINGS), choices)
    world.tell(Started())
    while choices:
        world.step()


class _World:
    def __init__(self, settings: HomeAgentSettings, choices: Choices) -> None:
        self.settings = settings
        self.choices = choices
        self.clock = Clock()
        self.machine = HomeAgent(settings)
        self.agents = MobilityAgents(home=self.machine, foreign=None, links=(), entropy=bytes)
        self.tunnels: dict[IPv4Address, set[IPv4Address]] = {}
        self.sent: list[bytes] = []
        self.replies: list[bytes] = []
        self.used: set[tuple[int, bytes]] = set()  # SPI and Identification of what was accepted

    def step(self) -> None:
        choices = self.choices
        match choices.number() % 10:
            case 0 | 1:
                self.clock.step(choices)
                self.tell(Tick())
                deadline = self.agents.next_deadline()
                assert deadline is None or deadline > self.clock.now.mono, "a deadline in the past"
            case 2 | 3 | 4 | 5:
                self.hear(self.request())
            case 6:
                self.hear(choices.pick(self.sent) if self.sent else b"")
            case 7:
                changed = bytearray(choices.pick(self.sent) if self.sent else b"\1")
                changed[choices.number() % len(changed)] ^= choices.number()
                self.hear(bytes(changed))
            case 8:
                self.hear(choices.some())
            case _:
                which = choices.pick((None, CARE_OF, OTHER_CARE_OF))
                self.tell(ClearBinding(choices.pick(_HOMES), which))

    def request(self) -> bytes:
        choices = self.choices
        key = choices.mostly((ASSOCIATION, _NONCES, _BY_NAME, WRONG_ASSOCIATION))
        named = choices.number() % 4 == 1
        message = RegistrationRequest(
            choices.mostly(_HOMES),
            choices.mostly((HOME_AGENT, HOME_AGENT, _ZERO, HOME_NETWORK.broadcast_address)),
            choices.mostly(_CARE_OF),
            self.identification(),
            Lifetime(choices.mostly((60, 0, 1, 1000, 0xFFFE, 0xFFFF))),
            RequestFlags.from_int(choices.mostly((0x82, choices.number()))),
            (NetworkAccessIdentifier(choices.mostly((_NAMED, "nobody", "USER@example.NET"))),)
            if named
            else (),
        )
        payload = sign(key, build(message), MobileHomeAuthentication)
        match choices.number() % 8:
            case 1:
                payload = sign(FOREIGN, payload, ForeignHomeAuthentication)
            case 2:
                payload = sign(WRONG_ASSOCIATION, payload, ForeignHomeAuthentication)
            case 3:
                payload = sign(key, payload, MobileHomeAuthentication)
            case 4:
                payload += choices.some()
        self.sent.append(payload)
        return payload

    def identification(self) -> Identification:
        """By the clock, near it, far from it, or the nonce that the last reply told."""
        choices, low = self.choices, self.choices.number(2)
        match choices.number() % 6:
            case 0 | 1 | 2:
                return Identification.from_wall(self.clock.now.wall, low)
            case 3:
                return Identification.from_wall(self.clock.now.wall + (choices.number() - 128) * 10**8, low)
            case 4 if self.replies:
                return Identification(int.from_bytes(choices.pick(self.replies)[12:16]), low)
            case _:
                return Identification(choices.number(4), low)

    def hear(self, payload: bytes) -> None:
        choices = self.choices
        source = choices.mostly((CARE_OF, OTHER_CARE_OF, HOME, _ZERO, _SECOND))
        destination = choices.mostly(
            (HOME_AGENT, HOME_AGENT, HOME_NETWORK.broadcast_address, IPv4Address("255.255.255.255"))
        )
        link = choices.mostly(("core", "home0"))
        mac = NODE_MAC if link == "home0" else None
        self.tell(datagram(payload, source=source, destination=destination, interface=link, mac=mac))

    # ---- what must hold

    def tell(self, event: Event) -> None:
        bindings = list(self.machine.bindings)
        actions = self.agents.handle(event, self.clock.now)
        done, failed = performed(actions, self.choices)
        if failed is not None:
            done += self.agents.handle(failed, self.clock.now)
        payload = event.payload if isinstance(event, DatagramReceived) else b""
        authentic = payload[:1] == bytes((REQUEST,)) and is_signed(payload, 32, _KEYS.values())
        for action in done:
            self._done(action)
            if isinstance(action, InstallTunnel):
                assert authentic, "a tunnel without the node's key"
                assert action.remote.packed == payload[12:16], "a tunnel to where nobody asked for"
        replies = [action for action in done if isinstance(action, SendDatagram)]
        assert len(replies) <= (1 if isinstance(event, DatagramReceived) else 0), "a reply to no request"
        for reply in replies:
            assert isinstance(event, DatagramReceived)
            self._reply(reply, event, authentic)
        if not authentic and not isinstance(event, Tick | ClearBinding):
            assert list(self.machine.bindings) == bindings, "bindings changed by somebody without the key"
        self._settled()

    def _reply(self, reply: SendDatagram, event: DatagramReceived, authentic: bool) -> None:
        payload, asked = reply.payload, event.payload
        self.replies.append(payload)
        assert asked[0] == REQUEST and payload[0] == REPLY
        assert payload[16:20] == asked[20:24], "the low half of the Identification differs"
        assert is_signed(payload, 32, _KEYS.values())
        assert reply.destination == event.source or event.source.address == _ZERO
        if payload[1] > 8:
            assert payload[1] >= 128
            return
        assert authentic, "accepted without the node's key"
        assert payload[2:4] <= asked[2:4], "granted more than was asked"
        used = int.from_bytes(payload[-20:-16]), payload[4:8] + asked[16:24]
        assert used not in self.used, "the same request accepted twice"
        self.used.add(used)

    def _done(self, action: Action) -> None:
        match action:
            case InstallTunnel(beside=True):
                self.tunnels.setdefault(action.home_address, set()).add(action.remote)
            case InstallTunnel():
                self.tunnels[action.home_address] = {action.remote}
            case RemoveTunnel(remote=None):
                self.tunnels.pop(action.home_address, None)
            case RemoveTunnel():
                left = self.tunnels.get(action.home_address, set()) - {action.remote}
                self.tunnels[action.home_address] = left
                if not left:
                    del self.tunnels[action.home_address]

    def _settled(self) -> None:
        bound: dict[IPv4Address, set[IPv4Address]] = {}
        for binding in self.machine.bindings:
            bound.setdefault(binding.home_address, set()).add(binding.care_of_address)
            assert binding.lifetime <= self.settings.max_lifetime
        assert bound == self.tunnels, "bindings and tunnels"
        assert len(bound) <= self.settings.max_bindings
        assert all(len(remotes) <= self.settings.max_simultaneous for remotes in bound.values())


def _seeds() -> dict[str, bytes]:
    """Raw messages behind the instruction to hear them, and a few plain histories."""
    seeds = {
        f"raw {vector['name']}": bytes((0, 0, 8, len(octets(vector["hex"]))))
        + octets(vector["hex"])
        + bytes(4)
        for vector in vectors("registration")
    }
    ask = bytes((2, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0x02, 0, 0, 0, 0, 0))
    return seeds | {
        "register": bytes((0, 0)) + ask,
        "register and expire": bytes((0, 0)) + ask + bytes((0, 3, 9, 0)) + ask,
    }


TARGETS = {"home": Target(home, _seeds, longest=512)}
