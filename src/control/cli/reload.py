"""``mobileip reload``: a running daemon reads its configuration file again."""

from __future__ import annotations

import json

import click

from mobileip.control.cli import target


@click.command(
    epilog="""\b
Exit status: 0 if the file could be used, 1 if not; then nothing is changed.

\b
Examples:
  mobileip reload
  mobileip reload --name home --json
"""
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON object: changed, needs_restart, warnings."
)
@target.options
def reload(as_json: bool, path: target.Find) -> None:
    """Let a running daemon read its configuration file again, and print what that changed.

    Nodes and keys, lifetimes, limits, policies, advertisements and the log change at once; bindings and visitors
    stay, and live by what they were granted. What needs a restart is named and left as it is; docs/configuration.md
    tells for each key. SIGHUP does the same.
    """
    answer = target.ask(path(), "reload")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for warning in answer["warnings"]:
        click.echo(warning, err=True)
    for change in answer["changed"]:
        click.echo(f"changed: {change['key']}: {change['text']}")
    for change in answer["needs_restart"]:
        click.echo(f"needs restart: {change['key']}: {change['text']}")
    if not answer["changed"] and not answer["needs_restart"]:
        click.echo("nothing has changed")
