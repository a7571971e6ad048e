/*
 * mip_far.h - tunnels, by their index, in rings of those with the same far end.
 *
 * What a router says of a path concerns the tunnels to its far end: a path is named by where it leads (RFC 1191 3),
 * so that what was learned of one tunnel is true of all of them.  With the rings it costs a walk over these,
 * whatever others there are.
 *
 * The first of each ring is in the chain of a hash table.  Under the lock of the one writer, readers too.
 */
#ifndef MIP_FAR_H
#define MIP_FAR_H

#include "mip.h"

enum { MIP_FAR_END = UINT32_MAX };

struct mip_far_place {
	uint32_t remote_be;
	uint32_t next, last; /* in the ring, 1 + index; 0: in none */
	uint32_t chain; /* of the first of a ring: the first of the next one with the same hash, likewise */
};

struct mip_far {
	struct mip_far_place *places; /* one for each index */
	uint32_t *heads;
	uint32_t mask;
	uint64_t factor;
};

/* Bytes of zeroed memory, aligned to 8, for so many tunnels. */
size_t mip_far_bytes(uint32_t capacity);
void mip_far_init(struct mip_far *f, void *zeroed, uint32_t capacity, uint64_t seed);

/* From now on in the ring of remote_be, and in no other. */
void mip_far_put(struct mip_far *f, uint32_t index, uint32_t remote_be);
/* Nothing happens if it is in none. */
void mip_far_remove(struct mip_far *f, uint32_t index);

/* Any of a ring, and the one after index; MIP_FAR_END if there is none, or that is the first again. */
uint32_t mip_far_first(const struct mip_far *f, uint32_t remote_be);
uint32_t mip_far_next(const struct mip_far *f, uint32_t first, uint32_t index);

#endif
