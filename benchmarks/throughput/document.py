"""The page of the documentation: its words, and the tables of one run in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.throughput.report import bound, grid, shown, verdict
from benchmarks.throughput.results import SERIES, WIRE, Results, targets

_PAGE: Final = """\
# Throughput

Written by `make bench-throughput ARGS="--document docs/throughput.md"` (about a quarter of an hour, as root).

Every contender has four hosts of its own in a line, network namespaces joined by veth:

```
correspondent ──── home agent ═══ 1500-byte underlay ═══ foreign agent ──── mobile node
```

All of these share the {cores} cores of one machine ({processor}, Linux {kernel}), so each figure is about the CPU time
of everything together: sender, both ends of the tunnel, receiver. Only ratios mean something elsewhere. The tunnels
are all up for the whole session; in each of {rounds} rounds every one is measured in turn, in random order. The tables
have medians. The load average at the end was {load}; with nothing beside the benchmark it is 2 to 4.

`mobileip` is the real daemons, once for each `underlay` they can be given: a node that registered through a foreign
agent, with a reverse tunnel. The engine alone, in the last lines, has two ends without daemons and the underlay `raw`;
these compare it with itself. The peers run with their defaults, without encryption where that can be switched off.

- TCP: iperf3, cubic, {seconds:g} s; ↓ to the mobile node, ↑ from it; 1 and 4 streams.
- UDP: packets of so many bytes, IP header included, by `sendmmsg()`; the highest rate at which less than 0.5 % is
  lost, found by trials of 0.25 s. What queues swallow and give back later does not count as speed.
- RTT: a 64-byte packet there and back, one at a time.
- CPU/Gbit: CPU time of the whole machine for a gigabit of the TCP 1 ↓ run. CPU/packet: what a 64-byte packet costs
  more than with plain forwarding, at 100,000 a second, or at 70 % of the rate without loss where that is less.

{tables}
![the same as bars]({picture})

## Against the targets

{targets}
{left_out}
## In memory

Between its system calls a worker checks a packet's header, finds its tunnel and writes the outer header. Measured apart
from the run above, on the same kind of machine, in ns: 17 to one tunnel, 19 to 1024 of a million tunnels in turn, 35 to
39 to all of a million at random; copying 512 bytes took 20 to 25. What limits it, and keeps it from 12:

- One tunnel: about 3 ns to check header and checksum, 2 to hash, 3 to read the tunnel consistently beside a running
  writer, 5 to write the outer header, and the loops around. It is the number of instructions, as far as the compiled
  code shows: the machine has no counters of what waits.
- A million: a packet's tunnel is in one line of 64 MiB of table, for one packet in ten in the next. A line that no
  cache has costs 8 to 12 ns here, asked for 64 at a time.

Tried: looking a packet up 8, 16 or 32 packets after its line was asked for, in one loop, instead of a batch later (7 %
less to 1024 tunnels, nothing else); no vectors of scalars (`-fno-tree-slp-vectorize`: nothing). Costly, and not to be
seen in the code: functions that a shared library exports are not inlined into one another (most of what was gained
last), and a field that is written narrow and read wide waits for the store.

What limits TCP, and what was tried against it: [underlay.md](underlay.md#what-limits-it).
"""


def page(results: Results, picture: str) -> str:
    """Markdown; ``picture`` is the name of the plot beside it."""
    facts = results.facts
    tables = ""
    for series, title in SERIES.items():
        headings, rows = grid(results, series)
        if rows:
            tables += f"## {'1500-byte packets' if series == WIRE else '64 KB packets'}\n\n"
            tables += f"{title[0].upper()}{title[1:]}.\n\n{_table(['', *headings], rows)}\n"
    judged = [[row.text, shown(row.value), bound(row), verdict(row), row.remark] for row in targets(results)]
    notes = [f"- left out: {title}: {reason}" for title, reason in results.left_out.items()]
    notes += [f"- failed: {failure}" for failure in results.failures]
    return _PAGE.format(
        cores=facts["cores"],
        processor=facts["processor"],
        kernel=facts["kernel"],
        load=facts["load_average"],
        rounds=facts["rounds"],
        seconds=facts["seconds"],
        tables=tables,
        picture=picture,
        targets=_table(["ratio of medians", "measured", "target", "", ""], judged),
        left_out="\n" + "\n".join(notes) + "\n" if notes else "",
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
