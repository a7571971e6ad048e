"""One daemon: descriptors opened first, then the machine, then service; taken down in the opposite order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from ipaddress import IPv4Address, IPv4Interface
from os import urandom
from time import monotonic_ns, time_ns

from mobileip.control.agent import clock, commands, host, privileges, settings
from mobileip.control.agent.aaa import Authorities
from mobileip.control.agent.accepted import AcceptedTimestamps
from mobileip.control.agent.debug import Followers
from mobileip.control.agent.engine import open_tunnels
from mobileip.control.agent.groups import GroupTraffic
from mobileip.control.agent.idle import HOPS_PERIOD, HopsInUse, TrafficPolls
from mobileip.control.agent.path_prober import path_discovery
from mobileip.control.agent.reloading import Reloader, Reread
from mobileip.control.agent.runner import Runner
from mobileip.control.agent.verifiers import Verifiers
from mobileip.control.config.model import Config, HomeAgentConfig
from mobileip.control.core.actions import (
    Action,
    DropGroup,
    HoldGroup,
    InstallMulticastTunnel,
    InstallTunnel,
    JoinGroup,
    LeaveGroup,
    LookupKey,
    Noted,
    RemoveMulticastTunnel,
    RemoveTunnel,
    SendDatagram,
    SendIcmp,
    SendQuery,
    VerifyProof,
)
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import (
    DatagramReceived,
    Event,
    IcmpReceived,
    LinkChanged,
    Started,
    Stopping,
    Tick,
)
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings
from mobileip.control.core.home import HomeAgent, HomeAgentSettings
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.core.tunnel_state import TunnelStates
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
from mobileip.control.ops.journal import Journal
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.tunnels import Tunnels

_MARK = 434  # SO_MARK of a mobile node's own packets, so that they never enter their own tunnel
_FAREWELL = 1.5  # seconds at most for a stopping mobile node's deregistration


def run(config: Config, reread: Reread) -> int:
    """Serve until SIGTERM or SIGINT; SIGHUP applies what ``reread`` gives.

    Exit status 0 after an orderly end, 1 when the daemon cannot go on.
    """
    try:
        return asyncio.run(_serve(config, reread))
    except (ActionError, ControlError, NetlinkFailure) as error:
        log.logger().error("cannot-run", text=str(error))
        return 1


async def _serve(config: Config, reread: Reread) -> int:
    async with AsyncExitStack() as stack:
        daemon = _Daemon(config, reread, stack)
        await daemon.open()
        privileges.keep(privileges.needed(programs=config.daemon.underlay == "xdp"))
        return await daemon.serve()


class _Daemon:
    """Everything one process holds. ``stack`` closes it, the last opened first."""

    def __init__(self, config: Config, reread: Reread, stack: AsyncExitStack) -> None:
        self.config = config
        self.journal = Journal(monotonic_ns, time_ns, config.daemon.log_rate)
        self.followers = Followers(clock.now)
        self.mobile: MobileNode | None = None
        self.agents: MobilityAgents | None = None
        self.authorities: Authorities | None = None  # of a home agent
        self.verifiers: Verifiers | None = None  # of agents
        self._groups: GroupTraffic | None = None  # of a home agent that forwards multicasts
        self.paths = TunnelStates()
        self._capacity = settings.tunnel_capacity(config)
        self._reloader = Reloader(self, reread, self._capacity)
        self._stack = stack
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    # ---- start

    async def open(self) -> None:
        """Open what can fail, undo what a killed run left, and build the machine.

        The control socket comes first: its lock says that no other daemon of this name runs. Port 434 comes before the
        clean-up: who holds it is alive, and what it put into the kernel must stay.
        """
        daemon = self.config.daemon
        await self._stack.enter_async_context(
            ControlServer(daemon.control_socket, commands.handlers(self), daemon.control_group)
        )
        self._netlink = self._stack.enter_context(closing(Netlink()))
        links = settings.links(self.config)
        mark = _MARK if self.config.mobile_node is not None else None
        self._sockets = self._stack.enter_context(
            closing(
                RegistrationSockets(
                    self._on_event,
                    self._note,
                    visited=links,
                    mark=mark,
                    routes=self.config.mobile_node is None,
                    expects=self._expects,
                )
            )
        )
        for leftover in self._netlink.purge():
            self._note(Reason.LEFTOVER_REMOVED, {"what": leftover})
        sysctls = Sysctls(daemon.sysctl_file)
        self._stack.callback(_tell, "sysctl-not-restored", sysctls.restore)
        self._path_mtus = host.PathMtus(self._netlink, mark, clock.now)
        tunnels, self._hops = open_tunnels(
            self.config,
            self._netlink,
            self._note,
            mark=mark,
            capacity=self._capacity,
            path_mtu=self._path_mtu,
        )
        self._tunnels = self._stack.enter_context(closing(tunnels))
        if self._hops is not None:
            self._stack.callback(self._hops.close)
            self._hops.start()
        found = path_discovery(
            self.paths, self._tunnels, self._note, self._path_mtus.forget, mark, probing=daemon.probe_mtu
        )
        self._stack.enter_context(found)
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
        mobile = self.config.mobile_node is not None
        self._watch = self._stack.enter_context(
            closing(LinkWatch(self._netlink, links, self._on_link, self._on_overrun, gateways=mobile))
        )

    def _machine(self) -> MobileNode | MobilityAgents:
        config = self.config
        if config.mobile_node is not None:
            if config.mobile_node.home_address is not None:  # else the home agent gives one
                self._kernel.prepare_mobile(config.mobile_node.home_address)
            self.mobile = MobileNode(settings.mobile_node(config.mobile_node), urandom)
            return self.mobile

        home = settings.of_home_agent(config)
        if config.home_agent is not None and home is not None:
            host.require_own(self._netlink, config.home_agent.address, "home_agent.address")
            self._open_groups(config.home_agent)
            name, known = config.daemon.name, home.associations
            self.authorities = Authorities(
                config.home_agent, known, name, self._tunnels, lambda: self.agents, self.submit, self._note
            )
            self._stack.push_async_callback(self.authorities.close)
            polls = TrafficPolls(self._tunnels, self.submit, self._may_be_idle)
            self._stack.enter_context(closing(polls))
            if self._hops is not None:
                used = HopsInUse(self._hops, config.home_agent.address)
                polls = TrafficPolls(self._tunnels, used, lambda: True, HOPS_PERIOD)
                self._stack.enter_context(closing(polls))
        if config.foreign_agent is not None:
            host.require_own(
                self._netlink, config.foreign_agent.care_of_address, "foreign_agent.care_of_address"
            )
        self.verifiers = Verifiers(config, self.submit, self._note)
        self._stack.push_async_callback(self.verifiers.close)
        foreign = self._foreign_settings(config)
        self.agents = MobilityAgents(
            home=None if home is None else HomeAgent(home, self._accepted()),
            foreign=None if foreign is None else ForeignAgent(foreign, urandom),
            links=settings.advertised_links(config, self._address_of),
            entropy=urandom,
        )
        return self.agents

    def _accepted(self) -> AcceptedTimestamps:
        file = self.config.daemon.accepted_file
        return self._stack.enter_context(closing(AcceptedTimestamps(file, self._note)))

    def _may_be_idle(self) -> bool:
        home = None if self.agents is None else self.agents.home
        return home is not None and home.settings.shortest_idle_timeout is not None

    def _open_groups(self, home: HomeAgentConfig) -> None:
        if not home.multicast:
            return
        for network in home.networks:
            if network.interface is None:
                self._tunnels.watch(None, network.prefix, multicasts=True)
        groups = GroupTraffic(self._tunnels, home.address, self._on_event, self._note)
        self._groups = self._stack.enter_context(closing(groups))

    def _foreign_settings(self, config: Config) -> ForeignAgentSettings | None:
        if config.foreign_agent is None:
            return None
        own = host.own_addresses(self._netlink)
        gateways = self._netlink.default_gateways()
        return settings.foreign_agent(
            config.foreign_agent, config.home_agent, self._address_of, own, gateways
        )

    def _address_of(self, interface: str) -> IPv4Interface:
        return host.first_address(self._netlink, interface)

    def _sysctl_needs(self, sysctls: Sysctls) -> Mapping[str, str]:
        device = self.config.daemon.tunnel_device
        if self.config.mobile_node is not None:
            return need_for_mobile(sysctls, device, self.config.mobile_node.interfaces)
        home, visited = settings.home_links(self.config), settings.visited_links(self.config)
        return need_for_agent(sysctls, device, home_links=home, visited=visited)

    def _announcer(self) -> Announcer:
        home = self.config.home_agent
        if home is None:
            return Announcer()
        return Announcer(home.gratuitous_arp_count, home.gratuitous_arp_interval)

    # ---- service

    async def serve(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._finish, 0)
        loop.add_signal_handler(signal.SIGHUP, self._reloader.on_hangup)
        self._tunnels.start()
        loop.add_reader(self._tunnels.event_fd, self._on_engine)
        self._stack.callback(loop.remove_reader, self._tunnels.event_fd)
        self._runner.submit(Started())
        self._watch.start()
        roles = [
            name for name in ("home_agent", "foreign_agent", "mobile_node") if getattr(self.config, name)
        ]
        log.logger().info("serving", roles=roles, device=self.config.daemon.tunnel_device)
        status = await self._end
        await self._say_goodbye()
        log.logger().info("stopped", status=status)
        return status

    async def _say_goodbye(self) -> None:
        """Let the machine end its business; a mobile node waits a moment for its deregistration to be answered."""
        self._runner.submit(Stopping())
        deadline = asyncio.get_running_loop().time() + _FAREWELL
        while self.mobile is not None and self.mobile.state is not State.STOPPED:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.005)

    def _finish(self, status: int) -> None:
        if not self._end.done():
            self._end.set_result(status)

    # ---- events

    def _on_event(self, event: Event) -> None:
        if self.followers.listening:
            self.followers.received(event)
        self.journal.datagram = event.payload if isinstance(event, DatagramReceived | IcmpReceived) else None
        self._runner.submit(event)
        self.journal.datagram = None

    def _expects(self, payload: bytes, address: int, port: int) -> bool:
        return self.agents is None or self.agents.expects(payload, address, port)

    def _on_link(self, event: LinkChanged) -> None:
        """An interface that came back lost what hung on it: put that back before the machine hears of it."""
        self._forget_paths()
        self._sockets.refresh(event.interface)
        self._discovery.refresh(event.interface)
        if event.up:
            self._tell_refused(self._kernel.reassert(event.interface))
            self._tell_refused(self._tunnels.refresh(event.interface))
            self._watch_home_link(event.interface)
        self._runner.submit(event)

    def _forget_paths(self) -> None:
        """Tunnels may have to be narrower or wider than they are: the next renewal of each finds out."""
        self._path_mtus.forget()
        if self.agents is not None and self.agents.home is not None:
            self.agents.home.look_again()

    def _path_mtu(self, remote: IPv4Address) -> int | None:
        """The less of what the kernel's route carries and of what routers beyond it said."""
        known = (self._path_mtus(remote), self.paths[remote].mtu)
        return min((mtu for mtu in known if mtu is not None), default=None)

    def _watch_home_link(self, interface: str) -> None:
        """A home link is up, perhaps made anew: its broadcasts and multicasts go to the nodes that ask for them
        (RFC 5944 s4.3, s4.4)."""
        home = self.config.home_agent
        if home is None or not (home.broadcasts or home.multicast):
            return
        for network in home.networks:
            if network.interface == interface:
                try:
                    self._tunnels.watch(interface, network.prefix, multicasts=home.multicast)
                except ActionError as error:
                    self._note(Reason.ACTION_FAILED, {"action": "watch home link", "error": str(error)})
        if self._groups is not None:
            self._groups.refresh(interface)

    def _on_overrun(self) -> None:
        self._tell_refused(self._kernel.reassert())

    def _tell_refused(self, sentences: list[str]) -> None:
        for sentence in sentences:
            self._note(Reason.ACTION_FAILED, {"action": "reassert", "error": sentence})

    def _on_engine(self) -> None:
        for reason, fields in self._tunnels.events():
            self._note(reason, fields)
            if reason is Reason.TUNNEL_TOO_BIG:
                self._forget_paths()
            if reason is Reason.DEVICE_LOST:
                self._finish(1)

    # ---- actions

    def _perform(self, action: Action) -> None:
        match action:
            case SendDatagram():
                self._sockets.send(action)
            case Noted():
                self._note(action.reason, action.fields)
            case LookupKey():
                assert self.authorities is not None  # only a home agent asks
                self.authorities.ask(action)
            case VerifyProof():
                assert self.verifiers is not None  # only agents ask
                self.verifiers.ask(action)
            case InstallTunnel() | RemoveTunnel():
                (self.authorities or self._tunnels).perform(action)
                if self._hops is not None and isinstance(action, InstallTunnel):
                    self._hops.want(action.local, action.remote)
            case InstallMulticastTunnel() | RemoveMulticastTunnel():
                self._tunnels.perform_group(action)
            case JoinGroup() | LeaveGroup() | HoldGroup() | DropGroup() | SendQuery():
                if self._groups is not None:
                    self._groups.perform(action)
            case SendIcmp():
                self._discovery.send(action)
            case _:
                self._kernel.perform(action)
        if self.followers.listening:
            self.followers.performed(action)

    def _note(self, reason: Reason, fields: Mapping[str, object]) -> None:
        self.journal.note(reason, fields)
        if self.followers.listening:
            self.followers.noted(reason, fields)

    # ---- what operators ask for

    @property
    def tunnels(self) -> Tunnels:
        return self._tunnels

    def submit(self, event: Event) -> None:
        self._runner.submit(event)

    async def reload(self) -> dict[str, object]:
        """Read the file again and apply what can be applied; :class:`ControlError` if the file cannot be used."""
        return await self._reloader.reload()

    async def ask_again(self) -> None:
        """The home agent forgets what its nodes' keys were said to be: a source of keys may say otherwise now."""
        if self.agents is not None and self.agents.home is not None:
            home = self.agents.home
            async with self._asking(self.config, home.settings):
                home.reconfigure(home.settings)

    async def go_on(self, config: Config, home: HomeAgentSettings | None) -> None:
        """Go on with ``config``, which differs from the present one only in what can be changed in place.

        :raises ActionError: the host does not allow it; then nothing is changed.
        """
        async with self._asking(config, home):
            self._take_up(config, home)
        self._runner.submit(Tick())  # deadlines may be others now

    @asynccontextmanager
    async def _asking(self, config: Config, home: HomeAgentSettings | None) -> AsyncIterator[None]:
        """Before: the sources of keys that ``config`` names are open. After: they, and no others, are asked, also about
        proofs."""
        if self.authorities is None or config.home_agent is None or home is None:
            yield
            return
        chain = await self.authorities.prepare(config.home_agent, home.associations)
        try:
            yield
        except BaseException:
            await self.authorities.discard(chain)
            raise
        await self.authorities.change(config.home_agent, chain)
        if self.verifiers is not None:
            await self.verifiers.change(config.home_agent)

    def _take_up(self, config: Config, home: HomeAgentSettings | None) -> None:
        links = settings.advertised_links(config, self._address_of)
        foreign = self._foreign_settings(config)
        if self.agents is not None:
            self.agents.reconfigure(home, foreign, links, clock.now())
        if self.mobile is not None and config.mobile_node is not None:
            self.mobile.reconfigure(settings.mobile_node(config.mobile_node))
        self.config = config
        daemon = config.daemon
        log.configure(daemon.log_level, daemon.log_format)
        self.journal.limit_log(daemon.log_rate)


def _tell(event: str, undo: Callable[[], list[str]]) -> None:
    """Run ``undo``; each sentence it returns is something that could not be undone."""
    for sentence in undo():
        log.logger().warning(event, text=sentence)
