"""FreeRADIUS as docs/aaa.md sets it up, in a namespace of its own beside the home agent's."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.lab.namespaces import Namespace, require
from mobileip.control.lab.processes import Process, Processes
from mobileip.control.lab.waiting import eventually

NEEDED = pytest.mark.skipif(
    shutil.which("freeradius", path="/usr/sbin:/usr/bin") is None,
    reason="no real RADIUS server: apt-get install freeradius",
)
SECRET = "shared by the tests and FreeRADIUS"

# What 3.2 has to be told since CVE-2024-3596: sign every answer.
SIGNED = """\
	post-auth {
		update reply {
			Message-Authenticator := 0x00
		}
		Post-Auth-Type REJECT {
			update reply {
				Message-Authenticator := 0x00
			}
		}
	}
"""
_CONFIGURATION = """\
prefix = /usr
sysconfdir = {directory}
localstatedir = {directory}
logdir = {directory}
run_dir = {directory}
raddbdir = {directory}
libdir = /usr/lib/freeradius
pidfile = {directory}/freeradius.pid
correct_escapes = true
cleanup_delay = 0
proxy_requests = no
log {{
	destination = stdout
	auth = no
}}
security {{
	max_attributes = 200
	reject_delay = 0
	status_server = no
	allow_vulnerable_openssl = yes
}}
client home_agent {{
	ipaddr = {client}
	secret = "{secret}"
	require_message_authenticator = yes
}}
modules {{
	chap {{
	}}
	pap {{
	}}
	files {{
		filename = {directory}/users
		key = "%{{User-Name}}"
	}}
	detail {{
		filename = {directory}/detail
		header = "%t"
		permissions = 0600
	}}
}}
server default {{
	listen {{
		type = auth
		ipaddr = {address}
		port = 1812
	}}
	listen {{
		type = acct
		ipaddr = {address}
		port = 1813
	}}
	authorize {{
		chap
		files
		pap
	}}
	authenticate {{
		Auth-Type CHAP {{
			chap
		}}
		Auth-Type PAP {{
			pap
		}}
	}}
{post_auth}
	accounting {{
		detail
	}}
}}
"""


def cisco(user: object, key: bytes, more: str = "") -> str:
    """An entry of the users file: SPI 256 in Cisco's form."""
    pair = f"mobileip:spi#0=spi 100 key hex {key.hex()}{more}"
    return f'{user} Cleartext-Password := "cisco"\n\tCisco-AVPair = "{pair}"\n'


def threegpp2(user: object, key: bytes) -> str:
    """SPI 256 in 3GPP2's form: the key as text of the file, with each byte in octal."""
    text = "".join(f"\\{byte:03o}" for byte in key)
    return (
        f'{user} Cleartext-Password := "cisco"\n'
        f'\t3GPP2-MN-HA-SPI = 256,\n\t3GPP2-MN-HA-Shared-Key = "{text}"\n'
    )


def password(user: object, text: str, more: str = "") -> str:
    """An entry of the users file: whose proofs are made with ``text``, as our table aaa asks about them."""
    entry = f'{user} Service-Type == Framed-User, Cleartext-Password := "{text}"\n'
    return entry + (f"\t{more}\n" if more else "")


class FreeRadius:
    """One server at ``address`` in ``space``; ``client`` is the home agent."""

    def __init__(
        self, space: Namespace, processes: Processes, address: IPv4Address, client: IPv4Address
    ) -> None:
        self.space = space
        self._processes = processes
        self._address = address
        self._client = client
        self.directory = processes.directory / f"freeradius-{space.role}"
        self.directory.mkdir()
        (self.directory / "dictionary").write_text("")
        self.process: Process | None = None

    @property
    def detail(self) -> Path:
        """What it has been told by accounting."""
        return self.directory / "detail"

    def start(self, users: Iterable[str], *, secret: str = SECRET, signs: bool = True) -> None:
        """Start it, knowing ``users``, and wait until it serves. ``signs``: its answers have Message-Authenticator."""
        (self.directory / "users").write_text("\n".join(users))
        text = _CONFIGURATION.format(
            directory=self.directory,
            client=self._client,
            secret=secret,
            address=self._address,
            post_auth=SIGNED if signs else "",
        )
        (self.directory / "radiusd.conf").write_text(text)
        (self.directory / "radiusd.conf").chmod(0o600)
        command = [require("freeradius", "freeradius"), "-f", "-l", "stdout", "-d", str(self.directory)]
        log = self._processes.directory / f"{self.space.role}.log"
        served = log.read_text().count("Ready to process requests") if log.exists() else 0
        self.process = self._processes.start(self.space.role, self.space, command)
        eventually(
            lambda: log.read_text().count("Ready to process requests") > served,
            within=20,
            what="FreeRADIUS to be ready",
            explain=self.process.tail,
        )

    def kill(self) -> None:
        """At once, as a crash is."""
        assert self.process is not None
        self.process.signal(9)
        self.process.wait(5)
