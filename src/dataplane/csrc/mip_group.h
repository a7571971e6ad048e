/*
 * mip_group.h - several tunnels of one home address and side: simultaneous
 * bindings (RFC 5944 4.2.3), each towards another remote end; or, at a foreign agent,
 * visitors of different home agents with one address (RFC 3024 A.2).
 *
 * The first stands in the table under rank 0 and says in `beside` how many
 * others there are, under ranks 1, 2 and so on.  An address with one tunnel costs a
 * reader nothing more than it did.
 *
 * Why a reader of several sees neither a mixture nor misses one that is there
 *
 * The writer counts in `changes` (release) every time that it has written a rank 0; the reader
 * takes `changes` (acquire), rank 0, the others, and `changes` again, and starts afresh if it is
 * another.  The writer adds at the end, before rank 0 counts it; and takes
 * one out by (1) copying the last over it, (2) counting one less in rank 0, (3) deleting
 * the last.  A reader that misses the last saw (3), and so the count that follows (2): it is
 * another, or it was there when the reader began, and then so was (2).  One that saw (1) and not
 * yet (2) finds the last twice: the second is left out.  Rank 0 itself is copied over and counted
 * in one write.
 */
#ifndef MIP_GROUP_H
#define MIP_GROUP_H

#include "mip_table.h"

enum { MIP_GROUP_MAX = MIP_RANKS };

enum mip_joined { MIP_JOINED, MIP_JOIN_TABLE_FULL, MIP_JOIN_TOO_MANY };

/* Writer.  Puts t in the place of all of its home address and side. */
enum mip_joined mip_group_replace(struct mip_table *table, const struct mip_tunnel *t);
/* Puts t beside the others, in the place of the one with the same remote end. */
enum mip_joined mip_group_join(struct mip_table *table, const struct mip_tunnel *t);
/* Takes out the one towards remote_be, or all if that is 0; false if there was none. */
bool mip_group_remove(struct mip_table *table, uint32_t home_be, enum mip_side side, uint32_t remote_be);

/* Reader: all of them, in no particular order; how many. */
uint32_t mip_group_find(const struct mip_table *table, uint32_t home_be, enum mip_side side,
			struct mip_tunnel out[MIP_GROUP_MAX]);

/* Reader: the one of them with this index. */
bool mip_group_find_index(const struct mip_table *table, uint32_t home_be, enum mip_side side, uint32_t index,
			  struct mip_tunnel *out);

/* The place of the one towards remote_be among count; count if there is none. */
uint32_t mip_group_place(const struct mip_tunnel *group, uint32_t count, uint32_t remote_be);

#endif
