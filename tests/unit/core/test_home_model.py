"""The home agent against a plain model: whatever comes, the kernel holds exactly its bindings (RFC 5944 s3.8.2.2)."""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

import pytest

from mobileip.control.core.actions import (
    INDEPENDENT,
    Action,
    ClaimAddress,
    InstallBindingRoute,
    InstallTunnel,
    Noted,
    ReleaseAddress,
    RemoveBindingRoute,
    RemoveTunnel,
    SendDatagram,
)
from mobileip.control.core.events import ActionFailed, ClearBinding
from mobileip.control.core.home import HomeAgent
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable
from mobileip.control.wire import RegistrationReply, RequestFlags, parse
from tests.unit.core.factory import ASSOCIATION, HOME_NETWORK, at, request
from tests.unit.core.homes import ask, home

NODES = [HOME_NETWORK[number] for number in (10, 11, 12)]
CARES = [IPv4Address(f"198.51.100.{number}") for number in range(1, 7)]
STEPS = 400


class World:
    """What the actions leave behind in a kernel that refuses some of them, and what was granted."""

    def __init__(self, rng: Random, maximum: int) -> None:
        self.rng = rng
        self.maximum = maximum
        self.agent: HomeAgent = home(
            associations=AssociationTable((node, ASSOCIATION) for node in NODES), max_simultaneous=maximum
        )
        self.tunnels: dict[IPv4Address, set[IPv4Address]] = {}
        self.routes: set[IPv4Address] = set()
        self.claimed: set[IPv4Address] = set()
        self.granted: dict[IPv4Address, dict[IPv4Address, float]] = {}  # home, care-of: when it ends
        self.time = 0.0

    def perform(self, actions: list[Action]) -> list[RegistrationReply]:
        """All of them, and of what a refusal leads to; the replies that went out."""
        replies: list[RegistrationReply] = []
        pending = [actions]
        while pending:
            for action in pending.pop(0):
                refusable = not isinstance(action, INDEPENDENT)
                if refusable and self.rng.random() < 0.08:
                    pending.append(self.agent.on_action_failed(ActionFailed(action, "no"), at(self.time)))
                    break
                if isinstance(action, SendDatagram):
                    reply = parse(action.payload)
                    assert isinstance(reply, RegistrationReply)
                    replies.append(reply)
                else:
                    self._apply(action)
        return replies

    def _apply(self, action: Action) -> None:
        match action:
            case InstallTunnel():
                others = self.tunnels.get(action.home_address, set()) if action.beside else set()
                self.tunnels[action.home_address] = {*others, action.remote}
            case RemoveTunnel(remote=None):
                self.tunnels.pop(action.home_address, None)
            case RemoveTunnel(remote=remote):
                assert remote is not None
                self.tunnels[action.home_address].discard(remote)
            case InstallBindingRoute():
                self.routes.add(action.home_address)
            case RemoveBindingRoute():
                self.routes.discard(action.home_address)
            case ClaimAddress():
                self.claimed.add(action.home_address)
            case ReleaseAddress():
                self.claimed.discard(action.home_address)
            case _:
                assert isinstance(action, Noted)

    def register(self) -> None:
        node, care_of = self.rng.choice(NODES), self.rng.choice(CARES)
        beside = self.rng.random() < 0.7
        lifetime = self.rng.choice([0, 5, 20, 100])
        everything = lifetime == 0 and self.rng.random() < 0.5
        payload = request(
            self.time,
            home_address=node,
            care_of=node if everything else care_of,
            lifetime=lifetime,
            flags=RequestFlags(simultaneous=beside),
        )
        (reply,) = self.perform(ask(self.agent, payload, self.time))
        bindings = self.granted.setdefault(node, {})
        others = {one: end for one, end in bindings.items() if one != care_of}
        too_many = beside and self.maximum > 1 and len(others) >= self.maximum and lifetime > 0
        assert reply.code in (
            (135,) if too_many else (0, 130) if lifetime == 0 or self.maximum > 1 else (1, 130)
        )
        if reply.code > 8:
            return
        if everything:
            bindings.clear()
        elif lifetime == 0:
            bindings.pop(care_of, None)
        else:
            if not beside or self.maximum == 1:
                bindings.clear()
            bindings[care_of] = self.time + lifetime

    def clear(self) -> None:
        node, care_of = self.rng.choice(NODES), self.rng.choice([None, *CARES])
        assert self.perform(self.agent.clear(ClearBinding(node, care_of), at(self.time))) == []
        bindings = self.granted.get(node, {})
        for one in [one for one in bindings if care_of in (None, one)]:
            del bindings[one]

    def wait(self) -> None:
        self.time = round(self.time + self.rng.choice([0.1, 1, 7]), 1)
        self.tick()

    def tick(self) -> None:
        deadline = self.agent.next_deadline()
        due = sum(end <= self.time for bindings in self.granted.values() for end in bindings.values())
        assert (deadline is not None and deadline <= at(self.time).mono) == (due > 0)
        actions = self.agent.on_tick(at(self.time))
        noted = [one for one in actions if isinstance(one, Noted) and one.reason is Reason.BINDING_EXPIRED]
        assert len(noted) == due and self.perform(actions) == []
        for bindings in self.granted.values():
            for one in [one for one, end in bindings.items() if end <= self.time]:
                del bindings[one]

    def judge(self) -> None:
        granted = {node: set(bindings) for node, bindings in self.granted.items() if bindings}
        held: dict[IPv4Address, set[IPv4Address]] = {}
        for binding in self.agent.bindings:
            held.setdefault(binding.home_address, set()).add(binding.care_of_address)
        assert held == granted == self.tunnels
        assert set(granted) == self.routes == self.claimed
        assert len(self.agent.bindings) == sum(map(len, granted.values()))
        assert self.agent.bindings.nodes == len(granted)
        ends = [end for bindings in self.granted.values() for end in bindings.values()]
        assert self.agent.next_deadline() == (at(min(ends)).mono if ends else None)


@pytest.mark.rfc("5944", "3.8.2.2", 1, 8)
@pytest.mark.rfc("5944", "4.2.3", 2, 8, 9)
@pytest.mark.parametrize(("seed", "maximum"), [(seed, (1, 2, 4)[seed % 3]) for seed in range(12)])
def test_kernel_holds_exactly_the_bindings(seed: int, maximum: int) -> None:
    world = World(Random(seed), maximum)
    for _ in range(STEPS):
        world.time = round(world.time + 0.1, 1)
        world.tick()
        world.rng.choices([world.register, world.clear, world.wait], [10, 1, 3])[0]()
        world.judge()
