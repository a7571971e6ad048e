"""Short ways through the home agent's checks (RFC 5944 s3.8.2), for what it hears most.

A mobile node that stays where it is asks for the same again and again: the request differs from the one before in its
Identification and its authenticator. When the one before was looked at in full, these two are all that is left to be
checked; the rest of s3.8.2.1 would come out as it did, the reply is the same but for the Identification, and in the
data plane there is the tunnel already.

An attacker sends requests of nodes that do not exist, with wrong authenticators, or recorded long ago. What comes of
them is known after the first three checks.

Each short way leads where the long one in :mod:`~mobileip.control.core.home` does, to the last byte and field, and
whatever is the least bit out of the ordinary takes the long one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.core.actions import Action, Noted, SendDatagram
from mobileip.control.core.bindings import BindingList, Row, binding_at_rest, describe
from mobileip.control.core.denials import DenialLimits
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.keyring import KeyRing
from mobileip.control.core.nodes import HomeAgentSettings, Nodes
from mobileip.control.core.replay import ReplayGuard
from mobileip.control.reasons import Reason
from mobileip.control.security import (
    MobilitySecurityAssociation,
    ReplayMethod,
    digest,
    is_authentic,
    resynchronise,
)
from mobileip.control.types import Identification, Instant, seconds
from mobileip.control.wire import RegistrationRequest, plain

_HOUR: Final = seconds(3600)
_ACCEPTED: Final = {
    int(reason.info.code or 0): reason for reason in (Reason.REGISTERED, Reason.REGISTERED_NO_SIMULTANEOUS)
}


class Shortcuts:
    """Works on the parts of a home agent.

    What the checks of a renewal depend on besides the request is the configuration. Each change of it opens another
    *period*, and so does each hour, by which what nobody told us of (a route with another MTU) is found out in the end.
    A binding remembers the period in which its node was last looked at in full.
    """

    def __init__(
        self,
        settings: HomeAgentSettings,
        keys: KeyRing,
        nodes: Nodes,
        bindings: BindingList,
        replay: ReplayGuard,
        limits: DenialLimits,
    ) -> None:
        self._keys = keys
        self._nodes = nodes
        self._bindings = bindings
        self._replay = replay
        self._limits = limits
        self._changes = 0
        self.reconfigure(settings)

    def reconfigure(self, settings: HomeAgentSettings) -> None:
        self._associations = self._keys if self._keys.asks else settings.associations
        self._foreign_agents = settings.foreign_agents or None
        self._address = int(settings.address)
        self._by_interface = settings.filters.by_interface
        self.look_again()

    def look_again(self) -> None:
        """Something else is different now: one renewal of each node goes the long way."""
        self._changes += 1

    def period(self, now: Instant) -> int:
        """The present one; never 0."""
        return self._changes << 32 | now.mono // _HOUR

    def look(self, request: RegistrationRequest, now: Instant) -> int:
        """For the binding of a request that is accepted: the period, or 0 if another like it cannot go the short way:
        with a name in it (RFC 2794), or filters that ask where it comes in, there is more to it than what is compared.
        """
        usual = plain.split(request.raw) is not None and not self._by_interface
        return self.period(now) if usual else 0

    def answer(self, datagram: DatagramReceived, now: Instant) -> list[Action] | None:
        """What is to be done about a message; ``None``, with nothing changed: ask the long way."""
        parts = plain.split(datagram.payload)
        if parts is None or not self._is_usual(datagram):
            return None
        asked, identification, spi, authenticator = parts
        number = int.from_bytes(asked[plain.HOME_ADDRESS])
        association = self._associations.at(number, spi)
        if association is None:
            return self._unknown(datagram, number, spi, now)
        if association.is_lenient:
            return None  # who is meant is not said by SPI and algorithm alone
        if int(datagram.source.address) == number:
            return None  # at home, the reply goes to the link-layer address (s3.8.3.1)
        request = _Plain(datagram, asked, number, identification, spi, association)
        if not is_authentic(association, datagram.payload[: plain.COVERED], authenticator):
            if self._keys.has_learned(number) or association.algorithm.length != plain.AUTHENTICATOR:
                return None  # the key may be another by now; the denial has another form
            return self._forged(request, now)
        if association.replay is not ReplayMethod.TIMESTAMPS:
            return None
        if not self._replay.is_newer(number, association, identification, now):
            return self._stale(request, now)
        row = self._bindings.row(number)
        return self._renew(request, row, now) if row and self._is_renewal(request, row, now) else None

    def _is_usual(self, datagram: DatagramReceived) -> bool:
        """Asked of our own address, from one that can be answered, and no foreign agent's that we share a key with."""
        source = datagram.source.address
        return (
            int(datagram.destination.address) == self._address
            and int(source) != 0
            and (self._foreign_agents is None or self._foreign_agents.preferred(source) is None)
        )

    # ---- renewals

    def _is_renewal(self, request: _Plain, row: Row, now: Instant) -> bool:
        before, _, _, _, _, address, port, _, _, look = row
        source = request.datagram.source
        return (
            request.asked == before
            and look == self.period(now)
            and int(source.address) == address
            and source.port == port
        )

    def _renew(self, request: _Plain, row: Row, now: Instant) -> list[Action]:
        _, _, lifetime, _, _, _, _, _, code, _ = row
        self._replay.renew(request.number, request.identification)
        self._bindings.renew(request.number, row, request.identification, now)
        reply = request.reply(code, lifetime, request.identification)
        return [reply, Noted(_ACCEPTED[code], _Renewed(request.number, row))]

    # ---- refusals

    def _unknown(
        self, datagram: DatagramReceived, number: int, spi: int, now: Instant
    ) -> list[Action] | None:
        home_address = IPv4Address(number)
        if self._nodes.pool.holder(home_address) is not None:
            return None  # known by its name, which it may leave out once it has an address
        if self._keys.asks and not self._keys.is_unknown(number, spi, now.mono):
            return None  # to be asked for
        fields = {"home_address": home_address, "source": datagram.source, "spi": spi}
        return [Noted(Reason.UNKNOWN_ASSOCIATION, fields)]

    def _forged(self, request: _Plain, now: Instant) -> list[Action]:
        reason = Reason.MN_FAILED_AUTHENTICATION
        if self._limits.allows_unauthenticated(int(request.datagram.source.address), now.mono):
            return request.denial(reason, request.identification)
        return request.silence(reason)

    def _stale(self, request: _Plain, now: Instant) -> list[Action]:
        reason = Reason.IDENTIFICATION_MISMATCH
        if self._limits.allows_authenticated(request.number, now.mono):
            theirs = Identification.from_int(request.identification)
            return request.denial(reason, resynchronise(theirs, now.wall).to_int())
        return request.silence(reason)


