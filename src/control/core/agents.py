"""The mobility agents of one process: home agent, foreign agent or both on one port (RFC 5944 s1.5, s2.1.1).

Parses once, decides whose a message is, and keeps the advertisements of every link.
"""

from __future__ import annotations

from mobileip.control.core.actions import Action, Asker, Noted
from mobileip.control.core.advertiser import AdvertisedLink, Advertiser, Entropy
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.core.events import (
    ActionFailed,
    ClearBinding,
    ClearVisitor,
    DatagramReceived,
    Event,
    IcmpReceived,
    IgmpReceived,
    KeysFound,
    KeysUnavailable,
    KeysUnknown,
    LinkChanged,
    ProofAccepted,
    ProofRejected,
    ProofUnverified,
    Started,
    Stopping,
    Tick,
    TunnelTraffic,
    UnreachableReceived,
)
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings
from mobileip.control.core.home import HomeAgent, HomeAgentSettings
from mobileip.control.core.proofs import ProofEvent
from mobileip.control.reasons import Reason
from mobileip.control.types import Instant
from mobileip.control.wire import (
    AgentSolicitation,
    RegistrationReply,
    RegistrationRequest,
    WireError,
    parse,
    parse_icmp,
)


class MobilityAgents:
    """Machine of an agent process."""

    def __init__(
        self,
        *,
        home: HomeAgent | None,
        foreign: ForeignAgent | None,
        links: tuple[AdvertisedLink, ...],
        entropy: Entropy,
    ) -> None:
        self.home = home
        self.foreign = foreign
        self._advertisers = {link.interface: Advertiser(link, entropy) for link in links}
        self._up: set[str] = set()
        self._partings: list[Action] = []  # to be sent for addresses that are no longer ours
        self._schedule: Deadlines[str] = Deadlines()  # next periodic advertisement of the links that are up

    def handle(self, event: Event, now: Instant) -> list[Action]:
        match event:
            case DatagramReceived():
                return self._on_datagram(event, now)
            case IcmpReceived():
                return self._on_icmp(event, now)
            case Tick():
                return self._on_tick(now)
            case LinkChanged():
                return self._on_link(event, now)
            case ActionFailed():
                return self._on_action_failed(event, now)
            case UnreachableReceived() if self.foreign is not None:
                return self.foreign.on_unreachable(event, now)
            case IgmpReceived() if self.home is not None:
                return self.home.on_igmp(event, now)
            case TunnelTraffic() if self.home is not None:
                return self.home.on_traffic(event, now)
            case KeysFound() | KeysUnknown() | KeysUnavailable() if self.home is not None:
                return self.home.on_keys(event, now)
            case ProofAccepted() | ProofRejected() | ProofUnverified():
                return self._on_proof(event, now)
            case ClearBinding() if self.home is not None:
                return self.home.clear(event, now)
            case ClearVisitor() if self.foreign is not None:
                return self.foreign.clear(event)
            case Stopping():
                return self._on_stopping()
            case Started() if self.home is not None:
                return self.home.start()
            case _:
                return []

    def reconfigure(
        self,
        home: HomeAgentSettings | None,
        foreign: ForeignAgentSettings | None,
        links: tuple[AdvertisedLink, ...],
        now: Instant,
    ) -> None:
        """Go on with other settings of the same agents; a link that is told something else is told it at once.

        An address that is not the link's any more is taken back at the next tick (RFC 1256 s4.3).
        """
        if self.home is not None and home is not None:
            self.home.reconfigure(home)
        if self.foreign is not None and foreign is not None:
            self.foreign.reconfigure(foreign)
        for link in links:
            advertiser = self._advertisers.get(link.interface)
            if advertiser is not None and advertiser.link != link:
                up, before = link.interface in self._up, advertiser.link.address
                if up and before != link.address:
                    self._partings += advertiser.farewell()
                advertiser.link = link
                if up:
                    self._begin(advertiser, now)

    def _on_proof(self, event: ProofEvent, now: Instant) -> list[Action]:
        """An answer for whichever agent has asked."""
        if event.question.asker is Asker.HOME_AGENT:
            return [] if self.home is None else self.home.on_proof(event, now)
        return [] if self.foreign is None else self.foreign.on_proof(event, now)

    def next_deadline(self) -> int | None:
        deadlines = [self._schedule.next()]
        if self.home is not None:
            deadlines.append(self.home.next_deadline())
        if self.foreign is not None:
            deadlines.append(self.foreign.next_deadline())
        return min((mono for mono in deadlines if mono is not None), default=None)

    # ---- registration messages

    def expects(self, payload: bytes, address: int, port: int) -> bool:
        """Whether a message is to be looked at before others when there are too many (see :meth:`HomeAgent.expects`).

        Foreign agents hear visitors on packet sockets; elsewhere, replies from home agents, which all matter.
        """
        return self.foreign is not None or self.home is None or self.home.expects(payload, address, port)

    def _on_datagram(self, event: DatagramReceived, now: Instant) -> list[Action]:
        if self.home is not None and not self._is_visited(event.interface):
            answered = self.home.on_datagram(event, now)
            if answered is not None:
                return answered
        try:
            message = parse(event.payload)
        except WireError as error:
            return [
                Noted(
                    error.reason, {"source": event.source, "interface": event.interface, "detail": str(error)}
                )
            ]
        match message:
            case RegistrationRequest():
                return self._on_request(message, event, now)
            case RegistrationReply() if self.foreign is not None:
                return self.foreign.on_reply(message, event, now)
            case _:
                return [Noted(Reason.BAD_DESTINATION, {"source": event.source, "interface": event.interface})]

    def _on_request(
        self, request: RegistrationRequest, event: DatagramReceived, now: Instant
    ) -> list[Action]:
        """On a visited link a request is the foreign agent's, unless the home agent beside it was asked directly.

        Directly ask (s3.6.1.1): a node that deregisters at home, and a node with a co-located care-of address.
        """
        directly = (
            self.home is not None
            and self.home.serves(event.destination.address)
            and (
                request.care_of_address == request.home_address
                or request.care_of_address == event.source.address
            )
        )
        if self.foreign is not None and self._is_visited(event.interface) and not directly:
            return self.foreign.on_request(request, event, now)
        if self.home is not None:
            return self.home.on_request(request, event, now)
        return [Noted(Reason.BAD_DESTINATION, {"source": event.source, "interface": event.interface})]

    def _is_visited(self, interface: str) -> bool:
        return self.foreign is not None and self.foreign.serves_link(interface)

    # ---- discovery

    def _on_icmp(self, event: IcmpReceived, now: Instant) -> list[Action]:
        advertiser = self._advertisers.get(event.interface)
        if advertiser is None:
            return []
        try:
            message = parse_icmp(event.payload)
        except WireError as error:
            return [
                Noted(
                    error.reason, {"source": event.source, "interface": event.interface, "detail": str(error)}
                )
            ]
        if not isinstance(message, AgentSolicitation):
            return []  # another agent's advertisement
        challenge = None
        if self.foreign is not None and self._is_visited(event.interface):
            challenge = self.foreign.challenging.for_station(event.link_source, now.mono)
        return advertiser.answer(event, now.mono, self._busy, challenge)

    def _on_link(self, event: LinkChanged, now: Instant) -> list[Action]:
        """A link that comes up is told at once who serves it; one that is down costs nothing."""
        advertiser = self._advertisers.get(event.interface)
        if advertiser is None:
            return []
        if event.up == (event.interface in self._up):
            return []
        if event.up:
            self._up.add(event.interface)
            self._begin(advertiser, now)
            return [Noted(Reason.LINK_UP, {"interface": event.interface})]
        self._up.remove(event.interface)
        self._schedule.cancel(event.interface)
        return [Noted(Reason.LINK_DOWN, {"interface": event.interface})]

    def _on_stopping(self) -> list[Action]:
        """Nobody shall wait for us until the lifetime of our last advertisement is over (RFC 1256 s4.3)."""
        actions = [
            action for interface in sorted(self._up) for action in self._advertisers[interface].farewell()
        ]
        for interface in self._up:
            self._schedule.cancel(interface)
        self._advertisers.clear()
        self._up.clear()
        return actions

    def _begin(self, advertiser: Advertiser, now: Instant) -> None:
        """As at start (RFC 1256 s4.3); an agent may wait until it is asked instead (s2.3)."""
        advertiser.restart()
        if advertiser.goes_on:
            self._schedule.set(advertiser.link.interface, now.mono)
        else:
            self._schedule.cancel(advertiser.link.interface)

    def _on_tick(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        if self.home is not None:
            actions += self.home.on_tick(now)
        if self.foreign is not None:
            actions += self.foreign.on_tick(now)
        actions += self._partings
        self._partings = []
        # Last: an advertisement that cannot be sent must not keep what has expired in the kernel.
        for interface in self._schedule.due(now.mono):
            advertiser = self._advertisers[interface]
            challenge = None
            if self.foreign is not None and self._is_visited(interface):
                challenge = self.foreign.challenging.for_link(now.mono)
            actions += advertiser.multicast(self._busy, challenge)
            if advertiser.goes_on:
                self._schedule.set(interface, now.mono + advertiser.next_interval())
        return actions

    @property
    def _busy(self) -> bool:
        return self.foreign is not None and self.foreign.busy

    # ---- failures

    def _on_action_failed(self, event: ActionFailed, now: Instant) -> list[Action]:
        action = type(event.action).__name__
        fields = {
            "action": action,
            "home_address": getattr(event.action, "home_address", None),
            "error": event.error,
        }
        actions: list[Action] = [Noted(Reason.ACTION_FAILED, fields)]
        if self.home is not None:
            actions += self.home.on_action_failed(event, now)
        if self.foreign is not None:
            actions += self.foreign.on_action_failed(event, now)
        return actions
