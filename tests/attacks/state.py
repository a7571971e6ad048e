"""What there is to gain at a daemon: bindings, visitors, tunnels, and what is in the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, HOME_ADDRESS
from tests.netns.roles.kernel import ours

_COUNTED = ("remaining_s", "path_mtu_age_s", "registered_at", "identification")  # change without an attack


@dataclass(frozen=True)
class State:
    """Equal before and after an attack that gained nothing."""

    bindings: Any
    visitors: Any
    pending: Any
    tunnels: Any
    kernel: list[str]

    @classmethod
    def of(cls, daemon: Daemon) -> State:
        ends = [
            (row["home_address"], row["side"], row["remote"], row["mtu"]) for row in daemon.show("tunnels")
        ]
        return cls(
            _lasting(daemon.show("bindings")),
            _lasting(daemon.show("visitors")),
            _lasting(daemon.show("pending")),
            sorted(ends),
            sorted(ours(daemon.namespace)),
        )


def _lasting(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in _COUNTED} for row in rows]


def reasons(daemon: Daemon) -> dict[str, int]:
    counted: dict[str, int] = daemon.show("counters")["reasons"]
    return counted


def drops(daemon: Daemon) -> dict[str, int]:
    counted: dict[str, int] = daemon.show("counters")["data_plane"]
    return counted


def memory(daemon: Daemon) -> int:
    """Resident memory in KiB."""
    assert daemon.process is not None
    with open(f"/proc/{daemon.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def works(lab: Lab) -> None:
    """The node is reached from far, and reaches what is far."""
    lab.correspondent.ping(HOME_ADDRESS.ip)
    lab.node.ping(CORRESPONDENT, source=HOME_ADDRESS.ip)
