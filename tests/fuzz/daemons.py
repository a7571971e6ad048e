"""``python -m tests.fuzz.daemons home|foreign1|node``: hostile datagrams into a whole daemon over real sockets.

As root. The four daemons run in namespaces, with the node registered through the foreign agent; one of them is sent
changed registration messages, advertisements, tunnelled packets, ICMP errors and operators' requests, as by a host on
its link and from far. Afterwards it must be there, have grown by no more than a twentieth, have as many descriptors and
threads and in it and in the kernel what it had before, and serve the node. ``--asan`` loads AddressSanitizer into all,
for an extension built with that. With ``--challenges`` the foreign agent challenges, RADIUS servers verify proofs, and
messages have the extensions for that (RFC 4721).
"""

from __future__ import annotations

import argparse
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from mobileip.control.lab.daemons import Daemon
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import CORRESPONDENT, FOREIGN1, HOME_ADDRESS, HOME_AGENT, NODE_INTERFACE
from mobileip.control.lab.waiting import eventually
from mobileip.control.types import ALL_SYSTEMS, REGISTRATION_PORT, Lifetime
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentFlags,
    AgentSolicitation,
    MobilityAgentAdvertisement,
    RegistrationReply,
    RouterAddress,
    build,
    build_icmp,
)
from tests.attacks.state import State, memory, reasons, works
from tests.attacks.test_floods import EVERYBODY, Frames, mac
from tests.attacks.test_tunnels import too_big
from tests.fuzz.challenged import Told, answers, challenging, start_servers
from tests.fuzz.mutation import mutations
from tests.netns.foreign.visiting import ip, link_address, udp
from tests.netns.roles.asking import another_key, identification, request

ROLES: Final = ("home", "foreign1", "node")
HOME, AGENT = HOME_ADDRESS.ip, FOREIGN1.router.ip
ICMP, IPIP, UDP, GRE, MINIMAL = 1, 4, 17, 47, 55
_BATCH: Final = 250  # datagrams, then the daemon is asked something: what it has not yet read is not lost
_WARM: Final = 0.2  # of all, before memory is measured: caches and pools have their size then
_SLACK: Final = 1024  # KiB beside the twentieth
_ADVERTISEMENT: Final = AgentAdvertisement(
    lifetime=3,
    extensions=(
        MobilityAgentAdvertisement(
            sequence=7,
            registration_lifetime=Lifetime(60),
            flags=AgentFlags(foreign_agent=True, reverse_tunnel=True),
            care_of_addresses=(AGENT,),
        ),
    ),
    router_addresses=(RouterAddress(AGENT, 0),),
)
_UDP_BODIES, _ICMP_BODIES = 4, 2  # without challenges; those about challenges follow and change with them
_REQUESTS: Final = (
    b'{"command": "show", "what": "counters"}\n',
    b'{"command": "clear", "what": "binding", "home_address": "203.0.113.77"}\n',
    b'{"command": "filter", "nai": "a@b", "interface": "eth0"}\n',
    b'{"command": "debug", "node": "203.0.113.5"}\n',
)


@dataclass(frozen=True)
class Outcome:
    """KiB of resident memory after the first fifth and at the end."""

    datagrams: int
    seconds: float
    before: int
    after: int


