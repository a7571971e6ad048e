"""What a mobile node's kernel is asked for at each place: routes, tunnel, home address on the link (RFC 5944 s4.2.1,
s4.6).

The way back of a packet is made ready before the reply can arrive: routes and the tunnel's entry follow the request in
the same list of actions.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from mobileip.control.core.actions import (
    Action,
    AdoptHomeAddress,
    AttachHome,
    BroadcastDelivery,
    DeliveryStyle,
    DetachHome,
    InstallMulticastTunnel,
    InstallTunnel,
    MulticastWay,
    Noted,
    RemoveMulticastTunnel,
    RemoveTunnel,
    RouteThroughAgent,
    RouteThroughTunnel,
    TunnelSide,
    Unroute,
)
from mobileip.control.core.attachment import AtHome, Attachment, CoLocated, ThroughAgent
from mobileip.control.core.identity import Identity, MobileNodeSettings
from mobileip.control.core.repairs import TunnelAsked
from mobileip.control.reasons import Reason


class Ways:
    """Remembers what was asked for, so that a later place can undo it."""

    def __init__(self, identity: Identity, settings: MobileNodeSettings) -> None:
        self._identity = identity
        self._home_gateway = settings.home_gateway
        self._assigned = settings.home_address is None  # the home address is the home agent's to give
        self._several = len(settings.interfaces) > 1  # so that main may prefer another way out
        self._broadcasts = settings.broadcasts
        self._multicast = settings.multicast
        self._adopt = False  # AdoptHomeAddress failed, or its failure may hide
        self._home_links: set[str] = set()  # AttachHome was asked for, DetachHome not or perhaps in vain
        self._left_links: set[str] = set()  # where the latest move asked for DetachHome
        self._tunnelled: IPv4Address | None = None  # home address of the entry that is, or may be, installed
        self._grouped: IPv4Address | None = None  # the same of its tunnel for multicasts
        self._outward: tuple[Action, ...] = ()  # the latest tunnel and route away from home

    def enter(
        self, attachment: Attachment | None, request: list[Action], tunnel: TunnelAsked
    ) -> list[Action]:
        """All for a new place, in the order of s4.6, with the ``request`` where it belongs."""
        if self._identity.home is None:
            return [_moved(attachment), *request]
        self._outward = self._away(attachment, tunnel)
        return [_moved(attachment), *self._enter(attachment, request)]

    def _enter(self, attachment: Attachment | None, request: list[Action]) -> list[Action]:
        assert self._identity.home is not None
        adopt = [AdoptHomeAddress(self._identity.home)] if self._adopt else []
        self._adopt = False
        if isinstance(attachment, AtHome):
            return [*adopt, *self._return_home(attachment, request)]
        if isinstance(attachment, CoLocated) and attachment.advertised and self._outward:
            # The host has no route of its own by that router: the request needs ours.
            return [*adopt, *self._leave_home(), *self._outward, *request, *self._unless_tunnel()]
        leaving = [*adopt, *self._leave_home(), *request]
        if not self._outward:
            return [*leaving, *self._leave_tunnels(), Unroute(self._identity.home.ip)]
        return [*leaving, *self._outward, *self._unless_tunnel()]

    def follow(self, attachment: Attachment | None, tunnel: TunnelAsked) -> list[Action]:
        """What a reply changed: the home address, the home agent, the tunnel or who answers for the agent."""
        outward = self._away(attachment, tunnel)
        if not outward or outward == self._outward:
            return []
        self._outward = outward
        return [*outward, *self._unless_tunnel()]

    def adopt(self) -> list[Action]:
        """The home address is new; a tunnel of an earlier one goes."""
        if self._identity.home is None:
            return []
        return [*self._leave_tunnels(), AdoptHomeAddress(self._identity.home)]

    def failed(self) -> None:
        """Something was refused, and what was behind it not done: the next move repeats and removes what this one may
        have left."""
        self._home_links |= self._left_links
        home_address = None if self._identity.home is None else self._identity.home.ip
        self._tunnelled = self._tunnelled or home_address
        if self._multicast is MulticastWay.TUNNEL:
            self._grouped = self._grouped or home_address
        self._adopt = self._assigned

    def _return_home(self, attachment: AtHome, request: list[Action]) -> list[Action]:
        """s4.6, returning: answer ARP again, gratuitous ARP, then the request."""
        assert self._identity.home is not None
        gateway = self._home_gateway or attachment.agent
        moved_link = self._leave_home(but=attachment.interface)
        self._home_links = {attachment.interface}
        attach = AttachHome(self._identity.home, attachment.interface, gateway)
        return [*moved_link, attach, *request, *self._leave_tunnels()]

    def _away(self, attachment: Attachment | None, tunnel: TunnelAsked) -> tuple[Action, ...]:
        """s4.6, leaving: no more ARP for the home address, then the request; an agent is the default router."""
        home, home_agent = self._identity.home, self._identity.home_agent
        if home is None:
            return ()
        match attachment:
            case ThroughAgent():
                return self._through_agent(attachment, home.ip, tunnel)
            case CoLocated() if home_agent is not None:
                local, broadcast = attachment.care_of_address, self._broadcast
                accepts = self._broadcasts or self._multicast is MulticastWay.TUNNEL
                wanted = BroadcastDelivery.DIRECT if accepts else BroadcastDelivery.NONE
                return (
                    InstallTunnel(
                        home.ip,
                        TunnelSide.CARE_OF,
                        local,
                        home_agent,
                        tunnel.reverse,
                        tunnel.encapsulation,
                        broadcast=wanted,
                    ),
                    *self._groups(),
                    RouteThroughTunnel(
                        home.ip,
                        attachment.interface,
                        attachment.gateway,
                        tunnel.reverse,
                        outer=self._several or attachment.advertised,
                        broadcast=broadcast,
                        multicast=self._multicast,
                        care_of_address=local if self._multicast is MulticastWay.LOCAL else None,
                    ),
                )
            case _:
                return ()

    def _through_agent(
        self, place: ThroughAgent, home: IPv4Address, tunnel: TunnelAsked
    ) -> tuple[Action, ...]:
        """The agent takes the tunnel off; broadcasts come inside a second one, to the home address (s4.3)."""
        home_agent, nested, delivery_to = self._identity.home_agent, [], tunnel.delivery_to
        if self._broadcasts and home_agent is not None:
            nested = [
                InstallTunnel(
                    home, TunnelSide.CARE_OF, home, home_agent, False,
                    beside=delivery_to is not None, broadcast=BroadcastDelivery.NESTED,
                )
            ]  # fmt: skip
        if delivery_to is None:
            agent = place.agent, place.link_address
            return (
                *nested,
                *self._groups(),
                RouteThroughAgent(
                    home, place.interface, *agent, broadcast=self._broadcast, multicast=self._multicast
                ),
            )
        return (
            InstallTunnel(
                home, TunnelSide.CARE_OF, home, delivery_to, True, tunnel.encapsulation,
                delivery=DeliveryStyle.ENCAPSULATING,
            ),
            *nested,
            *self._groups(),
            RouteThroughTunnel(
                home, place.interface, delivery_to, True,
                outer=True, link_address=place.link_address, broadcast=self._broadcast,
                multicast=self._multicast,
            ),
        )  # fmt: skip

    def _groups(self) -> tuple[Action, ...]:
        """The tunnel for multicasts, whose packets go the way of what else the home address sends (s4.4)."""
        home, home_agent = self._identity.home, self._identity.home_agent
        if self._multicast is not MulticastWay.TUNNEL or home is None or home_agent is None:
            return ()
        return (InstallMulticastTunnel(home.ip, home_agent),)

    @property
    def _broadcast(self) -> IPv4Address | None:
        """The home network's broadcast address, if its broadcasts are asked for; a host's prefix has none."""
        home = self._identity.home
        if not self._broadcasts or home is None or home.network.prefixlen > 30:
            return None
        return home.network.broadcast_address

    def _unless_tunnel(self) -> list[Action]:
        for action in self._outward:
            if isinstance(action, InstallMulticastTunnel):
                self._grouped = action.home_address
        for action in self._outward:
            if isinstance(action, InstallTunnel):
                self._tunnelled = action.home_address
                return []
        return self._leave_tunnel()

    def _leave_home(self, but: str | None = None) -> list[Action]:
        """Off every link that may have the home address, except ``but``."""
        self._left_links = self._home_links - {but}
        self._home_links = set()
        home = self._identity.home
        return [] if home is None else [DetachHome(home, link) for link in sorted(self._left_links)]

    def _leave_tunnels(self) -> list[Action]:
        home_address, self._grouped = self._grouped, None
        groups = [] if home_address is None else [RemoveMulticastTunnel(home_address)]
        return [*self._leave_tunnel(), *groups]

    def _leave_tunnel(self) -> list[Action]:
        home_address, self._tunnelled = self._tunnelled, None
        return [] if home_address is None else [RemoveTunnel(home_address, TunnelSide.CARE_OF)]


def _moved(target: Attachment | None) -> Noted:
    match target:
        case None:
            return Noted(Reason.DISCONNECTED)
        case AtHome():
            return Noted(Reason.MOVED_HOME, {"interface": target.interface, **place(target)})
        case ThroughAgent():
            return Noted(Reason.MOVED_FOREIGN, {"interface": target.interface, **place(target)})
        case CoLocated():
            return Noted(Reason.MOVED_CO_LOCATED, {"interface": target.interface, **place(target)})


def place(target: Attachment) -> dict[str, object]:
    """What to log of a place beside its interface."""
    match target:
        case AtHome():
            return {"agent": target.agent}
        case ThroughAgent():
            return {"agent": target.agent, "care_of_address": target.care_of_address}
        case CoLocated():
            through = {} if target.through is None else {"agent": target.through.agent}
            return {"care_of_address": target.care_of_address, **through}
