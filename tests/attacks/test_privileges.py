"""What a daemon that somebody has taken over could do to its host: what two capabilities allow, and nothing else."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mobileip.control.agent.privileges import of_process
from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import ACCESS_INTERFACE
from mobileip.control.lab.waiting import eventually
from tests.attacks.state import works

pytestmark = pytest.mark.netns

NET_BIND_SERVICE, NET_ADMIN, NET_RAW = 10, 12, 13
KEPT = 1 << NET_ADMIN | 1 << NET_RAW
USER = 65534
_THREE = "+net_admin,+net_raw,+net_bind_service"
_AS_USER = (
    f'chown {USER} "$5" && exec setpriv --reuid={USER} --regid={USER} --clear-groups'
    f' --inh-caps=-all,{_THREE} --ambient-caps=-all,{_THREE} "$0" "$@"'
)
PROGRAM = ("sh", "-c", _AS_USER, sys.executable, "-m", "mobileip")


def sets(daemon: Daemon) -> dict[str, int]:
    assert daemon.process is not None
    return of_process(daemon.process.pid)


def only_two(found: dict[str, int]) -> bool:
    return found == {
        "CapEff": KEPT, "CapPrm": KEPT, "CapInh": 0, "CapAmb": 0, "CapBnd": found["CapBnd"], "NoNewPrivs": 1
    }  # fmt: skip


def test_every_thread_of_every_daemon_has_given_up_the_rest(away: Lab) -> None:
    for daemon in away.daemons:
        found = sets(daemon)
        assert only_two(found) and found["CapBnd"] == 0, (daemon, found)


def test_what_is_opened_later_still_opens(away: Lab) -> None:
    """A link of the agent that is deleted and made anew, moves, and a restart of the one and the other."""
    space = away.foreign1.namespace
    router = "198.51.100.1/26"
    away.go("foreign2")
    space.ip(f"link del {ACCESS_INTERFACE}")
    away.topology.access.ip(
        f"link add foreign1r type veth peer name {ACCESS_INTERFACE} netns {space.name}",
        "link set foreign1r master foreign1 up",
    )
    space.ip(f"addr add {router} dev {ACCESS_INTERFACE}", f"link set {ACCESS_INTERFACE} up")
    away.go("foreign1")
    works(away)
    away.go("foreign3")
    works(away)
    assert only_two(sets(away.foreign1))


@pytest.fixture
def unprivileged(lab: Lab) -> Iterator[Lab]:
    """All daemons as a user that is not root, with ambient capabilities, as under systemd."""
    if not _everybody_may_run(Path(sys.executable).parent):
        pytest.skip("the program is where only root may go")
    assert lab.directory is not None
    places = (lab.directory, *(daemon.file.parent for daemon in lab.daemons))
    for daemon in lab.daemons:
        daemon.stop()
    for place in places:
        for one in (place, *place.iterdir()):
            os.chown(one, USER, USER)
    for daemon in lab.daemons:
        daemon.launch(PROGRAM)
    for daemon in lab.daemons:
        daemon.wait_ready()
    lab.wait_registered(within=10)
    yield lab
    for daemon in lab.daemons:
        daemon.stop()
    for place in places:
        for one in (place, *place.iterdir()):
            os.chown(one, 0, 0)


def _everybody_may_run(place: Path) -> bool:
    return all(one.stat().st_mode & stat.S_IXOTH for one in (place, *place.parents))


def test_a_user_that_is_not_root_serves_as_well(unprivileged: Lab) -> None:
    lab = unprivileged
    for site in ("foreign1", "foreign2", "foreign3", "home"):
        lab.go(site)
        works(lab)
    for daemon in lab.daemons:
        assert only_two(sets(daemon)), daemon
        assert daemon.process is not None
        assert Path(f"/proc/{daemon.process.pid}").stat().st_uid == USER
    eventually(lambda: lab.home.show("bindings"), lambda rows: rows == [])
