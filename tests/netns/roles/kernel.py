"""What a daemon has put into the kernel of a namespace, as ``ip`` shows it."""

from __future__ import annotations

import subprocess

from mobileip.control.lab.namespaces import Namespace, require


def ours(space: Namespace) -> list[str]:
    """Routes, policy rules, neighbours and addresses that carry our protocol number (44), and proxy ARP entries."""
    found = []
    for what in (
        ("route", "show", "table", "all", "proto", "44"),
        ("rule", "show"),
        ("neigh", "show", "proxy"),
        ("neigh", "show", "nud", "permanent"),
    ):
        for line in _ip(space, *what).splitlines():
            if what[0] != "rule" or "proto 44" in line:
                found.append(f"{what[0]} {line.strip()}")
    return found


def _ip(space: Namespace, *arguments: str) -> str:
    command = [require("ip", "iproute2"), "-d", "-n", space.name, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def has_device(space: Namespace, device: str) -> bool:
    return f" {device}:" in _ip(space, "-o", "link", "show")


def device_mtu(space: Namespace, device: str) -> int:
    shown = _ip(space, "-o", "link", "show", "dev", device).split()
    return int(shown[shown.index("mtu") + 1])
