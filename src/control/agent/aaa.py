"""Those that a home agent asks for keys and those that it gives account to: opened, spoken to, closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mobileip.control.aaa.chain import KeyChain, KeyEvent
from mobileip.control.aaa.servers import Note
from mobileip.control.agent import keys
from mobileip.control.agent.accounting import BindingAccounts, open_accounts
from mobileip.control.config.model import HomeAgentConfig
from mobileip.control.core.actions import InstallTunnel, LookupKey, RemoveTunnel
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.security import AssociationTable
from mobileip.control.tunnels import Tunnels


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

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()
        if self._accounts is not None:
            await self._accounts.close()
