"""``mobileip keys``: the sealed key files of a home agent. A key is written to one file for its node, never printed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import wraps
from ipaddress import IPv4Address
from pathlib import Path
from secrets import token_bytes
from time import time
from typing import Any, Final

import click

from mobileip.control.aaa.sealed import KeyDirectory, KeyFileError, SealedKey
from mobileip.control.config.load import examine
from mobileip.control.config.values import FIRST_SPI, parse_key, parse_nai
from mobileip.control.security import Algorithm, MobilitySecurityAssociation, ReplayMethod, Secret
from mobileip.control.security.secret import KEY_LENGTHS
from mobileip.control.types import Spi

_SPIS: Final = click.IntRange(FIRST_SPI, 0xFFFF_FFFF)
_PATH: Final = click.Path(path_type=Path)
_DAY: Final = 86_400  # seconds

Peer = IPv4Address | str


def _as_peer(context: click.Context, parameter: click.Parameter, value: str) -> Peer:
    try:
        return IPv4Address(value)
    except ValueError:
        pass
    try:
        return parse_nai(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no home address, and a name {error}") from None


@click.group(
    epilog="""\b
Examples:
  mobileip keys generate 10.1.0.5 --to node5.key --config home.toml
  mobileip keys import user@example.net --from user.key --spi 300 --config home.toml
  mobileip keys rotate 10.1.0.5 --to node5-new.key --keep 7 --config home.toml
  mobileip keys list --config home.toml
