"""The mobility binding list of a home agent (RFC 5944 s3.8.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct
from typing import Final

from mobileip.control.core.actions import BroadcastDelivery
from mobileip.control.core.deadlines import Deadlines
from mobileip.control.types import (
    NANOSECONDS,
    EncapsulationType,
    Endpoint,
    GreKeys,
    Identification,
    Instant,
    Lifetime,
)
from mobileip.control.wire import plain


@dataclass(frozen=True, slots=True)
class MobilityBinding:
    """One home address bound to one care-of address until ``expires`` (monotonic ns; ``None``: infinite lifetime).

    ``relay`` is where the request came from: the foreign agent, or the node itself. ``asked`` are the request's bytes
    before its Identification; ``code`` and ``look`` are those of a :data:`Row`. ``gre_key`` is the foreign agent's
    (RFC 6245); 0: the choice is ours.
    """

    home_address: IPv4Address
    care_of_address: IPv4Address
    home_agent: IPv4Address
    identification: Identification
    lifetime: Lifetime
    registered: Instant
    reverse_tunnel: bool
    co_located: bool
    relay: Endpoint
    asked: bytes
    nai: str | None = None  # by which the node named itself (RFC 2794)
    broadcast: BroadcastDelivery = BroadcastDelivery.NONE
    encapsulation: EncapsulationType = EncapsulationType.IPIP
    gre_key: int | None = None
    code: int = 0
    look: int = 0

    @property
    def gre_keys(self) -> GreKeys | None:
        if self.gre_key is None:
            return None
        ours = gre_key_for(self.home_address)
        return GreKeys(out=self.gre_key or ours, into=ours)

    @property
    def expires(self) -> int | None:
        if self.lifetime.is_infinite:
            return None
        return self.registered.mono + self.lifetime * NANOSECONDS


Row = tuple[bytes, int, int, int, int, int, int, int, int, int]
"""A binding at rest: the request's bytes before its Identification; Identification; granted lifetime; registered,
mono and wall; address and port of the relay; bits; ``code`` of the last acceptance; ``look``, which tells when the node
was last looked at in full, 0 if each of its renewals has to be (see :mod:`~mobileip.control.core.shortcuts`)."""

_ROW: Final = Struct(f"={plain.ASKED}sQHQQIHBBQ")  # and a NAI, if there is one; 58 bytes
_DELIVERIES: Final = tuple(BroadcastDelivery)
_ENCAPSULATIONS: Final = tuple(EncapsulationType)
_REVERSE_TUNNEL, _CO_LOCATED = 1, 2  # bits of Row
_DELIVERY, _ENCAPSULATION = 2, 4  # from which bits on: two bits each
_KEYED = 1 << 6
_KEY: Final = 4  # bytes of a foreign agent's GRE key behind the row


class BindingList:
    """Bindings by home address, in the order of their registration, with their expiry.

    Nearly every node has one binding; those that asked for simultaneous ones (S bit) have a few. Keys are numbers:
    to hash an :class:`IPv4Address` takes longer than everything else here. Values are bytes, a sixth of the room that
    the objects would take: a million bindings are to fit in memory.
    """

    def __init__(self) -> None:
        self._newest: dict[int, bytes] = {}
        self._older: dict[int, tuple[bytes, ...]] = {}  # only of nodes with more than one
        self._deadlines: Deadlines[int] = Deadlines()  # of the one of a node that ends first

    def get(self, home_address: IPv4Address) -> MobilityBinding | None:
        """The newest binding of a node."""
        packed = self._newest.get(int(home_address))
        return None if packed is None else _unpack(int(home_address), packed)

    def of(self, home_address: IPv4Address) -> tuple[MobilityBinding, ...]:
        """All bindings of a node, the newest last."""
        return self._of(int(home_address))

    def row(self, number: int) -> Row | None:
        """The binding of the node with home address ``number``, if it has exactly one."""
        packed = self._newest.get(number)
        if packed is None or number in self._older:
            return None
        row: Row = _ROW.unpack_from(packed)
        return row

    def relayed(self, number: int, address: int, port: int) -> bool:
        """Whether a binding of the node with home address ``number`` was asked for from there."""
        newest = self._newest.get(number)
        if newest is None:
            return False
        rows = (newest, *self._older[number]) if number in self._older else (newest,)
        return any(_ROW.unpack_from(packed)[5:7] == (address, port) for packed in rows)

    @property
    def nodes(self) -> int:
        """How many home addresses are bound."""
        return len(self._newest)

    def put(self, binding: MobilityBinding, *, beside: bool = False) -> None:
        """Insert in place of all bindings of the node, or ``beside`` those with other care-of addresses."""
        number = int(binding.home_address)
        others = self._others(number, binding.care_of_address) if beside else ()
        if others or number in self._older:
            self._set(number, (*others, binding))
            return
        self._newest[number] = _pack(binding)
        self._limit(number, binding.expires)

    def renew(self, number: int, row: Row, identification: int, now: Instant) -> None:
        """``row``, the only binding of a node that is known by its address, begins anew."""
        asked, _, lifetime, _, _, address, port, bits, code, look = row
        self._newest[number] = _ROW.pack(
            asked, identification, lifetime, now.mono, now.wall, address, port, bits, code, look
        )
        if lifetime != Lifetime.INFINITE:  # else there is no deadline yet
            self._deadlines.set(number, now.mono + lifetime * NANOSECONDS)

    def restore(self, home_address: IPv4Address, bindings: tuple[MobilityBinding, ...]) -> None:
        """Exactly these, as :meth:`of` told them before."""
        self._set(int(home_address), bindings)

    def pop(self, home_address: IPv4Address) -> tuple[MobilityBinding, ...]:
        """Remove and return all bindings of a node."""
        number = int(home_address)
        gone = self._of(number)
        self._set(number, ())
        return gone

    def remove(self, home_address: IPv4Address, care_of_address: IPv4Address) -> MobilityBinding | None:
        """Remove and return the binding with one care-of address."""
        number = int(home_address)
        for binding in self._of(number):
            if binding.care_of_address == care_of_address:
                self._set(number, self._others(number, care_of_address))
                return binding
        return None

    def next_expiry(self) -> int | None:
        return self._deadlines.next()

    def expire(self, mono: int) -> Iterator[MobilityBinding]:
        """Remove and yield every binding whose lifetime is over, one by one."""
        for number in self._deadlines.due(mono):
            bindings = self._of(number)
            for over in bindings:
                if over.expires is not None and over.expires <= mono:
                    self._set(number, tuple(one for one in bindings if one is not over))
                    yield over
                    break  # a second one of the same node that is due comes up again

    def __len__(self) -> int:
        return len(self._newest) + sum(map(len, self._older.values()))

    def __iter__(self) -> Iterator[MobilityBinding]:
        for number, newest in self._newest.items():
            for packed in (*self._older.get(number, ()), newest):
                yield _unpack(number, packed)

    def _of(self, number: int) -> tuple[MobilityBinding, ...]:
        newest = self._newest.get(number)
        if newest is None:
            return ()
        return tuple(_unpack(number, packed) for packed in (*self._older.get(number, ()), newest))

    def _others(self, number: int, care_of_address: IPv4Address) -> tuple[MobilityBinding, ...]:
        return tuple(one for one in self._of(number) if one.care_of_address != care_of_address)

    def _set(self, number: int, bindings: tuple[MobilityBinding, ...]) -> None:
        if not bindings:
            self._newest.pop(number, None)
            self._older.pop(number, None)
            self._deadlines.cancel(number)
            return
        *older, self._newest[number] = map(_pack, bindings)
        if older:
            self._older[number] = tuple(older)
        else:
            self._older.pop(number, None)
        self._limit(number, min((one.expires for one in bindings if one.expires is not None), default=None))

    def _limit(self, number: int, expires: int | None) -> None:
        if expires is None:
            self._deadlines.cancel(number)
        else:
            self._deadlines.set(number, expires)


def _pack(binding: MobilityBinding) -> bytes:
    bits = (
        binding.reverse_tunnel * _REVERSE_TUNNEL
        | binding.co_located * _CO_LOCATED
        | _DELIVERIES.index(binding.broadcast) << _DELIVERY
        | _ENCAPSULATIONS.index(binding.encapsulation) << _ENCAPSULATION
        | (binding.gre_key is not None) * _KEYED
    )
    packed = _ROW.pack(
        binding.asked,
        binding.identification.to_int(),
        binding.lifetime,
        binding.registered.mono,
        binding.registered.wall,
        int(binding.relay.address),
        binding.relay.port,
        bits,
        binding.code,
        binding.look,
    )
    if binding.gre_key is not None:
        packed += binding.gre_key.to_bytes(_KEY)
    return packed if binding.nai is None else packed + binding.nai.encode()


def _unpack(number: int, packed: bytes) -> MobilityBinding:
    row: Row = _ROW.unpack_from(packed)
    rest, gre_key = packed[_ROW.size :], None
    if row[7] & _KEYED:
        gre_key, rest = int.from_bytes(rest[:_KEY]), rest[_KEY:]
    return binding_at_rest(number, row, rest.decode() or None, gre_key)


def binding_at_rest(
    number: int, row: Row, nai: str | None = None, gre_key: int | None = None
) -> MobilityBinding:
    """The binding of home address ``number`` that is stored as ``row``."""
    asked, identification, lifetime, mono, wall, address, port, bits, code, look = row
    return MobilityBinding(
        home_address=IPv4Address(number),
        care_of_address=IPv4Address(asked[plain.CARE_OF_ADDRESS]),
        home_agent=IPv4Address(asked[plain.HOME_AGENT]),
        identification=Identification.from_int(identification),
        lifetime=Lifetime(lifetime),
        registered=Instant(mono, wall),
        reverse_tunnel=bool(bits & _REVERSE_TUNNEL),
        co_located=bool(bits & _CO_LOCATED),
        relay=Endpoint(IPv4Address(address), port),
        asked=asked,
        nai=nai,
        broadcast=_DELIVERIES[bits >> _DELIVERY & 3],
        encapsulation=_ENCAPSULATIONS[bits >> _ENCAPSULATION & 3],
        gre_key=gre_key,
        code=code,
        look=look,
    )


def gre_key_for(home_address: IPv4Address) -> int:
    """What we want in the GRE headers of a node's packets: no other node's, and the same after a restart."""
    return int(home_address)


def describe(binding: MobilityBinding) -> dict[str, object]:
    """A binding for the log."""
    fields: dict[str, object] = {
        "home_address": binding.home_address,
        "care_of_address": binding.care_of_address,
        "lifetime": binding.lifetime,
        "co_located": binding.co_located,
        "reverse_tunnel": binding.reverse_tunnel,
    }
    if binding.encapsulation is not EncapsulationType.IPIP:
        fields["encapsulation"] = binding.encapsulation
    if binding.nai is not None:
        fields["nai"] = binding.nai
    return fields


def remaining(binding: MobilityBinding, now: Instant) -> Lifetime:
    """The lifetime to tell: all of it, unless a duplicate found the binding older."""
    if binding.registered is now or binding.expires is None:
        return binding.lifetime
    return Lifetime(max(1, (binding.expires - now.mono) // NANOSECONDS))


def moved(previous: tuple[MobilityBinding, ...], binding: MobilityBinding, beside: bool) -> str:
    """What a registration did, for the log."""
    if not previous:
        return "new"
    if binding.care_of_address in [one.care_of_address for one in previous]:
        return "renewed"
    return f"beside {previous[-1].care_of_address}" if beside else f"from {previous[-1].care_of_address}"
