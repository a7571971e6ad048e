"""Files that a user hands us: captures to decode, and configurations."""

from __future__ import annotations

import json
import struct
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import get_args

import click
from pydantic import BaseModel

from mobileip.control.agent import settings
from mobileip.control.cli.capture_files import CaptureError, ControlPacket, control_packet, frames, is_capture
from mobileip.control.cli.decode import decode
from mobileip.control.config.load import examine
from mobileip.control.config.model import Config
from mobileip.control.config.problem import Severity
from mobileip.control.core.home import HomeAgent
from mobileip.control.core.mobile import MobileNode
from mobileip.control.net import ipv4
from mobileip.control.types import Endpoint
from tests.fuzz.target import Target
from tests.unit.config.texts import FOREIGN, HOME, KEY, MOBILE
from tests.vectors.load import octets, vectors

# ---- captures


def capture(data: bytes) -> None:
    """Frames and control packets, or one CaptureError; and the command never ends in a traceback."""
    try:
        for number, frame in enumerate(frames(data) if is_capture(data) else (), 1):
            assert frame.number == number
            assert len(frame.data) <= len(data)
            packet = control_packet(frame)
            assert packet is None or isinstance(packet, ControlPacket)
    except CaptureError as error:
        assert str(error).isprintable()
    _decoded(data)


def _decoded(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=_MEMORY) as file:
        file.write(data)
        file.flush()
        for options in ((), ("--json",)):
            said = StringIO()
            try:
                with redirect_stdout(said):
                    decode.main([file.name, *options], standalone_mode=False)
            except click.ClickException as error:
                assert error.message.isprintable(), error.message
            shown = said.getvalue().splitlines()
            if options:
                for line in shown:
                    json.loads(line)
            else:
                assert all(line.isprintable() for line in shown)


_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def packets() -> dict[str, bytes]:
    """IPv4 packets around the messages of the vectors."""
    made = {}
    ends = Endpoint(IPv4Address("192.0.2.10"), 434), Endpoint(IPv4Address("192.0.2.1"), 434)
    for vector in vectors("registration")[:6]:
        made["udp " + vector["name"]] = ipv4.build_udp(*ends, 64, octets(vector["hex"]))
    for vector in vectors("advertisement")[:4]:
        made["icmp " + vector["name"]] = ipv4.build(
            ends[0].address, ends[1].address, ipv4.ICMP, 1, octets(vector["hex"])
        )
    return made


def _pcap(order: str, magic: int, link: int, frame: bytes) -> bytes:
    header = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)
    return header + struct.pack(order + "IIII", 1_800_000_000, 5, len(frame), len(frame)) + frame


def _pcapng(order: str, link: int, frame: bytes) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", len(body) + 12)
        return struct.pack(order + "I", kind) + size + body + size

    options = struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0)
    packet = struct.pack(order + "IIIII", 0, 419_095, 1_000_000, len(frame), len(frame)) + frame
    return (
        block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
        + block(1, struct.pack(order + "HHI", link, 0, 262144) + options)
        + block(6, packet)
        + block(3, struct.pack(order + "I", len(frame)) + frame)
    )


def _captures() -> dict[str, bytes]:
    ethernet, vlan = bytes(12) + b"\x08\x00", bytes(12) + b"\x81\x00\x00\x05\x08\x00"
    cooked, cooked_2 = bytes(14) + b"\x08\x00", b"\x08\x00" + bytes(18)
    seeds = {name: packet.hex().encode() for name, packet in packets().items()}
    for name, packet in packets().items():
        seeds[f"pcap {name}"] = _pcap("<", 0xA1B2C3D4, 1, ethernet + packet)
        seeds[f"pcapng {name}"] = _pcapng("<", 1, ethernet + packet)
    packet = next(iter(packets().values()))
    seeds["pcap big endian nanoseconds vlan"] = _pcap(">", 0xA1B23C4D, 1, vlan + packet)
    seeds["pcap cooked"] = _pcap("<", 0xA1B2C3D4, 113, cooked + packet)
    seeds["pcap cooked 2"] = _pcap("<", 0xA1B2C3D4, 276, cooked_2 + packet)
    seeds["pcapng big endian raw"] = _pcapng(">", 101, packet)
    return seeds


# ---- configurations


