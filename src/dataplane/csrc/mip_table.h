/*
 * mip_table.h - tunnels by (home address, side, rank); changed under running readers.
 *
 * The rank is 0 but for the second and further tunnels of one home address
 * (mip_group.h), which only that file asks for.
 *
 * Two levels, in memory given for the whole capacity at the start: nothing ever
 * grows or is copied.  Words of 8 bytes, eight to a cache line, at most a quarter in use, open
 * addressing, linear probing: each holds its key and the place of an entry.  An entry is one
 * cache line.  So a look-up touches two lines, but for the few whose chain goes on in the
 * next one, and mip_table_prefetch() and mip_table_locate() bring them nearer one
 * after the other for a batch of packets.  One writer at a time (the caller's lock); any
 * number of readers, which take no lock and write nothing.
 *
 * Why a reader sees neither a torn entry nor misses one that is there
 *
 * A word is one atomic.  So is every field of an entry; the writer changes it by
 *	seq := odd (relaxed); values (each release); seq := even (release)
 * and the reader reads seq, values (each acquire), then seq again.
 *
 * Torn entry: if a load of a value returned something of a change that began after
 * the first load of seq, that release store made the preceding odd seq visible, so
 * the second load of seq returns it or a later one: retry.  If the change was going on
 * at the first load, seq was odd: retry.
 *
 * Another's entry: the writer fills an entry before it stores the word that leads there
 * (release), and deletes the word before it fills the entry for another key.  A reader
 * that followed a word and finds another key in the entry therefore sees, when it begins
 * anew, that the word is gone: it does so.
 *
 * False miss: a word changes its place only when a deletion shifts it towards
 * its home slot.  The writer (1) writes the copy in the new place, (2) adds one
 * to `moves` (release), (3) only then overwrites the old place.  A reader that
 * finds nothing compares `moves` with what it loaded (acquire) before it began.
 * If it saw the old place overwritten (3), it must also see (2): the counts
 * differ, retry.  If its first load already saw (2), it must see the copy (1).
 *
 * `moves` is 64 bits.  seq has 32: to be fooled, a reader would have to sleep
 * between two loads for exactly 2^31 changes of one entry.
 */
#ifndef MIP_TABLE_H
#define MIP_TABLE_H

#include <stdatomic.h>

#include "mip_tunnel.h"

enum { MIP_ENTRY_WORDS = 7, MIP_TUNNEL_WORDS = sizeof(struct mip_tunnel) / sizeof(uint64_t) };

struct mip_entry {
	_Alignas(64) _Atomic uint32_t seq;
	_Atomic uint64_t value[MIP_ENTRY_WORDS];
};

_Static_assert(sizeof(struct mip_entry) == 64, "one entry is one cache line");
_Static_assert(sizeof(struct mip_tunnel) % sizeof(uint64_t) == 0, "a tunnel is whole words");
_Static_assert((int)MIP_TUNNEL_WORDS <= (int)MIP_ENTRY_WORDS, "a tunnel fits an entry");

/* In lines by who writes them when: a change must not take from readers what never changes. */
struct mip_table {
	_Alignas(64) _Atomic uint64_t *slots; /* 0: free */
	struct mip_entry *entries;
	uint32_t *unused; /* the writer's: places of entries that were used and are not, the last first */
	uint64_t mask, factor;
	uint32_t shift, capacity;

	_Alignas(64) _Atomic uint64_t moves;
	_Atomic uint32_t of_side[MIP_SIDES];

	_Alignas(64) uint32_t used, fresh, returned; /* the writer's */
	uint32_t changes;                            /* likewise; mip_group.h */
};

#define MIP_NOWHERE UINT32_MAX

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

/*
 * Where the tunnel of rank 0 is, brought nearer; MIP_NOWHERE if there is none.  Whoever reads it
 * there asks again for its key: false if it has left since, or something else has come.
 */
uint32_t mip_table_locate(const struct mip_table *t, uint32_t home_be, enum mip_side side);
bool mip_table_read(const struct mip_table *t, uint32_t place, uint32_t home_be, enum mip_side side,
		    struct mip_tunnel *out);

static inline bool mip_table_has(const struct mip_table *t, enum mip_side side)
{
	return atomic_load_explicit(&t->of_side[side], memory_order_relaxed) != 0;
}

#endif
