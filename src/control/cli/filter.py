"""``mobileip filter``: what the registration filters would say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from mobileip.control.cli import target
from mobileip.control.config.load import examine


@click.group(
    epilog="""\b
Examples:
  mobileip filter test --config home.toml --home-address 10.1.0.5 --care-of 198.51.100.1
  mobileip filter test --nai user@example.net --interface eth1
"""
)
def filter() -> None:
    """Registration filters: who may register from where.

    They are [[home_agent.filters]] and [[foreign_agent.filters]] tables of the configuration file: the first that
    matches decides. `mobileip show filters` says how often each has.
    """


@filter.command(
    epilog="""\b
Exit status: 0 if it would be allowed, by both agents where there are both; 1 if not.

\b
Examples:
  mobileip filter test --config home.toml --home-address 10.1.0.5 --care-of 198.51.100.1
  mobileip filter test --nai user@example.net --interface eth1
"""
)
@click.option("--home-address", metavar="ADDRESS", help="The node's home address.")
@click.option("--nai", metavar="NAI", help="The node's name.")
@click.option("--care-of", "care_of_address", metavar="ADDRESS", help="The care-of address it asks for.")
@click.option("--foreign-agent", metavar="ADDRESS", help="For home agents: the foreign agent that relays it.")
@click.option("--home-agent", metavar="ADDRESS", help="For foreign agents: the home agent it registers with.")
@click.option("--interface", metavar="NAME", help="The interface that the request comes in by.")
@click.option(
    "--config",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Ask the filters of this file instead of a running daemon's.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list: role, verdict, rule, text, code.")
@target.options
def test(file: Path | None, as_json: bool, path: target.Find, **applicant: str | None) -> None:
    """Say whether a registration would be allowed, and by which rule. Nobody registers, and nothing is counted.

    What is left out is not known: no rule that asks for it matches.
    """
    rows = target.ask(path(), "filter", **applicant) if file is None else _of_file(file, applicant)
    if as_json:
        click.echo(json.dumps(rows))
    for row in () if as_json else rows:
        code = "" if row["code"] is None else f" (code {row['code']})"
        rule = f": {row['text']}" if row["text"] else ""
        click.echo(f"{row['verdict']}{code} by {row['rule']}{rule}")
    sys.exit(any(row["verdict"] == "deny" for row in rows))


def _of_file(file: Path, arguments: dict[str, str | None]) -> list[dict[str, Any]]:
    from mobileip.control.agent import trial  # its imports are many, and asking a daemon needs none
    from mobileip.control.ops.control_socket import ControlError

    config, problems = examine(file)
    if config is None:
        raise click.ClickException("\n".join(f"{file}: {problem}" for problem in problems))
    try:
        return trial.trial(config, trial.applicant(arguments))
    except ControlError as error:
        raise click.ClickException(str(error)) from None
