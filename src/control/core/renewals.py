"""The short way of a renewal at the home agent (RFC 5944 s3.8.2).

A mobile node that stays where it is asks for the same again and again: the request differs from the one before in its
Identification and its authenticator. When the one before was looked at in full, these two are all that is left to be
checked; the rest of s3.8.2.1 would come out as it did, the reply is the same but for the Identification, and in the
data plane there is the tunnel already. Whatever is the least bit different is none of this module's business.

What the checks depend on besides the request is the configuration. Each change of it opens another *period*, and so
does each hour, by which what nobody told us of (a route with another MTU) is found out in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from mobileip.control.core.actions import Action, Noted, SendDatagram
from mobileip.control.core.bindings import BindingList, Row, binding_at_rest, describe
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.home_replies import Asked
from mobileip.control.core.nodes import HomeAgentSettings
from mobileip.control.core.replay import ReplayGuard
from mobileip.control.reasons import Reason
from mobileip.control.security import ReplayMethod, digest, is_authentic
from mobileip.control.types import ZERO_ADDRESS, Instant, seconds
from mobileip.control.wire import plain

_HOUR: Final = seconds(3600)
_ACCEPTED: Final = {  # s3.8.3.2: code 1 says that we keep no simultaneous bindings for this node
    int(reason.info.code or 0): reason for reason in (Reason.REGISTERED, Reason.REGISTERED_NO_SIMULTANEOUS)
}


class Renewals:
    """Answers renewals of the bindings in a list, as long as each was looked at in full in the present period."""

    def __init__(self, settings: HomeAgentSettings, bindings: BindingList, replay: ReplayGuard) -> None:
        self._bindings = bindings
        self._replay = replay
        self._changes = 0
        self.reconfigure(settings)

    def reconfigure(self, settings: HomeAgentSettings) -> None:
        self._associations = settings.associations
        self._address = int(settings.address)
        self.look_again()

    def look_again(self) -> None:
        """Something else is different now: from every node one renewal goes the long way."""
        self._changes += 1

    def period(self, now: Instant) -> int:
        """Never 0."""
        return self._changes << 32 | now.mono // _HOUR

    def look(self, asked: Asked, now: Instant) -> int:
        """For the binding of a request that is accepted: the period, or 0 if its like need the long way each time.

        That is so where the request has more extensions, such as a name (RFC 2794), where the reply is signed to a
        foreign agent too, and where it is broadcast because the node has no address yet.
        """
        usual = (
            plain.split(asked.request.raw) is not None
            and asked.foreign is None
            and asked.datagram.source.address != ZERO_ADDRESS
        )
        return self.period(now) if usual else 0

    def answer(
        self, request: plain.PlainRequest, datagram: DatagramReceived, now: Instant
    ) -> list[Action] | None:
        """Renew the binding and reply, or ``None`` and nothing has happened."""
        asked, timestamp, spi, authenticator = request
        number = int.from_bytes(asked[plain.HOME_ADDRESS])
        row = self._bindings.row(number)
        if row is None:
            return None
        before, _, lifetime, _, _, address, port, _, code, look = row
        source, destination = datagram.source, datagram.destination
        if (
            asked != before
            or look != self.period(now)
            or int(source.address) != address
            or source.port != port
            or int(destination.address) != self._address
        ):
            return None
        association = self._associations.at(number, spi)
        if (
            association is None
            or association.replay is not ReplayMethod.TIMESTAMPS
            or not is_authentic(association, datagram.payload[: plain.COVERED], authenticator)
            or not self._replay.take(number, association, timestamp, now)
        ):
            return None
        self._bindings.renew(number, row, timestamp, now)
        covered = plain.unsigned_reply(code, lifetime, asked, timestamp, spi)
        return [
            SendDatagram(covered + digest(association, covered), destination, source),
            Noted(_ACCEPTED[code], _Fields(number, row)),
        ]


class _Fields(Mapping[str, object]):
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
