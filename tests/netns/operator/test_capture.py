"""`mobileip capture` with the real daemons while traffic flows; tshark and capinfos read what it wrote."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, HOME_ADDRESS, HOME_AGENT, SITES
from mobileip.control.lab.waiting import eventually

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("judges")]

HOME = HOME_ADDRESS.ip
ROUNDS = 25


def command(daemon: Daemon, output: Path | str, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "mobileip",
        "capture",
        str(output),
        *options,
        "--socket",
        str(daemon.socket),
    ]


@contextmanager
def capturing(daemon: Daemon, output: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Ended by Ctrl-C when the block ends, unless it has ended itself."""
    process = subprocess.Popen(command(daemon, output, *options), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        while "capturing" not in (line := process.stderr.readline()):
            assert line, "it ended without a word"
        yield process
        process.send_signal(signal.SIGINT)
        process.wait(10)
    finally:
        process.kill()
        process.wait()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()


def packets(file: Path, *fields: str, only: str = "ip") -> list[tuple[str, ...]]:
    """Of each packet the fields; outermost first where there are several."""
    run = ["tshark", "-r", str(file), "-Y", only, "-T", "fields", "-E", "separator=|"]
    for field in fields:
        run += ["-e", field]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    return [tuple(line.split("|")) for line in done.stdout.splitlines()]


def summary(file: Path) -> str:
    """As another program reads the blocks; it refuses a damaged file."""
    return subprocess.run(["capinfos", "-M", str(file)], capture_output=True, text=True, check=True).stdout


def ends(daemon: Daemon) -> int:
    """How many captures have ended, by the log."""
    return sum(line.get("event") == "capture-ended" for line in daemon.log_lines())


def test_both_layers_both_ways(lab: Lab, tmp_path: Path) -> None:
    lab.go("foreign1")
    lab.correspondent.ping(HOME)
    files = {lab.home: tmp_path / "home.pcapng", lab.foreign1: tmp_path / "foreign.pcapng"}
    with (
        capturing(lab.home, files[lab.home], "--tunnel", str(HOME)) as home,
        capturing(lab.foreign1, files[lab.foreign1], "--tunnel", str(HOME_AGENT)) as foreign,
    ):
        for size in range(ROUNDS):
            lab.correspondent.ping(HOME, size=size * 50)
    assert f"{4 * ROUNDS} packets written: {2 * ROUNDS} outer, {2 * ROUNDS} inner\n" in (
        said(home),
        said(foreign),
    )
    assert (home.returncode, foreign.returncode) == (0, 0)
    care_of = SITES["foreign1"].care_of_address
    for daemon, file in files.items():
        outward, inward = ("2", "1") if daemon is lab.home else ("1", "2")  # epb_flags: 1 inbound, 2 outbound
        seen = packets(
            file, "frame.interface_name", "frame.packet_flags_direction", "ip.src", "ip.dst", "ip.len"
        )
        expected: list[tuple[str, ...]] = []
        for source, destination, first, last, flow in (
            (CORRESPONDENT, HOME, HOME_AGENT, care_of, outward),
            (HOME, CORRESPONDENT, care_of, HOME_AGENT, inward),
        ):
            for size in range(ROUNDS):
                inner = 20 + 8 + size * 50
                expected += [
                    ("mip0-inner", flow, str(source), str(destination), str(inner)),
                    (
                        "mip0-outer",
                        flow,
                        f"{first},{source}",
                        f"{last},{destination}",
                        f"{inner + 20},{inner}",
                    ),
                ]
        plain = [(name, str(int(direction, 0)), *rest) for name, direction, *rest in seen]
        assert sorted(plain) == sorted(expected)
        shown = summary(file)
        assert "Number of interfaces in file: 2" in shown and "Time resolution = 0x09" in shown
        assert "Encapsulation = Raw IPv4" in shown and "Number of packets = 50" in shown


def test_dropped_ones_have_their_reason(lab: Lab, tmp_path: Path) -> None:
    """Somebody else speaks for the node: seen with both headers, and why it went no further."""
    lab.go("foreign1")
    file, stranger = tmp_path / "dropped.pcapng", SITES["foreign2"].care_of_address
    inner = bytes.fromhex("4500001c000100004001") + bytes(2) + HOME.packed + CORRESPONDENT.packed + bytes(8)
    total = sum(int.from_bytes(inner[i : i + 2]) for i in range(0, 20, 2))
    check = 0xFFFF - (total % 0xFFFF)
    inner = inner[:10] + check.to_bytes(2) + inner[12:]
    with capturing(lab.home, file, "--tunnel", str(HOME), "--count", "2") as process:
        header = bytes.fromhex("45000030000100004004") + bytes(2) + stranger.packed + HOME_AGENT.packed
        _send(lab.foreign2, header + inner, HOME_AGENT)
        process.wait(10)
    assert "2 packets written: 1 outer, 1 inner" in said(process)
    seen = packets(file, "frame.interface_name", "frame.comment", "ip.src")
    assert seen == [
        ("mip0-outer", "", f"{stranger},{HOME}"),
        (
            "mip0-inner",
            "dropped: wrong-outer-source, the outer source is not the tunnel's other end",
            str(HOME),
        ),
    ]


def _send(host: Daemon, datagram: bytes, to: IPv4Address) -> None:
    with host.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(datagram, (str(to), 0))


def test_to_a_pipe_cut_short_and_for_a_while(lab: Lab) -> None:
    lab.go("foreign1")
    lab.correspondent.ping(HOME)
    writer = subprocess.Popen(
        command(lab.home, "-", "--snap", "28", "--count", "8"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    reader = subprocess.Popen(
        ["tshark", "-r", "-", "-T", "fields", "-e", "frame.cap_len", "-e", "frame.len"],
        stdin=writer.stdout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None and writer.stderr is not None
    writer.stdout.close()
    writer.stderr.readline()
    for _ in range(2):
        lab.correspondent.ping(HOME)
    shown, _ = reader.communicate(timeout=20)
    writer.stderr.close()
    assert writer.wait(10) == 0
    assert sorted(shown.split("\n")) == sorted(["", *["28\t84"] * 4, *["28\t104"] * 4])


def test_who_goes_away_is_forgotten(lab: Lab, tmp_path: Path) -> None:
    """Killed without a word; and no more than four at a time."""
    before, running = ends(lab.home), []
    try:
        for number in range(4):
            file = tmp_path / f"{number}.pcapng"
            process = subprocess.Popen(command(lab.home, file), stderr=subprocess.PIPE, text=True)
            running.append(process)
            assert process.stderr is not None and "capturing" in process.stderr.readline()
        refused = subprocess.run(
            command(lab.home, tmp_path / "5"), capture_output=True, text=True, timeout=20
        )
        assert refused.returncode == 1 and "there are too many captures" in refused.stderr
    finally:
        for process in running:
            process.kill()
            process.wait()
    eventually(lambda: ends(lab.home), lambda seen: seen == before + 4, what="all of them to be ended")
    with capturing(lab.home, tmp_path / "again.pcapng", "--seconds", "0.2") as process:
        process.wait(10)
    assert process.returncode == 0 and "0 packets written" in said(process)


def test_the_daemon_may_end_first(lab: Lab, tmp_path: Path) -> None:
    """Nothing hangs, and the file can be read."""
    lab.go("foreign1")
    file = tmp_path / "ended.pcapng"
    with capturing(lab.foreign1, file, "--tunnel", "192.0.2.199") as process:
        lab.foreign1.stop()
        process.wait(10)
    assert process.returncode == 1 and "the daemon has ended" in said(process)
    assert "Number of packets:   0" in summary(file)
