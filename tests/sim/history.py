"""One history: a plan, what happens by chance, and then quiet, in which everybody has to become reachable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from random import Random

from mobileip.control.core.actions import TunnelSide
from mobileip.control.types import ZERO_ADDRESS, seconds
from tests.sim.chance import Timed, random_steps
from tests.sim.faults import HONEST, Fault
from tests.sim.hosts import Link, MobileHost
from tests.sim.internet import Internet
from tests.sim.invariants import Invariant
from tests.sim.oracle import Oracle
from tests.sim.plan import Plan, random_plan
from tests.sim.reach import obstacle
from tests.sim.steps import give_address

_SETTLE = 1.5  # seconds that a place may take from the carrier on
_LOOK_EVERY = 0.5
_PATIENCE = 60  # seconds within which everybody has to be reachable and to stay so


class Script:
    """What is to happen: all of it comes from the seed, and any part of it can be left out."""

    def __init__(self, seed: int) -> None:
        rng = Random(seed)
        self.seed = seed
        self.plan = random_plan(rng)
        self.steps = tuple(random_steps(rng, self.plan))


class History:
    """Runs a script, or the part of it that is given."""

    def __init__(
        self,
        script: Script,
        *,
        plan: Plan | None = None,
        steps: Sequence[Timed] | None = None,
        fault: Fault = HONEST,
    ) -> None:
        self._steps = script.steps if steps is None else steps
        self._calm = Random(f"{script.seed} calm")
        self.net = Internet(script.seed, script.plan if plan is None else plan, fault)
        self.oracle = Oracle(self.net)

    def run(self) -> Counter[str]:
        """How often what happened.

        :raises Violation: an invariant does not hold.
        """
        net = self.net
        for at, step in self._steps:
            net.run(seconds(at) - net.time)
            name = type(step).__name__.lower()
            net.tally[f"step: {name}"] += 1
            net.say(None, step)
            step.do(net)
        self._put_right()
        self._wait()
        for _, _, noted in net.noted:
            net.tally[f"reason: {noted.reason.label}"] += 1
        for name in [field.name for field in fields(Plan) if getattr(net.plan, field.name) != field.default]:
            net.tally[f"plan: {name}"] += 1
        return net.tally

    # ---- the end

    def _put_right(self) -> None:
        """Everything works again, keys agree, and everybody is somewhere."""
        net = self.net
        net.say(None, "calm")
        net.calm, net.tampering = True, None
        net.loss = net.duplication = net.failures = 0.0
        net.delay = seconds(0.005)
        net.home_max_lifetime, net.foreign_max_lifetime = (
            net.plan.home_max_lifetime,
            net.plan.foreign_max_lifetime,
        )
        for pair in net.keys.pairs:
            net.keys.settle(pair)
        for agent in net.agents:
            agent.isolated = False
            if agent.running:
                net.reload(agent)
            else:
                agent.boot()
        for mobile in net.mobiles:
            if not mobile.running or mobile.machine.state.value in ("stopping", "stopped"):
                mobile.boot()
            else:
                net.reload(mobile)
            for interface in net.plan.interfaces:
                mobile.detach(interface)
            places = [link for link in net.links.values() if self._is_usable(mobile, link)]
            link = self._calm.choice(places)
            interface = self._calm.choice(net.plan.interfaces)
            mobile.attach(interface, link)
            if link is not net.home_link(mobile) and (not self._serves(link) or self._calm.random() < 0.3):
                give_address(net, mobile, interface)

    def _is_usable(self, mobile: MobileHost, link: Link) -> bool:
        net, plan = self.net, self.net.plan
        if link is net.home_link(mobile):
            # A node known by name needs an address to be at home with, and knows no prefix to tell home by.
            agent = net.home_agent_of(mobile)
            return mobile.number not in plan.named or (
                self._has_address(mobile) and agent.owns(link.gateway) and not plan.discover
            )
        if mobile.number in plan.named and link in net.home_agent_of(mobile).links.values():
            return False  # the agent heard there is its own: that is all it has to go by
        served = self._serves(link)
        if served and plan.max_visitors < len(net.mobiles):
            return False
        return served or plan.co_located

    def _has_address(self, mobile: MobileHost) -> bool:
        """Whether its home agent has its address for it still: one that restarts gives it to who asks first."""
        home = mobile.home_address
        bound = self.net.home_agent_of(mobile).kernel.tunnels_of(home, TunnelSide.HOME)
        alone = sum(one.home_address == home for one in self.net.mobiles) == 1
        return home != ZERO_ADDRESS and bool(bound) and alone

    def _serves(self, link: Link) -> bool:
        return self.net.has_agent(link) and link.name.startswith("visited")

    def _wait(self) -> None:
        """Until everybody is reachable, and is so still after a renewal."""
        net = self.net
        net.run(seconds(_SETTLE))
        give_up = net.time + seconds(_PATIENCE)
        while obstacles := self._obstacles():
            if net.time > give_up:
                net.fail(Invariant.REACHABLE, "; ".join(obstacles))
            net.run(seconds(_LOOK_EVERY))
            if not self._obstacles():
                net.run(seconds(net.plan.lifetime))
        for node in net.nodes.values():
            self.oracle.compare(node)

    def _obstacles(self) -> list[str]:
        net, found = self.net, []
        for mobile in net.mobiles:
            if mobile.number in net.plan.wrong_keys:
                continue
            why = obstacle(net, mobile)
            if why is None and mobile.machine.state.value not in ("home", "registered"):
                why = "it works, but the node does not know"
            if why is not None:
                place = mobile.machine.attachment
                found.append(f"{mobile.name} is {mobile.machine.state.value} at {place}: {why}")
        return found
