"""What must hold after every event, whatever the network does. Checked with code of its own, not the machines'."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import NoReturn

from mobileip.control.core.actions import (
    Action,
    DeliveryStyle,
    InstallTunnel,
    Noted,
    RouteThroughTunnel,
    SendDatagram,
    SendIcmp,
    TunnelSide,
)
from mobileip.control.core.attachment import AtHome, Attachment, CoLocated, ThroughAgent
from mobileip.control.core.events import ActionFailed, DatagramReceived, Event, IcmpReceived, Stopping, Tick
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.core.home import HomeAgent
from mobileip.control.core.mobile import State
from mobileip.control.reasons import Reason
from mobileip.control.security import ReplayMethod
from mobileip.control.types import ZERO_ADDRESS
from tests.sim.challenges import Challenges, Daemon
from tests.sim.hosts import AgentHost, MobileHost, Node
from tests.sim.internet import HOME_AGENTS, HOME_NETWORKS, Internet
from tests.sim.invariants import Invariant
from tests.sim.keys import Pair
from tests.sim.signatures import (
    CHALLENGE,
    FOREIGN_ERROR,
    FOREIGN_HOME,
    MOBILE_AAA,
    MOBILE_FOREIGN,
    REPLY,
    REQUEST,
    address,
    behind,
    kind_of,
    signed_part,
    signer,
)
from tests.sim.world import Watcher

_SECOND = 10**9
_MOVES = {Reason.MOVED_HOME, Reason.MOVED_FOREIGN, Reason.MOVED_CO_LOCATED}
_ACCEPTED = {Reason.REGISTERED, Reason.REGISTERED_NO_SIMULTANEOUS, Reason.DEREGISTERED}
_ANY_KERNEL = (Noted, SendDatagram, SendIcmp)


class Oracle(Watcher):
    """Raises a Violation at the first event after which something does not hold."""

    def __init__(self, internet: Internet) -> None:
        self.net = internet
        self.accepted: defaultdict[tuple[str, int, Pair], list[int]] = defaultdict(list)
        self.answered: set[int] = set()  # datagrams (by identity) that a home agent replied to
        self.heard: defaultdict[tuple[str, int], set[tuple[bytes, bytes]]] = defaultdict(set)
        self.used: defaultdict[str, set[bytes]] = defaultdict(set)
        self.last_request: dict[tuple[str, int, bytes], int] = {}
        self.last_move: dict[str, object] = {}
        self.unsettled: set[str] = set()  # mobile nodes whose kernel refused something since their last move
        self._kept: list[Event] = []  # so that identities stay unique
        self.challenges = Challenges()
        self._touched = False  # the kernel of the host whose event this is
        self._sizes: dict[
            str, tuple[int, int]
        ] = {}  # of each agent's lists when last compared with its kernel
        internet.watcher = self

    def _broken(self, invariant: Invariant, *seen: object) -> NoReturn:
        self.net.fail(invariant, " ".join(map(str, seen)))

    # ---- while acting

    def acted(self, node: Node, action: Action, causes: list[Event]) -> None:
        cause = causes[0]
        if not isinstance(action, _ANY_KERNEL):
            self._touched = True
        if (
            isinstance(node, AgentHost)
            and isinstance(cause, DatagramReceived)
            and cause.payload[:1] == b"\x01"
        ):
            self.heard[node.name, node.incarnation].add((cause.payload[4:8], cause.payload[16:24]))
        match action:
            case SendDatagram() if isinstance(node, AgentHost):
                self._agent_sends(node, action, cause)
            case SendIcmp() if isinstance(node, AgentHost):
                self.challenges.advertised((node.name, node.incarnation), action.payload)
            case InstallTunnel(side=TunnelSide.HOME):
                self._bound(node, action, cause)
            case SendDatagram() if isinstance(node, MobileHost):
                self._requested(node, action, causes)
            case Noted() if isinstance(node, MobileHost):
                self._told(node, action, causes)
            case _:
                pass

    def _agent_sends(self, node: AgentHost, action: SendDatagram, cause: Event) -> None:
        payload, came = action.payload, cause.payload if isinstance(cause, DatagramReceived) else b""
        match kind_of(payload):
            case 1:
                self._relayed(node, payload, came, REQUEST)
            case 3 if 64 <= payload[1] <= 127:
                known = (payload[4:8], payload[12:20]) in self.heard[node.name, node.incarnation]
                if not known:
                    self._broken(Invariant.ANSWERED, node.name, "denies a request it never got")
                self._challenged(node, self.challenges.replies, payload)
            case 3 if kind_of(came) == REPLY:
                self._relayed(node, payload, came, REPLY)
            case 3:
                self._answered(node, action, cause)
            case other:
                self._broken(Invariant.RELAYED, node.name, "sends a message of type", other)

    def _relayed(self, node: AgentHost, payload: bytes, came: bytes, kind: int) -> None:
        """What is signed goes on as it came; behind it only what the foreign agent has to say itself."""
        same = kind_of(came) == kind and signed_part(came) == signed_part(payload) != b""
        own = {FOREIGN_HOME} if kind == REQUEST else {MOBILE_FOREIGN, FOREIGN_ERROR}
        if self.net.plan.challenges:
            own |= {CHALLENGE, MOBILE_AAA} if kind == REQUEST else {CHALLENGE}
            check = self.challenges.relays if kind == REQUEST else self.challenges.replies
            self._challenged(node, check, came if kind == REQUEST else payload)
        if not same or not behind(payload) <= own:
            self._broken(Invariant.RELAYED, node.name, "sends what it did not get")

    def _challenged(
        self, node: AgentHost, check: Callable[[Daemon, bytes], str | None], payload: bytes
    ) -> None:
        wrong = check((node.name, node.incarnation), payload) if self.net.plan.challenges else None
        if wrong is not None:
            self._broken(Invariant.CHALLENGED, node.name, wrong)

    def _answered(self, node: AgentHost, action: SendDatagram, cause: Event) -> None:
        """The home agent: one reply to a request that just came, back to where it came from, and signed."""
        payload, request = action.payload, cause
        if not isinstance(request, DatagramReceived) or kind_of(request.payload) != REQUEST:
            self._broken(Invariant.ANSWERED, node.name, "replies to no request")
        if id(request) in self.answered:
            self._broken(Invariant.ANSWERED, node.name, "replies twice to one request")
        self.answered.add(id(request))
        self._kept.append(request)
        asked, nobody = request.payload, ZERO_ADDRESS.packed
        if payload[4:8] != asked[4:8] != nobody or payload[16:20] != asked[20:24]:
            self._broken(Invariant.ANSWERED, node.name, "replies to another request")
        if action.destination != request.source and request.source.address != ZERO_ADDRESS:
            self._broken(Invariant.ANSWERED, node.name, "replies elsewhere:", action.destination)
        associations = self.net.associations_of(asked)
        if signer(payload, associations) is None:
            self._broken(Invariant.AUTHENTICATED, node.name, "does not sign its reply")
        if payload[1] <= 8:
            self._accepts(node, payload, asked)

    def _accepts(self, node: AgentHost, payload: bytes, asked: bytes) -> None:
        pair = self.net.pair_of(asked)
        association = signer(asked, self.net.associations_of(asked))
        if association is None or pair is None:
            self._broken(Invariant.AUTHENTICATED, node.name, "accepts without authentication")
        self.net.assigned[address(payload, 4)] = pair
        if payload[2:4] > asked[2:4]:
            self._broken(Invariant.GRANTED, node.name, "grants more than was asked")
        before = self.accepted[node.name, node.incarnation, pair]
        identification = int.from_bytes(asked[16:24])
        # Nonces do not grow; a node that had them for a while says nothing about its timestamps before and after.
        grows = association.replay is ReplayMethod.TIMESTAMPS and not self.net.keys.changed_method(pair)
        if identification in before or (grows and identification < max(before, default=0)):
            self._broken(Invariant.FRESH, node.name, "accepts an Identification that is not newer")
        before.append(identification)

    def _bound(self, node: Node, action: InstallTunnel, cause: Event) -> None:
        request = cause.payload if isinstance(cause, DatagramReceived) else b""
        if kind_of(request) != REQUEST:
            self._broken(Invariant.AUTHENTICATED, node.name, "makes a binding without a request")
        if signer(request, self.net.associations_of(request)) is None:
            self._broken(Invariant.AUTHENTICATED, node.name, "binds without authentication")
        home, care_of = address(request, 4), address(request, 12)
        if home not in (action.home_address, ZERO_ADDRESS) or care_of != action.remote:
            self._broken(Invariant.GRANTED, node.name, "binds", action, "but was asked", home, care_of)

    def _requested(self, node: MobileHost, action: SendDatagram, causes: list[Event]) -> None:
        """At most one a second to the same attachment, but for repairs and the farewell (s3.6.3)."""
        used = self.used[node.name]
        identification = action.payload[16:24]
        pair = self.net.pair(node.number)
        timestamps = self.net.keys.held(pair, pair[0])[0].replay is ReplayMethod.TIMESTAMPS
        if timestamps and identification in used:  # nonces are sent again as they were (s3.6.3)
            self._broken(Invariant.PACED, node.name, "repeats an Identification")
        used.add(identification)
        place = (
            node.name,
            node.incarnation,
            action.payload[12:16],
        )  # a daemon that starts knows of none before
        last, cause = self.last_request.get(place), causes[0]
        allowed = isinstance(cause, Stopping) or (
            isinstance(cause, DatagramReceived) and kind_of(cause.payload) == REPLY
        )
        if last is not None and not allowed and self.net.time - last < _SECOND:
            waited = (self.net.time - last) / 1e6
            self._broken(Invariant.PACED, f"{node.name} asks again after {waited:.1f} ms")
        self.last_request[place] = self.net.time

    def _forget_requests(self, node: Node) -> None:
        for place in [place for place in self.last_request if place[0] == node.name]:
            del self.last_request[place]

    def _told(self, node: MobileHost, action: Noted, causes: list[Event]) -> None:
        reason = action.reason
        if reason in _MOVES or reason is Reason.REGISTERING_BESIDE:
            if (reason, action.fields) != self.last_move.get(node.name):
                self._forget_requests(node)
            self.last_move[node.name] = reason, action.fields
        if isinstance(causes[-1], ActionFailed):
            self.unsettled.add(node.name)
        elif reason in _MOVES or reason is Reason.DISCONNECTED:
            self.unsettled.discard(node.name)
        if reason in _ACCEPTED:
            cause = causes[0]
            pair = self.net.pair(node.number)
            reply = cause.payload if isinstance(cause, DatagramReceived) else b""
            if kind_of(reply) != REPLY or signer(reply, self.net.keys.held(pair, pair[0])) is None:
                self._broken(Invariant.AUTHENTICATED, node.name, "believes a reply that is not signed")

    # ---- afterwards

    def settled(self, node: Node, event: Event) -> None:
        touched, self._touched = self._touched, False
        if node.wake is not None and node.wake <= self.net.time and isinstance(event, Tick):
            self._broken(Invariant.TIMED, node.name, "still has a deadline in the past")
        quiet = not touched and isinstance(event, IcmpReceived | Tick)
        if isinstance(node, AgentHost):
            if not quiet or self._sizes.get(node.name) != self._sizes_of(node):
                self.compare(node)
        elif isinstance(node, MobileHost) and not quiet:
            self.compare(node)

    def compare(self, node: Node) -> None:
        """A host's kernel with what its machine believes."""
        if isinstance(node, AgentHost):
            self._sizes[node.name] = self._sizes_of(node)
            if node.machine.home is not None:
                self._home(node, node.machine.home)
            if node.machine.foreign is not None:
                self._foreign(node, node.machine.foreign)
        elif isinstance(node, MobileHost) and node.name not in self.unsettled:
            self._mobile(node)

    @staticmethod
    def _sizes_of(node: AgentHost) -> tuple[int, int]:
        home, foreign = node.machine.home, node.machine.foreign
        bindings = 0 if home is None else len(home.bindings)
        return bindings, 0 if foreign is None else foreign.visitors.visitor_count()

    def _same(self, node: Node, what: str, installed: object, believed: object) -> None:
        if installed != believed:
            self._broken(Invariant.ROUTED, f"{node.name}: {what}: {installed}, not {believed}")

    def _home(self, node: Node, home: HomeAgent) -> None:
        kernel = node.kernel
        bindings = {(binding.home_address, binding.care_of_address): binding for binding in home.bindings}
        tunnels = {
            (key[0], remote): one
            for key, ends in kernel.tunnels.items()
            for remote, one in ends.items()
            if key[1] is TunnelSide.HOME
        }
        self._same(node, "tunnels of bindings", tunnels.keys(), bindings.keys())
        nodes = Counter(home_address for home_address, _ in bindings)
        if max(nodes.values(), default=0) > self.net.plan.max_simultaneous:
            self._broken(Invariant.GRANTED, node.name, "keeps too many bindings:", nodes)
        physical = {home_address for home_address in nodes if self._has_link(home_address.packed)}
        self._same(node, "binding routes", kernel.binding_routes, physical)
        self._same(node, "proxies", set(kernel.proxies), physical)
        for key, binding in bindings.items():
            self._same(node, f"reverse tunnel of {key}", tunnels[key].reverse, binding.reverse_tunnel)
            kinds = tunnels[key].encapsulation, binding.encapsulation
            self._same(node, f"encapsulation of {key}", *kinds)
        expiries = [binding.expires for binding in bindings.values() if binding.expires is not None]
        keys = home.keys.next_deadline()
        self._timed(node, home.next_deadline(), expiries if keys is None else [*expiries, keys])

    def _has_link(self, home_address: bytes) -> bool:
        prefixes = (prefix.network_address.packed[:3] for prefix in HOME_NETWORKS)
        return list(prefixes).index(home_address[:3]) not in self.net.plan.virtual

    def _timed(self, node: Node, deadline: int | None, ends: list[int]) -> None:
        if deadline != min(ends, default=None):
            self._broken(Invariant.TIMED, node.name, "waits for", deadline, "where these end:", ends)

    def _foreign(self, node: Node, foreign: ForeignAgent) -> None:
        kernel = node.kernel
        visitors = {one.home_address: one for one in foreign.visitors.visitors if not one.co_located}
        tunnels = {key[0]: one for key, one in kernel.tunnels.items() if key[1] is TunnelSide.CARE_OF}
        self._same(node, "tunnels of visitors", tunnels.keys(), visitors.keys())
        self._same(node, "ends of tunnels", {len(ends) for ends in tunnels.values()} - {1}, set())
        routes = {one.home_address: one.interface for one in visitors.values()}
        self._same(node, "routes to visitors", kernel.visitor_routes, routes)
        neighbours = {(one.home_address, one.interface): one.link_address for one in visitors.values()}
        self._same(node, "neighbours", kernel.neighbours, neighbours)
        direct = [one for one in visitors.values() if one.delivery is DeliveryStyle.DIRECT]
        rules = {(one.home_address, one.interface) for one in direct if one.reverse_tunnel}
        self._same(node, "rules of visitors", kernel.reverse_rules, rules)
        known = [one.expires for one in foreign.visitors.pending]
        known += [one.expires for one in foreign.visitors.visitors if one.expires is not None]
        turn = foreign.challenging.next_deadline()
        self._timed(node, foreign.next_deadline(), known if turn is None else [*known, turn])

    def _mobile(self, node: MobileHost) -> None:
        attachment, kernel, home = node.machine.attachment, node.kernel, node.home_address
        if home == ZERO_ADDRESS or node.machine.state in (State.STOPPING, State.STOPPED):
            return  # nothing to route yet, or no more
        at_home = {attachment.interface} if isinstance(attachment, AtHome) else set()
        self._placed(node, "answers ARP on", set(kernel.home), at_home)
        # With an agent only broadcasts need a tunnel of the node's own; it stays when the home agent is sought anew.
        tunnels = isinstance(attachment, CoLocated) or self.net.plan.broadcasts
        if tunnels and node.machine.home_agent not in HOME_AGENTS.values():
            return  # towards whom?
        ends = {one.local for one in kernel.tunnels_of(home, TunnelSide.CARE_OF)}
        self._placed(node, "has tunnels from", ends, self._ends(node, attachment))
        away = isinstance(attachment, CoLocated | ThroughAgent)
        self._placed(node, "has a way out", kernel.way_out is not None, away)

    def _ends(self, node: MobileHost, attachment: Attachment | None) -> set[IPv4Address]:
        """Where its own tunnels begin; with an agent it needs one only for broadcasts or encapsulating delivery."""
        match attachment:
            case CoLocated():
                return {attachment.care_of_address}
            case ThroughAgent():
                nested = self.net.plan.broadcasts and node.machine.home_agent in HOME_AGENTS.values()
                inside = isinstance(node.kernel.way_out, RouteThroughTunnel)
                return {node.home_address} if nested or inside else set()
            case _:
                return set()

    def _placed(self, node: Node, what: str, installed: object, believed: object) -> None:
        if installed != believed:
            self._broken(Invariant.PLACED, node.name, what, installed, "not", believed)
