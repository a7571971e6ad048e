/*
 * mip_capture.h - copies of packets for whoever asked to see a tunnel's: a ring of bytes for each thread, in
 * memory shared with the process that reads it.
 *
 * The thread writes a record, then head with release; the reader loads head with acquire, copies, then stores
 * tail with release.  A record that finds no room is left out and counted: a thread never waits for a reader.
 * Nor does it believe one, who can write to all of this: of what is shared it reads tail only, and a
 * tail that cannot be means a full ring.
 *
 * A thread looks once a batch whether a capture is armed.  If one is, it says so in `using` before it
 * looks again, and takes that back at the end of the batch; who ends a capture clears `armed` and then
 * waits until no thread uses it (both sequentially consistent: one of the two sees the other).
 */
#ifndef MIP_CAPTURE_H
#define MIP_CAPTURE_H

#include <stdatomic.h>

#include "mip_stats.h"
#include "mip_tunnel.h"

enum { MIP_CAPTURES = 4, MIP_CAPTURE_RING = 4 << 20 }; /* at one time; bytes, a power of two */

/* Of an inbound datagram, so many bytes are kept before they are written over: all its IP and GRE headers. */
enum { MIP_CAPTURE_KEPT = 160 };

enum mip_capture_layer { MIP_CAPTURE_OUTER, MIP_CAPTURE_INNER, MIP_CAPTURE_LAYERS };

/* In front of the bytes of each packet, which are filled up to a multiple of 8. */
struct mip_captured {
	uint64_t time_ns;          /* since 1970 */
	uint32_t captured, length; /* bytes that are here, and that the packet had */
	uint16_t drop;             /* enum mip_drop */
	uint8_t layer, direction;  /* enum mip_direction */
	uint32_t reserved;
};

_Static_assert(sizeof(struct mip_captured) == 24, "written to memory that another process reads");

struct mip_capture_ring {
	_Alignas(64) _Atomic uint64_t head;
	_Atomic uint64_t lost[MIP_CAPTURE_LAYERS];
	_Alignas(64) _Atomic uint64_t tail;
	_Alignas(64) uint8_t bytes[MIP_CAPTURE_RING];
};

struct mip_capture {
	uint32_t address_be;            /* an end of the tunnels, or a home address; 0: all */
	uint32_t snap;                  /* bytes of a packet at most */
	struct mip_capture_ring *rings; /* MIP_THREADS of them; null: free */
	uint64_t head[MIP_THREADS];     /* each thread's own */
};

struct mip_captures {
	_Atomic uint32_t armed; /* a bit for each that is */
	struct mip_capture capture[MIP_CAPTURES];
};

/* A thread: the captures it may write to until it stores 0 in using. */
uint32_t mip_captures_begin(const struct mip_captures *c, _Atomic uint32_t *using);

/* Whether packets of t are wanted; t null: one that has no tunnel, by its own addresses. */
bool mip_capture_wants(const struct mip_capture *c, const struct mip_tunnel *t, const struct mip_packet *p);

/*
 * Writes what there is room for of captured.time_ns, drop, layer and direction, and of p; false if it is lost.
 * number: of the thread.
 */
bool mip_capture_put(struct mip_capture *c, uint32_t number, struct mip_captured captured,
		     const struct mip_packet *p);

/* p with its first bytes in kept, where they stay as they are when headers are written. */
struct mip_packet mip_capture_keep(uint8_t kept[MIP_CAPTURE_KEPT], const struct mip_packet *p);

static inline uint64_t mip_capture_lost(const struct mip_capture_ring *r, enum mip_capture_layer layer)
{
	return mip_get(&r->lost[layer]);
}

/* The reader: the next of a ring, its bytes in out; false if there is none. */
bool mip_capture_take(struct mip_capture_ring *r, struct mip_captured *captured, uint8_t out[MIP_PACKET_MAX]);

#endif
