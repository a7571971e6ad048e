"""``mobileip check``: a configuration file's problems, all at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mobileip.control.config.load import examine
from mobileip.control.config.model import Config


@click.command(
    epilog="""\b
Exit status: 0 if every file can be used (warnings do not count), 1 if not.

\b
Example:
  mobileip check /etc/mobileip/home.toml
"""
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Say what is wrong with configuration files, or what they configure.

    Every problem is named with its place in the file, such as home_agent.nodes[0].spi, and with what is
    allowed there. Nothing is started, and the host is not looked at: for that there is `mobileip doctor`.
    """
    unusable = 0
    for path in files:
        config, problems = examine(path)
        for problem in problems:
            click.echo(f"{path}: {problem}", err=True)
        if config is None:
            unusable += 1
        else:
            click.echo(f"{path}: ok: {'; '.join(roles(config))}")
    sys.exit(1 if unusable else 0)


def roles(config: Config) -> Iterator[str]:
    """Each role in a few words."""
    if home := config.home_agent:
        networks = ", ".join(f"{net.prefix} on {net.interface or 'no link'}" for net in home.networks)
        yield f"home agent {home.address} of {networks}, {_count(len(home.nodes), 'node')}"
    if foreign := config.foreign_agent:
        names = ", ".join(interface.name for interface in foreign.interfaces)
        yield f"foreign agent with care-of address {foreign.care_of_address} on {names}"
    if node := config.mobile_node:
        names = ", ".join(node.interfaces)
        yield f"mobile node {node.home_address} of home agent {node.home_agent} on {names}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