"""
)
def keys() -> None:
    """Make, change, list and remove the sealed keys of a home agent.

    They are in the directory that [home_agent.keys.files] of its configuration file names, each node's in a file
    that only the master key opens. A running home agent finds new keys by itself, and stops using removed ones
    within a minute, or at once after `mobileip reload`. No key is ever printed.
    """


def _keyed(command: Callable[..., None]) -> Callable[..., None]:
    """Adds ``--config``; ``command`` gets ``files``, which opens the directory, made if need be and locked."""

    @click.option(
        "--config",
        "path",
        metavar="FILE",
        required=True,
        type=_PATH,
        help="The home agent's configuration file.",
    )
    @wraps(command)
    def with_files(*, path: Path, **arguments: Any) -> None:
        try:
            command(**arguments, files=lambda: _opened(path))
        except KeyFileError as error:
            raise click.ClickException(str(error)) from None

    return with_files


@contextmanager
def _opened(path: Path) -> Iterator[KeyDirectory]:
    config, problems = examine(path)
    if config is None:
        raise click.ClickException("\n".join(f"{path}: {problem}" for problem in problems))
    sources = None if config.home_agent is None else config.home_agent.keys
    if sources is None or sources.files is None:
        raise click.ClickException(
            f"{path} has no [home_agent.keys.files] table, which says where the key files are"
        )
    directory = KeyDirectory.create(sources.files.directory, sources.files.master_key)
    with directory.locked():
        yield directory


_peer = click.argument("peer", callback=_as_peer)
_spi = click.option("--spi", type=_SPIS, help="The SPI of the key; the next free one if it is left out.")
_to = click.option(
    "--to", "target", metavar="FILE", required=True, type=_PATH, help="New file for the node, of mode 600."
)
_length = click.option(
    "--bytes",
    "length",
    type=click.IntRange(16, KEY_LENGTHS[-1]),
    default=16,
    show_default=True,
    help="Length of the key.",
)
_algorithm = click.option(
    "--algorithm",
    type=click.Choice([one.value for one in Algorithm]),
    default=Algorithm.HMAC_MD5.value,
    show_default=True,
    help="How the node signs.",
)
_replay = click.option(
    "--replay",
    type=click.Choice([one.value for one in ReplayMethod]),
    default=ReplayMethod.TIMESTAMPS.value,
    show_default=True,
    help="How replayed requests are found.",
)
Files = Callable[[], Any]


@keys.command()
@_peer
@_to
@_spi
@_length
@_algorithm
@_replay
@_keyed
def generate(
    peer: Peer, target: Path, spi: int | None, length: int, algorithm: str, replay: str, files: Files
) -> None:
    """Give PEER, a home address or NAI, a key of its own, and write the node's copy to a file.

    That file is the only way to the key: bring it to the node, as key_file of its [mobile_node], and delete it here.
    """
    with files() as directory:
        known = directory.get(peer)
        if known:
            raise click.ClickException(f"{peer} has a key already: mobileip keys rotate gives it another")
        association = MobilitySecurityAssociation(
            _free_spi(known, spi),
            Secret(token_bytes(length)),
            Algorithm(algorithm),
            replay=ReplayMethod(replay),
        )
        _hand_over(directory, peer, (SealedKey(association, int(time())),), target)


@keys.command(name="import")
@_peer
@click.option(
    "--from", "origin", metavar="FILE", required=True, type=click.File("r"), help="- for standard input."
)
@click.option("--spi", type=_SPIS, required=True, help="The SPI of the key.")
@_algorithm
@_replay
@_keyed
def import_(peer: Peer, origin: Any, spi: int, algorithm: str, replay: str, files: Files) -> None:
    """Seal a key that PEER has already, of a file with its hexadecimal digits. Its other keys stay as they are."""
    try:
        secret = parse_key(origin.read())
    except ValueError:
        raise click.ClickException(
            f"{origin.name} must hold {KEY_LENGTHS[0]} to {KEY_LENGTHS[-1]} bytes as hexadecimal digits,"
            " and nothing else"
        ) from None
    association = MobilitySecurityAssociation(
        Spi(spi), secret, Algorithm(algorithm), replay=ReplayMethod(replay)
    )
    with files() as directory:
        known = directory.get(peer)
        directory.put(peer, (SealedKey(association, int(time())), *_without(known, spi)))
    click.echo(
        f"{peer}: spi {spi}, {algorithm}; sealed. Delete the file it came from unless the node reads it."
    )


@keys.command()
@_peer
@_to
@_spi
@_length
@click.option(
    "--keep",
    type=click.FloatRange(0, 3650),
    default=7.0,
    show_default=True,
    metavar="DAYS",
    help="How long the present keys stay good.",
)
@_keyed
def rotate(peer: Peer, target: Path, spi: int | None, length: int, keep: float, files: Files) -> None:
    """Give PEER another key under another SPI, while the present one stays good for some days.

    The node goes on as it is until its file has the new key and SPI; then the home agent finds the new one.
    """
    with files() as directory:
        known = directory.get(peer)
        if not known:
            raise click.ClickException(
                f"{peer} has no sealed key: mobileip keys generate makes the first one"
            )
        now = int(time())
        end = now + round(keep * _DAY)
        before = [
            replace(one, until=end if one.until is None else min(one.until, end))
            for one in known
            if one.is_valid(now)
        ]
        kept = tuple(one for one in before if one.is_valid(now))
        association = replace(
            known[0].association, spi=_free_spi(known, spi), key=Secret(token_bytes(length)), spi_out=None
        )
        _hand_over(directory, peer, (SealedKey(association, now), *kept), target)
        for one in kept:
            click.echo(f"spi {one.association.spi} stays good until {_end(one, now)}")


@keys.command()
@_peer
@click.option("--spi", type=_SPIS, help="Only the key of this SPI.")
@_keyed
def remove(peer: Peer, spi: int | None, files: Files) -> None:
    """Take all keys of PEER away, or one. Its binding stays until it ends; it is not renewed."""
    with files() as directory:
        known = directory.get(peer)
        kept = () if spi is None else _without(known, spi)
        if len(kept) == len(known):
            raise click.ClickException(
                f"{peer} has no sealed key" + ("" if spi is None else f" of spi {spi}")
            )
        directory.put(peer, kept)
    click.echo(f"{peer}: {len(known) - len(kept)} removed, {len(kept)} kept")


@keys.command(name="list")
@_keyed
def list_(files: Files) -> None:
    """Say who has which keys, by SPI; the keys themselves are never shown."""
    rows = [("PEER", "SPI", "ALGORITHM", "REPLAY", "BITS", "MADE", "GOOD UNTIL")]
    now = time()
    with files() as directory:
        for peer, known in directory.all():
            for one in known:
                association = one.association
                row = (
                    peer,
                    str(association.spi),
                    association.algorithm.value,
                    association.replay.value,
                    str(8 * len(association.key.reveal())),
                    _date(one.made),
                    _end(one, now),
                )
                rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _hand_over(directory: KeyDirectory, peer: Peer, sealed: tuple[SealedKey, ...], target: Path) -> None:
    """The node's copy first: a key that is sealed and in no other place could never be used."""
    association = sealed[0].association
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise click.ClickException(f"{target} cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(association.key.reveal().hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        directory.put(peer, sealed)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    click.echo(
        f"{peer}: spi {association.spi}, {association.algorithm.value}; sealed here, and in {target} for the node.\n"
        f"Move that file to the node as its key_file, with spi = {association.spi} and"
        f' algorithm = "{association.algorithm.value}"; it is the only copy that can be read.'
    )


def _free_spi(known: tuple[SealedKey, ...], wanted: int | None) -> Spi:
    used = {int(one.association.spi) for one in known}
    if wanted is None:
        return Spi(
            next(spi for spi in range(FIRST_SPI, 0xFFFF_FFFF) if spi > max(used, default=FIRST_SPI - 1))
        )
    if wanted in used:
        raise click.ClickException(f"spi {wanted} is that of a key before; a new key needs an SPI of its own")
    return Spi(wanted)


def _without(known: tuple[SealedKey, ...], spi: int) -> tuple[SealedKey, ...]:
    return tuple(one for one in known if one.association.spi != spi)


def _end(key: SealedKey, now: float) -> str:
    if key.until is None:
        return "no end"
    return _date(key.until) if key.is_valid(now) else "over"


def _date(wall_s: int) -> str:
    return datetime.fromtimestamp(wall_s).isoformat(" ", "minutes")
