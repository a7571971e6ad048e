"""``mobileip debug``: one mobile node's messages, decoded, as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from mobileip.control.cli import target
from mobileip.control.ops.control_socket import ControlError, follow
from mobileip.control.wire import pretty


@click.command(
    epilog="""\b
Examples:
  mobileip debug 10.1.0.5
  mobileip debug 02:00:5e:00:53:01 --name foreign
  mobileip debug user@example.org --json | jq .message
"""
)
@click.argument("node", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
@target.options
def debug(node: str | None, as_json: bool, path: target.Find) -> None:
    """Follow one mobile node: every message that a running daemon gets from it or sends to it, decoded, and what
    the daemon notes about it. Ends with Ctrl-C, or with the daemon.

    NODE is its home address, its link-layer address, or its Network Access Identifier. A daemon that is a mobile
    node needs no NODE. Authenticators are shown, not verified; keys are not shown. Messages that come quicker than
    they can be printed are left out and counted.
    """
    try:
        for record in follow(path(), "debug", node=node):
            click.echo(json.dumps(record) if as_json else "\n".join(_lines(record)))
    except ControlError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        return
    raise click.ClickException("the daemon has ended")


def _lines(record: Any) -> Iterator[str]:
    """A record for people; what came from the network was escaped where it was decoded."""
    time, event = record["time"], record["event"]
    match event:
        case "received" | "sent":
            yield f"{time} {event:<8} {_envelope(record)}"
            yield from _content(record)
        case "noted":
            fields = " ".join(f"{name}={_printable(value)}" for name, value in record["fields"].items())
            yield f"{time} noted    {record['reason']}: {record['text']} {fields}".rstrip()
        case "lost":
            yield f"{time} {record['count']} left out"
        case _:
            yield f"{time} {event}"


def _envelope(record: Any) -> str:
    link = f" link {record['link_address']}" if record["link_address"] else ""
    ttl = f" ttl {record['ttl']}" if record["ttl"] is not None else ""
    where = f" on {record['interface']}" if record["interface"] else ""
    return f"{record['source'] or '0.0.0.0'} -> {record['destination']}{where}{link}{ttl}"


def _content(record: Any) -> Iterator[str]:
    if "error" in record:
        error = record["error"]
        yield f"  not decoded: {error['text']} ({error['reason']})"
        yield f"  {error['data']}"
    else:
        for line in pretty.layout(record["message"]).splitlines():
            yield f"  {line}"


def _printable(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)
