"""The short ways against the long one: whatever comes, they answer the same and leave the same behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from random import Random
from typing import Any, Final

import pytest

from mobileip.control.core.actions import (
    INDEPENDENT,
    Action,
    InstallTunnel,
    Noted,
    RemoveTunnel,
    SendDatagram,
)
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import ActionFailed, ClearBinding, DatagramReceived, Event, Tick
from mobileip.control.core.filters import FilterRule, FilterSettings, Verdict
from mobileip.control.core.home import HomeAgent, HomeAgentSettings, HomeNetwork
from mobileip.control.core.policy import NodePolicy, ReverseTunnelPolicy
from mobileip.control.reasons import Reason
from mobileip.control.security import (
    Algorithm,
    AssociationTable,
    MobilitySecurityAssociation,
    PeerMap,
    ReplayMethod,
    Secret,
)
from mobileip.control.types import Identification, Instant, Lifetime, Spi, seconds
from mobileip.control.wire import NetworkAccessIdentifier, RequestFlags
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_NETWORK,
    WALL,
    at,
    datagram,
    is_signed,
    kinds,
    reasons,
    request,
    sent_reply,
)
from tests.unit.core.homes import FOREIGN, POOL

CARES: Final = [IPv4Address(f"198.51.100.{number}") for number in range(11, 15)]
REFUSED: Final = CARES[3]  # the data plane has no room for this one
BY_NAME: Final = IPv4Address("192.0.2.15")
POOLED: Final = IPv4Address("192.0.2.128")  # by name, with an address from the pool
NAI: Final = NetworkAccessIdentifier("user@example.net")
POOLED_NAI: Final = NetworkAccessIdentifier("guest@example.net")
NODES: Final = {
    HOME: MobilitySecurityAssociation(Spi(1000), Secret(b"0123456789abcdef"), spi_out=Spi(2000)),
    HOME + 1: MobilitySecurityAssociation(Spi(1000), Secret(b"another"), Algorithm.KEYED_MD5_NO_SPI),
    HOME + 2: MobilitySecurityAssociation(Spi(1000), Secret(b"a third"), replay=ReplayMethod.NONCES),
    HOME + 3: MobilitySecurityAssociation(Spi(1000), Secret(b"a fourth"), replay=ReplayMethod.NONE),
    HOME + 4: MobilitySecurityAssociation(Spi(1000), Secret(b"a fifth"), Algorithm.HMAC_SHA256),
    BY_NAME: MobilitySecurityAssociation(Spi(1000), Secret(b"by name")),
    POOLED: MobilitySecurityAssociation(Spi(1000), Secret(b"pooled")),
}
NAIS: Final = {BY_NAME: NAI, POOLED: POOLED_NAI}
SECOND: Final = MobilitySecurityAssociation(Spi(1001), Secret(b"of two"), replay=ReplayMethod.NONE)
FLAGS: Final = [RequestFlags.from_int(bits) for bits in (0x02, 0x22, 0x82, 0xA2, 0x62, 0x00, 0x12)]


FILTERS: Final = (
    (),
    (),
    (),
    (FilterRule(Verdict.DENY, interface="home0"),),
    (FilterRule(Verdict.DENY, home_address=IPv4Network(HOME)),),
    (FilterRule(Verdict.DENY, care_of_address=IPv4Network(CARES[0])),),
)
GRANTS: Final = {Reason.REGISTERED, Reason.REGISTERED_NO_SIMULTANEOUS}
REFUSALS: Final = {
    Reason.UNKNOWN_ASSOCIATION,
    Reason.MN_FAILED_AUTHENTICATION,
    Reason.IDENTIFICATION_MISMATCH,
    Reason.DENIAL_SUPPRESSED,
}


class Long(HomeAgent):
    """A home agent that takes every message apart."""

    def on_datagram(self, datagram: DatagramReceived, now: Instant) -> None:
        return None


class Short(HomeAgent):
    """The real one; it counts what became of what went a short way."""

    def __init__(self, settings: HomeAgentSettings) -> None:
        super().__init__(settings)
        self.answered: Counter[Reason] = Counter()

    def on_datagram(self, datagram: DatagramReceived, now: Instant) -> list[Action] | None:
        actions = super().on_datagram(datagram, now)
        self.answered.update(reasons(actions or []))
        return actions


class World:
    """One agent and what its actions leave behind."""

    def __init__(self, home: HomeAgent) -> None:
        self.home = home
        self.agents = MobilityAgents(home=home, foreign=None, links=(), entropy=bytes)
        self.tunnels: dict[IPv4Address, dict[IPv4Address, tuple[object, ...]]] = {}

    def tell(self, event: Event, now: Instant) -> list[object]:
        """What was done about it, but for the tunnels, of which only the result counts."""
        done: list[object] = []
        pending = [event]
        for one in pending:
            for action in self.agents.handle(one, now):
                if isinstance(action, InstallTunnel) and action.remote == REFUSED:
                    pending.append(ActionFailed(action, "no room"))
                    assert not isinstance(action, INDEPENDENT)
                    break
                if not self._dig(action):
                    done.append(_plain(action))
        return done

    def _dig(self, action: Action) -> bool:
        match action:
            case InstallTunnel():
                others = self.tunnels.get(action.home_address, {}) if action.beside else {}
                ends = (action.local, action.reverse, action.broadcast)
                self.tunnels[action.home_address] = {**others, action.remote: ends}
            case RemoveTunnel(remote=None):
                self.tunnels.pop(action.home_address, None)
            case RemoveTunnel():
                self.tunnels[action.home_address].pop(action.remote, None)
            case _:
                return False
        return True

    def state(self) -> object:
        bindings = [replace(binding, look=0) for binding in self.home.bindings]
        return bindings, self.tunnels, self.agents.next_deadline(), self.home.bindings.nodes


def _plain(action: Action) -> object:
    return (action.reason, dict(action.fields)) if isinstance(action, Noted) else action


class Play:
    """Random doings of nodes, attackers and an operator, told to both."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.maximum = self.rng.choice((1, 1, 3))
        self.link = self.rng.choice((None, None, None, "home0"))
        self.settings = self._settings()
        self.short = Short(self.settings)
        self.worlds = World(Long(self.settings)), World(self.short)
        self.mono, self.wall = seconds(1000), WALL
        self.sent: list[DatagramReceived] = []
        self.likes: dict[IPv4Address, dict[str, Any]] = {}  # what each node asks for

    def run(self, steps: int) -> Counter[str]:
        """Goes on until the two differ; how often each thing was done."""
        done: Counter[str] = Counter()
        for _ in range(steps):
            self._pass_time()
            what, *events = self._draw()
            now = Instant(self.mono, self.wall)
            for event in events:
                did = [world.tell(event, now) for world in self.worlds]
                assert did[0] == did[1], (what, event)
            states = [world.state() for world in self.worlds]
            assert states[0] == states[1], (what, events)
            done[what] += 1
        return done

    def _pass_time(self) -> None:
        step = self.rng.choice((0, 1, seconds(0.1), seconds(1), seconds(5), seconds(40)))
        if self.rng.random() < 0.02:
            step = seconds(2000)
        self.mono += step
        self.wall += step + (seconds(self.rng.uniform(-5, 5)) if self.rng.random() < 0.02 else 0)

    def _draw(self) -> tuple[Any, ...]:
        """What it is, and the events."""
        draw = self.rng.random()
        if draw < 0.6:
            return "renew", self._request(self.rng.choice([HOME, HOME, HOME + 1, BY_NAME, *NODES]))
        if draw < 0.7:
            node = self.rng.choice(list(NODES))
            self.likes[node] = self._like()
            return "change", self._request(node)
        if draw < 0.75 and self.sent:
            return "replay", self.rng.choice(self.sent[-20:])
        if draw < 0.8 and self.sent:
            return "spoil", self._spoilt(self.sent[-1])
        if draw < 0.85 and self.sent:
            event = self._request(HOME)
            return "elsewhere", replace(
                event, source=replace(event.source, port=self.rng.randrange(434, 436))
            )
        if draw < 0.87 and self.sent:
            event = self.rng.choice((self._spoilt(self.sent[-1]), *self.sent[-5:]))
            return "flood", *[event] * 40
        if draw < 0.95:
            return "tick", Tick()
        if draw < 0.98:
            return "clear", ClearBinding(self.rng.choice(list(NODES)), self.rng.choice([None, *CARES]))
        self.settings = self._settings()
        for world in self.worlds:
            world.home.reconfigure(self.settings)
        return ("reload",)

    def _like(self) -> dict[str, Any]:
        return {
            "care_of": self.rng.choice(CARES),
            "lifetime": self.rng.choice((0, 30, 100, 0xFFFF)),
            "flags": self.rng.choice(FLAGS),
            "home_agent": self.rng.choice([HOME_AGENT] * 9 + [HOME_AGENT + 1]),
        }

    def _request(self, node: IPv4Address) -> DatagramReceived:
        like = self.likes.setdefault(node, self._like())
        if like["lifetime"] == 0 and self.rng.random() < 0.8:
            like["lifetime"] = 100
        association = NODES[node]
        if node == HOME and self.rng.random() < 0.1:
            association = SECOND
        if self.rng.random() < 0.04:
            association = replace(association, key=Secret(b"guessed"))
        identification = Identification.from_wall(
            self.wall + seconds(self.rng.uniform(-0.5, 8)), self.rng.randrange(1 << 16)
        )
        association = replace(
            association, spi=association.sent_spi, spi_out=association.spi
        )  # the node's view
        extra = (NAIS[node],) if node in NAIS and self.rng.random() < 0.6 else ()
        payload = request(
            home_address=node, association=association, identification=identification, before=extra, **like
        )
        direct = like["flags"].decapsulation_by_mn and like["care_of"] != CARES[1]  # else through an agent
        source = like["care_of"] if direct else CARE_OF
        destination = self.rng.choice([HOME_AGENT] * 20 + [HOME_NETWORK.broadcast_address, HOME_AGENT + 1])
        event = datagram(
            payload,
            source=self.rng.choice([source] * 20 + [node, IPv4Address("0.0.0.0")]),
            destination=destination,
            interface=self.rng.choice(("core", "home0")),
            mac=self.rng.choice((None, b"\2\0\0\0\0\1")),
        )
        self.sent.append(event)
        return event

    def _spoilt(self, event: DatagramReceived) -> DatagramReceived:
        payload = bytearray(event.payload)
        payload[self.rng.randrange(len(payload))] ^= 1 << self.rng.randrange(8)
        return replace(event, payload=bytes(payload))

    def _settings(self) -> HomeAgentSettings:
        """Some node's key may be another one, some policies too; address and networks never are."""
        rng = self.rng
        known = [
            (node, replace(one, key=Secret(b"new")) if rng.random() < 0.1 else one)
            for node, one in NODES.items()
            if node != POOLED and rng.random() < 0.95
        ]
        policies: PeerMap[NodePolicy] = PeerMap()
        if rng.random() < 0.3:
            policies.setdefault(HOME, NodePolicy(Lifetime(20), max_simultaneous=self.maximum))
            policies.setdefault(NAI.nai, NodePolicy(Lifetime(25), max_simultaneous=4 - self.maximum))
        return HomeAgentSettings(
            HOME_AGENT,
            (HomeNetwork(HOME_NETWORK, self.link, POOL),),
            AssociationTable([*known, (HOME, SECOND), *((NAIS[node].nai, NODES[node]) for node in NAIS)]),
            Lifetime(rng.choice((50, 200, 0xFFFF))),
            rng.choice(
                (ReverseTunnelPolicy.OPTIONAL, ReverseTunnelPolicy.OPTIONAL, ReverseTunnelPolicy.REQUIRED)
            ),
            max_bindings=rng.choice((2, 10)),
            max_simultaneous=self.maximum,
            foreign_agents=AssociationTable([(CARE_OF, FOREIGN)] if rng.random() < 0.3 else []),
            policies=policies,
            addresses={NAI.nai: BY_NAME},
            max_new_rate=rng.choice((None, None, 1)),
            reject_static_addresses=rng.random() < 0.3,
            filters=FilterSettings(rng.choice(FILTERS)),
        )


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_lead_to_the_same(seed: int) -> None:
    play = Play(seed)
    play.run(500)
    if play.link is not None:
        answered = play.short.answered.keys()
        assert not answered & GRANTS, "on its home link a node's address is claimed anew (s4.6)"


