# The pure functions of the C core, one packet at a time; part of _core.pyx.


def checksum(const uint8_t[::1] data not None) -> int:
    """The Internet checksum of ``data`` (RFC 1071): 0 if it holds a correct one."""
    return mip_checksum(&data[0], <size_t>data.shape[0]) if data.shape[0] else 0xffff


cdef int _encapsulate(uint8_t *data, size_t headroom, size_t size, const mip_tunnel *t, uint16_t ident,
                      mip_packet *p) noexcept nogil:
    cdef mip_ipv4 inner
    cdef int drop = mip_ipv4_parse(data, size, MIP_INNER, &inner)

    if drop != MIP_OK:
        return drop
    p.data, p.tail_len, p.len, p.headroom = data, 0, <uint32_t>size, <uint32_t>headroom
    return mip_encapsulate(p, &inner, t, ident)


cdef int _bounds(Py_ssize_t room, Py_ssize_t offset, Py_ssize_t size) except -1:
    if room == 0 or offset < 0 or size < 0 or offset + size > room:
        raise ValueError("the packet does not lie in the buffer")
    return 0


def encapsulate_into(uint8_t[::1] buffer not None, Py_ssize_t offset, Py_ssize_t size, tunnel not None,
                     uint16_t ident, Py_ssize_t rounds=1, uint32_t sequence=0) -> tuple:
    """Encapsulates the packet at ``buffer[offset:offset + size]`` in place.

    Returns offset and size of the outer datagram.  Raises Drop, and then nothing
    has changed.  ``rounds`` repeats it without returning to Python, to measure C; not
    for minimal encapsulation, which changes the packet itself.
    """
    cdef mip_tunnel t
    cdef mip_packet p
    cdef int drop = MIP_OK
    cdef uint8_t *data
    cdef Py_ssize_t _round

    _bounds(buffer.shape[0], offset, size)
    _fill_tunnel(&t, tunnel)
    t.sequence = sequence
    data = &buffer[0] + offset
    with nogil:
        for _round in range(rounds):
            drop = _encapsulate(data, <size_t>offset, <size_t>size, &t, ident, &p)
    _check(drop)
    return p.data - &buffer[0], p.len


def decapsulate_into(uint8_t[::1] buffer not None, Py_ssize_t offset, Py_ssize_t size,
                     Py_ssize_t rounds=1, encapsulation=Encapsulation.IPIP) -> tuple:
    """Decapsulates the datagram at ``buffer[offset:offset + size]`` in place.

    Returns offset and size of the inner packet, GRE key and sequence number or None.
    Raises Drop.  ``rounds`` as above.
    """
    cdef mip_encap kind = <mip_encap><int>encapsulation
    cdef mip_packet p
    cdef mip_decap d
    cdef int drop = MIP_OK
    cdef uint8_t *data
    cdef Py_ssize_t _round

    _bounds(buffer.shape[0], offset, size)
    data = &buffer[0] + offset
    with nogil:
        for _round in range(rounds):
            p.data, p.tail_len, p.len, p.headroom = data, 0, <uint32_t>size, <uint32_t>offset
            drop = mip_decapsulate(&p, kind, &d)
    _check(drop)
    key = d.key if d.has_key else None
    return p.data - &buffer[0], p.len, key, d.sequence if d.has_sequence else None


def encapsulate(const uint8_t[::1] packet not None, tunnel not None, uint16_t ident,
                uint32_t sequence=0) -> bytes:
    """The outer datagram for an inner packet, by the encapsulation of ``tunnel``.

    ``ident`` is its Identification (RFC 2003 3.1; minimal encapsulation keeps the packet's own),
    ``sequence`` what Flag.GRE_SEQUENCE sends.  Raises Drop; its reason NEEDS_FRAGMENTATION
    means: fragment() first.
    """
    buffer = bytearray(MIP_HEADROOM) + packet
    offset, size = encapsulate_into(buffer, MIP_HEADROOM, packet.shape[0], tunnel, ident, 1, sequence)
    return bytes(buffer[offset:offset + size])


