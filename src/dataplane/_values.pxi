# Between the values of model.py and the structures of the C core; part of _core.pyx.


cdef int _fill_tunnel(mip_tunnel *t, object tunnel) except -1:
    memset(t, 0, sizeof(t[0]))
    t.home_be = _address_be(tunnel.home_address)
    t.local_be = _address_be(tunnel.local)
    t.remote_be = _address_be(tunnel.remote)
    t.flags = int(tunnel.flags)
    t.mtu = tunnel.mtu
    t.side = int(tunnel.side)
    t.encap = int(tunnel.encapsulation)
    t.key_out = tunnel.key_out
    t.key_in = tunnel.key_in
    # The copy in the engine is prepared again; this one is to refuse early and for the pure functions.
    if t.flags != int(tunnel.flags) or not mip_tunnel_prepare(t):
        raise ValueError(f"impossible tunnel: {tunnel}")
    return 0


cdef int _fill_spot(mip_spot *spot, object place) except -1:
    cdef const uint8_t *address

    if place is not None:
        address = <bytes>place.link_address
        spot.ifindex = place.interface
        spot.own_be = _address_be(place.agent)
        memcpy(spot.address, address, MIP_LINK_ADDRESS)
    return 0


cdef int _fill_quote(mip_quote *q, object quote) except -1:
    memset(q, 0, sizeof(q[0]))
    q.local_be, q.remote_be = _address_be(quote.local), _address_be(quote.remote)
    q.encap, q.keyed = quote.encapsulation, quote.keyed
    if quote.key is not None:
        q.has_key, q.key = True, quote.key
    if quote.inner is not None:
        q.has_inner = True
        q.src_be, q.dst_be = _address_be(quote.inner[0]), _address_be(quote.inner[1])
    return 0


cdef object _tunnel(const mip_tunnel *t):
    return Tunnel(
        _address(t.home_be), Side(t.side), _address(t.local_be), _address(t.remote_be), t.mtu,
        Encapsulation(t.encap), Flag(t.flags), t.key_out, t.key_in,
    )


cdef object _traffic(const mip_sum *s):
    return Traffic(s.packets, s.bytes, s.dropped, s.dropped_bytes)


cdef object _amount(const mip_amount *a):
    return Amount(a.packets, a.bytes)
