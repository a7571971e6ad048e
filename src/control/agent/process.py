"""One daemon: descriptors opened first, then the machine, then service; taken down in the opposite order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, closing
from ipaddress import IPv4Address
from os import urandom

from mobileip.control.agent import clock, host, settings, views
from mobileip.control.agent.runner import Runner
from mobileip.control.config.model import Config
from mobileip.control.core.actions import Action, InstallTunnel, Noted, RemoveTunnel, SendDatagram, SendIcmp
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import Event, LinkChanged, Started, Stopping
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.core.home import HomeAgent
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.net.arp import Announcer
from mobileip.control.net.failures import NetlinkFailure
from mobileip.control.net.icmp import AgentDiscoverySocket
from mobileip.control.net.netlink import Netlink
from mobileip.control.net.reconcile import Kernel
from mobileip.control.net.sysctl import Sysctls, need_for_agent, need_for_mobile
from mobileip.control.net.udp import RegistrationSockets
from mobileip.control.net.watch import LinkWatch
from mobileip.control.ops import log
from mobileip.control.ops.control_socket import ControlError, ControlServer
from mobileip.control.ops.counters import Counters
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import OUTER_HEADER, Tunnels

_MARK = 434  # SO_MARK of a mobile node's own packets, so that they never enter their own tunnel
_FAREWELL = 1.5  # seconds at most for a stopping mobile node's deregistration


def run(config: Config) -> int:
    """Serve until SIGTERM or SIGINT. Exit status 0 after an orderly end, 1 when the daemon cannot go on."""
    try:
        return asyncio.run(_serve(config))
    except (ActionError, ControlError, NetlinkFailure) as error:
        log.logger().error("cannot-run", text=str(error))
        return 1


async def _serve(config: Config) -> int:
    async with AsyncExitStack() as stack:
        daemon = _Daemon(config, stack)
        await daemon.open()
        return await daemon.serve()


class _Daemon:
    """Everything one process holds. ``stack`` closes it, the last opened first."""

    def __init__(self, config: Config, stack: AsyncExitStack) -> None:
        self._config = config
        self._stack = stack
        self._counters = Counters()
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._mobile: MobileNode | None = None
        self._agents: MobilityAgents | None = None

    # ---- start

    async def open(self) -> None:
        """Open what can fail, undo what a killed run left, and build the machine.

        The control socket comes first: its lock says that no other daemon of this name runs. Port 434 comes before the
        clean-up: who holds it is alive, and what it put into the kernel must stay.
        """
        daemon = self._config.daemon
        await self._stack.enter_async_context(ControlServer(daemon.control_socket, {"show": self._show}))
        self._netlink = self._stack.enter_context(closing(Netlink()))
        links = self._links()
        mark = _MARK if self._config.mobile_node is not None else None
        self._sockets = self._stack.enter_context(
            closing(RegistrationSockets(self._on_event, self._note, visited=links, mark=mark))
        )
        for leftover in self._netlink.purge():
            self._note(Reason.LEFTOVER_REMOVED, {"what": leftover})
        sysctls = Sysctls(daemon.sysctl_file)
        self._stack.callback(_tell, "sysctl-not-restored", sysctls.restore)
        mtu = (
            daemon.tunnel_mtu
            or host.underlay_mtu(self._netlink, self._ends(), self._tunnel_links()) - OUTER_HEADER
        )
        self._tunnels = self._stack.enter_context(
            closing(
                Tunnels(
                    daemon.tunnel_device,
                    mtu=mtu,
                    mark=mark or 0,
                    path_mtu=lambda address: host.path_mtu(self._netlink, address, mark),
                )
            )
        )
        if daemon.manage_sysctls:
            sysctls.apply(self._sysctl_needs(sysctls))
        announcer = self._stack.enter_context(closing(self._announcer()))
        self._kernel = Kernel(
            self._netlink, daemon.tunnel_device, sysctls=sysctls, announcer=announcer, mark=_MARK
        )
        self._stack.callback(_tell, "not-withdrawn", self._kernel.withdraw)
        self._runner = Runner(self._machine(), self._perform, clock.now)
        self._stack.callback(self._runner.close)
        self._discovery = self._stack.enter_context(
            closing(AgentDiscoverySocket(self._on_event, self._note, links))
        )
        self._watch = self._stack.enter_context(
            closing(LinkWatch(self._netlink, links, self._on_link, self._on_overrun))
        )

    def _machine(self) -> MobileNode | MobilityAgents:
        config = self._config
        if config.mobile_node is not None:
            self._kernel.prepare_mobile(config.mobile_node.home_address)
            self._mobile = MobileNode(settings.mobile_node(config.mobile_node), urandom)
            return self._mobile

        def address_of(interface: str) -> IPv4Address:
            return host.first_address(self._netlink, interface)

        home = foreign = None
        if config.home_agent is not None:
            host.require_own(self._netlink, config.home_agent.address, "home_agent.address")
            home = HomeAgent(settings.home_agent(config.home_agent))
        if config.foreign_agent is not None:
            host.require_own(
                self._netlink, config.foreign_agent.care_of_address, "foreign_agent.care_of_address"
            )
            foreign = ForeignAgent(
                settings.foreign_agent(
                    config.foreign_agent, config.home_agent, address_of, host.own_addresses(self._netlink)
                )
            )
        links = settings.advertised_links(config, address_of)
        self._agents = MobilityAgents(home=home, foreign=foreign, links=links, entropy=urandom)
        return self._agents

    def _links(self) -> tuple[str, ...]:
        """Interfaces on which nodes and agents meet: watched, listened on with link-layer addresses."""
        config = self._config
        if config.mobile_node is not None:
            return config.mobile_node.interfaces
        return tuple(dict.fromkeys([*self._home_links(), *self._visited_links()]))

    def _home_links(self) -> list[str]:
        home = self._config.home_agent
        return [] if home is None else [net.interface for net in home.networks if net.interface is not None]

    def _visited_links(self) -> list[str]:
        foreign = self._config.foreign_agent
        return [] if foreign is None else [link.name for link in foreign.interfaces]

    def _ends(self) -> list[IPv4Address]:
        """Our ends of the tunnels, as far as the configuration knows them."""
        home, foreign = self._config.home_agent, self._config.foreign_agent
        ends = [] if home is None else [home.address]
        return ends if foreign is None else [*ends, foreign.care_of_address]

    def _tunnel_links(self) -> tuple[str, ...]:
        mobile = self._config.mobile_node
        return () if mobile is None else mobile.interfaces

    def _sysctl_needs(self, sysctls: Sysctls) -> Mapping[str, str]:
        device = self._config.daemon.tunnel_device
        if self._config.mobile_node is not None:
            return need_for_mobile(sysctls, device, self._config.mobile_node.interfaces)
        return need_for_agent(sysctls, device, home_links=self._home_links(), visited=self._visited_links())

    def _announcer(self) -> Announcer:
        home = self._config.home_agent
        if home is None:
            return Announcer()
        return Announcer(home.gratuitous_arp_count, home.gratuitous_arp_interval)

    # ---- service

    async def serve(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._finish, 0)
        self._tunnels.start()
        loop.add_reader(self._tunnels.event_fd, self._on_engine)
        self._stack.callback(loop.remove_reader, self._tunnels.event_fd)
        self._runner.submit(Started())
        self._watch.start()
        roles = [
            name for name in ("home_agent", "foreign_agent", "mobile_node") if getattr(self._config, name)
        ]
        log.logger().info("serving", roles=roles, device=self._config.daemon.tunnel_device)
        status = await self._end
        await self._say_goodbye()
        log.logger().info("stopped", status=status)
        return status

    async def _say_goodbye(self) -> None:
        """Let the machine end its business; a mobile node waits a moment for its deregistration to be answered."""
        self._runner.submit(Stopping())
        deadline = asyncio.get_running_loop().time() + _FAREWELL
        while self._mobile is not None and self._mobile.state is not State.STOPPED:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.005)

    def _finish(self, status: int) -> None:
        if not self._end.done():
            self._end.set_result(status)

    # ---- events

    def _on_event(self, event: Event) -> None:
        self._runner.submit(event)

    def _on_link(self, event: LinkChanged) -> None:
        """An interface that came back lost what hung on it: put that back before the machine hears of it."""
        self._sockets.refresh(event.interface)
        self._discovery.refresh(event.interface)
        if event.up:
            self._tell_refused(self._kernel.reassert(event.interface))
        self._runner.submit(event)

    def _on_overrun(self) -> None:
        self._tell_refused(self._kernel.reassert())

    def _tell_refused(self, sentences: list[str]) -> None:
        for sentence in sentences:
            self._note(Reason.ACTION_FAILED, {"action": "reassert", "error": sentence})

    def _on_engine(self) -> None:
        for reason, fields in self._tunnels.events():
            self._note(reason, fields)
            if reason is Reason.DEVICE_LOST:
                self._finish(1)

    # ---- actions

    def _perform(self, action: Action) -> None:
        match action:
            case SendDatagram():
                self._sockets.send(action)
            case Noted():
                self._note(action.reason, action.fields)
            case InstallTunnel() | RemoveTunnel():
                self._tunnels.perform(action)
            case SendIcmp():
                self._discovery.send(action)
            case _:
                self._kernel.perform(action)

    def _note(self, reason: Reason, fields: Mapping[str, object]) -> None:
        self._counters.note(reason)
        log.log_noted(reason, fields)

    # ---- show

    def _show(self, arguments: Mapping[str, object]) -> object:
        """``{"what": noun}``: the views of this daemon's roles; an empty list for what its roles do not have."""
        what = arguments.get("what")
        handler = self._views().get(what) if isinstance(what, str) else None
        if handler is None:
            raise ControlError(f"nothing to show named {what!r}; there are: {', '.join(self._views())}")
        return handler()

    def _views(self) -> dict[str, Callable[[], object]]:
        now = clock.now()
        mobile, agents = self._mobile, self._agents
        return {
            "bindings": lambda: [] if agents is None else list(views.bindings(agents, now)),
            "visitors": lambda: [] if agents is None else list(views.visitors(agents, now)),
            "agents": lambda: [] if mobile is None else list(views.heard_agents(mobile, now)),
            "registration": lambda: {} if mobile is None else views.registration(mobile, now),
            "tunnels": lambda: list(views.tunnels(self._tunnels.status())),
            "counters": lambda: {**self._counters.snapshot(), "data_plane": self._tunnels.counters()},
        }


def _tell(event: str, undo: Callable[[], list[str]]) -> None:
    """Run ``undo``; each sentence it returns is something that could not be undone."""
    for sentence in undo():
        log.logger().warning(event, text=sentence)
