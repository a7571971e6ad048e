"""ICMP errors from inside tunnels: what they teach, and who else is to hear of them (RFC 2003 s4, s5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address

from mobileip.control.agent import clock
from mobileip.control.core.limits import TokenBucket
from mobileip.control.core.tunnel_state import REFLECTED, TunnelStates, reflected, relayed
from mobileip.control.net import bpf
from mobileip.control.net.raw_icmp import RawIcmpSocket
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import TunnelEntry, Tunnels
from mobileip.control.types import NANOSECONDS
from mobileip.control.wire.cursor import WireError
from mobileip.control.wire.icmp_error import TOO_BIG, TunnelError, read_tunnel_error, write_unreachable

_RATE, _BURST = 10.0, 20  # errors a second that are looked at
# An error may cost a walk through all tunnels to one far end, and anybody can send one: after each they rest, this many
# times as long as it took, so that nineteen twentieths of the loop are for registrations whatever it costs.
_REST = 19

Note = Callable[[Reason, Mapping[str, object]], None]


class TunnelErrors:
    """Listens, and keeps ``paths`` and the widths of the tunnels as they should be.

    ``forget_routes``: what the kernel said of the paths is to be asked again.
    """

    def __init__(
        self,
        paths: TunnelStates,
        tunnels: Tunnels,
        note: Note,
        forget_routes: Callable[[], None],
        mark: int | None,
    ) -> None:
        self._paths = paths
        self._tunnels = tunnels
        self._note = note
        self._forget_routes = forget_routes
        self._bucket = TokenBucket(_RATE, _BURST)
        self._resting_until = 0  # monotonic, ns
        self._timer: asyncio.TimerHandle | None = None
        self._socket = RawIcmpSocket(self._received, bpf.icmp_errors_about_tunnels(), mark)

    def close(self) -> None:
        self._socket.close()
        if self._timer is not None:
            self._timer.cancel()

    def _received(self, _router: IPv4Address, message: bytes) -> None:
        try:
            error = read_tunnel_error(message)
        except WireError as problem:
            self._note(problem.reason, {"message": "ICMP error", "text": str(problem)})
            return
        now = clock.now()
        fields: dict[str, object] = {
            "remote": error.remote,
            "local": error.local,
            "type": error.kind,
            "code": error.code,
        }
        if now.mono < self._resting_until or not self._bucket.take(now.mono):
            self._note(Reason.TUNNEL_ERROR_IGNORED, {**fields, "why": "too many"})
            return
        self._heed(error, fields)
        done = clock.now().mono
        self._resting_until = done + _REST * (done - now.mono)

    def _heed(self, error: TunnelError, fields: Mapping[str, object]) -> None:
        entry = self._tunnels.entry(error)
        if entry is None:
            self._note(Reason.TUNNEL_ERROR_IGNORED, {**fields, "why": "no tunnel"})
            return
        self._learn(error, entry)
        self._note(Reason.TUNNEL_ERROR, {**fields, "told": self._tell(error)})

    def _learn(self, error: TunnelError, entry: TunnelEntry) -> None:
        if self._paths.on_error(error, entry.path, clock.now()):
            self._tunnels.fit(error.remote)
            fields = {"remote": error.remote, "before": entry.path, "mtu": self._paths[error.remote].mtu}
            self._note(Reason.TUNNEL_PATH_MTU, fields)
        if (code := reflected(error)) is not None:
            self._tunnels.unreached(error.remote, code, REFLECTED)
        self.arm()

    def _tell(self, error: TunnelError) -> IPv4Address | None:
        """Who has been told, if the quote names the sender; else it hears of it at its next packet (RFC 2003 s5)."""
        code, entry = relayed(error), self._tunnels.entry(error)
        if code is None or not error.inner or entry is None or entry.shared:
            return None
        if code == TOO_BIG and error.inner_total <= entry.mtu:
            return None
        message = write_unreachable(error.inner, error.local, code, entry.mtu if code == TOO_BIG else 0)
        return error.source if message is not None and self._socket.send(message) else None

    def arm(self) -> None:
        """After a change of ``paths``: what is too old is forgotten in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._paths.next_deadline()
        if deadline is not None:
            wait = max(0, deadline - clock.now().mono) / NANOSECONDS
            self._timer = asyncio.get_running_loop().call_later(wait, self._age)

    def _age(self) -> None:
        for remote in self._paths.forget(clock.now()):
            self._forget_routes()
            self._tunnels.fit(remote)
            self._note(Reason.TUNNEL_PATH_MTU, {"remote": remote, "mtu": None})
        self.arm()
