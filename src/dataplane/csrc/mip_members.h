/*
 * mip_members.h - which home addresses want which multicast group (RFC 5944 4.4).
 *
 * Entries in memory given at the start.  The members of a group are a ring, with an entry of the group itself, home
 * address 0, in it; each entry is also in the chain of a hash table of (group, home address).  One writer and one
 * reader, under one lock; a reader may let go of it between two members: the place it has reached is known here, and
 * moves on when that member is taken out.
 */
#ifndef MIP_MEMBERS_H
#define MIP_MEMBERS_H

#include "mip.h"

struct mip_member {
	uint32_t group_be, home_be;
	uint32_t chain;      /* the next of the same hash, or of those free; 0: none */
	uint32_t next, last; /* in the ring of the group */
};

struct mip_members {
	struct mip_member *entries; /* capacity + 1 of them; the first is never used */
	uint32_t *heads;            /* capacity of them */
	uint32_t capacity;          /* a power of two */
	uint32_t fresh, freed;      /* entries used so far, and the chain of those free again */
	uint32_t place;             /* the reader's: the next member, the group's own at the end */
};

/* Bytes of zeroed memory, aligned to 8, for so many memberships and groups together, a power of two. */
size_t mip_members_bytes(uint32_t capacity);
void mip_members_init(struct mip_members *m, void *zeroed, uint32_t capacity);

/* Writer.  Nothing happens if it is in the group; false if there is no room. */
bool mip_members_join(struct mip_members *m, uint32_t group_be, uint32_t home_be);
/* False if it is not in the group. */
bool mip_members_leave(struct mip_members *m, uint32_t group_be, uint32_t home_be);

/* Reader: from the start of the group; false if nobody is in it. */
bool mip_members_begin(struct mip_members *m, uint32_t group_be);
/* The next home address, 0 at the end. */
uint32_t mip_members_next(struct mip_members *m);
/* The member home_be will be the first the next time, so that nobody is always last. */
void mip_members_turn(struct mip_members *m, uint32_t group_be, uint32_t home_be);

#endif
