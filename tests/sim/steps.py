"""What a network, an operator and an attacker do to an internet. Each step says everything it needs, so that any of
them can be left out and the others still mean what they meant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from mobileip.control.core.actions import SendDatagram
from mobileip.control.core.events import ClearBinding, ClearVisitor, Stopping
from mobileip.control.security import sign
from mobileip.control.types import REGISTRATION_PORT, Endpoint, Identification, Lifetime, seconds
from mobileip.control.wire import (
    EncapsulatingDelivery,
    MobileHomeAuthentication,
    RegistrationRequest,
    RequestFlags,
    build,
)
from tests.sim.hosts import AgentHost, MobileHost
from tests.sim.internet import CARE_OF, HOME_AGENT, STRANGER, Internet, stranger_address
from tests.sim.keys import Pair

Host = AgentHost | MobileHost


@dataclass(frozen=True, slots=True)
class Step(ABC):
    """Kinds of it are below. Times are in seconds."""

    @abstractmethod
    def do(self, net: Internet) -> None: ...


@dataclass(frozen=True, slots=True)
class Move(Step):
    mobile: int
    interface: str
    link: str

    def do(self, net: Internet) -> None:
        net.mobiles[self.mobile].attach(self.interface, net.links[self.link])


@dataclass(frozen=True, slots=True)
class Detach(Step):
    mobile: int
    interface: str

    def do(self, net: Internet) -> None:
        net.mobiles[self.mobile].detach(self.interface)


@dataclass(frozen=True, slots=True)
class Flap(Step):
    """The carrier is away for a moment."""

    mobile: int
    interface: str
    away: float

    def do(self, net: Internet) -> None:
        mobile = net.mobiles[self.mobile]
        link = mobile.links.get(self.interface)
        if link is None:
            return
        mobile.detach(self.interface)
        back = lambda: None if self.interface in mobile.links else mobile.attach(self.interface, link)  # noqa: E731
        _unless_calm(net, self.away, back)


@dataclass(frozen=True, slots=True)
class Address(Step):
    """The address client of a mobile node finds one, or loses it."""

    mobile: int
    interface: str
    found: bool = True

    def do(self, net: Internet) -> None:
        give_address(net, net.mobiles[self.mobile], self.interface, self.found)


@dataclass(frozen=True, slots=True)
class Restart(Step):
    """An agent dies or is stopped in good order (it withdraws its advertisements), forgets everything, comes back."""

    agent: str
    away: float
    farewell: bool

    def do(self, net: Internet) -> None:
        agent = _host(net, self.agent)
        if self.farewell:
            net.dispatch(agent, Stopping())
        agent.running = False
        _unless_calm(net, self.away, lambda: None if agent.running else agent.boot())


@dataclass(frozen=True, slots=True)
class Reboot(Step):
    """A mobile node starts again, after it was stopped in good order (it deregisters) or died."""

    mobile: int
    away: float
    farewell: bool

    def do(self, net: Internet) -> None:
        mobile = net.mobiles[self.mobile]
        if self.farewell:
            mobile.stop()
        else:
            mobile.running = False
        _unless_calm(net, self.away, mobile.boot)


@dataclass(frozen=True, slots=True)
class Isolate(Step):
    """An agent is cut off from the core; ``code`` is that of the ICMP errors, if routers send any."""

    agent: str
    away: float
    code: int | None

    def do(self, net: Internet) -> None:
        agent = _host(net, self.agent)
        agent.isolated, agent.unreachable_code = True, self.code
        _unless_calm(net, self.away, lambda: setattr(agent, "isolated", False))


@dataclass(frozen=True, slots=True)
class Weather(Step):
    """How the network is from now on."""

    loss: float
    duplication: float
    delay: float

    def do(self, net: Internet) -> None:
        net.loss, net.duplication, net.delay = self.loss, self.duplication, seconds(self.delay)


@dataclass(frozen=True, slots=True)
class Clock(Step):
    """A host's clock is set."""

    host: str
    by: float

    def do(self, net: Internet) -> None:
        _host(net, self.host).skew += seconds(self.by)


@dataclass(frozen=True, slots=True)
class Refuse(Step):
    """Kernels refuse some of what they are asked for, for two seconds."""

    share: float

    def do(self, net: Internet) -> None:
        net.failures = self.share
        _unless_calm(net, 2, lambda: setattr(net, "failures", 0.0))


