"""Declarations of the C core (csrc/*.h), as far as _core.pyx needs them."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "mip.h" nogil:
    struct mip_name:
        const char *name
        const char *label
        const char *meaning

    const mip_name mip_drop_names[]
    const mip_name mip_counter_names[]
    const mip_name mip_event_names[]

    enum:
        MIP_OK
        MIP_DROP_END
        MIP_COUNTER_END
        MIP_EVENT_END
        MIP_HEADROOM
        MIP_PACKET_MAX
        MIP_ICMP_MAX
        MIP_CAPACITY_MAX

cdef extern from "mip_checksum.h" nogil:
    uint16_t mip_checksum(const uint8_t *data, size_t size) noexcept

cdef extern from "mip_tunnel.h" nogil:
    enum mip_encap:
        MIP_ENCAP_IPIP
        MIP_ENCAP_GRE
        MIP_ENCAP_MINIMAL

    struct mip_tunnel:
        uint32_t home_be
        uint32_t local_be
        uint32_t remote_be
        uint16_t mtu
        uint16_t flags
        uint8_t side
        uint8_t encap
        uint32_t key_out
        uint32_t key_in
        uint32_t sequence

    struct mip_packet:
        uint8_t *data
        uint32_t len
        uint32_t headroom
        uint32_t tail_len

cdef extern from "mip_ipv4.h" nogil:
    enum mip_layer:
        MIP_INNER

    struct mip_ipv4:
        uint32_t src_be
        uint32_t dst_be
        uint16_t total

    int mip_ipv4_parse(const uint8_t *data, size_t size, mip_layer layer, mip_ipv4 *ip) noexcept

cdef extern from "mip_encap.h" nogil:
    struct mip_decap:
        mip_ipv4 outer
        mip_ipv4 inner
        bint has_key
        bint has_sequence
        uint32_t key
        uint32_t sequence

    bint mip_tunnel_prepare(mip_tunnel *t) noexcept
    int mip_encapsulate(mip_packet *p, const mip_ipv4 *inner, const mip_tunnel *t, uint16_t ident) noexcept
    int mip_encapsulate_nested(
        mip_packet *p, const mip_ipv4 *inner, const mip_tunnel *t, uint16_t ident) noexcept
    int mip_decapsulate(mip_packet *p, mip_encap kind, mip_decap *out) noexcept

    uint16_t mip_tunnel_width(const mip_tunnel *t, uint32_t path, uint32_t widest) noexcept

cdef extern from "mip_path.h" nogil:
    struct mip_quote:
        uint32_t local_be
        uint32_t remote_be
        uint8_t encap
        bint keyed
        bint has_key
        bint has_inner
        uint32_t key
        uint32_t src_be
        uint32_t dst_be

    bint mip_path_sends(const mip_tunnel *t, const mip_quote *q) noexcept

cdef extern from "mip_frag.h" nogil:
    struct mip_frag:
        pass

    bint mip_frag_begin(mip_frag *f, const uint8_t *packet, size_t size, uint32_t mtu) noexcept
    size_t mip_frag_next(mip_frag *f, uint8_t *out, size_t cap) noexcept

cdef extern from "mip_icmp.h" nogil:
    size_t mip_icmp_frag_needed(
        uint8_t *out, size_t cap, const uint8_t *orig, size_t size, uint32_t source_be, uint16_t mtu,
        uint16_t ident) noexcept

cdef extern from "mip_mss.h" nogil:
    bint mip_mss_clamp(uint8_t *packet, const mip_ipv4 *ip, uint32_t mtu) noexcept

cdef extern from "mip_io.h" nogil:
    enum mip_stage:
        MIP_STAGE_NONE
        MIP_STAGE_END

    struct mip_stage_name:
        const char *name
        const char *meaning

    const mip_stage_name mip_stage_names[]

    enum:
        MIP_DEVICE_NAME

cdef extern from "mip_hops.h" nogil:
    enum:
        MIP_HOP_ADDRESS

    struct mip_hop:
        uint32_t ifindex
        uint8_t address[6]

cdef extern from "mip_underlay.h" nogil:
    enum mip_underlay_kind:
        MIP_UNDERLAY_KINDS

    const char *const mip_underlay_names[]

cdef extern from "mip_ring.h" nogil:
    struct mip_event:
        uint32_t type
        uint32_t address_be
        uint32_t inner_be
        uint64_t value

cdef extern from "mip_stats.h" nogil:
    enum:
        MIP_OUT
        MIP_IN

    struct mip_sum:
        uint64_t packets
        uint64_t bytes
        uint64_t dropped
        uint64_t dropped_bytes

    struct mip_status:
        mip_tunnel tunnel
        mip_sum direction[2]

cdef extern from "mip_capture.h" nogil:
    enum:
        MIP_THREADS

    enum:
        MIP_CAPTURES

    enum mip_capture_layer:
        MIP_CAPTURE_OUTER
        MIP_CAPTURE_INNER

    struct mip_captured:
        uint64_t time_ns
        uint32_t captured
        uint32_t length
        uint16_t drop
        uint8_t layer
        uint8_t direction

    struct mip_capture_ring:
        pass

    bint mip_capture_take(mip_capture_ring *r, mip_captured *captured, uint8_t *out) noexcept
    uint64_t mip_capture_lost(const mip_capture_ring *r, mip_capture_layer layer) noexcept

cdef extern from "mip_place.h" nogil:
    enum:
        MIP_LINK_ADDRESS

    struct mip_spot:
        uint32_t ifindex
        uint32_t own_be
        uint8_t address[6]

cdef extern from "mip_engine.h" nogil:
    struct mip_engine:
        pass

    struct mip_config:
        char device[16]
        uint32_t mtu
        uint32_t capacity
        uint32_t mark
        uint32_t icmp_rate
        uint32_t broadcast_rate
        uint32_t multicast_rate
        bint persist
        bint clamp_mss
        bint tell_largest
        mip_underlay_kind underlay

    struct mip_hop_change:
        uint32_t local_be
        uint32_t remote_be
        mip_hop hop

    struct mip_change:
        mip_tunnel tunnel
        mip_spot spot
        bint remove
        bint beside

    int mip_engine_open(mip_engine **out, const mip_config *config, mip_stage *stage) noexcept
    void mip_engine_close(mip_engine *e) noexcept
    int mip_engine_start(mip_engine *e) noexcept
    void mip_engine_stop(mip_engine *e) noexcept
    int mip_engine_event_fd(const mip_engine *e) noexcept
    int mip_engine_apply(
        mip_engine *e, const mip_change *changes, size_t count, size_t *done, size_t *removed) noexcept
    bint mip_engine_has_port(mip_engine *e, uint32_t ifindex) noexcept
    size_t mip_engine_hops(mip_engine *e, const mip_hop_change *changes, size_t count) noexcept
    int mip_engine_watch(
        mip_engine *e, const char *interface, uint32_t network_be, uint32_t mask_be, bint multicasts,
        mip_stage *stage) noexcept
    int mip_engine_join(mip_engine *e, uint32_t group_be, uint32_t home_be) noexcept
    bint mip_engine_leave(mip_engine *e, uint32_t group_be, uint32_t home_be) noexcept
    int mip_engine_igmp_fd(const mip_engine *e) noexcept
    size_t mip_engine_tunnels(
        mip_engine *e, uint32_t *cursor, mip_status *out, size_t cap) noexcept
    size_t mip_engine_tunnels_of(
        mip_engine *e, uint32_t home_be, int side, mip_status *out) noexcept
    size_t mip_engine_fit(mip_engine *e, uint32_t remote_be, uint32_t path, uint32_t widest) noexcept
    bint mip_engine_sender(mip_engine *e, const mip_quote *q, mip_tunnel *out) noexcept
    void mip_engine_unreached(mip_engine *e, uint32_t remote_be, uint8_t code, uint64_t ns) noexcept
    struct mip_amount:
        uint64_t packets
        uint64_t bytes

    void mip_engine_drops(const mip_engine *e, mip_amount (*drops)[MIP_DROP_END]) noexcept
    void mip_engine_counters(const mip_engine *e, uint64_t *drops, uint64_t *counters) noexcept
    int mip_engine_capture(mip_engine *e, uint32_t address_be, uint32_t snap, int *fd) noexcept
    void mip_engine_capture_end(mip_engine *e, int number) noexcept
    size_t mip_engine_events(mip_engine *e, mip_event *out, size_t cap) noexcept
