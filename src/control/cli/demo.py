"""`mobileip demo`: a host roams through an internet of network namespaces with a live TCP connection."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import click
from rich.console import Console

from mobileip.control.lab.lab import Lab
from mobileip.control.lab.namespaces import LabError
from mobileip.control.lab.roaming import Result, Tour
from mobileip.control.lab.screen import Lines, Screen, Silent, conclusion
from mobileip.control.lab.waiting import NeverHappened

_EPILOG = """\b
Examples:
  sudo mobileip demo                    watch it, about 25 seconds
  sudo mobileip demo --pcap captures    and read every packet afterwards
  sudo mobileip demo --pause            and look around in the networks at the end
  sudo mobileip demo --json             only the figures

It builds its networks in namespaces of its own, runs the real daemons in them, touches nothing outside,
and removes everything at the end. The exit status is 0 if every handover registered and the connection
lost no byte.
"""


@click.command(epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object and nothing else.")
@click.option(
    "--pcap",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep a capture file of every link in DIR.",
)
@click.option(
    "--pause", is_flag=True, help="Leave the networks up at the end and say how to get a shell in each."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.2, 3600),
    default=4.0,
    show_default=True,
    metavar="N",
    help="How long to stay at each stop.",
)
@click.option("--plain", is_flag=True, help="Lines instead of the live screen.")
def demo(as_json: bool, pcap: Path | None, pause: bool, seconds: float, plain: bool) -> None:
    """Show a host roaming between networks while a TCP connection to it goes on.

    A correspondent sends to the home address of a mobile node, which goes from its home network to two
    networks with foreign agents, to one without (co-located care-of address), and home again. Needs root.
    """
    console = Console(stderr=as_json, highlight=False)
    lab = Lab()
    try:
        with lab:
            result = _roam(lab, console, as_json, plain, seconds, pcap)
            if as_json:
                click.echo(json.dumps(result.to_json()))
            else:
                console.print(conclusion(result))
                if pcap is not None:
                    console.print(f"Captures of every link are in {pcap}.")
            if pause:
                _pause(lab, console)
    except (LabError, NeverHappened) as failure:
        kept = f"\nConfiguration and logs are kept in {lab.directory}." if lab.directory else ""
        raise click.ClickException(f"{failure}{kept}") from None
    except KeyboardInterrupt as interruption:
        console.print("stopped; everything is removed again")
        raise SystemExit(128 + _signal_number(interruption)) from None
    sys.exit(0 if result.good else 1)


def _roam(
    lab: Lab, console: Console, as_json: bool, plain: bool, seconds: float, pcap: Path | None
) -> Result:
    if as_json:
        watcher: Silent | Lines | Screen = Silent(lab)
    elif plain or not Screen.fits(console):
        watcher = Lines(lab, console)
    else:
        watcher = Screen(lab, console)
    tour = Tour(lab, watcher.say, seconds=seconds, pcap=pcap)
    if isinstance(watcher, Screen):
        watcher.tour = tour
    with watcher:
        return tour.run()


def _pause(lab: Lab, console: Console) -> None:
    """Wait for Enter, or Ctrl-C; without standard input for a signal."""
    console.print("\nThe networks stay up. A shell in each of them:\n")
    for name, command in lab.shells():
        console.print(f"  {name:14} {command}", soft_wrap=True)
    console.print(f"\nThe daemons' configuration and logs are in {lab.directory}", soft_wrap=True)
    console.print("Control sockets, for `mobileip show bindings --socket FILE`:\n")
    for daemon in lab.daemons:
        console.print(f"  {daemon.name:14} {daemon.socket}", soft_wrap=True)
    console.print("\nEnter or Ctrl-C removes everything.")
    try:
        if not sys.stdin.readline():
            signal.pause()
    except KeyboardInterrupt:
        return


def _signal_number(interruption: KeyboardInterrupt) -> int:
    """Ctrl-C, or the signal that the laboratory turned into an interruption."""
    return signal.Signals[str(interruption)] if str(interruption) else signal.SIGINT