@dataclass(slots=True)
class _Plain:
    """A request in its parts, of a node that we share ``association`` with by the address that is ``number``."""

    datagram: DatagramReceived
    asked: bytes
    number: int
    identification: int
    spi: int
    association: MobilitySecurityAssociation

    def reply(self, code: int, lifetime: int, identification: int) -> SendDatagram:
        ours, theirs = self.datagram.destination, self.datagram.source
        home_agent = int(ours.address)
        spi = self.association.sent_spi
        covered = plain.unsigned_reply(code, lifetime, self.number, home_agent, identification, spi)
        return SendDatagram(covered + digest(self.association, covered), ours, theirs)

    def denial(self, reason: Reason, identification: int) -> list[Action]:
        code = int(reason.info.code or 0)
        reply = self.reply(code, int.from_bytes(self.asked[plain.LIFETIME]), identification)
        care_of_address = IPv4Address(self.asked[plain.CARE_OF_ADDRESS])
        fields = self._seen() | {"care_of_address": care_of_address, "code": code, "spi": self.spi}
        return [reply, Noted(reason, fields)]

    def silence(self, cause: Reason) -> list[Action]:
        return [Noted(Reason.DENIAL_SUPPRESSED, self._seen() | {"cause": cause.label})]

    def _seen(self) -> dict[str, object]:
        return {"home_address": IPv4Address(self.number), "source": self.datagram.source}


class _Renewed(Mapping[str, object]):
    """What :func:`describe` says of a renewed binding, made when somebody reads it: hardly ever."""

    __slots__ = ("_number", "_row")

    def __init__(self, number: int, row: Row) -> None:
        self._number = number
        self._row = row

    def __getitem__(self, name: str) -> object:
        return self._fields()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields())

    def __len__(self) -> int:
        return len(self._fields())

    def _fields(self) -> dict[str, object]:
        return describe(binding_at_rest(self._number, self._row)) | {"moved": "renewed"}
