"""``mobileip doctor``: what this host lacks for a daemon, each with the command that cures it."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path

import click

from mobileip.control.config.load import examine
from mobileip.control.config.model import Config, DaemonConfig
from mobileip.control.config.problem import Problem, Severity
from mobileip.control.ops.control_socket import ControlError, remove_abandoned
from mobileip.control.ops.host import Host, import_failure
from mobileip.control.ports import ActionError
from mobileip.control.types import REGISTRATION_PORT, ZERO_ADDRESS

_EXTENSION = "mobileip.dataplane"
_STRICT = 1  # rp_filter: the source must be routed out of the interface a packet came in on (RFC 3704)


class State(StrEnum):
    """A warning may be meant so; a problem keeps the daemon from its work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``cure`` is a command or a change to the configuration file."""

    state: State
    subject: str
    text: str
    cure: str = ""


@click.command(
    epilog="""\b
Exit status: 0 without problems (warnings do not count), 1 with some.

\b
Examples:
  mobileip doctor
  mobileip doctor --config home.toml
  mobileip doctor --clean          after a daemon was killed and is not to be started again
"""
)
@click.option(
    "--config",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Look for what this configuration needs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list: state, subject, text, cure.")
@click.option(
    "--clean", is_flag=True, help="Undo what a killed daemon left: routes, rules, addresses, settings."
)
def doctor(path: Path | None, as_json: bool, clean: bool) -> None:
    """Say what is missing on this host and what cures it.

    Looked at are privileges, the TUN device, the extension module, UDP port 434, the tunnel device's name,
    forwarding and reverse path filters; with --config also the addresses and interfaces that the file names.
    Nothing is changed except by --clean.
    """
    host = Host()
    config: Config | None = None
    findings: list[Finding] = []
    if path is not None:
        config, problems = examine(path)
        findings += _file(path, problems)
    findings += examine_host(host, config)
    if clean:
        findings += _clean(host, config.daemon if config else DaemonConfig())
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            click.echo(f"{finding.state:<8} {finding.subject:<{width}}  {finding.text}")
            if finding.cure:
                click.echo(f"{'':<8} {'':<{width}}  -> {finding.cure}")
    sys.exit(1 if any(finding.state is State.PROBLEM for finding in findings) else 0)


def examine_host(host: Host, config: Config | None) -> list[Finding]:
    """What is to be said of ``host`` as the place of a daemon with ``config`` (``None``: of any daemon)."""
    daemon = config.daemon if config else DaemonConfig()
    return [
        *_privileges(host),
        *_tun(host),
        *_extension(),
        *_port(host, config),
        *_tunnel_device(host, daemon.tunnel_device),
        *_kernel_settings(host, daemon, config),
        *(_places(host, config) if config else ()),
    ]


def _file(path: Path, problems: tuple[Problem, ...]) -> Iterator[Finding]:
    for problem in problems:
        state = State.PROBLEM if problem.severity is Severity.ERROR else State.WARNING
        key = f"{problem.key}: " if problem.key else ""
        yield Finding(state, "configuration", f"{key}{problem.text}", f"correct {path}")
    if not problems:
        yield Finding(State.OK, "configuration", f"{path} is valid")


def _privileges(host: Host) -> Iterator[Finding]:
    missing = host.missing_capabilities()
    if missing:
        yield Finding(
            State.PROBLEM,
            "privileges",
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
            "run as root, or under systemd with AmbientCapabilities="
            "CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE",
        )
    else:
        yield Finding(State.OK, "privileges", "CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE are there")


def _tun(host: Host) -> Iterator[Finding]:
    error = host.open_tun()
    if error is None:
        yield Finding(State.OK, str(host.tun), "can be opened")
        return
    cure = {
        errno.ENOENT: f"modprobe tun || {{ mkdir -p {host.tun.parent}; mknod {host.tun} c 10 200; }}",
        errno.ENODEV: "modprobe tun",
        errno.ENXIO: "modprobe tun",
        errno.EPERM: "run the container with --device /dev/net/tun",
    }.get(error.errno or 0, "run as root")
    yield Finding(State.PROBLEM, str(host.tun), f"cannot be opened: {error.strerror}", cure)


def _extension() -> Iterator[Finding]:
    failure = import_failure(_EXTENSION)
    if failure is None:
        yield Finding(State.OK, "data plane", f"{_EXTENSION} can be imported")
    else:
        yield Finding(
            State.PROBLEM,
            "data plane",
            f"{_EXTENSION} cannot be imported: {failure}",
            "make build (in the source tree), or install the package anew",
        )


def _port(host: Host, config: Config | None) -> Iterator[Finding]:
    subject = f"UDP port {REGISTRATION_PORT}"
    holders = host.udp_port_holders(REGISTRATION_PORT)
    for address, process in holders:
        where = "all addresses" if address == ZERO_ADDRESS else str(address)
        # Without a file there may well be a daemon at work: that is what one wants to be told.
        state = State.PROBLEM if config else State.WARNING
        cure = f"stop it: kill {process.pid}" if process.pid else "run as root to see which"
        yield Finding(state, subject, f"is taken on {where} by {process}", cure)
    if not holders:
        yield Finding(State.OK, subject, "is free")


def _tunnel_device(host: Host, device: str) -> Iterator[Finding]:
    subject = f"device {device}"
    if device not in host.interfaces():
        yield Finding(State.OK, subject, "is not there: the name is free for the daemon")
        return
    holder = host.tun_holder(device)
    if holder is None:
        yield Finding(
            State.PROBLEM,
            subject,
            "is there and belongs to no running process",
            f"ip link delete {device}, or another daemon.tunnel_device",
        )
    else:
        yield Finding(
            State.WARNING,
            subject,
            f"belongs to {holder}: a daemon runs already",
            "a second one needs its own daemon.name and daemon.tunnel_device",
        )


def _kernel_settings(host: Host, daemon: DaemonConfig, config: Config | None) -> Iterator[Finding]:
    agent = config is None or config.mobile_node is None
    if daemon.manage_sysctls and not host.sysctls_writable():
        yield Finding(
            State.PROBLEM,
            "kernel settings",
            "/proc/sys/net cannot be written, and the daemon is to do it",
            "run as root; in a container: --sysctl net.ipv4.ip_forward=1, and daemon.manage_sysctls = false",
        )
    forwarding = host.sysctl("ip_forward")
    if agent:
        yield _setting(
            "ip_forward",
            bool(forwarding),
            daemon.manage_sysctls,
            f"is {forwarding}",
            "agents forward packets",
            "sysctl -w net.ipv4.ip_forward=1",
        )
    # The larger of "all" and the interface's own value counts; a new interface takes its own from "default".
    everywhere = host.sysctl("conf/all/rp_filter") or 0
    by_default = host.sysctl("conf/default/rp_filter") or 0
    yield _setting(
        "rp_filter",
        max(everywhere, by_default) != _STRICT,
        daemon.manage_sysctls,
        f"is {everywhere} for all interfaces and {by_default} for new ones",
        "strict (1), it drops what comes out of the tunnel",
        "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0",
    )


def _setting(name: str, good: bool, managed: bool, present: str, why: str, cure: str) -> Finding:
    """A setting that is as it must be, or that the daemon sets itself, or that somebody has to."""
    if good:
        return Finding(State.OK, name, present)
    if managed:
        return Finding(State.OK, name, f"{present}; the daemon sets it while it runs ({why})")
    return Finding(State.PROBLEM, name, f"{present}: {why}; daemon.manage_sysctls is false", cure)


def _places(host: Host, config: Config) -> Iterator[Finding]:
    """The addresses and interfaces that the file names."""
    addresses, interfaces = host.addresses(), host.interfaces()
    if home := config.home_agent:
        yield _address("home_agent.address", home.address, addresses)
        for index, network in enumerate(home.networks):
            if network.interface is None:
                continue
            yield _interface(f"home_agent.networks[{index}].interface", network.interface, interfaces)
            if not any(address in network.prefix for address in addresses):
                yield Finding(
                    State.WARNING,
                    f"home_agent.networks[{index}].prefix",
                    f"this host has no address in {network.prefix}",
                    f"ip address add ADDRESS/{network.prefix.prefixlen} dev {network.interface}",
                )
    if foreign := config.foreign_agent:
        yield _address("foreign_agent.care_of_address", foreign.care_of_address, addresses)
        for index, interface in enumerate(foreign.interfaces):
            yield _interface(f"foreign_agent.interfaces[{index}].name", interface.name, interfaces)
    if node := config.mobile_node:
        for index, name in enumerate(node.interfaces):
            yield _interface(f"mobile_node.interfaces[{index}]", name, interfaces)
        home_address = None if node.home_address is None else node.home_address.ip
        if home_address in addresses and config.daemon.tunnel_device not in interfaces:
            yield Finding(
                State.WARNING,
                "mobile_node.home_address",
                f"{home_address} is set on an interface, but the daemon sets and removes it itself",
                "take it out of the network configuration of this host",
            )


def _address(key: str, address: IPv4Address, addresses: frozenset[IPv4Address]) -> Finding:
    if address in addresses:
        return Finding(State.OK, key, f"{address} is an address of this host")
    return Finding(
        State.PROBLEM,
        key,
        f"{address} is no address of this host",
        f"ip address add {address}/24 dev INTERFACE",
    )


def _interface(key: str, name: str, interfaces: frozenset[str]) -> Finding:
    if name in interfaces:
        return Finding(State.OK, key, f"{name} is there")
    known = ", ".join(sorted(interfaces - {"lo"})) or "none"
    return Finding(
        State.PROBLEM, key, f"there is no interface {name}; there are: {known}", "correct the name"
    )


def _clean(host: Host, daemon: DaemonConfig) -> Iterator[Finding]:
    """Undoes what a killed daemon could not, unless one is at work to whom it would belong."""
    from mobileip.control.net.netlink import Netlink
    from mobileip.control.net.sysctl import Sysctls

    owners = [process for _, process in host.udp_port_holders(REGISTRATION_PORT)]
    if holder := host.tun_holder(daemon.tunnel_device):
        owners.append(holder)
    if owners:
        yield Finding(
            State.PROBLEM,
            "clean",
            f"nothing removed: {owners[0]} is at work, and what is there may be its own",
            "stop it; a daemon that is stopped cleans up itself",
        )
        return
    try:
        with closing(Netlink()) as netlink:
            removed = netlink.purge()
        if remove_abandoned(daemon.control_socket):
            removed.append(f"control socket {daemon.control_socket}")
        refused = Sysctls(daemon.sysctl_file).restore()
    except (ActionError, ControlError, OSError) as error:
        yield Finding(State.PROBLEM, "clean", str(error), "run as root")
        return
    yield from (Finding(State.OK, "clean", f"removed {what}") for what in removed)
    yield from (Finding(State.PROBLEM, "clean", sentence, "set it by hand") for sentence in refused)
    yield Finding(State.OK, "clean", "nothing else is left of an earlier daemon")
