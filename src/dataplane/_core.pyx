"""The C core for Python: buffers in, verdicts out; class Engine owns one struct mip_engine.

No algorithm lives here.  Everything that may wait runs without the GIL.
"""

import errno
import mmap
import os
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memcpy, memset

from mobileip.dataplane.errors import apply_error, open_error, port_error
from mobileip.dataplane.model import (
    Amount,
    Capture,
    Decapsulated,
    Encapsulation,
    Flag,
    Install,
    Named,
    Remove,
    Side,
    Traffic,
    Tunnel,
    TunnelStatus,
)

cdef extern from *:
    """
    #ifndef MIP_SOURCE_HASH
    #define MIP_SOURCE_HASH "unknown"
    #endif
    """
    const char *MIP_SOURCE_HASH

cdef extern from "<arpa/inet.h>" nogil:
    uint32_t htonl(uint32_t value) noexcept
    uint32_t ntohl(uint32_t value) noexcept

SOURCE_HASH = MIP_SOURCE_HASH.decode()


cdef dict _members(const mip_name *names, int first, int end):
    return {
        names[i].name.decode(): (i, names[i].label.decode(), names[i].meaning.decode())
        for i in range(first, end)
    }


DropReason = Named("DropReason", _members(mip_drop_names, 1, MIP_DROP_END), module=__name__)
DropReason.__doc__ = "Why a packet went no further; one counter each."
Counter = Named("Counter", _members(mip_counter_names, 0, MIP_COUNTER_END), module=__name__)
Counter.__doc__ = "What the engine counts besides drops."
EventType = Named("EventType", _members(mip_event_names, 0, MIP_EVENT_END), module=__name__)
EventType.__doc__ = "What the engine tells without being asked."


STAGES = tuple(mip_stage_names[i].name.decode() for i in range(<int>MIP_STAGE_END))
UNDERLAYS = tuple(mip_underlay_names[i].decode() for i in range(<int>MIP_UNDERLAY_KINDS))


class Drop(Exception):
    """A packet that may not go on; ``reason`` says why."""

    def __init__(self, reason):
        super().__init__(reason.meaning)
        self.reason = reason


cdef int _check(int drop) except -1:
    if drop != MIP_OK:
        raise Drop(DropReason(drop))
    return 0


cdef uint32_t _address_be(object address) except? 0:
    return htonl(<uint32_t>int(address))


cdef object _address(uint32_t address_be):
    return IPv4Address(ntohl(address_be))


include "_values.pxi"
include "_events.pxi"
include "_functions.pxi"
include "_packets.pxi"


