"""Who holds which key. Each pair of nodes has a sequence of keys; each end is told of a new one in its own time."""

from __future__ import annotations

from collections import defaultdict

from mobileip.control.security import (
    Algorithm,
    MobilitySecurityAssociation,
    ReplayMethod,
    Secret,
)
from mobileip.control.types import Spi

WRONG = -1
"""The generation of a key that only one end has."""

Pair = tuple[str, str]
"""Names of two hosts, as ``("mn0", "ha")``."""


class Keys:
    """Keys are counted in generations: every second one takes a new SPI, the others replace the key of an SPI."""

    def __init__(self, algorithm: Algorithm, nonces: bool) -> None:
        self._algorithm = algorithm
        self._nonces = nonces
        self._held: dict[tuple[Pair, str], tuple[int, ...]] = {}
        self._methods: defaultdict[Pair, set[ReplayMethod]] = defaultdict(set)
        self._made: dict[tuple[Pair, int], MobilitySecurityAssociation] = {}

    def agree(self, pair: Pair, *, wrong: bool = False) -> None:
        """The first key, at both ends; ``wrong``: the first of ``pair`` mistyped it."""
        self._held[pair, pair[0]] = (WRONG,) if wrong else (0,)
        self._held[pair, pair[1]] = (0,)
        self._methods[pair].add(self._association(pair, 0).replay)

    def shares(self, pair: Pair) -> bool:
        return (pair, pair[0]) in self._held

    def changed_method(self, pair: Pair) -> bool:
        """Whether its keys have not all had the same replay protection."""
        return len(self._methods[pair]) > 1

    @property
    def pairs(self) -> list[Pair]:
        return sorted({pair for pair, _ in self._held})

    def change(self, pair: Pair, holder: str, generation: int, *, beside: bool) -> None:
        """``holder`` signs with that generation from now on; ``beside``: it takes messages by the one before too."""
        before = self._held[pair, holder]
        if WRONG in before:
            return
        kept = [one for one in before if beside and self._spi(one) != self._spi(generation)]
        self._held[pair, holder] = (generation, *kept[:1])
        self._methods[pair].add(self._association(pair, generation).replay)

    def settle(self, pair: Pair) -> None:
        """The operator is done: both ends have the newest key and no other."""
        newest = max(self._held[pair, holder][0] for holder in pair)
        for holder in pair:
            self.change(pair, holder, newest, beside=False)

    def held(self, pair: Pair, holder: str) -> list[MobilitySecurityAssociation]:
        """What ``holder`` has for the pair, the one it signs with first."""
        return [self._association(pair, one) for one in self._held[pair, holder]]

    @staticmethod
    def _spi(generation: int) -> int:
        return 256 + generation // 2

    def _association(self, pair: Pair, generation: int) -> MobilitySecurityAssociation:
        made = self._made.get((pair, generation))
        if made is None:
            count = max(generation, 0)
            algorithms = sorted(Algorithm, key=lambda one: one is not self._algorithm)
            nonces = self._nonces ^ (count % 3 == 2)  # another method comes with another key
            made = MobilitySecurityAssociation(
                Spi(self._spi(count)),
                Secret(f"key {generation} of {pair}".encode()),
                algorithms[count % 2],
                replay=ReplayMethod.NONCES if nonces else ReplayMethod.TIMESTAMPS,
            )
            self._made[pair, generation] = made
        return made