def test_every_short_way_is_taken_in_these_histories() -> None:
    done: Counter[str] = Counter()
    answered: Counter[Reason] = Counter()
    for seed in range(100, 108):
        play = Play(seed)
        done += play.run(500)
        answered += play.short.answered
    assert done.keys() == {
        "renew", "change", "replay", "spoil", "elsewhere", "flood", "tick", "clear", "reload"
    }  # fmt: skip
    assert answered.keys() == GRANTS | REFUSALS
    assert all(count >= 5 for count in answered.values()), answered


# ---- one thing after the other


def virtual(**changes: Any) -> MobilityAgents:
    settings = HomeAgentSettings(
        HOME_AGENT,
        (HomeNetwork(HOME_NETWORK, None),),
        changes.pop("associations", AssociationTable([(HOME, ASSOCIATION)])),
        Lifetime(1000),
        **changes,
    )
    return MobilityAgents(home=HomeAgent(settings), foreign=None, links=(), entropy=bytes)


def ask(agents: MobilityAgents, time: float, **fields: Any) -> list[Action]:
    return agents.handle(datagram(request(time, **fields)), at(time))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_replies_of_every_kind_carry_the_spi_for_that_direction(algorithm: Algorithm) -> None:
    ours = replace(ASSOCIATION, algorithm=algorithm, spi_out=Spi(2000))
    theirs = replace(ours, spi=Spi(2000), spi_out=ours.spi)
    agents = virtual(associations=AssociationTable([(HOME, ours)]))
    for time, key, reason in (
        (0, theirs.key, Reason.REGISTERED_NO_SIMULTANEOUS),
        (1, theirs.key, Reason.REGISTERED_NO_SIMULTANEOUS),  # an unchanged renewal
        (1, theirs.key, Reason.IDENTIFICATION_MISMATCH),  # replayed
        (3, Secret(b"guessed"), Reason.MN_FAILED_AUTHENTICATION),
    ):
        answered = ask(agents, time, association=replace(theirs, key=key))
        assert reasons(answered) == [reason]
        assert is_signed(sent_reply(answered), theirs)
        assert all(
            noted.fields["spi"] == ours.spi for noted in answered if isinstance(noted, Noted) and time == 3
        )
    assert reasons(ask(agents, 5, association=replace(theirs, spi_out=theirs.spi))) == [
        Reason.UNKNOWN_ASSOCIATION
    ]


