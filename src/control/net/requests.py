"""Bodies of rtnetlink requests, packed by hand, and the answers that every handover or registration needs.

A body is what follows the netlink header.

Numbers and layouts are those of linux/rtnetlink.h, fib_rules.h, neighbour.h, if_addr.h and if_link.h. Netlink
is in host byte order; addresses are in network order.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final, TypedDict

PROTOCOL: Final = 44
"""Mark on everything that we put into the kernel (RTA_PROTOCOL and its kin): a restart finds it by that."""

MAIN_TABLE: Final = 254
LOCAL_TABLE: Final = 255

AF_INET: Final = 2
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_ANY = 0, 253, 255  # 255 in a delete request matches every scope
ANY_TYPE, UNICAST, LOCAL, BROADCAST = 0, 1, 2, 3
ONLINK: Final = 4
IFF_UP, IFF_RUNNING, IFF_LOWER_UP = 0x1, 0x40, 0x10000
NTF_PROXY: Final = 8
NTF_USE: Final = 1
NUD_PERMANENT: Final = 0x80
NUD_STALE: Final = 0x04
NUD_VALID: Final = 0xDE  # permanent, noarp, reachable, probe, stale, delay

_RTA_DST, _RTA_SRC, _RTA_OIF, _RTA_GATEWAY = 1, 2, 4, 5
_RTA_PRIORITY, _RTA_PREFSRC, _RTA_METRICS, _RTA_TABLE, _RTA_MARK = 6, 7, 8, 15, 16
_RTAX_MTU: Final = 2
_FRA_DST, _FRA_SRC, _FRA_IIFNAME, _FRA_PRIORITY, _FRA_FWMARK = 1, 2, 3, 6, 10
_FRA_SUPPRESS_PREFIXLEN, _FRA_TABLE, _FRA_FWMASK, _FRA_PROTOCOL = 14, 15, 16, 21
_FR_ACT_TO_TABLE, _FR_ACT_BLACKHOLE, _FR_ACT_UNREACHABLE = 1, 6, 7
_NDA_DST, _NDA_LLADDR, _NDA_PROTOCOL = 1, 2, 12
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS, _IFA_PROTO = 1, 2, 4, 8, 11
_IFA_F_PERMANENT, _IFA_F_NOPREFIXROUTE = 0x80, 0x200
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_EXT_MASK, _IFLA_CARRIER_DOWN_COUNT = 1, 3, 4, 29, 48
_SKIP_STATISTICS: Final = 8

# family dst_len src_len tos table protocol scope type flags; in a rule: … table (two unused) action flags
_ROUTE: Final = struct.Struct("=8BI")
_NEIGHBOUR: Final = struct.Struct("=B3xiHBB")
_ADDRESS: Final = struct.Struct("=4BI")
_LINK: Final = struct.Struct("=BxHiII")
_U32: Final = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class Link:
    """One interface. ``running``: administratively up, with carrier, and ready to send. ``mtu`` in bytes."""

    name: str
    index: int
    address: bytes
    mtu: int
    up: bool
    carrier: bool
    running: bool
    carrier_losses: int


@dataclass(frozen=True, slots=True)
class Path:
    """How the kernel would send to an address: device, source address, next hop and path MTU in bytes."""

    device: str
    source: IPv4Address
    gateway: IPv4Address | None
    mtu: int


def attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


def attributes(body: bytes, offset: int) -> dict[int, bytes]:
    """The attributes of an answer, whose fixed part ends at ``offset``; nested ones are not taken apart."""
    found = {}
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def _u32(kind: int, value: int) -> bytes:
    return attribute(kind, _U32.pack(value))


def route(
    network: IPv4Network,
    *,
    index: int,
    gateway: IPv4Address | None,
    onlink: bool,
    source: IPv4Address | None,
    table: int,
    metric: int,
    broadcast: bool,
    mtu: int,
) -> bytes:
    scope, kind = SCOPE_UNIVERSE if gateway else SCOPE_LINK, BROADCAST if broadcast else UNICAST
    body = _route_head(network, table, scope, kind, ONLINK if onlink else 0) + _u32(_RTA_OIF, index)
    if gateway is not None:
        body += attribute(_RTA_GATEWAY, gateway.packed)
    if metric:
        body += _u32(_RTA_PRIORITY, metric)
    if source is not None:
        body += attribute(_RTA_PREFSRC, source.packed)
    if mtu:
        body += attribute(_RTA_METRICS, _u32(_RTAX_MTU, mtu))
    return body


def route_removal(network: IPv4Network, *, index: int, table: int, metric: int) -> bytes:
    body = _route_head(network, table, SCOPE_ANY, ANY_TYPE, 0) + _u32(_RTA_OIF, index)
    return body + _u32(_RTA_PRIORITY, metric) if metric else body


def _route_head(network: IPv4Network, table: int, scope: int, kind: int, flags: int) -> bytes:
    short = table if table < 256 else 0  # the one-byte field cannot hold 434: RTA_TABLE decides
    head = _ROUTE.pack(AF_INET, network.prefixlen, 0, 0, short, PROTOCOL, scope, kind, flags)
    return head + attribute(_RTA_DST, network.network_address.packed) + _u32(_RTA_TABLE, table)


def route_lookup(address: IPv4Address, source: IPv4Address | None, mark: int | None) -> bytes:
    body = _ROUTE.pack(AF_INET, 32, 32 if source else 0, 0, 0, 0, 0, 0, 0)
    body += attribute(_RTA_DST, address.packed)
    if source is not None:
        body += attribute(_RTA_SRC, source.packed)
    return body + _u32(_RTA_MARK, mark) if mark is not None else body


def path(body: bytes, link_of: Callable[[int], Link], asked_source: IPv4Address | None) -> Path:
    """Answer to :func:`route_lookup`; ``link_of`` gives the facts of an interface by index.

    The kernel does not repeat a source address that it was given.
    """
    found = attributes(body, _ROUTE.size)
    link = link_of(_U32.unpack(found[_RTA_OIF])[0])
    mtu = attributes(found.get(_RTA_METRICS, b""), 0).get(_RTAX_MTU)
    source, gateway = found.get(_RTA_PREFSRC), found.get(_RTA_GATEWAY)
    return Path(
        device=link.name,
        source=IPv4Address(source) if source else asked_source or IPv4Address(0),
        gateway=IPv4Address(gateway) if gateway else None,
        mtu=_U32.unpack(mtu)[0] if mtu else link.mtu,
    )


def leads_here(body: bytes) -> bool:
    """Whether the answer to :func:`route_lookup` is local delivery."""
    return body[7] == LOCAL


def route_listing(*, table: int = 0, index: int = 0, protocol: int = 0) -> bytes:
    """Filter for a dump; zero means any."""
    body = _ROUTE.pack(AF_INET, 0, 0, 0, table, protocol, 0, 0, 0)
    return body + _u32(_RTA_OIF, index) if index else body


class Selectors(TypedDict, total=False):
    """What a policy rule looks at: source network, destination network, incoming interface, mark, and the shortest
    route it will take. ``silent`` is for one without a table.
    """

    source: IPv4Network | None
    destination: IPv4Network | None
    iif: str | None
    fwmark: int | None
    suppress_prefixlength: int | None
    silent: bool


def rule(
    priority: int,
    table: int | None,
    *,
    source: IPv4Network | None = None,
    destination: IPv4Network | None = None,
    iif: str | None = None,
    fwmark: int | None = None,
    suppress_prefixlength: int | None = None,
    silent: bool = False,
) -> bytes:
    """``table`` None: what the selectors match is unreachable, or with ``silent`` vanishes."""
    nowhere = _FR_ACT_BLACKHOLE if silent else _FR_ACT_UNREACHABLE
    number, action = table or 0, nowhere if table is None else _FR_ACT_TO_TABLE
    short, length = (number if number < 256 else 0), (source.prefixlen if source else 0)
    to = destination.prefixlen if destination else 0
    body = _ROUTE.pack(AF_INET, to, length, 0, short, 0, 0, action, 0)
    body += _u32(_FRA_PRIORITY, priority) + _u32(_FRA_TABLE, number)
    body += attribute(_FRA_PROTOCOL, bytes((PROTOCOL,)))
    if source is not None:
        body += attribute(_FRA_SRC, source.network_address.packed)
    if destination is not None:
        body += attribute(_FRA_DST, destination.network_address.packed)
    if iif is not None:
        body += attribute(_FRA_IIFNAME, os.fsencode(iif) + b"\0")
    if fwmark is not None:
        body += _u32(_FRA_FWMARK, fwmark) + _u32(_FRA_FWMASK, 0xFFFF_FFFF)
    if suppress_prefixlength is not None:
        body += _u32(_FRA_SUPPRESS_PREFIXLEN, suppress_prefixlength)
    return body


def rule_listing() -> bytes:
    return _ROUTE.pack(AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)


def neighbour(
    address: IPv4Address, *, index: int, state: int = 0, flags: int = 0, link_address: bytes | None = None
) -> bytes:
    body = _NEIGHBOUR.pack(AF_INET, index, state, flags, 0) + attribute(_NDA_DST, address.packed)
    body += attribute(_NDA_PROTOCOL, bytes((PROTOCOL,)))
    return body + attribute(_NDA_LLADDR, link_address) if link_address is not None else body


def neighbour_lookup(address: IPv4Address, *, index: int, flags: int = 0) -> bytes:
    """One entry, to be read; or with NTF_USE, to be resolved or verified."""
    return _NEIGHBOUR.pack(AF_INET, index, 0, flags, 0) + attribute(_NDA_DST, address.packed)


@dataclass(frozen=True, slots=True)
class NeighbourEntry:
    """``state`` is of NUD_ flags; ``link_address`` empty if there is none."""

    interface: int
    address: IPv4Address
    state: int
    link_address: bytes


def neighbour_entry(body: bytes) -> NeighbourEntry | None:
    """Answer to :func:`neighbour_lookup`, or a notification; None for proxy entries and other families."""
    family, index, state, flags, _ = _NEIGHBOUR.unpack_from(body)
    found = attributes(body, _NEIGHBOUR.size)
    if family != AF_INET or flags & NTF_PROXY or len(found.get(_NDA_DST, b"")) != 4:
        return None
    return NeighbourEntry(index, IPv4Address(found[_NDA_DST]), state, found.get(_NDA_LLADDR, b""))


def neighbour_listing(flags: int) -> bytes:
    return _NEIGHBOUR.pack(AF_INET, 0, 0, flags, 0)


def address(interface: IPv4Interface, *, index: int, noprefixroute: bool) -> bytes:
    body = address_removal(interface, index=index)
    body += _u32(_IFA_FLAGS, _IFA_F_PERMANENT | (_IFA_F_NOPREFIXROUTE if noprefixroute else 0))
    body += attribute(_IFA_PROTO, bytes((PROTOCOL,)))
    if interface.network.prefixlen < 31:
        body += attribute(_IFA_BROADCAST, interface.network.broadcast_address.packed)
    return body


def address_removal(interface: IPv4Interface, *, index: int) -> bytes:
    body = _ADDRESS.pack(AF_INET, interface.network.prefixlen, 0, 0, index)
    return body + attribute(_IFA_LOCAL, interface.ip.packed) + attribute(_IFA_ADDRESS, interface.ip.packed)


def address_listing(index: int = 0) -> bytes:
    return _ADDRESS.pack(AF_INET, 0, 0, 0, index)


def link_up(index: int) -> bytes:
    return _LINK.pack(0, 0, index, IFF_UP, IFF_UP)


def link_reading(index: int = 0) -> bytes:
    return _LINK.pack(0, 0, index, 0, 0) + _u32(_IFLA_EXT_MASK, _SKIP_STATISTICS)


def link(body: bytes) -> Link:
    """Answer to :func:`link_reading`."""
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = attributes(body, _LINK.size)
    return Link(
        name=os.fsdecode(found[_IFLA_IFNAME].rstrip(b"\0")),
        index=index,
        address=found.get(_IFLA_ADDRESS, b""),
        mtu=_U32.unpack(found[_IFLA_MTU])[0],
        up=bool(flags & IFF_UP),
        carrier=bool(flags & IFF_LOWER_UP),
        running=bool(flags & IFF_UP) and bool(flags & IFF_RUNNING),
        carrier_losses=_U32.unpack(found.get(_IFLA_CARRIER_DOWN_COUNT, bytes(4)))[0],
    )
