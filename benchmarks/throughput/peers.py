"""The tunnels that people use, each with its defaults but for this: no encryption where it can be switched off."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from benchmarks.throughput.contenders import Contender, Kind, Unavailable
from benchmarks.throughput.line import CARE_OF_END, CORRESPONDENTS, HOME_ADDRESS, HOME_END, Line
from mobileip.control.lab.namespaces import LabError, Namespace, require
from mobileip.control.lab.processes import Process, Processes
from mobileip.control.lab.waiting import eventually

_WITHIN: Final = 10.0  # s
_VTUN_PORT: Final = 5000
_ENDS: Final = (("home", HOME_END, CARE_OF_END), ("away", CARE_OF_END, HOME_END))


class Peer(Contender):
    """A program at each end. Subclasses name it, its package and its command."""

    kind = Kind.PEER
    program: str
    package: str

    def connect(self, line: Line, processes: Processes) -> None:
        command = self.find()
        directory = processes.directory / self.name
        directory.mkdir()
        hosts = (line.ha, line.fa)
        started: list[Process] = []
        for host, (side, local, remote) in zip(hosts, _ENDS, strict=True):
            arguments = self.prepare(directory, side, self.device(side), local, remote)
            started.append(processes.start(f"{self.name}-{side}", host, [*command, *arguments]))
            eventually(lambda: self.has_started(line), within=_WITHIN, what=f"{self.title} to start",
                       explain=started[-1].tail)  # fmt: skip
        for host, process, (side, _, remote) in zip(hosts, started, _ENDS, strict=True):
            device = self.device(side)
            eventually(
                lambda host=host, device=device: host.inside(lambda: socket.if_nametoindex(device)),  # type: ignore[misc]
                within=_WITHIN,
                what=f"{self.title} to make {device}",
                explain=process.tail,
            )
            self.configure(host, side, device, remote)
        line.lead_through(self.device("home"), self.device("away"))

    def find(self) -> list[str]:
        """The program to start; Unavailable."""
        try:
            return [require(self.program, self.package)]
        except LabError as missing:
            raise Unavailable(str(missing)) from None

    def has_started(self, line: Line) -> bool:
        """Whether the end that was started can hear the other one."""
        return True

    def device(self, side: str) -> str:
        return f"{self.name[:4]}0"

    @abstractmethod
    def prepare(
        self, directory: Path, side: str, device: str, local: IPv4Address, remote: IPv4Address
    ) -> list[str]:
        """Write what the program reads, and return its arguments; the end at home is started first."""

    def configure(self, host: Namespace, side: str, device: str, remote: IPv4Address) -> None:
        host.ip(f"link set {device} up")


class WireGuard(Peer):
    name, title = "wireguard", "wireguard-go (encrypts)"
    program, package = "wireguard-go", "wireguard-go"

    def device(self, side: str) -> str:
        # The name is that of a control socket too, which all namespaces of the host share.
        return f"wg{side[0]}{os.getpid()}"

    def prepare(
        self, directory: Path, side: str, device: str, local: IPv4Address, remote: IPv4Address
    ) -> list[str]:
        wg = self._wg()
        for end in ("home", "away"):
            if not (directory / end).exists():
                key = subprocess.run([wg, "genkey"], capture_output=True, check=True).stdout
                (directory / end).touch(0o600)
                (directory / end).write_bytes(key)
        self._directory = directory
        return ["-f", device]

    def configure(self, host: Namespace, side: str, device: str, remote: IPv4Address) -> None:
        wg, directory = self._wg(), self._directory
        other = (directory / ("away" if side == "home" else "home")).read_bytes()
        public = subprocess.run([wg, "pubkey"], input=other, capture_output=True, check=True).stdout
        command = [
            *host.enter(),
            wg,
            "set",
            device,
            "listen-port",
            "51820",
            "private-key",
            str(directory / side),
        ]
        command += [
            "peer",
            public.decode().strip(),
            "allowed-ips",
            "0.0.0.0/0",
            "endpoint",
            f"{remote}:51820",
        ]
        eventually(
            lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0,
            within=_WITHIN,
            what="wireguard-go to take its configuration",
        )
        host.ip(f"link set {device} mtu 1420 up")  # what wg-quick sets on such a path

    @staticmethod
    def _wg() -> str:
        try:
            return require("wg", "wireguard-tools")
        except LabError as missing:
            raise Unavailable(str(missing)) from None


class OpenVpn(Peer):
    name, title = "openvpn", "OpenVPN, cipher none"
    program, package = "openvpn", "openvpn"

    def prepare(
        self, directory: Path, side: str, device: str, local: IPv4Address, remote: IPv4Address
    ) -> list[str]:
        addresses = ["10.255.0.1", "10.255.0.2"]
        here, there = addresses if side == "home" else reversed(addresses)
        return [
            *(
                "--dev",
                device,
                "--dev-type",
                "tun",
                "--proto",
                "udp",
                "--local",
                str(local),
                "--remote",
                str(remote),
            ),
            *("--ifconfig", here, there, "--cipher", "none", "--auth", "none", "--verb", "1"),
        ]


class Fastd(Peer):
    name, title = "fastd", "fastd, method null"
    program, package = "fastd", "fastd"

    def prepare(
        self, directory: Path, side: str, device: str, local: IPv4Address, remote: IPv4Address
    ) -> list[str]:
        if side == "home":
            self._keys = {end: _fastd_key() for end in ("home", "away")}
        other = "away" if side == "home" else "home"
        file = directory / f"{side}.conf"
        file.write_text(
            f'log level warn;\nmode tun;\ninterface "{device}";\nmtu 1426;\nmethod "null";\n'
            f'bind {local}:10000;\nsecret "{self._keys[side][0]}";\n'
            f'peer "{other}" {{ key "{self._keys[other][1]}"; remote {remote}:10000; }}\n'
        )
        return ["--config", str(file)]


def _fastd_key() -> tuple[str, str]:
    """A secret and its public key."""
    said = subprocess.run(
        [require("fastd", "fastd"), "--generate-key"], capture_output=True, text=True, check=True
    ).stdout
    values = {
        line.split(":")[0].strip(): line.split(":")[1].strip() for line in said.splitlines() if ":" in line
    }
    return values["Secret"], values["Public"]


class Tinc(Peer):
    name, title = "tinc", "tinc, cipher none"
    program, package = "tincd", "tinc"

    def prepare(
        self, directory: Path, side: str, device: str, local: IPv4Address, remote: IPv4Address
    ) -> list[str]:
        if side == "home":
            for (end, address, _), subnet in zip(_ENDS, (CORRESPONDENTS, f"{HOME_ADDRESS}/32"), strict=True):
                self._write(directory / end, end, device, address, subnet)
            for end, other in (("home", "away"), ("away", "home")):
                hosts = directory / end / "hosts"
                (hosts / other).write_text((directory / other / "hosts" / other).read_text())
        return ["--config", str(directory / side), "--no-detach", f"--pidfile={directory / side}.pid"]

    @staticmethod
    def _write(config: Path, end: str, device: str, address: IPv4Address, subnet: str) -> None:
        (config / "hosts").mkdir(parents=True)
        other = "away" if end == "home" else "home"
        connect = f"ConnectTo = {other}\n" if end == "away" else ""
        (config / "tinc.conf").write_text(
            f"Name = {end}\nInterface = {device}\nDeviceType = tun\nAddressFamily = ipv4\n"
            f"BindToAddress = {address}\n{connect}"
        )
        openssl = require("openssl", "openssl")
        private = config / "rsa_key.priv"
        subprocess.run(
            [openssl, "genrsa", "-traditional", "-out", str(private), "2048"], capture_output=True, check=True
        )
        public = subprocess.run(
            [openssl, "rsa", "-in", str(private), "-RSAPublicKey_out"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        (config / "hosts" / end).write_text(
            f"Address = {address}\nSubnet = {subnet}\nCipher = none\nDigest = none\n{public}"
        )


class Vtun(Peer):
    name, title = "vtun", "vtun, UDP, no encryption"
    program, package = "vtund", "vtun"

    def prepare(
        self, directory: Path, side: str, device: str, local: IPv4Address, remote: IPv4Address
    ) -> list[str]:
        file = directory / f"{side}.conf"
        file.write_text(
            f"options {{ port {_VTUN_PORT}; timeout 10; }}\n"
            f"line {{ password none; device {device}; type tun; proto udp; compress no; encrypt no;"
            " keepalive yes; stat no; up { }; down { }; }\n"
        )
        common = ["-n", "-f", str(file)]
        return [*common, "-s", "-L", str(local)] if side == "home" else [*common, "line", str(remote)]

    def has_started(self, line: Line) -> bool:
        # A client that finds nobody tries again only after seconds.
        table = line.ha.inside(lambda: Path("/proc/thread-self/net/tcp").read_text())
        return f":{_VTUN_PORT:04X} 00000000:0000 0A" in table


class PythonLoop(Peer):
    name, title = "python", "a Python TUN loop"

    def find(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.throughput.loop"]

    def prepare(
        self, directory: Path, side: str, device: str, local: IPv4Address, remote: IPv4Address
    ) -> list[str]:
        return [device, str(local), str(remote)]


ALL: Final[tuple[Callable[[], Peer], ...]] = (WireGuard, OpenVpn, Fastd, Tinc, Vtun, PythonLoop)
