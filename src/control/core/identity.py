"""Who a mobile node is: what it was configured with, and what replies taught it since (RFC 5944 s3.6, s5.7).

All registrations of one node share it: its addresses, the home agent's clock or nonces, what the home agent wants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface

from mobileip.control.core.actions import MulticastWay, Noted
from mobileip.control.core.heard_challenges import HeardChallenges
from mobileip.control.reasons import Reason
from mobileip.control.security import MobilitySecurityAssociation, Nonces, ReplayMethod, Timestamps
from mobileip.control.security.mobile_aaa import MobileAaaAssociation
from mobileip.control.types import (
    NANOSECONDS,
    ZERO_ADDRESS,
    EncapsulationType,
    Identification,
    Instant,
    Lifetime,
    seconds,
)

Entropy = Callable[[int], bytes]

_JUMP = seconds(1)  # a wall clock that goes so much faster or slower than the monotonic one was set


@dataclass(frozen=True, slots=True)
class MobileNodeSettings:
    """Configuration of the mobile node. ``agent_wait``, ``hold_down``, ``solicitation_delay`` in s.

    Without ``home_address`` the node is known by its ``nai`` and is given one (RFC 2794); without ``home_agent`` it
    asks who is one on its home network (s3.6.1.2). ``interfaces``, ``agents`` and ``encapsulations`` have the preferred
    one first; IP-in-IP is asked for behind the last. ``home_agents`` share the association, and are asked when a home
    agent sends us there (RFC 4433). ``aaa`` is for an AAA server (RFC 4721).
    """

    home_address: IPv4Interface | None
    home_agent: IPv4Address | None
    association: MobilitySecurityAssociation
    interfaces: tuple[str, ...]
    lifetime: Lifetime
    home_gateway: IPv4Address | None = None
    reverse_tunnel: bool = True
    co_located: bool = True
    agent_wait: float = 0.2
    nai: str | None = None
    agents: tuple[IPv4Address, ...] = ()
    hold_down: float = 2.0
    simultaneous: bool = False
    broadcasts: bool = False
    encapsulating_delivery: bool = False
    no_router_discovery: frozenset[str] = frozenset()
    solicit_by_broadcast: frozenset[str] = frozenset()
    solicitation_delay: float = 0.0
    multicast: MulticastWay = MulticastWay.NONE
    foreign_agents: Mapping[IPv4Address, MobilitySecurityAssociation] = field(default_factory=dict)
    encapsulations: tuple[EncapsulationType, ...] = ()
    home_agents: tuple[IPv4Address, ...] = ()
    aaa: MobileAaaAssociation | None = None

    def can_answer(self, agent: IPv4Address) -> bool:
        """Whether there is something to answer a foreign agent's challenge by (RFC 4721 s3.1)."""
        return self.aaa is not None or agent in self.foreign_agents

    @property
    def fixed(self) -> tuple[object, ...]:
        """What cannot change while the node runs: its routes and its tunnel hang on it."""
        addresses = self.home_address, self.home_agent, self.home_gateway
        ways = (
            self.reverse_tunnel,
            self.broadcasts,
            self.encapsulating_delivery,
            self.encapsulations,
            self.multicast,
        )
        return *addresses, self.nai, self.interfaces, self.no_router_discovery, *ways


