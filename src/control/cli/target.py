"""Which running daemon a command is for, and asking it."""

from __future__ import annotations

import stat
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from mobileip.control.config.paths import RUN_DIRECTORY, default_socket
from mobileip.control.ops.control_socket import ControlError, call

_PATIENCE: Final = 60.0  # seconds: a large configuration takes a while to be read, many bindings to be listed

Find = Callable[[], Path]


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds ``--name`` and ``--socket``; ``command`` gets ``path``, which finds the socket when it is called."""

    @click.option("--name", metavar="NAME", help="The daemon of this name (daemon.name in its file).")
    @click.option(
        "--socket",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="The daemon with this control socket.",
    )
    @wraps(command)
    def found(*, name: str | None, socket: Path | None, **arguments: Any) -> None:
        command(**arguments, path=lambda: find(name, socket))

    return found


def ask(path: Path, command: str, **arguments: str | None) -> Any:
    """The daemon's answer; a refusal ends the command with its sentence."""
    try:
        return call(path, command, patience=_PATIENCE, **arguments)
    except ControlError as error:
        raise click.ClickException(str(error)) from None


def find(name: str | None, socket: Path | None) -> Path:
    """The control socket that is meant; without either the only one there is."""
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