def decapsulate(const uint8_t[::1] datagram not None, encapsulation=Encapsulation.IPIP):
    """The inner packet of a tunnelled datagram, ECN combined (RFC 6040 4.2).

    Who sent it is not checked, nor key and sequence number: the engine does that against its
    table.  Raises Drop.
    """
    buffer = bytearray(MIP_HEADROOM) + datagram
    offset, size, key, sequence = decapsulate_into(
        buffer, MIP_HEADROOM, datagram.shape[0], 1, encapsulation)
    source, destination = (IPv4Address(bytes(datagram[at:at + 4])) for at in (12, 16))
    return Decapsulated(bytes(buffer[offset:offset + size]), source, destination, key, sequence)


def width(encapsulation, flags, uint32_t path, uint32_t widest) -> int:
    """The MTU of a tunnel over a path that carries ``path`` bytes, from a device that takes ``widest``."""
    cdef mip_tunnel t

    memset(&t, 0, sizeof(t))
    t.encap, t.flags = int(encapsulation), int(flags)
    return mip_tunnel_width(&t, path, widest)


def sends(tunnel not None, quote not None) -> bool:
    """Whether the datagram of a Quote may have come from this tunnel."""
    cdef mip_tunnel t
    cdef mip_quote q

    _fill_tunnel(&t, tunnel)
    _fill_quote(&q, quote)
    return mip_path_sends(&t, &q)


def icmp_fragmentation_needed(const uint8_t[::1] packet not None, source, uint16_t mtu, uint16_t ident=0):
    """The ICMP datagram (RFC 1191 4) from ``source`` to the sender of ``packet``: at most ``mtu`` bytes fit.

    None if RFC 1812 4.3.2.7 forbids an error about this packet.
    """
    cdef uint8_t out[MIP_ICMP_MAX]
    cdef size_t size = 0

    if packet.shape[0]:
        size = mip_icmp_frag_needed(
            out, sizeof(out), &packet[0], <size_t>packet.shape[0], _address_be(source), mtu, ident)
    return (<char *>out)[:size] if size else None


def encapsulate_nested(const uint8_t[::1] packet not None, tunnel not None, uint16_t ident) -> bytes:
    """The outer datagram for a broadcast to a foreign agent care-of address (RFC 5944 4.3).

    The packet goes into a datagram from ``tunnel.local`` to ``tunnel.home_address``, and that
    into the tunnel.  Raises Drop.
    """
    cdef mip_tunnel t
    cdef mip_packet p
    cdef mip_ipv4 inner
    cdef uint8_t[::1] buffer = bytearray(MIP_HEADROOM) + packet
    cdef uint8_t *data = &buffer[0] + MIP_HEADROOM

    _fill_tunnel(&t, tunnel)
    _check(mip_ipv4_parse(data, <size_t>packet.shape[0], MIP_INNER, &inner))
    p.data, p.tail_len, p.len, p.headroom = data, 0, <uint32_t>packet.shape[0], MIP_HEADROOM
    _check(mip_encapsulate_nested(&p, &inner, &t, ident))
    return (<char *>p.data)[:p.len]


def clamp_mss(const uint8_t[::1] packet not None, uint32_t mtu) -> bytes:
    """The packet; if it is a TCP SYN that announces segments too long for ``mtu`` bytes, it announces less.

    Raises Drop for what is no IPv4 packet.
    """
    cdef mip_ipv4 ip
    cdef uint8_t[::1] copy = bytearray(packet)

    if not packet.shape[0]:
        raise Drop(DropReason.INNER_TRUNCATED)
    _check(mip_ipv4_parse(&copy[0], <size_t>packet.shape[0], MIP_INNER, &ip))
    mip_mss_clamp(&copy[0], &ip, mtu)
    return bytes(copy)


def fragment(const uint8_t[::1] packet not None, uint32_t mtu) -> list:
    """The fragments of a packet, at most ``mtu`` bytes each (RFC 791 3.2); itself alone if it fits.

    Raises ValueError if it is malformed, may not be fragmented, or ``mtu`` is too small.
    """
    cdef mip_frag f
    cdef uint8_t[::1] out = bytearray(MIP_PACKET_MAX)
    cdef size_t size
    cdef list fragments = []

    if not packet.shape[0] or not mip_frag_begin(&f, &packet[0], <size_t>packet.shape[0], mtu):
        raise ValueError("the packet cannot be fragmented to this MTU")
    while True:
        size = mip_frag_next(&f, &out[0], MIP_PACKET_MAX)
        if not size:
            return fragments
        fragments.append(bytes(out[:size]))
