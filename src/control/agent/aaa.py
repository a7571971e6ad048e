"""Those that a home agent asks for keys and those that it gives account to: opened, spoken to, closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from mobileip.control.aaa.chain import KeyChain, KeyEvent
from mobileip.control.aaa.servers import Note, ServerStatus
from mobileip.control.agent import keys
from mobileip.control.agent.accounting import BindingAccounts, open_accounts
from mobileip.control.config.model import HomeAgentConfig
from mobileip.control.core.actions import InstallTunnel, LookupKey, RemoveTunnel
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.security import AssociationTable
from mobileip.control.tunnels import Tunnels

Row = dict[str, Any]


class Authorities:
    """As ``home_agent.keys`` and ``home_agent.accounting`` say; nothing of either is there without its table.

    ``name`` is that of the daemon, ``configured`` the associations of its file. ``agents`` gives the machine, once
    there is one.

    :raises ActionError: a source of keys cannot be used.
    """

    def __init__(
        self,
        home: HomeAgentConfig,
        configured: AssociationTable,
        name: str,
        tunnels: Tunnels,
        agents: Callable[[], MobilityAgents | None],
        submit: Callable[[KeyEvent], None],
        note: Note,
    ) -> None:
        self._tunnels: Final = tunnels
        self._keys: KeyChain | None = None
        self._accounts: BindingAccounts | None = None
        if home.keys is not None:
            sources = keys.open_sources(home.keys, configured, home.address, name, note)
            self._keys = KeyChain(sources, submit, home.keys.timeout, home.keys.retry_interval)
        if home.accounting is not None:
            self._accounts = open_accounts(home, name, tunnels, agents, note)

    def ask(self, action: LookupKey) -> None:
        assert self._keys is not None  # else the home agent asks nobody
        self._keys.ask(action.peer, action.spi)

    def perform(self, action: InstallTunnel | RemoveTunnel) -> None:
        """Perform ``action``, and give account of it."""
        (self._accounts or self._tunnels).perform(action)

    def rows(self) -> Iterator[Row]:
        """Every server, by what it is asked for and in the order in which it is asked."""
        if self._keys is not None:
            for source in self._keys.sources:
                for one in source.servers():
                    yield row("keys", source.name, one, len(self._keys.under_way))
        if self._accounts is not None:
            for one in self._accounts.accountant.servers():
                yield row("accounting", "radius", one, self._accounts.accountant.waiting)

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()
        if self._accounts is not None:
            await self._accounts.close()


def row(use: str, protocol: str, one: ServerStatus, waiting: int) -> Row:
    """A server as ``mobileip show aaa`` has it; ``waiting`` is what waits for any server of this use."""
    return {
        "use": use,
        "protocol": protocol,
        "server": one.endpoint,
        "state": "unused" if not one.questions else "answering" if one.left_alone is None else "silent",
        "left_alone_s": None if one.left_alone is None else round(one.left_alone, 1),
        "questions": one.questions,
        "answers": one.answers,
        "timeouts": one.timeouts,
        "late": one.late,
        "forged": one.forged,
        "answer_ms": None if one.took is None else round(1000 * one.took, 1),
        "waiting": waiting,
    }
