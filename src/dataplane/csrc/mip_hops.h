/*
 * mip_hops.h - the next hop of outer datagrams, by their two addresses, as the control plane knows it.
 *
 * Open addressing with a bounded look, in memory given at the start.  One writer at a
 * time; readers take no lock.  A slot is changed between an odd and an even seq, as in mip_table.h; a
 * reader that meets a change, or a place it no longer finds, has missed, and whoever misses sends by the
 * raw socket, where the kernel knows the way.
 */
#ifndef MIP_HOPS_H
#define MIP_HOPS_H

#include <stdatomic.h>

#include "mip.h"

enum { MIP_HOP_ADDRESS = 6, MIP_HOPS_MAX = 1 << 15, MIP_HOPS_LOOK = 32 };

struct mip_hop {
	uint32_t ifindex; /* 0: there is none */
	uint8_t address[MIP_HOP_ADDRESS];
};

struct mip_hop_slot {
	_Alignas(32) _Atomic uint32_t seq;
	_Atomic uint32_t ifindex; /* 0: free for another */
	_Atomic uint64_t key;     /* both addresses; 0: never used */
	_Atomic uint64_t address;
};

struct mip_hops {
	struct mip_hop_slot *slots;
	uint64_t seed;
};

/* Bytes of zeroed memory, aligned to 32. */
size_t mip_hops_bytes(void);
void mip_hops_init(struct mip_hops *h, void *zeroed, uint64_t seed);

/* Writer.  False if there is no room where a reader would look. */
bool mip_hops_set(struct mip_hops *h, uint32_t local_be, uint32_t remote_be, const struct mip_hop *hop);

/* Writer: another pair that has a hop; *cursor is 0 at first.  False at the end. */
bool mip_hops_next(const struct mip_hops *h, uint32_t *cursor, uint32_t *local_be, uint32_t *remote_be);

/* Reader. */
bool mip_hops_find(const struct mip_hops *h, uint32_t local_be, uint32_t remote_be, struct mip_hop *out);

#endif
