"""Facts about a host, from a /proc that we wrote and from the one we run on."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.ops.host import Host, Process, import_failure

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 1
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.7
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.7
        /32 host LOCAL
"""
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo:       0       0    0    0    0     0          0         0        0       0    0    0
  eth0: 1234567    8910    0    0    0     0          0         0    11121     314    0    0
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    write(tmp_path, "net/fib_trie", FIB_TRIE)
    write(tmp_path, "net/dev", NET_DEV)
    write(tmp_path, "sys/net/ipv4/ip_forward", "1\n")
    return tmp_path


def write(proc: Path, name: str, text: str) -> None:
    path = proc / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_addresses_and_interfaces(proc: Path) -> None:
    host = Host(proc)
    assert host.addresses() == {IPv4Address("127.0.0.1"), IPv4Address("192.0.2.7")}
    assert host.interfaces() == {"lo", "eth0"}


def test_sysctls(proc: Path) -> None:
    host = Host(proc)
    assert host.sysctl("ip_forward") == 1
    assert host.sysctl("conf/all/rp_filter") is None
    assert host.sysctls_writable()


@pytest.mark.parametrize(
    ("effective", "missing"),
    [
        ("000001ffffffffff", []),
        ("0000000000000000", ["CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN", "CAP_NET_RAW"]),
        ("0000000000001400", ["CAP_NET_RAW"]),
    ],
)
def test_capabilities(proc: Path, effective: str, missing: list[str]) -> None:
    write(proc, "self/status", f"Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t{effective}\n")
    assert Host(proc).missing_capabilities() == missing


def test_holder_of_a_tun_device_in_our_namespace(proc: Path) -> None:
    for pid, namespace, device in ((10, "net:[1]", "mip0"), (11, "net:[2]", "mip1"), (12, "net:[2]", "mip0")):
        write(proc, f"{pid}/fdinfo/5", f"pos:\t0\nflags:\t02\niff:\t{device}\n")
        write(proc, f"{pid}/cmdline", f"daemon\0{pid}\0")
        (proc / str(pid) / "ns").mkdir()
        (proc / str(pid) / "ns/net").symlink_to(namespace)
    (proc / "self").symlink_to("12")
    host = Host(proc)
    assert host.tun_holder("mip0") == Process(12, "daemon 12")
    assert host.tun_holder("mip1") == Process(11, "daemon 11")
    assert host.tun_holder("mip") is None


def test_port_held_by_a_process_that_is_not_to_be_seen(proc: Path) -> None:
    write(
        proc,
        "net/udp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "  7: 00000000:01B2 00000000:0000 07 00000000:00000000 00:00000000 00000000   0   0 4711 2 0\n",
    )
    holders = Host(proc).udp_port_holders(434)
    assert [(address, str(process)) for address, process in holders] == [
        (IPv4Address("0.0.0.0"), "a process that cannot be seen from here")
    ]


def test_port_of_this_very_process() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        ((address, process),) = Host().udp_port_holders(port)
    assert address == IPv4Address("127.0.0.1")
    assert process.pid == os.getpid()
    assert process.command
    assert Host().udp_port_holders(port) == []


def test_own_host_can_be_read() -> None:
    host = Host()
    assert "lo" in host.interfaces()
    assert host.sysctl("ip_forward") in (0, 1)
    assert host.tun_holder("no-such-device") is None


def test_tun_device(tmp_path: Path) -> None:
    assert isinstance(Host(tun=tmp_path / "tun").open_tun(), FileNotFoundError)
    (tmp_path / "tun").touch()
    assert Host(tun=tmp_path / "tun").open_tun() is None


def test_import_failure() -> None:
    assert import_failure("json") is None
    assert import_failure("no.such.module") == "ModuleNotFoundError: No module named 'no'"
