"""Refusals of the kernel as one sentence: what was tried, why not, and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Final


class NetlinkFailure(OSError):
    """The kernel refused a request; ``errno`` says why, ``str()`` is one sentence with the cure."""

    def __init__(self, code: int, what: str, detail: str = "") -> None:
        super().__init__(code, sentence(what, code, detail))

    def __str__(self) -> str:
        return str(self.strerror)


_CURES: Final[Mapping[int, str]] = {
    errno.EPERM: "run the daemon as root or give it CAP_NET_ADMIN and CAP_NET_RAW",
    errno.EACCES: "run the daemon as root or give it CAP_NET_ADMIN and CAP_NET_RAW",
    errno.ENODEV: "the interface is gone or misspelt: see `ip link`",
    errno.ENXIO: "the interface is gone or misspelt: see `ip link`",
    errno.ENETDOWN: "set the interface up",
    errno.ENETUNREACH: "give the machine a route or an address on that network",
    errno.EHOSTUNREACH: "give the machine a route or an address on that network",
    errno.EADDRNOTAVAIL: "the source address is not on this machine: see `ip addr`",
    errno.EAFNOSUPPORT: "this kernel lacks the feature: see `mobileip doctor`",
    errno.EOPNOTSUPP: "this kernel lacks the feature: see `mobileip doctor`",
    errno.ENOBUFS: "the kernel is out of buffers: raise net.core.wmem_max or send less",
    errno.EMSGSIZE: "the message is longer than the link's MTU",
    errno.EROFS: "the file system is read-only: let the container write to /proc/sys/net",
}


def sentence(what: str, code: int, detail: str = "") -> str:
    """One line from what was tried, the errno, the kernel's own words and the usual cure."""
    why = f"{os.strerror(code)} ({detail})" if detail else os.strerror(code)
    cure = _CURES.get(code)
    return f"{what}: {why}; {cure}" if cure else f"{what}: {why}"
