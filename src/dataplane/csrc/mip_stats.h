/*
 * mip_stats.h - counters of each tunnel, by the index kept in its table entry.
 *
 * Each worker thread counts in arrays of its own; only that thread writes
 * them, so a count is a plain add, made visible to the reader by relaxed atomics.
 * Nobody resets an array: an index that is given out again remembers what the
 * arrays held and subtracts it, so a new tunnel starts from zero.  A worker may
 * still finish one batch for the index's former tunnel; therefore an index
 * rests, behind MIP_STATS_REST others, before it is given out again.
 *
 * Packets and bytes are those that there would be without offloads: a super-packet
 * from the TUN device counts as the segments it is cut into, headers and all,
 * whether sent or dropped.  Only what a network card merged before we saw it is one.
 * Bytes are without outer headers, but of what is dropped before it was unpacked.
 */
#ifndef MIP_STATS_H
#define MIP_STATS_H

#include <stdatomic.h>

#include "mip_tunnel.h"

enum mip_direction { MIP_OUT, MIP_IN, MIP_DIRECTIONS };

/* The threads: one for each direction, for broadcasts, and for visitors with a shared address. */
enum { MIP_BROADCAST = MIP_DIRECTIONS, MIP_LINK, MIP_THREADS };

/* The arrays: one for each thread, and what the inward thread sends on (RFC 3024 5.2). */
enum { MIP_DELIVERY = MIP_THREADS, MIP_ARRAYS };

enum { MIP_STATS_REST = 1024, MIP_NO_INDEX = -1 };

struct mip_traffic {
	_Atomic uint64_t packets, bytes, dropped, dropped_bytes;
};

/*
 * GRE sequence numbers of a tunnel (RFC 2890 2.2): the next to be sent, the last that was received.
 * RFC 2890 has no sign that a sender began anew, as one that was restarted does.  Here it is that so
 * many packets in a row came late: the next is taken as the first of another stream.
 */
struct mip_sequence {
	_Atomic uint32_t next, last, late;
};

enum { MIP_SEQUENCE_LATE = 4 };

struct mip_sum {
	uint64_t packets, bytes, dropped, dropped_bytes;
};

struct mip_owner {
	uint32_t home_be;
	uint8_t side, taken;
	struct mip_sum before[MIP_ARRAYS];
};

struct mip_stats {
	struct mip_traffic *traffic[MIP_ARRAYS]; /* capacity entries each, zeroed, given by the caller */
	struct mip_sequence *sequences;          /* likewise */
	struct mip_owner *owners;                /* likewise */
	uint32_t *resting;                       /* likewise: a queue of indices */
	uint32_t capacity, fresh, first, rest;
};

/* What the control plane is told of a tunnel. */
struct mip_status {
	struct mip_tunnel tunnel;
	struct mip_sum direction[MIP_DIRECTIONS];
};

/* Writer: the first to be sent is 0, and the first to be received may be any. */
void mip_sequence_reset(struct mip_sequence *s);
/* Writer: the other end may have begun anew, what we send goes on. */
void mip_sequence_expect_any(struct mip_sequence *s);
uint32_t mip_sequence_next(struct mip_sequence *s);
/* For the one thread that receives: false if it is out of sequence, and then it does not count. */
bool mip_sequence_accept(struct mip_sequence *s, uint32_t received);

/* Writer, under its lock: an index from zero, or MIP_NO_INDEX when all are taken. */
int64_t mip_stats_take(struct mip_stats *s, uint32_t home_be, enum mip_side side);
void mip_stats_release(struct mip_stats *s, uint32_t index);
void mip_stats_read(const struct mip_stats *s, uint32_t index, struct mip_status *out);

/* The one writer of this counter adds to it. */
static inline void mip_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline uint64_t mip_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
