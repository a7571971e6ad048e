"""The yardstick: FreeRADIUS answering PAP (RFC 2865 s5.2) from memory, and a generator of its requests."""

from __future__ import annotations

import hashlib
import random
import socket
import struct
import time
from typing import Final

import numpy as np

from mobileip.control.lab.namespaces import Namespace, require
from mobileip.control.lab.processes import Process, Processes
from mobileip.control.lab.waiting import eventually
from tools.load.batch import BatchSocket
from tools.load.network import HOME_AGENT, LOAD
from tools.load.tally import Tally
from tools.load.usage import Usage

PORT: Final = 1812
SECRET: Final = b"a secret of the benchmark"
PASSWORD: Final = b"correct horse"
_SOCKETS: Final = 16  # of 256 identifiers each
_DEPTH: Final = 256
_SIZE: Final = 4096
_ACCEPT: Final = 2
_PAUSE: Final = 0.0005  # s
_PATIENCE: Final = 1.0  # s

# The least that answers PAP: users in a hash table, no accounting, no logging of each request.
_CONFIGURATION: Final = """\
prefix = /usr
exec_prefix = /usr
sysconfdir = {directory}
localstatedir = {directory}
logdir = {directory}
run_dir = {directory}
raddbdir = {directory}
libdir = /usr/lib/freeradius
pidfile = {directory}/freeradius.pid
correct_escapes = true
max_request_time = 5
cleanup_delay = 0
max_requests = 65536
hostname_lookups = no
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
thread pool {{
	start_servers = 2
	max_servers = 2
	min_spare_servers = 1
	max_spare_servers = 2
	max_requests_per_server = 0
}}
client load {{
	ipaddr = {client}
	secret = "{secret}"
	require_message_authenticator = no
}}
modules {{
	pap {{
		normalise = no
	}}
	files {{
		filename = {directory}/users
		key = "%{{User-Name}}"
	}}
}}
server default {{
	listen {{
		type = auth
		ipaddr = {address}
		port = {port}
	}}
	authorize {{
		files
		pap
	}}
	authenticate {{
		Auth-Type PAP {{
			pap
		}}
	}}
}}
"""


def _user(number: int) -> bytes:
    return f"user{number:07}".encode()


class FreeRadius:
    """The server, with ``users`` users, in ``space``."""

    def __init__(self, space: Namespace, processes: Processes, users: int) -> None:
        directory = processes.directory / "radius"
        directory.mkdir()
        (directory / "users").write_text(
            "".join(
                f'{_user(number).decode()} Cleartext-Password := "{PASSWORD.decode()}"\n'
                for number in range(users)
            )
        )
        (directory / "radiusd.conf").write_text(
            _CONFIGURATION.format(
                directory=directory, client=LOAD, secret=SECRET.decode(), address=HOME_AGENT, port=PORT
            )
        )
        command = [require("freeradius", "freeradius"), "-f", "-l", "stdout", "-d", str(directory)]
        self.process: Process = processes.start("radius", space, command)
        self.users = users

    def wait_ready(self, client: RadiusLoad) -> None:
        eventually(
            lambda: client.run(0.05, window=1).accepted,
            within=20 + self.users / 5000,
            what="FreeRADIUS to accept a user",
            explain=self.process.tail,
        )

    def usage(self) -> Usage:
        return Usage.of(self.process.pid)


class RadiusLoad:
    """Access-Requests with the right password of one user after the other, always ``window`` unanswered."""

    def __init__(self, space: Namespace, users: int, seed: int = 3) -> None:
        self._users = users
        self._random = random.Random(seed)
        self._sockets = []
        for _ in range(_SOCKETS):
            sock = space.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect((str(HOME_AGENT), PORT))
            self._sockets.append(BatchSocket(sock, depth=_DEPTH, size=_SIZE))
        self._asked: list[dict[int, tuple[int, bytes]]] = [{} for _ in self._sockets]
        self._turn = self._user = 0

    def run(self, seconds: float, window: int = 64) -> Tally:
        """Ask for ``seconds``. Every answer's authenticator is checked (RFC 2865 s3)."""
        tally = Tally()
        cpu, start = time.process_time(), time.time_ns()
        while (now := time.time_ns()) < start + seconds * 1e9:
            room = window - sum(map(len, self._asked))
            if room >= (window + 3) // 4:
                self._ask(room, tally)
            else:
                time.sleep(_PAUSE)
            self._hear(tally)
            self._forget(now, tally)
        tally.seconds = (time.time_ns() - start) / 1e9
        deadline = time.time_ns() + _PATIENCE * 1e9
        while any(self._asked) and time.time_ns() < deadline:
            time.sleep(_PAUSE)
            self._hear(tally)
        self._forget(time.time_ns() + round(_PATIENCE * 1e9), tally)
        tally.generator_cpu = time.process_time() - cpu
        return tally

    def _ask(self, count: int, tally: Tally) -> None:
        """On the sockets in turn, so that an identifier is used again as late as can be."""
        number = self._turn % _SOCKETS
        self._turn += 1
        batch, asked = self._sockets[number], self._asked[number]
        sent_at = time.time_ns()
        lengths: list[int] = []
        for identifier in range(256):
            if len(lengths) == count:
                break
            if identifier in asked:
                continue
            authenticator = self._random.randbytes(16)
            request = access_request(identifier, authenticator, _user(self._user % self._users))
            self._user += 1
            batch.out[len(lengths), : len(request)] = np.frombuffer(request, np.uint8)
            lengths.append(len(request))
            asked[identifier] = (sent_at, authenticator)
        batch.send(len(lengths), np.array(lengths))
        tally.sent += len(lengths)

    def _hear(self, tally: Tally) -> None:
        for batch, asked in zip(self._sockets, self._asked, strict=True):
            if not asked:
                continue
            lengths, when = batch.receive()
            latencies = []
            for row, (length, arrived) in enumerate(zip(lengths.tolist(), when.tolist(), strict=True)):
                answer = batch.received[row, :length].tobytes()
                known = asked.pop(answer[1], None) if length >= 20 else None
                if known is None:
                    continue
                if not _is_authentic(answer, known[1]):
                    tally.forged_replies += 1
                    continue
                latencies.append((arrived - known[0]) / 1e9)
                if answer[0] == _ACCEPT:
                    tally.accepted += 1
                else:
                    tally.denials[answer[0]] += 1
            if latencies:
                tally.answered(np.array(latencies))

    def _forget(self, now: int, tally: Tally) -> None:
        for asked in self._asked:
            for identifier in [i for i, (sent, _) in asked.items() if sent < now - _PATIENCE * 1e9]:
                del asked[identifier]
                tally.lost += 1


def access_request(identifier: int, authenticator: bytes, user: bytes) -> bytes:
    """RFC 2865 s4.1, the password hidden as s5.2 says (it has at most 16 bytes here)."""
    pad = hashlib.md5(SECRET + authenticator).digest()
    hidden = bytes(a ^ b for a, b in zip(PASSWORD.ljust(16, b"\0"), pad, strict=True))
    attributes = bytes((1, 2 + len(user))) + user + bytes((2, 18)) + hidden
    return struct.pack("!BBH", 1, identifier, 20 + len(attributes)) + authenticator + attributes


def _is_authentic(answer: bytes, request_authenticator: bytes) -> bool:
    expected = hashlib.md5(answer[:4] + request_authenticator + answer[20:] + SECRET).digest()
    return answer[4:20] == expected
