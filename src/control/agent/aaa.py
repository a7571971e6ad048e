"""Those that a home agent asks for keys and those that it gives account to: opened, spoken to, changed, closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

from mobileip.control.aaa.chain import KeyChain, KeyEvent
from mobileip.control.aaa.servers import Note, ServerStatus
from mobileip.control.aaa.sources import KeySource
from mobileip.control.agent import keys
from mobileip.control.agent.accounting import BindingAccounts, change_accounts, open_accounts
from mobileip.control.config.model import HomeAgentConfig
from mobileip.control.core.actions import InstallTunnel, LookupKey, RemoveTunnel
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import KeysUnavailable
from mobileip.control.security import AssociationTable
from mobileip.control.tunnels import Tunnels

Row = dict[str, Any]

_REMOTE: Final = ("radius", "tacacs")  # sources that ask servers


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
        self._home = home
        self._name: Final = name
        self._tunnels: Final = tunnels
        self._agents: Final = agents
        self._submit: Final = submit
        self._note: Final = note
        self._keys: KeyChain | None = None
        self._accounts: BindingAccounts | None = None
        self._keys = self._chain(home, configured)
        if home.accounting is not None:
            self._accounts = open_accounts(home, name, tunnels, agents, note)

    def _chain(self, home: HomeAgentConfig, configured: AssociationTable) -> KeyChain | None:
        if home.keys is None:
            return None
        kept = {source.name: source for source in self._kept(home)}
        sources = keys.open_sources(home.keys, configured, home.address, self._name, self._note, kept)
        return KeyChain(sources, self._submit, home.keys.timeout, home.keys.retry_interval)

    def _kept(self, home: HomeAgentConfig) -> Iterator[KeySource]:
        """Sources whose servers stay what they are, so that what is known of their health is not lost."""
        before, after = self._home.keys, home.keys
        for source in () if self._keys is None else self._keys.sources:
            if source.name in _REMOTE and getattr(before, source.name) == getattr(after, source.name):
                yield source

    # ---- a changed file

    async def prepare(self, home: HomeAgentConfig, configured: AssociationTable) -> KeyChain | None:
        """Open what ``home.keys`` says, for :meth:`change`; sealed files in any case. Nothing changes yet.

        :raises ActionError: a source cannot be used.
        """
        return await asyncio.to_thread(self._chain, home, configured)

    async def discard(self, chain: KeyChain | None) -> None:
        """Close what was prepared for nothing."""
        if chain is not None:
            await chain.close(keep=() if self._keys is None else self._keys.sources)

    async def change(self, home: HomeAgentConfig, chain: KeyChain | None) -> None:
        """Go on with ``home`` and what was prepared for it. Questions under way are asked anew."""
        before, self._keys = self._keys, chain
        table, self._home = self._home.accounting, home
        if before is not None:
            for peer, spi in before.under_way:
                if chain is None:
                    self._submit(KeysUnavailable(peer, "no source of keys is configured any more"))
                else:
                    chain.ask(peer, spi)
            await before.close(keep=() if chain is None else chain.sources)
        if table != home.accounting:
            await self._account(home)

    async def _account(self, home: HomeAgentConfig) -> None:
        accounts = self._accounts
        if home.accounting is None:
            self._accounts = None
            if accounts is not None:
                await accounts.close(agent_ends=False)
        elif accounts is None:
            self._accounts = open_accounts(home, self._name, self._tunnels, self._agents, self._note)
            self._accounts.begin()
        else:
            await change_accounts(accounts, home, self._name, self._agents, self._note)

    # ---- service

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
