"""``mobileip``: the command that has all the others; each is imported only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from mobileip import __version__

# Section, then command and what the list of commands says of it. A command is the click command of the same
# name in the module of the same name.
_COMMANDS: Final = {
    "A daemon": {
        "example": "Print a configuration file to start from.",
        "check": "Say what is wrong with a configuration file.",
        "keys": "Make, change, list and remove the sealed keys of a home agent.",
        "run": "Start the daemon of a configuration file.",
    },
    "A running daemon": {
        "show": "Ask it what it knows: bindings, visitors, violations, counters and more.",
        "clear": "Take a binding or a visitor away.",
        "debug": "Follow one mobile node's messages as they come.",
        "capture": "Write what goes in and out of a tunnel to a file for Wireshark.",
        "reload": "Apply a changed configuration file without losing a binding.",
    },
    "Finding out": {
        "doctor": "Say what this host lacks, and the command that cures it.",
        "filter": "Say whom the registration filters let register, and by which rule.",
        "explain": "Say what a word of the log or a reply code means, and what cures it.",
        "decode": "Print registration messages and advertisements as trees.",
        "demo": "See a host roam with a live connection, on this machine alone.",
    },
}


class _Lazy(click.Group):
    """A group whose help needs none of its commands, so that it comes at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in _COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = getattr(import_module(f"mobileip.control.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in _COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl(list(section.items()))


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
To begin with:
  mobileip demo                            see it work (as root; needs nothing else)
  mobileip example home > home.toml        then change addresses and key in it
  mobileip check home.toml
  mobileip doctor --config home.toml
  mobileip run --config home.toml
  mobileip show bindings                   in another terminal
""",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def mobileip() -> None:
    """Mobile IPv4 for Linux (RFC 5944): a host keeps its address, and every connection, while it moves from
    network to network.

    Three roles play together. The mobile node is the host that moves. The home agent, a router of its home
    network, knows where the node is and tunnels its packets there. The foreign agent, a router of a visited
    network, is the other end of that tunnel; where there is none, the node ends the tunnel itself.
    """


def main() -> None:
    """Entry point of the ``mobileip`` script and of ``python -m mobileip``."""
    mobileip(prog_name="mobileip")
