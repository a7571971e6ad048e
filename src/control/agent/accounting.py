"""Which bindings there are and what they carry, told to accounting servers: beginnings, ends and reports on the way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from secrets import token_hex
from time import time
from typing import Final

from mobileip.control.aaa.accounting import Accountant, Amounts, Record, Status
from mobileip.control.aaa.attributes import Client
from mobileip.control.aaa.servers import Note, Patience
from mobileip.control.agent.keys import servers
from mobileip.control.config.model import HomeAgentConfig
from mobileip.control.core.actions import InstallTunnel, RemoveTunnel, TunnelSide
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.reasons import Reason
from mobileip.control.security import Secret
from mobileip.control.tunnels import Tunnels

# Acct-Terminate-Cause (RFC 2866 s5.10) of what ends with the agent, with its accounting, and otherwise.
_ADMIN_REBOOT: Final = 7
_NAS_REQUEST: Final = 10
_CAUSES: Final = {
    Reason.DEREGISTERED: 1,  # User Request
    Reason.BINDING_IDLE: 4,  # Idle Timeout
    Reason.BINDING_EXPIRED: 5,  # Session Timeout
    Reason.BINDING_CLEARED: 6,  # Admin Reset
    Reason.HA_INSUFFICIENT_RESOURCES: 9,  # NAS Error
}
_SWEEP: Final = 1.0  # s between two searches for reports that are due
_MOST_REPORTS: Final = 1000  # a sweep
_NO_PASSWORD: Final = Secret(b"")
_FAREWELL: Final = 1.0  # s at most for the last records


Agents = Callable[[], MobilityAgents | None]
NameOf = Callable[[IPv4Address], str | None]
"""The name of a node by its home address, if it has one."""


@dataclass(slots=True)
class _Session:
    """One node away, from its first binding to the end of its last. ``gone``: what tunnels carried that are no more."""

    name: str
    user: str
    began: float
    care_of_address: IPv4Address
    gone: Amounts = field(default_factory=Amounts)


class BindingAccounts:
    """Sees the home agent's tunnels come and go. ``interval`` (s) is between two reports of a node; ``None``: none.

    ``name_of`` gives the name of a node, if it has one; else its home address stands for it.
    """

    def __init__(
        self,
        tunnels: Tunnels,
        accountant: Accountant,
        interval: float | None,
        name_of: NameOf,
    ) -> None:
        self._tunnels: Final = tunnels
        self.accountant = accountant
        self._interval = interval
        self._name_of = name_of
        self._loop: Final = asyncio.get_running_loop()
        self._sessions: Final[dict[IPv4Address, _Session]] = {}
        self._due: Final[deque[tuple[float, IPv4Address, _Session]]] = (
            deque()
        )  # the first to be reported first
        # Time alone would be that of an agent which was started in the same second, or whose clock was set back.
        self._boot: Final = f"{int(time()) & 0xFFFF_FFFF:08x}{token_hex(4)}"
        self._count = 0
        self._tell_of_agent(Status.ON)
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep)

    def begin(self) -> None:
        """Give account of the tunnels that there are, from now on: what they carried before is in no account."""
        for home in {one.tunnel.home_address for one in self._tunnels.status()}:
            if tunnels := self._tunnels.home_tunnels(home):  # else we are its other end
                self._installed(home, tunnels[-1].tunnel.remote, None)
                self._sessions[home].gone = Amounts() - (self._carried(home) or Amounts())

    async def change(self, accountant: Accountant, interval: float | None, name_of: NameOf) -> None:
        """Go on with these. Sessions stay as they are, and what no server has taken yet is the new ones' to take."""
        before, self.accountant = self.accountant, accountant
        self._interval, self._name_of = interval, name_of
        self._due.clear()
        if interval is not None:
            due = self._loop.time() + interval
            self._due.extend((due, home, session) for home, session in self._sessions.items())
        await before.hand_over(accountant)

    def perform(self, action: InstallTunnel | RemoveTunnel) -> None:
        """Perform ``action``, and tell what it means for the account of its node."""
        if action.side is not TunnelSide.HOME:
            self._tunnels.perform(action)
            return
        home = action.home_address
        before = self._carried(home)
        self._tunnels.perform(action)
        after = self._carried(home)
        session = self._sessions.get(home)
        if session is not None and before is not None:
            session.gone += before.beyond(after or Amounts())
        if isinstance(action, InstallTunnel):
            self._installed(home, action.remote, session)
        elif after is None and session is not None:
            del self._sessions[home]
            cause = None if action.why is None else _CAUSES.get(action.why)
            self._tell(Status.STOP, home, session, Amounts(), cause)

    def _installed(self, home: IPv4Address, care_of_address: IPv4Address, session: _Session | None) -> None:
        if session is not None:
            moved = session.care_of_address != care_of_address
            session.care_of_address = care_of_address
            if moved:  # told at once: where it was used is part of the account
                self._tell(Status.INTERIM, home, session, self._carried(home))
            return
        self._count += 1
        name = f"{self._boot}{self._count:08x}"
        session = _Session(name, self._name_of(home) or str(home), time(), care_of_address)
        self._sessions[home] = session
        self._tell(Status.START, home, session, None)
        if self._interval is not None:
            self._due.append((self._loop.time() + self._interval, home, session))

    def _carried(self, home: IPv4Address) -> Amounts | None:
        """All tunnels of a node together; ``None`` if it has none."""
        statuses = self._tunnels.home_tunnels(home)
        if not statuses:
            return None
        return Amounts(
            sum(one.into.packets for one in statuses),
            sum(one.into.bytes for one in statuses),
            sum(one.out.packets for one in statuses),
            sum(one.out.bytes for one in statuses),
        )

    def _tell(
        self,
        status: Status,
        home: IPv4Address,
        session: _Session,
        carried: Amounts | None,
        cause: int | None = None,
    ) -> None:
        now = time()
        self.accountant.put(
            Record(
                status,
                session.name,
                int(now),
                session.user,
                home,
                session.care_of_address,
                None if carried is None else session.gone + carried,
                max(0, int(now - session.began)),
                cause,
            )
        )

    def _tell_of_agent(self, status: Status) -> None:
        self.accountant.put(Record(status, self._boot, int(time())))

    def _sweep(self) -> None:
        now = self._loop.time()
        for _ in range(_MOST_REPORTS):
            if not self._due or self._due[0][0] > now:
                break
            _, home, session = self._due.popleft()
            if self._sessions.get(home) is session and self._interval is not None:
                self._tell(Status.INTERIM, home, session, self._carried(home) or Amounts())
                self._due.append((now + self._interval, home, session))
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep)

    async def close(self, *, agent_ends: bool = True) -> None:
        """Every session ends, with the agent or its accounting; what no server takes within a second is lost."""
        cause = _ADMIN_REBOOT if agent_ends else _NAS_REQUEST
        self._sweeper.cancel()
        for home, session in self._sessions.items():
            self._tell(Status.STOP, home, session, self._carried(home) or Amounts(), cause)
        self._sessions.clear()
        self._tell_of_agent(Status.OFF)
        await self.accountant.close(_FAREWELL)