class Identity:
    """Mutable, because it learns."""

    def __init__(self, settings: MobileNodeSettings, entropy: Entropy) -> None:
        self._settings = settings
        self._entropy = entropy
        self._replay = _first_replay(settings)
        self._wall_ahead: int | None = None  # wall less monotonic clock when the offset was learned
        self.home = settings.home_address
        self.home_agent = settings.home_agent
        self.challenges = HeardChallenges()
        self._redirected_by: set[IPv4Address] = set()  # since the last acceptance
        self.reverse_tunnel = (
            settings.reverse_tunnel
        )  # as configured, or as the home agent wants it (137, 138)
        self.encapsulations = (
            settings.encapsulations
        )  # as configured, without what the home agent denied (139)

    def reconfigure(self, settings: MobileNodeSettings) -> None:
        """Another key, perhaps another replay method; everything else that was learned stays.

        :raises ValueError: what routes and tunnels hang on is another.
        """
        if settings.fixed != self._settings.fixed:
            raise ValueError("a mobile node's addresses, interfaces and tunnel cannot change while it runs")
        if settings.association.replay is not self._settings.association.replay:
            self._replay = _first_replay(settings)
            self._wall_ahead = None
        self._settings = settings

    @property
    def home_address(self) -> IPv4Address:
        """0.0.0.0 while we have none (s3.6.1.2)."""
        return ZERO_ADDRESS if self.home is None else self.home.ip

    @property
    def asked_home_agent(self) -> IPv4Address:
        """The home agent, or the broadcast address of the home network while it is unknown (s3.6.1.2)."""
        if self.home_agent is not None:
            return self.home_agent
        return ZERO_ADDRESS if self.home is None else self.home.network.broadcast_address

    # ---- what replies teach

    def adopt_home_address(self, address: IPv4Address) -> IPv4Interface:
        """The home agent gave us ``address``. No reply tells the prefix: it is a host's."""
        self.home = IPv4Interface(address)
        return self.home

    def forget_home_address(self) -> bool:
        """One that was assigned and is not ours any more; True if there was such a one."""
        if self._settings.home_address is not None or self.home is None:
            return False
        self.home = None
        return True

    def adopt_home_agent(self, address: IPv4Address) -> None:
        self.home_agent = address

    def forget_home_agent(self) -> bool:
        """One that a reply named and that is silent may be another by now; True if there was such a one."""
        self._redirected_by.clear()
        if self.home_agent == self._settings.home_agent:
            return False
        self.home_agent = self._settings.home_agent
        return True

    # ---- redirection (RFC 4433 s4.2)

    def follow_redirection(self, to: IPv4Address | None) -> str | None:
        """The home agent that we asked sends us ``to`` another: ask that one from now on, or say why not.

        Only one that is configured has our key and may know our home address. One that sent us away itself, since we
        were last accepted, would lead us round in a circle: then we start again from the beginning, later.
        """
        self._redirected_by.add(self.asked_home_agent)
        if to is None:
            why = "no home agent is named"
        elif to not in (self._settings.home_agent, *self._settings.home_agents):
            why = "not in mobile_node.home_agents"
        elif to in self._redirected_by:
            why = "that one sent us away too"
        else:
            self.home_agent = to
            return None
        self.forget_home_agent()
        return why

    @property
    def is_redirected(self) -> bool:
        """Whether a home agent that we were sent to is being asked and has not accepted yet."""
        return bool(self._redirected_by)

    @property
    def is_elsewhere_at_home(self) -> bool:
        """Whether at home the home agent to ask need not be the one that is heard there: none is known, or we were sent
        to another one of the same link."""
        if self.home_agent is None:
            return True
        sent = self._settings.home_agent not in (None, self.home_agent)
        return sent and self.home is not None and self.home_agent in self.home.network

    def accepted(self) -> None:
        """We stay with this home agent (RFC 4433 s5.1)."""
        self._redirected_by.clear()

    def return_to_configured(self) -> bool:
        """The home agent we were sent to is of no use any more; True if there was such a one."""
        return self._settings.home_agent is not None and self.forget_home_agent()

    def refuse_encapsulation(self, denied: EncapsulationType) -> None:
        """The home agent does not have it: it is not asked for again, wherever we go."""
        self.encapsulations = tuple(kind for kind in self.encapsulations if kind is not denied)

    # ---- Identification (s5.7)

    @property
    def clock_offset(self) -> int:
        """Nanoseconds by which the home agent's clock is ahead of ours, as far as its replies told."""
        return self._replay.offset if isinstance(self._replay, Timestamps) else 0

    @property
    def repeats_unchanged(self) -> bool:
        """With nonces an unanswered request is sent again byte for byte (s3.6.3)."""
        return isinstance(self._replay, Nonces)

    def check_clock(self, now: Instant) -> list[Noted]:
        """Drop the offset to the home agent's clock if ours was set since: it was made for the clock before."""
        replay, ahead = self._replay, self._wall_ahead
        if ahead is None or not isinstance(replay, Timestamps):
            return []
        jump = now.wall - now.mono - ahead
        if abs(jump) <= _JUMP:
            return []
        self._wall_ahead = None
        self._replay = replace(replay, offset=0)
        return [Noted(Reason.CLOCK_JUMPED, {"jump_s": round(jump / NANOSECONDS, 3)})]

    def next_identification(self, now: Instant) -> Identification:
        """For a new request."""
        draw = int.from_bytes(self._entropy(4 if isinstance(self._replay, Nonces) else 2))
        identification, self._replay = self._replay.next_identification(now.wall, draw)
        return identification

    def hear(self, identification: Identification) -> None:
        """The Identification of an authentic reply."""
        if isinstance(self._replay, Nonces):
            self._replay = self._replay.on_reply(identification)

    def resynchronise(self, identification: Identification, now: Instant) -> dict[str, object]:
        """Reply 133: follow the home agent's clock, or use the nonce it told. Returns what to say of it."""
        self._replay = self._replay.on_mismatch(identification, now.wall)
        if isinstance(self._replay, Nonces):
            return {"method": "nonces"}
        self._wall_ahead = now.wall - now.mono
        return {"method": "timestamps", "offset_s": round(self._replay.offset / NANOSECONDS, 3)}


def _first_replay(settings: MobileNodeSettings) -> Timestamps | Nonces:
    return Nonces() if settings.association.replay is ReplayMethod.NONCES else Timestamps()
