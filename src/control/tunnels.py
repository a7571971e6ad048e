"""The data plane as the cores see it: tunnel actions in, counters and events out.

The only module that imports :mod:`mobileip.dataplane`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from mobileip.control.captures import Captures
from mobileip.control.core.actions import (
    BroadcastDelivery,
    DeliveryStyle,
    InstallMulticastTunnel,
    InstallTunnel,
    JoinGroup,
    LeaveGroup,
    RemoveMulticastTunnel,
    RemoveTunnel,
    TunnelSide,
)
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.types import EncapsulationType
from mobileip.control.wire.icmp_error import TunnelError
from mobileip.dataplane import (
    MTU_MIN,
    DropCount,
    Encapsulation,
    Engine,
    EventType,
    Flag,
    Install,
    NextHop,
    Place,
    Quote,
    Remove,
    Side,
    Tunnel,
    TunnelStatus,
    igmp,
    overhead,
    port_lost,
    width,
)
from mobileip.dataplane.probe import AskFarEnd, probe

__all__ = ["DropCount", "PathMtu", "Tunnel", "TunnelEntry", "TunnelStatus", "Tunnels", "device_mtu"]

OUTER_HEADER = 20  # bytes of IP-in-IP overhead (RFC 2003)
_ANY = 65535  # bytes: the longest datagram

_SIDES = {TunnelSide.HOME: Side.HOME, TunnelSide.CARE_OF: Side.CARE_OF}

_BROADCASTS = {
    BroadcastDelivery.NONE: Flag.NONE,
    BroadcastDelivery.DIRECT: Flag.BROADCAST,
    BroadcastDelivery.NESTED: Flag.BROADCAST | Flag.NESTED,
}

_MULTICASTS = {
    BroadcastDelivery.NONE: Flag.NONE,
    BroadcastDelivery.DIRECT: Flag.MULTICAST,
    BroadcastDelivery.NESTED: Flag.MULTICAST | Flag.NESTED,
}

LargePacket = Callable[[IPv4Address, IPv4Address, int], None]
"""The far end and the home address of a tunnel that a packet with DF went into, and its bytes with the outer header."""

PathMtu = Callable[[IPv4Address], int | None]
"""MTU in bytes of the route to an address, ``None`` if there is no route now."""


@dataclass(frozen=True, slots=True)
class TunnelEntry:
    """``mtu``, in bytes: the largest inner packet; ``path``: the same with the outer header.

    ``shared``: several visitors have the home address, so no route leads to the one that sends.
    """

    mtu: int
    path: int
    shared: bool


class Tunnels:
    """One engine on one tunnel device.

    ``mtu`` is the device's; a tunnel whose route is narrower gets a smaller one of its own, so that its packets are
    answered with ICMP fragmentation-needed or fragmented before encapsulation instead of being lost.

    ``capacity`` is the most tunnels at one time. ``tell_largest``: :attr:`on_large_packet` is called, from
    :meth:`events`.

    :raises ActionError: the engine cannot be opened; one sentence.
    """

    def __init__(
        self,
        device: str,
        *,
        mtu: int,
        mark: int,
        path_mtu: PathMtu,
        capacity: int,
        gre_checksum: bool = False,
        gre_sequence: bool = False,
        propagate_ecn: bool = True,
        underlay: str = "raw",
        clamp_mss: bool = False,
        tell_largest: bool = False,
    ) -> None:
        self._gre = _gre_options(gre_checksum, gre_sequence)
        self._ecn = Flag.NONE if propagate_ecn else Flag.ECN_COMPAT
        self._mtu = mtu
        self._path_mtu = path_mtu
        self._underlay = underlay
        self.on_large_packet: LargePacket = lambda remote, home_address, size: None
        # The interface of the next hop of tunnel ends, where it is known.
        self._hops: dict[tuple[IPv4Address, IPv4Address], int] = {}
        self._nodes: dict[IPv4Address, Tunnel] = {}  # by home address: what brings a node its broadcasts
        self._groups: dict[IPv4Address, Tunnel] = {}  # likewise: that of its multicasts, both ways
        # Visitors that share a home address, by that and their home agent.
        self._shared: dict[tuple[IPv4Address, IPv4Address], InstallTunnel] = {}
        try:
            self._engine = Engine(
                device,
                mtu=mtu,
                mark=mark,
                capacity=capacity,
                underlay=underlay,
                clamp_mss=clamp_mss,
                tell_largest=tell_largest,
            )
        except OSError as error:
            raise ActionError(error.strerror or str(error)) from error
        self.captures = Captures(self._engine)

    @property
    def event_fd(self) -> int:
        """Readable when :meth:`events` has something."""
        return self._engine.event_fd

    def start(self) -> None:
        self._engine.start()

    def close(self) -> None:
        """Stop the threads and remove the device, and with it every route over it."""
        self._engine.close()

    def perform(self, action: InstallTunnel | RemoveTunnel) -> None:
        """Change the engine's table.

        On the care-of side ``broadcast`` makes a mobile node accept what its home agent tunnels to it: DIRECT beside
        the tunnel itself, NESTED without one. ``beside`` leaves there what another action asked for.

        :raises ActionError: the table is full, the addresses cannot make a tunnel, or the engine is gone; nothing is
            remembered then of what was asked for.
        """
        if isinstance(action, RemoveTunnel):
            self._remove(action)
            self._forget_shared(action.home_address, action.side, action.remote)
            return
        try:
            if action.side is TunnelSide.HOME:
                flags = _BROADCASTS[action.broadcast] | _MULTICASTS[action.multicast]
                self._engine.apply([Install(self._tunnel(action, Side.HOME, flags), action.beside)])
            elif action.place is not None:
                self._install_shared(action)
            else:
                self._install_care_of(action)
                self._forget_shared(action.home_address, action.side, None)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise ActionError(
                f"cannot install the tunnel {action.local} to {action.remote}: {why}"
            ) from error

    def refresh(self, interface: str) -> list[str]:
        """Find the visitors of an interface that was made anew, and has another number; a sentence for each lost."""
        refused = []
        for action in list(self._shared.values()):
            if action.place is not None and action.place.interface == interface:
                try:
                    self.perform(action)
                except ActionError as error:
                    refused.append(str(error))
        return refused

    def set_next_hops(self, hops: Iterable[tuple[IPv4Address, IPv4Address, int, bytes | None]]) -> None:
        """Local and remote tunnel end, interface and link-layer address (``None``: not known) of next hops."""
        for hop in (NextHop(*hop) for hop in hops):
            if self._engine.set_next_hops([hop]) and hop.address is not None:
                self._hops[hop.local, hop.remote] = hop.interface
            else:
                self._hops.pop((hop.local, hop.remote), None)

    def underlay(self, tunnel: Tunnel) -> str:
        """How the datagrams of a tunnel leave this host: "raw", through the kernel's routing, or past it."""
        interface = self._hops.get((tunnel.local, tunnel.remote))
        if interface is None:
            return "raw"
        if self._underlay == "xdp" and not self._engine.has_port(interface):
            return "packet"
        return self._underlay

    def fit(self, remote: IPv4Address) -> int:
        """Make the tunnels to ``remote`` as wide as its path is now; how many were not. Others are not looked at."""
        return self._engine.fit(remote, self._path(remote), self._mtu)

    def entry(self, error: TunnelError) -> TunnelEntry | None:
        """Where what ``error`` quotes went into its tunnel; the widest, if several may have been it.

        ``None`` if there is no such tunnel: then the error is forged, or about one that is gone.
        """
        inner = (error.source, error.destination) if error.inner else None
        quote = Quote(error.local, error.remote, error.encapsulation, error.keyed, error.key, inner)
        tunnel = self._engine.sender(quote)
        if tunnel is None:
            return None
        path = tunnel.mtu + overhead(tunnel.encapsulation, tunnel.flags)
        return TunnelEntry(tunnel.mtu, path, Flag.SHARED in tunnel.flags)

    def unreached(self, remote: IPv4Address, code: int, seconds: float) -> None:
        """For so long, tell who sends into a tunnel to ``remote`` that it is unreachable, with this ICMP code."""
        self._engine.unreached(remote, code, seconds)

    def probe(
        self, remote: IPv4Address, home_address: IPv4Address, size: int, ask: AskFarEnd
    ) -> bytes | None:
        """A datagram of ``size`` bytes with DF that goes to ``remote`` as the tunnel's do; ``None`` without tunnel.

        Inside is what ``ask`` makes, for the far end itself. A foreign agent would not take it from a node that tunnels
        with its home address (RFC 3024 s5.2).
        """
        for side in (Side.HOME, Side.CARE_OF):
            for tunnel in (one.tunnel for one in self._engine.tunnels_of(home_address, side)):
                if tunnel.remote == remote and tunnel.local != home_address:
                    return probe(tunnel, size, ask)
        return None

    def watch(self, interface: str | None, network: IPv4Network, *, multicasts: bool = False) -> None:
        """Forward the broadcasts of a home link to the nodes of ``network`` that asked for them (RFC 5944 s4.3).

        With ``multicasts`` also what is for groups that they are in, and to the link what they send to groups (s4.4).
        ``interface`` None: a virtual home network. To be repeated when the interface was deleted and made anew.

        :raises ActionError: one sentence.
        """
        try:
            self._engine.watch(interface, network, multicasts=multicasts)
        except OSError as error:
            raise ActionError(error.strerror or str(error)) from error

    def perform_group(
        self, action: JoinGroup | LeaveGroup | InstallMulticastTunnel | RemoveMulticastTunnel
    ) -> None:
        """Members of groups at the home agent, and the tunnel for what a mobile node sends to them (s4.4).

        :raises ActionError: there are too many, or the addresses cannot make a tunnel.
        """
        try:
            match action:
                case JoinGroup():
                    self._engine.join(action.group, action.home_address)
                case LeaveGroup():
                    self._engine.leave(action.group, action.home_address)
                case InstallMulticastTunnel():
                    # Through another tunnel or the foreign agent's: a header more than these have.
                    home, mtu = action.home_address, max(MTU_MIN, self._mtu - OUTER_HEADER)
                    flags = Flag.MULTICAST | self._ecn
                    tunnel = Tunnel(home, Side.NODE, home, action.home_agent, mtu, flags=flags)
                    self._engine.apply([Install(tunnel)])
                    self._groups[home] = tunnel
                case RemoveMulticastTunnel():
                    if action.home_address in self._groups:
                        groups = {**self._groups}
                        del groups[action.home_address]
                        self._engine.apply([_at_node(action.home_address, groups, self._nodes)])
                        self._groups = groups
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise ActionError(f"cannot tunnel multicasts of {action.home_address}: {why}") from error

    @property
    def igmp_fd(self) -> int:
        """Readable when :meth:`igmp` has something."""
        return self._engine.igmp_fd

    def igmp(self) -> Iterator[bytes]:
        """IGMP packets of absent nodes that came since the last call; each node's address was checked."""
        while (packet := igmp.receive(self._engine)) is not None:
            yield packet

    def send_to(self, home_address: IPv4Address, packet: bytes) -> None:
        """An IP packet of ours into every tunnel of an absent node.

        :raises ActionError: the engine does not keep up.
        """
        try:
            igmp.send_to(self._engine, home_address, packet)
        except OSError as error:
            raise ActionError(
                f"cannot send to {home_address} through its tunnel: {error.strerror}"
            ) from error

    def _remove(self, action: RemoveTunnel) -> None:
        side, nodes = _SIDES[action.side], self._nodes
        changes: list[Install | Remove] = [Remove(action.home_address, side, action.remote)]
        node = nodes.get(action.home_address)
        if side is Side.CARE_OF and node is not None and action.remote in (None, node.remote):
            nodes = {**nodes}
            del nodes[action.home_address]
            changes.append(_at_node(node.home_address, self._groups, nodes))
        try:
            self._engine.apply(changes)
        except OSError as error:
            raise ActionError(
                f"cannot remove the tunnel of {action.home_address}: {error.strerror}"
            ) from error
        self._nodes = nodes

    def _install_shared(self, action: InstallTunnel) -> None:
        assert action.place is not None
        where = action.place
        flags = Flag.SHARED
        if action.delivery is DeliveryStyle.ENCAPSULATING:
            flags |= Flag.ENCAPSULATED_DELIVERY
        place = Place(socket.if_nametoindex(where.interface), where.link_address, where.agent)
        self._engine.apply([Install(self._tunnel(action, Side.CARE_OF, flags), action.beside, place)])
        self._shared[action.home_address, action.remote] = action

    def _forget_shared(self, home_address: IPv4Address, side: TunnelSide, remote: IPv4Address | None) -> None:
        if side is TunnelSide.CARE_OF:
            gone = [key for key in self._shared if key[0] == home_address and remote in (None, key[1])]
            for key in gone:
                del self._shared[key]

    def _install_care_of(self, action: InstallTunnel) -> None:
        home, flags, node = action.home_address, Flag.NONE, None
        if action.delivery is DeliveryStyle.ENCAPSULATING:
            flags = Flag.ENCAPSULATED_DELIVERY
        if action.broadcast is not BroadcastDelivery.NONE:
            local = home if action.broadcast is BroadcastDelivery.NESTED else action.local
            # What is nested is always IP-in-IP.
            nested = action.broadcast is BroadcastDelivery.NESTED
            kind = Encapsulation.IPIP if nested else _encapsulation(action)
            options = self._ecn if nested else self._options(action)
            node = Tunnel(local, Side.NODE, local, action.remote, self._tunnel_mtu(action), kind, options)
        changes: list[Install | Remove] = []
        if action.broadcast is not BroadcastDelivery.NESTED:
            changes.append(Install(self._tunnel(action, Side.CARE_OF, flags)))
        elif not action.beside:
            changes.append(Remove(home, Side.CARE_OF))
        nodes, before = {**self._nodes}, self._nodes.get(home)
        if before is not None and not (action.beside and node is None):
            del nodes[home]
            changes.append(_at_node(before.home_address, self._groups, nodes))
        if node is not None:
            nodes[home] = node
            changes.append(_at_node(node.home_address, self._groups, nodes))
        self._engine.apply(changes)
        self._nodes = nodes

    def _tunnel(self, action: InstallTunnel, side: Side, flags: Flag) -> Tunnel:
        flags |= self._options(action)
        return Tunnel(
            action.home_address,
            side,
            local=action.local,
            remote=action.remote,
            mtu=self._tunnel_mtu(action),
            encapsulation=_encapsulation(action),
            flags=flags | Flag.REVERSE if action.reverse else flags,
            key_out=0 if action.keys is None else action.keys.out,
            key_in=0 if action.keys is None else action.keys.into,
        )

    def status(self) -> list[TunnelStatus]:
        return self._engine.tunnels()

    def home_tunnels(self, home_address: IPv4Address) -> list[TunnelStatus]:
        """The home agent's tunnels to one node, and what each has carried."""
        return self._engine.tunnels_of(home_address, Side.HOME)

    def carried(self, cursor: int) -> tuple[int, list[tuple[int, int, int]]]:
        """The cursor of the next page, 0 at the end; home and care-of address, as numbers, and packets of tunnels."""
        return self._engine.carried(cursor)

    def counters(self) -> dict[str, int]:
        return self._engine.counters()

    def drops(self) -> list[DropCount]:
        return self._engine.drops()

    def events(self) -> Iterator[tuple[Reason, dict[str, object]]]:
        """What the engine told since the last call, as reasons with fields. DEVICE_LOST is the end of forwarding."""
        for event in self._engine.drain_events():
            match event.type:
                case EventType.THREAD_FAILED:
                    yield Reason.DEVICE_LOST, {"error": os.strerror(event.value)}
                case EventType.UNKNOWN_HOME:
                    yield Reason.PACKET_WITHOUT_BINDING, {"address": event.address}
                case EventType.UNDERLAY_FELL_BACK:
                    if self._underlay != "raw":  # each thread tells it
                        yield Reason.UNDERLAY_FELL_BACK, {"error": os.strerror(event.value)}
                    self._underlay = "raw"
                case EventType.PORT_LOST:
                    index, why = port_lost(event)
                    yield Reason.UNDERLAY_FELL_BACK, {"interface": _interface(index), "error": why}
                case EventType.TUNNEL_TOO_BIG:
                    yield Reason.TUNNEL_TOO_BIG, {"address": event.address, "value": event.value}
                case EventType.LARGE_PACKET:
                    self.on_large_packet(event.address, event.inner, event.value)
                case EventType.WRONG_SOURCE:
                    fields = {"source": event.address, "home_address": event.inner, "packets": event.value}
                    yield Reason.TUNNEL_SOURCE_REFUSED, fields

    def _tunnel_mtu(self, action: InstallTunnel) -> int:
        return self._mtu_of(action.remote, _encapsulation(action), self._options(action))

    def _mtu_of(self, remote: IPv4Address, encapsulation: Encapsulation, flags: Flag) -> int:
        return width(encapsulation, flags, self._path(remote), self._mtu)

    def _path(self, remote: IPv4Address) -> int:
        """Bytes that the path to ``remote`` carries, as far as we know."""
        mtu = self._path_mtu(remote)
        return _ANY if mtu is None else mtu

    def _options(self, action: InstallTunnel) -> Flag:
        if action.encapsulation is not EncapsulationType.GRE:
            return self._ecn
        return self._ecn | (self._gre if action.keys is None else self._gre | Flag.GRE_KEY)


