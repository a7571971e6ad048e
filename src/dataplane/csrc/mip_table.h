/*
 * mip_table.h - tunnels by (home address, side, rank); changed under running readers.
 *
 * The rank is 0 but for the second and further tunnels of one home address
 * (mip_group.h), which only that file asks for.
 *
 * Open addressing, linear probing, at most half full, in memory given for the
 * whole capacity at the start: nothing ever grows or is copied.  One slot is
 * one cache line.  One writer at a time (the caller's lock); any number of
 * readers, which take no lock and write nothing.
 *
 * Why a reader sees neither a torn entry nor misses one that is there
 *
 * Every field of a slot is an atomic.  The writer changes a slot by
 *	seq := odd (relaxed); key, values (each release); seq := even (release)
 * and the reader reads seq, key, values (each acquire), then seq again.
 *
 * Torn hit: if a load of the key or a value returned something of a change that
 * began after the first load of seq, that release store made the preceding odd
 * seq visible, so the second load of seq returns it or a later one: retry.  If the
 * change was going on at the first load, seq was odd: retry.
 *
 * False miss: an entry changes its place only when a deletion shifts it towards
 * its home slot.  The writer (1) writes the copy in the new place, (2) adds one
 * to `moves` (release), (3) only then overwrites the old place.  A reader that
 * finds nothing compares `moves` with what it loaded (acquire) before it began.
 * If it saw the old place overwritten (3), it must also see (2): the counts
 * differ, retry.  If its first load already saw (2), it must see the copy (1).
 * A slot under change whose key is not the wanted one is simply passed: the
 * wanted entry is either not yet there, no longer there, or moved, which `moves` tells.
 *
 * `moves` is 64 bits.  seq has 32: to be fooled, a reader would have to sleep
 * between two loads for exactly 2^31 changes of one slot.
 */
#ifndef MIP_TABLE_H
#define MIP_TABLE_H

#include <stdatomic.h>

#include "mip_tunnel.h"

enum { MIP_SLOT_WORDS = 6, MIP_TUNNEL_WORDS = sizeof(struct mip_tunnel) / sizeof(uint64_t) };

struct mip_slot {
	_Alignas(64) _Atomic uint32_t seq;
	_Atomic uint64_t key; /* 0: free */
	_Atomic uint64_t value[MIP_SLOT_WORDS];
};

_Static_assert(sizeof(struct mip_slot) == 64, "one slot is one cache line");
_Static_assert(sizeof(struct mip_tunnel) % sizeof(uint64_t) == 0, "a tunnel is whole words");
_Static_assert((int)MIP_TUNNEL_WORDS <= (int)MIP_SLOT_WORDS, "a tunnel fits a slot");

struct mip_table {
	struct mip_slot *slots;
	uint64_t mask, seed;
	uint32_t capacity, used;
	uint32_t changes; /* mip_group.h */
	_Atomic uint64_t moves;
	_Atomic uint32_t of_side[MIP_SIDES];
};

enum mip_put { MIP_PUT_NEW, MIP_PUT_REPLACED, MIP_PUT_FULL };

/* Bytes of zeroed memory, aligned to 64, for so many tunnels. */
size_t mip_table_bytes(uint32_t capacity);
void mip_table_init(struct mip_table *t, void *zeroed, uint32_t capacity, uint64_t seed);

/* Writer. */
enum mip_put mip_table_put(struct mip_table *t, const struct mip_tunnel *tunnel);
bool mip_table_delete(struct mip_table *t, uint32_t home_be, enum mip_side side, uint32_t rank);

/* Reader: the tunnel of rank 0, and that of any. */
bool mip_table_find(const struct mip_table *t, uint32_t home_be, enum mip_side side, struct mip_tunnel *out);
bool mip_table_find_rank(const struct mip_table *t, uint32_t home_be, enum mip_side side, uint32_t rank,
			 struct mip_tunnel *out);
void mip_table_prefetch(const struct mip_table *t, uint32_t home_be, enum mip_side side);

static inline bool mip_table_has(const struct mip_table *t, enum mip_side side)
{
	return atomic_load_explicit(&t->of_side[side], memory_order_relaxed) != 0;
}

#endif
