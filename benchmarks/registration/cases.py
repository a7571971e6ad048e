"""What is measured, each with the real daemon in namespaces of its own."""

from __future__ import annotations

import statistics
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from benchmarks.registration.radius import FreeRadius, RadiusLoad
from mobileip.control.lab.namespaces import LabError
from tools.load.hostile import Kind
from tools.load.network import Network
from tools.load.players import Players
from tools.load.population import Population
from tools.load.tally import Operation, Tally
from tools.load.usage import Usage

RADIUS_USERS: Final = 1000
_WINDOW: Final = 256  # requests unanswered at a time
_DAEMON: Final = {"log_level": "warning"}
_MIX: Final = {Operation.RENEW: 0.85, Operation.MOVE: 0.1, Operation.DEREGISTER: 0.05}
_LIFETIME: Final = 3600  # s, so that none expires while others are still registering
_STORM_KINDS: Final = {Kind.FORGED: 0.5, Kind.MALFORMED: 0.3, Kind.UNKNOWN: 0.1, Kind.REPLAY: 0.1}


class _Costs(Protocol):
    def usage(self) -> Usage: ...


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds of the server for one accepted request, and what the load saw meanwhile."""

    cpu_us: float
    tally: Tally


def _cost(server: _Costs, run: Callable[[], Tally]) -> Cost:
    before = server.usage()
    tally = run()
    spent = server.usage().cpu - before.cpu
    if not tally.accepted:
        raise LabError(f"nothing was accepted: {tally.plain()}")
    if tally.forged_replies:
        raise LabError(f"{tally.forged_replies} answers have a wrong authenticator")
    return Cost(spent / tally.accepted * 1e6, tally)


def rate(nodes: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Registrations and PAP requests, in turn on the same machine in the same minute; medians over the rounds."""
    population = Population(nodes)
    ours: list[Cost] = []
    mixed: list[Cost] = []
    radius: list[Cost] = []
    with Network(population, daemon=_DAEMON) as network:
        server = FreeRadius(network.home, network.processes, RADIUS_USERS)
        client = RadiusLoad(network.load, RADIUS_USERS)
        network.start()
        server.wait_ready(client)
        way = network.direct()
        players = Players(population, [way], lifetime=_LIFETIME)
        players.register_all(window=_WINDOW)
        for _ in range(rounds):
            ours.append(_cost(network.home_agent, lambda: players.run(seconds, window=_WINDOW)))
            radius.append(_cost(server, lambda: client.run(seconds, window=_WINDOW)))
        mixing = Players(population, [way], lifetime=_LIFETIME, mix=_MIX, seed=3)
        for _ in range(rounds):
            mixed.append(_cost(network.home_agent, lambda: mixing.run(seconds, window=_WINDOW)))
    registration, request = _median(ours), _median(radius)
    return {
        "nodes": nodes,
        "registration_cpu_us": registration,
        "registrations_per_core_s": round(1e6 / registration),
        "mixed_cpu_us": _median(mixed),
        "freeradius_cpu_us": request,
        "ratio_to_freeradius": round(
            statistics.median(a.cpu_us / b.cpu_us for a, b in zip(ours, radius, strict=True)), 2
        ),
        "rounds": [
            {"registration_cpu_us": round(a.cpu_us, 2), "freeradius_cpu_us": round(b.cpu_us, 2)}
            for a, b in zip(ours, radius, strict=True)
        ],
        "load": ours[-1].tally.plain(),
        "freeradius_load": radius[-1].tally.plain(),
    }


def size(nodes: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Memory of ``nodes`` bindings, and what a renewal costs among them."""
    population = Population(nodes)
    with Network(population, daemon=_DAEMON) as network:
        network.start()
        empty = network.home_agent.usage()
        players = Players(population, [network.direct()], lifetime=_LIFETIME)
        players.register_all(window=_WINDOW)
        full = network.home_agent.usage()
        costs = [
            _cost(network.home_agent, lambda: players.run(seconds, window=_WINDOW)) for _ in range(rounds)
        ]
    return {
        "nodes": nodes,
        "rss_mib_configured": round(empty.rss / (1 << 20), 1),
        "rss_mib_registered": round(full.rss / (1 << 20), 1),
        "bytes_per_binding": round((full.rss - empty.rss) / nodes),
        "start_cpu_s": round(empty.cpu, 2),
        "new_cpu_us": round((full.cpu - empty.cpu) / nodes * 1e6, 2),
        "renewal_cpu_us": _median(costs),
    }


def storm(nodes: int, seconds: float, hostile_rate: float, rate: float) -> dict[str, Any]:
    """``hostile_rate`` forged and malformed requests a second, while the nodes renew at ``rate``."""
    population = Population(nodes)
    hostile: Counter[str] = Counter()
    with Network(population, daemon=_DAEMON) as network:
        network.start()
        players = Players(population, [network.direct()], lifetime=_LIFETIME)
        players.register_all(window=_WINDOW)
        attackers = network.attackers(_STORM_KINDS)
        attack = threading.Thread(target=lambda: hostile.update(attackers.run(seconds, hostile_rate)))
        known = _noted(network)
        before = network.home_agent.usage()
        attack.start()
        tally = players.run(seconds, rate=rate)
        attack.join()
        after = network.home_agent.usage()
        handled = _noted(network) - known
        calm = players.run(1.0, rate=rate)
    total = sum(hostile.values())
    return {
        "nodes": nodes,
        "hostile": dict(hostile),
        "hostile_per_s": round(total / seconds),
        "legitimate_per_s": round(tally.sent / tally.seconds),
        "share_answered_within_1_s": round(tally.share_answered, 4),
        "share_answered_after": round(calm.share_answered, 4),
        "latency_p50_ms": _milliseconds(tally.latency(50)),
        "latency_p99_ms": _milliseconds(tally.latency(99)),
        "datagrams_handled": handled,
        "cpu_us_per_datagram": round((after.cpu - before.cpu) / max(handled, 1) * 1e6, 2),
        "agent_cpu_share": round((after.cpu - before.cpu) / tally.seconds, 2),
        "agent_rss_growth_mib": round((after.rss - before.rss) / (1 << 20), 1),
    }


def _noted(network: Network) -> int:
    """How many datagrams the home agent has said something of: each gets one reason."""
    return sum(network.home_agent.show("counters")["reasons"].values())


def _median(costs: list[Cost]) -> float:
    return round(statistics.median(cost.cpu_us for cost in costs), 2)


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else round(value * 1e3, 2)
