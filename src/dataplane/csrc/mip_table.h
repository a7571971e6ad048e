/*
 * mip_table.h - tunnels by (home address, side, rank); changed under running readers.
 *
 * The rank is 0 but for the second and further tunnels of one home address
 * (mip_group.h), which only that file asks for.
 *
 * One array, in memory given for the whole capacity at the start: nothing ever grows or is copied.
 * A slot holds a whole tunnel in half a cache line; at most half of the slots are in use, by open
 * addressing with linear probing from the first slot of a line.  So nine in ten look-ups of a full
 * table touch one line, most others the next one too, and mip_table_prefetch() brings it nearer for a
 * batch of packets: among a million tunnels the memory takes longer than all the rest.  One
 * writer at a time (the caller's lock); any number of readers, which take no lock and
 * write nothing.
 *
 * Why a reader sees neither a torn tunnel nor misses one that is there
 *
 * Every word of a slot is one atomic; the writer changes a slot by
 *	seq := odd (relaxed); words (each release); seq := even (release)
 * and the reader reads seq, words (each acquire), then seq again.  seq is half of the last word.  Only
 * the word with the key is also read alone, to find the slot.
 *
 * Torn tunnel: if a load of a word returned something of a change that began after
 * the first load of seq, that release store made the preceding odd seq visible, so
 * the second load of seq returns it or a later one: retry.  If the change was going on
 * at the first load, seq was odd: retry.
 *
 * Another's tunnel: the key is one of the words.  If it is no longer the one that led
 * there, the reader begins anew.
 *
 * False miss: a tunnel changes its slot only when a deletion shifts it towards
 * its home slot.  The writer (1) writes the copy in the new slot, (2) adds one
 * to `moves` (release), (3) only then overwrites the old slot.  A reader that
 * finds nothing compares `moves` with what it loaded (acquire) before it began.
 * If it saw the old slot overwritten (3), it must also see (2): the counts
 * differ, retry.  If its first load already saw (2), it must see the copy (1).
 * tests/c/test_moves.c tries every interleaving.
 *
 * `moves` is 64 bits.  seq has 32: to be fooled, a reader would have to sleep
 * between two loads for exactly 2^31 changes of one slot.
 */
#ifndef MIP_TABLE_H
#define MIP_TABLE_H

#include <stdatomic.h>

#include "mip_tunnel.h"

/* A struct mip_tunnel.  The first word has the key, and 0 is a free slot; the last a seq in place of the sequence number. */
struct mip_slot {
	_Alignas(32) _Atomic uint64_t word[4];
};

enum { MIP_LINE_SLOTS = 2 };

_Static_assert(sizeof(struct mip_slot) == sizeof(struct mip_tunnel) &&
		       MIP_LINE_SLOTS * sizeof(struct mip_slot) == 64,
	       "slots of one cache line");

/* In lines by who writes them when: a change must not take from readers what never changes. */
struct mip_table {
	_Alignas(64) struct mip_slot *slots;
	uint64_t mask, factor;
	uint32_t shift, capacity;

	_Alignas(64) _Atomic uint64_t moves;
	_Atomic uint32_t of_side[MIP_SIDES];

	_Alignas(64) uint32_t used; /* the writer's */
	_Atomic uint32_t changes;   /* likewise; mip_group.h */
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

/*
 * In two steps for a batch: where the tunnel of rank 0 is likely to be, brought nearer; then mip_table_find()
 * that looks there first.  From any other slot it finds the same.
 */
uint32_t mip_table_prefetch(const struct mip_table *t, uint32_t home_be, enum mip_side side);
bool mip_table_find_near(const struct mip_table *t, uint32_t near, uint32_t home_be, enum mip_side side,
			 struct mip_tunnel *out);

static inline bool mip_table_has(const struct mip_table *t, enum mip_side side)
{
	return atomic_load_explicit(&t->of_side[side], memory_order_relaxed) != 0;
}

#endif
