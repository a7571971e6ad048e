"""Steps drawn by chance: some seconds in which much goes wrong."""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

from mobileip.control.types import ZERO_ADDRESS
from tests.sim.internet import HOME_AGENT, HOME_NETWORKS, STRANGER
from tests.sim.keys import Pair
from tests.sim.plan import Plan
from tests.sim.steps import (
    Address,
    Ask,
    Attack,
    Clear,
    Clock,
    Detach,
    Flap,
    Isolate,
    Move,
    Reboot,
    Refuse,
    Rekey,
    Reload,
    Restart,
    Step,
    Weather,
)

Timed = tuple[float, Step]
"""A step and the second at which it is done."""

_BROADCAST, _NOBODY = HOME_NETWORKS[0][255], HOME_NETWORKS[0][7]
_GATEWAYS = [IPv4Address(f"203.0.113.{64 * number + 1}") for number in range(4)]

_SHARES = {
    "move": 16,
    "flap": 4,
    "detach": 3,
    "address": 4,
    "restart": 4,
    "reboot": 3,
    "isolate": 4,
    "weather": 4,
    "clock": 4,
    "refuse": 3,
    "attack": 12,
    "rekey": 4,
    "reload": 2,
    "clear": 2,
    "ask": 6,
}


def random_steps(rng: Random, plan: Plan) -> list[Timed]:
    return sorted(_Chance(rng, plan).steps(), key=lambda timed: timed[0])


class _Chance:
    def __init__(self, rng: Random, plan: Plan) -> None:
        self._rng = rng
        self._plan = plan
        self._agents = [*dict.fromkeys(plan.homes), "fa1", "fa2"]
        homes = [f"home{number}" for number in range(len(plan.homes)) if number not in plan.virtual]
        self._links = [*homes, *(f"visited{number}" for number in range(4))]
        self._served = [*homes, "visited1", "visited2", *(["visited0"] if plan.home_serves_visitors else [])]
        self._generation = 0

    def steps(self) -> list[Timed]:
        rng, drawn = self._rng, list[Timed]()
        for mobile in range(self._plan.mobiles):
            drawn += self._move(0.0, mobile)
        busy, time = rng.choice((4, 8, 8, 12, 20)), 0.0
        while (time := time + rng.expovariate(1.4)) < busy:
            drawn += self._event(time)
        return drawn

    def _event(self, time: float) -> list[Timed]:
        rng, plan = self._rng, self._plan
        mobile = rng.randrange(plan.mobiles)
        agent, interface = rng.choice(self._agents), rng.choice(plan.interfaces)
        match rng.choices(list(_SHARES), list(_SHARES.values()))[0]:
            case "move":
                return self._move(time, mobile)
            case "rekey":
                return self._rekey(time)
            case "ask" if rng.random() < 0.2:
                return self._gather(time)
            case "flap":
                step: Step = Flap(mobile, interface, rng.uniform(0, 0.5))
            case "detach":
                step = Detach(mobile, interface)
            case "address":
                step = Address(mobile, interface, rng.random() < 0.8)
            case "restart":
                step = Restart(agent, rng.choice((0.0, 0.5, 4.0)), rng.random() < 0.4)
            case "reboot":
                step = Reboot(mobile, rng.choice((0.0, 1.5, 5.0)), rng.random() < 0.6)
            case "isolate":
                step = Isolate(agent, rng.uniform(0.1, 9), rng.choice((None, None, 0, 1, 3, 13)))
            case "weather":
                step = Weather(
                    rng.choice((0.0, 0.05, 0.3)), rng.choice((0.0, 0.2)), rng.choice((0.002, 0.05, 1.5))
                )
            case "clock":
                hosts = [f"mn{mobile}", f"mn{mobile}", agent]
                step = Clock(rng.choice(hosts), rng.choice((-5.0, -1.0, 1.0, 5.0, 20.0, 3600.0)))
            case "refuse":
                step = Refuse(rng.choice((0.1, 0.5)))
            case "attack":
                how = rng.choice(
                    ("replay", "replay", "flip", "flip", "cut", "strip", "rubbish", "tamper", "tamper")
                )
                step = Attack(how, rng.randrange(64), rng.randrange(1 << 16))
            case "reload":
                step = Reload(agent, rng.choice((3, 30)))
            case "clear":
                step = Clear(agent, mobile)
            case _:
                step = self._ask()
        return [(time, step)]

    def _move(self, time: float, mobile: int) -> list[Timed]:
        """To another link; an address comes a moment later, if at all."""
        rng = self._rng
        interface, link = rng.choice(self._plan.interfaces), rng.choice(self._links)
        move = time, Move(mobile, interface, link)
        if link in self._served and rng.random() < 0.7:
            return [move]
        return [move, (time + rng.uniform(0, 0.6), Address(mobile, interface))]

    def _rekey(self, time: float) -> list[Timed]:
        """A new key for both ends, seconds apart; the other end may never be told before all is put right."""
        rng, plan = self._rng, self._plan
        self._generation += 1
        pairs: list[Pair] = [
            (f"mn{number}", plan.homes[number % len(plan.homes)]) for number in range(plan.mobiles)
        ] * 2
        pairs += [(f"mn{number}", "fa2") for number in sorted(plan.known_to_agent)]
        pairs += [("fa1", name) for name in dict.fromkeys(plan.homes)] if plan.foreign_home else []
        pairs.append((STRANGER, "ha"))
        pair = rng.choice(pairs)
        first, second = rng.sample(pair, 2)
        generation, beside = self._generation + rng.randrange(2), rng.random() < 0.5
        told = time, Rekey(pair, first, generation, beside)
        return [told, (time + rng.uniform(0, 5), Rekey(pair, second, generation, beside))]

    def _gather(self, time: float) -> list[Timed]:
        """The stranger asks from everywhere to keep what it has (S bit): more than it may have."""
        asks = [
            Ask(1, 0x80, 4, 0),
            Ask(2, 0x80, 4, 0),
            Ask(3, 0xA0, 4, 1, through=False),
            Ask(3, 0xA0, 4, 3, through=False),
        ]
        self._rng.shuffle(asks)
        return [(time + 0.1 * number, ask) for number, ask in enumerate(asks)]

    def _ask(self) -> Ask:
        """Mostly what is right, so that a denial is for the rest."""
        rng = self._rng
        usual = rng.choice((0x00, 0x02, 0x80, 0x82, 0xC2))
        place = rng.choice((1, 2, 3, 3))
        through = place != 3
        oddities: list[dict[str, object]] = [
            {},
            {"flags": rng.randrange(256)},
            {"lifetime": rng.choice((0, 1, 5, 300, 0xFFFF))},
            {"care_of": rng.randrange(5)},
            {"home_agent": rng.choice((_BROADCAST, _NOBODY, _GATEWAYS[place]))},
            {"home_address": rng.choice((ZERO_ADDRESS, HOME_AGENT, _GATEWAYS[place]))},
            {"delivery": True, "flags": usual | 0x02},
            {"ttl": 254, "flags": usual | 0x02},
            {"through": False},
        ]
        flags = usual if through else usual | 0x20
        odd = rng.choice(oddities)
        right: dict[str, object] = {
            "place": place,
            "flags": flags,
            "lifetime": 3,
            "care_of": 0 if through else 1,
        }
        return Ask(**(right | odd))  # type: ignore[arg-type]
