"""Least privilege: once everything is open a daemon keeps the capabilities that it goes on to need, and no others.

Routes, neighbours, kernel settings below /proc/sys/net and marks are CAP_NET_ADMIN; packet and raw sockets, opened
again when an interface comes back, CAP_NET_RAW. What is executed later cannot have more: no new privileges, an empty
ambient and bounding set. The user stays who it was: under systemd an unprivileged one (``User=``), with ambient
capabilities.

Capabilities are a thread's own: this has to be done before threads are started, which then inherit it.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Final

from mobileip.control.ports import ActionError

_VERSION: Final = 0x2008_0522  # _LINUX_CAPABILITY_VERSION_3: two words of each set
_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 23, 24, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Capability(IntEnum):
    """Numbers of linux/capability.h."""

    SETPCAP = 8
    NET_ADMIN = 12
    NET_RAW = 13
    IPC_LOCK = 14
    BPF = 39


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def needed(*, programs: bool) -> frozenset[Capability]:
    """What a daemon needs while it runs; ``programs``: it also puts BPF programs onto interfaces (AF_XDP)."""
    always = {Capability.NET_ADMIN, Capability.NET_RAW}
    return frozenset(always | ({Capability.BPF, Capability.IPC_LOCK} if programs else set()))


def keep(capabilities: Iterable[Capability]) -> frozenset[int]:
    """Give up every capability but these, for good, and return those that are left.

    One that the process does not have it does not get.

    :raises ActionError: other threads run already, which would keep theirs; or the kernel refuses.
    """
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise ActionError(f"{threads} threads run already: capabilities have to be given up before")
    sets = (_Sets * 2)()
    _call("capget", _LIBC.capget(ctypes.byref(_Header(_VERSION, 0)), sets))
    permitted = sets[0].permitted | sets[1].permitted << 32
    if permitted >> Capability.SETPCAP & 1:
        for number in range(64):
            if _LIBC.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1:
                _call("prctl", _LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0))
    _call("prctl", _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    _call("prctl", _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    left = permitted & sum(1 << capability for capability in set(capabilities))
    for number, word in enumerate((left & 0xFFFF_FFFF, left >> 32)):
        sets[number].effective = sets[number].permitted = word
        sets[number].inheritable = 0
    _call("capset", _LIBC.capset(ctypes.byref(_Header(_VERSION, 0)), sets))
    return frozenset(number for number in range(64) if left >> number & 1)


def of_process(process: int | str = "self") -> dict[str, int]:
    """The sets of every thread of a process as bits, those of all threads together; ``NoNewPrivs``: of the fewest."""
    found: dict[str, int] = {}
    for thread in Path(f"/proc/{process}/task").iterdir():
        for line in (thread / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.startswith("Cap"):
                found[name] = found.get(name, 0) | int(value, 16)
            elif name == "NoNewPrivs":
                found[name] = min(found.get(name, 1), int(value))
    return found


def _call(what: str, status: int) -> None:
    if status != 0:
        error = ctypes.get_errno() or errno.EPERM
        raise ActionError(f"cannot give up capabilities: {what}: {os.strerror(error)}")
