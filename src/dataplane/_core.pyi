"""Types of the extension module.  A test holds the members of the enums to the lists in csrc/mip.h."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType
from typing import Self

from typing_extensions import Buffer

from mobileip.dataplane.model import (
    Amount,
    Capture,
    Decapsulated,
    Encapsulation,
    Flag,
    Install,
    Named,
    NextHop,
    Place,
    Quote,
    Remove,
    Side,
    Tunnel,
    TunnelStatus,
)

SOURCE_HASH: str
STAGES: tuple[str, ...]
UNDERLAYS: tuple[str, ...]

class DropReason(Named):
    """Why a packet went no further; one counter each."""

    NO_BINDING = 1
    INNER_TRUNCATED = 2
    INNER_NOT_IPV4 = 3
    INNER_HEADER = 4
    INNER_CHECKSUM = 5
    INNER_TTL = 6
    OUTER_TRUNCATED = 7
    OUTER_NOT_IPV4 = 8
    OUTER_HEADER = 9
    OUTER_CHECKSUM = 10
    OUTER_PROTOCOL = 11
    GRE_TRUNCATED = 12
    GRE_HEADER = 13
    GRE_CHECKSUM = 14
    GRE_PROTOCOL = 15
    GRE_KEY = 16
    GRE_SEQUENCE = 17
    MINIMAL_TRUNCATED = 18
    MINIMAL_CHECKSUM = 19
    OUTER_FRAGMENT = 20
    WRONG_OUTER_SOURCE = 21
    WRONG_OUTER_DESTINATION = 22
    WRONG_ENCAPSULATION = 23
    NOT_REVERSE = 24
    NOT_DELIVERY = 25
    SHARED_ADDRESS = 26
    ECN_CONGESTION = 27
    LOOP_SOURCE_IS_EXIT = 28
    LOOP_OWN_TUNNEL = 29
    LOOP_CARE_OF = 30
    OFFLOAD = 31
    MULTICAST_WAY = 32
    MULTICAST_SCOPE = 33
    MULTICAST_LOOP = 34
    MULTICAST_OVERFLOW = 35
    TOO_BIG = 36
    NEEDS_FRAGMENTATION = 37
    NO_HEADROOM = 38
    UNSUPPORTED = 39
    SEND_TOO_BIG = 40
    SEND_NO_BUFFERS = 41
    SEND_UNREACHABLE = 42
    SEND_REFUSED = 43
    SEND_BLOCKED = 44
    SEND_FAILED = 45
    DEVICE_DOWN = 46
    DEVICE_REFUSED = 47

class Counter(Named):
    """What the engine counts besides drops."""

    DEVICE_READ_PACKETS = 0
    DEVICE_READ_BYTES = 1
    SUPER_PACKETS = 2
    WHOLE_PACKETS = 3
    ENCAPSULATED_PACKETS = 4
    ENCAPSULATED_BYTES = 5
    PAST_ROUTING = 6
    RECEIVED_PACKETS = 7
    RECEIVED_BYTES = 8
    RECEIVE_OVERFLOW = 9
    DECAPSULATED_PACKETS = 10
    DECAPSULATED_BYTES = 11
    COALESCED_PACKETS = 12
    FRAGMENTED_PACKETS = 13
    FRAGMENTS = 14
    DELIVERED_PACKETS = 15
    COPIED_PACKETS = 16
    LINK_READ_PACKETS = 17
    LINK_SENT_PACKETS = 18
    BROADCASTS = 19
    BROADCAST_COPIES = 20
    BROADCAST_LIMITED = 21
    MULTICASTS = 22
    NODE_MULTICASTS = 23
    HOME_MULTICASTS = 24
    MULTICAST_COPIES = 25
    MULTICAST_LIMITED = 26
    IGMP_RECEIVED = 27
    ICMP_SENT = 28
    UNREACHABLE_SENT = 29
    ICMP_FORBIDDEN = 30
    ICMP_LIMITED = 31
    ICMP_FAILED = 32
    ECN_UNUSED = 33
    PROBES_RECEIVED = 34
    MSS_CLAMPED = 35
    CHECKSUM_PENDING = 36
    MERGED_RECEIVED = 37
    EVENTS_LOST = 38

class EventType(Named):
    """What the engine tells without being asked."""

    THREAD_FAILED = 0
    UNKNOWN_HOME = 1
    TUNNEL_TOO_BIG = 2
    WRONG_SOURCE = 3
    LARGE_PACKET = 4
    UNDERLAY_FELL_BACK = 5
    PORT_LOST = 6

class Drop(Exception):
    reason: DropReason
    def __init__(self, reason: DropReason) -> None: ...

@dataclass(frozen=True, slots=True)
class DropCount:
    reason: DropReason
    out: Amount
    into: Amount

@dataclass(frozen=True, slots=True)
class CapturedPacket:
    time: int
    inner: bool
    inbound: bool
    drop: DropReason | None
    length: int
    data: bytes

@dataclass(frozen=True, slots=True)
class EngineEvent:
    type: EventType
    address: IPv4Address
    value: int
    inner: IPv4Address = ...

def port_lost(event: EngineEvent) -> tuple[int, str]: ...
def checksum(data: Buffer) -> int: ...
def encapsulate(packet: Buffer, tunnel: Tunnel, ident: int, sequence: int = 0) -> bytes: ...
def encapsulate_into(
    buffer: Buffer,
    offset: int,
    size: int,
    tunnel: Tunnel,
    ident: int,
    rounds: int = 1,
    sequence: int = 0,
) -> tuple[int, int]: ...
def decapsulate(datagram: Buffer, encapsulation: Encapsulation = ...) -> Decapsulated: ...
def decapsulate_into(
    buffer: Buffer, offset: int, size: int, rounds: int = 1, encapsulation: Encapsulation = ...
) -> tuple[int, int, int | None, int | None]: ...
def width(encapsulation: Encapsulation, flags: Flag, path: int, widest: int) -> int: ...
def sends(tunnel: Tunnel, quote: Quote) -> bool: ...
def icmp_fragmentation_needed(
    packet: Buffer, source: IPv4Address, mtu: int, ident: int = 0
) -> bytes | None: ...
def encapsulate_nested(packet: Buffer, tunnel: Tunnel, ident: int) -> bytes: ...
def clamp_mss(packet: Buffer, mtu: int) -> bytes: ...
def fragment(packet: Buffer, mtu: int) -> list[bytes]: ...

class CaptureReader:
    def __init__(self, descriptor: int) -> None: ...
    def take(self) -> list[CapturedPacket]: ...
    def lost(self) -> tuple[int, int]: ...
    def close(self) -> None: ...

class Engine:
    def __init__(
        self,
        device: str = "mip0",
        *,
        mtu: int = 1480,
        capacity: int = 1 << 20,
        mark: int = 0,
        icmp_rate: int = 100,
        broadcast_rate: int = 10_000,
        multicast_rate: int = 100_000,
        persist: bool = False,
        underlay: str = "raw",
        clamp_mss: bool = False,
        tell_largest: bool = False,
    ) -> None: ...
    @property
    def device(self) -> str: ...
    @property
    def event_fd(self) -> int: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    def install(self, tunnel: Tunnel, *, beside: bool = False, place: Place | None = None) -> None: ...
    def remove(self, home_address: IPv4Address, side: Side, remote: IPv4Address | None = None) -> bool: ...
    def set_next_hops(self, hops: Iterable[NextHop]) -> int: ...
    def has_port(self, interface: int) -> bool: ...
    def watch(self, interface: str | None, network: IPv4Network, *, multicasts: bool = False) -> None: ...
    def join(self, group: IPv4Address, home_address: IPv4Address) -> None: ...
    def leave(self, group: IPv4Address, home_address: IPv4Address) -> bool: ...
    @property
    def igmp_fd(self) -> int: ...
    def apply(self, changes: Iterable[Install | Remove]) -> None: ...
    def tunnels(self) -> list[TunnelStatus]: ...
    def tunnels_of(self, home_address: IPv4Address, side: Side) -> list[TunnelStatus]: ...
    def carried(self, cursor: int = 0) -> tuple[int, list[tuple[int, int, int]]]: ...
    def fit(self, remote: IPv4Address, path: int, widest: int) -> int: ...
    def sender(self, quote: Quote) -> Tunnel | None: ...
    def unreached(self, remote: IPv4Address, code: int, seconds: float) -> None: ...
    def counters(self) -> dict[str, int]: ...
    def drops(self) -> list[DropCount]: ...
    def capture(self, address: IPv4Address | None = None, snap: int = ...) -> Capture: ...
    def end_capture(self, number: int) -> None: ...
    def drain_events(self) -> list[EngineEvent]: ...
