/*
 * mip_ring.h - events from one thread to one reader, without a lock.
 *
 * The producer writes the record, then head with release; the reader loads head
 * with acquire, copies, then stores tail with release, so a record is not
 * overwritten before it was copied.  A full ring refuses: an event may be lost,
 * and is counted by the caller.  What must not be lost is state, not an event.
 */
#ifndef MIP_RING_H
#define MIP_RING_H

#include <stdatomic.h>

#include "mip.h"

enum { MIP_RING_SIZE = 256 };

struct mip_event {
	uint32_t type; /* enum mip_event_type */
	uint32_t address_be, inner_be;
	uint64_t value;
};

struct mip_ring {
	_Alignas(64) _Atomic uint32_t head; /* written by the producer */
	_Alignas(64) _Atomic uint32_t tail; /* written by the reader */
	struct mip_event events[MIP_RING_SIZE];
};

bool mip_ring_put(struct mip_ring *r, const struct mip_event *event);
bool mip_ring_take(struct mip_ring *r, struct mip_event *event);

#endif
