"""What a mobile node hears: its links, the agents on them, and those that would not have it (RFC 5944 s2.4).

Events come in, what is to be noted and solicited goes out; where to attach then is decided by :mod:`.mobile`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from mobileip.control.core.actions import Action, Noted, SendIcmp
from mobileip.control.core.discovery import AgentNews, AgentTable, Link, roles
from mobileip.control.core.events import IcmpReceived, LinkChanged
from mobileip.control.core.identity import Entropy, Identity, MobileNodeSettings
from mobileip.control.core.refusals import Refusals
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_ROUTERS, LIMITED_BROADCAST, ZERO_ADDRESS, Instant, is_unicast, seconds
from mobileip.control.wire import (
    AdvertisedChallenge,
    AgentAdvertisement,
    AgentSolicitation,
    WireError,
    build_icmp,
    parse_icmp,
)


@dataclass(frozen=True, slots=True)
class Heard:
    """``is_news``: another place may be better now. ``rebooted``: the agent has lost its state (s2.4.4)."""

    noted: tuple[Noted, ...] = ()
    is_news: bool = False
    rebooted: bool = False


class Surroundings:
    """The agent ``table`` of all links, in ``refusals`` what came of asking them; ``identity`` learns challenges."""

    def __init__(self, settings: MobileNodeSettings, entropy: Entropy, identity: Identity) -> None:
        self._settings = settings
        self._identity = identity
        self._challenges = identity.challenges
        self.table = AgentTable(settings.interfaces, entropy, settings.no_router_discovery)
        self.refusals = Refusals()

    def reconfigure(self, settings: MobileNodeSettings) -> None:
        self._settings = settings

    def replaced(self, event: LinkChanged, now: Instant) -> Noted | None:
        """The interface is on another link, to be taken as if it had gone and come: gone now (s2.4.2)."""
        link = self.table.link(event.interface)
        if link is None or not link.is_another(event.up, event.gateway, event.gateway_link):
            return None
        link.change(False, link.addresses, None, now.mono)
        return Noted(Reason.LINK_REPLACED, {"interface": link.interface, "gateway": event.gateway})

    def change(self, event: LinkChanged, now: Instant) -> list[Action]:
        """A link as it is from now on; one that has come up is solicited on."""
        link = self.table.link(event.interface)
        if link is None:
            return []
        was_up, starting = link.up, not link.known
        came_up = link.change(event.up, event.addresses, event.gateway, now.mono)
        link.gateway_link = event.gateway_link
        if came_up:
            self.refusals.forget(link.interface)
            delay = seconds(self._settings.solicitation_delay) if starting else 0
            self.table.solicit_now(link, now.mono, delay)
            return [Noted(Reason.LINK_UP, {"interface": link.interface})]
        if was_up and not event.up:
            self.table.stop_soliciting(link)
            return [Noted(Reason.LINK_DOWN, {"interface": link.interface})]
        return []

    def hear(self, event: IcmpReceived, now: Instant) -> Heard:
        """An ICMP message, that may be an advertisement."""
        link = self.table.link(event.interface)
        if link is None or not link.up:
            return Heard()
        if not self.table.is_for_us(link, event.destination, now.mono):
            fields: dict[str, object] = {"source": event.source, "interface": event.interface}
            return Heard((Noted(Reason.BAD_DESTINATION, fields),))
        try:
            message = parse_icmp(event.payload)
        except WireError as error:
            if error.reason is Reason.NOT_AN_AGENT and self.table.hear_plain(link, event.payload, now.mono):
                return Heard(is_news=True)
            return Heard((unreadable(error, event.source, event.interface),))
        if not isinstance(message, AgentAdvertisement):
            return Heard()
        impossible = self._impossible(event.source, message)
        if impossible is not None:
            fields = {"source": event.source, "interface": event.interface, "address": impossible}
            return Heard((Noted(Reason.IMPOSSIBLE_AGENT, fields),))
        self.table.hear_routers(link, message.router_addresses, message.lifetime, now.mono)
        news = self.table.hear(link, event.source, event.link_source, message, now.mono)
        told = (one.challenge for one in message.extensions if isinstance(one, AdvertisedChallenge))
        self._challenges.hear((link.interface, event.source), next(told, None))
        noted: tuple[Noted, ...] = ()
        if news is AgentNews.NEW:
            fields = {"interface": link.interface, "agent": event.source, "roles": roles(message)}
            noted = (Noted(Reason.AGENT_DISCOVERED, fields),)
        elif news is AgentNews.WITHDRAWN:
            noted = (self._lost(link, event.source, now),)
        return Heard(noted, is_news=True, rebooted=news is AgentNews.REBOOTED)

    def _impossible(self, source: IPv4Address, message: AgentAdvertisement) -> IPv4Address | None:
        """The agent's own or first care-of address that no agent can have: our home address, or nobody's at all."""
        home = self._identity.home_address
        told = (source, *message.mobility.care_of_addresses)
        return next((one for one in told if one == home or not is_unicast(one)), None)

    def lose(self, now: Instant) -> list[Action]:
        """Forget the agents that have not been heard for too long."""
        return [self._lost(link, agent.address, now) for link, agent in self.table.lose(now.mono)]

    def _lost(self, link: Link, agent: IPv4Address, now: Instant) -> Noted:
        if not link.agents:
            self.table.solicit_now(link, now.mono)
        return Noted(Reason.AGENT_LOST, {"interface": link.interface, "agent": agent})

    def search(self, now: Instant) -> None:
        """There is no place to be at: solicit wherever no agent is known."""
        for link in self.table.links:
            if link.up and not link.agents and not self.table.is_soliciting(link):
                self.table.solicit_now(link, now.mono)

    def seek_challenges(self, now: Instant) -> None:
        """Solicit where a challenge is wanted that no reply has told (RFC 4721 s3.3)."""
        for interface, _ in self._challenges.take_wanted():
            link = self.table.link(interface)
            if link is not None and link.up:
                self.table.solicit_now(link, now.mono)

    def solicit(self, now: Instant) -> list[Action]:
        """The solicitations that are due (s2.4)."""
        self.seek_challenges(now)
        actions: list[Action] = []
        for link in self.table.solicitations(now.mono):
            source = next((address.ip for address in link.addresses), ZERO_ADDRESS)
            broadcast = link.interface in self._settings.solicit_by_broadcast
            group = LIMITED_BROADCAST if broadcast else ALL_ROUTERS
            solicitation = SendIcmp(build_icmp(AgentSolicitation()), link.interface, source, group)
            actions += [solicitation, Noted(Reason.SOLICITATION_SENT, {"interface": link.interface})]
        return actions


def unreadable(error: WireError, source: IPv4Address, interface: str) -> Noted:
    return Noted(error.reason, {"source": source, "interface": interface, "detail": str(error)})
