"""``mobileip show``: what a running daemon knows, as tables or as the daemon's own JSON."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mobileip.control.config.paths import RUN_DIRECTORY, default_socket
from mobileip.control.ops.control_socket import ControlError, call

# What there is to show, and the columns that come first; a daemon may send more.
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "bindings": (
        "home_address",
        "care_of_address",
        "home_agent",
        "lifetime_s",
        "remaining_s",
        "reverse_tunnel",
        "co_located",
        "identification",
        "registered_at",
    ),
    "visitors": (
        "home_address",
        "home_agent",
        "care_of_address",
        "interface",
        "link_address",
        "lifetime_s",
        "remaining_s",
        "reverse_tunnel",
        "state",
    ),
    "agents": (
        "address",
        "interface",
        "roles",
        "care_of_addresses",
        "sequence",
        "remaining_s",
        "flags",
        "link_address",
        "current",
    ),
    "tunnels": (
        "home_address",
        "side",
        "local",
        "remote",
        "encapsulation",
        "mtu",
        "packets_in",
        "bytes_in",
        "packets_out",
        "bytes_out",
        "dropped",
        "flags",
    ),
    "registration": (
        "state",
        "location",
        "home_address",
        "home_agent",
        "care_of_address",
        "interface",
        "lifetime_s",
        "remaining_s",
        "clock_offset_s",
    ),
    "counters": ("reasons", "data_plane", "control_plane"),
}
_WIDEST: Final = 10_000  # characters
_UNITS: Final = {"_s": "s", "_ms": "ms", "_ns": "ns"}


@click.command(
    epilog="""\b
What there is to show:
  bindings       home agent: which node is away, and behind which care-of address
  visitors       foreign agent: which nodes are served here, or are about to be
  agents         mobile node: agents that can be heard, the current one marked
  registration   mobile node: where it is, and how its registration stands
  tunnels        what goes in and out of each tunnel
  counters       how often everything has happened that has a name in the log

\b
Examples:
  mobileip show bindings
  mobileip show registration --name mobile
  mobileip show counters --json | jq .reasons
"""
)
@click.argument("what", type=click.Choice(list(_COLUMNS)))
@click.option("--json", "as_json", is_flag=True, help="Print the daemon's JSON.")
@click.option("--all", "everything", is_flag=True, help="Counters: those at zero too.")
@click.option("--name", metavar="NAME", help="The daemon of this name (daemon.name in its file).")
@click.option(
    "--socket", metavar="PATH", type=click.Path(path_type=Path), help="The daemon with this control socket."
)
def show(what: str, as_json: bool, everything: bool, name: str | None, socket: Path | None) -> None:
    """Show what a running daemon knows.

    With one daemon on this host, that one is asked; with more, say which: --name or --socket.
    """
    path = _socket(name, socket)
    try:
        answer = call(path, "show", what=what)
    except ControlError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(answer))
        return
    # Wider than any table: a line is never folded, be it for grep or for a terminal to wrap.
    console = Console(width=_WIDEST, highlight=False)
    for part in _render(what, answer, everything):
        console.print(part)


def _socket(name: str | None, socket: Path | None) -> Path:
    if name is not None and socket is not None:
        raise click.UsageError("--name and --socket exclude each other")
    if socket is not None:
        return socket
    if name is not None:
        return default_socket(name)
    try:
        found = sorted(path for path in RUN_DIRECTORY.iterdir() if stat.S_ISSOCK(path.lstat().st_mode))
    except OSError:
        found = []
    if not found:
        raise click.ClickException(
            f"no daemon runs here: there is no control socket in {RUN_DIRECTORY};"
            " if the daemon's file sets daemon.control_socket, give it with --socket"
        )
    if len(found) > 1:
        names = ", ".join(path.stem for path in found)
        raise click.ClickException(f"several daemons run here: say which with --name ({names})")
    return found[0]


def _render(what: str, answer: Any, everything: bool) -> Iterable[Table | Text]:
    if what == "counters" and isinstance(answer, dict):
        return [_counters(answer, everything)]
    if isinstance(answer, dict):
        return [_vertical(what, answer)] if answer else [Text(f"no {what}")]
    if isinstance(answer, list) and all(isinstance(row, dict) for row in answer):
        return [_rows(what, answer)] if answer else [Text(f"no {what}")]
    raise click.ClickException(f"the daemon's answer has no rows; see it with: mobileip show {what} --json")


def _rows(what: str, rows: list[dict[str, Any]]) -> Table:
    sent = dict.fromkeys(key for row in rows for key in row)
    columns = [key for key in _COLUMNS[what] if key in sent] + [
        key for key in sent if key not in _COLUMNS[what]
    ]
    table = _table()
    for key in columns:
        numeric = all(_is_number(row.get(key)) for row in rows)
        heading = _heading(key).replace(" ", "\n")  # stacked: values are narrower than their names
        table.add_column(heading, justify="right" if numeric else "left", vertical="bottom")
    for row in rows:
        table.add_row(*(Text(_cell(key, row.get(key))) for key in columns))
    return table


def _vertical(what: str, answer: dict[str, Any]) -> Table:
    table = _table(header=False)
    for key in sorted(answer, key=lambda key: (_COLUMNS[what] + (key,)).index(key)):
        table.add_row(Text(_heading(key)), Text(_cell(key, answer[key])))
    return table


def _counters(answer: dict[str, Any], everything: bool) -> Table:
    table = _table(header=False)
    hidden = 0
    for group, counts in answer.items():
        shown = {name: count for name, count in counts.items() if count or everything}
        hidden += len(counts) - len(shown)
        if shown:
            table.add_row(Text(_heading(group), style="bold"), Text(""))
        for name, count in shown.items():
            table.add_row(Text(f"  {name}"), Text(f"{count:>12}"))
    if hidden:
        table.add_row(Text(f"{hidden} more at zero (--all)", style="dim"), Text(""))
    return table


def _table(header: bool = True) -> Table:
    return Table(box=None, show_header=header, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)


def _heading(key: str) -> str:
    return (
        _without_unit(key)[0]
        .replace("_", " ")
        .replace("care of", "care-of")
        .replace("co located", "co-located")
    )


def _without_unit(key: str) -> tuple[str, str]:
    for suffix, unit in _UNITS.items():
        if key.endswith(suffix):
            return key.removesuffix(suffix), unit
    return key, ""


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(key: str, value: object) -> str:
    """A value with its unit; text came from the network perhaps, so nothing that steers a terminal passes."""
    unit = _without_unit(key)[1]
    if key.endswith("_at") and isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value).isoformat(" ", "seconds")
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            text = str(value) if isinstance(value, int) else f"{value:.{1 if abs(value) >= 10 else 3}f}"
            return f"{text} {unit}" if unit else text
        case list():
            return ",".join(_cell(key, item) for item in value) or "-"
        case dict():
            return json.dumps(value)
        case _:
            return "".join(letter if letter.isprintable() else "?" for letter in str(value))
