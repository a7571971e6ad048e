"""When and what to advertise on each link (RFC 5944 s2.1, s2.3; RFC 1256).

One advertiser per link; a link that a home and a foreign agent share gets one advertisement with both bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from mobileip.control.core.actions import Action, Noted, SendIcmp
from mobileip.control.core.events import IcmpReceived
from mobileip.control.core.limits import TokenBucket
from mobileip.control.reasons import Reason
from mobileip.control.types import ALL_SYSTEMS, LIMITED_BROADCAST, ZERO_ADDRESS, Lifetime, seconds
from mobileip.control.wire import (
    NOT_A_DEFAULT_ROUTER,
    AdvertisedChallenge,
    AgentAdvertisement,
    AgentFlags,
    MobilityAgentAdvertisement,
    Padding,
    PrefixLengths,
    RouterAddress,
    build_icmp,
)
from mobileip.control.wire.advertisement import (
    CODE_COMMON_TRAFFIC,
    CODE_MOBILE_NODES_ONLY,
    AdvertisementExtension,
)

Entropy = Callable[[int], bytes]

_FIRST_SEQUENCE = 0
_AFTER_ROLLOVER = 256  # RFC 5944 s2.3.2: 0xffff is followed by 256, so that a reboot looks different
_ANSWERS_PER_SECOND = 50.0  # a flood of solicitations must not become a flood of advertisements
_ANSWER_BURST = 20
_INITIAL_ADVERTISEMENTS = 3  # RFC 1256 s6: so many come at most so far apart when a link comes up
_INITIAL_INTERVAL = 16.0


@dataclass(frozen=True, slots=True)
class AdvertisedLink:
    """What one link is told. ``interval`` in seconds; ``lifetime`` is how long a silent agent is believed (s).

    ``destination`` is the group or broadcast address of periodic advertisements; there are none of these with
    ``on_solicitation_only`` (s2.3), and at most ``unsolicited`` after the link has come up. With ``prefix_length`` that
    of ``address`` is told too (s2.1.2): on one subnet all agents do that, or none.
    """

    interface: str
    address: IPv4Address
    interval: float
    lifetime: int
    registration_lifetime: Lifetime
    flags: AgentFlags
    care_of_addresses: tuple[IPv4Address, ...] = ()
    default_router: bool = True
    prefix_length: int | None = None
    destination: IPv4Address = ALL_SYSTEMS
    on_solicitation_only: bool = False
    unsolicited: int | None = None


class Advertiser:
    """Sequence numbers and timing of the advertisements on one link."""

    def __init__(self, link: AdvertisedLink, entropy: Entropy) -> None:
        self.link = link
        self._entropy = entropy
        self._sequence = _FIRST_SEQUENCE
        self._answers = TokenBucket(_ANSWERS_PER_SECOND, _ANSWER_BURST)
        self._initial = _INITIAL_ADVERTISEMENTS
        self._unsolicited = 0  # sent since the link came up

    def restart(self) -> None:
        """The link is usable from now on: the first advertisements come close together (RFC 1256 s4.3)."""
        self._initial = _INITIAL_ADVERTISEMENTS
        self._unsolicited = 0

    @property
    def goes_on(self) -> bool:
        """Whether another periodic advertisement may follow."""
        limit = self.link.unsolicited
        return not self.link.on_solicitation_only and (limit is None or self._unsolicited < limit)

    def multicast(self, busy: bool, challenge: bytes | None = None) -> list[Action]:
        """The periodic advertisement, to every system on the link; ``challenge`` is what nodes answer (RFC 4721 s2)."""
        self._unsolicited += 1
        return [
            self._advertise(self.link.destination, None, busy, challenge),
            Noted(Reason.ADVERTISED, {"interface": self.link.interface}),
        ]

    def farewell(self) -> list[Action]:
        """The final advertisement: as the one before, with a lifetime of zero (RFC 1256 s4.3)."""
        final = self._advertise(self.link.destination, None, busy=False, lifetime=0)
        return [final, Noted(Reason.ADVERTISED, {"interface": self.link.interface})]

    def answer(
        self, event: IcmpReceived, mono: int, busy: bool, challenge: bytes | None = None
    ) -> list[Action]:
        """The advertisement that answers a solicitation, at once and to the solicitor alone.

        RFC 5944 s2.1: the link-layer destination is the solicitation's source, the IP destination the node's home
        address. s2.3: the source need not be a neighbour; a node without address (0.0.0.0) is reached by the limited
        broadcast address inside a unicast frame.
        """
        if not self._answers.take(mono):
            return [Noted(Reason.RATE_LIMITED, {"interface": self.link.interface, "message": "solicitation"})]
        destination = LIMITED_BROADCAST if event.source == ZERO_ADDRESS else event.source
        # Whoever broadcasts where we multicast may not hear our periodic advertisements (RFC 1256 s4.3).
        astray = event.destination == LIMITED_BROADCAST and self.link.destination.is_multicast
        reason = Reason.SOLICITED_BY_BROADCAST if astray else Reason.SOLICITED
        noted = Noted(reason, {"interface": self.link.interface, "source": event.source})
        return [self._advertise(destination, event.link_source, busy, challenge), noted]

    def next_interval(self) -> int:
        """Nanoseconds to the next periodic advertisement: within 0.75 to 1 of the interval (RFC 1256 s4.1, s4.3)."""
        fraction = int.from_bytes(self._entropy(2)) / 0xFFFF
        interval = self.link.interval * (0.75 + 0.25 * fraction)
        if self._initial > 0:
            self._initial -= 1
            interval = min(interval, _INITIAL_INTERVAL)
        return seconds(interval)

    def _advertise(
        self,
        destination: IPv4Address,
        link_destination: bytes | None,
        busy: bool,
        challenge: bytes | None = None,
        lifetime: int | None = None,
    ) -> SendIcmp:
        link = self.link
        # B only beside F: a home agent must always be prepared to serve its own (s2.1.1).
        flags = replace(link.flags, busy=busy and link.flags.foreign_agent)
        mobility = MobilityAgentAdvertisement(
            self._sequence, link.registration_lifetime, flags, link.care_of_addresses
        )
        # Everything else is of even length: the prefix length of our one address is what makes it odd (s2.1.3).
        told: tuple[AdvertisementExtension, ...] = ()
        if challenge is not None:
            told = (AdvertisedChallenge(challenge),)
        if link.prefix_length is not None:
            told += (PrefixLengths((link.prefix_length,)), Padding())
        message = AgentAdvertisement(
            lifetime=link.lifetime if lifetime is None else lifetime,
            extensions=(mobility, *told),
            router_addresses=(
                RouterAddress(link.address, 0 if link.default_router else NOT_A_DEFAULT_ROUTER),
            ),
            code=CODE_COMMON_TRAFFIC if link.default_router else CODE_MOBILE_NODES_ONLY,
        )
        self._sequence = _AFTER_ROLLOVER if self._sequence == 0xFFFF else self._sequence + 1
        return SendIcmp(build_icmp(message), link.interface, link.address, destination, link_destination)
