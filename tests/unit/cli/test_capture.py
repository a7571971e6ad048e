"""pcapng as `mobileip capture` writes it, read by tshark, by capinfos and by our own reader; and what can go wrong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from mobileip.control.cli import pcapng
from mobileip.control.cli.capture_files import frames
from mobileip.control.cli.main import mobileip
from mobileip.control.lab.waiting import eventually
from mobileip.control.ops.control_socket import Loan
from tests.unit.cli.serving import serving

INNER = bytes.fromhex("4500001d000100004001663d0a0000010a0000020000000000000000ff")
OUTER = bytes.fromhex("4500003100000000400466180a0000030a000004") + INNER
TIME = 1_790_000_000_123_456_789


@pytest.fixture
def file(tmp_path: Path) -> Path:
    blocks = [
        pcapng.header("mobileip test", "mip7", 40),
        pcapng.packet(pcapng.OUTER, TIME, OUTER[:40], len(OUTER), inbound=True),
        pcapng.packet(pcapng.INNER, TIME + 1, INNER, len(INNER), inbound=True, comment="dropped: §"),
        pcapng.packet(pcapng.INNER, TIME + 2, b"", 0, inbound=False),
        pcapng.statistics(pcapng.OUTER, TIME - 5, TIME + 9, 12, 11),
        pcapng.statistics(pcapng.INNER, TIME - 5, TIME + 9, 2, 0),
    ]
    path = tmp_path / "a.pcapng"
    path.write_bytes(b"".join(blocks))
    return path


def test_our_own_reader_has_the_same(file: Path) -> None:
    found = [(one.wall, one.link_type, one.data) for one in frames(file.read_bytes())]
    assert found == [(TIME, 228, OUTER[:40]), (TIME + 1, 228, INNER), (TIME + 2, 228, b"")]


def test_tshark_has_the_same(file: Path) -> None:
    names = ("interface_name", "interface_description", "time_epoch", "cap_len", "len", "comment")
    command = [
        "tshark",
        "-r",
        str(file),
        "-T",
        "fields",
        "-E",
        "separator=|",
        "-e",
        "frame.packet_flags_direction",
    ]
    for name in names:
        command += ["-e", f"frame.{name}"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    directions = [int(line.split("|")[0], 0) for line in shown]
    assert directions == [1, 1, 2]
    assert [line.split("|")[1:] for line in shown] == [
        ["mip7-outer", "tunnelled datagrams", "1790000000.123456789", "40", "49", ""],
        ["mip7-inner", "packets inside them", "1790000000.123456790", "29", "29", "dropped: §"],
        ["mip7-inner", "packets inside them", "1790000000.123456791", "0", "0", ""],
    ]


def test_capinfos_finds_both_interfaces_and_their_statistics(file: Path) -> None:
    shown = subprocess.run(["capinfos", "-M", str(file)], capture_output=True, text=True, check=True).stdout
    assert "Capture application: mobileip test" in shown
    assert shown.count("Number of stat entries = 1") == 2 and shown.count("Capture length = 40") == 2


class Rings:
    """A daemon that lends a descriptor of the wrong kind."""

    def __init__(self) -> None:
        self.closed = 0

    def __call__(self, arguments: Mapping[str, object]) -> Loan:
        descriptor = os.open("/dev/null", os.O_RDONLY)
        return Loan({"device": "mip0", "tunnels": 0}, descriptor, lambda: self._close(descriptor))

    def _close(self, descriptor: int) -> None:
        self.closed += 1
        os.close(descriptor)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[tuple[Path, Rings]]:
    rings = Rings()
    with serving(tmp_path / "s", {"capture": rings}) as path:
        yield path, rings


def fails(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(mobileip, ["capture", *map(str, arguments)], prog_name="mobileip")
    return done.exit_code, done.output


def test_what_can_go_wrong(tmp_path: Path, daemon: tuple[Path, Rings]) -> None:
    socket, rings = daemon
    file = tmp_path / "x.pcapng"
    for arguments, status, words in (
        ((file, "--socket", tmp_path / "nobody"), 1, "no daemon runs at"),
        ((file, "--socket", socket), 1, "is another version of mobileip"),
        ((tmp_path / "no" / "file", "--socket", socket), 1, "No such file or directory"),
        (
            (file, "--tunnel", "mip0", "--socket", socket),
            2,
            "no IPv4 address; take one that mobileip show tunnels",
        ),
        ((file, "--count", "0", "--socket", socket), 2, "--count"),
    ):
        code, output = fails(*arguments)
        assert (code, words in output) == (status, True), output
    eventually(lambda: rings.closed, lambda seen: seen == 1, what="the daemon to notice that its client left")
