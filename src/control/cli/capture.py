"""``mobileip capture``: what goes in and out of tunnels, into a file for Wireshark."""

from __future__ import annotations

import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, BinaryIO

import click

from mobileip import __version__
from mobileip.control.captures import LONGEST_PACKET, CapturedPacket, CaptureReader
from mobileip.control.cli import pcapng, target
from mobileip.control.ops.control_socket import ControlError, borrow

_PAUSE = 0.02  # seconds between looks at a ring that was empty


@click.command(
    epilog="""\b
Examples:
  mobileip capture --tunnel 10.1.0.5 tunnel.pcapng
  mobileip capture --tunnel 198.51.100.1 --seconds 10 --snap 128 headers.pcapng
  mobileip capture - | tshark -r - -Y icmp
"""
)
@click.argument("output", type=click.Path(allow_dash=True, dir_okay=False))
@click.option("--tunnel", metavar="ADDRESS", help="Only of the tunnels with this home address or end.")
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="End after so many packets.")
@click.option("--seconds", metavar="S", type=click.FloatRange(min=0, min_open=True), help="End after a time.")
@click.option(
    "--snap",
    metavar="BYTES",
    type=click.IntRange(1, LONGEST_PACKET),
    default=LONGEST_PACKET,
    help="At most so many bytes of each packet.",
)
@target.options
def capture(
    output: str,
    tunnel: str | None,
    count: int | None,
    seconds: float | None,
    snap: int,
    path: target.Find,
) -> None:
    """Capture what goes into tunnels and out of them: every packet twice, with its outer header (interface "outer") and
    without ("inner"), and those that are dropped with the reason as a comment. Ends with Ctrl-C, or with the daemon.

    OUTPUT is a pcapng file, or - for the standard output. ADDRESS is a home address, or the local or remote end of
    tunnels, as mobileip show tunnels has them; without --tunnel it is all tunnels. A tunnel need not be there yet, and
    a node may move meanwhile. Forwarding never waits for this: packets that come quicker than they can be written are
    left out and counted, here and in the file; --snap makes that less likely.
    """
    address = _address(tunnel)
    where = path()
    try:
        with (
            _opened(output) as file,
            borrow(where, "capture", address=None if address is None else str(address), snap=snap) as lent,
            closing(_reader(lent.descriptor)) as reader,
        ):
            if address is not None and not lent.arguments["tunnels"]:
                click.echo(f"no tunnel has the address {address} now: waiting for one", err=True)
            click.echo("capturing; Ctrl-C ends it", err=True)
            writing = _Writing(file, reader, count)
            writing.begin(lent.arguments["device"], snap)
            ended = _run(writing, lent.connection, seconds)
    except ControlError as error:
        raise click.ClickException(str(error)) from None
    except BrokenPipeError:
        sys.stderr.close()  # who read what we wrote has gone: nobody to tell
        return
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror or error}") from None
    click.echo(writing.summary(), err=True)
    if ended:
        raise click.ClickException("the daemon has ended; the file is complete up to then")


def _address(text: str | None) -> IPv4Address | None:
    try:
        return None if text is None else IPv4Address(text)
    except ValueError:
        raise click.UsageError(
            f"--tunnel {text!r} is no IPv4 address; take one that mobileip show tunnels has"
        ) from None


def _reader(descriptor: int) -> CaptureReader:
    try:
        return CaptureReader(descriptor)
    except ValueError:
        raise ControlError(
            "the daemon is another version of mobileip: restart it, or use its command"
        ) from None


@contextmanager
def _opened(output: str) -> Iterator[BinaryIO]:
    if output == "-":
        if sys.stdout.isatty():
            raise click.UsageError(
                "a capture is no text: send it to a file or a program, not to the terminal"
            )
        yield sys.stdout.buffer
        return
    with Path(output).open("wb") as file:
        yield file


@dataclass
class _Writing:
    """Packets from ``reader`` to ``file``, at most ``most`` of them."""

    file: BinaryIO
    reader: CaptureReader
    most: int | None
    started: int = field(default_factory=time.time_ns)
    written: list[int] = field(default_factory=lambda: [0, 0])  # by interface
    lost: tuple[int, int] = (0, 0)  # likewise, at the end

    @property
    def full(self) -> bool:
        return self.most is not None and sum(self.written) >= self.most

    def begin(self, device: str, snap: int) -> None:
        self.file.write(pcapng.header(f"mobileip {__version__}", device, snap))
        self.file.flush()

    def some(self) -> bool:
        """Write what has come; whether there was anything."""
        packets = self.reader.take()
        if self.most is not None:
            packets = packets[: self.most - sum(self.written)]
        for one in packets:
            self.written[_interface(one)] += 1
            self.file.write(_block(one))
        self.file.flush()
        return bool(packets)

    def end(self) -> None:
        now = time.time_ns()
        self.lost = self.reader.lost()
        for interface, lost in enumerate(self.lost):
            received = self.written[interface] + lost
            self.file.write(pcapng.statistics(interface, self.started, now, received, lost))
        self.file.flush()

    def summary(self) -> str:
        outer, inner = self.written
        text = f"{outer + inner} packets written: {outer} outer, {inner} inner"
        lost = sum(self.lost)
        return f"{text}; {lost} left out, which came quicker than they could be written" if lost else text


def _run(writing: _Writing, connection: socket.socket, seconds: float | None) -> bool:
    """Until one of its ends; whether it was the daemon's."""
    interrupted: list[int] = []
    gone: list[Any] = []
    deadline = None if seconds is None else time.monotonic() + seconds
    before = [
        (number, signal.signal(number, lambda number, _: interrupted.append(number)))
        for number in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        while not (interrupted or gone or writing.full):
            if deadline is not None and time.monotonic() >= deadline:
                break
            some = writing.some()
            gone, _, _ = select.select([connection], [], [], 0 if some else _PAUSE)
        # What came before the end; traffic goes on, so only once.
        writing.some()
        writing.end()
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    return bool(gone)


def _interface(one: CapturedPacket) -> int:
    return pcapng.INNER if one.inner else pcapng.OUTER


def _block(one: CapturedPacket) -> bytes:
    comment = f"dropped: {one.drop.label}, {one.drop.meaning}" if one.drop else ""
    return pcapng.packet(_interface(one), one.time, one.data, one.length, one.inbound, comment)
