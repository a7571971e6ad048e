"""`mobileip doctor`: what a host lacks is found, with a cure; what a killed daemon left is removed."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mobileip.control.cli import doctor
from mobileip.control.cli.doctor import Finding, State
from mobileip.control.cli.main import mobileip
from mobileip.control.config.example import Role, example
from mobileip.control.config.load import load
from mobileip.control.config.model import Config
from mobileip.control.ops.host import Host, Process

KEY = "9f3c2ab1740de65588c0134fa7b29e61"


class Well(Host):
    """A host that lacks nothing, but for what a test takes away."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities_missing: list[str] = []
        self.tun_error: OSError | None = None
        self.devices = frozenset({"lo", "eth0", "eth1"})
        self.own = frozenset(map(IPv4Address, ("192.0.2.1", "198.51.100.1", "10.1.0.1")))
        self.settings = {"ip_forward": 1, "conf/all/rp_filter": 0, "conf/default/rp_filter": 0}
        self.writable = True
        self.holders: list[tuple[IPv4Address, Process]] = []
        self.holder: Process | None = None

    def missing_capabilities(self) -> list[str]:
        return self.capabilities_missing

    def open_tun(self) -> OSError | None:
        return self.tun_error

    def interfaces(self) -> frozenset[str]:
        return self.devices

    def addresses(self) -> frozenset[IPv4Address]:
        return self.own

    def sysctl(self, name: str) -> int | None:
        return self.settings.get(name)

    def sysctls_writable(self) -> bool:
        return self.writable

    def udp_port_holders(self, port: int) -> list[tuple[IPv4Address, Process]]:
        return self.holders

    def tun_holder(self, device: str) -> Process | None:
        return self.holder


@pytest.fixture(autouse=True)
def extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "import_failure", lambda module: None)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Well:
    well = Well()
    monkeypatch.setattr(doctor, "Host", lambda: well)
    return well


def config(tmp_path: Path, role: Role, daemon: str = "") -> Config:
    path = tmp_path / "file.toml"
    path.write_text(example(role, KEY) + f"\n[daemon]\n{daemon}\n")
    return load(path)


def bad(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings if finding.state is not State.OK}


@pytest.mark.parametrize("role", ["home", "foreign", "mobile"])
def test_host_that_lacks_nothing(host: Well, tmp_path: Path, role: Role) -> None:
    assert bad(doctor.examine_host(host, config(tmp_path, role))) == {}
    assert bad(doctor.examine_host(host, None)) == {}


def test_privileges(host: Well) -> None:
    host.capabilities_missing = ["CAP_NET_RAW"]
    finding = bad(doctor.examine_host(host, None))["privileges"]
    assert finding.state is State.PROBLEM
    assert finding.text == "CAP_NET_RAW is missing"
    assert "run as root" in finding.cure


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (errno.ENOENT, "mknod /dev/net/tun c 10 200"),
        (errno.ENODEV, "modprobe tun"),
        (errno.EACCES, "run as root"),
    ],
)
def test_tun(host: Well, code: int, cure: str) -> None:
    host.tun_error = OSError(code, os.strerror(code))
    finding = bad(doctor.examine_host(host, None))["/dev/net/tun"]
    assert finding.state is State.PROBLEM
    assert cure in finding.cure


def test_extension(host: Well, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "import_failure", lambda module: f"ImportError: {module}")
    finding = bad(doctor.examine_host(host, None))["data plane"]
    assert finding.state is State.PROBLEM
    assert "ImportError: mobileip.dataplane" in finding.text
    assert "make build" in finding.cure


@pytest.mark.parametrize(("role", "state"), [("home", State.PROBLEM), (None, State.WARNING)])
def test_port_taken(host: Well, tmp_path: Path, role: Role | None, state: State) -> None:
    host.holders = [(IPv4Address("0.0.0.0"), Process(4711, "other"))]
    finding = bad(doctor.examine_host(host, config(tmp_path, role) if role else None))["UDP port 434"]
    assert finding.state is state
    assert finding.text == "is taken on all addresses by other (pid 4711)"
    assert "kill 4711" in finding.cure


def test_tunnel_device_left_behind(host: Well) -> None:
    host.devices |= {"mip0"}
    finding = bad(doctor.examine_host(host, None))["device mip0"]
    assert finding.state is State.PROBLEM
    assert "ip link delete mip0" in finding.cure


def test_tunnel_device_of_a_running_daemon(host: Well) -> None:
    host.devices |= {"mip0"}
    host.holder = Process(4711, "mobileip")
    finding = bad(doctor.examine_host(host, None))["device mip0"]
    assert (finding.state, finding.text) == (
        State.WARNING,
        "belongs to mobileip (pid 4711): a daemon runs already",
    )


@pytest.mark.parametrize(("managed", "found"), [("true", False), ("false", True)])
def test_forwarding_matters_if_the_daemon_does_not_set_it(
    host: Well, tmp_path: Path, managed: str, found: bool
) -> None:
    host.settings["ip_forward"] = 0
    findings = bad(doctor.examine_host(host, config(tmp_path, "home", f"manage_sysctls = {managed}")))
    assert ("ip_forward" in findings) is found
    if found:
        assert findings["ip_forward"].cure == "sysctl -w net.ipv4.ip_forward=1"


