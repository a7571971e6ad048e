"""``mobileip run``: one daemon with the roles of a configuration file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from mobileip.control.config.load import examine
from mobileip.control.config.model import Config
from mobileip.control.config.problem import Problem
from mobileip.control.ops import log


@click.command(
    epilog="""
Signals: SIGTERM and SIGINT end the daemon in order: a mobile node deregisters, routes, addresses and kernel
settings are put back. SIGHUP applies a changed file, as `mobileip reload` does, and says so in the log. After a
SIGKILL the next start cleans up (or: mobileip doctor --clean).

\b
Exit status: 0 after an orderly end, 1 if the file cannot be used or the daemon cannot go on.

\b
Examples:
  mobileip run --config /etc/mobileip/home.toml
  mobileip run --config mobile.toml --log-level debug
"""
)
@click.option(
    "--config",
    "path",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="Configuration file.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Instead of daemon.log_level in the file.",
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), help="Instead of daemon.log_format in the file."
)
def run(path: Path, log_level: str | None, log_format: str | None) -> None:
    """Start the daemon of a configuration file, in the foreground.

    Its roles are the tables in the file: [home_agent] and [foreign_agent], which may run in one process, or
    [mobile_node]. It needs root, or CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE, and gives up every
    capability but the first two (with underlay "xdp" also CAP_BPF and CAP_IPC_LOCK). One line per event goes to
    standard error; `mobileip show` asks for the rest.
    """
    given = {"log_level": log_level, "log_format": log_format}

    def read() -> tuple[Config | None, tuple[Problem, ...]]:
        config, problems = examine(path)
        return config and _with_log(config, given), problems

    config, problems = read()
    if config is None:
        for problem in problems:
            click.echo(f"{path}: {problem}", err=True)
        sys.exit(1)
    log.configure(config.daemon.log_level, config.daemon.log_format)
    for problem in problems:
        log.logger().warning("config-warning", file=path, key=problem.key, text=problem.text)
    from mobileip.control.agent.process import run as run_daemon  # so that a bad file is told of at once

    sys.exit(run_daemon(config, read))


def _with_log(config: Config, given: dict[str, Any]) -> Config:
    update = {name: value for name, value in given.items() if value is not None}
    return config.model_copy(update={"daemon": config.daemon.model_copy(update=update)})
