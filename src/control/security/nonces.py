"""Replay protection by nonces (RFC 5944 s5.7.2): each side returns the number that the other sent last.

The high half of an Identification is the home agent's nonce, the low half the mobile node's. No clock is needed at
either end, and a home agent that restarted accepts nothing old: it knows none of the nonces it gave out before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mobileip.control.security.association import MobilitySecurityAssociation
from mobileip.control.security.authenticator import digest
from mobileip.control.types import Identification, Instant

_WORD: Final = 0xFFFF_FFFF
_REMEMBERED: Final = 8  # nonces told and not yet used


@dataclass(frozen=True, slots=True)
class Nonces:
    """Mobile node: the nonce that the home agent sent last, and our own of the last request.

    Used like :class:`~mobileip.control.security.replay.Timestamps`: ``next_identification`` for a *new* request only
    (an unanswered one is sent again byte for byte, s3.6.3), ``on_mismatch`` after a reply 133, and in addition
    ``on_reply`` after every other reply of the home agent, all of them once low half and authenticator are verified.
    Until the home agent has told one, its half is ours to choose: it answers 133 with the one to use.
    """

    theirs: int | None = None
    ours: int | None = None

    def next_identification(self, now_wall: int, entropy: int) -> tuple[Identification, Nonces]:
        """The Identification of a new request, and the value to go on with.

        ``entropy`` gives 32 random bits; ``now_wall`` is not needed and there for the sake of one signature.
        """
        ours = entropy & _WORD
        if ours == self.ours:
            ours = (ours + 1) & _WORD  # never that of the request before (s5.7)
        theirs = ours ^ _WORD if self.theirs is None else self.theirs
        return Identification(theirs, ours), Nonces(self.theirs, ours)

    def on_reply(self, reply_identification: Identification) -> Nonces:
        """Keep the nonce of an authenticated reply, whatever its code, for the next request."""
        return Nonces(reply_identification.high, self.ours)

    def on_mismatch(self, reply_identification: Identification, now_wall: int) -> Nonces:
        """As :meth:`on_reply`: a reply 133 tells the nonce to use."""
        return self.on_reply(reply_identification)


@dataclass(frozen=True, slots=True)
class IssuedNonces:
    """Home agent: the nonces that one mobile node was told and has not used, the newest last.

    More than one, since a replayed request is answered with a nonce too, and that answer must not make the one void
    that the node itself is about to use. The first that is used voids all.
    """

    unused: tuple[int, ...] = ()

    def admit(self, identification: Identification) -> bool:
        """Whether a request returns one of them."""
        return identification.high in self.unused

    def issue(self, nonce: int, *, void: bool) -> IssuedNonces:
        """With the nonce of the reply being sent; ``void`` those before, when a request was admitted by one."""
        kept = () if void else self.unused[-(_REMEMBERED - 1) :]
        return IssuedNonces((*kept, nonce))


def draw(association: MobilitySecurityAssociation, request: Identification, now: Instant) -> int:
    """A nonce for the reply to ``request``: 32 bits that nobody without the key can foretell.

    They are pseudo-random by the association's own algorithm, over the moment on both clocks and the node's own
    nonce. The first byte is that of no registration message, so the result tells nothing of an authenticator; the last
    four are where an SPI would be, which not every algorithm covers.
    """
    moment = b"nonce" + now.wall.to_bytes(8) + now.mono.to_bytes(8) + request.low.to_bytes(4) + bytes(4)
    nonce = int.from_bytes(digest(association, moment)[:4])
    return nonce ^ 1 if nonce == request.high else nonce
