"""What is measured on one line: TCP, lossless UDP, round trips, CPU time."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.throughput import iperf
from benchmarks.throughput.line import HOME_ADDRESS, Line
from benchmarks.throughput.search import Trial, lossless_rate
from benchmarks.throughput.usage import Moment
from mobileip.control.lab.namespaces import LabError, require
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.waiting import eventually

CPU_RATE: Final = 100_000.0  # packets a second
_CPU_SHARE: Final = 0.7  # of its lossless rate, for those that cannot carry that many
_TRIAL: Final = 0.25  # s
_SETTLE: Final = 0.03  # s without a further packet: all have arrived
_PATIENCE: Final = 30.0  # s
_SMALL: Final = 64

Figures = dict[str, float]


class Meter:
    """The programs at both ends of a line, and what they say."""

    def __init__(self, line: Line, processes: Processes, packets: Path, seconds: float) -> None:
        self.line = line
        self.seconds = seconds
        first, count = line.small_packets_to
        self._to = (str(first), str(count))
        self._packets = str(packets)
        self._processes = processes
        self._iperf: str | None = None
        self._server = processes.start(f"{line.name}-serve", line.mn, [self._packets, "serve"], piped=True)

    def _iperf3(self) -> str:
        """Its path; the server is started with the first use."""
        if self._iperf is None:
            self._iperf = require("iperf3", "iperf3")
            self._processes.start(f"{self.line.name}-iperf3", self.line.mn, [self._iperf, "--server"])
            eventually(self._listens, what="iperf3 to listen")
        return self._iperf

    def _listens(self) -> bool:
        table = self.line.mn.inside(lambda: Path("/proc/thread-self/net/tcp6").read_text())
        table += self.line.mn.inside(lambda: Path("/proc/thread-self/net/tcp").read_text())
        return ":1451 " in table  # 5201

    def _run(self, *words: str) -> str:
        command = [*self.line.cn.enter(), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        if done.returncode and not done.stdout:
            raise LabError(f"`{' '.join(words)}`: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def tcp(self, streams: int, *, up: bool) -> Figures:
        """Gbit/s of ``streams`` to the node, or ``up`` from it; for one stream to it CPU seconds a gigabit too."""
        command = [self._iperf3(), "--client", str(HOME_ADDRESS), "--json", "--congestion", "cubic"]
        command += ["--time", f"{max(1, round(self.seconds))}", "--parallel", str(streams)]
        command += ["--reverse"] if up else []
        try:
            busy, flow = self._flow(command)
        except ValueError:
            busy, flow = self._flow(command)  # iperf3's own connection breaks now and then
        name = f"tcp{streams}_{'up' if up else 'down'}"
        figures = {name: flow.rate}
        if name == "tcp1_down":
            figures |= {"cpu_per_gigabit": busy / (flow.bits / 1e9), "retransmits": float(flow.retransmits)}
        return figures

    def _flow(self, command: list[str]) -> tuple[float, iperf.Flow]:
        """CPU seconds, and what was carried; ValueError."""
        before = Moment.now()
        try:
            flow = iperf.parse(self._run(*command))
        except subprocess.TimeoutExpired as failure:
            raise LabError(f"TCP: {failure}") from None
        return Moment.now().busy_since(before), flow

    def udp(self, size: int) -> Figures:
        """Packets a second of ``size`` bytes, IP header included, that pass without loss."""
        return {f"udp{size}": lossless_rate(lambda rate: self.trial(size, rate, _TRIAL))}

    def cpu(self, lossless: float) -> Figures:
        """CPU nanoseconds of everything a small packet, at CPU_RATE or what ``lossless`` leaves room for."""
        rate = min(CPU_RATE, lossless * _CPU_SHARE)
        before = Moment.now()
        trial = self.trial(_SMALL, rate, self.seconds)
        busy = Moment.now().busy_since(before)
        if not trial.received:
            raise LabError("no packet passed")
        return {"cpu_packet": busy / trial.received * 1e9, "cpu_rate": trial.delivered_rate}

    def round_trips(self) -> Figures:
        """Microseconds of small packets there and back, one at a time."""
        said = json.loads(
            self._run(self._packets, "ping", str(HOME_ADDRESS), str(_SMALL), f"{self.seconds / 2}")
        )
        return {"rtt_p50": said["p50_ns"] / 1e3, "rtt_p99": said["p99_ns"] / 1e3}

    def trial(self, size: int, rate: float, seconds: float) -> Trial:
        """Send at ``rate`` packets a second, 0 for all that can be, and see what arrives."""
        self._counted("f")
        words = ("send", self._to[0], str(size), f"{rate:.0f}", f"{seconds}", self._to[1])
        sent = json.loads(self._run(self._packets, *words))
        before, seen = -1, self._counted()
        while seen["received"] != before:  # until nothing more arrives
            time.sleep(_SETTLE)
            before, seen = seen["received"], self._counted()
        return Trial(sent["sent"], sent["seconds"], seen["received"], seen["seconds"])

    def _counted(self, word: str = "") -> dict[str, Any]:
        """What has arrived since the word was "f"."""
        self._server.stdin.write(f"{word}\n".encode())
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        if not line:
            raise LabError(f"the counting program ended: {self._server.tail()}")
        said: dict[str, Any] = json.loads(line)
        return said
