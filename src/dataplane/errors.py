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
    ("XDP", errno.EPERM): "AF_XDP needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW; run as root or grant them",
    ("XDP", errno.ENOSYS): "the kernel has no bpf system call, which AF_XDP needs",
    ("LINK", errno.EPERM): "packet sockets need CAP_NET_RAW; run as root or grant it",
    ("LINK", errno.EAFNOSUPPORT): "the kernel has no packet sockets; load them with: modprobe af_packet",
    ("TUN_UP", errno.EINVAL): "the device {device} refused its MTU",
}


def open_error(stage: str, doing: str, error: int, device: str) -> OSError:
    """The exception for an engine that could not be opened: errno and one sentence."""
    sentence = _CURES.get((stage, error), f"{doing} ({{device}}): {os.strerror(error)}")
    return OSError(error, sentence.format(device=device))


_PORTS: dict[tuple[str, int], str] = {
    ("XDP_PROGRAM", errno.EBUSY): "the interface has another XDP program, which stays",
    ("XDP_PROGRAM", errno.EEXIST): "the interface has another XDP program, which stays",
    ("XDP_PROGRAM", errno.EPERM): "attaching an XDP program needs CAP_BPF and CAP_NET_ADMIN",
    ("XDP_SOCKET", errno.EPERM): "AF_XDP sockets need CAP_NET_RAW",
    ("XDP_SOCKET", errno.ENOBUFS): "AF_XDP sockets may not lock so much memory; grant CAP_IPC_LOCK",
    ("XDP_SOCKET", errno.EAFNOSUPPORT): "the kernel has no AF_XDP sockets",
    ("XDP_SOCKET", errno.EBUSY): "another program's AF_XDP socket has a queue of the interface",
    ("XDP_SEND", errno.ENODEV): "the interface is gone",
    ("XDP_SEND", errno.ENXIO): "the interface is gone",
    ("XDP_SEND", errno.ENETDOWN): "the interface is down",
}


def port_error(stage: str, doing: str, error: int) -> str:
    """Why an interface has no port of AF_XDP."""
    return _PORTS.get((stage, error), f"{doing}: {os.strerror(error)}")


_REFUSALS = {
    errno.ENOSPC: "the tunnel table is full",
    errno.ENODEV: "there is no such interface",
    errno.EMLINK: "too many tunnels of one home address",
}


def apply_error(error: int, done: int, count: int) -> OSError:
    """The exception for a batch of changes that ended early."""
    why = _REFUSALS.get(error, os.strerror(error))
    return OSError(error, f"{why}; {done} of {count} changes were made")