cdef class Engine:
    """A TUN device, a table of tunnels, and a thread for each direction.

    Opening makes the device and sets it up; addresses and routes are the control
    plane's.  ``mtu``: of the device, bytes.  ``capacity``: most tunnels.
    ``mark``: SO_MARK of everything sent, 0 for none.  ``icmp_rate``: most
    fragmentation-needed messages a second (RFC 1812 4.3.2.8).  ``broadcast_rate``:
    most copies of broadcasts a second, ``multicast_rate`` of multicasts.  ``persist``: the device
    stays when the engine closes.  ``underlay``: one of UNDERLAYS; all but "raw" send to what
    set_next_hops() told, past the kernel's routing and its OUTPUT filters, and the rest as "raw";
    "xdp" also receives what comes from there, before the kernel's INPUT filters.
    ``clamp_mss``: what TCP SYNs of both directions announce is lowered to what the tunnel carries.
    ``tell_largest``: EventType.LARGE_PACKET comes, of what path MTU discovery is about.
    Raises OSError with one sentence for the operator, ValueError for impossible arguments.
    Methods may be called from any thread; after close() they raise ValueError.
    """

    cdef mip_engine *_engine
    cdef object _lock
    cdef readonly str device

    def __cinit__(self, str device="mip0", *, int mtu=1480, int64_t capacity=1 << 20, uint32_t mark=0,
                  uint32_t icmp_rate=100, uint32_t broadcast_rate=10_000, uint32_t multicast_rate=100_000,
                  bint persist=False, str underlay="raw", bint clamp_mss=False,
                  bint tell_largest=False):
        cdef mip_config config
        cdef mip_stage stage = MIP_STAGE_NONE
        cdef int error = 0
        name = device.encode("ascii", "replace")

        if not 0 < len(name) < MIP_DEVICE_NAME or b"/" in name or b"%" in name or name != name.strip():
            raise ValueError(f"{device!r} cannot be the name of a network device")
        if not 68 <= mtu <= MIP_PACKET_MAX:
            raise ValueError(f"device MTU {mtu} is not between 68 and {MIP_PACKET_MAX}")
        if not 1 <= capacity <= MIP_CAPACITY_MAX:
            raise ValueError(f"capacity {capacity} is not between 1 and {MIP_CAPACITY_MAX}")
        if underlay not in UNDERLAYS:
            raise ValueError(f"{underlay!r} is not among the underlays: {', '.join(UNDERLAYS)}")
        memset(&config, 0, sizeof(config))
        config.underlay = <mip_underlay_kind><int>UNDERLAYS.index(underlay)
        memcpy(config.device, <const char *>name, len(name))
        config.mtu, config.capacity, config.mark = <uint32_t>mtu, <uint32_t>capacity, mark
        config.icmp_rate, config.persist, config.clamp_mss = icmp_rate, persist, clamp_mss
        config.tell_largest = tell_largest
        config.broadcast_rate, config.multicast_rate = broadcast_rate, multicast_rate
        self._lock = threading.RLock()
        self.device = device
        with nogil:
            error = mip_engine_open(&self._engine, &config, &stage)
        if error:
            where = mip_stage_names[<int>stage]
            raise open_error(where.name.decode(), where.meaning.decode(), -error, device)

    def __dealloc__(self):
        if self._engine != NULL:
            with nogil:
                mip_engine_close(self._engine)

    cdef mip_engine *_open(self) except NULL:
        if self._engine == NULL:
            raise ValueError("the engine is closed")
        return self._engine

    @property
    def event_fd(self) -> int:
        """Readable when drain_events() has something; to be watched, not read."""
        with self._lock:
            return mip_engine_event_fd(self._open())

    def start(self) -> None:
        """Starts the threads; nothing happens if they run.  Raises OSError."""
        cdef int error = 0
        with self._lock:
            engine = self._open()
            with nogil:
                error = mip_engine_start(engine)
        if error:
            raise OSError(-error, f"starting the engine's threads: {os.strerror(-error)}")

    def stop(self) -> None:
        """Stops the threads and waits for them; tunnels and counters stay."""
        with self._lock:
            engine = self._open()
            with nogil:
                mip_engine_stop(engine)

    def close(self) -> None:
        """Stops, and gives the device and everything else back.  May be repeated."""
        with self._lock:
            engine, self._engine = self._engine, NULL
            if engine != NULL:
                with nogil:
                    mip_engine_close(engine)

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    cdef size_t _apply(self, list changes) except? 0:
        """Makes the changes in order; returns how many removals took something out."""
        cdef size_t count = <size_t>len(changes), done = 0, removed = 0, i
        cdef mip_change *array = <mip_change *>PyMem_Malloc((count + 1) * sizeof(mip_change))
        cdef int error = 0

        if array == NULL:
            raise MemoryError
        try:
            # All are checked before the first is made.
            for i in range(count):
                change = changes[i]
                memset(&array[i], 0, sizeof(mip_change))
                array[i].remove = isinstance(change, Remove)
                if array[i].remove:
                    array[i].tunnel.home_be = _address_be(change.home_address)
                    array[i].tunnel.side = int(change.side)
                    if change.remote is not None:
                        array[i].tunnel.remote_be = _address_be(change.remote)
                elif isinstance(change, Install):
                    _fill_tunnel(&array[i].tunnel, change.tunnel)
                    array[i].beside = change.beside
                    _fill_spot(&array[i].spot, change.place)
                else:
                    raise TypeError(f"neither Install nor Remove: {change!r}")
            with self._lock:
                engine = self._open()
                with nogil:
                    error = mip_engine_apply(engine, array, count, &done, &removed)
        finally:
            PyMem_Free(array)
        if error:
            raise apply_error(-error, done, count)
        return removed

    def install(self, tunnel not None, *, bint beside=False, place=None) -> None:
        """Inserts the tunnel in the place of all with its home address and side.

        ``beside``: only in the place of the one with the same remote end; packets to the home
        address go to all of them, packets from it come from any (RFC 5944 4.2.3).  The one with
        the same remote end, or else the first, leaves its counters to the new one.  ``place``: where a
        visitor with Flag.SHARED is; one that moved begins counting anew.  Raises OSError:
        ENOSPC if the table is full, EMLINK for more than eight beside each other, ENODEV for no such
        interface.
        """
        self._apply([Install(tunnel, beside, place)])

    def remove(self, home_address, side, remote=None) -> bool:
        """Takes out the tunnel towards ``remote``, or all of them; False if there was none."""
        return self._apply([Remove(home_address, side, remote)]) > 0

    def set_next_hops(self, hops) -> int:
        """Tells where datagrams between two addresses go next: NextHop objects; how many there was room for.

        One with a link-layer address of another length than Ethernet's raises ValueError.
        """
        cdef mip_hop_change change
        cdef size_t kept = 0

        for hop in hops:
            memset(&change, 0, sizeof(change))
            change.local_be, change.remote_be = _address_be(hop.local), _address_be(hop.remote)
            if hop.address is not None:
                if len(hop.address) != MIP_HOP_ADDRESS:
                    raise ValueError(f"{hop.address!r} is not an Ethernet address")
                change.hop.ifindex = hop.interface
                memcpy(change.hop.address, <const char *>hop.address, MIP_HOP_ADDRESS)
            with self._lock:
                engine = self._open()
                with nogil:
                    kept += mip_engine_hops(engine, &change, 1)
        return kept

    def has_port(self, uint32_t interface) -> bool:
        """Whether datagrams go by AF_XDP on the interface of this index now."""
        with self._lock:
            return mip_engine_has_port(self._open(), interface)

    def watch(self, interface, network not None, *, bint multicasts=False) -> None:
        """From now on, broadcasts arriving on ``interface`` go to the tunnels that ask for them.

        That is those of side HOME with Flag.BROADCAST and a home address in ``network``.  With ``multicasts``
        also what is for a group, to its members (RFC 5944 4.4), and to the interface what nodes send to
        groups.  ``interface`` None: a network without a link.  To be repeated when it was made anew.
        Raises OSError.
        """
        cdef mip_stage stage = MIP_STAGE_NONE
        cdef int error = 0
        cdef uint32_t network_be = _address_be(network.network_address)
        cdef uint32_t mask_be = _address_be(network.netmask)
        name = b"" if interface is None else interface.encode("ascii", "replace")

        if interface is not None and not 0 < len(name) < MIP_DEVICE_NAME:
            raise ValueError(f"{interface!r} cannot be the name of a network device")
        with self._lock:
            error = mip_engine_watch(self._open(), name, network_be, mask_be, multicasts, &stage)
        if error:
            where = mip_stage_names[<int>stage]
            raise open_error(where.name.decode(), where.meaning.decode(), -error, interface)

    def join(self, group not None, home_address not None) -> None:
        """What is for the multicast group on the home address's network goes into its tunnels too.

        They are those with Flag.MULTICAST.  Raises OSError if there are too many memberships.
        """
        with self._lock:
            if mip_engine_join(self._open(), _address_be(group), _address_be(home_address)):
                raise OSError(errno.ENOSPC, "the engine has no room for another membership")

    def leave(self, group not None, home_address not None) -> bool:
        """No longer; False if the home address was not in the group."""
        with self._lock:
            return mip_engine_leave(self._open(), _address_be(group), _address_be(home_address))

    @property
    def igmp_fd(self) -> int:
        """For :mod:`mobileip.dataplane.igmp`; readable when receive() there has something."""
        with self._lock:
            return mip_engine_igmp_fd(self._open())

    def apply(self, changes) -> None:
        """Makes all changes, in order, in one call.

        Values are checked before the first change; OSError (ENOSPC, EMLINK) says how many were made.
        """
        self._apply(list(changes))

    def tunnels(self) -> list:
        """Every tunnel, with what it carried; changes made meanwhile may or may not be in it."""
        cdef mip_status chunk[64]
        cdef uint32_t cursor = 0
        cdef size_t count = 0, i
        cdef list found = []

        while True:
            with self._lock:
                engine = self._open()
                with nogil:
                    count = mip_engine_tunnels(engine, &cursor, chunk, 64)
            if not count:
                return found
            for i in range(count):
                found.append(TunnelStatus(
                    _tunnel(&chunk[i].tunnel), _traffic(&chunk[i].direction[<int>MIP_OUT]),
                    _traffic(&chunk[i].direction[<int>MIP_IN])))

    def tunnels_of(self, home_address not None, side) -> list:
        """As :meth:`tunnels`, of one home address and side; the others are not looked at."""
        cdef mip_status chunk[8]
        cdef size_t count = 0, i

        with self._lock:
            count = mip_engine_tunnels_of(self._open(), _address_be(home_address), <int>side, chunk)
        return [
            TunnelStatus(_tunnel(&chunk[i].tunnel), _traffic(&chunk[i].direction[<int>MIP_OUT]),
                         _traffic(&chunk[i].direction[<int>MIP_IN]))
            for i in range(count)
        ]

    def carried(self, uint32_t cursor=0) -> tuple:
        """A page of the tunnels of side HOME: home address, remote end (numbers), packets in both directions.

        First comes the cursor of the next page, 0 when this is the last one.
        """
        cdef mip_status chunk[256]
        cdef size_t count = 0, i
        cdef list found = []

        with self._lock:
            engine = self._open()
            with nogil:
                count = mip_engine_tunnels(engine, &cursor, chunk, 256)
        for i in range(count):
            if chunk[i].tunnel.side == <int>Side.HOME:
                found.append((
                    ntohl(chunk[i].tunnel.home_be), ntohl(chunk[i].tunnel.remote_be),
                    chunk[i].direction[<int>MIP_OUT].packets + chunk[i].direction[<int>MIP_IN].packets))
        return (cursor if count == 256 else 0), found

    def fit(self, remote not None, uint32_t path, uint32_t widest) -> int:
        """Makes the tunnels to ``remote`` fit a path that carries ``path`` bytes; how many were not.

        ``widest``: what the device takes, bytes.  Those of side NODE stay as they are.
        """
        cdef uint32_t remote_be = _address_be(remote)
        cdef size_t changed = 0

        with self._lock:
            engine = self._open()
            with nogil:
                changed = mip_engine_fit(engine, remote_be, path, widest)
        return changed

    def sender(self, quote not None):
        """The Tunnel that an ICMP error with this Quote is about, the widest if several may be; or None.

        Costs a look at the tunnels of the quoted inner addresses, or, without such, at those to the far end.
        """
        cdef mip_quote q
        cdef mip_tunnel t
        cdef bint found

        _fill_quote(&q, quote)
        with self._lock:
            engine = self._open()
            with nogil:
                found = mip_engine_sender(engine, &q, &t)
        return _tunnel(&t) if found else None

    def unreached(self, remote not None, uint8_t code, double seconds) -> None:
        """For so long, who sends into a tunnel to ``remote`` is told that it is unreachable (RFC 2003 5)."""
        with self._lock:
            mip_engine_unreached(self._open(), _address_be(remote), code, <uint64_t>(seconds * 1e9))

    def counters(self) -> dict:
        """Every counter and every drop reason by label, from the engine's opening on, zeros included."""
        cdef uint64_t drops[MIP_DROP_END]
        cdef uint64_t counts[MIP_COUNTER_END]

        with self._lock:
            mip_engine_counters(self._open(), drops, counts)
        values = {counter.label: counts[<int>counter] for counter in Counter}
        values.update({reason.label: drops[<int>reason] for reason in DropReason})
        return values

    def drops(self) -> list:
        """A DropCount of every drop reason, from the engine's opening on, zeros included."""
        cdef mip_amount amounts[2][MIP_DROP_END]

        with self._lock:
            mip_engine_drops(self._open(), amounts)
        return [
            DropCount(reason, _amount(&amounts[<int>MIP_OUT][<int>reason]),
                      _amount(&amounts[<int>MIP_IN][<int>reason]))
            for reason in DropReason
        ]

    def capture(self, address=None, uint32_t snap=MIP_PACKET_MAX) -> Capture:
        """Copies what goes into tunnels and out of them, until end_capture(); the descriptor is the caller's.

        Of those with ``address`` as home address or at an end, or of all; ``snap`` bytes of a packet at most.
        What a reader leaves no room for is counted.  Raises OSError: EBUSY when there are too many.
        """
        cdef int fd = -1, number
        with self._lock:
            number = mip_engine_capture(
                self._open(), 0 if address is None else _address_be(address), snap, &fd)
        if number < 0:
            raise OSError(-number, "there are too many captures" if -number == errno.EBUSY
                          else f"memory for a capture: {os.strerror(-number)}")
        return Capture(number, fd)

    def end_capture(self, int number) -> None:
        """Nothing is copied any more; does nothing if that capture has ended."""
        with self._lock:
            if not 0 <= number < <int>MIP_CAPTURES:
                raise ValueError(f"there is no capture {number}")
            if self._engine != NULL:  # what is closed has ended all of them
                with nogil:
                    mip_engine_capture_end(self._engine, number)

    def drain_events(self) -> list:
        """Takes the events that came since the last call."""
        cdef mip_event chunk[64]
        cdef size_t count = 0, i
        cdef list events = []

        with self._lock:
            while True:
                count = mip_engine_events(self._open(), chunk, 64)
                if not count:
                    return events
                for i in range(count):
                    events.append(EngineEvent(
                        EventType(<int>chunk[i].type), _address(chunk[i].address_be), chunk[i].value,
                        _address(chunk[i].inner_be)))
