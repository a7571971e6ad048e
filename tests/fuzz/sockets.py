"""What comes over sockets: IPv4 packets around control messages, and an operator's requests."""

from __future__ import annotations

import asyncio
import json
import tempfile
from functools import cache
from pathlib import Path
from unittest.mock import Mock

from mobileip.control.agent import commands
from mobileip.control.core.events import DatagramReceived, IcmpReceived
from mobileip.control.net import ipv4
from mobileip.control.net.icmp import AgentDiscoverySocket
from mobileip.control.net.packet import Frame
from mobileip.control.net.udp import RegistrationSockets
from mobileip.control.ops.control_socket import DONE, FAILED, UNSUPPORTED, ControlServer
from mobileip.control.reasons import Reason
from tests.fuzz.files import packets
from tests.fuzz.target import Target
from tests.unit.agent.test_commands import FILE, Daemon, config

# ---- packets


def packet(data: bytes) -> None:
    """A header is taken only if it adds up, and what is taken builds to a packet that is taken again.

    Also with the checksums made right, which chance will not do.
    """
    _packet(data)
    _packet(_summed(data))


def _packet(data: bytes) -> None:
    found = ipv4.parse(data)
    _framed(data)
    if isinstance(found, Reason):
        return
    header = (data[0] & 15) * 4
    assert len(data) >= int.from_bytes(data[2:4]) == header + len(found.body)
    assert _adds_up(data[:header])
    rebuilt = ipv4.build(found.source, found.destination, found.protocol, found.ttl, found.body)
    assert ipv4.parse(rebuilt) == found
    datagram = ipv4.parse_udp(found, partial=False)
    assert datagram in (ipv4.parse_udp(found, partial=True), Reason.BAD_CHECKSUM)
    if isinstance(datagram, Reason):
        return
    assert len(datagram.payload) + 8 == int.from_bytes(found.body[4:6])
    again = ipv4.parse(ipv4.build_udp(datagram.source, datagram.destination, datagram.ttl, datagram.payload))
    assert isinstance(again, ipv4.Packet)
    assert ipv4.parse_udp(again, partial=False) == datagram


def _framed(data: bytes) -> None:
    """Both sockets' handlers: one event or one note."""
    frame = Frame("eth0", data, b"\2\0\0\0\0\1", unicast=True, partial_checksum=False)
    _told.clear()
    RegistrationSockets._frame(_socket, frame)
    assert len(_told) == 1 and isinstance(_told[0], DatagramReceived | Reason)
    AgentDiscoverySocket._frame(_socket, frame)
    assert len(_told) == 2 and isinstance(_told[1], IcmpReceived | Reason)


_told: list[object] = []
_socket = Mock()  # of either kind: all that a received frame is handed on to
_socket._deliver = _told.append
_socket._note = _socket._drop = lambda reason, about: _told.append(reason)


def _adds_up(words: bytes) -> bool:
    """RFC 1071 as it is written, word by word."""
    total = 0
    for at in range(0, len(words), 2):
        total += int.from_bytes(words[at : at + 2].ljust(2, b"\0"))
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def _summed(data: bytes) -> bytes:
    """``data`` with the lengths and checksums of an IPv4 packet with UDP put right, as far as it reaches."""
    header = (data[0] & 15) * 4 if data else 0
    if len(data) < max(header + 8, 28) or header < 20 or len(data) > 0xFFFF:
        return data
    made = bytearray(data)
    made[0] = 0x40 | made[0] & 15
    made[2:4] = len(data).to_bytes(2)
    made[10:12] = b"\0\0"
    made[10:12] = ipv4.checksum(bytes(made[:header])).to_bytes(2)
    made[9] = ipv4.UDP
    made[10:12] = b"\0\0"
    made[10:12] = ipv4.checksum(bytes(made[:header])).to_bytes(2)
    made[header + 4 : header + 6] = (len(data) - header).to_bytes(2)
    made[header + 6 : header + 8] = b"\0\0"
    pseudo = bytes(made[12:20]) + b"\0\x11" + (len(data) - header).to_bytes(2)
    made[header + 6 : header + 8] = ipv4.checksum(pseudo + bytes(made[header:])).to_bytes(2)
    return bytes(made)


# ---- the control socket


def control(data: bytes) -> None:
    """Every line gets one answer, until one that is no request; the daemon lives on."""
    loop, place = _service()
    answers = loop.run_until_complete(asyncio.wait_for(_ask(place, data), 10)).splitlines()
    requests = data.count(b"\n")
    followed = False
    for number, answer in enumerate(answers):
        said = json.loads(answer)
        if followed:
            continue
        assert said["result"] in (DONE, FAILED, UNSUPPORTED), said
        assert number < max(requests, 1), said
        assert "internal error" not in said["text"], said
        followed = b"debug" in data


async def _ask(place: Path, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(place)
    try:
        writer.write(data)
        writer.write_eof()
        return await reader.read()
    except (BrokenPipeError, ConnectionResetError):
        return b""  # it had heard enough
    finally:
        writer.close()


_PLACE = tempfile.TemporaryDirectory(prefix="mobileip-fuzz-")


@cache
def _service() -> tuple[asyncio.AbstractEventLoop, Path]:
    loop = asyncio.new_event_loop()
    place = Path(_PLACE.name) / "control"
    daemon = Daemon(config(FILE), agents=None)
    server = ControlServer(place, commands.handlers(daemon))
    loop.run_until_complete(server.start())
    return loop, place


def _requests() -> dict[str, bytes]:
    asked: list[dict[str, object]] = [
        *[
            {"command": "show", "what": what}
            for what in ("bindings", "hosts", "counters", "tunnels", "violations")
        ],
        {
            "command": "clear",
            "what": "binding",
            "home_address": "192.0.2.10",
            "care_of_address": "198.51.100.11",
        },
        {"command": "debug", "node": "192.0.2.10"},
        {"command": "reload"},
        {"command": "nothing", "deep": [[{}], 1.5e300, None, True]},
    ]
    seeds = {
        f"{request['command']} {request.get('what', '')}": json.dumps(request).encode() + b"\n"
        for request in asked
    }
    return seeds | {"two": b"".join(list(seeds.values())[:2]), "not json": b"{\n"}


TARGETS = {
    "packet": Target(packet, packets, longest=256),
    "control": Target(
        control,
        _requests,
        (
            b'"command"',
            b'"what"',
            b'"show"',
            b'"clear"',
            b'"debug"',
            b'"node"',
            b'"home_address"',
            b'"binding"',
        ),
        longest=20_000,
    ),
}
