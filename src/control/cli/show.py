"""``mobileip show``: what a running daemon knows, as tables or as the daemon's own JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mobileip.control.cli import target
from mobileip.control.ops.nouns import NOUNS

_WIDEST: Final = 10_000  # characters
_UNITS: Final = {"_s": "s", "_ms": "ms", "_ns": "ns"}


def _listed() -> str:
    return "\n".join(f"  {name:<13} {noun.title}" for name, noun in NOUNS.items())


@click.command(
    epilog=f"""\b
What there is to show:
{_listed()}

\b
Examples:
  mobileip show bindings
  mobileip show registration --name mobile
  mobileip show counters --json | jq .reasons
"""
)
@click.argument("what", metavar="WHAT", type=click.Choice(list(NOUNS)))
@click.option("--json", "as_json", is_flag=True, help="Print the daemon's JSON; docs/show.md has the fields.")
@click.option("--all", "everything", is_flag=True, help="Counters and drops: those at zero too.")
@target.options
def show(what: str, as_json: bool, everything: bool, path: target.Find) -> None:
    """Show what a running daemon knows.

    With one daemon on this host, that one is asked; with more, say which: --name or --socket.
    """
    answer = target.ask(path(), "show", what=what)
    if as_json:
        click.echo(json.dumps(answer))
        return
    # Wider than any table: a line is never folded, be it for grep or for a terminal to wrap.
    console = Console(width=_WIDEST, highlight=False)
    for part in _render(what, answer, everything):
        console.print(part)


def print_rows(what: str, rows: list[dict[str, Any]]) -> None:
    """A table of ``rows``, as ``mobileip show WHAT`` prints it."""
    Console(width=_WIDEST, highlight=False).print(_rows(what, rows))


def _render(what: str, answer: Any, everything: bool) -> Iterable[Table | Text]:
    if what == "counters" and isinstance(answer, dict):
        return [_counters(answer, everything)]
    if isinstance(answer, dict):
        return [_vertical(what, answer)] if answer else [Text(f"no {what}")]
    if isinstance(answer, list) and all(isinstance(row, dict) for row in answer):
        if what == "drops" and not everything:
            answer = [row for row in answer if row.get("packets_in") or row.get("packets_out")]
        return [_rows(what, answer)] if answer else [Text(f"no {what}")]
    raise click.ClickException(f"the daemon's answer has no rows; see it with: mobileip show {what} --json")


def _columns(what: str) -> tuple[str, ...]:
    """The columns that come first; a daemon may send more."""
    return tuple(NOUNS[what].fields)


def _rows(what: str, rows: list[dict[str, Any]]) -> Table:
    sent = dict.fromkeys(key for row in rows for key in row)
    columns = [key for key in _columns(what) if key in sent] + [
        key for key in sent if key not in _columns(what)
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
    for key in sorted(answer, key=lambda key: (*_columns(what), key).index(key)):
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
