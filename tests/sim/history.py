"""Random histories: what a network, an operator and an attacker do to an internet, by seed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from mobileip.control.security import Algorithm
from mobileip.control.types import seconds
from tests.sim.internet import Internet, Plan
from tests.sim.oracle import Oracle
from tests.sim.world import AgentHost, Link, MobileHost

BUSY_SECONDS = 30


def random_plan(rng: Random) -> Plan:
    mobiles = rng.choice((1, 1, 2, 3))
    lifetime = rng.choice((5, 8, 12))
    virtual, serves = rng.random() < 0.2, rng.random() < 0.3
    return Plan(
        mobiles=mobiles,
        skews=tuple(rng.choice((0.0, 0.0, 2.5, -5.0, 3600.0, -86400.0)) for _ in range(mobiles)),
        lifetime=lifetime,
        home_max_lifetime=rng.choice((6, 60)),
        foreign_max_lifetime=rng.choice((4, 60)),
        advertised_lifetime=rng.choice((None, None, 60)),
        reverse_tunnel=rng.random() < 0.8,
        co_located=rng.random() < 0.9,
        virtual=virtual,
        home_serves_visitors=serves,
        algorithm=rng.choice(tuple(Algorithm)),
        wrong_keys=frozenset({0}) if mobiles > 1 and rng.random() < 0.2 else frozenset(),
        interval=rng.choice((0.5, 1.0, 2.0)),
        interfaces=rng.choice((("eth0",), ("eth0", "eth1"))),
        hold_down=rng.choice((0.0, 0.5, 2.0)),
        simultaneous=rng.random() < 0.5,
        max_simultaneous=rng.choice((1, 2, 3)),
        discover=not virtual and not serves and rng.random() < 0.2,
        nonces=rng.random() < 0.2,
        required=rng.random() < 0.3,
    )


class History:
    """One seed's history: thirty busy seconds, then quiet."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.net = Internet(seed, random_plan(self.rng))
        self.oracle = Oracle(self.net)

    def run(self) -> None:
        for mobile in self.net.mobiles:
            self._move(mobile)
        while self.net.time < seconds(BUSY_SECONDS):
            self.net.run(round(seconds(1) * self.rng.expovariate(2.0)))
            self._event()
        self._calm()
        self._judge()

    # ---- what happens

    def _event(self) -> None:
        rng = self.rng
        mobile = rng.choice(self.net.mobiles)
        agent = rng.choice(self.net.agents)
        what = rng.choices(
            ("move", "flap", "detach", "address", "restart", "isolate", "noise", "clock", "fail", "attack"),
            (8, 2, 2, 2, 2, 2, 2, 1, 2, 6),
        )[0]
        self.net.say(None, what)
        match what:
            case "move":
                self._move(mobile)
            case "flap":
                self._flap(mobile)
            case "detach":
                mobile.detach(rng.choice(self.net.plan.interfaces))
            case "address":
                self._set_address(mobile, rng.choice(self.net.plan.interfaces))
            case "restart":
                self._restart(agent)
            case "isolate":
                agent.isolated = True
                self.net.later(seconds(rng.uniform(0.1, 8)), lambda: setattr(agent, "isolated", False))
            case "noise":
                self.net.loss = rng.choice((0.0, 0.05, 0.3))
                self.net.duplication = rng.choice((0.0, 0.2))
                self.net.delay = seconds(rng.choice((0.002, 0.05, 1.5)))
            case "clock":
                mobile.skew += round(seconds(1) * rng.uniform(-20, 20))
            case "fail":
                self.net.failures = rng.choice((0.0, 0.1, 0.5))
                self.net.later(seconds(2), lambda: setattr(self.net, "failures", 0.0))
            case "attack":
                self._attack()

    def _flap(self, mobile: MobileHost) -> None:
        interface = self.rng.choice(self.net.plan.interfaces)
        link = mobile.links.get(interface)
        if link is None:
            return
        mobile.detach(interface)
        self.net.later(seconds(self.rng.uniform(0, 0.5)), lambda: self._attach(mobile, interface, link))

    def _move(self, mobile: MobileHost, links: list[Link] | None = None) -> None:
        interface = self.rng.choice(self.net.plan.interfaces)
        link = self.rng.choice(links or list(self.net.links.values()))
        self._attach(mobile, interface, link)
        if not self.net.has_agent(link) or self.rng.random() < 0.3:
            delay = seconds(self.rng.uniform(0, 0.6))
            self.net.later(delay, lambda: self._set_address(mobile, interface))

    def _attach(self, mobile: MobileHost, interface: str, link: Link) -> None:
        """One host has one station on a link."""
        for other, joined in list(mobile.links.items()):
            if joined is link and other != interface:
                mobile.detach(other)
        mobile.attach(interface, link)

    def _set_address(self, mobile: MobileHost, interface: str) -> None:
        link = mobile.links.get(interface)
        if link is None or link is self.net.links["home"]:
            mobile.set_address(interface, None)
        else:
            mobile.set_address(interface, self.net.co_located_address(mobile, link))

    def _restart(self, agent: AgentHost) -> None:
        agent.running = False
        self.net.later(seconds(self.rng.choice((0.0, 0.5, 4.0))), agent.boot)

    def _attack(self) -> None:
        """Replay, forge, or send rubbish with the addresses of a datagram once seen."""
        if not self.net.sent:
            return
        node, action = self.rng.choice(self.net.sent)
        payload = bytearray(action.payload)
        match self.rng.choice(("replay", "flip", "cut", "strip", "rubbish")):
            case "flip":
                payload[self.rng.randrange(len(payload))] ^= 1 << self.rng.randrange(8)
            case "cut":
                del payload[self.rng.randrange(len(payload)) :]
            case "strip":
                del payload[24 if payload[0] == 1 else 20 :]
            case "rubbish":
                payload = bytearray(self.rng.randbytes(self.rng.randrange(1, 80)))
            case _:
                pass
        self.net.carry(node, replace(action, payload=bytes(payload)))

    # ---- the end

    def _calm(self) -> None:
        """Everything works again and everybody is somewhere; then three lifetimes pass."""
        net = self.net
        net.say(None, "calm")
        net.loss = net.duplication = net.failures = 0.0
        net.delay = seconds(0.005)
        for agent in net.agents:
            if not agent.running:
                agent.boot()
        net.run(seconds(1))  # flaps and address changes under way end
        places = [link for link in net.links.values() if self._usable(link)]
        for mobile in net.mobiles:
            for interface in net.plan.interfaces:
                mobile.detach(interface)
            self._move(mobile, places)
        net.run(seconds(10))  # restarts and isolations end
        for agent in net.agents:
            agent.isolated = False
        net.run(seconds(3 * net.plan.lifetime))

    def _usable(self, link: Link) -> bool:
        if link.name == "home":
            return not self.net.plan.virtual
        return self.net.has_agent(link) or self.net.plan.co_located

    def _judge(self) -> None:
        net = self.net
        for number, mobile in enumerate(net.mobiles):
            if number in net.plan.wrong_keys:
                known = {binding.home_address for binding in net.ha.machine.home.bindings}  # type: ignore[union-attr]
                self.oracle.demand(mobile.home.ip not in known, f"{mobile.name} has no key but a binding")
                continue
            where = f"{mobile.name} is {mobile.machine.state.value} at {mobile.machine.attachment}"
            settled = mobile.machine.state.value in ("home", "registered")
            self.oracle.demand(settled and mobile.machine.attachment is not None, where)
            for way, obstacle in (("down", net.why_not_down(mobile)), ("up", net.why_not_up(mobile))):
                self.oracle.demand(obstacle is None, f"{way}: {obstacle}; {where}")
