# What the engine tells of its own accord; part of _core.pyx.


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """An event: what ``address``, ``value`` and ``inner`` mean is in ``type.meaning``."""

    type: EventType
    address: IPv4Address
    value: int
    inner: IPv4Address = IPv4Address(0)


def port_lost(event) -> tuple:
    """The index of an interface and, as one sentence, why it has no port of AF_XDP: of an event PORT_LOST."""
    cdef int64_t stage = int(event.inner)
    cdef mip_stage_name where

    if event.type != EventType.PORT_LOST or stage >= <int64_t>MIP_STAGE_END:
        raise ValueError(f"not of a port: {event!r}")
    where = mip_stage_names[stage]
    return int(event.address), port_error(where.name.decode(), where.meaning.decode(), event.value)
