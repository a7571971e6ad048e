# What the engine tells of single packets: how many were dropped, and copies of them; part of _core.pyx.


@dataclass(frozen=True, slots=True)
class DropCount:
    """How much was dropped for a reason: ``out``, on the way into tunnels, and ``into`` this host."""

    reason: DropReason
    out: Amount
    into: Amount


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """A copy of a packet: the first bytes of ``length``.

    ``time``: in ns since 1970.  ``inner``: without an outer header.  ``inbound``: on its way out of a tunnel,
    not into one.  ``drop``: why it was dropped.
    """

    time: int
    inner: bool
    inbound: bool
    drop: DropReason | None
    length: int
    data: bytes


cdef class CaptureReader:
    """The reading end of a capture, in any process; ``descriptor``, of Engine.capture(), stays the caller's.

    Raises ValueError if it is something else.
    """

    cdef object _map
    cdef unsigned char[::1] _memory

    def __cinit__(self, int descriptor):
        size = <int>MIP_THREADS * sizeof(mip_capture_ring)
        if os.fstat(descriptor).st_size != size:
            raise ValueError("the descriptor is no capture of this version")
        self._map = mmap.mmap(descriptor, size)
        self._memory = self._map

    def take(self) -> list:
        """The packets that came since the last call, by their time."""
        cdef mip_capture_ring *rings = <mip_capture_ring *>&self._memory[0]
        cdef uint8_t packet[MIP_PACKET_MAX]
        cdef mip_captured c
        cdef list found = []
        cdef int thread, left

        for thread in range(<int>MIP_THREADS):
            # Bounded: what comes meanwhile is for the next call.
            left = 50_000
            while left and mip_capture_take(&rings[thread], &c, packet):
                left -= 1
                found.append(CapturedPacket(
                    c.time_ns, c.layer == <int>MIP_CAPTURE_INNER, c.direction == <int>MIP_IN,
                    DropReason(<int>c.drop) if 0 < c.drop < <int>MIP_DROP_END else None, c.length,
                    packet[:c.captured]))
        found.sort(key=_time_of)
        return found

    def lost(self) -> tuple:
        """How many outer and inner packets were left out, because they came quicker than they were taken."""
        cdef mip_capture_ring *rings = <mip_capture_ring *>&self._memory[0]
        cdef uint64_t outer = 0, inner = 0
        cdef int thread

        for thread in range(<int>MIP_THREADS):
            outer += mip_capture_lost(&rings[thread], MIP_CAPTURE_OUTER)
            inner += mip_capture_lost(&rings[thread], MIP_CAPTURE_INNER)
        return outer, inner

    def close(self) -> None:
        """Gives the memory back; nothing can be taken after that."""
        self._memory = None
        self._map.close()


cdef object _time_of(packet):
    return packet.time
