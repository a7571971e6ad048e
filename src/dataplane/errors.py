"""One sentence for an operator out of what failed and its errno."""

import errno
import os

_CURES: dict[tuple[str, int], str] = {
    ("MEMORY", errno.ENOMEM): "not enough memory for the tunnel table; choose a smaller capacity",
    ("RAW", errno.EPERM): "raw sockets need CAP_NET_RAW; run as root or grant it",
    ("MARK", errno.EPERM): "marking outgoing datagrams needs CAP_NET_ADMIN; run as root or grant it",
    ("TUN_OPEN", errno.ENOENT): "/dev/net/tun does not exist; load the driver with: modprobe tun",
    ("TUN_OPEN", errno.ENODEV): "the kernel has no TUN driver; load it with: modprobe tun",
    ("TUN_OPEN", errno.EACCES): "no permission to open /dev/net/tun; run as root",
    ("TUN_OPEN", errno.EPERM): "opening /dev/net/tun is forbidden here; allow the device 10:200",
    ("TUN_ATTACH", errno.EPERM): "making the device {device} needs CAP_NET_ADMIN; run as root or grant it",
    ("TUN_ATTACH", errno.EBUSY): "another process holds the device {device}; stop it or choose another name",
    ("TUN_ATTACH", errno.EINVAL): "{device} exists and is not a TUN device of this kind; choose another name",
    ("TUN_UP", errno.EPERM): "setting the device {device} up needs CAP_NET_ADMIN; run as root or grant it",
    ("WATCH", errno.EPERM): "watching {device} for broadcasts needs CAP_NET_RAW; run as root or grant it",
    ("WATCH", errno.ENODEV): "there is no interface {device} to watch for broadcasts",
    ("UNDERLAY", errno.EPERM): "packet sockets need CAP_NET_RAW; run as root or grant it",
    ("UNDERLAY", errno.EAFNOSUPPORT): "the kernel has no packet sockets; load them with: modprobe af_packet",
    ("LINK", errno.EPERM): "packet sockets need CAP_NET_RAW; run as root or grant it",
    ("LINK", errno.EAFNOSUPPORT): "the kernel has no packet sockets; load them with: modprobe af_packet",
    ("TUN_UP", errno.EINVAL): "the device {device} refused its MTU",
}


def open_error(stage: str, doing: str, error: int, device: str) -> OSError:
    """The exception for an engine that could not be opened: errno and one sentence."""
    sentence = _CURES.get((stage, error), f"{doing} ({{device}}): {os.strerror(error)}")
    return OSError(error, sentence.format(device=device))


_REFUSALS = {
    errno.ENOSPC: "the tunnel table is full",
    errno.ENODEV: "there is no such interface",
    errno.EMLINK: "too many tunnels of one home address",
}


def apply_error(error: int, done: int, count: int) -> OSError:
    """The exception for a batch of changes that ended early."""
    why = _REFUSALS.get(error, os.strerror(error))
    return OSError(error, f"{why}; {done} of {count} changes were made")
