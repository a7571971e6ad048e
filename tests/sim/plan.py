"""What may differ between two internets, and how chance fills it in."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from mobileip.control.core.encapsulations import EVERY, ONLY_IPIP, Encapsulations
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.security import Algorithm
from mobileip.control.types import EncapsulationType

GRE, MINIMAL = EncapsulationType.GRE, EncapsulationType.MINIMAL


@dataclass(frozen=True, slots=True)
class Plan:
    """The default is the simplest internet. Times in seconds; ``skews`` are the mobile nodes' clock errors.

    ``homes`` names the home agent of each home network, ``virtual`` the networks without a physical link. Mobile nodes
    are spread over the networks in turn. Of mobile nodes, by number: ``wrong_keys`` never have the right one, ``named``
    have a NAI and no home address, ``known_to_agent`` share a key with foreign agent fa2.
    """

    mobiles: int = 1
    homes: tuple[str, ...] = ("ha",)
    virtual: frozenset[int] = frozenset()
    skews: tuple[float, ...] = (0.0,)
    lifetime: int = 10
    home_max_lifetime: int = 60
    foreign_max_lifetime: int = 60
    advertised_lifetime: int | None = None  # None: the foreign agent says what it means
    reverse_tunnel: bool = True
    home_policy: ReverseTunnelPolicy = ReverseTunnelPolicy.OPTIONAL
    foreign_policy: ReverseTunnelPolicy = ReverseTunnelPolicy.OPTIONAL
    co_located: bool = True
    home_serves_visitors: bool = False  # ha is a foreign agent too, on visited link 0
    algorithm: Algorithm = Algorithm.HMAC_MD5
    nonces: bool = False
    wrong_keys: frozenset[int] = frozenset()
    named: frozenset[int] = frozenset()
    known_to_agent: frozenset[int] = frozenset()
    foreign_home: bool = False  # fa1 shares a key with each home agent
    interval: float = 1.0  # of advertisements
    max_visitors: int = 100
    interfaces: tuple[str, ...] = ("eth0",)
    hold_down: float = 0.0
    simultaneous: bool = False
    max_simultaneous: int = 1  # bindings of one node at its home agent
    discover: bool = False  # mobile nodes do not know their home agent
    required: bool = False  # foreign agents set the R bit
    broadcasts: bool = False  # mobile nodes want those of home, and home agents forward them
    encapsulating: bool = False  # mobile nodes want the encapsulating delivery style
    agents_encapsulate: bool = False  # ... and foreign agents know it
    prefixes: bool = False  # agents tell the prefix lengths of their links
    wanted: tuple[EncapsulationType, ...] = ()  # by mobile nodes, the best first
    elsewhere: bool = False  # home agents have to ask for the keys of nodes
    encapsulations: Encapsulations = EVERY  # of home agents, and of fa1; fa2 has IP-in-IP only
    challenges: bool = False  # foreign agents set them, mobile nodes answer (RFC 4721)


def random_plan(rng: Random) -> Plan:
    mobiles = rng.choice((1, 1, 2, 2, 3))
    homes = rng.choice((("ha",), ("ha",), ("ha",), ("ha", "ha"), ("ha", "hb")))
    virtual = frozenset(number for number in range(len(homes)) if rng.random() < 0.2)
    serves = rng.random() < 0.3
    max_visitors = rng.choice((100, 100, 100, 1))
    home_policy, foreign_policy = rng.choice(_POLICIES)
    discover = rng.random() < 0.2
    some = [frozenset(number for number in range(mobiles) if rng.random() < share) for share in (0.2, 0.2)]
    return Plan(
        mobiles=mobiles,
        homes=homes,
        virtual=virtual,
        skews=tuple(rng.choice((0.0, 0.0, 2.5, -5.0, 3600.0, -86400.0)) for _ in range(mobiles)),
        lifetime=rng.choice((3, 5, 8)),
        home_max_lifetime=rng.choice((4, 60)),
        foreign_max_lifetime=rng.choice((4, 60)),
        advertised_lifetime=rng.choice((None, None, 60)),
        reverse_tunnel=rng.random() < 0.8,
        home_policy=home_policy,
        foreign_policy=foreign_policy,
        co_located=max_visitors < mobiles or rng.random() < 0.9,
        home_serves_visitors=serves,
        algorithm=rng.choice(tuple(Algorithm)),
        nonces=rng.random() < 0.2,
        wrong_keys=frozenset({0}) if mobiles > 1 and rng.random() < 0.2 else frozenset(),
        named=frozenset() if discover else some[0],
        known_to_agent=some[1],
        foreign_home=rng.random() < 0.2,
        interval=rng.choice((1.0, 2.0, 4.0)),
        max_visitors=max_visitors,
        interfaces=rng.choice((("eth0",), ("eth0", "eth1"))),
        hold_down=rng.choice((0.0, 0.5, 2.0)),
        simultaneous=rng.random() < 0.5,
        max_simultaneous=rng.choice((1, 2, 3)),
        discover=discover,
        required=rng.random() < 0.3,
        broadcasts=rng.random() < 0.3,
        encapsulating=rng.random() < 0.3,
        agents_encapsulate=rng.random() < 0.5,
        prefixes=rng.random() < 0.2,
        wanted=rng.choice(((), (GRE,), (MINIMAL,), (GRE, MINIMAL), (MINIMAL, GRE))),
        encapsulations=rng.choice((EVERY, EVERY, ONLY_IPIP, ONLY_IPIP | {MINIMAL})),
        elsewhere=rng.random() < 0.3,
        challenges=rng.random() < 0.3,
    )


# Of home and foreign agents; those left out leave a node no way to be served through an agent.
_POLICIES = (
    *[(ReverseTunnelPolicy.OPTIONAL, ReverseTunnelPolicy.OPTIONAL)] * 8,
    (ReverseTunnelPolicy.OPTIONAL, ReverseTunnelPolicy.REQUIRED),
    (ReverseTunnelPolicy.OPTIONAL, ReverseTunnelPolicy.UNAVAILABLE),
    (ReverseTunnelPolicy.REQUIRED, ReverseTunnelPolicy.OPTIONAL),
    (ReverseTunnelPolicy.UNAVAILABLE, ReverseTunnelPolicy.OPTIONAL),
)
