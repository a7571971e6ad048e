/*
 * mip_place.h - where on a link a visitor is whose home address others have too.
 *
 * By the index of its tunnel.  Written before the tunnel is in the table and the same
 * as long as it is there, so that whoever finds the tunnel finds its place.
 */
#ifndef MIP_PLACE_H
#define MIP_PLACE_H

#include <stdatomic.h>
#include <string.h>

#include "mip.h"

enum { MIP_LINK_ADDRESS = 6 };

/* What the control plane says. */
struct mip_spot {
	uint32_t ifindex, own_be; /* own_be: the agent's address there, for which packets are not tunnelled */
	uint8_t address[MIP_LINK_ADDRESS], own[MIP_LINK_ADDRESS]; /* own: filled in by mip_links_add() */
};

struct mip_place {
	_Atomic uint32_t ifindex, own_be;
	_Atomic uint64_t address, own;
};

static inline uint64_t mip_link_number(const uint8_t address[MIP_LINK_ADDRESS])
{
	uint64_t number = 0;

	memcpy(&number, address, MIP_LINK_ADDRESS);
	return number;
}

static inline void mip_place_write(struct mip_place *p, const struct mip_spot *spot)
{
	atomic_store_explicit(&p->ifindex, spot->ifindex, memory_order_relaxed);
	atomic_store_explicit(&p->own_be, spot->own_be, memory_order_relaxed);
	atomic_store_explicit(&p->address, mip_link_number(spot->address), memory_order_relaxed);
	atomic_store_explicit(&p->own, mip_link_number(spot->own), memory_order_relaxed);
}

static inline struct mip_spot mip_place_read(const struct mip_place *p)
{
	struct mip_spot spot = { .ifindex = atomic_load_explicit(&p->ifindex, memory_order_relaxed),
				 .own_be = atomic_load_explicit(&p->own_be, memory_order_relaxed) };
	uint64_t address = atomic_load_explicit(&p->address, memory_order_relaxed);
	uint64_t own = atomic_load_explicit(&p->own, memory_order_relaxed);

	memcpy(spot.address, &address, MIP_LINK_ADDRESS);
	memcpy(spot.own, &own, MIP_LINK_ADDRESS);
	return spot;
}

static inline bool mip_place_is(const struct mip_place *p, uint32_t ifindex,
				const uint8_t address[MIP_LINK_ADDRESS])
{
	return atomic_load_explicit(&p->ifindex, memory_order_relaxed) == ifindex &&
	       atomic_load_explicit(&p->address, memory_order_relaxed) == mip_link_number(address);
}

#endif
