"""The data plane: packets into tunnels and out of them, by a C engine on a TUN device.

It knows tunnels, addresses, flags and MTUs, and nothing of registrations.
:class:`Engine` owns a device, a table of tunnels and threads that never take
the GIL; the control plane changes the table while they run.  The functions are
the engine's pure parts, for tests, tools and benchmarks.
"""

from mobileip.dataplane._core import (
    SOURCE_HASH,
    UNDERLAYS,
    Counter,
    Drop,
    DropCount,
    DropReason,
    Engine,
    EngineEvent,
    EventType,
    checksum,
    clamp_mss,
    decapsulate,
    encapsulate,
    encapsulate_nested,
    fragment,
    icmp_fragmentation_needed,
)
from mobileip.dataplane.model import (
    MTU_MAX,
    MTU_MIN,
    Amount,
    Decapsulated,
    Encapsulation,
    Flag,
    Install,
    NextHop,
    Place,
    Remove,
    Side,
    Traffic,
    Tunnel,
    TunnelStatus,
    overhead,
)

__all__ = [
    "MTU_MAX",
    "MTU_MIN",
    "SOURCE_HASH",
    "UNDERLAYS",
    "Amount",
    "Counter",
    "Decapsulated",
    "Drop",
    "DropCount",
    "DropReason",
    "Encapsulation",
    "Engine",
    "EngineEvent",
    "EventType",
    "Flag",
    "Install",
    "NextHop",
    "Place",
    "Remove",
    "Side",
    "Traffic",
    "Tunnel",
    "TunnelStatus",
    "checksum",
    "clamp_mss",
    "decapsulate",
    "encapsulate",
    "encapsulate_nested",
    "fragment",
    "icmp_fragmentation_needed",
    "overhead",
]