def open_accounts(
    home: HomeAgentConfig, name: str, tunnels: Tunnels, agents: Agents, note: Note
) -> BindingAccounts:
    """As ``home.accounting`` says; its address and ``name``, that of the daemon, are who we are.

    ``agents`` gives the machine, once there is one: it knows the names of nodes.
    """
    return BindingAccounts(tunnels, *_parts(home, name, agents, note))


async def change_accounts(
    accounts: BindingAccounts, home: HomeAgentConfig, name: str, agents: Agents, note: Note
) -> None:
    """Go on as ``home.accounting`` says now."""
    await accounts.change(*_parts(home, name, agents, note))


def _parts(
    home: HomeAgentConfig, name: str, agents: Agents, note: Note
) -> tuple[Accountant, float | None, NameOf]:
    config = home.accounting
    assert config is not None
    accountant = Accountant(
        servers(config.servers),
        Patience(config.timeout, config.tries, config.dead_time, config.source),
        Client(config.nas_identifier or name, _NO_PASSWORD, home.address),
        config.max_queue,
        time,
        note,
    )

    def name_of(home_address: IPv4Address) -> str | None:
        machine = agents() if config.user_name == "nai" else None
        ours = None if machine is None else machine.home
        binding = None if ours is None else ours.bindings.get(home_address)
        return None if binding is None else binding.nai

    return accountant, config.interim_interval or None, name_of
