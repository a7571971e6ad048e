"""The command: ``python -m tools.load [--nodes N] [--rate R] [--through foreign] [--hostile R] ...``."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections import Counter
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from mobileip.control.lab.namespaces import LabError, terminable
from mobileip.control.lab.waiting import NeverHappened
from tools.load.hostile import Kind
from tools.load.network import Agent, Network
from tools.load.players import Players
from tools.load.population import Population
from tools.load.tally import Operation, Tally
from tools.load.usage import Usage

K = TypeVar("K", Operation, Kind)


def main() -> None:
    options = _parser().parse_args()
    try:
        with terminable():
            result = _measure(options)
    except (LabError, NeverHappened, RuntimeError) as failure:
        sys.exit(f"load: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        _print(result)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.load",
        description="Mobile nodes against real agents, in network namespaces of their own. Needs root.",
    )
    add = parser.add_argument
    add("--nodes", type=int, default=1000, metavar="N", help="how many mobile nodes (1000)")
    add("--seconds", type=float, default=5.0, metavar="S", help="how long to measure (5)")
    add("--rate", type=float, metavar="R", help="requests a second; otherwise as fast as they are answered")
    add(
        "--window",
        type=int,
        default=64,
        metavar="W",
        help="without --rate: requests unanswered at a time (64)",
    )
    add("--mix", type=_mix(Operation, {Operation.NEW}), default={Operation.RENEW: 1.0}, metavar="K=W,...",
        help="shares of renew, move and deregister; nodes without a binding register anew (renew=1)")  # fmt: skip
    add("--through", choices=("direct", "foreign"), default="direct",
        help="co-located, straight to the home agent, or through two foreign agents (direct)")  # fmt: skip
    add("--lifetime", type=int, default=600, metavar="S", help="of a registration (600)")
    add("--derived-keys", action="store_true", help="a key for each node instead of one for all")
    add("--hostile", type=float, default=0.0, metavar="R", help="hostile requests a second beside them (0)")
    add("--hostile-mix", type=_mix(Kind, set()), default=dict.fromkeys(Kind, 1.0), metavar="K=W,...",
        help=f"shares of {', '.join(Kind)} (the same for all)")  # fmt: skip
    add("--log-level", default="warning", help="of the agents (warning)")
    add("--seed", type=int, default=1)
    add("--json", action="store_true", help="print JSON")
    return parser


def _mix(names: type[K], excluded: set[K]) -> Any:
    allowed = {str(one.name).lower(): one for one in names if one not in excluded}

    def parse(text: str) -> dict[K, float]:
        try:
            pairs = [item.split("=") for item in text.split(",")]
            shares = {allowed[name]: float(weight) for name, weight in pairs}
        except (KeyError, ValueError):
            raise argparse.ArgumentTypeError(
                f"{text!r}: want NAME=WEIGHT,... of {', '.join(allowed)}"
            ) from None
        if min(shares.values()) < 0 or not sum(shares.values()):
            raise argparse.ArgumentTypeError(f"{text!r}: weights are not negative and not all zero")
        return shares

    return parse


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    population = Population(options.nodes, derived=options.derived_keys)
    foreign = 2 if options.through == "foreign" else 0
    with Network(population, foreign=foreign, daemon={"log_level": options.log_level}) as network:
        network.start()
        ways = network.visited() if foreign else [network.direct()]
        players = Players(population, ways, mix=options.mix, lifetime=options.lifetime, seed=options.seed)
        players.register_all(window=options.window)
        agents = [network.home_agent, *network.foreign_agents]
        before = [agent.usage() for agent in agents]
        hostile: Counter[str] = Counter()
        storm = None
        if options.hostile:
            attackers = network.attackers(options.hostile_mix, options.seed + 1)
            storm = threading.Thread(
                target=lambda: hostile.update(attackers.run(options.seconds, options.hostile))
            )
            storm.start()
        tally = players.run(options.seconds, rate=options.rate, window=options.window)
        if storm is not None:
            storm.join()
        after = [agent.usage() for agent in agents]
        return _result(options, agents, before, after, tally, hostile)


def _result(
    options: argparse.Namespace,
    agents: list[Agent],
    before: list[Usage],
    after: list[Usage],
    tally: Tally,
    hostile: Counter[str],
) -> dict[str, Any]:
    return {
        "nodes": options.nodes,
        "through": options.through,
        "registrations": tally.plain(),
        "hostile": dict(hostile),
        "agents": {
            agent.space.role: {
                "cpu_s": round(then.cpu - now.cpu, 3),
                "cpu_us_per_accepted": (
                    round((then.cpu - now.cpu) / tally.accepted * 1e6, 2) if tally.accepted else None
                ),
                "rss_mib": round(then.rss / (1 << 20), 1),
                "reasons": {k: v for k, v in agent.show("counters")["reasons"].items() if v},
            }
            for agent, now, then in zip(agents, before, after, strict=True)
        },
    }


def _print(result: dict[str, Any]) -> None:
    table = Table("what", "value", title=f"{result['nodes']} nodes, {result['through']}")
    for name, value in result["registrations"].items():
        table.add_row(name, str(value))
    if result["hostile"]:
        table.add_row("hostile", str(result["hostile"]))
    for role, facts in result["agents"].items():
        for name, value in facts.items():
            table.add_row(f"{role}: {name}", str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
