"""Bad input and failures: each has a name, a counter, a sentence, and leaves nothing behind."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mobileip.control.lab.daemons import Daemon, toml
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, HOME_ADDRESS, HOME_AGENT
from mobileip.control.lab.waiting import eventually, subset
from mobileip.control.reasons import ReplyCode
from mobileip.control.types import Lifetime
from mobileip.control.wire import RegistrationReply, RegistrationRequest, build
from tests.netns.roles.asking import another_key, asker, identification, request, signed
from tests.netns.roles.kernel import has_device, ours

pytestmark = pytest.mark.netns

HOME = HOME_ADDRESS.ip


def reasons(daemon: Daemon) -> dict[str, int]:
    counted: dict[str, int] = daemon.show("counters")["reasons"]
    return counted


def nothing_installed(lab: Lab) -> bool:
    return (
        lab.home.show("bindings") == [] and lab.home.show("tunnels") == [] and ours(lab.home.namespace) == []
    )


def _truncated(good: RegistrationRequest) -> bytes:
    return build(good)[:17]


def _truncated_extension(good: RegistrationRequest) -> bytes:
    return signed(good)[:-3]


def _unknown_below_128(good: RegistrationRequest) -> bytes:
    return signed(good, bytes([99, 2, 0, 0]))


def _unauthenticated(good: RegistrationRequest) -> bytes:
    return build(good)


def _unknown_node(good: RegistrationRequest) -> bytes:
    return signed(replace(good, home_address=HOME + 1))


def _no_registration_message(_good: RegistrationRequest) -> bytes:
    return b"\x63 is no message type"


SILENT: dict[str, Callable[[RegistrationRequest], bytes]] = {
    "truncated": _truncated,
    "unknown-extension": _unknown_below_128,
    "no-authorization-extension": _unauthenticated,
    "unknown-association": _unknown_node,
    "unknown-message-type": _no_registration_message,
}


@pytest.mark.rfc("5944", "1.7", 2)
@pytest.mark.rfc("5944", "3.8.2.1", 6, 7)
@pytest.mark.parametrize("reason", SILENT)
def test_what_cannot_be_answered_is_named_counted_and_dropped(lab: Lab, reason: str) -> None:
    before = reasons(lab.home)[reason]
    with asker(lab.correspondent) as ask:
        assert ask.is_silent(SILENT[reason](request(CORRESPONDENT)))
    assert reasons(lab.home)[reason] == before + 1
    assert nothing_installed(lab)


def test_a_truncated_extension_is_truncated(lab: Lab) -> None:
    before = reasons(lab.home)["truncated"]
    with asker(lab.correspondent) as ask:
        assert ask.is_silent(_truncated_extension(request(CORRESPONDENT)))
    assert reasons(lab.home)["truncated"] == before + 1
    assert nothing_installed(lab)


@pytest.mark.rfc("5944", "3.8.2.1", 8, 12, 13)
def test_a_wrong_authenticator_is_denied_with_131(lab: Lab) -> None:
    before = reasons(lab.home)["mn-failed-authentication"]
    with asker(lab.correspondent) as ask:
        reply = ask.ask(another_key(request(CORRESPONDENT)))
    assert reply.reply_code is ReplyCode.HA_MN_FAILED_AUTHENTICATION
    assert reasons(lab.home)["mn-failed-authentication"] == before + 1
    assert nothing_installed(lab)


@pytest.mark.rfc("5944", "3.8.2.1", 15, 16)
@pytest.mark.parametrize("off", [-60.0, 60.0])
def test_a_stale_timestamp_is_denied_with_133_and_our_time(lab: Lab, off: float) -> None:
    asked = replace(request(CORRESPONDENT), identification=identification(off))
    with asker(lab.correspondent) as ask:
        reply = ask.ask(signed(asked))
    assert reply.reply_code is ReplyCode.HA_IDENTIFICATION_MISMATCH
    assert reply.identification.low == asked.identification.low
    assert abs(reply.identification.to_wall() - time.time_ns()) < 2e9
    assert nothing_installed(lab)


@pytest.mark.rfc("5944", "1.8", 2)
def test_a_skippable_extension_is_skipped_and_a_replay_refused(lab: Lab) -> None:
    with asker(lab.correspondent) as ask:
        datagram = signed(request(CORRESPONDENT), bytes([200, 3, 1, 2, 3]))
        assert ask.ask(datagram).reply_code is ReplyCode.ACCEPTED_NO_SIMULTANEOUS
        eventually(lambda: lab.home.show("bindings"), subset([{"care_of_address": str(CORRESPONDENT)}]))
        assert ask.ask(datagram).reply_code is ReplyCode.HA_IDENTIFICATION_MISMATCH
        accepted = ask.ask(signed(replace(request(HOME), lifetime=Lifetime(0))))
        assert accepted.reply_code is not None and accepted.reply_code.accepted
    assert nothing_installed(lab)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"home_agent": CORRESPONDENT}, ReplyCode.HA_UNKNOWN_HOME_AGENT_ADDRESS),
        ({"care_of_address": HOME}, ReplyCode.HA_POORLY_FORMED_REQUEST),
        ({"minimal": True, "gre": True}, ReplyCode.HA_ENCAPSULATION_UNAVAILABLE),
    ],
)
def test_what_the_home_agent_will_not_do_has_its_code(
    lab: Lab, change: dict[str, object], code: ReplyCode
) -> None:
    asked = request(CORRESPONDENT)
    flags = {name: value for name, value in change.items() if isinstance(value, bool)}
    fields = {name: value for name, value in change.items() if name not in flags}
    asked = replace(asked, flags=replace(asked.flags, **flags), **fields)  # type: ignore[arg-type]
    with asker(lab.correspondent) as ask:
        assert ask.ask(signed(asked)).reply_code is code
    assert nothing_installed(lab)


def test_a_route_that_cannot_be_installed_is_130_and_undone(lab: Lab) -> None:
    """The tunnel device is down: the kernel takes no route into it. Up again, the next request is accepted."""
    lab.home.namespace.ip("link set mip0 down")
    before = reasons(lab.home)["ha-insufficient-resources"]
    with asker(lab.correspondent) as ask:
        reply = ask.ask(signed(request(CORRESPONDENT)))
        assert reply.reply_code is ReplyCode.HA_INSUFFICIENT_RESOURCES
        assert reasons(lab.home)["ha-insufficient-resources"] == before + 1
        assert reasons(lab.home)["action-failed"] > 0
        assert nothing_installed(lab)
        lab.home.namespace.ip("link set mip0 up")
        assert ask.ask(signed(request(CORRESPONDENT))).reply_code is ReplyCode.ACCEPTED_NO_SIMULTANEOUS
    lab.home.stop()
    assert ours(lab.home.namespace) == []


def refusal(lab: Lab, daemon: Daemon, tmp_path: Path, **settings: object) -> str:
    """The one error line of a start of ``daemon``'s configuration that has to fail, with exit status 1."""
    file = tmp_path / "mobileip.toml"
    table = {"name": "another", "state_directory": str(tmp_path), "control_socket": str(tmp_path / "socket")}
    configuration = {"daemon": {**table, "log_format": "json", **settings}, **daemon.configuration}
    file.write_text(toml(configuration))
    command = ["ip", "netns", "exec", daemon.namespace.name, sys.executable, "-m", "mobileip"]
    run = subprocess.run(
        [*command, "run", "--config", str(file)], capture_output=True, text=True, timeout=30, check=False
    )
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stderr
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    (error,) = [line for line in lines if line["level"] == "error"]
    return str(error["text"])