def test_forwarding_is_nothing_to_a_mobile_node(host: Well, tmp_path: Path) -> None:
    host.settings["ip_forward"] = 0
    assert bad(doctor.examine_host(host, config(tmp_path, "mobile", "manage_sysctls = false"))) == {}


@pytest.mark.parametrize(
    ("everywhere", "default", "found"),
    [(0, 0, False), (1, 0, True), (0, 1, True), (2, 1, False), (0, 2, False)],
)
def test_strict_reverse_path_filter(
    host: Well, tmp_path: Path, everywhere: int, default: int, found: bool
) -> None:
    host.settings |= {"conf/all/rp_filter": everywhere, "conf/default/rp_filter": default}
    findings = bad(doctor.examine_host(host, config(tmp_path, "foreign", "manage_sysctls = false")))
    assert ("rp_filter" in findings) is found
    assert bad(doctor.examine_host(host, config(tmp_path, "foreign"))) == {}


def test_settings_that_the_daemon_cannot_set(host: Well, tmp_path: Path) -> None:
    host.writable = False
    assert bad(doctor.examine_host(host, config(tmp_path, "home")))["kernel settings"].state is State.PROBLEM
    assert bad(doctor.examine_host(host, config(tmp_path, "home", "manage_sysctls = false"))) == {}


def test_places_of_a_home_agent(host: Well, tmp_path: Path) -> None:
    host.own, host.devices = frozenset(), frozenset({"lo", "eth7"})
    findings = bad(doctor.examine_host(host, config(tmp_path, "home")))
    assert findings["home_agent.address"].text == "192.0.2.1 is no address of this host"
    assert findings["home_agent.networks[0].interface"].text == "there is no interface eth1; there are: eth7"
    assert findings["home_agent.networks[0].prefix"].state is State.WARNING


def test_places_of_a_foreign_agent(host: Well, tmp_path: Path) -> None:
    host.own, host.devices = frozenset(), frozenset({"lo"})
    findings = bad(doctor.examine_host(host, config(tmp_path, "foreign")))
    assert findings.keys() == {"foreign_agent.care_of_address", "foreign_agent.interfaces[0].name"}
    assert "there are: none" in findings["foreign_agent.interfaces[0].name"].text


def test_places_of_a_mobile_node(host: Well, tmp_path: Path) -> None:
    host.own |= {IPv4Address("10.1.0.5")}
    host.devices -= {"eth0"}
    findings = bad(doctor.examine_host(host, config(tmp_path, "mobile")))
    assert findings["mobile_node.interfaces[0]"].state is State.PROBLEM
    assert findings["mobile_node.home_address"].state is State.WARNING


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(mobileip, ["doctor", *arguments], prog_name="mobileip")


def test_command_prints_cures_and_exits_with_1(host: Well) -> None:
    assert ask().exit_code == 0
    host.tun_error = OSError(errno.ENODEV, "No such device")
    result = ask()
    assert result.exit_code == 1
    lines = result.output.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("problem  /dev/net/tun"))
    assert lines[place + 1].strip() == "-> modprobe tun"


def test_warning_alone_exits_with_0(host: Well) -> None:
    host.devices |= {"mip0"}
    host.holder = Process(1, "init")
    result = ask("--json")
    assert result.exit_code == 0
    assert [entry["state"] for entry in json.loads(result.output)].count("warning") == 1


def test_bad_file_is_a_problem(host: Well, tmp_path: Path) -> None:
    (tmp_path / "file.toml").write_text("[home_agent]\n")
    result = ask("--config", str(tmp_path / "file.toml"))
    assert result.exit_code == 1
    assert "problem  configuration" in result.output
    assert "home_agent.networks: is missing" in result.output


def test_clean_spares_a_daemon_at_work(host: Well) -> None:
    host.holders = [(IPv4Address("0.0.0.0"), Process(4711, "mobileip"))]
    result = ask("--clean")
    assert result.exit_code == 1
    assert "nothing removed: mobileip (pid 4711) is at work" in result.output


@pytest.mark.netns
def test_clean_removes_what_a_killed_daemon_left(tmp_path: Path) -> None:
    """In a network namespace without name, which ends with the commands in it."""
    path = tmp_path / "file.toml"
    path.write_text(example("foreign", KEY) + f'\n[daemon]\nstate_directory = "{tmp_path}"\n')
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    saved = tmp_path / "mobileip.sysctl.json"
    saved.write_text(json.dumps({"boot": boot, "old": {"ip_forward": "0"}}))
    commands = f"""
set -e
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
ip route add 10.9.0.0/24 dev lo proto 44
ip route add 10.8.0.0/24 dev lo proto static
ip rule add priority 999 from 10.1.0.5 lookup 435 protocol 44
{sys.executable} -m mobileip doctor --clean --config {path} >&2 || true
ip route show
ip rule show
cat /proc/sys/net/ipv4/ip_forward
"""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", commands], capture_output=True, text=True, timeout=60, check=True
    )
    assert "removed route 10.9.0.0/24" in done.stderr, done.stderr
    assert "removed policy rule 999" in done.stderr
    assert "10.9.0.0" not in done.stdout
    assert "10.8.0.0/24" in done.stdout, "a route that is not ours is gone"
    assert "10.1.0.5" not in done.stdout
    assert done.stdout.endswith("\n0\n")
    assert not saved.exists()
