"""Facts about the host that a daemon depends on, read from /proc; nothing here changes anything."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

_LONGEST_COMMAND: Final = 60  # characters that are shown
_CAPABILITIES: Final = {10: "CAP_NET_BIND_SERVICE", 12: "CAP_NET_ADMIN", 13: "CAP_NET_RAW"}


@dataclass(frozen=True, slots=True)
class Process:
    """A process as the operator knows it; ``pid`` 0 when /proc does not show whose something is."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid})" if self.pid else "a process that cannot be seen from here"


class Host:
    """The host, or another tree in the form of its /proc and /dev/net/tun."""

    def __init__(self, proc: Path = Path("/proc"), tun: Path = Path("/dev/net/tun")) -> None:
        self.proc: Final = proc
        self.tun: Final = tun

    def missing_capabilities(self) -> list[str]:
        """Those a daemon needs and this process has not in effect."""
        status = (self.proc / "self/status").read_text()
        found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
        effective = int(found[1], 16) if found else 0
        return [name for bit, name in _CAPABILITIES.items() if not effective >> bit & 1]

    def open_tun(self) -> OSError | None:
        """Opens the TUN control device and closes it again; the error if that fails."""
        try:
            os.close(os.open(self.tun, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            return error
        return None

    def interfaces(self) -> frozenset[str]:
        lines = (self.proc / "net/dev").read_text().splitlines()[2:]
        return frozenset(line.split(":", 1)[0].strip() for line in lines)

    def addresses(self) -> frozenset[IPv4Address]:
        """The IPv4 addresses of this host in its network namespace."""
        found = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", (self.proc / "net/fib_trie").read_text())
        return frozenset(map(IPv4Address, found))

    def sysctl(self, name: str) -> int | None:
        """A number below net/ipv4, such as ``ip_forward``; ``None`` if there is no such setting."""
        try:
            return int((self.proc / "sys/net/ipv4" / name).read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def sysctls_writable(self) -> bool:
        return os.access(self.proc / "sys/net/ipv4/ip_forward", os.W_OK)

    def udp_port_holders(self, port: int) -> list[tuple[IPv4Address, Process]]:
        """Who has bound IPv4 UDP ``port``, and at which address."""
        sockets: dict[str, IPv4Address] = {}
        for line in (self.proc / "net/udp").read_text().splitlines()[1:]:
            fields = line.split()
            address, number = fields[1].split(":")
            if int(number, 16) == port:
                # The kernel prints the address as one number in the host's own byte order.
                sockets[f"socket:[{fields[9]}]"] = IPv4Address(struct.pack("=I", int(address, 16)))
        owners = {link: pid for pid, link in self._descriptors() if link in sockets} if sockets else {}
        return [(address, self._process(owners.get(link, 0))) for link, address in sockets.items()]

    def tun_holder(self, device: str) -> Process | None:
        """The process in our network namespace that keeps the TUN device ``device`` open."""
        ours = self._namespace("self")
        for pid in self._pids():
            if self._namespace(str(pid)) != ours:
                continue
            try:
                for entry in (self.proc / str(pid) / "fdinfo").iterdir():
                    if re.search(rf"^iff:\s*{re.escape(device)}$", entry.read_text(), re.MULTILINE):
                        return self._process(pid)
            except OSError:  # it ended while we looked, or is not ours to look into
                continue
        return None

    def _namespace(self, pid: str) -> str:
        try:
            return os.readlink(self.proc / pid / "ns/net")
        except OSError:
            return ""

    def _pids(self) -> Iterator[int]:
        for entry in self.proc.iterdir():
            if entry.name.isdigit():
                yield int(entry.name)

    def _descriptors(self) -> Iterator[tuple[int, str]]:
        for pid in self._pids():
            try:
                for entry in (self.proc / str(pid) / "fd").iterdir():
                    yield pid, os.readlink(entry)
            except OSError:
                continue

    def _process(self, pid: int) -> Process:
        """Named by its command line, which says more than `python`; a kernel thread has none."""
        try:
            line = (
                (self.proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
            name = line or (self.proc / str(pid) / "comm").read_text()
        except OSError:
            name = "a process"
        shown = "".join(letter if letter.isprintable() else "?" for letter in name.strip())
        return Process(
            pid, shown if len(shown) <= _LONGEST_COMMAND else shown[: _LONGEST_COMMAND - 3] + "..."
        )


def import_failure(module: str) -> str | None:
    """Why ``module`` cannot be imported, or ``None``; tried in a process of its own, as a daemon would."""
    tried = subprocess.run(
        [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, timeout=60, check=False
    )
    return None if tried.returncode == 0 else (tried.stderr.strip().splitlines() or ["it crashed"])[-1]
