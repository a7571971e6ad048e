"""``mobileip decode``: registration messages and agent advertisements as text."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from mobileip.control.cli.capture_files import (
    CaptureError,
    ControlPacket,
    Frame,
    control_packet,
    frames,
    from_ipv4,
    is_capture,
)
from mobileip.control.types import NANOSECONDS
from mobileip.control.wire import WireError, parse, parse_icmp, pretty


@click.command(short_help="Print messages from hex digits or a capture file.")
@click.argument("source", metavar="HEX|FILE|-")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line for each message.")
def decode(source: str, as_json: bool) -> None:
    """Print Mobile IP messages as trees: registration requests and replies, agent advertisements and
    solicitations.

    The message comes as hexadecimal digits (spaces, colons and line ends do not matter) or in a file, which
    holds a capture (pcap or pcapng) or the same digits as text. "-" reads standard input.

    Digits begin at the UDP payload, at the ICMP type or at an IPv4 header. Of a capture, every packet of UDP
    port 434 and of ICMP router discovery is printed; one that cannot be decoded is printed with the reason.
    Authenticators are shown, not verified.

    \b
    mobileip decode 01020708c0000201c0000202c6336403e3a1b2c300000000
    mobileip decode visited.pcap
    tcpdump -c 2 -w - -i eth0 'udp port 434' | mobileip decode -
    """
    data = _read(source)
    try:
        if is_capture(data):
            _print_capture(data, as_json)
        else:
            message = _message(_digits(data))
            click.echo(json.dumps(message) if as_json else pretty.layout(message))
    except WireError as error:
        raise click.ClickException(f"{error} ({error.reason.label})") from None
    except CaptureError as error:
        raise click.ClickException(str(error)) from None


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    if not os.path.exists(source):
        return source.encode(errors="replace")
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise click.ClickException(f"cannot read {source}: {error.strerror}") from None


def _digits(data: bytes) -> bytes:
    try:
        found = bytes.fromhex(re.sub(rb"[\s:]", b"", data).decode("ascii"))
    except ValueError:
        raise click.ClickException(
            "neither an existing file, nor a capture, nor an even number of hexadecimal digits"
        ) from None
    if not found:
        raise click.ClickException("nothing to decode")
    return found


def _message(data: bytes) -> dict[str, object]:
    """Fields of a message whose first byte tells its kind: IP version, ICMP type or message type."""
    if data[0] >> 4 == 4:
        packet = from_ipv4(data)
        if packet is None:
            raise click.ClickException("the IPv4 packet is neither UDP port 434 nor ICMP router discovery")
        return _fields(packet)
    return pretty.fields(parse_icmp(data) if data[0] in (9, 10) else parse(data))


def _fields(packet: ControlPacket) -> dict[str, object]:
    return pretty.fields(parse_icmp(packet.payload) if packet.icmp else parse(packet.payload))


def _print_capture(data: bytes, as_json: bool) -> None:
    number = found = 0
    for frame in frames(data):
        number = frame.number
        packet = control_packet(frame)
        if packet is None:
            continue
        found += 1
        try:
            message = _fields(packet)
        except WireError as error:
            message = {"type": "not decoded", "reason": error.reason.label, "error": str(error)}
        _print_packet(frame, packet, message, as_json)
    if not found:
        raise CaptureError(f"none of the capture's {number} packets is UDP port 434 or ICMP router discovery")


def _print_packet(frame: Frame, packet: ControlPacket, message: dict[str, object], as_json: bool) -> None:
    source, destination, time = str(packet.source), str(packet.destination), _time(frame.wall)
    if as_json:
        envelope = {"number": frame.number, "time": time, "source": source, "destination": destination}
        click.echo(json.dumps(envelope | {"message": message}))
    else:
        click.echo(f"{frame.number}  {time or 'no time'}  {source} > {destination}")
        click.echo(pretty.layout(message) + "\n")


def _time(wall: int | None) -> str | None:
    if wall is None:
        return None
    whole, rest = divmod(wall, NANOSECONDS)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}.{rest // 1000:06} UTC"
