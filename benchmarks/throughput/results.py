"""What a run gave: samples by series, contender and figure; medians of them; ratios of these, against the targets."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

VETH: Final = "veth"
WIRE: Final = "wire"
SERIES: Final = {
    VETH: "links as veth has them: 64 KB pass in one piece",
    WIRE: "offloads of the underlay off: packets of 1500 bytes on the wire",
}
PLAIN: Final = "plain"


@dataclass(frozen=True, slots=True)
class Figure:
    title: str
    unit: str
    scale: float = 1.0  # of what is shown, to what is measured
    larger_is_better: bool = True


FIGURES: Final = {
    "tcp1_down": Figure("TCP 1 ↓", "Gbit/s"),
    "tcp1_up": Figure("TCP 1 ↑", "Gbit/s"),
    "tcp4_down": Figure("TCP 4 ↓", "Gbit/s"),
    "tcp4_up": Figure("TCP 4 ↑", "Gbit/s"),
    "udp64": Figure("UDP 64 B", "kpps", 1e-3),
    "udp1400": Figure("UDP 1400 B", "kpps", 1e-3),
    "rtt_p50": Figure("RTT p50", "µs", larger_is_better=False),
    "rtt_p99": Figure("RTT p99", "µs", larger_is_better=False),
    "cpu_per_gigabit": Figure("CPU/Gbit", "ms", 1e3, larger_is_better=False),
    "cpu_added": Figure("CPU/packet", "ns", larger_is_better=False),
}
"""In the order of the tables. The CPU time of a packet is what it costs more than plain forwarding."""


@dataclass(slots=True)
class Results:
    """``titles`` and ``kinds`` by contender, in the order of the tables; ``left_out`` has reasons."""

    titles: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    samples: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, series: str, contender: str, figures: Mapping[str, float]) -> None:
        of_contender = self.samples.setdefault(series, {}).setdefault(contender, {})
        for name, value in figures.items():
            of_contender.setdefault(name, []).append(value)

    def median(self, series: str, contender: str, figure: str) -> float | None:
        """None if it was not measured."""
        if figure == "cpu_added":
            total, least = (self.median(series, name, "cpu_packet") for name in (contender, PLAIN))
            return None if total is None or least is None or contender == PLAIN else total - least
        values = self.samples.get(series, {}).get(contender, {}).get(figure)
        return statistics.median(values) if values else None

    def of_kind(self, *kinds: str) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind in kinds]

    def best(self, series: str, contenders: Iterable[str], figure: str) -> tuple[str, float] | None:
        """Name and median of the best of them; None if none was measured."""
        found = [
            (name, value) for name in contenders if (value := self.median(series, name, figure)) is not None
        ]
        choose = max if FIGURES[figure].larger_is_better else min
        return choose(found, key=lambda pair: pair[1]) if found else None

    def ratio(self, series: str, contender: str, to: str, figure: str) -> float | None:
        value, other = self.median(series, contender, figure), self.median(series, to, figure)
        return value / other if value is not None and other else None


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the comparison; ``value`` is None if what it needs was not measured."""

    text: str
    bound: float
    at_least: bool
    value: float | None
    remark: str = ""

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def targets(results: Results) -> list[Target]:
    """The rows of the goals that were set, in their order; ratios of medians, of our best back end."""
    tcp = ("tcp1_down", "tcp1_up")
    rows = [
        _against(results, "TCP 1 stream, offloads off, to plain forwarding", WIRE, tcp, [PLAIN], 0.8),
        _against(results, "the same, to the kernel's VXLAN", WIRE, tcp, ["vxlan"], 0.9),
        _against(
            results,
            "TCP 1 stream, veth, to the best user-space peer",
            VETH,
            tcp,
            results.of_kind("peer"),
            3.0,
        ),
        _against(results, "lossless 64-byte UDP, to plain forwarding", VETH, ("udp64",), [PLAIN], 0.9),
        _against(
            results,
            "lossless 64-byte UDP, to the best user-space peer",
            VETH,
            ("udp64",),
            results.of_kind("peer"),
            2.0,
        ),
        _against(
            results,
            "CPU added to a 64-byte packet, to the best user-space peer",
            VETH,
            ("cpu_added",),
            results.of_kind("peer"),
            0.4,
        ),
        _variants(
            results,
            "GRE and minimal, to IP-in-IP",
            {"gre": "ipip", "minimal": "ipip"},
            0.9,
            ("tcp1_down", "udp64"),
        ),
        # A million flows cannot be merged as one can: what goes to all of a million is compared with a thousand.
        _variants(
            results,
            "a million bindings in the table, to one; packets to all of them, to a thousand",
            {"million": "ipip", "millions": "thousand"},
            0.95,
            ("udp64",),
        ),
        _variants(
            results, "bindings changing 50,000 times a second, to idle", {"changing": "ipip"}, 0.9, ("udp64",)
        ),
        *_in_memory(results.memory),
        _against(
            results, "RTT p50, to the best user-space peer", VETH, ("rtt_p50",), results.of_kind("peer"), 1.0
        ),
    ]
    return rows


def _against(
    results: Results, text: str, series: str, figures: tuple[str, ...], others: list[str], bound: float
) -> Target:
    """Our best back end against the best of ``others``; over several figures, the mean of the ratios."""
    at_least = FIGURES[figures[0]].larger_is_better
    ratios: dict[str, float] = {}
    rivals: set[str] = set()
    for ours in results.of_kind("ours"):
        parts = []
        for figure in figures:
            value, best = results.median(series, ours, figure), results.best(series, others, figure)
            if value is None or best is None or min(value, best[1]) <= 0:
                break  # CPU time that is less than none was somebody else's
            parts.append(value / best[1])
            rivals.add(best[0])
        else:
            ratios[ours] = statistics.fmean(parts)
    if not ratios:
        return Target(text, bound, at_least, None)
    choose: Callable[..., str] = max if at_least else min
    best_of_ours = choose(ratios, key=lambda name: ratios[name])
    remark = ", ".join(f"{results.titles[name]} {value:.2f}" for name, value in ratios.items())
    to = ", ".join(results.titles[name] for name in sorted(rivals))
    return Target(
        text, bound, at_least, ratios[best_of_ours], f"{remark}; to {to}" if len(ratios) > 1 else f"to {to}"
    )


def _variants(
    results: Results, text: str, pairs: Mapping[str, str], bound: float, figures: tuple[str, ...]
) -> Target:
    """The worst ratio of a variant of the engine to the other one of its pair."""
    ratios = {
        f"{results.titles[name]} {FIGURES[figure].title}": ratio
        for name, base in pairs.items()
        for figure in figures
        if (ratio := results.ratio(VETH, name, base, figure)) is not None
    }
    complete = len(ratios) == len(pairs) * len(figures)
    remark = ", ".join(f"{what} {ratio:.2f}" for what, ratio in ratios.items())
    return Target(text, bound, True, min(ratios.values()) if complete else None, remark)


def _in_memory(memory: Mapping[str, float]) -> list[Target]:
    ns, copy = memory.get("encapsulate_million_ns"), memory.get("copy_512_ns")
    ratio = ns / copy if ns is not None and copy else None
    return [
        Target("in memory: ns to encapsulate, with look-up among a million", 12.0, False, ns),
        Target(
            "the same, to copying 512 bytes", 1.0, False, ratio, f"a copy takes {copy:.1f} ns" if copy else ""
        ),
    ]
