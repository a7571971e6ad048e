"""Users of the host: none but root and the socket's group gets an answer, and none can stop the daemon answering."""

from __future__ import annotations

import grp
import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mobileip.control.lab.daemons import KEY
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.waiting import eventually
from mobileip.control.ops.control_socket import MOST_CLIENTS
from tests.attacks.state import State, works

pytestmark = pytest.mark.netns

NOBODY = 65534
_AS_NOBODY = """
import os, socket, sys
os.setgroups([]); os.setgid({group}); os.setuid({user})
connection = socket.socket(socket.AF_UNIX)
try:
    connection.connect(sys.argv[1])
except PermissionError:
    sys.exit(13)
connection.sendall(b'{{"command": "show", "what": "associations"}}\\n')
print(connection.makefile().readline())
"""


def asked_as(path: Path, user: int, group: int) -> subprocess.CompletedProcess[str]:
    program = _AS_NOBODY.format(user=user, group=group)
    return subprocess.run(
        [sys.executable, "-I", "-c", program, str(path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_user_who_is_not_allowed_gets_no_connection(away: Lab) -> None:
    before = State.of(away.home)
    path = away.home.socket
    for directory in (path.parent, path.parent.parent):
        directory.chmod(0o755)  # so that it is the socket that refuses
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    refused = asked_as(path, NOBODY, NOBODY)
    assert refused.returncode == 13, refused.stderr
    for secret in (away.home.file, path.with_name("home.accepted")):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert State.of(away.home) == before


def test_clients_who_say_nothing_or_nonsense_keep_nobody_out(away: Lab) -> None:
    connections = []
    try:
        for number in range(2 * MOST_CLIENTS):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(away.home.socket))
            connection.settimeout(5)
            connections.append(connection)
            if number % 4 == 1:
                connection.sendall(b'{"command": ' * 100)
            elif number % 4 == 2:
                connection.sendall(b"\xff\x00" * 8000)
            elif number % 4 == 3:
                connection.sendall(json.dumps({"command": "clear", "what": ["binding"]}).encode() + b"\n")
        works(away)
    finally:
        for connection in connections:
            connection.close()
    eventually(lambda: away.home.show("bindings"), lambda rows: len(rows) == 1)


def test_the_group_of_the_socket_is_let_in_and_no_other(lab: Lab) -> None:
    group = grp.getgrgid(NOBODY)
    lab.home.stop()
    lab.home.configuration.setdefault("daemon", {})["control_group"] = group.gr_name
    lab.home.start()
    path = lab.home.socket
    for directory in (path.parent, path.parent.parent):
        directory.chmod(0o755)
    member = asked_as(path, NOBODY, group.gr_gid)
    assert member.returncode == 0, member.stderr
    assert KEY not in member.stdout and '"spi"' in member.stdout
    assert asked_as(path, NOBODY, NOBODY - 1).returncode == 13
