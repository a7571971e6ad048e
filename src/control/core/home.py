"""The home agent (RFC 5944 s3.8, s4.2.3, s4.6; RFC 3024 s4.3; RFC 2794).

A request is checked in the order of s3.8.2.1: authentication first, so that nothing an unauthenticated sender says can
change state or cost a signature beyond the one of a denial. In the actions of an acceptance the reply stands behind
everything that it tells of: if the kernel refuses some of that, the reply is not sent and :class:`ActionFailed` comes
back; the bindings are then what they were before and the node hears code 130.

The reserved bits r and x of a request are ignored, as s3.3 says of them; s3.8.2.3 would refuse "non-zero bits in
reserved fields", of which RFC 5944 has left none.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from mobileip.control.core.actions import (
    Action,
    ClaimAddress,
    InstallBindingRoute,
    InstallNetworkRoute,
    InstallTunnel,
    Noted,
    TunnelSide,
)
from mobileip.control.core.binder import Binder, binding_of
from mobileip.control.core.bindings import BindingList, MobilityBinding, describe, moved, remaining
from mobileip.control.core.denials import DenialLimits
from mobileip.control.core.encapsulations import asked as asked_encapsulation
from mobileip.control.core.events import (
    ActionFailed,
    ClearBinding,
    DatagramReceived,
    IgmpReceived,
    KeysFound,
    KeysUnavailable,
    KeysUnknown,
    ProofAccepted,
    ProofUnverified,
    TunnelTraffic,
)
from mobileip.control.core.filters import Filters
from mobileip.control.core.home_proofs import HomeProofs
from mobileip.control.core.home_replies import Asked, applicant, is_at_home, reply, seen, spi_of, suppressed
from mobileip.control.core.idle import IdleTunnels
from mobileip.control.core.keyring import KeyRing, said
from mobileip.control.core.multicast import Groups
from mobileip.control.core.networks import HomeNetwork, HomeNetworks
from mobileip.control.core.nodes import HomeAgentSettings, Marks, Nodes, read
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.core.proofs import ProofEvent
from mobileip.control.core.proofs import said as said_of_proof
from mobileip.control.core.replay import Memory, ReplayGuard
from mobileip.control.core.room import Room
from mobileip.control.core.shortcuts import Shortcuts
from mobileip.control.reasons import Reason
from mobileip.control.security import MobilitySecurityAssociation, proven, verify
from mobileip.control.types import NANOSECONDS, Identification, Instant, Lifetime, is_unicast
from mobileip.control.wire import RegistrationRequest, plain

__all__ = ["HomeAgent", "HomeAgentSettings", "HomeNetwork"]


class HomeAgent:
    """Machine: requests and time in, actions out."""

    def __init__(self, settings: HomeAgentSettings, accepted: Memory | None = None) -> None:
        self._settings = settings
        self._networks = HomeNetworks(settings.networks)
        self._bindings = BindingList()
        self._replay = ReplayGuard(accepted)
        self._keys = KeyRing(settings.associations, settings.keys)
        self._proofs = HomeProofs(settings)
        self._nodes = Nodes(settings, self._keys, self._networks, self._replay.forget)
        self._limits = DenialLimits()
        self._room = Room(settings)
        self.filters = Filters(settings.filters)
        self._idle = IdleTunnels(settings.shortest_idle_timeout)
        self._shortcuts = Shortcuts(
            settings, self._keys, self._nodes, self._bindings, self._replay, self._limits
        )
        self._groups = None if settings.multicast is None else Groups(settings.multicast)
        self._binder = Binder(self._bindings, self._networks, self._nodes, self._idle, self._groups)
        self._answering: Asked | None = None  # accepted last: failures come before anything else happens

    @property
    def bindings(self) -> BindingList:
        return self._bindings

    @property
    def groups(self) -> Groups | None:
        """The groups of absent nodes, if they may join any."""
        return self._groups

    @property
    def keys(self) -> KeyRing:
        return self._keys

    @property
    def settings(self) -> HomeAgentSettings:
        return self._settings

    def start(self) -> list[Action]:
        """Virtual home networks are drawn into the tunnel device as a whole, so bindings need no route of their own."""
        return [InstallNetworkRoute(net.prefix) for net in self._settings.networks if net.interface is None]

    def reconfigure(self, settings: HomeAgentSettings) -> None:
        """Other nodes, keys, agents and policies from now on. Bindings stay; each lives by what it was granted.

        :raises ValueError: the address or a network differs: tunnels and routes hang on those.
        """
        if (settings.address, settings.networks) != (self._settings.address, self._settings.networks):
            raise ValueError("the home agent's address and networks cannot change while it runs")
        if (settings.multicast is None) != (self._groups is None):
            raise ValueError("whether a home agent forwards multicasts cannot change while it runs")
        if self._groups is not None and settings.multicast is not None:
            self._groups.reconfigure(settings.multicast)
        if (settings.proofs is None) != (self._settings.proofs is None):
            raise ValueError(
                "whether AAA servers are asked about proofs cannot change while the home agent runs"
            )
        self._room.reconfigure(settings)
        self._settings = settings
        self.filters.reconfigure(settings.filters)
        self._idle.shortest = settings.shortest_idle_timeout
        self._keys.reconfigure(settings.associations, settings.keys)
        self._nodes.reconfigure(settings)
        self._proofs.reconfigure(settings)
        self._shortcuts.reconfigure(settings)

    def look_again(self) -> None:
        """Something outside has changed that an acceptance depends on, such as the MTU of a route: from every node
        one renewal is looked at in full, and its tunnel installed anew.
        """
        self._shortcuts.look_again()

    def serves(self, address: IPv4Address) -> bool:
        """Is ``address`` this home agent's own?"""
        return address == self._settings.address

    def expects(self, payload: bytes, address: int, port: int) -> bool:
        """Whether this seems to be the renewal of a binding. Nothing is verified: it tells what to look at first."""
        return self._bindings.relayed(int.from_bytes(payload[plain.HOME_ADDRESS]), address, port)

    def on_datagram(self, datagram: DatagramReceived, now: Instant) -> list[Action] | None:
        """What can be answered without taking the message apart; ``None``: take it apart."""
        return self._shortcuts.answer(datagram, now)

    def on_request(
        self, request: RegistrationRequest, datagram: DatagramReceived, now: Instant
    ) -> list[Action]:
        """Check, then accept or deny (s3.8.2)."""
        marks, source = read(request), datagram.source.address
        extension = marks.mobile_home
        if extension is None:
            return [Noted(Reason.NO_AUTHORIZATION_EXTENSION, seen(request, datagram, marks))]
        node = self._nodes.identify(request.home_address, marks)
        if node is None:
            fields = {**seen(request, datagram, marks), "spi": extension.spi}
            asking = self._ask(request, datagram, marks, now, introduced=True)
            return [Noted(Reason.UNKNOWN_ASSOCIATION, fields)] if asking is None else asking
        foreign = self._foreign_agent(source, marks)
        if foreign is None and marks.foreign_home:  # s3.8.2.1 d
            return [Noted(Reason.UNEXPECTED_FOREIGN_HOME, seen(request, datagram, marks))]
        policy = self._nodes.policy(node.name, request.home_address)
        asked = Asked(request, datagram, marks, node, request.home_address, foreign, policy)
        vouched = not asked.needs_agent or self._is_vouched(request, source, marks)
        proof = proven(node.association, request, extension)
        if proof is None:
            asking = self._ask(request, datagram, marks, now)  # the key may be another by now
            return self._on_forged(asked, vouched, now) if asking is None else asking
        node.association = proof
        home_address = self._nodes.home_address(node, request.home_address, now.mono)
        if isinstance(home_address, Reason):
            if not self._limits.allows_unauthenticated(int(source), now.mono):
                return suppressed(asked, home_address)
            return self._deny(asked, home_address, request.identification)
        asked.home_address, asked.previous = home_address, self._bindings.of(home_address)
        fresh = (home_address, node.association, request.identification, now)
        if not self._replay.admits(*fresh):
            if not self._limits.allows_authenticated(int(home_address), now.mono):
                return suppressed(asked, Reason.IDENTIFICATION_MISMATCH)
            return self._deny(asked, Reason.IDENTIFICATION_MISMATCH, self._replay.refuse(*fresh))
        identification = self._replay.answer(*fresh)
        if not vouched:
            return self._deny(asked, Reason.FA_FAILED_AUTHENTICATION, identification)
        unproven = self._proofs.refusal(asked, now)
        if isinstance(unproven, list):
            return unproven  # it waits for the AAA servers
        refusal = unproven or self._refusal(asked, now)
        if refusal is not None:
            return self._deny(asked, refusal, identification)
        self._replay.accept(home_address, node.association, request.identification)
        self._answering = asked
        if request.lifetime == 0:
            return self._deregister(asked, identification, now)
        return self._register(asked, identification, now)

    def _ask(
        self,
        request: RegistrationRequest,
        datagram: DatagramReceived,
        marks: Marks,
        now: Instant,
        introduced: bool = False,
    ) -> list[Action] | None:
        """Have the request wait for associations from elsewhere; ``None``: they would be no others than those here.

        ``introduced``: its proof for an AAA server may bring them along.
        """
        peer = self._nodes.to_ask_for(request.home_address, marks) if self._keys.asks else None
        extension = marks.mobile_home
        if peer is None or extension is None:
            return None
        proving = self._proofs.introduce(peer, request, datagram, marks, now) if introduced else None
        return self._keys.ask(peer, extension.spi, request, datagram, now) if proving is None else proving

    def on_proof(self, event: ProofEvent, now: Instant) -> list[Action]:
        """What AAA servers say of a node's proof: the request that has it is checked from the beginning."""
        actions: list[Action] = []
        if isinstance(event, ProofAccepted) and event.keys is not None:
            actions += self.on_keys(event.keys, now)
        waiting = self._proofs.answer(event, now)
        actions.append(Noted(*said_of_proof(event)))
        if waiting is not None and not isinstance(event, ProofUnverified):
            actions += self.on_request(waiting.request, waiting.datagram, waiting.then(now))
        return actions

    def on_keys(self, event: KeysFound | KeysUnknown | KeysUnavailable, now: Instant) -> list[Action]:
        """An answer about a node's associations: the request that waited for it is checked from the beginning."""
        waiting = self._keys.answer(event, now)
        actions: list[Action] = [Noted(*said(event))]
        if waiting is not None:
            actions += self.on_request(waiting.request, waiting.datagram, waiting.then(now))
        return actions

    def on_action_failed(self, event: ActionFailed, now: Instant) -> list[Action]:
        """The kernel or the data plane refused part of a binding: back to what was before, and deny with 130."""
        asked = self._answering
        match event.action:
            case InstallTunnel(side=TunnelSide.HOME) | InstallBindingRoute() | ClaimAddress():
                home_address = event.action.home_address
            case _:
                return []  # what cannot be removed now is removed by the next reconciliation
        if asked is None or asked.home_address != home_address:
            return []
        if asked.previous and isinstance(event.action, ClaimAddress):
            return []  # an address that is claimed already was only to be announced once more
        self._answering = None  # whatever fails later, a request has one reply (s3.8)
        undo = self._binder.restore(home_address, asked.previous, now)
        request = asked.request
        identification = self._replay.answer(
            home_address, asked.node.association, request.identification, now
        )
        return [*undo, *self._deny(asked, Reason.HA_INSUFFICIENT_RESOURCES, identification)]

    def on_igmp(self, event: IgmpReceived, now: Instant) -> list[Action]:
        """An absent node says which multicast groups it wants (s4.4)."""
        return [] if self._groups is None else self._groups.on_message(event, now)

    def on_tick(self, now: Instant) -> list[Action]:
        """Remove bindings whose lifetime is over. No reply is ever sent for that (s3.8)."""
        self._keys.on_tick(now)
        actions: list[Action] = []
        for binding, removal in self._binder.expire(now):
            actions += [*removal, Noted(Reason.BINDING_EXPIRED, describe(binding))]
        return actions if self._groups is None else [*actions, *self._groups.on_tick(now)]

    def next_deadline(self) -> int | None:
        groups = None if self._groups is None else self._groups.next_deadline()
        ours = (self._bindings.next_expiry(), self._keys.next_deadline(), groups)
        return min((mono for mono in ours if mono is not None), default=None)

    def clear(self, event: ClearBinding, now: Instant) -> list[Action]:
        """Remove one binding of a node, or all. Nobody is told: a node that is away registers again in its time."""
        actions: list[Action] = []
        for binding in self._bindings.of(event.home_address):
            if event.care_of_address in (None, binding.care_of_address):
                actions += self._end(binding, Reason.BINDING_CLEARED, now)
        return actions

    def on_traffic(self, event: TunnelTraffic, now: Instant) -> list[Action]:
        """End bindings that were not used for the idle timeout of their nodes. Nobody is told, as in :meth:`clear`."""
        actions: list[Action] = []
        for home_address, care_of_address, silence in self._idle.silent(event, now.mono):
            for binding in self._bindings.of(home_address):
                timeout = self._nodes.policy(binding.nai, home_address).idle_timeout
                unused = timeout is not None and silence >= timeout * NANOSECONDS
                if unused and binding.care_of_address == care_of_address:
                    actions += self._end(binding, Reason.BINDING_IDLE, now)
        return actions

    def _end(self, binding: MobilityBinding, reason: Reason, now: Instant) -> list[Action]:
        removal = self._binder.end(binding.home_address, binding.care_of_address, now, reason)
        return [*removal, Noted(reason, describe(binding))]

    # ---- checks

    def _foreign_agent(self, source: IPv4Address, marks: Marks) -> MobilitySecurityAssociation | None:
        """The association by which a reply to the agent at ``source`` is signed: the request's, if it is one."""
        agents = self._settings.foreign_agents
        if not agents:
            return None
        named = agents.find(source, marks.foreign_home[0].spi) if marks.foreign_home else None
        return agents.preferred(source) if named is None else named

    def _is_vouched(self, request: RegistrationRequest, source: IPv4Address, marks: Marks) -> bool:
        """Whether the foreign agent signed, exactly once and rightly (s3.8.2.1 c)."""
        if len(marks.foreign_home) != 1:
            return False
        extension = marks.foreign_home[0]
        association = self._settings.foreign_agents.find(source, extension.spi)
        return association is not None and verify(association, request, extension)

    def _refusal(self, asked: Asked, now: Instant) -> Reason | None:
        """The reason to deny an authenticated, fresh request, or ``None`` (s3.8.2.1, s3.8.2.3, RFC 3024 s4.3.1)."""
        request, settings, policy = asked.request, self._settings, asked.policy
        flags = request.flags
        to_all = self._networks.is_group(asked.datagram.destination.address)
        if to_all or request.home_agent != settings.address:
            return Reason.UNKNOWN_HOME_AGENT  # a request sent to all home agents is denied by each (s3.8.2.1)
        requested = asked.marks.requested
        if requested is not None and requested != asked.datagram.destination.address:
            return Reason.UNKNOWN_HOME_AGENT  # RFC 4433 s5.3
        home_address = asked.home_address
        if home_address == settings.address or not self._networks.has_host(home_address):
            return Reason.HA_PROHIBITED
        if request.lifetime == 0:
            return None
        if not is_unicast(request.care_of_address) or request.care_of_address == home_address:
            return Reason.HA_POORLY_FORMED
        if self.filters.active and self.filters.denies(applicant(asked)):
            return Reason.HA_FILTERED
        if asked_encapsulation(flags, asked.marks.gre_key is not None) not in policy.encapsulations:
            return Reason.HA_ENCAPSULATION_UNAVAILABLE
        if flags.reverse_tunnel:
            if policy.reverse_tunnel is ReverseTunnelPolicy.UNAVAILABLE:
                return Reason.HA_REVERSE_TUNNEL_UNAVAILABLE
        elif policy.reverse_tunnel is ReverseTunnelPolicy.REQUIRED:
            return Reason.HA_REVERSE_TUNNEL_MANDATORY
        if not asked.previous:
            return self._room.refusal(self._bindings.nodes, now.mono)
        if asked.stays_beside and len(asked.others) >= policy.max_simultaneous:
            return Reason.HA_TOO_MANY_BINDINGS
        return None

    # ---- acceptance

    def _register(self, asked: Asked, identification: Identification, now: Instant) -> list[Action]:
        previous, link = asked.previous, self._networks.link(asked.home_address)
        # s3.8.3.2: code 1 says that we keep no simultaneous bindings for this node.
        reason = Reason.REGISTERED if asked.policy.max_simultaneous > 1 else Reason.REGISTERED_NO_SIMULTANEOUS
        look = self._shortcuts.look(asked.request, now) if link is None else 0
        binding = binding_of(asked, self._settings, link, reason, look, now)
        beside = bool(previous) and asked.stays_beside
        actions = self._binder.bind(binding, previous, beside=beside)
        actions.append(self._reply(asked, reason, remaining(binding, now), identification))
        fields = describe(binding)
        fields["moved"] = moved(previous, binding, beside)
        association = asked.node.association
        if association.is_lenient:  # what the configuration should say
            fields |= {"spi": association.spi, "algorithm": association.algorithm}
        actions.append(Noted(reason, fields))
        return [*actions, *self._binder.follow_up(binding, previous, now)]

    def _deregister(self, asked: Asked, identification: Identification, now: Instant) -> list[Action]:
        """Lifetime 0: all bindings when the care-of address is the home address, else the named one (s3.8.2.2)."""
        request, home_address = asked.request, asked.home_address
        care_of_address = request.care_of_address
        everything = care_of_address in (home_address, request.home_address)
        at_home = everything and is_at_home(asked, self._networks)
        actions: list[Action] = []
        if everything:
            # At home it is announced without a binding too (s4.6): we may have lost it.
            if asked.previous or at_home:
                link_address = asked.datagram.link_source if at_home else None
                actions += self._binder.withdraw(home_address, link_address, now, Reason.DEREGISTERED)
        else:
            actions += self._binder.end(home_address, care_of_address, now, Reason.DEREGISTERED)
        actions.append(self._reply(asked, Reason.DEREGISTERED, Lifetime(0), identification))
        fields = {"home_address": home_address, "care_of_address": care_of_address}
        actions.append(Noted(Reason.DEREGISTERED, fields))
        return actions

    # ---- replies

    def _on_forged(self, asked: Asked, vouched: bool, now: Instant) -> list[Action]:
        """The mobile node's authenticator is wrong (s3.8.2.1 a)."""
        request, reason = asked.request, Reason.MN_FAILED_AUTHENTICATION
        if not vouched:
            # Neither of the two who should have signed did: there is nobody to answer.
            fields = {**seen(request, asked.datagram, asked.marks), "answered": False}
            fields["spi"] = spi_of(asked.marks, reason)
            return [Noted(reason, fields)]
        proven = asked.needs_agent  # then it has to be answered, and its sender is known
        source = int(asked.datagram.source.address)
        if not proven and not self._limits.allows_unauthenticated(source, now.mono):
            return suppressed(asked, reason)
        return self._deny(asked, reason, request.identification)

    def _deny(self, asked: Asked, reason: Reason, identification: Identification) -> list[Action]:
        request = asked.request
        fields = seen(request, asked.datagram, asked.marks)
        fields["home_address"] = asked.home_address
        fields["care_of_address"] = request.care_of_address
        fields["code"] = int(reason.info.code or 0)
        fields["spi"] = spi_of(asked.marks, reason)
        if reason is Reason.HA_FILTERED:
            fields["rule"] = self.filters.decided
        to = self._room.elsewhere() if reason is Reason.HA_REDIRECTED else None
        if to is not None:
            fields["redirected_to"] = to
        return [self._reply(asked, reason, request.lifetime, identification, to), Noted(reason, fields)]

    def _reply(
        self,
        asked: Asked,
        reason: Reason,
        lifetime: Lifetime,
        identification: Identification,
        redirected_to: IPv4Address | None = None,
    ) -> Action:
        return reply(
            asked,
            reason,
            lifetime,
            identification,
            home_agent=self._settings.address,
            networks=self._networks,
            redirected_to=redirected_to,
        )
