"""``mobileip clear``: takes a binding from a home agent, or a visitor from a foreign agent."""

from __future__ import annotations

import json
import sys
from ipaddress import IPv4Address

import click

from mobileip.control.cli import target
from mobileip.control.cli.show import print_rows


def _address(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else str(IPv4Address(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no IPv4 address") from None


@click.command(
    epilog="""\b
Exit status: 0 if something was cleared, 1 if there was nothing to clear.

\b
Examples:
  mobileip clear binding 10.1.0.5
  mobileip clear binding 10.1.0.5 --care-of 198.51.100.1
  mobileip clear visitor 10.1.0.5
  mobileip clear visitor 10.1.0.5 --home-agent 192.0.2.1
"""
)
@click.argument("what", metavar="binding|visitor", type=click.Choice(["binding", "visitor"]))
@click.argument("home_address", metavar="ADDRESS", callback=_address)
@click.option(
    "--care-of",
    "care_of_address",
    metavar="ADDRESS",
    callback=_address,
    help="Only the binding with this care-of address.",
)
@click.option(
    "--home-agent",
    metavar="ADDRESS",
    callback=_address,
    help="Only the visitor of this home agent, if several have the home address.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was cleared as JSON.")
@target.options
def clear(
    what: str,
    home_address: str,
    care_of_address: str | None,
    home_agent: str | None,
    as_json: bool,
    path: target.Find,
) -> None:
    """Take a mobile node's bindings away from a home agent, or the visitors away from a foreign agent, and print
    what they were. ADDRESS is the node's home address.

    The tunnel and the routes go at once. Nobody is told: a node that is still away registers again when it
    renews, at the latest when its lifetime ends.
    """
    if what == "visitor" and care_of_address is not None:
        raise click.UsageError("--care-of is for bindings")
    if what == "binding" and home_agent is not None:
        raise click.UsageError("--home-agent is for visitors")
    which = {"care_of_address": care_of_address} if what == "binding" else {"home_agent": home_agent}
    cleared = target.ask(path(), "clear", what=what, home_address=home_address, **which)
    if as_json:
        click.echo(json.dumps(cleared))
    elif cleared:
        print_rows(f"{what}s", cleared)
    else:
        click.echo(f"there is no {what} of {home_address}", err=True)
    sys.exit(0 if cleared else 1)
