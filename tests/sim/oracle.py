"""What must hold after every event, whatever the network does. Checked with code of its own, not the machines'."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, defaultdict
from ipaddress import IPv4Address

from mobileip.control.core.actions import Action, InstallTunnel, Noted, SendDatagram, TunnelSide
from mobileip.control.core.attachment import AtHome, CoLocated, ThroughAgent
from mobileip.control.core.events import ActionFailed, DatagramReceived, Event, Stopping, Tick
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.core.home import HomeAgent
from mobileip.control.reasons import Reason
from mobileip.control.security import Algorithm
from tests.sim.internet import HOME_AGENT, SPI, Internet
from tests.sim.kernel import Kernel
from tests.sim.world import AgentHost, MobileHost, Node, Watcher

_REQUEST, _REPLY = 1, 3
_FIXED = {_REQUEST: 24, _REPLY: 20}
_SECOND = 10**9
_MOVES = {Reason.MOVED_HOME, Reason.MOVED_FOREIGN, Reason.MOVED_CO_LOCATED}
_ACCEPTED = {Reason.REGISTERED, Reason.REGISTERED_NO_SIMULTANEOUS, Reason.DEREGISTERED}


def address(payload: bytes, offset: int) -> IPv4Address:
    return IPv4Address(payload[offset : offset + 4])


class Oracle(Watcher):
    """Raises AssertionError, with the trace, at the first event after which something does not hold."""

    def __init__(self, internet: Internet) -> None:
        self.net = internet
        self.accepted: defaultdict[tuple[int, IPv4Address], list[int]] = defaultdict(list)
        self.answered: set[int] = set()  # datagrams (by identity) that the home agent replied to
        self.heard: defaultdict[tuple[str, int], set[tuple[bytes, bytes]]] = defaultdict(set)
        self.used: defaultdict[str, set[bytes]] = defaultdict(set)
        self.last_request: dict[tuple[str, bytes], int] = {}
        self.last_move: dict[str, object] = {}
        self.unsettled: set[str] = set()  # mobile nodes whose kernel refused something since their last move
        self._kept: list[Event] = []  # so that identities stay unique
        internet.watchers.append(self)

    def demand(self, holds: bool, what: str, *seen: object) -> None:
        """``seen`` is made text only in failure: this is asked a million times."""
        if not holds:
            self.net.fail(" ".join([what, *map(str, seen)]))

    # ---- while acting

    def acted(self, node: Node, action: Action, causes: list[Event]) -> None:
        cause = causes[0]
        if isinstance(node, AgentHost) and _kind(cause) == _REQUEST and isinstance(cause, DatagramReceived):
            self.heard[node.name, node.incarnation].add((cause.payload[4:8], cause.payload[16:24]))
        match action:
            case SendDatagram() if isinstance(node, AgentHost):
                kind = action.payload[0]
                self.demand(kind in _FIXED, f"{node.name} sends a message of type {kind}")
                if kind == _REQUEST:
                    self._relayed(node, action, cause, _REQUEST)
                elif 64 <= action.payload[1] <= 127:
                    key = action.payload[4:8], action.payload[12:20]
                    known = key in self.heard[node.name, node.incarnation]
                    self.demand(known, f"{node.name} denies a request it never got")
                elif _kind(cause) == _REPLY:
                    self._relayed(node, action, cause, _REPLY)
                else:
                    self._answered(node, action, cause)
            case InstallTunnel(side=TunnelSide.HOME):
                self._bound(node, action, cause)
            case SendDatagram() if isinstance(node, MobileHost):
                self._requested(node, action, causes)
            case Noted() if isinstance(node, MobileHost):
                self._told(node, action, causes)
            case _:
                pass

    def _relayed(self, node: AgentHost, action: SendDatagram, cause: Event, kind: int) -> None:
        payload = action.payload
        told = kind == _REPLY and payload[-4:-1] == b"\x2d\x02\x00" and 64 <= payload[-1] <= 127
        ours = payload[:-4] if told else payload  # without an error of the foreign agent's own (RFC 4636)
        same = isinstance(cause, DatagramReceived) and cause.payload.startswith(ours)
        self.demand(same and _kind(cause) == kind, f"{node.name} sends what it did not get")
        self.demand(len(ours) > _FIXED[kind] + 6, f"{node.name} relays a message without authentication")

    def _answered(self, node: AgentHost, action: SendDatagram, cause: Event) -> None:
        """The home agent: one reply to a request that just came, back to where it came from, and signed."""
        payload, request = action.payload, cause
        assert isinstance(request, DatagramReceived), f"{node.name} replies to {type(cause).__name__}"
        self.demand(_kind(request) == _REQUEST, f"{node.name} replies to no request")
        self.demand(id(request) not in self.answered, f"{node.name} replies twice to one request")
        self.answered.add(id(request))
        self._kept.append(request)
        self.demand(payload[4:8] == request.payload[4:8], "reply is for another home address")
        self.demand(payload[16:20] == request.payload[20:24], "low half of the Identification differs")
        self.demand(action.destination == request.source, "reply goes elsewhere")
        self.demand(self._authentic(payload, _REPLY), "reply is not signed")
        if payload[1] > 8:
            return
        self.demand(self._authentic(request.payload, _REQUEST), f"{node.name} accepts without authentication")
        self.demand(payload[2:4] <= request.payload[2:4], "granted more than was asked")
        key = node.incarnation, address(payload, 4)
        identification = int.from_bytes(request.payload[16:24])
        before = self.accepted[key]
        newer = (
            identification not in before if self.net.plan.nonces else identification > max(before, default=0)
        )
        self.demand(newer, f"{node.name} accepts an Identification that is not newer")
        before.append(identification)

    def _bound(self, node: Node, action: InstallTunnel, cause: Event) -> None:
        request = cause.payload if isinstance(cause, DatagramReceived) else b""
        self.demand(request[:1] == b"\x01", f"{node.name} makes a binding without a request")
        self.demand(self._authentic(request, _REQUEST), f"{node.name} binds without authentication")
        asked = address(request, 4), address(request, 12)
        self.demand(asked == (action.home_address, action.remote), "binding is not what was asked")

    def _requested(self, node: MobileHost, action: SendDatagram, causes: list[Event]) -> None:
        """At most one a second to the same attachment, but for repairs and the farewell (s3.6.3)."""
        identification = action.payload[16:24]
        if not self.net.plan.nonces:  # with them an unanswered request is repeated as it was (s3.6.3)
            self.demand(identification not in self.used[node.name], f"{node.name} repeats an Identification")
        self.used[node.name].add(identification)
        place = node.name, action.payload[12:16]
        last = self.last_request.get(place)
        allowed = _kind(causes[0]) == _REPLY or isinstance(causes[0], Stopping)
        if last is not None and not allowed:
            waited = self.net.time - last
            self.demand(waited >= _SECOND, f"{node.name} asks again after {waited / 1e6:.1f} ms")
        self.last_request[place] = self.net.time

    def _told(self, node: MobileHost, action: Noted, causes: list[Event]) -> None:
        if action.reason in (*_MOVES, Reason.REGISTERING_BESIDE) and (
            action.reason,
            action.fields,
        ) != self.last_move.get(node.name):
            for place in [place for place in self.last_request if place[0] == node.name]:
                del self.last_request[place]
            self.last_move[node.name] = action.reason, action.fields
        failed = isinstance(causes[-1], ActionFailed)
        if failed:
            self.unsettled.add(node.name)
        elif action.reason in _MOVES or action.reason is Reason.DISCONNECTED:
            self.unsettled.discard(node.name)
        if action.reason in _ACCEPTED:
            reply = causes[0]
            assert isinstance(reply, DatagramReceived)
            self.demand(self._authentic(reply.payload, _REPLY), f"{node.name} believes a reply not signed")

    def _authentic(self, payload: bytes, kind: int) -> bool:
        """Only messages whose authentication follows the fixed part are sent here. Written anew on purpose."""
        end = _FIXED[kind] + 6
        association = self.net.keys.get(address(payload, 4))
        head = bytes((32, 20)) + SPI.to_bytes(4)
        if association is None or len(payload) < end + 16 or payload[end - 6 : end] != head:
            return False
        key = association.key.reveal()
        covered = payload[:end]
        if association.algorithm is Algorithm.HMAC_MD5:
            return hmac.new(key, covered, hashlib.md5).digest() == payload[end : end + 16]
        return hashlib.md5(key + covered + key).digest() == payload[end : end + 16]

    # ---- afterwards

    def settled(self, node: Node, event: Event) -> None:
        if isinstance(event, Tick) and node.wake is not None:
            self.demand(node.wake > self.net.time, node.name, "still has a deadline in the past")
        if isinstance(node, AgentHost):
            if node.machine.home is not None:
                self._home(node.machine.home, node.kernel)
            if node.machine.foreign is not None:
                self._foreign(node.machine.foreign, node.kernel)
        elif isinstance(node, MobileHost) and node.name not in self.unsettled:
            self._mobile(node)

    def _home(self, home: HomeAgent, kernel: Kernel) -> None:
        bindings = {(binding.home_address, binding.care_of_address): binding for binding in home.bindings}
        tunnels = {
            (key[0], remote): one
            for key, ends in kernel.tunnels.items()
            for remote, one in ends.items()
            if key[1] is TunnelSide.HOME
        }
        self.demand(bindings.keys() == tunnels.keys(), "bindings and tunnels", set(bindings), set(tunnels))
        most = self.net.plan.max_simultaneous
        nodes = Counter(home_address for home_address, _ in bindings)
        self.demand(max(nodes.values(), default=0) <= most, "too many bindings", nodes)
        physical = set() if self.net.plan.virtual else set(nodes)
        self.demand(kernel.binding_routes == physical, "binding routes", kernel.binding_routes, physical)
        self.demand(set(kernel.proxies) == physical, "proxies", set(kernel.proxies), physical)
        for key, binding in bindings.items():
            same = tunnels[key].reverse == binding.reverse_tunnel
            self.demand(same, "tunnel of another binding", tunnels[key], binding)
        expiries = [binding.expires for binding in bindings.values() if binding.expires is not None]
        self.demand(home.next_deadline() == min(expiries, default=None), "deadline of no binding")

    def _foreign(self, foreign: ForeignAgent, kernel: Kernel) -> None:
        visitors = {one.home_address: one for one in foreign.visitors.visitors if not one.co_located}
        tunnels = {key[0]: one for key, one in kernel.tunnels.items() if key[1] is TunnelSide.CARE_OF}
        self.demand(all(len(ends) == 1 for ends in tunnels.values()), "two tunnels of a visitor", tunnels)
        self.demand(visitors.keys() == tunnels.keys(), "visitors and tunnels", set(visitors), set(tunnels))
        routes = {one.home_address: one.interface for one in visitors.values()}
        self.demand(kernel.visitor_routes == routes, "visitor routes", kernel.visitor_routes, routes)
        neighbours = {(one.home_address, one.interface): one.link_address for one in visitors.values()}
        self.demand(kernel.neighbours == neighbours, "neighbours", kernel.neighbours, neighbours)
        rules = {(one.home_address, one.interface) for one in visitors.values() if one.reverse_tunnel}
        self.demand(kernel.reverse_rules == rules, "reverse rules", kernel.reverse_rules, rules)
        known = [one.expires for one in foreign.visitors.pending]
        known += [one.expires for one in foreign.visitors.visitors if one.expires is not None]
        self.demand(foreign.next_deadline() == min(known, default=None), "deadline of no visitor")

    def _mobile(self, node: MobileHost) -> None:
        attachment, kernel = node.machine.attachment, node.kernel
        home = node.home.ip
        at_home = {attachment.interface} if isinstance(attachment, AtHome) else set()
        self.demand(set(kernel.home) == at_home, node.name, "answers ARP on", set(kernel.home))
        tunnel = kernel.tunnel(home, TunnelSide.CARE_OF)
        if isinstance(attachment, CoLocated) and node.machine.home_agent != HOME_AGENT:
            return  # towards whom?
        self.demand(
            (tunnel is not None) == isinstance(attachment, CoLocated), node.name, "has tunnel", tunnel
        )
        if isinstance(attachment, CoLocated) and tunnel is not None:
            self.demand(
                tunnel.local == attachment.care_of_address, "tunnel of another attachment", tunnel, attachment
            )
        away = isinstance(attachment, CoLocated | ThroughAgent)
        self.demand((kernel.way_out is not None) == away, node.name, "routes by", kernel.way_out)


def _kind(event: Event) -> int | None:
    return event.payload[0] if isinstance(event, DatagramReceived) and event.payload else None