def config(data: bytes) -> None:
    """Problems and nothing else; what passes can be given to the machines."""
    _CONFIGURATION.write_bytes(data)
    made, problems = examine(_CONFIGURATION)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    assert (made is None) is bool(errors)
    for problem in problems:
        assert problem.text.isprintable() and problem.key.isprintable(), problem
        assert data.count(KEY.encode()) > data.count(_KEY_LINE) or KEY not in str(problem)
    if made is None:
        return
    settings.advertised_links(made, lambda interface: _ADDRESS)
    if made.home_agent is not None:
        HomeAgent(settings.home_agent(made.home_agent))
    if made.foreign_agent is not None:
        own = made.foreign_agent.care_of_addresses
        settings.foreign_agent(made.foreign_agent, made.home_agent, lambda interface: _ADDRESS, own)
    if made.mobile_node is not None:
        MobileNode(settings.mobile_node(made.mobile_node), lambda size: bytes(size))


_KEY_LINE = f'\nkey = "{KEY}"'.encode()  # a key that stands elsewhere may well be shown
_ADDRESS = IPv4Interface("10.1.0.1/24")
_PLACE = tempfile.TemporaryDirectory(dir=_MEMORY, prefix="mobileip-fuzz-")
_CONFIGURATION = Path(_PLACE.name) / "mobileip.toml"
_MORE = f"""
[daemon]
tunnel_mtu = 1400
log_format = "json"
[home_agent]
address = "192.0.2.1"
max_lifetime = 600
reverse_tunnel = "required"
max_simultaneous = 2
broadcasts = true
[[home_agent.networks]]
prefix = "10.1.0.0/24"
interface = "eth1"
pool = "10.1.0.128/25"
[[home_agent.nodes]]
home_addresses = "10.1.0.16/28"
spi = 256
key = "{KEY}"
replay = "nonces"
[[home_agent.nodes]]
nai = "*@example.net"
spi = 257
key = "{KEY}"
max_lifetime = 60
[[home_agent.foreign_agents]]
address = "198.51.100.1"
spi = 300
key_file = "absent"
"""
_MORE_MOBILE = f"""
[mobile_node]
nai = "user@example.org"
home_agent = "192.0.2.1"
interfaces = ["eth0"]
agents = ["198.51.100.1"]
hold_down = 0.5
simultaneous = true
spi = 256
key = "{KEY}"
[[mobile_node.foreign_agents]]
address = "198.51.100.1"
spi = 256
key = "{KEY}"
"""
_MORE_FOREIGN = f"""
[foreign_agent]
care_of_address = "198.51.100.1"
care_of_addresses = ["198.51.100.2"]
[[foreign_agent.interfaces]]
name = "eth1"
advertise = {{ destination = "broadcast", prefix_lengths = true, on_solicitation_only = true }}
[[foreign_agent.nodes]]
home_address = "10.1.0.5"
spi = 256
key = "{KEY}"
[[foreign_agent.home_agents]]
address = "192.0.2.1"
spi = 256
key = "{KEY}"
"""


def _configurations() -> dict[str, bytes]:
    texts = {
        "home": HOME,
        "foreign": FOREIGN,
        "mobile": MOBILE,
        "both agents": HOME + FOREIGN,
        "home with names and ranges": _MORE,
        "mobile by name": _MORE_MOBILE,
        "foreign with keys": _MORE_FOREIGN,
        "mobile beside home": HOME + MOBILE,
    }
    return {f"{name}.toml": text.encode() for name, text in texts.items()}


def _names(model: type[BaseModel] = Config) -> set[bytes]:
    """Every key that a configuration may have."""
    names = {name.encode() for name in model.model_fields}
    waiting: list[object] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= _names(kind)
        waiting += get_args(kind)
    return names


_VALUES = (
    b"10.1.0.5",
    b"10.1.0.0/24",
    b"0.0.0.0",
    b"255.255.255.255",
    b"infinite",
    b"nonces",
    b"[[home_agent.nodes]]\n",
)

TARGETS = {
    "capture": Target(
        capture, _captures, (b"\n\r\r\n", b"\xa1\xb2\x3c\x4d", b"\x08\x00\x45\x00", b"\x01\xb2"), 512
    ),
    "config": Target(config, _configurations, (*sorted(_names()), *_VALUES), 2048),
}