@pytest.mark.rfc("5944", "3.8.2.2", 1)
def test_an_unchanged_renewal_touches_no_tunnel_and_is_answered_in_full() -> None:
    agents = virtual()
    assert "InstallTunnel" in kinds(ask(agents, 0))
    renewed = ask(agents, 1)
    assert kinds(renewed) == ["SendDatagram"]
    assert reasons(renewed) == [Reason.REGISTERED_NO_SIMULTANEOUS]
    reply = sent_reply(renewed)
    assert is_signed(reply)
    assert (reply.code, reply.lifetime, reply.home_address, reply.home_agent) == (1, 100, HOME, HOME_AGENT)
    assert agents.next_deadline() == at(101).mono


def test_what_is_noted_of_a_renewal_reads_as_of_any_registration() -> None:
    agents = virtual()
    ask(agents, 0)
    (note,) = [action for action in ask(agents, 1) if isinstance(action, Noted)]
    assert isinstance(note.fields, Mapping)
    assert dict(note.fields) == {
        "home_address": HOME,
        "care_of_address": CARE_OF,
        "lifetime": 100,
        "co_located": False,
        "reverse_tunnel": True,
        "moved": "renewed",
    }
    assert len(note.fields) == 6


@pytest.mark.rfc("5944", "5.7", 1)
def test_a_replayed_renewal_is_denied() -> None:
    agents = virtual()
    ask(agents, 0)
    ask(agents, 1)
    assert sent_reply(ask(agents, 1)).code == 133


