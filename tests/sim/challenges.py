"""What a foreign agent may do with challenges, seen from outside (RFC 4721 s3.2): the machines are not asked."""

from __future__ import annotations

from collections import Counter, defaultdict

from tests.sim.signatures import FOREIGN_ERROR, behind, challenge_in, challenges_told, name_in

Daemon = tuple[str, int]
"""Name and incarnation: one that starts again has told nothing."""
_Use = tuple[bytes | str, bytes, bytes]  # who asks which home agent by which challenge


class Challenges:
    """Of all foreign agents."""

    def __init__(self) -> None:
        self._told: defaultdict[Daemon, set[bytes]] = defaultdict(set)
        self._relayed: dict[tuple[Daemon, bytes], _Use] = {}  # by the low half of the Identification
        self._waiting: Counter[tuple[Daemon, _Use]] = Counter()
        self._used: defaultdict[Daemon, set[_Use]] = defaultdict(set)

    def advertised(self, daemon: Daemon, payload: bytes) -> None:
        self._told[daemon].update(challenges_told(payload))

    def relays(self, daemon: Daemon, payload: bytes) -> str | None:
        """A request as it came, that is sent on: what is wrong with that."""
        challenge = challenge_in(payload)
        if challenge is None:
            return "sends on a request without a challenge"
        use = name_in(payload) or payload[4:8], payload[8:12], challenge
        if challenge not in self._told[daemon]:
            return "takes a challenge that it has not told"
        if use in self._used[daemon] and not self._waiting[daemon, use]:
            return "takes a challenge twice"
        self._relayed[daemon, payload[20:24]] = use
        self._waiting[daemon, use] += 1
        return None

    def replies(self, daemon: Daemon, payload: bytes) -> str | None:
        """To a node: a denial of its own, or what a home agent said."""
        challenge = challenge_in(payload)
        if challenge is None:
            return "replies without a challenge"
        use = self._relayed.get((daemon, payload[16:20]))
        if use is not None:
            self._waiting[daemon, use] -= 1
            if payload[1] <= 8 and FOREIGN_ERROR not in behind(payload):
                self._used[daemon].add(use)
                if challenge == use[2]:
                    return "tells a challenge that was used"
        self._told[daemon].add(challenge)
        return None
