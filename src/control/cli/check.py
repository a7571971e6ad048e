"""``mobileip check``: a configuration file's problems, all at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mobileip.control.config.load import examine
from mobileip.control.config.model import Config
from mobileip.control.config.problem import Problem, Severity


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
    allowed there. Files that it names are read, and sealed keys tried with their master key. Nothing is
    started, and the rest of the host is not looked at: for that there is `mobileip doctor`.
    """
    unusable = 0
    for path in files:
        config, found = examine(path)
        problems = [*found, *(() if config is None else _sealed_keys(config))]
        for problem in problems:
            click.echo(f"{path}: {problem}", err=True)
        if config is None or any(problem.severity is Severity.ERROR for problem in problems):
            unusable += 1
        else:
            click.echo(f"{path}: ok: {'; '.join(roles(config))}")
    sys.exit(1 if unusable else 0)


def _sealed_keys(config: Config) -> Iterator[Problem]:
    """What keeps a home agent from its sealed keys, as `mobileip run` says it."""
    keys = None if config.home_agent is None else config.home_agent.keys
    if keys is None or keys.files is None or "files" not in keys.sources:
        return
    # Not before they are wanted: the library behind them takes long to import.
    from mobileip.control.aaa.sealed import KeyDirectory, KeyFileError, is_credential

    where, master = "home_agent.keys.files", keys.files.master_key
    if is_credential(master) and not os.access(master, os.R_OK):
        text = f"{master} is a credential that only the service gets from systemd: the keys were not tried"
        yield Problem(f"{where}.master_key", text, Severity.WARNING)
        return
    try:
        KeyDirectory(keys.files.directory, master)
    except KeyFileError as error:
        yield Problem(where, str(error))


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
