"""Sends the probes that :mod:`core.path_probes` asks for, takes the answers, and makes tunnels fit what they prove."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from ipaddress import IPv4Address
from os import urandom

from mobileip.control.agent import clock
from mobileip.control.agent.tunnel_errors import TunnelErrors
from mobileip.control.core.path_probes import NONCE, PathCarries, PathProbes, Probe, ProbeAction
from mobileip.control.core.tunnel_state import TunnelStates
from mobileip.control.net import bpf
from mobileip.control.net.raw_icmp import RawIcmpSocket
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import Tunnels
from mobileip.control.types import NANOSECONDS
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.icmp_echo import read_echo_reply, write_echo_request

Note = Callable[[Reason, Mapping[str, object]], None]


class PathProber:
    """Listens to ``tunnels`` and to answers. ``changed`` is called after each change of ``paths``."""

    def __init__(
        self,
        paths: TunnelStates,
        tunnels: Tunnels,
        note: Note,
        changed: Callable[[], None],
        mark: int | None,
    ) -> None:
        self._paths = paths
        self._tunnels = tunnels
        self._note = note
        self._changed = changed
        self._probes = PathProbes(urandom)
        self._identifier = int.from_bytes(urandom(2), "big")
        self._timer: asyncio.TimerHandle | None = None
        self._socket = RawIcmpSocket(self._received, bpf.echo_replies(self._identifier), mark)
        tunnels.on_large_packet = self._large_packet

    def close(self) -> None:
        self._socket.close()
        if self._timer is not None:
            self._timer.cancel()

    def _large_packet(self, remote: IPv4Address, home_address: IPv4Address, size: int) -> None:
        self._perform(self._probes.on_large_packet(remote, home_address, size, clock.now()))

    def _received(self, source: IPv4Address, message: bytes) -> None:
        try:
            reply = read_echo_reply(message, NONCE)
        except WireError as problem:
            self._note(problem.reason, {"message": "ICMP echo reply", "text": str(problem)})
            return
        self._perform(self._probes.on_reply(source, reply.data, clock.now()))

    def _perform(self, actions: Iterable[ProbeAction]) -> None:
        for action in actions:
            match action:
                case Probe():
                    self._send(action)
                case PathCarries():
                    self._believe(action)
        self._arm()

    def _send(self, probe: Probe) -> None:
        """One that cannot leave is one that is not answered."""

        def ask(local: IPv4Address, remote: IPv4Address, size: int) -> bytes:
            return write_echo_request(local, remote, self._identifier, probe.nonce, size)

        datagram = self._tunnels.probe(probe.remote, probe.home_address, probe.size, ask)
        if datagram is not None:
            self._socket.send(datagram)

    def _believe(self, found: PathCarries) -> None:
        before = self._paths[found.remote].mtu
        self._paths.on_probe(found.remote, found.mtu, clock.now())
        self._changed()
        if found.mtu != before:
            self._tunnels.fit(found.remote)
            fields = {"remote": found.remote, "before": before, "mtu": found.mtu, "by": "probes"}
            self._note(Reason.TUNNEL_PATH_MTU, fields)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._probes.next_deadline()
        if deadline is not None:
            wait = max(0, deadline - clock.now().mono) / NANOSECONDS
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _tick(self) -> None:
        self._perform(self._probes.tick(clock.now()))


@contextmanager
def path_discovery(
    paths: TunnelStates,
    tunnels: Tunnels,
    note: Note,
    forget_routes: Callable[[], None],
    mark: int | None,
    *,
    probing: bool,
) -> Iterator[None]:
    """While inside, ``paths`` and the widths of tunnels follow what routers tell and, with ``probing``, probes find."""
    with (
        closing(TunnelErrors(paths, tunnels, note, forget_routes, mark)) as errors,
        closing(PathProber(paths, tunnels, note, errors.arm, mark)) if probing else nullcontext(),
    ):
        yield