def test_what_changed_outside_is_looked_at_once_by_every_node() -> None:
    agents = virtual()
    assert agents.home is not None
    ask(agents, 0)
    agents.home.look_again()
    assert "InstallTunnel" in kinds(ask(agents, 1))
    assert "InstallTunnel" not in kinds(ask(agents, 2))


def test_once_an_hour_a_renewal_goes_the_long_way() -> None:
    agents = virtual()
    times = range(0, 7200, 50)
    long = ["InstallTunnel" in kinds(ask(agents, time)) for time in times]
    assert sum(long) == 3, "the first, and one for each hour that began"


@pytest.mark.parametrize(
    "changed",
    [{"lifetime": 99}, {"care_of": CARE_OF + 9}, {"flags": RequestFlags()}, {"after": (NAI,)}],
)
def test_nothing_but_the_same_request_is_a_renewal(changed: dict[str, Any]) -> None:
    agents = virtual()
    ask(agents, 0)
    assert "InstallTunnel" in kinds(ask(agents, 1, **changed))


def test_a_reply_goes_where_the_request_came_from() -> None:
    agents = virtual()
    ask(agents, 0)
    event = datagram(request(1), port=5434)
    (sent,) = [action for action in agents.handle(event, at(1)) if isinstance(action, SendDatagram)]
    assert (sent.source, sent.destination) == (event.destination, event.source)


# ---- who comes first


def test_whoever_asks_from_where_its_binding_came_is_expected() -> None:
    agents = virtual(max_simultaneous=2)
    payload, there = request(1), (int(CARE_OF), 434)
    assert not agents.expects(payload, *there)
    ask(agents, 0)
    assert agents.expects(payload, *there)
    assert not agents.expects(payload, int(CARE_OF) + 1, 434)
    assert not agents.expects(payload, int(CARE_OF), 435)
    assert not agents.expects(request(1, home_address=HOME + 1), *there)
    assert not agents.expects(b"", *there)
    event = datagram(request(2, care_of=CARES[1], flags=RequestFlags(simultaneous=True)), source=CARES[1])
    assert sent_reply(agents.handle(event, at(2))).code == 0
    assert agents.expects(payload, *there) and agents.expects(payload, int(CARES[1]), 434)
