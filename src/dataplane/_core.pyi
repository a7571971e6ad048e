"""Types of the extension module.  A test holds the members of the enums to the lists in csrc/mip.h."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import TracebackType
from typing import Self

from typing_extensions import Buffer

from mobileip.dataplane.model import Decapsulated, Install, Named, Remove, Side, Tunnel, TunnelStatus

SOURCE_HASH: str

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
    OUTER_FRAGMENT = 12
    WRONG_OUTER_SOURCE = 13
    WRONG_OUTER_DESTINATION = 14
    WRONG_ENCAPSULATION = 15
    NOT_REVERSE = 16
    ECN_CONGESTION = 17
    LOOP_SOURCE_IS_EXIT = 18
    LOOP_OWN_TUNNEL = 19
    TOO_BIG = 20
    NEEDS_FRAGMENTATION = 21
    NO_HEADROOM = 22
    UNSUPPORTED = 23
    SEND_TOO_BIG = 24
    SEND_NO_BUFFERS = 25
    SEND_UNREACHABLE = 26
    SEND_REFUSED = 27
    SEND_BLOCKED = 28
    SEND_FAILED = 29
    DEVICE_DOWN = 30
    DEVICE_REFUSED = 31

class Counter(Named):
    """What the engine counts besides drops."""

    DEVICE_READ_PACKETS = 0
    DEVICE_READ_BYTES = 1
    ENCAPSULATED_PACKETS = 2
    ENCAPSULATED_BYTES = 3
    RECEIVED_PACKETS = 4
    RECEIVED_BYTES = 5
    RECEIVE_OVERFLOW = 6
    DECAPSULATED_PACKETS = 7
    DECAPSULATED_BYTES = 8
    FRAGMENTED_PACKETS = 9
    FRAGMENTS = 10
    ICMP_SENT = 11
    ICMP_FORBIDDEN = 12
    ICMP_LIMITED = 13
    ICMP_FAILED = 14
    ECN_UNUSED = 15
    CHECKSUM_PENDING = 16
    MERGED_RECEIVED = 17
    EVENTS_LOST = 18

class EventType(Named):
    """What the engine tells without being asked."""

    THREAD_FAILED = 0
    UNKNOWN_HOME = 1
    TUNNEL_TOO_BIG = 2

class Drop(Exception):
    reason: DropReason
    def __init__(self, reason: DropReason) -> None: ...

@dataclass(frozen=True, slots=True)
class EngineEvent:
    type: EventType
    address: IPv4Address
    value: int

def checksum(data: Buffer) -> int: ...
def encapsulate(packet: Buffer, tunnel: Tunnel, ident: int) -> bytes: ...
def encapsulate_into(
    buffer: Buffer, offset: int, size: int, tunnel: Tunnel, ident: int, rounds: int = 1
) -> tuple[int, int]: ...
def decapsulate(datagram: Buffer) -> Decapsulated: ...
def decapsulate_into(buffer: Buffer, offset: int, size: int, rounds: int = 1) -> tuple[int, int]: ...
def icmp_fragmentation_needed(
    packet: Buffer, source: IPv4Address, mtu: int, ident: int = 0
) -> bytes | None: ...
def fragment(packet: Buffer, mtu: int) -> list[bytes]: ...

class Engine:
    def __init__(
        self,
        device: str = "mip0",
        *,
        mtu: int = 1480,
        capacity: int = 1 << 20,
        mark: int = 0,
        icmp_rate: int = 100,
        persist: bool = False,
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
    def install(self, tunnel: Tunnel) -> None: ...
    def remove(self, home_address: IPv4Address, side: Side) -> bool: ...
    def apply(self, changes: Iterable[Install | Remove]) -> None: ...
    def tunnels(self) -> list[TunnelStatus]: ...
    def counters(self) -> dict[str, int]: ...
    def drain_events(self) -> list[EngineEvent]: ...