def _at_node(
    key: IPv4Address, groups: Mapping[IPv4Address, Tunnel], nodes: Mapping[IPv4Address, Tunnel]
) -> Install | Remove:
    """What is to be at an address of the node, for multicasts or else for broadcasts."""
    for tunnel in (*groups.values(), *nodes.values()):
        if tunnel.home_address == key:
            return Install(tunnel)
    return Remove(key, Side.NODE)


def _gre_options(checksum: bool, sequence: bool) -> Flag:
    """What GRE headers that we send have in them (RFC 2784, RFC 2890)."""
    return (Flag.GRE_CHECKSUM if checksum else Flag.NONE) | (Flag.GRE_SEQUENCE if sequence else Flag.NONE)


def device_mtu(
    underlay: int, encapsulation: EncapsulationType, gre_checksum: bool = False, gre_sequence: bool = False
) -> int:
    """For the tunnel device, in bytes: what fits through a tunnel of ``encapsulation`` over an ``underlay`` MTU."""
    kind = Encapsulation(int(encapsulation))
    gre = kind is Encapsulation.GRE
    return underlay - overhead(kind, _gre_options(gre and gre_checksum, gre and gre_sequence))


def _interface(index: int) -> str:
    """Its name, or the number of one that is gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"number {index}"


def _encapsulation(action: InstallTunnel) -> Encapsulation:
    return Encapsulation(int(action.encapsulation))
