"""The home agent's associations with nodes: configured ones, and those that others keep (RFC 5944 s1.6, s3.8.2.1 a).

A request whose association is not here waits while the sources of keys are asked (:class:`LookupKey`); everything else
goes on. All that a stranger can cause is bounded: requests that wait, questions at a time and a second, in all and by
sender, and what is remembered of unknown peers. One question about a peer is asked at a time, and what waits for its
answer is the latest request; a node whose request gave way to another repeats it, and its key is here by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.core.actions import Action, LookupKey, Noted
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.core.events import DatagramReceived, KeysFound, KeysUnavailable, KeysUnknown
from mobileip.control.core.limits import TokenBucket
from mobileip.control.core.questions import LONGEST_WAITING, Questions, Waiting
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, chosen
from mobileip.control.types import Instant, Spi, seconds
from mobileip.control.wire import RegistrationRequest

REREAD_INTERVAL: Final = seconds(10)
"""How often a wrong authenticator or SPI of one peer may have its associations read again before their time."""
_MOST_UNKNOWN: Final = 16_384  # peers
_MOST_OF_ONE: Final = 16  # associations that a peer's source tells one by one
_ANY: Final = 0  # no SPI of an association (s1.6): every one
_REREAD_PART: Final = 10  # of the rate: so that wrong authenticators cannot use up what newcomers need

_Key = int | str  # an address as a number, or a normalised NAI


class AskedBy(Enum):
    """What stands for a node where others keep its key; the value is its name in configuration files."""

    AUTO = "auto"  # the home address, unless it is from a pool, where it is lent to a name
    NAI = "nai"  # the name, where the request has one
    HOME_ADDRESS = "home-address"  # the home address, unless it is lent to a name already


@dataclass(frozen=True, slots=True)
class KeySettings:
    """How sources of keys are asked, and how long their answers count; lengths of time in seconds.

    ``lifetime``: associations whose source says nothing of it. ``stale``: how much longer they are used when no source
    can be asked; every ``retry`` it is tried again. ``unknown``: a peer that all sources deny. ``max_known`` peers are
    kept; ``max_questions`` are under way at a time, ``rate`` new ones begin in a second. ``asked_by`` says what
    stands for a node in questions. ``configured_first``: nodes that are configured are asked for nowhere; else the
    configuration is one of the sources, behind others.
    """

    lifetime: float = 3600.0
    stale: float = 86_400.0
    retry: float = 30.0
    unknown: float = 60.0
    max_known: int = 100_000
    max_questions: int = 256
    rate: int = 1000
    asked_by: AskedBy = AskedBy.AUTO
    configured_first: bool = True


@dataclass(slots=True)
class Known:
    """What a source said of a peer; ``home_address`` is the one that it has given to a peer with a name.

    ``read``, ``expiry``, ``last_use``: mono ns when it was said, when it is to be asked for anew, and from when it is
    void.
    """

    associations: tuple[MobilitySecurityAssociation, ...]
    source: str
    read: int
    expiry: int
    last_use: int
    home_address: IPv4Address | None = None


class KeyRing:
    """Finds as an :class:`AssociationTable` does; a peer of that table is never asked for elsewhere."""

    def __init__(self, configured: AssociationTable, settings: KeySettings | None) -> None:
        self._known: dict[_Key, Known] = {}  # the one read longest ago first
        self._stale: dict[_Key, Known] = {}  # to be asked for again before they are used
        self._deadlines: Deadlines[_Key] = Deadlines()  # of both
        self._unknown: dict[tuple[_Key, int], int] = {}  # peer and SPI until when (mono); the oldest first
        self._questions: Questions[_Key, int] = Questions(0, 1)
        self._settings: KeySettings | None = None
        self._take(configured, settings)

    def _take(self, configured: AssociationTable, settings: KeySettings | None) -> None:
        self._configured = configured if settings is None or settings.configured_first else AssociationTable()
        if settings is not None and settings != self._settings:
            again = max(1, settings.rate // _REREAD_PART)
            self._questions.limit(settings.max_questions, settings.rate)
            self._again = TokenBucket(again, again)
        self._settings = settings

    def reconfigure(self, configured: AssociationTable, settings: KeySettings | None) -> None:
        """Other configured nodes. What was learnt is asked for anew before it is used: sources may be others too.

        Questions that are under way stay so: whoever asks the sources has to answer them all.
        """
        self._take(configured, settings)
        self._unknown.clear()
        if settings is None:
            for key in (*self._known, *self._stale):
                self._deadlines.cancel(key)
            self._known.clear()
            self._stale.clear()
        for key in [key for key in (*self._known, *self._stale) if self._is_configured(key)]:
            self._forget(key)
        for key, known in self._known.items():
            self._stale[key] = known
            self._deadlines.set(key, known.last_use)
        self._known.clear()

    # ---- finding

    @property
    def asks(self) -> bool:
        """Whether there are sources to ask."""
        return self._settings is not None

    def find(self, peer: IPv4Address | str, spi: Spi) -> MobilitySecurityAssociation | None:
        """The association by which a message from ``peer`` (its address or normalised NAI) is verified."""
        if isinstance(peer, IPv4Address):
            return self.at(int(peer), spi)
        return self._configured.find(peer, spi) or self._learned(peer, spi)

    def at(self, number: int, spi: int) -> MobilitySecurityAssociation | None:
        """As :meth:`find`, by an address as a number."""
        return self._configured.at(number, spi) or self._learned(number, spi)

    def _learned(self, key: _Key, spi: int) -> MobilitySecurityAssociation | None:
        known = self._known.get(key)
        return None if known is None else chosen(spi, known.associations)

    def address_of(self, name: str) -> IPv4Address | None:
        """The home address that a source has given to a normalised NAI."""
        known = self._known.get(name)
        return None if known is None else known.home_address

    def has_learned(self, number: int) -> bool:
        """Whether the associations of an address come from a source, so that they may be others by now."""
        return number in self._known

    def is_unknown(self, key: _Key, spi: int, mono: int) -> bool:
        """Whether every source has denied a peer that we do not know, an address as a number, a short while ago."""
        if key in self._known:
            return False
        return any(self._unknown.get((key, one), mono) > mono for one in (spi, _ANY))

    def learned(self) -> Iterator[tuple[IPv4Address | str, Known, bool]]:
        """Peers, what their sources said, and whether it is asked for anew before it is used."""
        for stale, of_peer in ((False, self._known), (True, self._stale)):
            for key, known in of_peer.items():
                yield key if isinstance(key, str) else IPv4Address(key), known, stale

    # ---- asking

    def ask(
        self,
        peer: IPv4Address | str,
        spi: Spi,
        request: RegistrationRequest,
        datagram: DatagramReceived,
        now: Instant,
    ) -> list[Action] | None:
        """Have ``request`` wait for the associations of ``peer``, which lack that of ``spi`` or have a wrong one.

        ``None``: nothing better is to be had; go on with what is here.
        """
        key = _key(peer)
        if self._settings is None or self._is_configured(key) or self._is_answered(key, spi, now.mono):
            return None
        waiting = Waiting(request, datagram, now)
        sender = int(datagram.source.address)
        asked = key in self._questions
        if len(request.raw) > LONGEST_WAITING or not (asked or self._may_ask(key, sender, now.mono)):
            return [Noted(Reason.KEY_LOOKUPS_LIMITED, {"peer": peer, "sender": datagram.source})]
        if asked:
            self._questions.replace(key, waiting)
            return []
        self._questions.begin(key, sender, waiting)
        return [LookupKey(peer, spi)]

    def _is_answered(self, key: _Key, spi: int, mono: int) -> bool:
        """Whether what is known of the peer is too new to be doubted."""
        known = self._known.get(key)
        if known is not None:
            return known.read + REREAD_INTERVAL > mono
        return self.is_unknown(key, spi, mono)

    def _may_ask(self, key: _Key, sender: int, mono: int) -> bool:
        if key in self._stale:  # it was a peer of ours: such a one is asked for once in its lifetime
            return self._questions.has_place(sender, known=True)
        if not self._questions.has_place(sender):
            return False
        return self._again.take(mono) if key in self._known else self._questions.in_time(sender, mono)

    def _is_configured(self, key: _Key) -> bool:
        return self._configured.preferred(key if isinstance(key, str) else IPv4Address(key)) is not None

    # ---- answers

    def answer(self, event: KeysFound | KeysUnknown | KeysUnavailable, now: Instant) -> Waiting | None:
        """Take in what a source says; the request that waited for it, to be checked from the beginning.

        ``None``: none waits, or nothing that it could be checked with is here.
        """
        key = _key(event.peer)
        settings, waiting = self._settings, self._questions.end(key)
        if settings is None or self._is_configured(key):
            return waiting
        match event:
            case KeysFound():
                self._learn(key, event, settings, now.mono)
            case KeysUnknown():
                self._unlearn(key, event.spi, now.mono)
                denied = (key, event.spi or _ANY)
                self._unknown.pop(denied, None)
                self._unknown[denied] = now.mono + seconds(settings.unknown)
                if len(self._unknown) > _MOST_UNKNOWN:
                    del self._unknown[next(iter(self._unknown))]
            case KeysUnavailable():
                if not self._revive(key, settings, now.mono):
                    return None
        return waiting

    def _learn(self, key: _Key, event: KeysFound, settings: KeySettings, mono: int) -> None:
        lifetime = settings.lifetime if event.lifetime_s is None else event.lifetime_s
        associations, expiry = event.associations, mono + seconds(lifetime)
        before = self._known.get(key)
        if event.spi is not None and before is not None and before.source == event.source:
            # Nobody asked for the others: they stay as long as they would.
            others = tuple(one for one in before.associations if one.spi != event.spi)
            associations = (*associations, *others)[:_MOST_OF_ONE]
            expiry = min(expiry, before.expiry)
        self._forget(key)
        for one in (*(one.spi for one in associations), _ANY):
            self._unknown.pop((key, one), None)
        last_use = expiry + seconds(settings.stale)
        self._known[key] = Known(associations, event.source, mono, expiry, last_use, event.home_address)
        self._deadlines.set(key, expiry)
        if len(self._known) + len(self._stale) > settings.max_known:
            self._forget(next(iter(self._stale or self._known)))

    def _revive(self, key: _Key, settings: KeySettings, mono: int) -> bool:
        """Nobody can be asked: go on for a while with what is here. Whether there is anything."""
        known = self._known.get(key)
        if known is None:
            known = self._stale.pop(key, None)
            if known is None:
                return False
            self._known[key] = known
            self._deadlines.set(key, min(mono + seconds(settings.retry), known.last_use))
        known.read = mono
        return True

    def _unlearn(self, key: _Key, spi: Spi | None, mono: int) -> None:
        """Sources deny a peer, or one association of it: a stranger's wrong SPI must not cost it the others."""
        known = self._known.get(key) or self._stale.get(key)
        if known is not None and spi is not None:
            known.associations = tuple(one for one in known.associations if one.spi != spi)
            known.read = mono
        if known is None or spi is None or not known.associations:
            self._forget(key)

    def _forget(self, key: _Key) -> None:
        self._known.pop(key, None)
        self._stale.pop(key, None)
        self._deadlines.cancel(key)

    # ---- time

    def on_tick(self, now: Instant) -> None:
        for key in self._deadlines.due(now.mono):
            known = self._known.pop(key, None)
            if known is not None and known.last_use > now.mono:
                self._stale[key] = known
                self._deadlines.set(key, known.last_use)
            else:
                self._stale.pop(key, None)

    def next_deadline(self) -> int | None:
        return self._deadlines.next()


def said(event: KeysFound | KeysUnknown | KeysUnavailable) -> tuple[Reason, dict[str, object]]:
    """An answer, for the log; never of keys."""
    match event:
        case KeysFound():
            spis = " ".join(str(one.spi) for one in event.associations)
            return Reason.KEYS_FOUND, {"peer": event.peer, "source": event.source, "spi": spis}
        case KeysUnknown():
            return Reason.KEYS_UNKNOWN, {"peer": event.peer}
        case KeysUnavailable():
            return Reason.KEYS_UNAVAILABLE, {"peer": event.peer, "error": event.why}


def _key(peer: IPv4Address | str) -> _Key:
    return peer if isinstance(peer, str) else int(peer)
