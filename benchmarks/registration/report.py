"""The measurements against the targets: a table and a JSON file."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

RATE: Final = 20_000  # accepted registrations a second of a core
SHARE: Final = 0.95  # of the legitimate requests, answered within 1 s in a storm
GROWTH: Final = 1.3  # cost of a registration among a million bindings, of that among a thousand
MEMORY: Final = 1024  # MiB, of a million bindings
_MILLION: Final = 1_000_000


def machine() -> dict[str, Any]:
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(results: dict[str, Any]) -> Table:
    out = Table("what", "measured", "target", "", box=SIMPLE_HEAD, title="registrations at the home agent")
    if (rate := results.get("rate")) is not None:
        _row(out, "accepted a second of a core", rate["registrations_per_core_s"], RATE, at_least=True)
        _row(out, "CPU µs a renewal", rate["registration_cpu_us"], 1e6 / RATE)
        _row(out, "CPU µs, moves and deregistrations among them", rate["mixed_cpu_us"])
        _row(out, "CPU µs of FreeRADIUS a PAP request", rate["freeradius_cpu_us"])
        _row(out, "ratio to FreeRADIUS", rate["ratio_to_freeradius"], 1.0)
    sizes = results.get("sizes", [])
    for size in sizes:
        many = f"{size['nodes']:,} bindings"
        _row(out, f"{many}: bytes each", size["bytes_per_binding"])
        _row(out, f"{many}: MiB resident", size["rss_mib_registered"],
             MEMORY if size["nodes"] == _MILLION else None)  # fmt: skip
        _row(out, f"{many}: CPU µs a renewal", size["renewal_cpu_us"])
    if len(sizes) > 1:
        growth = round(sizes[-1]["renewal_cpu_us"] / sizes[0]["renewal_cpu_us"], 2)
        what = f"cost at {sizes[-1]['nodes']:,} bindings, of that at {sizes[0]['nodes']:,}"
        _row(out, what, growth, GROWTH)
    if (storm := results.get("storm")) is not None:
        what = f"answered within 1 s in a storm of {storm['hostile_per_s']:,}/s"
        _row(out, what, storm["share_answered_within_1_s"], SHARE, at_least=True)
        _row(out, "CPU µs a datagram of the storm", storm["cpu_us_per_datagram"])
        _row(out, "share of a core the agent got", storm["agent_cpu_share"])
        _row(out, "p50, p99 ms in the storm", f"{storm['latency_p50_ms']}, {storm['latency_p99_ms']}")
    return out


def _row(out: Table, what: str, value: Any, target: float | None = None, *, at_least: bool = False) -> None:
    if target is None:
        out.add_row(what, str(value), "", "")
        return
    met = value >= target if at_least else value <= target
    out.add_row(what, str(value), f"{'≥' if at_least else '≤'} {target:g}", "met" if met else "missed")


def write(results: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **results}, indent=2) + "\n")