@dataclass(frozen=True, slots=True)
class Attack(Step):
    """Replay, or forge from, one of the datagrams seen lately; or change one of the next on its way."""

    how: str  # replay, flip, cut, strip, rubbish, tamper
    pick: int
    value: int

    def do(self, net: Internet) -> None:
        if self.how == "tamper":
            net.tampering = self.pick % 4, self.value
            return
        if not net.sent:
            return
        node, seen = net.sent[self.pick % len(net.sent)]
        payload = bytearray(seen.payload)
        match self.how:
            case "flip":
                payload[self.value % len(payload)] ^= 1 << self.value % 8
            case "cut":
                del payload[self.value % len(payload) :]
            case "strip":
                del payload[24 if payload[0] == 1 else 20 :]
            case "rubbish":
                payload = bytearray(self.value.to_bytes(4) * (1 + self.value % 20))
            case _:
                pass
        net.carry(node, replace(seen, payload=bytes(payload)))


@dataclass(frozen=True, slots=True)
class Rekey(Step):
    """One end of a pair is told a new key; ``beside``: and takes the one before for a while."""

    pair: Pair
    holder: str
    generation: int
    beside: bool

    def do(self, net: Internet) -> None:
        if net.keys.shares(self.pair):
            net.keys.change(self.pair, self.holder, self.generation, beside=self.beside)
            if self.holder != STRANGER:
                _reload(net, self.holder)


@dataclass(frozen=True, slots=True)
class Reload(Step):
    """The operator of an agent changes what it grants."""

    agent: str
    longest: int

    def do(self, net: Internet) -> None:
        if self.agent.startswith("h"):
            net.home_max_lifetime = self.longest
        else:
            net.foreign_max_lifetime = self.longest
        _reload(net, self.agent)


@dataclass(frozen=True, slots=True)
class Clear(Step):
    """The operator of an agent takes a binding or a visitor away."""

    agent: str
    mobile: int

    def do(self, net: Internet) -> None:
        home_address = net.mobiles[self.mobile].home_address
        event = ClearBinding(home_address) if self.agent.startswith("h") else ClearVisitor(home_address)
        net.dispatch(_host(net, self.agent), event)


@dataclass(frozen=True, slots=True)
class Ask(Step):
    """The stranger asks, with a right authenticator and the time of day, for whatever there is to ask."""

    place: int  # the visited link it is on
    flags: int
    lifetime: int
    care_of: int  # of _CARES_OF
    home_agent: IPv4Address = HOME_AGENT
    home_address: IPv4Address | None = None
    delivery: bool = False
    ttl: int = 255
    through: bool = True  # the foreign agent

    def do(self, net: Internet) -> None:
        stranger, link = net.stranger, net.links[f"visited{self.place}"]
        own = link.prefix[50]
        care_of = (CARE_OF[self.place], own, stranger_address(), CARE_OF[3], IPv4Address("255.255.255.255"))
        for joined in stranger.links.values():
            joined.stations.pop(stranger.mac, None)
        stranger.links = {"eth0": link}
        link.stations[stranger.mac] = stranger, "eth0"
        request = RegistrationRequest(
            stranger_address() if self.home_address is None else self.home_address,
            self.home_agent,
            care_of[self.care_of],
            Identification.from_wall(stranger.instant().wall, self.flags),
            Lifetime(self.lifetime),
            RequestFlags.from_int(self.flags),
        )
        association = net.keys.held((STRANGER, "ha"), STRANGER)[0]
        payload = sign(association, build(request), MobileHomeAuthentication)
        payload += EncapsulatingDelivery().encode() if self.delivery else b""
        agents = [mac for mac, (host, _) in link.stations.items() if isinstance(host, AgentHost)]
        through = self.through and agents
        to = link.gateway if through else self.home_agent
        net.carry(
            stranger,
            SendDatagram(
                payload,
                Endpoint(own, REGISTRATION_PORT),
                Endpoint(to, REGISTRATION_PORT),
                "eth0" if through else None,
                agents[0] if through else None,
                self.ttl,
            ),
        )


# ---- parts


def give_address(net: Internet, mobile: MobileHost, interface: str, found: bool = True) -> None:
    """An address of the link; on the home link the host has one already."""
    link = mobile.links.get(interface)
    wanted = found and link is not None and link is not net.home_link(mobile)
    mobile.set_address(
        interface, net.co_located_address(mobile, link) if wanted and link is not None else None
    )


def _host(net: Internet, name: str) -> Host:
    host = net.nodes[name]
    assert isinstance(host, Host)
    return host


def _reload(net: Internet, name: str) -> None:
    """A daemon that does not run reads its file when it starts."""
    host = _host(net, name)
    if host.running:
        net.reload(host)


def _unless_calm(net: Internet, delay: float, what: Callable[[], object]) -> None:
    """Later, unless everything has been put right before."""

    def do() -> None:
        if not net.calm:
            what()

    net.later(seconds(delay), do)