def test_a_tunnel_device_that_cannot_be_made_is_one_sentence(lab: Lab, tmp_path: Path) -> None:
    lab.foreign3.namespace.ip("link add mip0 type veth peer name other")
    try:
        lone = Daemon(lab.foreign3.namespace, lab.processes, lab.foreign1.configuration)
        lone.configuration["foreign_agent"]["care_of_address"] = "198.51.100.129"
        said = refusal(lab, lone, tmp_path)
        assert "mip0" in said and "choose another name" in said
        assert ours(lone.namespace) == []
    finally:
        lab.foreign3.namespace.ip("link del mip0")


def test_a_second_daemon_is_told_who_has_port_434_and_the_first_goes_on(lab: Lab, tmp_path: Path) -> None:
    lab.go("foreign1")
    before = ours(lab.foreign1.namespace)
    said = refusal(lab, lab.foreign1, tmp_path, tunnel_device="mip1")
    assert "434" in said and "stop that program first" in said
    assert ours(lab.foreign1.namespace) == before
    lab.correspondent.ping(HOME)


def test_an_address_that_is_not_ours_is_one_sentence(lab: Lab, tmp_path: Path) -> None:
    lab.home.stop()
    lab.home.configuration["home_agent"]["address"] = "203.0.113.77"
    said = refusal(lab, lab.home, tmp_path)
    assert "home_agent.address is 203.0.113.77, which no interface of this host has" in said
    assert ours(lab.home.namespace) == []
    assert not has_device(lab.home.namespace, "mip0")


def test_a_tunnel_device_that_is_deleted_ends_the_daemon_in_order(lab: Lab) -> None:
    lab.go("foreign1")
    lab.foreign1.namespace.ip("link del mip0")
    process = lab.foreign1.process
    assert process is not None
    status = eventually(
        lambda: process.exit_status, lambda status: status is not None, what="the daemon to end"
    )
    assert status == 1
    named = [line for line in lab.foreign1.log_lines() if line.get("event") == "device-lost"]
    assert named and "restart the daemon" in str(named[-1]["cure"])
    assert ours(lab.foreign1.namespace) == []


def test_a_reply_without_a_request_is_named(lab: Lab) -> None:
    """The foreign agent gets a reply that it has no pending request for, and a node none at all."""
    lab.go("foreign1")
    before = reasons(lab.foreign1)["unmatched-reply"]
    forged = build(RegistrationReply(0, Lifetime(0), HOME, HOME_AGENT, identification()))
    with lab.correspondent.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.sendto(forged, ("198.51.100.1", 434))
    eventually(lambda: reasons(lab.foreign1)["unmatched-reply"], lambda now: now == before + 1)
    assert lab.foreign1.show("visitors")[0]["state"] == "registered"
    lab.correspondent.ping(HOME)