class Assault:
    """On one daemon of a laboratory in which the node is registered at foreign1."""

    def __init__(self, lab: Lab, role: str, seed: int, told: Told | None = None) -> None:
        """``told``: the foreign agent challenges."""
        self._lab = lab
        self._role = role
        self._told = told
        self._rng = random.Random(seed)
        self.daemon: Daemon = getattr(lab, role)
        self._target = {"home": HOME_AGENT, "foreign1": AGENT, "node": HOME}[role]
        self._node = bytes.fromhex(link_address(lab.node.namespace, NODE_INTERFACE).replace(":", ""))

    def run(self, datagrams: int, seconds: float = float("inf")) -> Outcome:
        """Until so many were sent or so long has passed; AssertionError says what is wrong."""
        before, handles = _lasting(State.of(self.daemon)), self._handles()
        started, warm, sent = time.monotonic(), 0, 0
        with (
            Frames(self._lab) as frames,
            self._lab.core.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as far,
        ):
            corpora = self._corpora()
            bodies = {kind: mutations(corpus, self._rng, 1400) for kind, corpus in corpora.items()}
            while sent < datagrams and time.monotonic() - started < seconds:
                if self._told is not None:
                    challenge = self._told.hear()
                    corpora["udp"][_UDP_BODIES:] = answers(challenge)
                    corpora["icmp"][_ICMP_BODIES:] = challenging(_ADVERTISEMENT, challenge)
                for _ in range(min(_BATCH, datagrams - sent)):
                    self._send(frames, far, bodies)
                    sent += 1
                self._ask()
                eventually(lambda: self.daemon.show("counters"), within=30, explain=self.daemon.explain)
                if not warm and (sent >= _WARM * datagrams or time.monotonic() - started > _WARM * seconds):
                    warm = memory(self.daemon)
        outcome = Outcome(sent, time.monotonic() - started, warm, memory(self.daemon))
        self._judge(before, handles, outcome)
        return outcome

    def _handles(self) -> tuple[int, int]:
        """How many descriptors and threads the daemon has."""
        assert self.daemon.process is not None
        process = Path(f"/proc/{self.daemon.process.pid}")
        return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))

    def _judge(self, before: State, handles: tuple[int, int], outcome: Outcome) -> None:
        assert self.daemon.running, self.daemon.explain()
        broken = [
            line for line in self.daemon.log_lines() if line.get("event") in (None, "control-command-failed")
        ]
        assert not broken, broken[:20]
        assert outcome.after <= 1.05 * outcome.before + _SLACK, outcome
        # The node, which is on that link too, may believe that there are agents which there are not. It comes back.
        self._lab.wait_registered(within=40)
        eventually(
            self._handles,
            lambda now: now[0] <= handles[0] and now[1] == handles[1],  # an answered request may have had one
            within=30,
            what=f"{handles} descriptors and threads",
        )
        eventually(
            lambda: _lasting(State.of(self.daemon)), lambda now: now == before, within=15, what=f"{before}"
        )
        works(self._lab)

    def _corpora(self) -> dict[str, list[bytes]]:
        """Payloads by what carries them."""
        asked = replace(request(AGENT), flags=replace(request(AGENT).flags, decapsulation_by_mn=False))
        inner = ip(CORRESPONDENT, HOME, UDP, udp(bytes(40)))
        return {
            "udp": [
                another_key(asked),
                another_key(replace(asked, lifetime=Lifetime(0))),
                build(asked),
                build(RegistrationReply(0, Lifetime(60), HOME, HOME_AGENT, identification())),
            ],
            "ipip": [
                inner,
                ip(HOME, HOME_AGENT, IPIP, inner),
                ip(HOME, CORRESPONDENT, UDP, udp(bytes(1300))),
            ],
            "gre": [b"\0\0\x08\0" + inner, b"\xb0\0\x08\0" + bytes(12) + inner],
            "minimal": [b"\x11\x80\0\0" + HOME.packed + CORRESPONDENT.packed + udp(bytes(30))],
            "error": [
                too_big(1000, self._target, AGENT, inner),
                too_big(0, self._target, AGENT, inner, code=1),
            ],
            "icmp": [build_icmp(_ADVERTISEMENT), build_icmp(AgentSolicitation())],
        }

    def _send(self, frames: Frames, far: socket.socket, bodies: dict[str, Iterator[bytes]]) -> None:
        """One packet: from the link of foreign1 if the daemon is there, or by the routes from the core."""
        rng = self._rng
        near = self._role == "node" or (self._role == "foreign1" and rng.random() < 0.6)
        kind = rng.choice(
            ("udp", "udp", "icmp") if near else ("udp", "udp", "ipip", "gre", "minimal", "error")
        )
        body = next(bodies[kind])
        protocol = {"udp": UDP, "ipip": IPIP, "gre": GRE, "minimal": MINIMAL}.get(kind, ICMP)
        if kind == "udp":
            port = REGISTRATION_PORT.to_bytes(2)
            body = port + port + (8 + len(body)).to_bytes(2) + bytes(2) + body
        elif protocol == ICMP:
            body = _summed(body)
        source = rng.choice(
            (HOME_AGENT, AGENT, CORRESPONDENT, HOME, IPv4Address(rng.randrange(1, 0xE000_0000)))
        )
        try:
            if near:
                group = ALL_SYSTEMS if protocol == ICMP else self._target
                destination = rng.choice((self._target, group))
                station = self._node if self._role == "node" else frames.agent
                packet = ip(source, destination, protocol, body, ttl=rng.choice((1, 64, 255)))
                frames.send(rng.choice((station, EVERYBODY)), mac(rng.randrange(64)), packet)
            else:
                far.sendto(ip(source, self._target, protocol, body), (str(self._target), 0))
        except OSError:
            pass  # the kernel of the sender would not: too long, no route back

    def _ask(self) -> None:
        """An operator's request with something wrong in it."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(self.daemon.socket))
            client.sendall(next(mutations(_REQUESTS, self._rng, 4000)) + b"\n")


def _lasting(state: State) -> State:
    """Without the widths of tunnels, which an error that quotes the right ends may lessen for ten minutes."""
    return replace(state, tunnels=[tunnel[:3] for tunnel in state.tunnels])


def _summed(body: bytes) -> bytes:
    if len(body) < 4:
        return body
    bare = body[:2] + b"\0\0" + body[4:]
    # 2**16 is 1 modulo 2**16 - 1, so the number that all bytes make has the same rest as the sum of the words.
    total = int.from_bytes(bare + bytes(len(bare) % 2)) % 0xFFFF
    return bare[:2] + (~total & 0xFFFF).to_bytes(2) + bare[4:]


def _program(asan: bool) -> Sequence[str]:
    plain = (sys.executable, "-m", "mobileip")
    if not asan:
        return plain
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    # Freed memory is kept back for a moment only: for as long as usual it would look like a leak.
    options = "ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:quarantine_size_mb=4"
    return "env", f"LD_PRELOAD={found.stdout.strip()}", options, *plain


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.daemons", description=__doc__)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--datagrams", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--asan", action="store_true")
    parser.add_argument("--challenges", action="store_true")
    asked = parser.parse_args()
    print(f"{asked.role}: seed {asked.seed}", flush=True)
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        lab.move_to("foreign1")
        if asked.challenges:
            start_servers(lab)
        for daemon in lab.daemons:
            daemon.launch(_program(asked.asan))
        for daemon in lab.daemons:
            daemon.wait_ready()
        lab.wait_registered(within=20)
        told = stack.enter_context(Told(lab)) if asked.challenges else None
        outcome = Assault(lab, asked.role, asked.seed, told).run(asked.datagrams, asked.seconds)
        counted = {name: count for name, count in reasons(getattr(lab, asked.role)).items() if count}
    print(f"counted: {counted}")
    print(
        f"{asked.role}: {outcome.datagrams} datagrams in {outcome.seconds:.0f} s,"
        f" resident {outcome.before} KiB, at the end {outcome.after} KiB"
    )


if __name__ == "__main__":
    main()
